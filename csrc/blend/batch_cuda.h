// A batch with its plan as the blending kernel sees it, and the kernel's launch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blend/blend.h"
#include "device/schedule.h"

namespace nsa {

// The sine matrices of lengths that are kept, as sine.h lays them out, one after another, and the
// decay rates of every length.
struct SineTables {
    const int64_t* starts;  // (kLongestMatrix + 1): where the matrices of a length begin in values
    const float* values;    // per length: forward symmetric and antisymmetric, then inverse
    const float* decays;    // frequency k of length n at n (n - 1) / 2 + k - 1
};

// Everything the launch reads, in device memory.
struct BlendBatch {
    uint8_t* images;  // (count, height, width, channels), blended in place
    int64_t count;
    int64_t height;
    int64_t width;
    const uint8_t* sources;  // (source_count, source_height, source_width, channels), never written
    int64_t source_height;
    int64_t source_width;
    int channels;
    const int32_t* rows;   // (patches, kPlanColumns)
    const float* factors;  // (patches)
    const uint8_t* masks;
    const int32_t* order;  // (1 + count): how many images need a workspace, then the images in
                           // the order in which they are started
    const int32_t* image_first;  // (count + 1): an image's part of image_rows
    const int32_t* image_rows;   // rows of an image in the plan's order
    float grey_unit;             // above 0: masks are grey, this is a gradient's weight per unit;
                                 // else 0 / 1, the weight is ceil(255 factor) / 255
    Blend mode;
    SineTables tables;
};

// Blends a whole plan on `stream` (a cudaStream_t) in one launch, and one before it where there may
// be boxes that shared memory cannot hold: a block walks the patches of its image in the plan's
// order, so nothing waits between rounds. Allocates nothing, does not wait, and can be captured:
// `schedule` only bounds the launches, what is blended is read from device memory when they run.
//
// workspace: (workspace_blocks, schedule.workspace) bytes for boxes that shared memory cannot hold;
//     null where there are none.
// Throws std::runtime_error naming the kernel and the plan's rows if the launch is refused.
void launch_blend(const BlendBatch& batch, const Schedule& schedule, uint8_t* workspace,
                  int workspace_blocks, void* stream);

// What the current device offers.
DeviceLimits device_limits();

}  // namespace nsa
