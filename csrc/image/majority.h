// Median of a 0 / 1 mask over an odd square, border replicated, as cv2.medianBlur computes it: a
// pixel is set where more than half of the square is. Column and row sums of bytes; included by
// kernels that are compiled once per instruction set, hence internal linkage.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

inline int clamp_index(int value, int low, int high) {
    return value < low ? low : (value > high ? high : value);
}

// line: pixels [-kSize / 2, width + kSize / 2) of a row of 0 / 1, as a pointer to pixel 0.
// sums: number of set pixels in the kSize pixels around each of `width`.
template <int kSize>
inline void sum_along_row(const uint8_t* NSA_RESTRICT line, int width, uint8_t* NSA_RESTRICT sums) {
    for (int x = 0; x < width; ++x) {
        uint8_t sum = 0;
        for (int dx = -(kSize / 2); dx <= kSize / 2; ++dx) {
            sum = static_cast<uint8_t>(sum + line[x + dx]);
        }
        sums[x] = sum;
    }
}

// sums: kSize rows of sum_along_row. mask: 1 where more than half of the square is set.
template <int kSize>
inline void majority_of_rows(const uint8_t* const (&sums)[kSize], int width,
                             uint8_t* NSA_RESTRICT mask) {
    for (int x = 0; x < width; ++x) {
        uint8_t sum = 0;
        for (int row = 0; row < kSize; ++row) sum = static_cast<uint8_t>(sum + sums[row][x]);
        mask[x] = sum > kSize * kSize / 2;
    }
}

// Replicates pixels 0 and width - 1 of a row `margin` times to its left and right.
inline void replicate_ends(uint8_t* line, int width, int margin) {
    std::memset(line - margin, line[0], static_cast<size_t>(margin));
    std::memset(line + width, line[width - 1], static_cast<size_t>(margin));
}

// Sum over channels of each pixel of a row. channels is 1 or 3.
inline void sum_channels(const uint8_t* NSA_RESTRICT pixels, int width, int channels,
                         uint16_t* NSA_RESTRICT sums) {
    if (channels == 1) {
        for (int x = 0; x < width; ++x) sums[x] = pixels[x];
    } else {
        for (int x = 0; x < width; ++x) {
            sums[x] = static_cast<uint16_t>(pixels[3 * x] + pixels[3 * x + 1] + pixels[3 * x + 2]);
        }
    }
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
