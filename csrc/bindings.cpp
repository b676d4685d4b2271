// Python bindings: argument checks and the release of the GIL, no algorithm.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "dispatch.h"
#ifdef NSA_WITH_CUDA
#include "device/device.h"
#endif

namespace py = pybind11;

PYBIND11_MODULE(_C, module) {
    module.doc() = "Native kernels of nsa; use them through nsa, which documents them.";
    module.def("instruction_set", &nsa::instruction_set);
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
