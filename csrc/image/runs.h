// A row of a crop as runs of neighbouring pixels of the image. Rotated by a few degrees, it follows
// one row of the image for many pixels, column by column, before it steps to the next; such a run
// is copied at once. Exact: a run ends where the fixed-point position says so.
#pragma once

#include <cstdint>

#include "image/gather.h"
#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

constexpr int kFraction = 20;  // bits of a position behind the point
constexpr int64_t kUnit = int64_t{1} << kFraction;

// Whether the rows of a crop are runs of columns one after another: at larger angles most runs
// would be of a pixel or two, and each pixel is looked up instead.
inline bool has_runs(const Crop& crop) {
    return crop.step_x <= kUnit && 32 * crop.step_x > 31 * kUnit;
}

// Where (start + x step) >> 20 changes, for |step| < 2^20, by increments instead of divisions.
struct Spacing {
    uint32_t step;  // its magnitude; 0: never
    bool rises;
    int whole = 0;  // 2^20 = whole step + rest
    uint32_t rest = 0;

    explicit Spacing(int64_t signed_step)
        : step(static_cast<uint32_t>(signed_step < 0 ? -signed_step : signed_step)),
          rises(signed_step > 0) {
        if (step == 0) return;
        whole = static_cast<int>(static_cast<uint32_t>(kUnit) / step);
        rest = static_cast<uint32_t>(kUnit) % step;
    }
};

struct Change {
    int at;         // x of the next change
    uint32_t over;  // how far the position lies beyond it there: less than the step

    // The first one behind x, whose position is given.
    Change(const Spacing& spacing, int x, int64_t position) : at(INT32_MAX), over(0) {
        if (spacing.step == 0) return;
        // A falling position mirrored: ~p >> 20 is ~(p >> 20).
        const int64_t rising = spacing.rises ? position : ~position;
        const auto left = static_cast<uint32_t>(kUnit - (rising & (kUnit - 1)));
        const uint32_t steps = (left + spacing.step - 1) / spacing.step;
        over = steps * spacing.step - left;
        at = x + static_cast<int>(steps);
    }

    NSA_INLINE void advance(const Spacing& spacing) {
        // Without a branch, which nobody could predict.
        const uint32_t longer = over < spacing.rest;
        at += spacing.whole + static_cast<int>(longer);
        over += (spacing.step & (0U - longer)) - spacing.rest;
    }
};

// How a crop's rows step from one row of the image to the next, and skip or repeat columns.
struct Walk {
    Spacing rows;
    Spacing columns;  // of column - x, which never grows, for the step is at most one
    int64_t pitch;    // from a pixel of the image to where a change of row leads

    Walk(const Crop& crop, int64_t width)
        : rows(crop.step_y),
          columns(crop.step_x - kUnit),
          pitch(crop.step_y > 0 ? width : -width) {}
};

// The pixel of the image, whose rows are `width` pixels apart, that pixel x of row y shows.
NSA_INLINE int64_t pixel_at(const Crop& crop, int x, int y, int64_t width) {
    const int64_t column = (crop.starts[2 * y] + x * crop.step_x) >> kFraction;
    return ((crop.starts[2 * y + 1] + x * crop.step_y) >> kFraction) * width + column;
}

// Row y of the crop: the image is convex, so what lies inside it is one run, found from both ends.
struct Inside {
    int first;
    int last;
};

inline Inside inside(const Crop& crop, int y, int height, int width) {
    const int64_t x0 = crop.starts[2 * y], y0 = crop.starts[2 * y + 1];
    const auto contains = [&](int x) {
        const int64_t column = (x0 + x * crop.step_x) >> kFraction;
        const int64_t row = (y0 + x * crop.step_y) >> kFraction;
        return column >= 0 && column < width && row >= 0 && row < height;
    };
    int first = 0, last = crop.columns;
    while (first < last && !contains(first)) ++first;
    while (first < last && !contains(last - 1)) --last;
    return {first, last};
}

// Calls run(x, end, pixel) for the runs of row y of a crop with runs, from left to right: pixel x'
// in [x, end) shows pixel `pixel + x' - x` of the image, whose rows are `width` pixels apart.
template <typename Run>
NSA_INLINE void for_each_run(const Crop& crop, int y, const Inside& range, const Walk& walk,
                             int64_t width, const Run& run) {
    if (range.first == range.last) return;
    const int64_t at_x = crop.starts[2 * y] + range.first * crop.step_x;
    const int64_t at_y = crop.starts[2 * y + 1] + range.first * crop.step_y;
    Change row(walk.rows, range.first, at_y), column(walk.columns, range.first, at_x);
    int64_t pixel = (at_y >> kFraction) * width + (at_x >> kFraction);
    int x = range.first;
    for (;;) {
        // Rows change often, columns are hardly ever repeated.
        const int limit = column.at < range.last ? column.at : range.last;
        while (row.at < limit) {
            run(x, row.at, pixel);
            pixel += row.at - x + walk.pitch;
            x = row.at;
            row.advance(walk.rows);
        }
        run(x, limit, pixel);
        if (limit == range.last) return;
        pixel += limit - x - 1;
        x = limit;
        column.advance(walk.columns);
        if (row.at == limit) {
            pixel += walk.pitch;
            row.advance(walk.rows);
        }
    }
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
