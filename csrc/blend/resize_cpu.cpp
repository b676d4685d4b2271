#include "blend/resize.h"
#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

#if defined(NSA_VECTORS)
constexpr int kGroup = kLanes / 4;  // colour pixels of one vector, which has a spare fourth lane
typedef int16_t Shorts __attribute__((vector_size(2 * kLanes)));

// Four bytes from each of kGroup places: a pixel and one more byte.
NSA_INLINE Ints gather(const uint8_t* in, const int32_t* places) {
    int32_t words[kGroup];
    for (int i = 0; i < kGroup; ++i) words[i] = load<int32_t>(in + 3 * places[i]);
    // In two steps, since GCC widens bytes to 32 bits one by one.
    return __builtin_convertvector(
        __builtin_convertvector(load<Bytes>(reinterpret_cast<const uint8_t*>(words)), Halves),
        Ints);
}

// The columns of a colour row, kGroup at a time; returns how many it did. `spread` holds the
// weights of both neighbours four times each, (2, output, 4).
NSA_INLINE int stretch_groups(const uint8_t* in, int input, const ResizeAxis& axis, int output,
                              const int32_t* spread, int16_t* out) {
    int x = 0;
    // The spare byte of the last column would lie beyond the row.
    for (; x + kGroup <= output && axis.second[x + kGroup - 1] < input - 1; x += kGroup) {
        const Ints sum = gather(in, axis.first + x) * load<Ints>(spread + 4 * x) +
                         gather(in, axis.second + x) * load<Ints>(spread + 4 * (output + x));
        int16_t values[kLanes];
        store(values, __builtin_convertvector(sum >> 4, Shorts));
        // A spare value falls on the next pixel, which is written later.
        for (int i = 0; i < kGroup; ++i) {
            std::memcpy(out + 3 * (x + i), values + 4 * i, 4 * sizeof(int16_t));
        }
    }
    return x;
}
#endif

// One input row to the output's columns, in 1/128 grey levels.
template <int kChannels>
void stretch_row(const uint8_t* NSA_RESTRICT in, [[maybe_unused]] int input, const ResizeAxis& axis,
                 int output, [[maybe_unused]] const int32_t* NSA_RESTRICT spread,
                 int16_t* NSA_RESTRICT out) {
    int x = 0;
#if defined(NSA_VECTORS)
    if (kChannels == 3) x = stretch_groups(in, input, axis, output, spread, out);
#endif
    for (; x < output; ++x) {
        const uint8_t* const a = in + axis.first[x] * kChannels;
        const uint8_t* const b = in + axis.second[x] * kChannels;
        const int weight_a = axis.weights[2 * x];
        const int weight_b = axis.weights[2 * x + 1];
        for (int c = 0; c < kChannels; ++c) {
            out[x * kChannels + c] = static_cast<int16_t>((a[c] * weight_a + b[c] * weight_b) >> 4);
        }
    }
}

void mix_rows(const int16_t* NSA_RESTRICT upper, const int16_t* NSA_RESTRICT lower,
              int16_t weight_upper, int16_t weight_lower, int count, uint8_t* NSA_RESTRICT out) {
    for (int i = 0; i < count; ++i) {
        const int16_t a = static_cast<int16_t>((upper[i] * weight_upper) >> 16);
        const int16_t b = static_cast<int16_t>((lower[i] * weight_lower) >> 16);
        out[i] = static_cast<uint8_t>(static_cast<int16_t>(a + b + 2) >> 2);
    }
}

template <int kChannels>
void interpolate(const ResizeTask& task, const ResizeAxis& x, const ResizeAxis& y, int16_t* rows,
                 int32_t* spread) {
    if (kChannels == 3) {
        for (int i = 0; i < 4 * task.width; ++i) {
            spread[i] = x.weights[i / 4 * 2];
            spread[4 * task.width + i] = x.weights[i / 4 * 2 + 1];
        }
    }
    const int count = task.width * kChannels;
    int16_t* stretched[2] = {rows, rows + count + 4};
    int held[2] = {-1, -1};
    for (int row = 0; row < task.height; ++row) {
        const int wanted[2] = {y.first[row], y.second[row]};
        if (held[0] != wanted[0] && held[1] == wanted[0]) {
            int16_t* const lower = stretched[1];
            stretched[1] = stretched[0];
            stretched[0] = lower;
            held[1] = held[0];
            held[0] = wanted[0];
        }
        for (int i = 0; i < 2; ++i) {
            if (held[i] == wanted[i]) continue;
            stretch_row<kChannels>(task.source.data + wanted[i] * task.source.stride,
                                   task.source_width, x, task.width, spread, stretched[i]);
            held[i] = wanted[i];
        }
        mix_rows(stretched[0], stretched[1], y.weights[2 * row], y.weights[2 * row + 1], count,
                 task.out + static_cast<int64_t>(row) * count);
    }
}

}  // namespace

void halve(const ResizeTask& task) {
    const int channels = task.channels;
    for (int y = 0; y < task.height; ++y) {
        const uint8_t* in = task.source.data + 2 * y * task.source.stride;
        const uint8_t* below = in + task.source.stride;
        uint8_t* out = task.out + static_cast<int64_t>(y) * task.width * channels;
        for (int x = 0; x < task.width; ++x) {
            for (int c = 0; c < channels; ++c) {
                out[c] = static_cast<uint8_t>(
                    (in[c] + in[channels + c] + below[c] + below[channels + c] + 2) >> 2);
            }
            in += 2 * channels;
            below += 2 * channels;
            out += channels;
        }
    }
}

void interpolate_rows(const ResizeTask& task, const ResizeAxis& x, const ResizeAxis& y,
                      int16_t* rows, int32_t* spread) {
    if (task.channels == 3) {
        interpolate<3>(task, x, y, rows, spread);
    } else {
        interpolate<1>(task, x, y, rows, spread);
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
