// Another light on a picture: blur, then gain and shift of each channel, then noise. All in whole
// numbers, so that CPU and GPU agree to the bit.
#pragma once

#include <cstdint>

#include "dispatch.h"
#include "thread_block.h"

namespace nsa {

constexpr int kTapBits = 14;    // of a weight's fraction
constexpr int kBlurBits = 8;    // of a blurred grey level's
constexpr int kGainBits = 11;   // of a gain's
constexpr int kLevelBits = 19;  // of what is added: both of the above
constexpr int kBlurReach = 2;   // px

// What is done to one image of a batch; nsa.plan.light draws it.
struct Light {
    int32_t gain[3];   // of the channels, from 0 to kMostGain, 2^-kGainBits
    int32_t shift[3];  // within kMostShift, grey levels of 2^-kLevelBits
    int32_t taps[3];   // weights of pixels 0, 1 and 2 px away, 2^-kTapBits: t0 + 2 t1 + 2 t2 = 1
    int32_t noise;     // from 0 to kMostNoise, per unit of hash_noise, grey levels of 2^-kLevelBits
    uint32_t key;      // of the noise
    uint32_t unused;   // keeps the array's rows whole multiples of 8 bytes
};

// Within these no sum leaves 32 bits.
constexpr int32_t kMostGain = 8 << kGainBits;
constexpr int32_t kMostShift = 512 << kLevelBits;
constexpr int32_t kMostNoise = 200000;

namespace {  // compiled once per instruction set, none of which may stand for another

// Noise of byte `index` of an image: the sum of a hash's four bytes, less its mean of 510, which is
// nearly normal with a deviation of 147.8.
NSA_DEVICE int32_t hash_noise(uint32_t key, uint32_t index) {
    uint32_t hash = index * 0x9e3779b9u + key;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    hash ^= hash >> 16;
    return static_cast<int32_t>((hash & 255) + (hash >> 8 & 255) + (hash >> 16 & 255) +
                                (hash >> 24)) -
           510;
}

// Sums of weighted grey levels along a row, and across rows of them, as levels of 2^-kBlurBits.
NSA_DEVICE int32_t blurred_along(int32_t sum) {
    return (sum + (1 << (kTapBits - kBlurBits - 1))) >> (kTapBits - kBlurBits);
}
NSA_DEVICE int32_t blurred_across(int32_t sum) {
    return (sum + (1 << (kTapBits - 1))) >> kTapBits;
}

// blurred: a grey level of 2^-kBlurBits. added: shift and noise.
NSA_DEVICE uint8_t lit(int32_t blurred, int32_t gain, int32_t added) {
    const int32_t level = (blurred * gain + added + (1 << (kLevelBits - 1))) >> kLevelBits;
    return static_cast<uint8_t>(level < 0 ? 0 : level > 255 ? 255 : level);
}

}  // namespace

// Bytes of scratch that relight needs, aligned to 4; their content does not matter.
NSA_KERNEL(int64_t relight_scratch_bytes(int width, int channels))

// image, out: (height, width, channels) uint8, not the same; beyond its borders the image's last
// pixels go on.
NSA_KERNEL(void relight(const uint8_t* image, int height, int width, int channels,
                        const Light& light, uint8_t* out, uint8_t* scratch))

}  // namespace nsa
