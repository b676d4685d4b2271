// Blending on the CPU: a batch with its plan, and the general seamless clone.
#pragma once

#include <vector>

#include "blend/clone_flags.h"
#include "blend/mode.h"
#include "plan/table.h"
#include "view.h"

namespace nsa {

// Copies `images` to `out` (same shape) and blends every image's patches into it in the plan's
// order. Patches are cut from `sources`, which are never written. Poisson modes weigh gradients by
// ceil(255 factor) / 255. Throws InputError before any pixel is written; the result does not depend
// on `threads`.
void blend_cpu(const ImagesView& images, const ImagesView& sources, const PlanView& plan,
               int64_t mask_bytes, Blend mode, uint8_t* out, int threads);

struct CloneBatch {
    ImagesView sources;       // (count, h, w, channels), or of one channel, which stands for all
    ImagesView destinations;  // (count, H, W, channels)
    const uint8_t* masks;     // (count, h, w); its outer 1-px frame counts as zero
    const int64_t* centers;   // (count, 2), x then y: any numbers
    CloneFlags flags;
};

// seamlessClone of OpenCV for every item into `out`, shaped as the destinations. Throws InputError
// before any pixel is written if a box leaves its destination.
void clone_cpu(const CloneBatch& batch, uint8_t* out, int threads);

// The same as a plan: one row an item, none where the mask is empty, and grey masks.
struct ClonePlan {
    std::vector<int32_t> rows;  // (rows, kPlanColumns)
    std::vector<uint8_t> masks;
};

// Throws as clone_cpu does. Pixels of the images are not read and may be null: sources have to be
// brought to the destinations' channels, and to their brightness, by who blends.
ClonePlan clone_plan(const CloneBatch& batch);

}  // namespace nsa
