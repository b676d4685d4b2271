#include "blend/poisson.h"

#include "blend/poisson_layout.h"

namespace nsa {

// Transposing costs about as much as a quarter of the transform of a square box.
bool poisson_transposes(int width, int height) {
    return 4 * width > 5 * height;
}

int poisson_length(int width, int height) {
    return (poisson_transposes(width, height) ? height : width) - 2;
}

size_t poisson_workspace(int width, int height, int channels, bool masked) {
    const bool transpose = poisson_transposes(width, height);
    return PoissonLayout(width, height, channels, transpose, masked).bytes;
}

}  // namespace nsa
