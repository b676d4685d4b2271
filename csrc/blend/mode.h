// How a patch goes into its image: all that a mode is, to CPU and GPU, apart from the Poisson
// solver.
#pragma once

#include "names.h"
#include "plan/table.h"
#include "thread_block.h"

namespace nsa {

enum class Blend : int {
    kSourceGradients,  // Poisson, the patch's gradients (eq. 3 of the paper)
    kMixedGradients,   // Poisson, the stronger gradient of patch and image (eq. 4)
    kPaste,            // the patch's pixels (CutPaste)
    kInterpolate,      // floor((1 - factor) image + factor patch) (FPI)
    kPlanned,          // each patch by the mode that its row of the plan has, one of those above
};

template <>
struct Names<Blend> {
    static constexpr const char* kWhat = "blend mode";
    static constexpr const char* kAll[] = {"source", "mixed", "paste", "interpolate", "planned"};
};

static_assert(static_cast<int>(Blend::kPlanned) == kPlanModes);

// How the patch of a row is blended.
NSA_DEVICE Blend mode_of(Blend mode, const int32_t* row) {
    return mode == Blend::kPlanned ? static_cast<Blend>(row[kMode]) : mode;
}

// Whether the Poisson equation is solved; else each pixel is composited by itself.
NSA_DEVICE bool solves_poisson(Blend mode) {
    return mode == Blend::kSourceGradients || mode == Blend::kMixedGradients;
}

// What a mode without a Poisson equation makes of the image's own pixel and the patch's. Doubles in
// this order and without fused operations, as NumPy evaluates x - a x + a p: host code that calls
// this is compiled without contraction.
NSA_DEVICE uint8_t composited(Blend mode, int own, int patch, double factor) {
    if (mode == Blend::kPaste) return static_cast<uint8_t>(patch);
#ifdef __CUDACC__
    const double value =
        __dadd_rn(__dadd_rn(own, -__dmul_rn(factor, own)), __dmul_rn(factor, patch));
#else
    const double value = own - factor * own + factor * patch;
#endif
    return static_cast<uint8_t>(static_cast<int>(value));
}

}  // namespace nsa
