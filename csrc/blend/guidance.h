// The right-hand side of the Poisson equation from bytes, for poisson_cpu.cpp only. Rows are
// interleaved, so a neighbour in x is `channels` elements away and every loop runs over a whole
// row of all channels.
#pragma once

#include "blend/poisson.h"
#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

// Differences of the guidance field and the destination's gradient, forward in x and y, over
// `count` elements: source gradients everywhere, or where they change more (mixed).
template <bool kMixed>
NSA_INLINE void guidance_row(const uint8_t* NSA_RESTRICT source,
                             const uint8_t* NSA_RESTRICT source_below,
                             const uint8_t* NSA_RESTRICT destination,
                             const uint8_t* NSA_RESTRICT destination_below, int channels, int count,
                             int16_t* NSA_RESTRICT in_x, int16_t* NSA_RESTRICT in_y) {
    for (int i = 0; i < count; ++i) {
        const int sx = source[i + channels] - source[i];
        const int sy = source_below[i] - source[i];
        const int dx = destination[i + channels] - destination[i];
        const int dy = destination_below[i] - destination[i];
        const int source_step = sx > sy ? sx - sy : sy - sx;
        const int destination_step = dx > dy ? dx - dy : dy - dx;
        const int16_t taken = !kMixed || source_step > destination_step ? -1 : 0;
        in_x[i] = static_cast<int16_t>((sx - dx) & taken);
        in_y[i] = static_cast<int16_t>((sy - dy) & taken);
    }
}

// Backward divergence of the field: out[i] = in_x[i] - in_x[i - channels] + in_y[i] - above_y[i].
NSA_INLINE void divergence_row(const int16_t* NSA_RESTRICT in_x, const int16_t* NSA_RESTRICT in_y,
                               const int16_t* NSA_RESTRICT above_y, int channels, int count,
                               float unit, float* NSA_RESTRICT out) {
    for (int i = 0; i < count; ++i) {
        const int16_t sum =
            static_cast<int16_t>(in_x[i] - in_x[i - channels] + in_y[i] - above_y[i]);
        out[i] = static_cast<float>(sum) * unit;
    }
}

// The same with a weight per element in this row and in the one above.
NSA_INLINE void divergence_row(const int16_t* NSA_RESTRICT in_x, const int16_t* NSA_RESTRICT in_y,
                               const int16_t* NSA_RESTRICT above_y,
                               const float* NSA_RESTRICT weight,
                               const float* NSA_RESTRICT above_weight, int channels, int count,
                               float* NSA_RESTRICT out) {
    for (int i = 0; i < count; ++i) {
        const float here = weight[i] * static_cast<float>(in_x[i] + in_y[i]);
        const float left = weight[i - channels] * static_cast<float>(in_x[i - channels]);
        out[i] = here - left - above_weight[i] * static_cast<float>(above_y[i]);
    }
}

// The 7x7 minimum of `mask`, which is zero outside width x height, into the first of two such
// planes; its 3-px frame is zero.
NSA_INLINE void erode(Pixels mask, int width, int height, uint8_t* NSA_RESTRICT out,
                      uint8_t* NSA_RESTRICT rows) {
    std::memset(out, 0, static_cast<size_t>(width) * height);
    for (int y = 0; y < height; ++y) {
        const uint8_t* NSA_RESTRICT in = mask.data + y * mask.stride;
        uint8_t* NSA_RESTRICT row = rows + static_cast<int64_t>(y) * width;
        for (int x = 3; x < width - 3; ++x) {
            uint8_t least = in[x - 3];
            for (int i = -2; i <= 3; ++i) least = in[x + i] < least ? in[x + i] : least;
            row[x] = least;
        }
    }
    for (int y = 3; y < height - 3; ++y) {
        const uint8_t* NSA_RESTRICT in = rows + static_cast<int64_t>(y) * width;
        uint8_t* NSA_RESTRICT row = out + static_cast<int64_t>(y) * width;
        for (int x = 3; x < width - 3; ++x) {
            uint8_t least = in[x - 3 * width];
            for (int i = -2; i <= 3; ++i) {
                const uint8_t next = in[x + i * width];
                least = next < least ? next : least;
            }
            row[x] = least;
        }
    }
}

NSA_INLINE void weight_row(const uint8_t* NSA_RESTRICT eroded, int width, int channels, float unit,
                           float* NSA_RESTRICT weight) {
    for (int x = 0; x < width; ++x) {
        for (int c = 0; c < channels; ++c) weight[x * channels + c] = eroded[x] * unit;
    }
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
