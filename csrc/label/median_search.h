// The search for medians within a tile of bytes: every pixel keeps its own threshold, and a round
// counts, for a block of pixels at once, how many of the 81 neighbours lie below it. Included by
// median_cpu.cpp alone, once per instruction set.
#pragma once

#include "label/byte_lanes.h"
#include "label/median.h"

namespace nsa {
namespace NSA_ISA {
namespace {

constexpr int kRadius = kMedianRadius;
constexpr int kRank = 40;  // pixels of 81 below the median
constexpr int kRows = 4;   // rows searched together share what they load
constexpr int kTileHeight = 16;
constexpr int kTileWidth = 64;
constexpr int kTileStride = 128;  // 64 + 2 * 5 used, the rest is read but never matters

// Largest dy of the disk in column dx.
constexpr int half_height(int dx) {
    int dy = 0;
    while (dx * dx + (dy + 1) * (dy + 1) <= kRadius * kRadius) ++dy;
    return dy;
}

constexpr bool in_disk(int dx, int dy) {
    return (dy < 0 ? -dy : dy) <= half_height(dx);
}

constexpr int kColumns = 2 * kRadius + 1;
constexpr int kSteps = kColumns * (kRows + 2 * kRadius);

// One load, compared for each of the kRows output rows whose disk holds it.
template <int kStep>
NSA_INLINE void count_below(const int8_t* centre, const Lanes (&threshold)[kRows],
                            Lanes (&count)[kRows]) {
    constexpr int dx = kStep % kColumns - kRadius;
    constexpr int dy = kStep / kColumns - kRadius;
    if constexpr (in_disk(dx, dy) || in_disk(dx, dy - 1) || in_disk(dx, dy - 2) ||
                  in_disk(dx, dy - 3)) {
        const Lanes value = load(centre + dy * kTileStride + dx);
        if constexpr (in_disk(dx, dy)) count[0] -= value < threshold[0];
        if constexpr (in_disk(dx, dy - 1)) count[1] -= value < threshold[1];
        if constexpr (in_disk(dx, dy - 2)) count[2] -= value < threshold[2];
        if constexpr (in_disk(dx, dy - 3)) count[3] -= value < threshold[3];
    }
    if constexpr (kStep + 1 < kSteps) count_below<kStep + 1>(centre, threshold, count);
}
static_assert(kRows == 4, "count_below names its rows");

// Searches the upper bytes between `low` and low + 2^bits - 1. below: neighbours under the result.
NSA_NOINLINE void search_upper(const int8_t* centre, int low, int bits, Lanes (&result)[kRows],
                               Lanes (&below)[kRows]) {
    for (int row = 0; row < kRows; ++row) {
        result[row] = splat(low);
        below[row] = Lanes{};
    }
    for (int bit = bits - 1; bit >= 0; --bit) {
        Lanes candidate[kRows], count[kRows];
        for (int row = 0; row < kRows; ++row) {
            candidate[row] = wrapping_add(result[row], splat(1 << bit));
            count[row] = Lanes{};
        }
        count_below<0>(centre, candidate, count);
        for (int row = 0; row < kRows; ++row) {
            const Lanes accept = count[row] <= splat(kRank);
            result[row] = (accept & candidate[row]) | (~accept & result[row]);
            below[row] = (accept & count[row]) | (~accept & below[row]);
        }
    }
}

// The lower two bits of one row, given the upper byte of its medians. Only tiles that span more
// than 255 get here, so it is kept short rather than fast.
NSA_NOINLINE Lanes search_lower(const int8_t* upper_centre, const int8_t* lower_centre, Lanes upper,
                                Lanes below) {
    Lanes result{};
    for (int bit = 1; bit >= 0; --bit) {
        const Lanes candidate = result + splat(1 << bit);
        Lanes count = below;
        for (int dx = -kRadius; dx <= kRadius; ++dx) {
            for (int dy = -half_height(dx); dy <= half_height(dx); ++dy) {
                const int offset = dy * kTileStride + dx;
                count -= (load(upper_centre + offset) == upper) &
                         (load(lower_centre + offset) < candidate);
            }
        }
        const Lanes accept = count <= splat(kRank);
        result = (accept & candidate) | (~accept & result);
    }
    return result;
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
