// Launch of the label kernel.
#pragma once

#include <cstdint>

#include "label/label_block.h"

namespace nsa {

// Writes the labels of `count` images on `stream` (a cudaStream_t). Allocates nothing, does not
// wait, and can be captured. Throws std::runtime_error naming the kernel if the launch is refused.
void launch_label(const LabelBatch& batch, int64_t count, void* stream);

}  // namespace nsa
