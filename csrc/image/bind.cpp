// Bindings of the image kernels; nsa.plan and nsa.images check what they pass.
#include "bind.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "arrays.h"
#include "image/gather.h"
#include "image/object_mask.h"
#include "image/position.h"
#include "parallel.h"

namespace py = pybind11;

namespace {

using Bytes = nsa::Array<uint8_t>;

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

// views: bytes of (count) View, each of an image below `stored`.
std::vector<nsa::View> checked_views(const Bytes& views, int64_t stored, int64_t count) {
    if (views.size() != count * static_cast<int64_t>(sizeof(nsa::View))) {
        throw nsa::InputError("views must be one a result.");
    }
    std::vector<nsa::View> copied(static_cast<size_t>(count));
    std::memcpy(copied.data(), views.data(), static_cast<size_t>(views.size()));
    for (const nsa::View& view : copied) {
        if (view.image < 0 || view.image >= stored) {
            throw nsa::InputError("a view names an image that is not stored.");
        }
        // Of NaN both are false. Crops of anything but a rotation would be read anywhere.
        if (!(std::abs(view.cosine) <= 1.0 && std::abs(view.sine) <= 1.0)) {
            throw nsa::InputError("a view's angle is not a number.");
        }
    }
    return copied;
}

// store (N, H, W, C) uint8, views bytes, out (count, rows, columns, C) uint8, written.
void gather(const Bytes& store, const Bytes& views, Bytes& out, int threads) {
    const nsa::ImagesView images = nsa::images_view(store, "store");
    const nsa::ImagesView results = nsa::images_view(out, "out");
    if (results.channels != images.channels) {
        throw nsa::InputError("out must have the channels of store.");
    }
    const std::vector<nsa::View> table = checked_views(views, images.count, results.count);
    uint8_t* const to = out.mutable_data();

    const py::gil_scoped_release release;
    std::vector<std::vector<int64_t>> starts(std::max(threads, 1));
    nsa::parallel_for(results.count, threads, [&](int64_t index, int worker) {
        starts[worker].resize(2 * static_cast<size_t>(results.height));
        const nsa::View& view = table[index];
        const nsa::Crop crop = nsa::place_crop(view, images.height, images.width, results.height,
                                               results.width, starts[worker].data());
        NSA_PICK(gather)
        (images.image(view.image), images.height, images.width, images.channels, crop,
         to + index * results.bytes());
    });
}

// foreground: words of (N, height, width) bits as gather_mask reads them, and one more. views:
// bytes. masks (count, rows, columns) uint8, written.
void gather_masks(const nsa::Array<uint64_t>& foreground, int height, int width, bool outside,
                  const Bytes& views, Bytes& masks, int threads) {
    nsa::side(height, "foreground");
    nsa::side(width, "foreground");
    const int64_t words = height * nsa::bit_words(width), stored = (foreground.size() - 1) / words;
    if (foreground.size() < 1 || foreground.size() != stored * words + 1) {
        throw nsa::InputError("foreground must be whole images of words, and one word.");
    }
    if (masks.ndim() != 3) throw nsa::InputError("masks must have the shape (N, H, W).");
    const int rows = nsa::side(masks.shape(1), "masks"),
              columns = nsa::side(masks.shape(2), "masks");
    const int64_t count = masks.shape(0), pixels = static_cast<int64_t>(rows) * columns;
    const std::vector<nsa::View> table = checked_views(views, stored, count);
    const uint64_t* const from = foreground.data();
    uint8_t* const to = masks.mutable_data();

    const py::gil_scoped_release release;
    const auto scratch_words =
        static_cast<size_t>(NSA_PICK(gather_mask_scratch_words)(rows, columns));
    std::vector<std::vector<int64_t>> starts(std::max(threads, 1));
    std::vector<std::vector<uint64_t>> scratch(starts.size());
    nsa::parallel_for(count, threads, [&](int64_t index, int worker) {
        starts[worker].resize(2 * static_cast<size_t>(rows));
        scratch[worker].resize(scratch_words);
        const nsa::View& view = table[index];
        const nsa::Crop crop =
            nsa::place_crop(view, height, width, rows, columns, starts[worker].data());
        NSA_PICK(gather_mask)
        (from + view.image * words, height, width, outside, crop, to + index * pixels,
         scratch[worker].data());
    });
}

}  // namespace

void bind_image(py::module_& module) {
    module.def("object_masks_cpu", &object_masks, py::arg("images").noconvert(),
               py::arg("background"), py::arg("threshold"), py::arg("masks").noconvert(),
               py::arg("threads"));
    module.def("gather_cpu", &gather, py::arg("store").noconvert(), py::arg("views").noconvert(),
               py::arg("out").noconvert(), py::arg("threads"));
    module.def("gather_masks_cpu", &gather_masks, py::arg("foreground").noconvert(),
               py::arg("height"), py::arg("width"), py::arg("outside"),
               py::arg("views").noconvert(), py::arg("masks").noconvert(), py::arg("threads"));
}
