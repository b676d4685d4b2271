#include "image/object_mask.h"

#include <cmath>

#include "errors.h"

namespace nsa {

// The comparison is NumPy's, in float64 with the same rounding, and monotone on either side of the
// background: its solutions are one interval.
BackgroundRange background_range(int channels, double background, double threshold) {
    if (channels != 1 && channels != 3) throw InputError("object masks are of 1 or 3 channels.");
    if (!std::isfinite(background) || !std::isfinite(threshold)) {
        throw InputError("background and threshold must be finite numbers.");
    }
    BackgroundRange range{0, -1};
    for (int sum = 0; sum <= 255 * channels; ++sum) {
        if (std::abs(sum / static_cast<double>(channels) - background) > threshold) continue;
        if (range.extent < 0) range.low = sum;
        range.extent = sum - range.low;
    }
    return range;
}

}  // namespace nsa
