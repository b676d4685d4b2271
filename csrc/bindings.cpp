// Python bindings: argument checks and the release of the GIL, no algorithm.
#include <pybind11/pybind11.h>

#include "bind.h"
#include "cuda_kernels.h"  // CMake writes it
#include "dispatch.h"
#include "errors.h"
#include "memory.h"

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
    module.def("keep_freed_memory", &nsa::keep_freed_memory);
    bind_blend(module);
    bind_label(module);
    bind_image(module);
    bind_device(module);
    module.attr("cuda_missing") = NSA_CUDA_MISSING;
    module.attr("cuda_architectures") = NSA_CUDA_BUILT_FOR;
}
