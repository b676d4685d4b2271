// One channel of one patch on its way through the blending kernels: what to read, where to write
// and where the intermediate planes lie.
#pragma once

#include <cstddef>
#include <cstdint>

#include "group.h"

namespace nsa {

// The erosion leaves nothing of a box with a narrower side, so it is not changed.
constexpr int kNarrowestBox = 7;
// Longest side of a box the kernels solve: beyond it float32 leaves more than a grey level.
constexpr int kWidestBox = 1024;

struct BoxTask {
    // Source box of one channel: pixel (0, 0) of the box, bytes from row to row, its size in px.
    const uint8_t* source;
    int64_t source_stride;
    int source_width;
    int source_height;
    // Size of the resized patch, and the rectangle of it that is blended.
    int patch_width;
    int patch_height;
    int left;
    int top;
    int width;
    int height;
    // Pixel (0, 0) of that rectangle in the destination, the same channel.
    uint8_t* destination;
    int64_t destination_stride;
    int channels;  // bytes from pixel to pixel, in both images
    // Pixel (0, 0) of that rectangle in the mask, patch_width bytes a row; null: all ones.
    const uint8_t* mask;
    float mask_unit;  // weight per unit of the mask; of the whole box without one
    bool mixed;
};

// Memory of one box: offsets in bytes from a 16-byte aligned start. The transform runs along the
// shorter side, whose n interior pixels are the rows of the plane; the m interior pixels of the
// longer side are contiguous in a row.
struct BoxLayout {
    bool upright;  // the shorter side is x
    int n;
    int m;
    int stride;      // floats from row to row: whole float4, an odd number of them, so that threads
                     // that walk neighbouring rows in step hit different banks of shared memory
    size_t plane;    // float (n, stride)
    size_t pixels;   // uint16 (height, width): source << 8 | destination
    size_t weights;  // uint8 (height, width): the eroded mask
    size_t taps;     // Tap (width + height)
    size_t sines;    // float (2 (n + 1)), only for boxes whose sine matrix is not kept
    size_t bytes;

    NSA_DEVICE BoxLayout(int width, int height, bool masked, bool gathers) {
        upright = width <= height;
        n = (upright ? width : height) - 2;
        m = (upright ? height : width) - 2;
        const int quads = (m + 3) / 4;
        stride = 4 * (quads | 1);
        const size_t area = static_cast<size_t>(width) * height;
        plane = 0;
        pixels = aligned(static_cast<size_t>(n) * stride * sizeof(float));
        weights = aligned(pixels + 2 * area);
        taps = aligned(weights + (masked ? area : 0));
        sines = aligned(taps + 8 * static_cast<size_t>(width + height));
        bytes = aligned(sines + (gathers ? 2 * static_cast<size_t>(n + 1) * sizeof(float) : 0));
    }

  private:
    NSA_DEVICE static size_t aligned(size_t size) { return (size + 15) / 16 * 16; }
};

}  // namespace nsa
