// What Python passes as what kernels read: NumPy arrays as views, with the checks that make them
// safe, and words as values of enums.
#pragma once

#include <pybind11/numpy.h>

#include <array>
#include <initializer_list>
#include <string>

#include "bounds.h"
#include "errors.h"
#include "names.h"
#include "plan/table.h"
#include "view.h"

namespace nsa {

template <typename Element>
using Array = pybind11::array_t<Element, pybind11::array::c_style>;

// Elements of memory that starts anywhere, as a slice of bytes does, would be read out of step.
template <typename Element>
void require_aligned(const Array<Element>& array, const char* name) {
    if (reinterpret_cast<uintptr_t>(array.data()) % alignof(Element) != 0) {
        throw InputError(std::string(name) + " must start at a multiple of " +
                         std::to_string(alignof(Element)) + " bytes; pass a copy.");
    }
}

// What is written may not be what is read.
inline void require_apart(const pybind11::array& out,
                          std::initializer_list<const pybind11::array*> inputs) {
    const auto start = [](const pybind11::array& array) {
        return reinterpret_cast<uintptr_t>(array.data());
    };
    for (const pybind11::array* const input : inputs) {
        if (start(out) < start(*input) + static_cast<uintptr_t>(input->nbytes()) &&
            start(*input) < start(out) + static_cast<uintptr_t>(out.nbytes())) {
            throw InputError("the output shares memory with an input; pass one of its own.");
        }
    }
}

inline int side(int64_t value, const char* name) {
    if (value < 1 || value > 65535) {
        throw InputError(std::string(name) + " has a side of " + std::to_string(value) +
                         " px; it must be from 1 to 65535.");
    }
    return static_cast<int>(value);
}

// (count, height, width, channels) uint8, channels 1 or 3.
inline ImagesView images_view(const Array<uint8_t>& array, const char* name) {
    if (array.ndim() != 4 || (array.shape(3) != 1 && array.shape(3) != 3)) {
        throw InputError(std::string(name) +
                         " must have the shape (count, height, width, 1 or 3 channels).");
    }
    return {array.data(), array.shape(0), side(array.shape(1), name), side(array.shape(2), name),
            static_cast<int>(array.shape(3))};
}

// (count, height, width, channels) without pixels: what checks need to know of device images.
inline ImagesView shape_view(const std::array<int64_t, 4>& shape, const char* name) {
    if (shape[0] < 0 || (shape[3] != 1 && shape[3] != 3)) {
        throw InputError(std::string(name) +
                         " must have the shape (count, height, width, 1 or 3 channels).");
    }
    const ImagesView view{nullptr, shape[0], side(shape[1], name), side(shape[2], name),
                          static_cast<int>(shape[3])};
    product({view.count, view.bytes()}, name);
    return view;
}

// rows (patches, kPlanColumns) int32, factors (patches) float32, masks (bytes) uint8.
inline PlanView plan_view(const Array<int32_t>& rows, const Array<float>& factors,
                          const Array<uint8_t>& masks) {
    if (rows.ndim() != 2 || rows.shape(1) != kPlanColumns) {
        throw InputError("plan rows must have the shape (patches, " + std::to_string(kPlanColumns) +
                         ").");
    }
    if (factors.ndim() != 1 || factors.shape(0) != rows.shape(0)) {
        throw InputError("plan factors must be one number per row.");
    }
    if (masks.ndim() != 1) throw InputError("plan masks must be one flat array.");
    require_aligned(rows, "plan rows");
    require_aligned(factors, "plan factors");
    return {rows.data(), factors.data(), masks.data(), rows.shape(0)};
}

// The value that a word of the settings names.
template <typename Enum>
Enum named(const std::string& name) {
    int value = 0;
    for (const char* known : Names<Enum>::kAll) {
        if (name == known) return static_cast<Enum>(value);
        ++value;
    }
    throw InputError("'" + name + "' is not a " + Names<Enum>::kWhat + ".");
}

// The words of all values, in the enum's order.
template <typename Enum>
pybind11::tuple names() {
    pybind11::list all;
    for (const char* name : Names<Enum>::kAll) all.append(name);
    return pybind11::tuple(all);
}

}  // namespace nsa
