// Another light on a picture on the GPU, see light.h.
#pragma once

#include <cstdint>

#include "image/image_cuda.h"
#include "image/light.h"
#include "thread_block.h"

namespace nsa {

// Byte `i` of row `y` blurred, a grey level of 2^-kBlurBits.
NSA_DEVICE int32_t blurred_byte(const uint8_t* image, const LightBatch& batch, const Light& light,
                                int y, int i) {
    const int channels = batch.channels;
    const int x = i / channels, channel = i - x * channels;
    int32_t sum = 0;
    NSA_UNROLL
    for (int dy = -kBlurReach; dy <= kBlurReach; ++dy) {
        const int from = y + dy < 0 ? 0 : y + dy >= batch.height ? batch.height - 1 : y + dy;
        const uint8_t* const line =
            image + static_cast<int64_t>(from) * batch.width * channels + channel;
        int32_t along = 0;
        NSA_UNROLL
        for (int dx = -kBlurReach; dx <= kBlurReach; ++dx) {
            const int at = x + dx < 0 ? 0 : x + dx >= batch.width ? batch.width - 1 : x + dx;
            along += light.taps[dx < 0 ? -dx : dx] * line[at * channels];
        }
        sum += light.taps[dy < 0 ? -dy : dy] * blurred_along(along);
    }
    return blurred_across(sum);
}

// Row `y` of image `n`.
NSA_DEVICE void light_row(const ThreadBlock& block, const LightBatch& batch, int64_t n, int y) {
    const Light light = batch.lights[n];
    const int values = batch.width * batch.channels;
    const int64_t bytes = static_cast<int64_t>(batch.height) * values;
    const uint8_t* const image = batch.images + n * bytes;
    const int64_t start = static_cast<int64_t>(y) * values;
    uint8_t* const out = batch.out + n * bytes + start;
    const bool blurs = light.taps[0] != 1 << kTapBits;
    block.phase([&](int rank) {
        // A thread per byte: neighbouring threads read and write neighbouring bytes.
        for (int i = rank; i < values; i += block.size()) {
            const int channel = i % batch.channels;
            const int32_t level = blurs ? blurred_byte(image, batch, light, y, i)
                                        : static_cast<int32_t>(image[start + i]) << kBlurBits;
            const int32_t gain = channel == 0   ? light.gain[0]
                                 : channel == 1 ? light.gain[1]
                                                : light.gain[2];
            int32_t added = channel == 0   ? light.shift[0]
                            : channel == 1 ? light.shift[1]
                                           : light.shift[2];
            if (light.noise != 0) {
                added += light.noise * hash_noise(light.key, static_cast<uint32_t>(start + i));
            }
            out[i] = lit(level, gain, added);
        }
    });
}

}  // namespace nsa
