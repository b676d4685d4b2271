// The network's input from bytes: value * scale + shift per channel, float32 or bfloat16; as it is,
// or in blocks of 2 x 2 pixels.
#pragma once

#include <cstdint>

#include "image/image_cuda.h"
#include "thread_block.h"

namespace nsa {

constexpr int kInputBytes = 16;  // of one thread's load

constexpr int kBlocksBefore = 2;  // of zeros, above and on the left

// bfloat16 of a finite float, rounded half to even.
NSA_DEVICE uint16_t to_bfloat16(float value) {
    const uint32_t bits = __float_as_uint(value);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// values[channel] without an index that would move the array to local memory.
NSA_DEVICE float of_channel(const float (&values)[3], int channel) {
    return channel == 0 ? values[0] : channel == 1 ? values[1] : values[2];
}

// Bytes [first, first + kInputBytes), where they exist. Aligned: images and out are to 16 bytes.
template <bool kHalf>
NSA_DEVICE void normalise_span(const InputBatch& batch, int64_t first) {
    struct alignas(16) Bytes {
        uint8_t value[kInputBytes];
    };
    struct alignas(16) Floats {
        float value[4];
    };
    struct alignas(16) Halves {
        uint16_t value[8];
    };
    const int phase = batch.channels == 3 ? static_cast<int>(first % 3) : 0;
    if (first + kInputBytes > batch.values) {
        for (int64_t i = first; i < batch.values; ++i) {
            const int channel = batch.channels == 3 ? static_cast<int>(i % 3) : 0;
            const float value =
                static_cast<float>(batch.images[i]) * of_channel(batch.scale, channel) +
                of_channel(batch.shift, channel);
            if (kHalf) {
                static_cast<uint16_t*>(batch.out)[i] = to_bfloat16(value);
            } else {
                static_cast<float*>(batch.out)[i] = value;
            }
        }
        return;
    }
    // The channels in the order in which this span meets them.
    float scale[3], shift[3];
    NSA_UNROLL
    for (int i = 0; i < 3; ++i) {
        int channel = phase + i;
        channel = batch.channels == 1 ? 0 : channel >= 3 ? channel - 3 : channel;
        scale[i] = of_channel(batch.scale, channel);
        shift[i] = of_channel(batch.shift, channel);
    }
    const Bytes in = *reinterpret_cast<const Bytes*>(batch.images + first);
    float value[kInputBytes];
    NSA_UNROLL
    for (int i = 0; i < kInputBytes; ++i) {
        value[i] = static_cast<float>(in.value[i]) * scale[i % 3] + shift[i % 3];
    }
    if (kHalf) {
        Halves* const out = reinterpret_cast<Halves*>(static_cast<uint16_t*>(batch.out) + first);
        NSA_UNROLL
        for (int i = 0; i < kInputBytes; i += 8) {
            Halves packed;
            NSA_UNROLL
            for (int j = 0; j < 8; ++j) packed.value[j] = to_bfloat16(value[i + j]);
            out[i / 8] = packed;
        }
    } else {
        Floats* const out = reinterpret_cast<Floats*>(static_cast<float*>(batch.out) + first);
        NSA_UNROLL
        for (int i = 0; i < kInputBytes; i += 4) {
            out[i / 4] = {{value[i], value[i + 1], value[i + 2], value[i + 3]}};
        }
    }
}

// Part `part` of `parts`, which share the batch, a block each.
NSA_DEVICE void normalise_part(const ThreadBlock& block, const InputBatch& batch, int64_t part,
                               int64_t parts) {
    const int64_t spans = (batch.values + kInputBytes - 1) / kInputBytes;
    block.phase([&](int rank) {
        for (int64_t i = part * block.size() + rank; i < spans; i += parts * block.size()) {
            if (batch.half) {
                normalise_span<true>(batch, i * kInputBytes);
            } else {
                normalise_span<false>(batch, i * kInputBytes);
            }
        }
    });
}

// Both pixels of a row of a block, which lie side by side in the output.
template <typename Value, int kChannels>
struct alignas(kChannels == 3 ? 16 : 8) PixelPair {
    Value value[2 * (kChannels + 1)];
};

NSA_DEVICE void store_value(float value, float* out) {
    *out = value;
}
NSA_DEVICE void store_value(float value, uint16_t* out) {
    *out = to_bfloat16(value);
}

// Row `row` of blocks of image `image`.
template <typename Value, int kChannels>
NSA_DEVICE void blocked_row(const ThreadBlock& block, const BlockedInput& batch, int64_t image,
                            int row) {
    PixelPair<Value, kChannels>* const out = static_cast<PixelPair<Value, kChannels>*>(batch.out) +
                                             (image * batch.rows + row) * 2 * batch.columns;
    block.phase([&](int rank) {
        // In the order of the output, where upper and lower pairs take turns.
        for (int i = rank; i < 2 * batch.columns; i += block.size()) {
            const int y = 2 * (row - kBlocksBefore) + (i & 1);
            const int first = 2 * ((i >> 1) - kBlocksBefore);
            PixelPair<Value, kChannels> pair{};
            if (y >= 0 && y < batch.height) {
                const uint8_t* const line =
                    batch.images + (image * batch.height + y) * batch.width * kChannels;
                NSA_UNROLL
                for (int side = 0; side < 2; ++side) {
                    const int x = first + side;
                    if (x < 0 || x >= batch.width) continue;
                    NSA_UNROLL
                    for (int channel = 0; channel < kChannels; ++channel) {
                        store_value(static_cast<float>(line[x * kChannels + channel]) *
                                            batch.scale[channel] +
                                        batch.shift[channel],
                                    &pair.value[side * (kChannels + 1) + channel]);
                    }
                }
            }
            out[i] = pair;
        }
    });
}

NSA_DEVICE void normalise_blocked_row(const ThreadBlock& block, const BlockedInput& batch,
                                      int64_t image, int row) {
    if (batch.half && batch.channels == 3) {
        blocked_row<uint16_t, 3>(block, batch, image, row);
    } else if (batch.half) {
        blocked_row<uint16_t, 1>(block, batch, image, row);
    } else if (batch.channels == 3) {
        blocked_row<float, 3>(block, batch, image, row);
    } else {
        blocked_row<float, 1>(block, batch, image, row);
    }
}

}  // namespace nsa
