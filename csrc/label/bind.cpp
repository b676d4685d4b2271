// Binding of the labels.
#include "bind.h"

#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.h"
#include "label/batch.h"

namespace py = pybind11;

namespace {

using nsa::Array;
using nsa::InputError;

// original, blended (N, H, W, C) uint8; rows (P, 20) int32, factors (P) float32, masks (M) uint8:
// the plan; labels (N, H, W) float32, written.
void label(const Array<uint8_t>& original, const Array<uint8_t>& blended,
           const Array<int32_t>& rows, const Array<float>& factors, const Array<uint8_t>& masks,
           const std::string& kind, const std::string& variant, double midpoint, double steepness,
           Array<float>& labels, int threads) {
    const nsa::ImagesView images = nsa::images_view(original, "original");
    if (blended.ndim() != 4 ||
        !std::equal(original.shape(), original.shape() + 4, blended.shape())) {
        throw InputError("blended must have the shape of original.");
    }
    if (labels.ndim() != 3 || !std::equal(labels.shape(), labels.shape() + 3, original.shape())) {
        throw InputError("labels must have the shape (N, H, W) of the images.");
    }
    const nsa::PlanView plan = nsa::plan_view(rows, factors, masks);
    nsa::require_aligned(labels, "labels");
    nsa::require_apart(labels, {&original, &blended, &rows, &factors, &masks});
    const nsa::LabelKind& made = nsa::label_kind(kind);
    const auto by = nsa::named<nsa::Variant>(variant);
    const uint8_t* const after = blended.data();
    float* const out = labels.mutable_data();
    const int64_t mask_bytes = masks.shape(0);
    const py::gil_scoped_release release;
    nsa::label_cpu(images, after, plan, mask_bytes, made, by, midpoint, steepness, out, threads);
}

py::array_t<float> label_table(const std::string& kind, int channels, double midpoint,
                               double steepness) {
    const std::vector<float> table =
        nsa::label_table(nsa::label_kind(kind), channels, midpoint, steepness);
    return py::array_t<float>(static_cast<py::ssize_t>(table.size()), table.data());
}

}  // namespace

void bind_label(py::module_& module) {
    using py::arg;
    module.attr("label_kinds") = py::tuple(py::cast(nsa::label_kinds()));
    module.attr("variants") = nsa::names<nsa::Variant>();
    module.def("label_table", &label_table, arg("kind"), arg("channels"), arg("midpoint"),
               arg("steepness"));
    module.def("label_cpu", &label, arg("original").noconvert(), arg("blended").noconvert(),
               arg("rows").noconvert(), arg("factors").noconvert(), arg("masks").noconvert(),
               arg("kind"), arg("variant"), arg("midpoint"), arg("steepness"),
               arg("labels").noconvert(), arg("threads"));
}
