// Launches of the image kernels, on `stream` (a cudaStream_t). They allocate nothing, do not wait,
// can be captured, and throw std::runtime_error naming the kernel if the launch is refused.
#pragma once

#include <cstdint>

#include "image/light.h"
#include "image/position.h"

namespace nsa {

struct AugmentBatch {
    const uint8_t* store;  // (stored, height, width, channels)
    int height;
    int width;
    int channels;
    const View* views;  // (count)
    int rows;           // of the crop
    int columns;
    uint8_t* out;  // (count, rows, columns, channels)
};

struct InputBatch {
    const uint8_t* images;  // interleaved, `values` bytes
    int64_t values;
    int channels;
    float scale[3];
    float shift[3];
    bool half;  // bfloat16
    void* out;  // (values) float32 or bfloat16
};

// Images as nsa._native.layout.space_to_depth lays them out: a pixel has one channel more, of
// zeros, four pixels are a block, and blocks of zeros surround the image.
struct BlockedInput {
    const uint8_t* images;  // (count, height, width, channels)
    int height;
    int width;
    int channels;
    float scale[3];
    float shift[3];
    bool half;  // bfloat16
    int rows;   // of blocks, those of zeros included
    int columns;
    void* out;  // (count, rows, columns, 2, 2, channels + 1)
};

struct ObjectBatch {
    const uint8_t* images;  // (count, height, width, channels)
    int height;
    int width;
    int channels;
    int low;         // sums over channels from low to low + extent are background
    int extent;      // -1: none is
    uint8_t* masks;  // (count, height, width), 0 or 1
};

struct LightBatch {
    const uint8_t* images;  // (count, height, width, channels)
    int height;
    int width;
    int channels;
    const Light* lights;  // (count)
    uint8_t* out;         // as images
};

void launch_augment(const AugmentBatch& batch, int64_t count, void* stream);

void launch_normalise(const InputBatch& batch, void* stream);

void launch_normalise_in_blocks(const BlockedInput& batch, int64_t count, void* stream);

void launch_object_mask(const ObjectBatch& batch, int64_t count, void* stream);

void launch_relight(const LightBatch& batch, int64_t count, void* stream);

}  // namespace nsa
