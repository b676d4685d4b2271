// Where the pixels of a crop lie in the image that it is taken from, by one formula on CPU and GPU.
#pragma once

#include <cmath>
#include <cstdint>

#include "thread_block.h"

namespace nsa {

// How one image of a batch is taken from the store; nsa.images.augment explains the parameters.
struct View {
    double cosine;
    double sine;
    int64_t image;  // in the store
    int32_t top;
    int32_t left;
    int32_t flip;
    int32_t unused;  // keeps the array's rows whole multiples of 8 bytes
};

constexpr int kFixedBits = 20;  // positions are fixed-point

// a b + c d + e, times 2^20, rounded half to even. Every operation rounds to float64 and none is
// fused: host code that calls this is compiled without contraction.
NSA_DEVICE int64_t fixed_position(double a, double b, double c, double d, double e) {
#ifdef __CUDACC__
    return __double2ll_rn(
        __dmul_rn(__dadd_rn(__dadd_rn(__dmul_rn(a, b), __dmul_rn(c, d)), e), 1 << kFixedBits));
#else
    return static_cast<int64_t>(std::nearbyint((a * b + c * d + e) * (1 << kFixedBits)));
#endif
}

NSA_DEVICE int64_t fixed_step(double value) {
#ifdef __CUDACC__
    return __double2ll_rn(__dmul_rn(value, 1 << kFixedBits));
#else
    return static_cast<int64_t>(std::nearbyint(value * (1 << kFixedBits)));
#endif
}

}  // namespace nsa
