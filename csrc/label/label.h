// Pixel labels of synthetic anomalies (Section 3.3 of the NSA paper), one image at a time.
//
// Let d be the sum over channels of |blended - original|, 0..255 C, where a patch changed the image
// and 0 elsewhere. Its change mask goes through a 5x5 median; the label is that mask, the mask
// times the patch's interpolation factor, or a function of the disk median of d (median.h). kinds.h
// has the kinds that are made of these.
#pragma once

#include <cstdint>

#include "dispatch.h"
#include "names.h"
#include "plan/table.h"
#include "view.h"

namespace nsa {

// What labels a pixel: its change mask, the factor of the patch there, or the disk median there.
enum class LabelSource : int { kMask, kFactor, kMedian };

// What labels follow: the authors' code, where a later patch's mask replaces its whole box, zeros
// included, and a pixel has changed when the mean over channels exceeds 1; or the paper, where
// patch masks are united and any difference counts.
enum class Variant : int { kReleased, kPaper };

template <>
struct Names<Variant> {
    static constexpr const char* kWhat = "variant";
    static constexpr const char* kAll[] = {"released", "paper"};
};

// within_mask: pixels outside the change mask have the label 0.
// table: 255 C + 1 floats, the label of a disk median; read where that is the source.
// limit: the first entry that is equal to all after it: where a logistic label is 1.
struct LabelRule {
    LabelSource source;
    bool within_mask;
    Variant variant;
    const float* table;
    int limit;
};

// The patches of one image: `count` indices into plan.rows, in order of round.
struct LabelPatches {
    PlanView plan;
    const int32_t* rows;
    int count;
};

// original, blended: (height, width, channels) uint8 interleaved, channels 1 or 3.
// patches: boxes dst_* must lie inside the image and label masks inside plan.masks.
// out: (height, width) float, written entirely.
struct LabelImage {
    const uint8_t* original;
    const uint8_t* blended;
    int height;
    int width;
    int channels;
    float* out;
};

// Bytes of scratch that label_image needs for an image. One scratch per thread, reused from image
// to image; what it holds before does not matter.
NSA_KERNEL(int64_t label_scratch_bytes(int height, int width))

NSA_KERNEL(void label_image(const LabelImage& image, const LabelPatches& patches,
                            const LabelRule& rule, uint8_t* scratch))

}  // namespace nsa
