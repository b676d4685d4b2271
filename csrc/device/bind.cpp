// Bindings of the CUDA kernels. Device memory comes as an address and a number of bytes, which
// have to be true; whether they suffice is checked here.
#include "bind.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <string>

#include "arrays.h"
#include "blend/box_sides.h"
#include "blend/sine_pack.h"
#include "device/device_plan.h"
#include "device/parameters.h"
#ifdef NSA_WITH_CUDA
#include "device/device.h"
#endif

namespace py = pybind11;

namespace {

using nsa::Array;
using nsa::DeviceLimits;
using nsa::DevicePlan;
using nsa::ImagesView;
using nsa::InputError;
using nsa::Memory;
using nsa::shape_view;

using Shape = std::array<int64_t, 4>;

// A cudaStream_t, which Python has as a number.
[[maybe_unused]] void* on(uintptr_t stream) {
    return reinterpret_cast<void*>(stream);
}

nsa::DeviceTask task(const Shape& images, const Shape& sources,
                     const std::optional<std::string>& mode, const DeviceLimits& limits,
                     int channels_together) {
    nsa::DeviceTask made{shape_view(images, "images"),
                         shape_view(sources, "sources"),
                         {},
                         limits,
                         channels_together};
    if (mode) made.mode = nsa::named<nsa::Blend>(*mode);
    return made;
}

// mode: none for labels alone. mask_bytes: how many bytes of mask there are, in `masks` or, if that
// is empty, elsewhere on the device.
DevicePlan plan_of(const Array<int32_t>& rows, const Array<float>& factors,
                   const Array<uint8_t>& masks, int64_t mask_bytes, const Shape& images,
                   const Shape& sources, const std::optional<std::string>& mode,
                   const DeviceLimits& limits, int channels_together) {
    return DevicePlan::of(nsa::plan_view(rows, factors, masks), masks.size(), mask_bytes,
                          task(images, sources, mode, limits, channels_together));
}

DevicePlan reserve(const Shape& images, const Shape& sources, const std::string& mode,
                   const DeviceLimits& limits, int64_t rounds, int height, int width,
                   int64_t mask_bytes, int channels_together) {
    return DevicePlan::reserve(task(images, sources, mode, limits, channels_together), rounds,
                               height, width, mask_bytes);
}

void pack(const DevicePlan& self, const Array<int32_t>& rows, const Array<float>& factors,
          const Array<uint8_t>& masks, Array<uint8_t>& out) {
    const nsa::PlanView plan = nsa::plan_view(rows, factors, masks);
    const int64_t mask_bytes = masks.shape(0), room = out.size();
    nsa::require_apart(out, {&rows, &factors, &masks});
    uint8_t* const to = out.mutable_data();
    const py::gil_scoped_release release;  // training packs in several threads
    self.pack(plan, mask_bytes, to, room);
}

py::tuple sine_tables() {
    const nsa::PackedSines& packed = nsa::packed_sines();
    const auto array = [](const auto& values) {
        using Element = typename std::decay_t<decltype(values)>::value_type;
        return py::array_t<Element>(static_cast<py::ssize_t>(values.size()), values.data());
    };
    return py::make_tuple(array(packed.starts), array(packed.values), array(packed.decays));
}

#ifdef NSA_WITH_CUDA

void blend_cuda(const DevicePlan& plan, const Memory& buffer, const std::optional<Memory>& masks,
                const Memory& images, const Shape& shape, const Memory& sources,
                const Shape& source_shape, const std::array<Memory, 3>& tables,
                const std::string& mode, float grey_unit, const Memory& workspace,
                int workspace_blocks, uintptr_t stream) {
    const nsa::Schedule& bounds = plan.bounds();
    const nsa::BlendBatch batch =
        nsa::blend_batch(plan, buffer, masks, images, shape, sources, source_shape, tables,
                         nsa::named<nsa::Blend>(mode), grey_unit);
    if (bounds.large > 0 && workspace_blocks < 1) {
        throw InputError("boxes beyond shared memory need a workspace of a block or more.");
    }
    const int64_t bytes =
        nsa::product({workspace_blocks, static_cast<int64_t>(bounds.workspace)}, "workspace");
    nsa::launch_blend(batch, bounds, nsa::elements<uint8_t>(workspace, bytes, "workspace", 16),
                      workspace_blocks, on(stream));
}

void label_cuda(const DevicePlan& plan, const Memory& buffer, const std::optional<Memory>& masks,
                const Memory& original, const Memory& blended, const Shape& shape,
                const std::string& kind, const std::string& variant, const Memory& table,
                const Memory& labels, uintptr_t stream) {
    nsa::launch_label(
        nsa::label_batch(plan, buffer, masks, original, blended, shape, nsa::label_kind(kind),
                         nsa::named<nsa::Variant>(variant), table, labels),
        shape[0], on(stream));
}

#endif

}  // namespace

void bind_device(py::module_& module) {
    py::class_<DeviceLimits>(module, "DeviceLimits", py::module_local())
        .def(py::init([](int64_t shared_memory, int multiprocessors) {
                 if (shared_memory < 0 || multiprocessors < 1) {
                     throw InputError("a device has shared memory and multiprocessors.");
                 }
                 return DeviceLimits{static_cast<size_t>(shared_memory), multiprocessors};
             }),
             py::arg("shared_memory"), py::arg("multiprocessors"))
        .def_readonly("shared_memory", &DeviceLimits::shared_memory)
        .def_readonly("multiprocessors", &DeviceLimits::multiprocessors);
    py::class_<DevicePlan>(module, "DevicePlan", py::module_local())
        .def_static("of", &plan_of, py::arg("rows").noconvert(), py::arg("factors").noconvert(),
                    py::arg("masks").noconvert(), py::arg("mask_bytes"), py::arg("images"),
                    py::arg("sources"), py::arg("mode"), py::arg("limits"),
                    py::arg("channels_together") = 0)
        .def_static("reserve", &reserve, py::arg("images"), py::arg("sources"), py::arg("mode"),
                    py::arg("limits"), py::arg("rounds"), py::arg("height"), py::arg("width"),
                    py::arg("mask_bytes"), py::arg("channels_together") = 0)
        .def("pack", &pack, py::arg("rows").noconvert(), py::arg("factors").noconvert(),
             py::arg("masks").noconvert(), py::arg("out").noconvert())
        .def_property_readonly("bytes", [](const DevicePlan& self) { return self.layout().bytes; })
        .def_property_readonly(
            "channels_together",
            [](const DevicePlan& self) { return self.bounds().channels_together; })
        .def_property_readonly("shared",
                               [](const DevicePlan& self) { return self.bounds().shared; })
        .def_property_readonly("workspace",
                               [](const DevicePlan& self) { return self.bounds().workspace; });
    module.attr("widest_box") = nsa::kWidestBox;
    module.def("sine_tables", &sine_tables);
#ifdef NSA_WITH_CUDA
    py::class_<nsa::Device>(module, "Device", py::module_local())
        .def_readonly("name", &nsa::Device::name)
        .def_readonly("capability", &nsa::Device::capability)
        .def_readonly("multiprocessors", &nsa::Device::multiprocessors)
        .def_readonly("memory", &nsa::Device::memory);
    module.def("cuda_devices", &nsa::devices);
    module.def("cuda_versions", [] {
        const nsa::CudaVersions versions = nsa::cuda_versions();
        return py::make_tuple(versions.runtime, versions.driver);
    });
    module.def("use_cuda_device", &nsa::use_device, py::arg("index"));
    module.def("device_limits", &nsa::device_limits);
    module.def("blend_cuda", &blend_cuda, py::arg("plan"), py::arg("buffer"), py::arg("masks"),
               py::arg("images"), py::arg("shape"), py::arg("sources"), py::arg("source_shape"),
               py::arg("tables"), py::arg("mode"), py::arg("grey_unit"), py::arg("workspace"),
               py::arg("workspace_blocks"), py::arg("stream"));
    module.def("label_cuda", &label_cuda, py::arg("plan"), py::arg("buffer"), py::arg("masks"),
               py::arg("original"), py::arg("blended"), py::arg("shape"), py::arg("kind"),
               py::arg("variant"), py::arg("table"), py::arg("labels"), py::arg("stream"));
    module.def(
        "augment_cuda",
        [](const Memory& store, const Shape& shape, const Memory& views, int64_t count, int rows,
           int columns, const Memory& out, uintptr_t stream) {
            nsa::launch_augment(nsa::augment_batch(store, shape, views, count, rows, columns, out),
                                count, on(stream));
        },
        py::arg("store"), py::arg("shape"), py::arg("views"), py::arg("count"), py::arg("rows"),
        py::arg("columns"), py::arg("out"), py::arg("stream"));
    module.def(
        "normalise_cuda",
        [](const Memory& images, const Shape& shape, const std::array<float, 3>& scale,
           const std::array<float, 3>& shift, bool half, const Memory& out, uintptr_t stream) {
            nsa::launch_normalise(nsa::input_batch(images, shape, scale, shift, half, out),
                                  on(stream));
        },
        py::arg("images"), py::arg("shape"), py::arg("scale"), py::arg("shift"), py::arg("half"),
        py::arg("out"), py::arg("stream"));
    module.def(
        "normalise_in_blocks_cuda",
        [](const Memory& images, const Shape& shape, const std::array<float, 3>& scale,
           const std::array<float, 3>& shift, bool half, const Memory& out, uintptr_t stream) {
            nsa::launch_normalise_in_blocks(
                nsa::blocked_input(images, shape, scale, shift, half, out), shape[0], on(stream));
        },
        py::arg("images"), py::arg("shape"), py::arg("scale"), py::arg("shift"), py::arg("half"),
        py::arg("out"), py::arg("stream"));
    module.def(
        "object_masks_cuda",
        [](const Memory& images, const Shape& shape, int low, int extent, const Memory& masks,
           uintptr_t stream) {
            const ImagesView view = shape_view(shape, "images");
            nsa::launch_object_mask(nsa::object_batch(images, view, low, extent, masks), view.count,
                                    on(stream));
        },
        py::arg("images"), py::arg("shape"), py::arg("low"), py::arg("extent"), py::arg("masks"),
        py::arg("stream"));
    module.def(
        "relight_cuda",
        [](const Memory& images, const Shape& shape, const Memory& lights, const Memory& out,
           uintptr_t stream) {
            nsa::launch_relight(nsa::light_batch(images, shape, lights, out), shape[0], on(stream));
        },
        py::arg("images"), py::arg("shape"), py::arg("lights"), py::arg("out"), py::arg("stream"));
#endif
}
