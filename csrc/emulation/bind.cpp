// Bindings of the emulated kernels, for tests.
#include "bind.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.h"
#include "device/parameters.h"
#include "emulation/emulate.h"
#include "label/label_block.h"

namespace py = pybind11;

namespace {

using nsa::Array;
using nsa::ImagesView;

void emulate_blend(const Array<uint8_t>& images, const Array<uint8_t>& sources,
                   const Array<int32_t>& rows, const Array<float>& factors,
                   const Array<uint8_t>& masks, int mode, float grey_unit, int64_t shared_limit,
                   int threads, uint32_t seed, Array<uint8_t>& out) {
    const nsa::PlanView plan = nsa::plan_view(rows, factors, masks);
    nsa::emulate_blend(nsa::images_view(images, "images"), nsa::images_view(sources, "sources"),
                       plan, masks.shape(0), static_cast<nsa::Blend>(mode), grey_unit,
                       static_cast<size_t>(shared_limit), {threads, seed}, out.mutable_data());
}

void emulate_label(const Array<uint8_t>& original, const Array<uint8_t>& blended,
                   const Array<int32_t>& rows, const Array<float>& factors,
                   const Array<uint8_t>& masks, int kind, bool overwrite, const Array<float>& table,
                   uint32_t seed, Array<float>& labels) {
    const nsa::LabelRule rule{static_cast<nsa::LabelKind>(kind), overwrite, table.data(),
                              static_cast<int>(table.size()) - 1};
    nsa::emulate_label(nsa::images_view(original, "original"), nsa::images_view(blended, "blended"),
                       nsa::plan_view(rows, factors, masks), masks.shape(0), rule,
                       {nsa::kLabelThreads, seed}, labels.mutable_data());
}

void emulate_object_mask(const Array<uint8_t>& images, int low, int extent, uint32_t seed,
                         Array<uint8_t>& masks) {
    const ImagesView view = nsa::images_view(images, "images");
    nsa::emulate_object_mask(
        {view.data, view.height, view.width, view.channels, low, extent, masks.mutable_data()},
        view.count, {nsa::kObjectThreads, seed});
}

}  // namespace

void bind_emulation(py::module_& module) {
    module.def("emulate_blend", &emulate_blend, py::arg("images").noconvert(),
               py::arg("sources").noconvert(), py::arg("rows").noconvert(),
               py::arg("factors").noconvert(), py::arg("masks").noconvert(), py::arg("mode"),
               py::arg("grey_unit"), py::arg("shared_limit"), py::arg("threads"), py::arg("seed"),
               py::arg("out").noconvert());
    module.def("emulate_label", &emulate_label, py::arg("original").noconvert(),
               py::arg("blended").noconvert(), py::arg("rows").noconvert(),
               py::arg("factors").noconvert(), py::arg("masks").noconvert(), py::arg("kind"),
               py::arg("overwrite"), py::arg("table").noconvert(), py::arg("seed"),
               py::arg("labels").noconvert());
    module.def("emulate_object_mask", &emulate_object_mask, py::arg("images").noconvert(),
               py::arg("low"), py::arg("extent"), py::arg("seed"), py::arg("masks").noconvert());
    module.def(
        "emulate_augment",
        [](uintptr_t store, const std::array<int64_t, 4>& shape, uintptr_t views, int64_t count,
           int rows, int columns, uintptr_t out, int threads, uint32_t seed) {
            nsa::emulate_augment(nsa::augment_batch(store, shape, views, rows, columns, out), count,
                                 {threads, seed});
        },
        py::arg("store"), py::arg("shape"), py::arg("views"), py::arg("count"), py::arg("rows"),
        py::arg("columns"), py::arg("out"), py::arg("threads"), py::arg("seed"));
    module.def(
        "emulate_normalise",
        [](uintptr_t images, int64_t values, int channels, const std::array<float, 3>& scale,
           const std::array<float, 3>& shift, bool half, uintptr_t out, int threads,
           uint32_t seed) {
            nsa::emulate_normalise(
                nsa::input_batch(images, values, channels, scale, shift, half, out),
                {threads, seed});
        },
        py::arg("images"), py::arg("values"), py::arg("channels"), py::arg("scale"),
        py::arg("shift"), py::arg("half"), py::arg("out"), py::arg("threads"), py::arg("seed"));
}
