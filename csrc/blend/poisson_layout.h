// Where poisson() keeps its intermediate rows: sizes in one place, for the caller who allocates and
// for every instruction set's kernel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nsa {
namespace {

constexpr int kPanel = 16;     // floats per step of a panel: up to 12 signals and slack
constexpr int kMostRows = 12;  // rows transformed together at most
constexpr int kSlack = 16;     // floats that a vector store may run over a row's ends

// Offsets in bytes from the start of the workspace. n and m are the sides of the box's interior,
// along and across the transform.
struct PoissonLayout {
    int width, height, channels;  // after the transposition
    int n, m, padded;
    int64_t planar_stride;  // floats from one planar row to the next
    size_t spectrum;        // float (m + kMostRows, channels, 2 * padded)
    size_t pivots;          // float (m + kMostRows, 2 * padded)
    size_t panels;          // float (2, (n + 1) / 2 + 1, kPanel)
    size_t planar;          // float (kMostRows signals, planar_stride)
    size_t guidance;        // int16 (4, width * channels)
    size_t divergence;      // float (width * channels + kSlack)
    size_t weights;         // float (2, width * channels)
    size_t eroded;          // uint8 (2, height, width)
    size_t transposed;      // uint8 (2, height, width, channels) and (height, width)
    size_t bytes;

    PoissonLayout(int box_width, int box_height, int box_channels, bool transpose, bool masked)
        : width(transpose ? box_height : box_width),
          height(transpose ? box_width : box_height),
          channels(box_channels),
          n(width - 2),
          m(height - 2),
          padded(((n + 1) / 2 + 7) / 8 * 8),
          planar_stride((n + 3 * kSlack + 15) / 16 * 16),
          bytes(0) {
        const size_t row = static_cast<size_t>(width) * channels;
        const size_t area = static_cast<size_t>(width) * height;
        const size_t rows = static_cast<size_t>(m) + kMostRows;
        spectrum = take(rows * channels * 2 * padded * sizeof(float));
        pivots = take(rows * 2 * padded * sizeof(float));
        panels = take((static_cast<size_t>(n) + 5) * kPanel * sizeof(float));
        planar = take(kMostRows * planar_stride * sizeof(float));
        guidance = take(4 * row * sizeof(int16_t));
        divergence = take((row + kSlack) * sizeof(float));
        weights = take(masked ? 2 * row * sizeof(float) : 0);
        eroded = take(masked ? 2 * area : 0);
        transposed = take(transpose ? area * (2 * channels + (masked ? 1 : 0)) : 0);
    }

  private:
    size_t take(size_t size) {
        const size_t start = bytes;
        bytes += (size + 63) / 64 * 64;
        return start;
    }
};

}  // namespace
}  // namespace nsa
