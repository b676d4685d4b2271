// Bindings of the CUDA kernels. Device memory comes as addresses; nsa._native.cuda checks the tensors they
// belong to, this file what kernels index with.
#include "bind.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <string>

#include "arrays.h"
#include "blend/sine_pack.h"
#include "device/parameters.h"
#include "device/schedule.h"
#ifdef NSA_WITH_CUDA
#include "blend/batch_cuda.h"
#include "device/device.h"
#include "image/image_cuda.h"
#include "label/label_cuda.h"
#endif

namespace py = pybind11;

namespace {

using nsa::Array;
using nsa::DeviceLimits;
using nsa::ImagesView;
using nsa::InputError;
using nsa::pointer;
using nsa::shape_view;

// Where the parts of a plan lie in a buffer that pack() fills, and the bounds of its launches.
class DevicePlan {
  public:
    // The bounds of this very plan. mask_bytes: how many bytes of mask there are, in `masks` or, if
    // that is empty, elsewhere on the device. mode: a Blend, or -1 for labels alone.
    static DevicePlan of(const Array<int32_t>& rows, const Array<float>& factors,
                         const Array<uint8_t>& masks, int64_t mask_bytes,
                         const std::array<int64_t, 4>& images,
                         const std::array<int64_t, 4>& sources, int mode,
                         const DeviceLimits& limits, int channels_together) {
        DevicePlan made(images, sources, mode, limits, channels_together);
        if (mask_bytes < 0 || (masks.shape(0) > 0 && masks.shape(0) != mask_bytes)) {
            throw InputError("mask_bytes must be the size of masks, or of those on the device.");
        }
        if (masks.shape(0) == 0) made.elsewhere_ = mask_bytes;
        const nsa::PlanView plan = nsa::plan_view(rows, factors, masks);
        made.bounds_ = made.scheduled(plan, masks.shape(0), channels_together);
        made.layout_ = nsa::PackedLayout(plan.patches, made.images_.count, masks.shape(0));
        return made;
    }

    // Room for any plan of at most `rounds` patches an image, of at most height x width px, with
    // `mask_bytes` bytes of mask.
    static DevicePlan reserve(const std::array<int64_t, 4>& images,
                              const std::array<int64_t, 4>& sources, int mode,
                              const DeviceLimits& limits, int64_t rounds, int height, int width,
                              int64_t mask_bytes, int channels_together) {
        if (rounds < 1 || std::min(height, width) < 1 ||
            std::max(height, width) > nsa::kWidestDeviceBox || mask_bytes < 0) {
            throw InputError("rounds, height and width must be at least 1, sides at most " +
                             std::to_string(nsa::kWidestDeviceBox) + " px.");
        }
        DevicePlan made(images, sources, mode, limits, channels_together);
        if (rounds > INT32_MAX / std::max<int64_t>(1, made.images_.count) ||
            mask_bytes > int64_t{1} << 40) {
            throw InputError("a plan of so many rounds or mask bytes is too large.");
        }
        made.bounds_ = nsa::widest_schedule(made.images_, rounds, height, width, mask_bytes > 0,
                                            made.mode_, limits, channels_together);
        made.layout_ =
            nsa::PackedLayout(rounds * made.images_.count, made.images_.count, mask_bytes);
        return made;
    }

    // Checks a plan and writes it as the kernels read it, `bytes` bytes.
    void pack(const Array<int32_t>& rows, const Array<float>& factors, const Array<uint8_t>& masks,
              Array<uint8_t>& out) const {
        const nsa::PlanView plan = nsa::plan_view(rows, factors, masks);
        const int64_t mask_bytes = masks.shape(0), room = out.size();
        uint8_t* const to = out.mutable_data();
        const py::gil_scoped_release release;  // training packs in several threads
        const nsa::Schedule schedule = scheduled(plan, mask_bytes, bounds_.channels_together);
        if (!nsa::fits(schedule, bounds_) || mask_bytes > layout_.bytes - layout_.masks) {
            throw InputError(
                "the plan has more rounds, larger boxes or more mask bytes than were reserved for "
                "it; reserve more.");
        }
        if (room < layout_.bytes) throw InputError("the buffer is too small for the plan.");
        nsa::pack_plan(plan, schedule, images_.count, mask_bytes, layout_, to);
    }

    const nsa::Schedule& bounds() const { return bounds_; }
    const nsa::PackedLayout& layout() const { return layout_; }

  private:
    DevicePlan(const std::array<int64_t, 4>& images, const std::array<int64_t, 4>& sources,
               int mode, const DeviceLimits& limits, int channels_together)
        : images_(shape_view(images, "images")),
          sources_(shape_view(sources, "sources")),
          labels_only_(mode < 0),
          mode_(static_cast<nsa::Blend>(std::max(mode, 0))),
          limits_(limits),
          layout_(0, 0, 0) {
        if (mode > static_cast<int>(nsa::Blend::kInterpolate)) {
            throw InputError("mode " + std::to_string(mode) + " is not a blend mode.");
        }
        if (images_.channels != sources_.channels) {
            throw InputError("images and sources must have the same number of channels.");
        }
        if (channels_together != 0 && channels_together != 1 &&
            channels_together != images_.channels) {
            throw InputError("channels_together must be 0, 1 or all channels of the images.");
        }
        if (images_.count > INT32_MAX) throw InputError("images: more than 2^31 - 1 of them.");
    }

    // mask_bytes: in the plan's masks; there may be others on the device.
    nsa::Schedule scheduled(const nsa::PlanView& plan, int64_t mask_bytes,
                            int channels_together) const {
        mask_bytes += elsewhere_;
        if (plan.patches > INT32_MAX) throw InputError("plan: more than 2^31 - 1 rows.");
        if (labels_only_) return nsa::make_label_schedule(plan, mask_bytes, images_);
        return nsa::make_schedule(plan, mask_bytes, images_, sources_, mode_, limits_,
                                  channels_together);
    }

    ImagesView images_;
    ImagesView sources_;
    bool labels_only_;
    nsa::Blend mode_;
    DeviceLimits limits_;
    int64_t elsewhere_ = 0;  // bytes of mask on the device, beside the plan
    nsa::Schedule bounds_;
    nsa::PackedLayout layout_;
};

py::tuple sine_tables() {
    const nsa::PackedSines& packed = nsa::packed_sines();
    const auto array = [](const auto& values) {
        using Element = typename std::decay_t<decltype(values)>::value_type;
        return py::array_t<Element>(static_cast<py::ssize_t>(values.size()), values.data());
    };
    return py::make_tuple(array(packed.starts), array(packed.values), array(packed.decays));
}

#ifdef NSA_WITH_CUDA

void blend_cuda(const DevicePlan& plan, uintptr_t buffer, uintptr_t masks, uintptr_t images,
                const std::array<int64_t, 4>& shape, uintptr_t sources,
                const std::array<int64_t, 4>& source_shape, const std::array<uintptr_t, 3>& tables,
                int mode, float grey_unit, uintptr_t workspace, int workspace_blocks,
                uintptr_t stream) {
    const auto at = [buffer](int64_t offset) { return buffer + static_cast<uintptr_t>(offset); };
    nsa::BlendBatch batch{};
    batch.images = pointer<uint8_t*>(images);
    batch.count = shape[0];
    batch.height = shape[1];
    batch.width = shape[2];
    batch.sources = pointer<const uint8_t*>(sources);
    batch.source_height = source_shape[1];
    batch.source_width = source_shape[2];
    batch.channels = static_cast<int>(shape[3]);
    batch.rows = pointer<const int32_t*>(at(plan.layout().rows));
    batch.factors = pointer<const float*>(at(plan.layout().factors));
    batch.masks = pointer<const uint8_t*>(masks != 0 ? masks : at(plan.layout().masks));
    batch.order = pointer<const int32_t*>(at(plan.layout().order));
    batch.image_first = pointer<const int32_t*>(at(plan.layout().image_first));
    batch.image_rows = pointer<const int32_t*>(at(plan.layout().image_rows));
    batch.grey_unit = grey_unit;
    batch.mode = static_cast<nsa::Blend>(mode);
    batch.tables = {pointer<const int64_t*>(tables[0]), pointer<const float*>(tables[1]),
                    pointer<const float*>(tables[2])};
    nsa::launch_blend(batch, plan.bounds(), pointer<uint8_t*>(workspace), workspace_blocks,
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
    batch.rows = pointer<const int32_t*>(at(plan.layout().rows));
    batch.factors = pointer<const float*>(at(plan.layout().factors));
    batch.masks = pointer<const uint8_t*>(masks != 0 ? masks : at(plan.layout().masks));
    batch.image_first = pointer<const int32_t*>(at(plan.layout().image_first));
    batch.image_rows = pointer<const int32_t*>(at(plan.layout().image_rows));
    batch.kind = static_cast<nsa::LabelKind>(kind);
    batch.overwrite = overwrite;
    batch.table = pointer<const float*>(table);
    batch.labels = pointer<float*>(labels);
    nsa::launch_label(batch, view.count, pointer<void*>(stream));
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
        .def_static("of", &DevicePlan::of, py::arg("rows").noconvert(),
                    py::arg("factors").noconvert(), py::arg("masks").noconvert(),
                    py::arg("mask_bytes"), py::arg("images"), py::arg("sources"), py::arg("mode"),
                    py::arg("limits"), py::arg("channels_together") = 0)
        .def_static("reserve", &DevicePlan::reserve, py::arg("images"), py::arg("sources"),
                    py::arg("mode"), py::arg("limits"), py::arg("rounds"), py::arg("height"),
                    py::arg("width"), py::arg("mask_bytes"), py::arg("channels_together") = 0)
        .def("pack", &DevicePlan::pack, py::arg("rows").noconvert(), py::arg("factors").noconvert(),
             py::arg("masks").noconvert(), py::arg("out").noconvert())
        .def_property_readonly("bytes", [](const DevicePlan& self) { return self.layout().bytes; })
        .def_property_readonly(
            "channels_together",
            [](const DevicePlan& self) { return self.bounds().channels_together; })
        .def_property_readonly("shared",
                               [](const DevicePlan& self) { return self.bounds().shared; })
        .def_property_readonly("workspace",
                               [](const DevicePlan& self) { return self.bounds().workspace; });
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
               py::arg("overwrite"), py::arg("table"), py::arg("labels"), py::arg("stream"));
    module.def(
        "augment_cuda",
        [](uintptr_t store, const std::array<int64_t, 4>& shape, uintptr_t views, int64_t count,
           int rows, int columns, uintptr_t out, uintptr_t stream) {
            nsa::launch_augment(nsa::augment_batch(store, shape, views, rows, columns, out), count,
                                pointer<void*>(stream));
        },
        py::arg("store"), py::arg("shape"), py::arg("views"), py::arg("count"), py::arg("rows"),
        py::arg("columns"), py::arg("out"), py::arg("stream"));
    module.def(
        "normalise_cuda",
        [](uintptr_t images, int64_t values, int channels, const std::array<float, 3>& scale,
           const std::array<float, 3>& shift, bool half, uintptr_t out, uintptr_t stream) {
            nsa::launch_normalise(
                nsa::input_batch(images, values, channels, scale, shift, half, out),
                pointer<void*>(stream));
        },
        py::arg("images"), py::arg("values"), py::arg("channels"), py::arg("scale"),
        py::arg("shift"), py::arg("half"), py::arg("out"), py::arg("stream"));
    module.def(
        "normalise_in_blocks_cuda",
        [](uintptr_t images, const std::array<int64_t, 4>& shape, const std::array<float, 3>& scale,
           const std::array<float, 3>& shift, bool half, uintptr_t out, uintptr_t stream) {
            nsa::launch_normalise_in_blocks(
                nsa::blocked_input(images, shape, scale, shift, half, out), shape[0],
                pointer<void*>(stream));
        },
        py::arg("images"), py::arg("shape"), py::arg("scale"), py::arg("shift"), py::arg("half"),
        py::arg("out"), py::arg("stream"));
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
