// The bilinear resize of cv2.resize on uint8, one output pixel at a time.
#pragma once

#include "blend/box_block.h"

namespace nsa {

// The taps of output index `i`. OpenCV computes positions in float64, then keeps float32. Along x
// it moves a position outside the source onto the border pixel; along y it only clips the index.
// Products and sums are never fused, which would round differently.
NSA_DEVICE Tap resize_tap(int i, int from, int to, bool along_x) {
    const double scale = 1.0 / (static_cast<double>(to) / from);
    const float position = static_cast<float>(__dadd_rn(__dmul_rn(i + 0.5, scale), -0.5));
    int first = static_cast<int>(floorf(position));
    float fraction = position - static_cast<float>(first);
    if (along_x && (first < 0 || first >= from - 1)) fraction = 0.0f;
    if (along_x && first < 0) first = 0;
    if (along_x && first >= from - 1) first = from - 1;
    const int second = first + 1;
    const auto inside = [from](int index) {
        return index < 0 ? 0 : index < from ? index : from - 1;
    };
    // Weights are rounded half to even, as cvRound does.
    return {static_cast<int16_t>(inside(first)), static_cast<int16_t>(inside(second)),
            static_cast<int16_t>(__float2int_rn((1.0f - fraction) * 2048.0f)),
            static_cast<int16_t>(__float2int_rn(fraction * 2048.0f))};
}

// Tap i of a box: its columns, then its rows.
NSA_DEVICE Tap box_tap(const BoxTask& box, int i) {
    if (i < box.width) return resize_tap(box.left + i, box.source_width, box.patch_width, true);
    return resize_tap(box.top + i - box.width, box.source_height, box.patch_height, false);
}

// Channel `channel` of the resized patch under two taps.
NSA_DEVICE int resized_pixel(const BoxTask& box, Tap x, Tap y, int channel) {
    const uint8_t* const upper = box.source + y.first * box.source_stride + channel;
    const uint8_t* const lower = box.source + y.second * box.source_stride + channel;
    const int left = x.first * box.pixel_bytes, right = x.second * box.pixel_bytes;
    const int above = __ldg(upper + left) * x.weight_first + __ldg(upper + right) * x.weight_second;
    const int below = __ldg(lower + left) * x.weight_first + __ldg(lower + right) * x.weight_second;
    return (((y.weight_first * (above >> 4)) >> 16) + ((y.weight_second * (below >> 4)) >> 16) +
            2) >>
           2;
}

}  // namespace nsa
