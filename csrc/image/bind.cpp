// Bindings of the image kernels; nsa.plan and nsa.images check what they pass.
#include "bind.h"

#include "arrays.h"
#include "image/batch.h"
#include "image/gather.h"
#include "image/light.h"
#include "image/position.h"

namespace py = pybind11;

namespace {

using Bytes = nsa::Array<uint8_t>;
using nsa::InputError;

py::tuple background_range(int channels, double background, double threshold) {
    const nsa::BackgroundRange range = nsa::background_range(channels, background, threshold);
    return py::make_tuple(range.low, range.extent);
}

// images (N, H, W, C) uint8, masks (N, H, W) uint8, written.
void object_masks(const Bytes& images, double background, double threshold, Bytes& masks,
                  int threads) {
    const nsa::ImagesView from = nsa::images_view(images, "images");
    if (masks.ndim() != 3 || masks.shape(0) != from.count || masks.shape(1) != from.height ||
        masks.shape(2) != from.width) {
        throw InputError("masks must have the shape (N, H, W) of the images.");
    }
    nsa::require_apart(masks, {&images});
    uint8_t* const to = masks.mutable_data();
    const py::gil_scoped_release release;
    nsa::object_masks_cpu(from, nsa::background_range(from.channels, background, threshold), to,
                          threads);
}

// store (N, H, W, C) uint8, views bytes, out (count, rows, columns, C) uint8, written.
void gather(const Bytes& store, const Bytes& views, Bytes& out, int threads) {
    const nsa::ImagesView images = nsa::images_view(store, "store");
    const nsa::ImagesView results = nsa::images_view(out, "out");
    if (results.channels != images.channels) {
        throw InputError("out must have the channels of store.");
    }
    nsa::require_apart(out, {&store, &views});
    const nsa::TableBytes bytes{views.data(), views.size()};
    uint8_t* const to = out.mutable_data();
    const py::gil_scoped_release release;
    nsa::gather_cpu(images, bytes, results, to, threads);
}

// foreground: words of (N, height, width) bits as gather_mask reads them, and one more. views:
// bytes. masks (count, rows, columns) uint8, written.
void gather_masks(const nsa::Array<uint64_t>& foreground, int height, int width, bool outside,
                  const Bytes& views, Bytes& masks, int threads) {
    nsa::side(height, "foreground");
    nsa::side(width, "foreground");
    const int64_t words = height * nsa::bit_words(width), stored = (foreground.size() - 1) / words;
    if (foreground.size() < 1 || foreground.size() != stored * words + 1) {
        throw InputError("foreground must be whole images of words, and one word.");
    }
    if (masks.ndim() != 3) throw InputError("masks must have the shape (N, H, W).");
    nsa::require_aligned(foreground, "foreground");
    nsa::require_apart(masks, {&foreground, &views});
    const nsa::MaskBatch batch{foreground.data(),
                               stored,
                               height,
                               width,
                               outside,
                               masks.shape(0),
                               nsa::side(masks.shape(1), "masks"),
                               nsa::side(masks.shape(2), "masks")};
    const nsa::TableBytes bytes{views.data(), views.size()};
    uint8_t* const to = masks.mutable_data();
    const py::gil_scoped_release release;
    nsa::gather_masks_cpu(batch, bytes, to, threads);
}

// images (N, H, W, C) uint8, lights bytes, out like images, written.
void relight(const Bytes& images, const Bytes& lights, Bytes& out, int threads) {
    const nsa::ImagesView from = nsa::images_view(images, "images");
    const nsa::ImagesView to = nsa::images_view(out, "out");
    if (to.count != from.count || to.height != from.height || to.width != from.width ||
        to.channels != from.channels) {
        throw InputError("out must have the shape of images.");
    }
    nsa::require_apart(out, {&images, &lights});
    const nsa::TableBytes bytes{lights.data(), lights.size()};
    uint8_t* const written = out.mutable_data();
    const py::gil_scoped_release release;
    nsa::relight_cpu(from, bytes, written, threads);
}

}  // namespace

void bind_image(py::module_& module) {
    PYBIND11_NUMPY_DTYPE(nsa::View, cosine, sine, image, top, left, flip, unused);
    module.attr("view") = py::dtype::of<nsa::View>();
    PYBIND11_NUMPY_DTYPE(nsa::Light, gain, shift, taps, noise, key, unused);
    module.attr("light") = py::dtype::of<nsa::Light>();
    module.def(
        "background_range", &background_range, py::arg("channels"), py::arg("background"),
        py::arg("threshold"),
        "The smallest sum over channels that is background, and how far the others lie above "
        "it; -1 if none is.");
    module.def("object_masks_cpu", &object_masks, py::arg("images").noconvert(),
               py::arg("background"), py::arg("threshold"), py::arg("masks").noconvert(),
               py::arg("threads"));
    module.def("gather_cpu", &gather, py::arg("store").noconvert(), py::arg("views").noconvert(),
               py::arg("out").noconvert(), py::arg("threads"));
    module.def("gather_masks_cpu", &gather_masks, py::arg("foreground").noconvert(),
               py::arg("height"), py::arg("width"), py::arg("outside"),
               py::arg("views").noconvert(), py::arg("masks").noconvert(), py::arg("threads"));
    module.def("relight_cpu", &relight, py::arg("images").noconvert(),
               py::arg("lights").noconvert(), py::arg("out").noconvert(), py::arg("threads"));
}
