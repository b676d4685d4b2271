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
NSA_INLINE Bytes corrected(Bytes value, Floats correction) {
    const Floats zero = {};
    // In two steps, since GCC widens bytes to 32 bits one by one.
    const Ints whole = __builtin_convertvector(__builtin_convertvector(value, Halves), Ints);
    Floats sum = __builtin_convertvector(whole, Floats) + correction;
    sum = sum < zero ? zero : sum;
    sum = sum > zero + 255.0f ? zero + 255.0f : sum;
    return __builtin_convertvector(__builtin_convertvector(sum, Ints), Bytes);
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

#if defined(NSA_VECTORS)
// kLanes pixels from a row of kChannels vectors of bytes.
template <int kChannels>
struct Block {
    Bytes bytes[kChannels];

    explicit Block(const uint8_t* from) {
        for (int i = 0; i < kChannels; ++i) bytes[i] = load<Bytes>(from + i * kLanes);
    }

    void store_corrected(const float* planar, int64_t stride, uint8_t* to) const {
        if constexpr (kChannels == 1) {
            store(to, corrected(bytes[0], load<Floats>(planar)));
        } else {
            Floats in[kChannels];
            for (int c = 0; c < kChannels; ++c) in[c] = load<Floats>(planar + c * stride);
#if defined(__clang__)
            Floats mixed[kChannels];
            for (int i = 0; i < kChannels * kLanes; ++i) {
                mixed[i / kLanes][i % kLanes] = in[i % kChannels][i / kChannels];
            }
#else
            const std::make_integer_sequence<int, kLanes> lanes;
            const Floats mixed[kChannels] = {interleaved<0>(in[0], in[1], in[2], lanes),
                                             interleaved<1>(in[0], in[1], in[2], lanes),
                                             interleaved<2>(in[0], in[1], in[2], lanes)};
#endif
            for (int i = 0; i < kChannels; ++i) {
                store(to + i * kLanes, corrected(bytes[i], mixed[i]));
            }
        }
    }
};
#endif

// Adds kChannels planar rows, `stride` floats apart, to an interleaved row of `count` pixels.
template <int kChannels>
NSA_INLINE void add_row(const float* planar, int64_t stride, int count, uint8_t* destination) {
#if defined(NSA_VECTORS)
    if (count >= kLanes) {
        // The last block overlaps the one before, so it is read before anything is written.
        const int last = count - kLanes;
        const Block<kChannels> end(destination + last * kChannels);
        for (int x = 0; x < last; x += kLanes) {
            uint8_t* const to = destination + x * kChannels;
            Block<kChannels>(to).store_corrected(planar + x, stride, to);
        }
        end.store_corrected(planar + last, stride, destination + last * kChannels);
        return;
    }
#endif
    for (int x = 0; x < count; ++x) {
        for (int c = 0; c < kChannels; ++c) {
            uint8_t& value = destination[x * kChannels + c];
            value = corrected(value, planar[c * stride + x]);
        }
    }
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
