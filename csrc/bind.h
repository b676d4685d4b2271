// One function per kernel folder, each in that folder's bind.cpp; bindings.cpp calls them.
#pragma once

#include <pybind11/pybind11.h>

void bind_blend(pybind11::module_& module);
void bind_label(pybind11::module_& module);
void bind_image(pybind11::module_& module);
void bind_device(pybind11::module_& module);
