#include "image/majority.h"
#include "image/object_mask.h"

namespace nsa {
namespace NSA_ISA {
namespace {

constexpr int kSize = 7;
constexpr int kReach = kSize / 2;
constexpr int kLeft = 64;

int64_t line_stride(int width) {
    return (2 * kLeft + width + 63) / 64 * 64;
}

// 1 where the pixel is no background. Wrapping subtraction turns the two comparisons into one.
void foreground_of_row(const uint8_t* pixels, int width, int channels,
                       const BackgroundRange& background, uint16_t* sums, uint8_t* line) {
    if (background.extent < 0) {
        std::memset(line, 1, static_cast<size_t>(width));
        return;
    }
    sum_channels(pixels, width, channels, sums);
    const auto low = static_cast<uint16_t>(background.low);
    const auto extent = static_cast<uint16_t>(background.extent);
    for (int x = 0; x < width; ++x) line[x] = static_cast<uint16_t>(sums[x] - low) > extent;
}

}  // namespace

int64_t object_mask_scratch_bytes(int height, int width) {
    // Row sums of the whole image, one row of foreground and one of 2-byte sums.
    return (height + 3) * line_stride(width);
}

void object_mask(const uint8_t* image, int height, int width, int channels,
                 const BackgroundRange& background, uint8_t* mask, uint8_t* scratch) {
    const int64_t stride = line_stride(width);
    uint8_t* const line = scratch + kLeft;
    auto* const channel_sums = reinterpret_cast<uint16_t*>(scratch + stride);
    uint8_t* const sums = scratch + 3 * stride;
    for (int y = 0; y < height; ++y) {
        foreground_of_row(image + static_cast<int64_t>(y) * width * channels, width, channels,
                          background, channel_sums, line);
        replicate_ends(line, width, kReach);
        sum_along_row<kSize>(line, width, sums + y * stride);
    }
    for (int y = 0; y < height; ++y) {
        const uint8_t* rows[kSize];
        for (int dy = -kReach; dy <= kReach; ++dy) {
            rows[dy + kReach] = sums + clamp_index(y + dy, 0, height - 1) * stride;
        }
        majority_of_rows<kSize>(rows, width, mask + static_cast<int64_t>(y) * width);
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
