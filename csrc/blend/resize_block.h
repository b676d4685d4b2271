// The bilinear resize of cv2.resize on uint8, one output pixel at a time.
#pragma once

#include <cmath>
#include <cstdint>

#include "group.h"

namespace nsa {

// Where an output row or column reads, and with which weights out of 2048.
struct Tap {
    int16_t first;
    int16_t second;
    int16_t weight_first;
    int16_t weight_second;
};

// Rounds half to even, as cvRound does.
NSA_DEVICE int round_to_even(float value) {
#ifdef __CUDA_ARCH__
    return __float2int_rn(value);
#else
    return static_cast<int>(std::nearbyint(value));
#endif
}

// The taps of output index `i`. OpenCV computes positions in float64, then keeps float32. Along x
// it moves a position outside the source onto the border pixel; along y it only clips the index.
NSA_DEVICE Tap resize_tap(int i, int from, int to, bool along_x) {
    const double scale = 1.0 / (static_cast<double>(to) / from);
#ifdef __CUDA_ARCH__
    // Never contracted to a fused multiply-add, which would round differently.
    const float position = static_cast<float>(__dadd_rn(__dmul_rn(i + 0.5, scale), -0.5));
#else
    const float position = static_cast<float>((i + 0.5) * scale - 0.5);
#endif
    int first = static_cast<int>(floorf(position));
    float fraction = position - static_cast<float>(first);
    if (along_x && (first < 0 || first >= from - 1)) fraction = 0.0f;
    if (along_x && first < 0) first = 0;
    if (along_x && first >= from - 1) first = from - 1;
    const int second = first + 1;
    const auto inside = [from](int index) {
        return index < 0 ? 0 : index < from ? index : from - 1;
    };
    return {static_cast<int16_t>(inside(first)), static_cast<int16_t>(inside(second)),
            static_cast<int16_t>(round_to_even((1.0f - fraction) * 2048.0f)),
            static_cast<int16_t>(round_to_even(fraction * 2048.0f))};
}

// source: pixel (0, 0) of the box cut from the source, one channel.
NSA_DEVICE int resized_pixel(const uint8_t* source, int64_t stride, int channels, Tap x, Tap y) {
    const uint8_t* const upper = source + y.first * stride;
    const uint8_t* const lower = source + y.second * stride;
    const int left = x.first * channels, right = x.second * channels;
    const int above = upper[left] * x.weight_first + upper[right] * x.weight_second;
    const int below = lower[left] * x.weight_first + lower[right] * x.weight_second;
    return (((y.weight_first * (above >> 4)) >> 16) + ((y.weight_second * (below >> 4)) >> 16) +
            2) >>
           2;
}

}  // namespace nsa
