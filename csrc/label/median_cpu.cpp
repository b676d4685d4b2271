// Disk median by binary search over tiles of bytes (median_search.h). Differences rarely span more
// than 8 bits within a tile, so a tile is first moved to bytes relative to its smallest value;
// where it spans more, the upper 8 bits are searched first and the lower 2 among equal upper ones.
#include <cstring>

#include "label/median_search.h"

namespace nsa {
namespace NSA_ISA {
namespace {

// Rows -5 .. 20 and columns -5 .. 122 of a tile as signed bytes: SSE and AVX2 compare only those.
struct Tile {
    alignas(64) int8_t upper[(kTileHeight + 2 * kRadius) * kTileStride];
    alignas(64) int8_t lower[(kTileHeight + 2 * kRadius) * kTileStride];
    int base;    // smallest value
    int span;    // largest minus smallest
    bool split;  // value = base + 4 * upper + lower, else base + upper
};

// Copies the tile whose top left output pixel is (x, y), with its surroundings.
void fill_tile(const DiskMedian& work, int x, int y, int rows, Tile& tile) {
    constexpr int kUsed = kTileWidth + 2 * kRadius;
    uint16_t low[kUsed], high[kUsed];
    const uint16_t* const first = work.values + (y - kRadius) * work.stride + x - kRadius;
    for (int i = 0; i < kUsed; ++i) low[i] = high[i] = first[i];
    for (int row = 1; row < rows + 2 * kRadius; ++row) {
        const uint16_t* const from = first + row * work.stride;
        for (int i = 0; i < kUsed; ++i) {
            low[i] = from[i] < low[i] ? from[i] : low[i];
            high[i] = from[i] > high[i] ? from[i] : high[i];
        }
    }
    uint16_t smallest = low[0], largest = high[0];
    for (int i = 1; i < kUsed; ++i) {
        smallest = low[i] < smallest ? low[i] : smallest;
        largest = high[i] > largest ? high[i] : largest;
    }
    const auto limit = static_cast<uint16_t>(work.limit);
    smallest = smallest < limit ? smallest : limit;
    largest = largest < limit ? largest : limit;
    tile.base = smallest;
    tile.span = largest - smallest;
    tile.split = tile.span > 255;
    if (tile.span == 0) return;
    for (int row = 0; row < rows + 2 * kRadius; ++row) {
        const uint16_t* const from = first + row * work.stride;
        int8_t* const upper = tile.upper + row * kTileStride;
        int8_t* const lower = tile.lower + row * kTileStride;
        if (tile.split) {
            for (int i = 0; i < kUsed; ++i) {
                const int value = (from[i] < limit ? from[i] : limit) - smallest;
                upper[i] = static_cast<int8_t>((value >> 2) - 128);
                lower[i] = static_cast<int8_t>(value & 3);
            }
        } else {
            for (int i = 0; i < kUsed; ++i) {
                const int value = (from[i] < limit ? from[i] : limit) - smallest;
                upper[i] = static_cast<int8_t>(value - 128);
            }
        }
    }
}

struct Range {
    int low;
    int high;
};

// Whether fewer neighbours than it takes to move a median up there are at least `value`. A few
// outliers would otherwise cost every pixel of the block a round. Counts some neighbours twice.
bool out_of_reach(const int8_t* centre, int value) {
    Lanes below{};
    for (int dy = -kRadius; dy < kRows + kRadius; ++dy) {
        for (int dx = -kRadius; dx <= kRadius; dx += 2 * kRadius) {
            below -= load(centre + dy * kTileStride + dx) < splat(value);
        }
    }
    alignas(kLanes) int8_t counts[kLanes];
    std::memcpy(counts, &below, kLanes);
    int above = 2 * (kRows + 2 * kRadius) * kLanes;
    for (const int8_t count : counts) above -= count;
    return above <= kRank;
}

// Range of the upper bytes around kRows x kLanes output pixels.
Range range_around(const int8_t* centre) {
    Lanes low = splat(127), high = splat(-128);
    for (int dy = -kRadius; dy < kRows + kRadius; ++dy) {
        for (int dx = -kRadius; dx <= kRadius; dx += 2 * kRadius) {
            const Lanes value = load(centre + dy * kTileStride + dx);
            low = smallest(value, low);
            high = largest(value, high);
        }
    }
    alignas(kLanes) int8_t lows[kLanes], highs[kLanes];
    std::memcpy(lows, &low, kLanes);
    std::memcpy(highs, &high, kLanes);
    Range range{lows[0], highs[0]};
    for (int i = 1; i < kLanes; ++i) {
        range.low = lows[i] < range.low ? lows[i] : range.low;
        range.high = highs[i] > range.high ? highs[i] : range.high;
    }
    return range;
}

// Medians of kRows x kLanes pixels, as values.
void median_block(const Tile& tile, int row, int column, uint16_t (&medians)[kRows][kLanes]) {
    const int offset = (row + kRadius) * kTileStride + column + kRadius;
    const int8_t* const centre = tile.upper + offset;
    const Range range = range_around(centre);
    int bits = 0;
    while ((range.high - range.low) >> bits) ++bits;
    while (bits > 0 && out_of_reach(centre, range.low + (1 << (bits - 1)))) --bits;
    const int low = range.low < 128 - (1 << bits) ? range.low : 128 - (1 << bits);
    Lanes upper[kRows], below[kRows];
    search_upper(centre, low, bits, upper, below);
    for (int r = 0; r < kRows; ++r) {
        const Lanes lower =
            tile.split ? search_lower(centre + r * kTileStride,
                                      tile.lower + offset + r * kTileStride, upper[r], below[r])
                       : Lanes{};
        const int shift = tile.split ? 2 : 0;
        for (int i = 0; i < kLanes; ++i) {
            const int value = ((upper[r][i] + 128) << shift) + lower[i];
            medians[r][i] = static_cast<uint16_t>(tile.base + value);
        }
    }
}

bool any_set(const uint8_t* mask, int64_t stride, int rows, int columns) {
    uint8_t set = 0;
    for (int row = 0; row < rows; ++row) {
        for (int i = 0; i < columns; ++i) set |= mask[row * stride + i];
    }
    return set != 0;
}

// First column from x on with a set pixel in `rows` rows: tiles that start there waste few lanes.
int first_set(const DiskMedian& work, int x, int y, int rows) {
    constexpr int kStep = 16;
    const uint8_t* const mask = work.mask + (work.mask ? y * work.mask_stride : 0);
    while (mask && x < work.x1) {
        const int columns = work.x1 - x < kStep ? work.x1 - x : kStep;
        if (any_set(mask + x, work.mask_stride, rows, columns)) {
            while (!any_set(mask + x, work.mask_stride, rows, 1)) ++x;
            break;
        }
        x += columns;
    }
    return x;
}

inline int smaller(int a, int b) {
    return a < b ? a : b;
}

void write_tile(const DiskMedian& work, const Tile& tile, int x, int y, int rows, int columns) {
    uint16_t medians[kRows][kLanes];
    for (int row = 0; row < rows; row += kRows) {
        for (int column = 0; column < columns; column += kLanes) {
            const int height = smaller(kRows, rows - row);
            const int width = smaller(kLanes, columns - column);
            const int64_t left = x + column;
            const uint8_t* const mask =
                work.mask ? work.mask + (y + row) * work.mask_stride + left : nullptr;
            if (mask && !any_set(mask, work.mask_stride, height, width)) continue;
            if (tile.span == 0) {
                for (auto& line : medians) {
                    for (uint16_t& value : line) value = static_cast<uint16_t>(tile.base);
                }
            } else {
                median_block(tile, row, column, medians);
            }
            for (int r = 0; r < height; ++r) {
                float* const out = work.out + (y + row + r) * work.out_stride + left;
                for (int i = 0; i < width; ++i) {
                    if (!mask || mask[r * work.mask_stride + i]) out[i] = work.table[medians[r][i]];
                }
            }
        }
    }
}

}  // namespace

void disk_median(const DiskMedian& work) {
    Tile tile{};
    for (int y = work.y0; y < work.y1; y += kTileHeight) {
        const int rows = smaller(kTileHeight, work.y1 - y);
        for (int x = first_set(work, work.x0, y, rows); x < work.x1;
             x = first_set(work, x + kTileWidth, y, rows)) {
            const int columns = smaller(kTileWidth, work.x1 - x);
            fill_tile(work, x, y, rows, tile);
            if (tile.base + tile.span == 0 && !work.mask) continue;
            write_tile(work, tile, x, y, rows, columns);
        }
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
