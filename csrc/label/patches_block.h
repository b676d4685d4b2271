// Which patch of a plan decides about a pixel, and how far that pixel differs.
//
// A tile of an image lists the patches that reach it once; its pixels then look at nothing else.
#pragma once

#include "label/label_cuda.h"
#include "plan/table.h"
#include "thread_block.h"

namespace nsa {

constexpr int kGroup = 8;  // neighbouring pixels that a thread compares together

// A patch's box in the image, its end excluded, and its label mask.
struct TilePatch {
    int32_t left;
    int32_t top;
    int32_t right;
    int32_t bottom;
    int32_t mask;  // offset in the plan's masks; -1: all ones
    int32_t row;   // of the plan

    NSA_DEVICE static TilePatch of(const LabelBatch& batch, int32_t row) {
        const int32_t* const at = batch.rows + static_cast<int64_t>(row) * kPlanColumns;
        const int left = at[kDstX], top = at[kDstY];
        return {left, top, left + at[kWidth], top + at[kHeight], at[kLabelMask], row};
    }
    NSA_DEVICE bool meets(int x0, int y0, int x1, int y1) const {
        return left < x1 && top < y1 && right > x0 && bottom > y0;
    }
    // Bits of the `count` pixels from (x, y) on that lie in the box.
    NSA_DEVICE uint32_t held(int x, int y, int count) const {
        if (y < top || y >= bottom) return 0;
        const int first = max(left - x, 0), end = min(right - x, count);
        return first < end ? (1u << end) - (1u << first) : 0;
    }
    // Those of the bits `wanted` whose pixels the mask holds.
    NSA_DEVICE uint32_t marked(const uint8_t* masks, int x, int y, uint32_t wanted) const {
        if (mask < 0) return wanted;
        const uint8_t* const at = masks + mask + static_cast<int64_t>(y - top) * (right - left);
        uint32_t bits = 0;
        for (uint32_t rest = wanted; rest != 0; rest &= rest - 1) {
            const int bit = __ffs(static_cast<int>(rest)) - 1;
            if (at[x + bit - left] != 0) bits |= 1u << bit;
        }
        return bits;
    }
};

// The patches that reach a tile, the last one first. Rows beyond the list's room are not in it:
// the first `unlisted` rows of the image, which are looked at one by one.
struct PatchList {
    static constexpr int kRoom = 64;

    TilePatch patches[kRoom];
    int count;
    int unlisted;
};

// Fills the list by the threads of one warp, for pixels from (x0, y0) to (x1, y1), excluded.
NSA_DEVICE void list_patches(const LabelBatch& batch, int64_t image, int x0, int y0, int x1, int y1,
                             int lane, PatchList& list) {
    const int32_t first = batch.image_first[image];
    int left = batch.image_first[image + 1] - first, count = 0;
    while (left > 0 && count + kWarp <= PatchList::kRoom) {
        const int index = left - 1 - lane;
        TilePatch patch{};
        bool meets = false;
        if (index >= 0) {
            patch = TilePatch::of(batch, batch.image_rows[first + index]);
            meets = patch.meets(x0, y0, x1, y1);
        }
        const uint32_t hits = warp_ballot(meets);
        if (meets) list.patches[count + __popc(hits & ((1u << lane) - 1))] = patch;
        count += __popc(hits);
        left -= kWarp;
    }
    if (lane == 0) {
        list.count = count;
        list.unlisted = max(left, 0);
    }
}

// Which of the `count` pixels from (x, y) on, up to kGroup and inside the image, are marked: by any
// patch, or, if boxes replace one another, by the last patch that holds them.
NSA_DEVICE uint32_t marked_pixels(const LabelBatch& batch, const PatchList& list, int64_t image,
                                  int x, int y, int count) {
    uint32_t undecided = (1u << count) - 1, marked = 0;
    const auto apply = [&](const TilePatch& patch) {
        const uint32_t held = patch.held(x, y, count) & undecided;
        if (held == 0) return;
        const uint32_t own = patch.marked(batch.masks, x, y, held);
        marked |= own;
        undecided &= ~(batch.variant == Variant::kReleased ? held : own);
    };
    for (int i = 0; i < list.count && undecided != 0; ++i) apply(list.patches[i]);
    for (int i = list.unlisted - 1; i >= 0 && undecided != 0; --i) {
        apply(TilePatch::of(batch, batch.image_rows[batch.image_first[image] + i]));
    }
    return marked;
}

// The plan row whose factor labels pixel (x, y). The median can mark a pixel that no patch does:
// the image's last patch, as on the CPU.
NSA_DEVICE int32_t deciding_row(const LabelBatch& batch, const PatchList& list, int64_t image,
                                int x, int y) {
    const int32_t* const rows = batch.image_rows + batch.image_first[image];
    const auto decides = [&](const TilePatch& patch) {
        const uint32_t held = patch.held(x, y, 1);
        return held != 0 &&
               (batch.variant == Variant::kReleased || patch.marked(batch.masks, x, y, held) != 0);
    };
    for (int i = 0; i < list.count; ++i) {
        if (decides(list.patches[i])) return list.patches[i].row;
    }
    for (int i = list.unlisted - 1; i >= 0; --i) {
        if (decides(TilePatch::of(batch, rows[i]))) return rows[i];
    }
    return rows[batch.image_first[image + 1] - batch.image_first[image] - 1];
}

// Sum over channels of |blended - original| at one pixel.
NSA_DEVICE int difference_at(const LabelBatch& batch, int64_t image, int x, int y) {
    const int64_t pixel = ((image * batch.height + y) * batch.width + x) * batch.channels;
    const uint8_t* const original = batch.original + pixel;
    const uint8_t* const blended = batch.blended + pixel;
    int sum = abs(blended[0] - original[0]);
    if (batch.channels == 3) {
        sum += abs(blended[1] - original[1]) + abs(blended[2] - original[2]);
    }
    return sum;
}

// The same of four neighbours whose `channels` words start at `original` and `blended`, 16 bits
// each; 0 where their bit of `marked` is not set.
NSA_DEVICE uint2 four_differences(const uint32_t* original, const uint32_t* blended, int channels,
                                  uint32_t marked) {
    const auto paired = [marked](int bit, uint32_t first, uint32_t second) {
        return ((marked >> bit & 1) != 0 ? first : 0) |
               ((marked >> bit & 2) != 0 ? second << 16 : 0);
    };
    const uint32_t a = __vabsdiffu4(original[0], blended[0]);
    if (channels == 1) {
        return make_uint2(paired(0, a & 255, a >> 8 & 255), paired(2, a >> 16 & 255, a >> 24));
    }
    // Twelve bytes: a pixel's three are picked by ones and added up.
    const uint32_t b = __vabsdiffu4(original[1], blended[1]);
    const uint32_t c = __vabsdiffu4(original[2], blended[2]);
    return make_uint2(
        paired(0, __dp4a(a, 0x00010101u, 0u), __dp4a(a, 0x01000000u, __dp4a(b, 0x00000101u, 0u))),
        paired(2, __dp4a(b, 0x01010000u, __dp4a(c, 0x00000001u, 0u)), __dp4a(c, 0x01010100u, 0u)));
}

// Differences of the kGroup pixels from (x, y) on, 16 bits each, 0 where no patch marks them.
// Beyond the image they are those of the border pixel.
NSA_DEVICE uint4 marked_differences(const LabelBatch& batch, const PatchList& list, int64_t image,
                                    int x, int y) {
    y = min(max(y, 0), batch.height - 1);
    const int64_t pixel = ((image * batch.height + y) * batch.width + x) * batch.channels;
    const auto original = reinterpret_cast<uintptr_t>(batch.original + pixel);
    const auto blended = reinterpret_cast<uintptr_t>(batch.blended + pixel);
    if (x >= 0 && x + kGroup <= batch.width && ((original | blended) & 3) == 0) {
        const uint32_t marked = marked_pixels(batch, list, image, x, y, kGroup);
        if (marked == 0) return make_uint4(0, 0, 0, 0);
        const auto* const from = reinterpret_cast<const uint32_t*>(original);
        const auto* const to = reinterpret_cast<const uint32_t*>(blended);
        const int words = batch.channels;  // of four pixels
        const uint2 low = four_differences(from, to, words, marked);
        const uint2 high = four_differences(from + words, to + words, words, marked >> 4);
        return make_uint4(low.x, low.y, high.x, high.y);
    }
    uint64_t halves[2] = {0, 0};
    NSA_UNROLL
    for (int half = 0; half < 2; ++half) {
        _Pragma("unroll 1") for (int i = 0; i < 4; ++i) {
            const int column = min(max(x + 4 * half + i, 0), batch.width - 1);
            if (marked_pixels(batch, list, image, column, y, 1) == 0) continue;
            const auto found = static_cast<uint64_t>(difference_at(batch, image, column, y));
            halves[half] |= found << 16 * i;
        }
    }
    return make_uint4(static_cast<uint32_t>(halves[0]), static_cast<uint32_t>(halves[0] >> 32),
                      static_cast<uint32_t>(halves[1]), static_cast<uint32_t>(halves[1] >> 32));
}

}  // namespace nsa
