#include "image/gather.h"
#include "image/runs.h"

namespace nsa {
namespace NSA_ISA {
namespace {

template <int kChannels>
void gather_pixels(const uint8_t* image, int height, int width, const Crop& crop, uint8_t* out) {
    const bool runs = has_runs(crop);
    const Walk walk(crop, width);
    for (int y = 0; y < crop.rows; ++y) {
        const int line = crop.flip ? crop.rows - 1 - y : y;
        uint8_t* const to = out + static_cast<int64_t>(line) * crop.columns * kChannels;
        const Inside range = inside(crop, y, height, width);
        std::memset(to, 0, static_cast<size_t>(range.first) * kChannels);
        std::memset(to + range.last * kChannels, 0,
                    static_cast<size_t>(crop.columns - range.last) * kChannels);
        if (runs) {
            for_each_run(crop, y, range, walk, width, [&](int x, int end, int64_t pixel) {
                std::memcpy(to + x * kChannels, image + pixel * kChannels,
                            static_cast<size_t>(end - x) * kChannels);
            });
            continue;
        }
        for (int x = range.first; x < range.last; ++x) {
            std::memcpy(to + x * kChannels, image + pixel_at(crop, x, y, width) * kChannels,
                        kChannels);
        }
    }
}

}  // namespace

void gather(const uint8_t* image, int height, int width, int channels, const Crop& crop,
            uint8_t* out) {
    if (channels == 3) {
        gather_pixels<3>(image, height, width, crop, out);
    } else {
        gather_pixels<1>(image, height, width, crop, out);
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
