// The bindings of the kernels as the extension has them, over launches that run on the host.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "device/bind.cpp"  // included, as a second file with pybind11 takes as long again
#include "errors.h"
#include "runtime.h"

PYBIND11_MODULE(nsa_shim, module) {
    py::register_local_exception_translator([](std::exception_ptr pending) {
        try {
            if (pending) std::rethrow_exception(pending);
        } catch (const nsa::InputError& error) {
            const py::object type = py::module_::import("nsa.errors").attr("InputError");
            PyErr_SetString(type.ptr(), error.what());
        }
    });
    bind_device(module);
    module.attr("cuda_missing") = "";
    module.attr("cuda_architectures") = "90";
    module.def("reset", &shim::reset, py::arg("multiprocessors"), py::arg("shared_memory"),
               py::arg("seed"), py::arg("broken"));
    py::class_<shim::Launched>(module, "Launched")
        .def_readonly("kernel", &shim::Launched::kernel)
        .def_readonly("blocks", &shim::Launched::blocks)
        .def_readonly("threads", &shim::Launched::threads)
        .def_readonly("shared", &shim::Launched::shared);
    module.def("launches", &shim::launches);
}
