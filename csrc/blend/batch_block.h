// A batch with its plan as the blending kernels see it, and the body of one blending block.
#pragma once

#include "blend/blend.h"
#include "blend/poisson_block.h"
#include "plan.h"

namespace nsa {

// Everything a launch reads. Pointers are to device memory in a kernel, to host memory in a test.
struct BlendBatch {
    uint8_t* images;  // (count, height, width, channels), blended in place
    int64_t height;
    int64_t width;
    const uint8_t* sources;  // (source_count, source_height, source_width, channels), never written
    int64_t source_height;
    int64_t source_width;
    int channels;
    const int32_t* rows;   // (patches, kPlanColumns)
    const float* factors;  // (patches)
    const uint8_t* masks;
    const int32_t* order;  // (patches): rows in the order in which they are started
    const int32_t* span;  // (2, 2): first and last + 1 in `order` of the round's large boxes, which
                          // need a workspace, and of its small ones
    float grey_unit;      // above 0: masks are grey, this is a gradient's weight per unit;
                          // else 0 / 1, the weight is ceil(255 factor) / 255
    Blend mode;
    SineTables tables;
};

NSA_DEVICE BoxTask box_task(const BlendBatch& batch, int32_t row, int channel) {
    const int32_t* const at = batch.rows + static_cast<int64_t>(row) * kPlanColumns;
    const int channels = batch.channels;
    const int64_t source_pixel =
        (at[kSource] * batch.source_height + at[kSrcY]) * batch.source_width + at[kSrcX];
    const int64_t pixel = (at[kImage] * batch.height + at[kPlaceY]) * batch.width + at[kPlaceX];
    BoxTask box;
    box.source = batch.sources + source_pixel * channels + channel;
    box.source_stride = batch.source_width * channels;
    box.source_width = at[kSrcW];
    box.source_height = at[kSrcH];
    box.patch_width = at[kWidth];
    box.patch_height = at[kHeight];
    box.left = at[kRoiX];
    box.top = at[kRoiY];
    box.width = at[kRoiW];
    box.height = at[kRoiH];
    box.destination = batch.images + pixel * channels + channel;
    box.destination_stride = batch.width * channels;
    box.channels = channels;
    box.mask = at[kBlendMask] < 0 ? nullptr
                                  : batch.masks + at[kBlendMask] +
                                        static_cast<int64_t>(at[kRoiY]) * at[kWidth] + at[kRoiX];
    box.mask_unit = batch.grey_unit > 0.0f && box.mask
                        ? batch.grey_unit
                        : ceilf(255.0f * batch.factors[row]) / 255.0f;
    box.mixed = batch.mode == Blend::kMixedGradients;
    return box;
}

// x - a x + a p in doubles, in this order and unfused, as NumPy evaluates it.
NSA_DEVICE int interpolated(int own, int patch, double factor) {
#ifdef __CUDA_ARCH__
    return static_cast<int>(
        __dadd_rn(__dadd_rn(own, -__dmul_rn(factor, own)), __dmul_rn(factor, patch)));
#else
    return static_cast<int>(own - factor * own + factor * patch);
#endif
}

// Copies or interpolates one channel of a patch. memory: Tap (width + height).
template <typename Group>
NSA_DEVICE void composite_box(const Group& group, const BoxTask& box, Blend mode, float factor,
                              Tap* taps) {
    group.phase([&](int rank) {
        for (int i = rank; i < box.width + box.height; i += group.size()) {
            taps[i] = box_tap(box, i);
        }
    });  // the taps are complete
    group.phase([&](int rank) {
        for (GridWalk at(rank, group.size(), box.width); at.line < box.height; at.next()) {
            const int x = at.column, y = at.line;
            if (box.mask && box.mask[static_cast<int64_t>(y) * box.patch_width + x] == 0) continue;
            const int patch = resized_pixel(box.source, box.source_stride, box.channels, taps[x],
                                            taps[box.width + y]);
            uint8_t& own = box.destination[y * box.destination_stride +
                                           static_cast<int64_t>(x) * box.channels];
            own = static_cast<uint8_t>(mode == Blend::kPaste ? patch
                                                             : interpolated(own, patch, factor));
        }
    });  // the taps are free for the next box
}

// Block `block` of `blocks`, which share the round's large or small boxes: one channel of one patch
// each, the first of the order first. memory: for this block alone, 16-byte aligned, enough for its
// boxes.
template <bool kLarge, typename Group>
NSA_DEVICE void blend_block(const Group& group, const BlendBatch& batch, int64_t block,
                            int64_t blocks, uint8_t* memory) {
    const int32_t* const span = batch.span + (kLarge ? 0 : 2);
    const int64_t first = span[0], items = (span[1] - first) * batch.channels;
    for (int64_t item = block; item < items; item += blocks) {
        const int32_t row = batch.order[first + item / batch.channels];
        const BoxTask box = box_task(batch, row, static_cast<int>(item % batch.channels));
        if (batch.mode == Blend::kPaste || batch.mode == Blend::kInterpolate) {
            composite_box(group, box, batch.mode, batch.factors[row],
                          reinterpret_cast<Tap*>(memory));
        } else {
            poisson_box<kLarge>(group, box, batch.tables, memory);
        }
    }
}

}  // namespace nsa
