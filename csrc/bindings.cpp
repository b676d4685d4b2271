// Python bindings: argument checks and the release of the GIL, no algorithm.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.h"
#include "dispatch.h"
#include "errors.h"
#ifdef NSA_WITH_CUDA
#include "device/device.h"
#endif

namespace py = pybind11;

PYBIND11_MODULE(_C, module) {
    module.doc() = "Native kernels of nsa; use them through nsa, which documents them.";
    py::register_exception_translator([](std::exception_ptr pending) {
        try {
            if (pending) std::rethrow_exception(pending);
        } catch (const nsa::InputError& error) {
            const py::object type = py::module_::import("nsa.errors").attr("InputError");
            PyErr_SetString(type.ptr(), error.what());
        }
    });
    module.def("instruction_set", &nsa::instruction_set);
    bind_blend(module);
    bind_label(module);
    bind_image(module);
    module.attr("cuda_missing") = NSA_CUDA_MISSING;
    module.attr("cuda_architectures") = NSA_CUDA_BUILT_FOR;
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
#endif
}
