// The folded discrete sine transform of every column of a plane, in place (sine.h has the maths).
//
// Row i < (n+1)/2 and row n-1-i are the symmetric and antisymmetric element i of a folded signal
// before the forward product, and frequencies 2i+1 and 2i+2 after it; the inverse product goes
// back.
#pragma once

#include "blend/box_block.h"

namespace nsa {

// The sine matrices of lengths that are kept, as sine.h lays them out, one after another, and the
// decay rates of every length.
struct SineTables {
    const int64_t* starts;  // (kLongestMatrix + 1): where the matrices of a length begin in values
    const float* values;    // per length: forward symmetric and antisymmetric, then inverse
    const float* decays;    // frequency k of length n at n (n - 1) / 2 + k - 1
};

constexpr int kLongestMatrix = 252;

#ifdef __CUDACC__
using Float4 = float4;
NSA_DEVICE Float4 load_table(const float* from) {
    return __ldg(reinterpret_cast<const float4*>(from));
}
#else
struct alignas(16) Float4 {
    float x, y, z, w;
};
inline Float4 load_table(const float* from) {
    return *reinterpret_cast<const Float4*>(from);
}
#endif

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

    NSA_DEVICE void add(int o, float weight, const Float4& value) {
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

    NSA_DEVICE void accumulate(ProductTile<kOutputs>& tile, const Float4& value) {
        NSA_UNROLL
        for (int o = 0; o < kOutputs; o += 4) {
            const Float4 weight = load_table(at_ + o);
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

    NSA_DEVICE void accumulate(ProductTile<kOutputs>& tile, const Float4& value) {
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
// halves. A pass covers whole columns: its tiles are summed into registers, and only when all of
// them have read their columns are the sums stored over them. Needs (n + 1) / 2 / kOutputs threads.
template <int kOutputs, typename Group, typename MakeSines>
NSA_DEVICE void multiply_in_place(const Group& group, const BoxLayout& layout, float* plane,
                                  float scale, const MakeSines& make_sines) {
    const int n = layout.n, quads = (layout.m + 3) / 4;
    const int tiles = ((n + 1) / 2 + kOutputs - 1) / kOutputs;  // per column of quads and half
    const int per_pass = group.size() / tiles;
    struct Place {
        int half, quad, count, output;

        NSA_DEVICE Place(int rank, int pass, int set_count, int columns, int length) {
            const int set = pass * set_count + rank % set_count;
            half = set / columns;
            quad = set % columns;
            count = half == 0 ? (length + 1) / 2 : half == 1 ? length / 2 : 0;
            output = rank / set_count * kOutputs;
        }
        NSA_DEVICE int row(int i, int length) const { return half == 0 ? i : length - 1 - i; }
    };
    typename Group::template PerThread<ProductTile<kOutputs>> tile(group);
    for (int pass = 0; pass * per_pass < 2 * quads; ++pass) {
        group.phase([&](int rank) {
            const Place at(rank, pass, per_pass, quads, n);
            if (at.output >= at.count) return;
            tile[rank].clear();
            auto sines = make_sines(at.half, at.output);
            const float* from = plane + at.row(0, n) * layout.stride + 4 * at.quad;
            const int step = at.half == 0 ? layout.stride : -layout.stride;
            for (int i = 0; i < at.count; ++i, from += step) {
                sines.accumulate(tile[rank], *reinterpret_cast<const Float4*>(from));
            }
        });  // every tile of these columns has read its inputs
        group.phase([&](int rank) {
            const Place at(rank, pass, per_pass, quads, n);
            NSA_UNROLL
            for (int o = 0; o < kOutputs; ++o) {
                if (at.output + o >= at.count) continue;
                const float (&sum)[4] = tile[rank].sums[o];
                float* const to = plane + at.row(at.output + o, n) * layout.stride + 4 * at.quad;
                *reinterpret_cast<Float4*>(to) = {scale * sum[0], scale * sum[1], scale * sum[2],
                                                  scale * sum[3]};
            }
        });  // the columns hold the product; later passes touch other columns
    }
}

// One period of the sine for a length without a kept matrix.
template <typename Group>
NSA_DEVICE void fill_period(const Group& group, int n, float* period) {
    group.phase([&](int rank) {
        for (int i = rank; i < 2 * (n + 1); i += group.size()) {
#ifdef __CUDA_ARCH__
            period[i] = static_cast<float>(sinpi(static_cast<double>(i) / (n + 1)));
#else
            period[i] = static_cast<float>(std::sin(3.14159265358979323846 * i / (n + 1)));
#endif
        }
    });  // the period is complete
}

// The forward transform carries the factor 2 / (n + 1) of the pair. kLong: the length may exceed
// kLongestMatrix, which costs registers.
template <bool kLong, typename Group>
NSA_DEVICE void sine_transform(const Group& group, const BoxLayout& layout, float* plane,
                               const float* period, const SineTables& tables, bool inverse) {
    const int n = layout.n, symmetric = (n + 1) / 2;
    if (kLong && n > kLongestMatrix) {
        const float scale = inverse ? 1.0f : 2.0f / static_cast<float>(n + 1);
        multiply_in_place<8>(group, layout, plane, scale, [&](int half, int output) {
            return GatheredSines<8>(period, n, half, inverse, output);
        });
        return;
    }
    const int columns = (symmetric + 7) / 8 * 8;
    const float* const matrices =
        tables.values + tables.starts[n] + (inverse ? 2 : 0) * symmetric * columns;
    // Wide tiles load less per product, narrow ones keep all threads of a small box busy.
    if ((layout.m + 3) / 4 * 2 * (columns / 8) >= group.size()) {
        multiply_in_place<8>(group, layout, plane, 1.0f, [&](int half, int output) {
            return KeptSines<8>(matrices + half * symmetric * columns, columns, output);
        });
    } else {
        multiply_in_place<4>(group, layout, plane, 1.0f, [&](int half, int output) {
            return KeptSines<4>(matrices + half * symmetric * columns, columns, output);
        });
    }
}

}  // namespace nsa
