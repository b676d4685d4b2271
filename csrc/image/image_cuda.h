// Launches of the image kernels, on `stream` (a cudaStream_t). They allocate nothing, do not wait,
// can be captured, and throw std::runtime_error naming the kernel if the launch is refused.
#pragma once

#include <cstdint>

#include "image/augment_block.h"
#include "image/input_block.h"
#include "image/object_block.h"

namespace nsa {

void launch_augment(const AugmentBatch& batch, int64_t count, void* stream);

void launch_normalise(const InputBatch& batch, void* stream);

void launch_object_mask(const ObjectBatch& batch, int64_t count, void* stream);

}  // namespace nsa
