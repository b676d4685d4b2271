#include <cstring>

#include "image/light.h"
#include "image/majority.h"
#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

constexpr int kRows = 2 * kBlurReach + 1;

// Where the parts of the scratch lie, for rows of `values` bytes.
struct Scratch {
    int32_t* gains;          // one a byte of a row
    int32_t* shifts;         // likewise
    uint16_t* blurred;       // a row of grey levels of 2^-kBlurBits
    uint16_t* along[kRows];  // rows blurred along themselves, row y in y % kRows
    uint8_t* line;           // a row between its border pixels

    Scratch(uint8_t* start, int values, int channels) {
        gains = reinterpret_cast<int32_t*>(start);
        shifts = gains + values;
        blurred = reinterpret_cast<uint16_t*>(shifts + values);
        for (int row = 0; row < kRows; ++row) along[row] = blurred + (row + 1) * values;
        line = reinterpret_cast<uint8_t*>(blurred + (kRows + 1) * values) + kBlurReach * channels;
    }
};

void blur_along(const uint8_t* NSA_RESTRICT line, int values, int channels, const Light& light,
                uint16_t* NSA_RESTRICT out) {
    const int32_t t0 = light.taps[0], t1 = light.taps[1], t2 = light.taps[2];
    const int one = channels, two = 2 * channels;
    for (int i = 0; i < values; ++i) {
        const int32_t sum = t0 * line[i] + t1 * (line[i - one] + line[i + one]) +
                            t2 * (line[i - two] + line[i + two]);
        out[i] = static_cast<uint16_t>(blurred_along(sum));
    }
}

void blur_across(const uint16_t* NSA_RESTRICT above2, const uint16_t* NSA_RESTRICT above,
                 const uint16_t* NSA_RESTRICT row, const uint16_t* NSA_RESTRICT below,
                 const uint16_t* NSA_RESTRICT below2, int values, const Light& light,
                 uint16_t* NSA_RESTRICT out) {
    const int32_t t0 = light.taps[0], t1 = light.taps[1], t2 = light.taps[2];
    for (int i = 0; i < values; ++i) {
        const int32_t sum = t0 * row[i] + t1 * (above[i] + below[i]) + t2 * (above2[i] + below2[i]);
        out[i] = static_cast<uint16_t>(blurred_across(sum));
    }
}

void light_row(const uint16_t* NSA_RESTRICT blurred, int values, const int32_t* NSA_RESTRICT gains,
               const int32_t* NSA_RESTRICT shifts, const Light& light, uint32_t first,
               uint8_t* NSA_RESTRICT out) {
    if (light.noise == 0) {
        for (int i = 0; i < values; ++i) out[i] = lit(blurred[i], gains[i], shifts[i]);
        return;
    }
    for (int i = 0; i < values; ++i) {
        const int32_t noise = hash_noise(light.key, first + static_cast<uint32_t>(i));
        out[i] = lit(blurred[i], gains[i], shifts[i] + light.noise * noise);
    }
}

}  // namespace

int64_t relight_scratch_bytes(int width, int channels) {
    const int64_t values = static_cast<int64_t>(width) * channels;
    return values * (8 + 2 * (kRows + 1) + 1) + 2 * kBlurReach * channels;
}

void relight(const uint8_t* image, int height, int width, int channels, const Light& light,
             uint8_t* out, uint8_t* scratch) {
    const int values = width * channels;
    Scratch at(scratch, values, channels);
    for (int i = 0; i < values; ++i) {
        at.gains[i] = light.gain[i % channels];
        at.shifts[i] = light.shift[i % channels];
    }
    const bool blurs = light.taps[0] != 1 << kTapBits;
    int next = 0;  // the first row that is not blurred along itself
    for (int y = 0; y < height; ++y) {
        const int64_t start = static_cast<int64_t>(y) * values;
        if (blurs) {
            for (; next <= y + kBlurReach && next < height; ++next) {
                std::memcpy(at.line, image + static_cast<int64_t>(next) * values,
                            static_cast<size_t>(values));
                for (int i = 1; i <= kBlurReach; ++i) {
                    const size_t pixel = static_cast<size_t>(channels);
                    std::memcpy(at.line - i * channels, at.line, pixel);
                    std::memcpy(at.line + values + (i - 1) * channels, at.line + values - channels,
                                pixel);
                }
                blur_along(at.line, values, channels, light, at.along[next % kRows]);
            }
            const auto row = [&](int dy) {
                return at.along[clamp_index(y + dy, 0, height - 1) % kRows];
            };
            blur_across(row(-2), row(-1), row(0), row(1), row(2), values, light, at.blurred);
        } else {
            for (int i = 0; i < values; ++i) {
                at.blurred[i] = static_cast<uint16_t>(image[start + i] << kBlurBits);
            }
        }
        light_row(at.blurred, values, at.gains, at.shifts, light, static_cast<uint32_t>(start),
                  out + start);
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
