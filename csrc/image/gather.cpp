#include "image/gather.h"

#include "image/position.h"

namespace nsa {

Crop place_crop(const View& view, int height, int width, int rows, int columns, int64_t* starts) {
    const double dx = view.left + 0.5 - width / 2.0;
    for (int y = 0; y < rows; ++y) {
        const double dy = static_cast<double>(view.top) + y + 0.5 - height / 2.0;
        starts[2 * y] = fixed_position(view.cosine, dx, -view.sine, dy, width / 2.0);
        starts[2 * y + 1] = fixed_position(view.sine, dx, view.cosine, dy, height / 2.0);
    }
    return {starts, fixed_step(view.cosine), fixed_step(view.sine), rows, columns, view.flip != 0};
}

}  // namespace nsa
