// The right-hand side of a box's Poisson equation: staging of the pixels, erosion of the mask and
// divergence of the guidance field, folded for the sine transform.
//
// With u = destination + c, the correction c vanishes on the outermost ring of the box and
//     laplace(c) = div(weight * (guidance - grad destination)),
// forward differences for the gradient, backward ones for the divergence.
#pragma once

#include "blend/box_block.h"
#include "blend/resize_block.h"

namespace nsa {

struct BoxMemory {
    float* plane;
    uint16_t* pixels;
    uint8_t* weights;
    Tap* taps;
    float* sines;

    NSA_DEVICE BoxMemory(uint8_t* start, const BoxLayout& layout)
        : plane(reinterpret_cast<float*>(start + layout.plane)),
          pixels(reinterpret_cast<uint16_t*>(start + layout.pixels)),
          weights(start + layout.weights),
          taps(reinterpret_cast<Tap*>(start + layout.taps)),
          sines(reinterpret_cast<float*>(start + layout.sines)) {}
};

NSA_DEVICE int absolute(int value) {
    return value < 0 ? -value : value;
}

struct Flux {
    float x;
    float y;
};

// Weighted difference of the guidance field and the destination's gradient at (x, y), which is
// neither in the last row nor in the last column.
NSA_DEVICE Flux flux_at(const BoxTask& box, const BoxMemory& memory, int x, int y) {
    float weight = box.mask_unit;
    if (box.mask) {
        weight *= static_cast<float>(memory.weights[y * box.width + x]);
    } else if (x < 3 || y < 3 || x >= box.width - 3 || y >= box.height - 3) {
        weight = 0.0f;  // the 7x7 erosion of a full box
    }
    if (weight == 0.0f) return {0.0f, 0.0f};
    const uint16_t* const at = memory.pixels + y * box.width + x;
    const int here = at[0], right = at[1], below = at[box.width];
    const int source_x = (right >> 8) - (here >> 8), source_y = (below >> 8) - (here >> 8);
    const int own_x = (right & 255) - (here & 255), own_y = (below & 255) - (here & 255);
    // OpenCV compares the differences of the components, not the magnitudes; a tie keeps ours.
    if (box.mixed && absolute(source_x - source_y) <= absolute(own_x - own_y)) return {0.0f, 0.0f};
    return {weight * static_cast<float>(source_x - own_x),
            weight * static_cast<float>(source_y - own_y)};
}

NSA_DEVICE float divergence_at(const BoxTask& box, const BoxMemory& memory, int x, int y) {
    const Flux here = flux_at(box, memory, x, y);
    return here.x - flux_at(box, memory, x - 1, y).x + here.y - flux_at(box, memory, x, y - 1).y;
}

// Tap i of a box: its columns, then its rows.
NSA_DEVICE Tap box_tap(const BoxTask& box, int i) {
    if (i < box.width) return resize_tap(box.left + i, box.source_width, box.patch_width, true);
    return resize_tap(box.top + i - box.width, box.source_height, box.patch_height, false);
}

// Fills memory.pixels and, with a mask, memory.weights.
template <typename Group>
NSA_DEVICE void stage_pixels(const Group& group, const BoxTask& box, const BoxMemory& memory) {
    // Rows of the mask, eroded along x, wait in the plane, which is not in use yet.
    uint8_t* const rows = reinterpret_cast<uint8_t*>(memory.plane);
    group.phase([&](int rank) {
        for (int i = rank; i < box.width + box.height; i += group.size()) {
            memory.taps[i] = box_tap(box, i);
        }
        if (!box.mask) return;
        for (GridWalk at(rank, group.size(), box.width); at.line < box.height; at.next()) {
            const int x = at.column, y = at.line;
            int least = 0;
            if (x >= 3 && x < box.width - 3) {
                const uint8_t* const mask = box.mask + static_cast<int64_t>(y) * box.patch_width;
                least = 255;
                for (int i = -3; i <= 3; ++i) {
                    const int value = mask[x + i];
                    least = value < least ? value : least;
                }
            }
            rows[y * box.width + x] = static_cast<uint8_t>(least);
        }
    });  // the taps and the rows are complete
    group.phase([&](int rank) {
        for (GridWalk at(rank, group.size(), box.width); at.line < box.height; at.next()) {
            const int x = at.column, y = at.line;
            const int source = resized_pixel(box.source, box.source_stride, box.channels,
                                             memory.taps[x], memory.taps[box.width + y]);
            const int own = box.destination[y * box.destination_stride +
                                            static_cast<int64_t>(x) * box.channels];
            memory.pixels[y * box.width + x] = static_cast<uint16_t>(source << 8 | own);
            if (!box.mask) continue;
            int least = 0;
            if (y >= 3 && y < box.height - 3) {
                least = 255;
                for (int i = -3; i <= 3; ++i) {
                    const int value = rows[(y + i) * box.width + x];
                    least = value < least ? value : least;
                }
            }
            memory.weights[y * box.width + x] = static_cast<uint8_t>(least);
        }
    });  // pixels and weights are complete, and nobody reads the rows in the plane any more
}

// Fills the plane with the divergence folded about the middle of the shorter side: row i holds
// r[i] + r[n-1-i] and row n-1-i holds r[i] - r[n-1-i], for i below n / 2. Columns up to a whole
// float4 are zero.
template <typename Group>
NSA_DEVICE void build_folded(const Group& group, const BoxTask& box, const BoxLayout& layout,
                             const BoxMemory& memory) {
    const int half = (layout.n + 1) / 2, padded = (layout.m + 3) / 4 * 4;
    group.phase([&](int rank) {
        // x varies fastest, so that a warp reads neighbouring pixels whichever side is shorter.
        for (GridWalk at(rank, group.size(), layout.upright ? half : padded);
             at.line < (layout.upright ? padded : half); at.next()) {
            const int i = layout.upright ? at.column : at.line;
            const int j = layout.upright ? at.line : at.column;
            const int mirror = layout.n - 1 - i;
            float first = 0.0f, second = 0.0f;
            if (j < layout.m) {
                first = layout.upright ? divergence_at(box, memory, i + 1, j + 1)
                                       : divergence_at(box, memory, j + 1, i + 1);
                if (mirror != i) {
                    second = layout.upright ? divergence_at(box, memory, mirror + 1, j + 1)
                                            : divergence_at(box, memory, j + 1, mirror + 1);
                }
            }
            memory.plane[i * layout.stride + j] = first + second;
            if (mirror != i) memory.plane[mirror * layout.stride + j] = first - second;
        }
    });  // the plane is complete
}

}  // namespace nsa
