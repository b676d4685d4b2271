// The patches of one image, blended by one block.
#pragma once

#include "blend/batch_cuda.h"
#include "blend/poisson_block.h"
#include "plan/table.h"

namespace nsa {

// The task of a plan row, for channels from `channel` on.
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
    box.pixel_bytes = channels;
    box.mask = at[kBlendMask] < 0 ? nullptr
                                  : batch.masks + at[kBlendMask] +
                                        static_cast<int64_t>(at[kRoiY]) * at[kWidth] + at[kRoiX];
    box.mask_unit = batch.grey_unit > 0.0f && box.mask
                        ? batch.grey_unit
                        : ceilf(255.0f * batch.factors[row]) / 255.0f;
    box.mixed = mode_of(batch.mode, at) == Blend::kMixedGradients;
    return box;
}

// A patch whose pixels are composited one by one. taps: (width + height).
template <int kChannels>
NSA_DEVICE void composite_box(const ThreadBlock& block, const BoxTask& box, Blend mode,
                              float factor, Tap* taps) {
    block.phase([&](int rank) {
        for (int i = rank; i < box.width + box.height; i += block.size()) {
            taps[i] = box_tap(box, i);
        }
    });  // the taps are complete
    block.phase([&](int rank) {
        for (GridWalk at(rank, block.size(), box.width); at.line < box.height; at.next()) {
            const int x = at.column, y = at.line;
            if (box.mask && box.mask[static_cast<int64_t>(y) * box.patch_width + x] == 0) continue;
            uint8_t* const pixel =
                box.destination + y * box.destination_stride + x * box.pixel_bytes;
            NSA_UNROLL
            for (int c = 0; c < kChannels; ++c) {
                pixel[c] = composited(mode, pixel[c],
                                      resized_pixel(box, taps[x], taps[box.width + y], c), factor);
            }
        }
    });  // the taps are free for the next box, and what it reads has been written
}

// Blends kChannels channels, from `channel` on, of all patches of an image. A box goes into
// `shared`, of `shared_bytes` bytes; with kLarge one that does not fit goes into `workspace`. Both
// are for this block alone and 16-byte aligned.
template <int kChannels, bool kLarge>
NSA_DEVICE void blend_image(const ThreadBlock& block, const BlendBatch& batch, int32_t image,
                            int channel, uint8_t* shared, size_t shared_bytes, uint8_t* workspace) {
    const auto memory = [&](size_t bytes) {
        return kLarge && bytes > shared_bytes ? workspace : shared;
    };
    const int32_t end = batch.image_first[image + 1];
    for (int32_t i = batch.image_first[image]; i < end; ++i) {
        const int32_t row = batch.image_rows[i];
        const BoxTask box = box_task(batch, row, channel);
        const Blend mode =
            mode_of(batch.mode, batch.rows + static_cast<int64_t>(row) * kPlanColumns);
        if (!solves_poisson(mode)) {
            Tap* const taps = reinterpret_cast<Tap*>(memory(tap_bytes(box.width, box.height)));
            composite_box<kChannels>(block, box, mode, batch.factors[row], taps);
        } else if (box.width >= kNarrowestBox && box.height >= kNarrowestBox) {
            const BoxLayout layout(box.width, box.height, kChannels, box.mask != nullptr);
            poisson_box<kChannels, kLarge>(block, box, layout, batch.tables, memory(layout.bytes));
        }
    }
}

}  // namespace nsa
