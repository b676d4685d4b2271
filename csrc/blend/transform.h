// Register-blocked products of the folded sine transform, for poisson_cpu.cpp only. A signal is one
// channel of one row; kSignals of them are transformed together, so that every element of the sine
// matrix that is loaded is used that often.
#pragma once

#include "blend/poisson_layout.h"
#include "blend/sine.h"
#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

// Accumulators must fit the register file: 32 registers with AVX-512 and on 64-bit Arm, else 16.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kSignals = 12;
#else
constexpr int kSignals = 6;
#endif

#if defined(NSA_VECTORS) && !defined(__clang__)
NSA_INLINE Floats reversed(Floats value) {
    Ints order;
    for (int i = 0; i < kLanes; ++i) order[i] = kLanes - 1 - i;
    return __builtin_shuffle(value, order);
}
#if defined(__AVX512F__)
NSA_INLINE Floats8 reversed(Floats8 value) {
    typedef int32_t Ints8 __attribute__((vector_size(32)));
    return __builtin_shuffle(value, Ints8{7, 6, 5, 4, 3, 2, 1, 0});
}
#endif
#elif defined(NSA_VECTORS)
template <typename Vector>
NSA_INLINE Vector reversed(Vector value) {
    constexpr int kCount = sizeof(Vector) / sizeof(float);
    Vector result;
    for (int i = 0; i < kCount; ++i) result[i] = value[kCount - 1 - i];
    return result;
}
#else
NSA_INLINE Floats reversed(Floats value) {
    return value;
}
#endif

// out[t * stride + v] = sum over j < count of panel[j * kPanel + t] * matrix[j * columns + v], for
// v in as many vectors as named.
template <typename Vector, int kVectors>
NSA_INLINE void product(const float* NSA_RESTRICT panel, int count,
                        const float* NSA_RESTRICT matrix, int columns, float* NSA_RESTRICT out,
                        int64_t stride) {
    constexpr int kWidth = sizeof(Vector) / sizeof(float);
    Vector sum[kSignals][kVectors] = {};
    for (int j = 0; j < count; ++j) {
        Vector row[kVectors];
        for (int v = 0; v < kVectors; ++v) row[v] = load<Vector>(matrix + v * kWidth);
        NSA_UNROLLED
        for (int t = 0; t < kSignals; ++t) {
            for (int v = 0; v < kVectors; ++v) sum[t][v] += panel[t] * row[v];
        }
        panel += kPanel;
        matrix += columns;
    }
    NSA_UNROLLED
    for (int t = 0; t < kSignals; ++t) {
        for (int v = 0; v < kVectors; ++v) store(out + t * stride + v * kWidth, sum[t][v]);
    }
}

// Frequencies of one symmetry: `count` folded values of kSignals signals in `panel` to `columns`
// frequencies each, `stride` floats from one signal's to the next one's.
void forward_half(const float* panel, int count, const float* matrix, int columns, float* out,
                  int64_t stride) {
    int column = 0;
    for (; column + 2 * kLanes <= columns; column += 2 * kLanes) {
        product<Floats, 2>(panel, count, matrix + column, columns, out + column, stride);
    }
    if (column + kLanes <= columns) {
        product<Floats, 1>(panel, count, matrix + column, columns, out + column, stride);
        column += kLanes;
    }
#if defined(NSA_VECTORS) && defined(__AVX512F__)
    if (column < columns) {
        product<Floats8, 1>(panel, count, matrix + column, columns, out + column, stride);
    }
#endif
}

// Values [column, column + lanes) and their mirror images of kSignals signals.
template <typename Vector>
NSA_INLINE void inverse_block(const float* NSA_RESTRICT spectrum, const SineTable& table,
                              int column, float* NSA_RESTRICT out, int64_t stride) {
    constexpr int kWidth = sizeof(Vector) / sizeof(float);
    const int columns = table.padded;
    const int64_t signal = 2 * columns;
    const float* even_row = table.inverse_symmetric + column;
    const float* odd_row = table.inverse_antisymmetric + column;
    Vector even[kSignals] = {};
    Vector odd[kSignals] = {};
    for (int k = 0; k < table.antisymmetric; ++k) {
        const Vector in_even = load<Vector>(even_row);
        const Vector in_odd = load<Vector>(odd_row);
        NSA_UNROLLED
        for (int t = 0; t < kSignals; ++t) {
            even[t] += spectrum[t * signal + k] * in_even;
            odd[t] += spectrum[t * signal + columns + k] * in_odd;
        }
        even_row += columns;
        odd_row += columns;
    }
    if (table.symmetric > table.antisymmetric) {
        const Vector in_even = load<Vector>(even_row);
        NSA_UNROLLED
        for (int t = 0; t < kSignals; ++t) {
            even[t] += spectrum[t * signal + table.antisymmetric] * in_even;
        }
    }
    NSA_UNROLLED
    for (int t = 0; t < kSignals; ++t) {
        store(out + t * stride + column, even[t] + odd[t]);
        store(out + t * stride + table.length - kWidth - column, reversed(even[t] - odd[t]));
    }
}

// spectrum (kSignals, 2 * padded) to out (kSignals, stride), whose rows have kSlack floats of room
// before the first and after the last value.
void inverse(const float* spectrum, const SineTable& table, float* out, int64_t stride) {
    int column = 0;
    for (; column + kLanes <= table.padded; column += kLanes) {
        inverse_block<Floats>(spectrum, table, column, out, stride);
    }
#if defined(NSA_VECTORS) && defined(__AVX512F__)
    if (column < table.padded) inverse_block<Floats8>(spectrum, table, column, out, stride);
#endif
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
