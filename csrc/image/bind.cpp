// Binding of the object masks; nsa.plan.object_masks checks what it passes.
#include "bind.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <vector>

#include "errors.h"
#include "image/object_mask.h"
#include "parallel.h"

namespace py = pybind11;

namespace {

using Bytes = py::array_t<uint8_t, py::array::c_style>;

// Sums over channels of pixels with |mean - background| <= threshold. The comparison is NumPy's, in
// float64 with the same rounding, and monotone on either side of the background: its solutions are
// one interval.
nsa::BackgroundRange background_range(int channels, double background, double threshold) {
    nsa::BackgroundRange range{0, -1};
    for (int sum = 0; sum <= 255 * channels; ++sum) {
        if (std::abs(sum / static_cast<double>(channels) - background) > threshold) continue;
        if (range.extent < 0) range.low = sum;
        range.extent = sum - range.low;
    }
    return range;
}

// images (N, H, W, C) uint8, masks (N, H, W) uint8, written.
void object_masks(const Bytes& images, double background, double threshold, Bytes& masks,
                  int threads) {
    if (images.ndim() != 4 || (images.shape(3) != 1 && images.shape(3) != 3)) {
        throw nsa::InputError("images must have the shape (N, H, W, C) with C 1 or 3.");
    }
    if (masks.ndim() != 3 || masks.shape(0) != images.shape(0) ||
        masks.shape(1) != images.shape(1) || masks.shape(2) != images.shape(2)) {
        throw nsa::InputError("masks must have the shape (N, H, W) of the images.");
    }
    const auto height = static_cast<int>(images.shape(1)),
               width = static_cast<int>(images.shape(2));
    const auto channels = static_cast<int>(images.shape(3));
    const int64_t count = images.shape(0), pixels = static_cast<int64_t>(height) * width;
    if (count == 0 || pixels == 0) return;
    const nsa::BackgroundRange range = background_range(channels, background, threshold);
    const uint8_t* const from = images.data();
    uint8_t* const to = masks.mutable_data();

    const py::gil_scoped_release release;
    const auto bytes = static_cast<size_t>(NSA_PICK(object_mask_scratch_bytes)(height, width));
    std::vector<std::vector<uint8_t>> scratch(std::max(threads, 1));
    nsa::parallel_for(count, threads, [&](int64_t index, int worker) {
        scratch[worker].resize(bytes);
        NSA_PICK(object_mask)
        (from + index * pixels * channels, height, width, channels, range, to + index * pixels,
         scratch[worker].data());
    });
}

}  // namespace

void bind_image(py::module_& module) {
    module.def("object_masks_cpu", &object_masks, py::arg("images").noconvert(),
               py::arg("background"), py::arg("threshold"), py::arg("masks").noconvert(),
               py::arg("threads"));
}
