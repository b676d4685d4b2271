// Non-owning views of the arrays that kernels read; shapes are checked before they are made.
#pragma once

#include <cstdint>

namespace nsa {

// Interleaved uint8 images: (count, height, width, channels), contiguous, as OpenCV has them and as
// torch's channels-last tensors are stored.
struct ImagesView {
    const uint8_t* data;
    int64_t count;
    int height;
    int width;
    int channels;

    int64_t pixels() const { return static_cast<int64_t>(height) * width; }
    int64_t bytes() const { return pixels() * channels; }
    const uint8_t* image(int64_t index) const { return data + index * bytes(); }
};

// A plan: rows is (patches, kPlanColumns) int32, factors is (patches) float, masks holds the masks
// that are not rectangles. plan/table.h has the columns.
struct PlanView {
    const int32_t* rows;
    const float* factors;
    const uint8_t* masks;
    int64_t patches;
};

}  // namespace nsa
