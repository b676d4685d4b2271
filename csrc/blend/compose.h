// From the planar correction to bytes, for poisson_cpu.cpp only: floor(clip(destination + c)).
#pragma once

#include <utility>

#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

NSA_INLINE uint8_t corrected(uint8_t value, float correction) {
    const float sum = static_cast<float>(value) + correction;
    return static_cast<uint8_t>(sum < 0.0f ? 0.0f : sum > 255.0f ? 255.0f : sum);
}

#if defined(NSA_VECTORS)
NSA_INLINE void correct(uint8_t* destination, Floats correction) {
    const Floats zero = {};
    Floats sum = __builtin_convertvector(load<Bytes>(destination), Floats) + correction;
    sum = sum < zero ? zero : sum;
    sum = sum > zero + 255.0f ? zero + 255.0f : sum;
    store(destination, __builtin_convertvector(__builtin_convertvector(sum, Ints), Bytes));
}
#endif

#if defined(NSA_VECTORS) && !defined(__clang__)
// Vector `part` of three of the interleaved r0 g0 b0 r1 g1 b1 ...
template <int part, int... i>
NSA_INLINE Floats interleaved(Floats red, Floats green, Floats blue,
                              std::integer_sequence<int, i...>) {
    constexpr int kFirst = part * kLanes;
    const Ints pairs = {((kFirst + i) % 3 == 1 ? kLanes : 0) + (kFirst + i) / 3 ...};
    const Ints all = {((kFirst + i) % 3 == 2 ? kLanes + (kFirst + i) / 3 : i)...};
    return __builtin_shuffle(__builtin_shuffle(red, green, pairs), blue, all);
}
#endif

// Adds kChannels planar rows, `stride` floats apart, to an interleaved row of `count` pixels.
template <int kChannels>
NSA_INLINE void add_row(const float* planar, int64_t stride, int count, uint8_t* destination) {
    int x = 0;
#if defined(NSA_VECTORS)
    if (kChannels == 1) {
        for (; x + kLanes <= count; x += kLanes) correct(destination + x, load<Floats>(planar + x));
    }
#if !defined(__clang__)
    if (kChannels == 3) {
        const std::make_integer_sequence<int, kLanes> lanes;
        for (; x + kLanes <= count; x += kLanes) {
            const Floats red = load<Floats>(planar + x);
            const Floats green = load<Floats>(planar + stride + x);
            const Floats blue = load<Floats>(planar + 2 * stride + x);
            uint8_t* const to = destination + 3 * x;
            correct(to, interleaved<0>(red, green, blue, lanes));
            correct(to + kLanes, interleaved<1>(red, green, blue, lanes));
            correct(to + 2 * kLanes, interleaved<2>(red, green, blue, lanes));
        }
    }
#endif
#endif
    for (; x < count; ++x) {
        for (int c = 0; c < kChannels; ++c) {
            uint8_t& value = destination[x * kChannels + c];
            value = corrected(value, planar[c * stride + x]);
        }
    }
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
