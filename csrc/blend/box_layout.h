// How large the boxes of the blending kernels are, and where their intermediate planes lie: known
// to the host, which orders and launches them, and to the kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blend/box_sides.h"
#include "thread_block.h"

namespace nsa {

// Longest length whose sine matrices are kept; those of longer ones are looked up.
constexpr int kLongestMatrix = 252;

// Where an output row or column of a resize reads, and with which weights out of 2048.
struct Tap {
    int16_t first;
    int16_t second;
    int16_t weight_first;
    int16_t weight_second;
};

// Bytes of the taps of a box.
NSA_DEVICE size_t tap_bytes(int width, int height) {
    return sizeof(Tap) * static_cast<size_t>(width + height);
}

// Memory of one box: offsets in bytes from a 16-byte aligned start. The transform runs along the
// shorter side, whose n interior pixels are the rows of the plane; the m interior pixels of the
// longer side are contiguous in a row, one channel after the other.
struct BoxLayout {
    bool upright;  // the shorter side is x
    int n;
    int m;
    int quads;       // float4 of one channel of a row; what is beyond m is zero
    int stride;      // floats from row to row: whole float4, an odd number of them, so that threads
                     // that walk neighbouring rows in step hit different banks of shared memory
    size_t plane;    // float (n, stride)
    size_t pixels;   // uint16 (channels, height, width): source << 8 | destination
    size_t weights;  // uint8 (height, width): the eroded mask
    size_t taps;     // Tap (width + height)
    size_t sines;    // float (2 (n + 1)), only for boxes whose sine matrix is not kept
    size_t bytes;

    NSA_DEVICE BoxLayout(int width, int height, int channels, bool masked) {
        upright = width <= height;
        n = (upright ? width : height) - 2;
        m = (upright ? height : width) - 2;
        quads = (m + 3) / 4;
        stride = 4 * (channels * quads | 1);
        const size_t area = static_cast<size_t>(width) * height;
        plane = 0;
        pixels = aligned(static_cast<size_t>(n) * stride * sizeof(float));
        weights = aligned(pixels + channels * area * sizeof(uint16_t));
        taps = aligned(weights + (masked ? area : 0));
        sines = aligned(taps + tap_bytes(width, height));
        bytes = aligned(sines + (gathers() ? 2 * static_cast<size_t>(n + 1) * sizeof(float) : 0));
    }

    // Whether the sine matrix of this length is not kept.
    NSA_DEVICE bool gathers() const { return n > kLongestMatrix; }

  private:
    NSA_DEVICE static size_t aligned(size_t size) { return (size + 15) / 16 * 16; }
};

}  // namespace nsa
