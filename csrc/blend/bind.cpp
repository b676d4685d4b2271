#include "bind.h"

#include <pybind11/stl.h>

#include "arrays.h"
#include "blend/blend.h"
#include "blend/resize.h"

namespace py = pybind11;

namespace {

using nsa::Array;
using nsa::ImagesView;
using nsa::InputError;

void require_same_shape(const ImagesView& a, const ImagesView& b, const std::string& what) {
    if (a.count != b.count || a.height != b.height || a.width != b.width ||
        a.channels != b.channels) {
        throw InputError(what + " must have the same shape.");
    }
}

void blend_batch(const Array<uint8_t>& images, const Array<uint8_t>& sources,
                 const Array<int32_t>& rows, const Array<float>& factors,
                 const Array<uint8_t>& masks, const std::string& mode, Array<uint8_t>& out,
                 int threads) {
    const ImagesView from = nsa::images_view(images, "images");
    const ImagesView cut = nsa::images_view(sources, "sources");
    const nsa::PlanView plan = nsa::plan_view(rows, factors, masks);
    require_same_shape(from, nsa::images_view(out, "out"), "images and out");
    if (cut.channels != from.channels) {
        throw InputError("images and sources must have the same number of channels.");
    }
    const auto how = nsa::named<nsa::Blend>(mode);
    nsa::require_apart(out, {&images, &sources, &rows, &factors, &masks});
    uint8_t* const to = out.mutable_data();
    const int64_t mask_bytes = masks.shape(0);
    const py::gil_scoped_release release;
    nsa::blend_cpu(from, cut, plan, mask_bytes, how, to, threads);
}

void check_clone(const ImagesView& from, const ImagesView& to, const Array<uint8_t>& masks,
                 const Array<int64_t>& centers) {
    if (from.count != to.count || (from.channels != to.channels && from.channels != 1)) {
        throw InputError(
            "source and destination must have the same number of images and channels, or source "
            "one channel.");
    }
    if (masks.ndim() != 3 || masks.shape(0) != from.count || masks.shape(1) != from.height ||
        masks.shape(2) != from.width) {
        throw InputError("mask must have the height and width of source.");
    }
    if (centers.ndim() != 2 || centers.shape(0) != from.count || centers.shape(1) != 2) {
        throw InputError("center must be one (x, y) per image.");
    }
    nsa::require_aligned(centers, "center");
}

void clone_batch(const Array<uint8_t>& sources, const Array<uint8_t>& destinations,
                 const Array<uint8_t>& masks, const Array<int64_t>& centers, int64_t flags,
                 Array<uint8_t>& out, int threads) {
    const ImagesView from = nsa::images_view(sources, "source");
    const ImagesView to = nsa::images_view(destinations, "destination");
    require_same_shape(to, nsa::images_view(out, "out"), "destination and out");
    check_clone(from, to, masks, centers);
    nsa::require_apart(out, {&sources, &destinations, &masks, &centers});
    uint8_t* const written = out.mutable_data();
    const nsa::CloneBatch batch{from, to, masks.data(), centers.data(), nsa::clone_flags(flags)};
    const py::gil_scoped_release release;
    nsa::clone_cpu(batch, written, threads);
}

// The rows (P, 20) and masks (M,) of a plan for items of these shapes.
py::tuple clone_plan(const std::array<int64_t, 4>& sources,
                     const std::array<int64_t, 4>& destinations, const Array<uint8_t>& masks,
                     const Array<int64_t>& centers, int64_t flags) {
    const ImagesView from = nsa::shape_view(sources, "source");
    const ImagesView to = nsa::shape_view(destinations, "destination");
    check_clone(from, to, masks, centers);
    const nsa::CloneBatch batch{from, to, masks.data(), centers.data(), nsa::clone_flags(flags)};
    nsa::ClonePlan plan;
    {
        const py::gil_scoped_release release;
        plan = nsa::clone_plan(batch);
    }
    const auto rows = static_cast<py::ssize_t>(plan.rows.size()) / nsa::kPlanColumns;
    return py::make_tuple(
        Array<int32_t>({rows, py::ssize_t{nsa::kPlanColumns}}, plan.rows.data()),
        Array<uint8_t>(static_cast<py::ssize_t>(plan.masks.size()), plan.masks.data()));
}

Array<uint8_t> resize_batch(const Array<uint8_t>& images, int width, int height) {
    const ImagesView from = nsa::images_view(images, "images");
    nsa::side(width, "the output");
    nsa::side(height, "the output");
    nsa::product({from.count, height, width, from.channels}, "the output");
    Array<uint8_t> out({from.count, int64_t{height}, int64_t{width}, int64_t{from.channels}});
    uint8_t* const to = out.mutable_data();
    const py::gil_scoped_release release;
    nsa::resize_cpu(from, width, height, to);
    return out;
}

}  // namespace

void bind_blend(py::module_& module) {
    using py::arg;
    module.attr("blend_modes") = nsa::names<nsa::Blend>();
    module.def("blend_cpu", &blend_batch, arg("images").noconvert(), arg("sources").noconvert(),
               arg("rows").noconvert(), arg("factors").noconvert(), arg("masks").noconvert(),
               arg("mode"), arg("out").noconvert(), arg("threads"));
    module.def("clone_cpu", &clone_batch, arg("sources").noconvert(),
               arg("destinations").noconvert(), arg("masks").noconvert(),
               arg("centers").noconvert(), arg("flags"), arg("out").noconvert(), arg("threads"));
    module.def("clone_plan", &clone_plan, arg("sources"), arg("destinations"),
               arg("masks").noconvert(), arg("centers").noconvert(), arg("flags"));
    module.def(
        "clone_gradients",
        [](int64_t flags) {
            const nsa::CloneFlags asked = nsa::clone_flags(flags);
            return py::make_tuple(asked.mixed, asked.monochrome);
        },
        arg("flags"), "Whether flags ask for mixed gradients, and for those of the brightness.");
    module.def("resize", &resize_batch, arg("images").noconvert(), arg("width"), arg("height"),
               "Bilinear resize of uint8 (count, height, width, channels), equal to OpenCV's.");
}
