// Addresses and shapes from Python as the kernels' parameters, for bindings of device memory.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "arrays.h"
#include "image/image_cuda.h"

namespace nsa {

// (count, height, width, channels) without pixels: what checks need to know of device images.
inline ImagesView shape_view(const std::array<int64_t, 4>& shape, const char* name) {
    if (shape[0] < 0 || (shape[3] != 1 && shape[3] != 3)) {
        throw InputError(std::string(name) +
                         " must have the shape (count, height, width, 1 or 3 channels).");
    }
    return {nullptr, shape[0], side(shape[1], name), side(shape[2], name),
            static_cast<int>(shape[3])};
}

template <typename Pointer>
Pointer pointer(uintptr_t address) {
    return reinterpret_cast<Pointer>(address);
}

inline AugmentBatch augment_batch(uintptr_t store, const std::array<int64_t, 4>& shape,
                                  uintptr_t views, int rows, int columns, uintptr_t out) {
    const ImagesView view = shape_view(shape, "images");
    return {pointer<const uint8_t*>(store), view.height, view.width, view.channels,
            pointer<const View*>(views),    rows,        columns,    pointer<uint8_t*>(out)};
}

inline InputBatch input_batch(uintptr_t images, int64_t values, int channels,
                              const std::array<float, 3>& scale, const std::array<float, 3>& shift,
                              bool half, uintptr_t out) {
    if (images % 16 != 0 || out % 16 != 0) {
        throw InputError("images and output must start at a multiple of 16 bytes.");
    }
    return {
        pointer<const uint8_t*>(images), values, channels,           {scale[0], scale[1], scale[2]},
        {shift[0], shift[1], shift[2]},  half,   pointer<void*>(out)};
}

inline BlockedInput blocked_input(uintptr_t images, const std::array<int64_t, 4>& shape,
                                  const std::array<float, 3>& scale,
                                  const std::array<float, 3>& shift, bool half, uintptr_t out) {
    const ImagesView view = shape_view(shape, "images");
    if (out % 16 != 0) throw InputError("the output must start at a multiple of 16 bytes.");
    return {pointer<const uint8_t*>(images),
            view.height,
            view.width,
            view.channels,
            {scale[0], scale[1], scale[2]},
            {shift[0], shift[1], shift[2]},
            half,
            (view.height + 1) / 2 + 3,
            (view.width + 1) / 2 + 3,
            pointer<void*>(out)};
}

}  // namespace nsa
