// Poisson cloning of the channels of one box by a block of threads (poisson.h has the conventions).
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
    float4* const values = reinterpret_cast<float4*>(row);
    float y = 0.0f, power = p, at_zero = 0.0f;  // power = p^j; at_zero = sum of p^j y[j] = c[0]
    const auto forward = [&](float& value) {
        y = p * (y - value);
        value = y;
        at_zero += power * y;
        power *= p;
    };
    // Whole quads first: elements beyond m take no part.
    for (int q = 0; q < m / 4; ++q) {
        float4 quad = values[q];
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
        float4 quad = values[q];
        backward(quad.w, 4 * q + 3);
        backward(quad.z, 4 * q + 2);
        backward(quad.y, 4 * q + 1);
        backward(quad.x, 4 * q);
        values[q] = quad;
    }
    for (int j = m; j < 4 * quads; ++j) row[j] = 0.0f;
}

template <int kChannels>
NSA_DEVICE void solve_frequencies(const ThreadBlock& block, const BoxLayout& layout, float* plane,
                                  const SineTables& tables) {
    const int n = layout.n;
    const float* const decays = tables.decays + static_cast<int64_t>(n) * (n - 1) / 2;
    block.phase([&](int rank) {
        for (GridWalk at(rank, block.size(), n); at.line < kChannels; at.next()) {
            const int row = at.column;
            const int frequency = row < (n + 1) / 2 ? 2 * row : 2 * (n - 1 - row) + 1;
            solve_row(plane + row * layout.stride + 4 * at.line * layout.quads, layout.m,
                      decays[frequency]);
        }
    });  // the solutions are complete
}

// Writes floor(clip(destination + correction)) to pixel (x, y) of the box.
NSA_DEVICE void write_pixel(const BoxTask& box, const uint16_t* pixels, int channel, int x, int y,
                            float correction) {
    const int own = pixels[(channel * box.height + y) * box.width + x] & 255;
    const float value = fminf(fmaxf(static_cast<float>(own) + correction, 0.0f), 255.0f);
    box.destination[y * box.destination_stride + x * box.pixel_bytes + channel] =
        static_cast<uint8_t>(value);
}

// Unfolds the plane and writes the box. x varies fastest among threads.
template <int kChannels>
NSA_DEVICE void write_box(const ThreadBlock& block, const BoxTask& box, const BoxLayout& layout,
                          const BoxMemory& memory) {
    const int half = (layout.n + 1) / 2;
    block.phase([&](int rank) {
        if (layout.upright) {
            for (GridWalk at(rank, block.size(), half); at.line < layout.quads; at.next()) {
                const int i = at.column, mirror = layout.n - 1 - i, first_j = 4 * at.line;
                for (int c = 0; c < kChannels; ++c) {
                    const float* const column = memory.plane + 4 * (c * layout.quads + at.line);
                    const float4 even =
                        *reinterpret_cast<const float4*>(column + i * layout.stride);
                    const float4 odd =
                        mirror != i
                            ? *reinterpret_cast<const float4*>(column + mirror * layout.stride)
                            : float4{0.0f, 0.0f, 0.0f, 0.0f};
                    const float sums[4] = {even.x + odd.x, even.y + odd.y, even.z + odd.z,
                                           even.w + odd.w};
                    const float differences[4] = {even.x - odd.x, even.y - odd.y, even.z - odd.z,
                                                  even.w - odd.w};
                    NSA_UNROLL
                    for (int k = 0; k < 4; ++k) {
                        const int y = first_j + k + 1;
                        if (first_j + k >= layout.m) continue;
                        write_pixel(box, memory.pixels, c, i + 1, y, sums[k]);
                        if (mirror != i) {
                            write_pixel(box, memory.pixels, c, mirror + 1, y, differences[k]);
                        }
                    }
                }
            }
            return;
        }
        for (GridWalk at(rank, block.size(), layout.m); at.line < half; at.next()) {
            const int i = at.line, mirror = layout.n - 1 - i, x = at.column + 1;
            for (int c = 0; c < kChannels; ++c) {
                const float* const column = memory.plane + 4 * c * layout.quads + at.column;
                const float even = column[i * layout.stride];
                const float odd = mirror != i ? column[mirror * layout.stride] : 0.0f;
                write_pixel(box, memory.pixels, c, x, i + 1, even + odd);
                if (mirror != i) write_pixel(box, memory.pixels, c, x, mirror + 1, even - odd);
            }
        }
    });  // the memory is free for the next box
}

// start: memory of the box. kLarge: the shorter side may exceed kLongestMatrix + 2.
template <int kChannels, bool kLarge>
NSA_DEVICE void poisson_box(const ThreadBlock& block, const BoxTask& box, const BoxLayout& layout,
                            const SineTables& tables, uint8_t* start) {
    const BoxMemory memory(start, layout);
    const int quads = kChannels * layout.quads;
    stage_pixels<kChannels>(block, box, memory);
    build_folded<kChannels>(block, box, layout, memory);
    if (kLarge && layout.gathers()) fill_period(block, layout.n, memory.sines);
    sine_transform<kLarge>(block, layout, quads, memory.plane, memory.sines, tables, false);
    solve_frequencies<kChannels>(block, layout, memory.plane, tables);
    sine_transform<kLarge>(block, layout, quads, memory.plane, memory.sines, tables, true);
    write_box<kChannels>(block, box, layout, memory);
}

}  // namespace nsa
