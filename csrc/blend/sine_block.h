// The folded discrete sine transform of every column of a plane, in place (sine.h has the maths).
//
// Row i < (n+1)/2 and row n-1-i are the symmetric and antisymmetric element i of a folded signal
// before the forward product, and frequencies 2i+1 and 2i+2 after it; the inverse product goes
// back.
#pragma once

#include "blend/batch_cuda.h"
#include "blend/box_block.h"

namespace nsa {

// A tile of the product: four neighbouring columns of the plane times kOutputs outputs.
template <int kOutputs>
struct ProductTile {
    float sums[kOutputs][4];

    NSA_DEVICE void clear() {
        NSA_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
            NSA_UNROLL
            for (int c = 0; c < 4; ++c) sums[o][c] = 0.0f;
        }
    }

    NSA_DEVICE void add(int o, float weight, const float4& value) {
        sums[o][0] += weight * value.x;
        sums[o][1] += weight * value.y;
        sums[o][2] += weight * value.z;
        sums[o][3] += weight * value.w;
    }
};

// Elements of a kept matrix: row `i` of the summation, kOutputs outputs from `output` on.
template <int kOutputs>
class KeptSines {
  public:
    NSA_DEVICE KeptSines(const float* matrix, int columns, int output)
        : at_(matrix + output), columns_(columns) {}

    NSA_DEVICE void accumulate(ProductTile<kOutputs>& tile, const float4& value) {
        NSA_UNROLL
        for (int o = 0; o < kOutputs; o += 4) {
            const float4 weight = __ldg(reinterpret_cast<const float4*>(at_ + o));
            tile.add(o, weight.x, value);
            tile.add(o + 1, weight.y, value);
            tile.add(o + 2, weight.z, value);
            tile.add(o + 3, weight.w, value);
        }
        at_ += columns_;
    }

  private:
    const float* at_;
    int columns_;
};

// The same elements looked up in one period of the sine, for lengths without a kept matrix.
template <int kOutputs>
class GatheredSines {
  public:
    NSA_DEVICE GatheredSines(const float* period, int n, int half, bool inverse, int output)
        : period_(period), length_(2 * (n + 1)) {
        NSA_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
            // Forward: outputs are frequencies 2o+1+half, sums run over positions 1, 2, ...
            // Inverse: outputs are positions o+1, sums run over frequencies 1+half, 3+half, ...
            // Tiles that stick out wrap, so that every step stays below one period.
            const int index = output + o;
            step_[o] = (inverse ? 2 * (index + 1) : 2 * index + 1 + half) % length_;
            phase_[o] = inverse ? (index + 1) * (1 + half) % length_ : step_[o];
        }
    }

    NSA_DEVICE void accumulate(ProductTile<kOutputs>& tile, const float4& value) {
        NSA_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
            tile.add(o, period_[phase_[o]], value);
            phase_[o] += step_[o];
            if (phase_[o] >= length_) phase_[o] -= length_;
        }
    }

  private:
    const float* period_;
    int length_;
    int step_[kOutputs];
    int phase_[kOutputs];
};

// plane[row(half, output)] = sum over i of matrix(i, output) * plane[row(half, i)], for both
// halves, over columns of `quads` float4. A pass covers whole columns: its tiles are summed into
// registers, and only when all of them have read their columns are the sums stored over them. Needs
// (n + 1) / 2 / kOutputs threads.
template <int kOutputs, typename MakeSines>
NSA_DEVICE void multiply_in_place(const ThreadBlock& block, const BoxLayout& layout, int quads,
                                  float* plane, float scale, const MakeSines& make_sines) {
    const int n = layout.n;
    const int tiles = ((n + 1) / 2 + kOutputs - 1) / kOutputs;  // per column of quads and half
    const int per_pass = block.size() / tiles;
    for (int pass = 0; pass * per_pass < 2 * quads; ++pass) {
        ProductTile<kOutputs> tile;
        float* column = nullptr;
        int count = 0, step = 0, output = 0;
        block.phase([&](int rank) {
            const int set = pass * per_pass + rank % per_pass;  // a column of one half
            output = rank / per_pass * kOutputs;
            const bool symmetric = set < quads;
            count = symmetric ? (n + 1) / 2 : set < 2 * quads ? n / 2 : 0;
            if (output >= count) return;
            step = symmetric ? layout.stride : -layout.stride;
            column = plane + (symmetric ? 4 * set : (n - 1) * layout.stride + 4 * (set - quads));
            tile.clear();
            auto sines = make_sines(symmetric ? 0 : 1, output);
            const float* from = column;
            // Two rows at a time: more would need more registers than there are.
            _Pragma("unroll 2") for (int i = 0; i < count; ++i, from += step) {
                sines.accumulate(tile, *reinterpret_cast<const float4*>(from));
            }
        });  // every tile of these columns has read its inputs
        block.phase([&](int) {
            NSA_UNROLL
            for (int o = 0; o < kOutputs; ++o) {
                if (output + o >= count) continue;
                const float (&sum)[4] = tile.sums[o];
                *reinterpret_cast<float4*>(column + (output + o) * step) = {
                    scale * sum[0], scale * sum[1], scale * sum[2], scale * sum[3]};
            }
        });  // the columns hold the product; later passes touch other columns
    }
}

// One period of the sine for a length without a kept matrix.
NSA_DEVICE void fill_period(const ThreadBlock& block, int n, float* period) {
    block.phase([&](int rank) {
        for (int i = rank; i < 2 * (n + 1); i += block.size()) {
            period[i] = static_cast<float>(sinpi(static_cast<double>(i) / (n + 1)));
        }
    });  // the period is complete
}

// The forward transform carries the factor 2 / (n + 1) of the pair. quads: float4 of a row. kLarge:
// the length may exceed kLongestMatrix.
template <bool kLarge>
NSA_DEVICE void sine_transform(const ThreadBlock& block, const BoxLayout& layout, int quads,
                               float* plane, const float* period, const SineTables& tables,
                               bool inverse) {
    const int n = layout.n, symmetric = (n + 1) / 2;
    if (kLarge && layout.gathers()) {
        const float scale = inverse ? 1.0f : 2.0f / static_cast<float>(n + 1);
        multiply_in_place<4>(block, layout, quads, plane, scale, [&](int half, int output) {
            return GatheredSines<4>(period, n, half, inverse, output);
        });
        return;
    }
    const int columns = (symmetric + 7) / 8 * 8;
    const float* const matrices =
        tables.values + tables.starts[n] + (inverse ? 2 : 0) * symmetric * columns;
    // Wide tiles load less per product, narrow ones keep all threads of a small box busy.
    if (quads * 2 * (columns / 8) >= block.size()) {
        multiply_in_place<8>(block, layout, quads, plane, 1.0f, [&](int half, int output) {
            return KeptSines<8>(matrices + half * symmetric * columns, columns, output);
        });
    } else {
        multiply_in_place<4>(block, layout, quads, plane, 1.0f, [&](int half, int output) {
            return KeptSines<4>(matrices + half * symmetric * columns, columns, output);
        });
    }
}

}  // namespace nsa
