// What the host works out before a plan runs on the device: its rows checked, put in the order in
// which blocks start them, and packed into one buffer that goes there in one copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "blend/blend.h"
#include "plan/table.h"
#include "view.h"

namespace nsa {

struct DeviceLimits {
    size_t shared_memory;  // bytes that a block may have
    int multiprocessors;
};

// How a plan is blended: the order in which images are started, and the bounds of the launch.
struct Schedule {
    std::vector<int32_t> order;  // images: those that need a workspace, then the others, in each
                                 // those with the most work first
    int64_t large;               // images that need a workspace
    int64_t patches;             // rows of the plan
    int64_t rounds;
    int channels_together;  // that a block blends: all, or 1
    size_t shared;          // bytes of shared memory per block, of the largest box that fits
    size_t workspace;       // bytes of workspace per block, of the largest box; 0: all fit
};

// Offsets in bytes into the buffer of a packed plan, whose arrays start at multiples of 16.
struct PackedLayout {
    int64_t rows;         // int32 (patches, kPlanColumns)
    int64_t factors;      // float (patches)
    int64_t order;        // int32 (1 + images): how many need a workspace, then the images
    int64_t image_first;  // int32 (images + 1): an image's part of image_rows
    int64_t image_rows;   // int32 (patches): rows by image, in the plan's order
    int64_t masks;        // uint8 (mask_bytes)
    int64_t bytes;

    PackedLayout(int64_t patches, int64_t images, int64_t mask_bytes);
};

// Checks the plan as check_plan does. channels_together: as in Schedule, 0: the better one here.
// Throws InputError naming the row.
Schedule make_schedule(const PlanView& plan, int64_t mask_bytes, const ImagesView& images,
                       const ImagesView& sources, Blend mode, const DeviceLimits& limits,
                       int channels_together);

// The bounds of every plan of at most `rounds` patches an image, of at most height x width px: a
// schedule with no order, for a buffer whose plan is replaced while a captured graph keeps its
// launch.
Schedule widest_schedule(const ImagesView& images, int64_t rounds, int height, int width,
                         bool masked, Blend mode, const DeviceLimits& limits,
                         int channels_together);

// Whether a plan scheduled as `schedule` runs within the launch of `bounds`.
bool fits(const Schedule& schedule, const Schedule& bounds);

// For labels alone: checks only the columns they read and plans no blending.
Schedule make_label_schedule(const PlanView& plan, int64_t mask_bytes, const ImagesView& images);

// Fills layout.bytes bytes; the layout may be of a larger plan. mask_bytes: how many of plan.masks
// to copy; 0: they are elsewhere.
void pack_plan(const PlanView& plan, const Schedule& schedule, int64_t images, int64_t mask_bytes,
               const PackedLayout& layout, uint8_t* out);

}  // namespace nsa
