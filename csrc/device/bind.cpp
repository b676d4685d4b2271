// Bindings of the CUDA kernels and of their emulation on the host. Device memory comes as addresses;
// nsa._cuda checks the tensors they belong to, this file what kernels index with.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "arrays.h"
#include "bind.h"
#include "blend/batch_block.h"
#include "blend/sine_pack.h"
#include "device/emulate.h"
#include "device/schedule.h"
#include "label/label_block.h"
#ifdef NSA_WITH_CUDA
#include "blend/batch_cuda.h"
#include "device/device.h"
#include "image/image_cuda.h"
#include "label/label_cuda.h"
#endif

namespace py = pybind11;

namespace {

using nsa::Array;
using nsa::ImagesView;
using nsa::InputError;

// (count, height, width, channels) without pixels: what checks need to know of device images.
ImagesView shape_view(const std::array<int64_t, 4>& shape, const char* name) {
    if (shape[0] < 0 || (shape[3] != 1 && shape[3] != 3)) {
        throw InputError(std::string(name) +
                         " must have the shape (count, height, width, 1 or 3 channels).");
    }
    return {nullptr, shape[0], nsa::side(shape[1], name), nsa::side(shape[2], name),
            static_cast<int>(shape[3])};
}

// A plan ready for the device: where its parts lie in a buffer that pack() fills.
struct DevicePlan {
    nsa::Schedule schedule;
    nsa::PackedLayout layout;
    int64_t images;
    int64_t packed_masks;
};

DevicePlan device_plan(const Array<int32_t>& rows, const Array<float>& factors,
                       const Array<uint8_t>& masks, int64_t mask_bytes,
                       const std::array<int64_t, 4>& images, const std::array<int64_t, 4>& sources,
                       int mode, int64_t shared_limit) {
    const nsa::PlanView plan = nsa::plan_view(rows, factors, masks);
    const ImagesView to = shape_view(images, "images"), from = shape_view(sources, "sources");
    if (plan.patches > INT32_MAX) throw InputError("plan: more than 2^31 - 1 rows.");
    nsa::Schedule schedule =
        mode < 0 ? nsa::make_label_schedule(plan, mask_bytes, to)
                 : nsa::make_schedule(plan, mask_bytes, to, from, static_cast<nsa::Blend>(mode),
                                      static_cast<size_t>(shared_limit));
    const nsa::PackedLayout layout(plan.patches, to.count,
                                   static_cast<int64_t>(schedule.rounds.size()), masks.shape(0));
    return {std::move(schedule), layout, to.count, masks.shape(0)};
}

void pack(const DevicePlan& self, const Array<int32_t>& rows, const Array<float>& factors,
          const Array<uint8_t>& masks, Array<uint8_t>& out) {
    if (out.size() < self.layout.bytes || masks.shape(0) != self.packed_masks ||
        rows.shape(0) != static_cast<int64_t>(self.schedule.order.size())) {
        throw InputError("the buffer or the plan does not fit this device plan.");
    }
    nsa::pack_plan(nsa::plan_view(rows, factors, masks), self.schedule, self.images,
                   self.packed_masks, self.layout, out.mutable_data());
}

std::vector<std::pair<int, int>> rounds(const DevicePlan& self) {
    std::vector<std::pair<int, int>> sizes;
    for (const nsa::RoundSize& round : self.schedule.rounds) {
        sizes.emplace_back(round.large, round.small);
    }
    return sizes;
}

py::tuple sine_tables() {
    const nsa::PackedSines& packed = nsa::packed_sines();
    const auto array = [](const auto& values) {
        using Element = typename std::decay_t<decltype(values)>::value_type;
        return py::array_t<Element>(static_cast<py::ssize_t>(values.size()), values.data());
    };
    return py::make_tuple(array(packed.starts), array(packed.values), array(packed.decays));
}

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
                   const Array<uint8_t>& masks, int kind, bool overwrite,
                   const Array<float>& table, uint32_t seed, Array<float>& labels) {
    const nsa::LabelRule rule{static_cast<nsa::LabelKind>(kind), overwrite, table.data()};
    nsa::emulate_label(nsa::images_view(original, "original"),
                       nsa::images_view(blended, "blended"), nsa::plan_view(rows, factors, masks),
                       masks.shape(0), rule, {nsa::kLabelThreads, seed}, labels.mutable_data());
}

void emulate_object_mask(const Array<uint8_t>& images, int low, int extent, uint32_t seed,
                         Array<uint8_t>& masks) {
    const ImagesView view = nsa::images_view(images, "images");
    nsa::emulate_object_mask({view.data, view.height, view.width, view.channels, low, extent,
                              masks.mutable_data()},
                             view.count, {nsa::kObjectThreads, seed});
}

template <typename Pointer>
Pointer pointer(uintptr_t address) {
    return reinterpret_cast<Pointer>(address);
}

nsa::AugmentBatch augment_batch(uintptr_t store, const std::array<int64_t, 4>& shape,
                                uintptr_t views, int rows, int columns, uintptr_t out) {
    const ImagesView view = shape_view(shape, "images");
    return {pointer<const uint8_t*>(store), view.height, view.width, view.channels,
            pointer<const nsa::View*>(views), rows, columns, pointer<uint8_t*>(out)};
}

nsa::InputBatch input_batch(uintptr_t images, int64_t values, int channels,
                            const std::array<float, 3>& scale, const std::array<float, 3>& shift,
                            bool half, uintptr_t out) {
    if (images % 16 != 0 || out % 16 != 0) {
        throw InputError("images and output must start at a multiple of 16 bytes.");
    }
    return {pointer<const uint8_t*>(images), values, channels, {scale[0], scale[1], scale[2]},
            {shift[0], shift[1], shift[2]}, half, pointer<void*>(out)};
}

#ifdef NSA_WITH_CUDA

void blend_cuda(const DevicePlan& plan, uintptr_t buffer, uintptr_t masks, uintptr_t images,
                const std::array<int64_t, 4>& shape, uintptr_t sources,
                const std::array<int64_t, 4>& source_shape, const std::array<uintptr_t, 3>& tables,
                int mode, float grey_unit, uintptr_t workspace, int workspace_blocks,
                int most_patches, uintptr_t stream) {
    const auto at = [buffer](int64_t offset) { return buffer + static_cast<uintptr_t>(offset); };
    nsa::BlendBatch batch{};
    batch.images = pointer<uint8_t*>(images);
    batch.height = shape[1];
    batch.width = shape[2];
    batch.sources = pointer<const uint8_t*>(sources);
    batch.source_height = source_shape[1];
    batch.source_width = source_shape[2];
    batch.channels = static_cast<int>(shape[3]);
    batch.rows = pointer<const int32_t*>(at(plan.layout.rows));
    batch.factors = pointer<const float*>(at(plan.layout.factors));
    batch.masks = pointer<const uint8_t*>(masks != 0 ? masks : at(plan.layout.masks));
    batch.order = pointer<const int32_t*>(at(plan.layout.order));
    batch.grey_unit = grey_unit;
    batch.mode = static_cast<nsa::Blend>(mode);
    batch.tables = {pointer<const int64_t*>(tables[0]), pointer<const float*>(tables[1]),
                    pointer<const float*>(tables[2])};
    nsa::launch_rounds(batch, plan.schedule, pointer<const int32_t*>(at(plan.layout.spans)),
                       pointer<uint8_t*>(workspace), workspace_blocks, most_patches,
                       pointer<void*>(stream));
}

void label_cuda(const DevicePlan& plan, uintptr_t buffer, uintptr_t masks, uintptr_t original,
                uintptr_t blended, const std::array<int64_t, 4>& shape, int kind, bool overwrite,
                uintptr_t table, uintptr_t labels, uintptr_t stream) {
    const auto at = [buffer](int64_t offset) { return buffer + static_cast<uintptr_t>(offset); };
    const ImagesView view = shape_view(shape, "images");
    nsa::LabelBatch batch{};
    batch.original = pointer<const uint8_t*>(original);
    batch.blended = pointer<const uint8_t*>(blended);
    batch.height = view.height;
    batch.width = view.width;
    batch.channels = view.channels;
    batch.rows = pointer<const int32_t*>(at(plan.layout.rows));
    batch.factors = pointer<const float*>(at(plan.layout.factors));
    batch.masks = pointer<const uint8_t*>(masks != 0 ? masks : at(plan.layout.masks));
    batch.image_first = pointer<const int32_t*>(at(plan.layout.image_first));
    batch.image_rows = pointer<const int32_t*>(at(plan.layout.image_rows));
    batch.kind = static_cast<nsa::LabelKind>(kind);
    batch.overwrite = overwrite;
    batch.table = pointer<const float*>(table);
    batch.labels = pointer<float*>(labels);
    nsa::launch_label(batch, view.count, pointer<void*>(stream));
}

#endif

}  // namespace

void bind_device(py::module_& module) {
    py::class_<DevicePlan>(module, "DevicePlan")
        .def(py::init(&device_plan), py::arg("rows").noconvert(), py::arg("factors").noconvert(),
             py::arg("masks").noconvert(), py::arg("mask_bytes"), py::arg("images"),
             py::arg("sources"), py::arg("mode"), py::arg("shared_limit"))
        .def("pack", &pack, py::arg("rows").noconvert(), py::arg("factors").noconvert(),
             py::arg("masks").noconvert(), py::arg("out").noconvert())
        .def_property_readonly("bytes", [](const DevicePlan& self) { return self.layout.bytes; })
        .def_property_readonly("rounds", &rounds)
        .def_property_readonly("shared",
                               [](const DevicePlan& self) { return self.schedule.shared; })
        .def_property_readonly("workspace",
                               [](const DevicePlan& self) { return self.schedule.workspace; });
    module.def("sine_tables", &sine_tables);
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
            nsa::emulate_augment(augment_batch(store, shape, views, rows, columns, out), count,
                                 {threads, seed});
        },
        py::arg("store"), py::arg("shape"), py::arg("views"), py::arg("count"), py::arg("rows"),
        py::arg("columns"), py::arg("out"), py::arg("threads"), py::arg("seed"));
    module.def(
        "emulate_normalise",
        [](uintptr_t images, int64_t values, int channels, const std::array<float, 3>& scale,
           const std::array<float, 3>& shift, bool half, uintptr_t out, int threads,
           uint32_t seed) {
            nsa::emulate_normalise(input_batch(images, values, channels, scale, shift, half, out),
                                   {threads, seed});
        },
        py::arg("images"), py::arg("values"), py::arg("channels"), py::arg("scale"),
        py::arg("shift"), py::arg("half"), py::arg("out"), py::arg("threads"), py::arg("seed"));
#ifdef NSA_WITH_CUDA
    py::class_<nsa::Device>(module, "Device")
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
    module.def("shared_memory_limit", &nsa::shared_memory_limit);
    module.def("blend_cuda", &blend_cuda, py::arg("plan"), py::arg("buffer"), py::arg("masks"),
               py::arg("images"), py::arg("shape"), py::arg("sources"), py::arg("source_shape"),
               py::arg("tables"), py::arg("mode"), py::arg("grey_unit"), py::arg("workspace"),
               py::arg("workspace_blocks"), py::arg("most_patches"), py::arg("stream"));
    module.def("label_cuda", &label_cuda, py::arg("plan"), py::arg("buffer"), py::arg("masks"),
               py::arg("original"), py::arg("blended"), py::arg("shape"), py::arg("kind"),
               py::arg("overwrite"), py::arg("table"), py::arg("labels"), py::arg("stream"));
    module.def(
        "augment_cuda",
        [](uintptr_t store, const std::array<int64_t, 4>& shape, uintptr_t views, int64_t count,
           int rows, int columns, uintptr_t out, uintptr_t stream) {
            nsa::launch_augment(augment_batch(store, shape, views, rows, columns, out), count,
                                pointer<void*>(stream));
        },
        py::arg("store"), py::arg("shape"), py::arg("views"), py::arg("count"), py::arg("rows"),
        py::arg("columns"), py::arg("out"), py::arg("stream"));
    module.def(
        "normalise_cuda",
        [](uintptr_t images, int64_t values, int channels, const std::array<float, 3>& scale,
           const std::array<float, 3>& shift, bool half, uintptr_t out, uintptr_t stream) {
            nsa::launch_normalise(input_batch(images, values, channels, scale, shift, half, out),
                                  pointer<void*>(stream));
        },
        py::arg("images"), py::arg("values"), py::arg("channels"), py::arg("scale"),
        py::arg("shift"), py::arg("half"), py::arg("out"), py::arg("stream"));
    module.def(
        "object_masks_cuda",
        [](uintptr_t images, const std::array<int64_t, 4>& shape, int low, int extent,
           uintptr_t masks, uintptr_t stream) {
            const ImagesView view = shape_view(shape, "images");
            nsa::launch_object_mask({pointer<const uint8_t*>(images), view.height, view.width,
                                     view.channels, low, extent, pointer<uint8_t*>(masks)},
                                    view.count, pointer<void*>(stream));
        },
        py::arg("images"), py::arg("shape"), py::arg("low"), py::arg("extent"), py::arg("masks"),
        py::arg("stream"));
#endif
}
