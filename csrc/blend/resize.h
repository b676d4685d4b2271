// Bilinear resize of bytes with OpenCV's fixed-point arithmetic (INTER_LINEAR), bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blend/poisson.h"
#include "dispatch.h"
#include "view.h"

namespace nsa {

// For every output pixel of one axis: the two input pixels and their weights in 1/2048.
struct ResizeAxis {
    int32_t* first;    // (output)
    int32_t* second;   // (output)
    int16_t* weights;  // (output, 2)
};

struct ResizeTask {
    Pixels source;  // (source_height, source_width, channels)
    int source_width;
    int source_height;
    uint8_t* out;  // (height, width, channels), contiguous
    int width;
    int height;
    int channels;  // 1 or 3
};

// Bytes of scratch memory, aligned to 64, that resize() needs.
size_t resize_workspace(int width, int height, int channels);

// Resizes with the kernel that this processor runs fastest.
void resize(const ResizeTask& task, uint8_t* workspace);

// Every image to (height, width) into `out`, contiguous.
void resize_cpu(const ImagesView& images, int width, int height, uint8_t* out);

// The mean of 2x2 pixels: what OpenCV computes when both sides are halved exactly.
NSA_KERNEL(void halve(const ResizeTask& task))

// Scratch memory: rows (2, width * channels + 4), spread (2, width, 4).
NSA_KERNEL(void interpolate_rows(const ResizeTask& task, const ResizeAxis& x, const ResizeAxis& y,
                                 int16_t* rows, int32_t* spread))

}  // namespace nsa
