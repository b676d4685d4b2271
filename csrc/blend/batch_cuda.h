// Launches of the blending kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blend/batch_block.h"
#include "device/schedule.h"

namespace nsa {

// Blends all rounds of a plan on `stream` (a cudaStream_t), one launch a round. Allocates
// nothing, does not wait, and can be captured: the sizes in `schedule` only bound the launches,
// what is blended is read from device memory when the kernels run.
//
// batch: with everything but `span`.
// spans: device memory, see PackedLayout.
// workspace: (workspace_blocks, schedule.workspace) bytes for boxes that shared memory cannot hold;
//     null where there are none.
// Throws std::runtime_error naming the kernel and the plan rows if a launch is refused.
void launch_rounds(BlendBatch batch, const Schedule& schedule, const int32_t* spans,
                   uint8_t* workspace, int workspace_blocks, void* stream);

// Bytes of shared memory a block may ask for on the current device.
size_t shared_memory_limit();

}  // namespace nsa
