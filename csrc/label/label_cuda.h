// A batch with its plan as the label kernel sees it, and the kernel's launch.
#pragma once

#include <cstdint>

#include "label/label.h"

namespace nsa {

// Everything the launch reads, in device memory.
struct LabelBatch {
    const uint8_t* original;  // (count, height, width, channels)
    const uint8_t* blended;
    int height;
    int width;
    int channels;
    const int32_t* rows;  // of the plan
    const float* factors;
    const uint8_t* masks;
    const int32_t* image_first;  // (count + 1): an image's part of image_rows
    const int32_t* image_rows;   // rows of an image in the plan's order
    LabelSource source;          // this and the rest: see LabelRule
    bool within_mask;
    Variant variant;
    const float* table;  // (255 channels + 1)
    float* labels;       // (count, height, width)
};

// Writes the labels of `count` images on `stream` (a cudaStream_t). Allocates nothing, does not
// wait, and can be captured. Throws std::runtime_error naming the kernel if the launch is refused.
void launch_label(const LabelBatch& batch, int64_t count, void* stream);

}  // namespace nsa
