// The median over a disk of radius 5: of the 81 pixels with dx^2 + dy^2 <= 25 the 41st smallest.
// Equals skimage.filters.median(values, disk(5)) where the border around `values` is replicated.
#pragma once

#include <cstdint>

#include "dispatch.h"

namespace nsa {

constexpr int kMedianRadius = 5;
// Columns right of the box that may be read beyond the radius; their values do not matter.
constexpr int kMedianOverread = 64;

// values: pixel (0, 0) of a plane of 0..765, `stride` elements a row; readable kMedianRadius pixels
//     around the box and kMedianOverread more to its right.
// mask: pixel (0, 0) of a plane of 0 / 1 with `mask_stride`, or null: every pixel of the box.
// table: what to write for a median.
// limit: larger values have the same entry in `table` as this one, so that they are searched as
// one. out: pixel (0, 0) of the result, `out_stride` a row. Pixels of [x0, x1) x [y0, y1) outside
// the
//     mask, or all of whose neighbourhood is 0, may be left as they are: fill it with table[0] or,
//     for a masked label, with 0 first.
struct DiskMedian {
    const uint16_t* values;
    int64_t stride;
    const uint8_t* mask;
    int64_t mask_stride;
    const float* table;
    int limit;
    float* out;
    int64_t out_stride;
    int x0, y0, x1, y1;
};

NSA_KERNEL(void disk_median(const DiskMedian& work))

}  // namespace nsa
