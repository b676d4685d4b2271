// Blending on the CPU: a batch with its plan, and the general seamless clone.
#pragma once

#include "plan.h"
#include "view.h"

namespace nsa {

enum class Blend : int {
    kSourceGradients,  // Poisson, the patch's gradients (eq. 3 of the paper)
    kMixedGradients,   // Poisson, the stronger gradient of patch and image (eq. 4)
    kPaste,            // the patch's pixels (CutPaste)
    kInterpolate,      // floor((1 - factor) image + factor patch) (FPI)
};

// Copies `images` to `out` (same shape) and blends every image's patches into it in the plan's
// order. Patches are cut from `sources`, which are never written. Poisson modes weigh gradients by
// ceil(255 factor) / 255. Throws InputError before any pixel is written; the result does not depend
// on `threads`.
void blend_cpu(const ImagesView& images, const ImagesView& sources, const PlanView& plan,
               int64_t mask_bytes, Blend mode, uint8_t* out, int threads);

struct CloneBatch {
    ImagesView sources;       // (count, h, w, channels)
    ImagesView destinations;  // (count, H, W, channels)
    const uint8_t* masks;     // (count, h, w); its outer 1-px frame counts as zero
    const int64_t* centers;   // (count, 2), x then y: where the mask's bounding box is centred
    bool mixed;
};

// seamlessClone of OpenCV for every item into `out`, shaped as the destinations. Throws InputError
// before any pixel is written if a box leaves its destination.
void clone_cpu(const CloneBatch& batch, uint8_t* out, int threads);

}  // namespace nsa
