// Poisson cloning of one channel of one box by a group of threads (poisson.h has the conventions).
//
// A sine transform along the shorter side leaves, for every frequency, the system
//     b c[j] - c[j-1] - c[j+1] = -r[j],   c[0] = c[m+1] = 0,   b = 2 + 4 sin^2(pi k / (2 (n+1))).
// With the root p < 1 of p + 1/p = b it factors into two recurrences without a division,
//     y[j] = p (y[j-1] - r[j]) and c[j] = y[j] + p c[j+1],
// where y[0] is whatever makes c[0] vanish: changing it by 1 changes y[j] by p^j.
#pragma once

#include "blend/box_block.h"
#include "blend/guidance_block.h"
#include "blend/sine_block.h"

namespace nsa {

// Solves one system over a row of m floats. p: the decay rate.
NSA_DEVICE void solve_row(float* row, int m, float p) {
    const int quads = (m + 3) / 4;  // the row is zero between m and 4 quads
    Float4* const values = reinterpret_cast<Float4*>(row);
    float y = 0.0f, power = p, at_zero = 0.0f;  // power = p^j; at_zero = sum of p^j y[j] = c[0]
    const auto forward = [&](float& value) {
        y = p * (y - value);
        value = y;
        at_zero += power * y;
        power *= p;
    };
    // Whole quads first: elements beyond m take no part.
    for (int q = 0; q < m / 4; ++q) {
        Float4 quad = values[q];
        forward(quad.x);
        forward(quad.y);
        forward(quad.z);
        forward(quad.w);
        values[q] = quad;
    }
    for (int j = m / 4 * 4; j < m; ++j) forward(row[j]);
    // sum of p^(2j), j = 0 .. m; `power` is p^(m+1) by now.
    const float start = -at_zero * (1.0f - p) * (1.0f + p) / (1.0f - power * power);
    const float rate = log2f(p);
    float c = 0.0f;
    const auto backward = [&](float& value, int j) {
        c = value + start * exp2f(rate * static_cast<float>(j + 1)) + p * c;
        value = c;
    };
    for (int j = m - 1; j >= m / 4 * 4; --j) backward(row[j], j);
    for (int q = m / 4 - 1; q >= 0; --q) {
        Float4 quad = values[q];
        backward(quad.w, 4 * q + 3);
        backward(quad.z, 4 * q + 2);
        backward(quad.y, 4 * q + 1);
        backward(quad.x, 4 * q);
        values[q] = quad;
    }
    for (int j = m; j < 4 * quads; ++j) row[j] = 0.0f;
}

template <typename Group>
NSA_DEVICE void solve_frequencies(const Group& group, const BoxLayout& layout, float* plane,
                                  const SineTables& tables) {
    const int n = layout.n;
    const float* const decays = tables.decays + static_cast<int64_t>(n) * (n - 1) / 2;
    group.phase([&](int rank) {
        for (int row = rank; row < n; row += group.size()) {
            const int frequency = row < (n + 1) / 2 ? 2 * row : 2 * (n - 1 - row) + 1;
            solve_row(plane + row * layout.stride, layout.m, decays[frequency]);
        }
    });  // the solutions are complete
}

// Unfolds the plane and writes floor(clip(destination + correction)).
template <typename Group>
NSA_DEVICE void write_box(const Group& group, const BoxTask& box, const BoxLayout& layout,
                          const BoxMemory& memory) {
    const int half = (layout.n + 1) / 2;
    group.phase([&](int rank) {
        for (GridWalk at(rank, group.size(), layout.upright ? half : layout.m);
             at.line < (layout.upright ? layout.m : half); at.next()) {
            const int i = layout.upright ? at.column : at.line;
            const int j = layout.upright ? at.line : at.column;
            const int mirror = layout.n - 1 - i;
            const float even = memory.plane[i * layout.stride + j];
            const float odd = mirror != i ? memory.plane[mirror * layout.stride + j] : 0.0f;
            for (int side = 0; side < (mirror != i ? 2 : 1); ++side) {
                const int line = side == 0 ? i : mirror;
                const int x = 1 + (layout.upright ? line : j);
                const int y = 1 + (layout.upright ? j : line);
                const int own = memory.pixels[y * box.width + x] & 255;
                const float value = static_cast<float>(own) + (side == 0 ? even + odd : even - odd);
                box.destination[y * box.destination_stride +
                                static_cast<int64_t>(x) * box.channels] =
                    static_cast<uint8_t>(value < 0.0f     ? 0.0f
                                         : value > 255.0f ? 255.0f
                                                          : value);
            }
        }
    });  // the memory is free for the next box
}

// memory: layout.bytes bytes, 16-byte aligned, for this group alone. kLong: the shorter side may
// exceed kLongestMatrix + 2.
template <bool kLong, typename Group>
NSA_DEVICE void poisson_box(const Group& group, const BoxTask& box, const SineTables& tables,
                            uint8_t* start) {
    if (box.width < kNarrowestBox || box.height < kNarrowestBox) return;
    const int shorter = (box.width < box.height ? box.width : box.height) - 2;
    const BoxLayout layout(box.width, box.height, box.mask != nullptr, shorter > kLongestMatrix);
    const BoxMemory memory(start, layout);
    stage_pixels(group, box, memory);
    build_folded(group, box, layout, memory);
    if (kLong && shorter > kLongestMatrix) fill_period(group, layout.n, memory.sines);
    sine_transform<kLong>(group, layout, memory.plane, memory.sines, tables, false);
    solve_frequencies(group, layout, memory.plane, tables);
    sine_transform<kLong>(group, layout, memory.plane, memory.sines, tables, true);
    write_box(group, box, layout, memory);
}

}  // namespace nsa
