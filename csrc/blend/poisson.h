// Poisson cloning of one box (Perez, Gangnet, Blake 2003) with the conventions of OpenCV's
// seamlessClone: the mask is eroded by 7x7, gradients mix linearly with its value, the equation is
// solved on the whole box with the destination on its outermost ring, the result is truncated.
//
// The correction c = u - destination is zero on the ring. A sine transform along the rows of the
// box leaves one tridiagonal system per frequency along the columns:
//     c[y-1] + c[y+1] - (2 + lambda_k) c[y] = r[y].
// Both passes stream over rows: guidance, fold, transform and forward elimination going down, back
// substitution, inverse transform and rounding going up.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blend/box_sides.h"
#include "blend/sine.h"
#include "dispatch.h"

namespace nsa {

// Rows of interleaved bytes, `stride` bytes apart.
struct Pixels {
    const uint8_t* data;
    int64_t stride;
};

struct PoissonTask {
    Pixels source;         // (height, width, channels)
    uint8_t* destination;  // (height, width, channels), overwritten by the result
    int64_t destination_stride;
    Pixels mask;      // (height, width), zero outside the box; data null: all ones
    float mask_unit;  // weight of a gradient per unit of the mask; of the whole box without one
    int width;        // of the bounding box of the mask, px, at least kNarrowestBox
    int height;
    int channels;  // 1 or 3
    bool mixed;    // gradients by eq. 12 of the paper, as OpenCV compares them
};

// Whether the box is solved transposed, so that the transform runs along its shorter side.
bool poisson_transposes(int width, int height);

// The sine table a box needs: sine_table(poisson_length(...)).
int poisson_length(int width, int height);

// Bytes of scratch memory, aligned to 64, that poisson() needs for such a box.
size_t poisson_workspace(int width, int height, int channels, bool masked);

NSA_KERNEL(void poisson(const PoissonTask& task, const SineTable& table, uint8_t* workspace))

}  // namespace nsa
