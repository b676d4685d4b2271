#include "image/batch.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "bounds.h"
#include "errors.h"
#include "image/gather.h"
#include "image/light.h"
#include "image/position.h"
#include "parallel.h"

namespace nsa {
namespace {

// `count` views, each of an image below `stored`.
std::vector<View> checked_views(const TableBytes& views, int64_t stored, int64_t count) {
    if (views.size != product({count, sizeof(View)}, "views")) {
        throw InputError("views must be one a result.");
    }
    std::vector<View> copied(static_cast<size_t>(count));
    if (count > 0) std::memcpy(copied.data(), views.data, static_cast<size_t>(views.size));
    for (const View& view : copied) {
        if (view.image < 0 || view.image >= stored) {
            throw InputError("a view names an image that is not stored.");
        }
        // Of NaN both are false. Crops of anything but a rotation would be read anywhere.
        if (!(std::abs(view.cosine) <= 1.0 && std::abs(view.sine) <= 1.0)) {
            throw InputError("a view's angle is not a number.");
        }
    }
    return copied;
}

bool within(int32_t value, int32_t low, int32_t high) {
    return low <= value && value <= high;
}

// `count` lights, by which no sum leaves its 32 bits.
std::vector<Light> checked_lights(const TableBytes& lights, int64_t count) {
    if (lights.size != product({count, sizeof(Light)}, "lights")) {
        throw InputError("lights must be one an image.");
    }
    std::vector<Light> copied(static_cast<size_t>(count));
    if (count > 0) std::memcpy(copied.data(), lights.data, static_cast<size_t>(lights.size));
    constexpr int32_t kWhole = 1 << kTapBits;
    for (const Light& light : copied) {
        bool fits = within(light.noise, 0, kMostNoise);
        for (int i = 0; i < 3; ++i) {
            fits = fits && within(light.gain[i], 0, kMostGain) &&
                   within(light.shift[i], -kMostShift, kMostShift) &&
                   within(light.taps[i], 0, kWhole);
        }
        if (!fits || light.taps[0] + 2 * (light.taps[1] + light.taps[2]) != kWhole) {
            throw InputError("a light is out of range.");
        }
    }
    return copied;
}

}  // namespace

void object_masks_cpu(const ImagesView& images, const BackgroundRange& background, uint8_t* masks,
                      int threads) {
    const auto bytes =
        static_cast<size_t>(NSA_PICK(object_mask_scratch_bytes)(images.height, images.width));
    std::vector<std::vector<uint8_t>> scratch(workers_for(images.count, threads));
    parallel_for(images.count, threads, [&](int64_t index, int worker) {
        scratch[worker].resize(bytes);
        NSA_PICK(object_mask)
        (images.image(index), images.height, images.width, images.channels, background,
         masks + index * images.pixels(), scratch[worker].data());
    });
}

void gather_cpu(const ImagesView& store, const TableBytes& views, const ImagesView& results,
                uint8_t* out, int threads) {
    const std::vector<View> table = checked_views(views, store.count, results.count);
    std::vector<std::vector<int64_t>> starts(workers_for(results.count, threads));
    parallel_for(results.count, threads, [&](int64_t index, int worker) {
        starts[worker].resize(2 * static_cast<size_t>(results.height));
        const View& view = table[index];
        const Crop crop = place_crop(view, store.height, store.width, results.height, results.width,
                                     starts[worker].data());
        NSA_PICK(gather)
        (store.image(view.image), store.height, store.width, store.channels, crop,
         out + index * results.bytes());
    });
}

void gather_masks_cpu(const MaskBatch& batch, const TableBytes& views, uint8_t* masks,
                      int threads) {
    const std::vector<View> table = checked_views(views, batch.stored, batch.count);
    const int64_t words = batch.height * bit_words(batch.width);
    const int64_t pixels = static_cast<int64_t>(batch.rows) * batch.columns;
    const auto scratch_words =
        static_cast<size_t>(NSA_PICK(gather_mask_scratch_words)(batch.rows, batch.columns));
    std::vector<std::vector<int64_t>> starts(workers_for(batch.count, threads));
    std::vector<std::vector<uint64_t>> scratch(starts.size());
    parallel_for(batch.count, threads, [&](int64_t index, int worker) {
        starts[worker].resize(2 * static_cast<size_t>(batch.rows));
        scratch[worker].resize(scratch_words);
        const View& view = table[index];
        const Crop crop = place_crop(view, batch.height, batch.width, batch.rows, batch.columns,
                                     starts[worker].data());
        NSA_PICK(gather_mask)
        (batch.foreground + view.image * words, batch.height, batch.width, batch.outside, crop,
         masks + index * pixels, scratch[worker].data());
    });
}

void relight_cpu(const ImagesView& images, const TableBytes& lights, uint8_t* out, int threads) {
    const std::vector<Light> table = checked_lights(lights, images.count);
    const int64_t bytes = NSA_PICK(relight_scratch_bytes)(images.width, images.channels);
    std::vector<std::vector<uint8_t>> scratch(workers_for(images.count, threads));
    parallel_for(images.count, threads, [&](int64_t index, int worker) {
        scratch[worker].resize(static_cast<size_t>(bytes));
        NSA_PICK(relight)
        (images.image(index), images.height, images.width, images.channels, table[index],
         out + index * images.bytes(), scratch[worker].data());
    });
}

}  // namespace nsa
