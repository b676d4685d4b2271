// From the stored images to the network's crop, and from there to its input, one pass each.
#pragma once

#include <cstdint>

#include "image/image_cuda.h"
#include "thread_block.h"

namespace nsa {

// Row `y` of the crop of image `n`: rotation by nearest neighbour, black outside, crop and flip.
NSA_DEVICE void augment_row(const ThreadBlock& block, const AugmentBatch& batch, int64_t n, int y) {
    const View view = batch.views[n];
    const double dx = view.left + 0.5 - batch.width / 2.0;
    const double dy = static_cast<double>(view.top) + y + 0.5 - batch.height / 2.0;
    const int64_t step_x = fixed_step(view.cosine), step_y = fixed_step(view.sine);
    const int64_t x0 = fixed_position(view.cosine, dx, -view.sine, dy, batch.width / 2.0);
    const int64_t y0 = fixed_position(view.sine, dx, view.cosine, dy, batch.height / 2.0);
    const int64_t line = view.flip != 0 ? batch.rows - 1 - y : y;
    uint8_t* const out = batch.out + (n * batch.rows + line) * batch.columns * batch.channels;
    const uint8_t* const image =
        batch.store + view.image * batch.height * batch.width * batch.channels;
    block.phase([&](int rank) {
        // A thread per byte: neighbouring threads write, and unrotated read, neighbouring bytes.
        for (int i = rank; i < batch.columns * batch.channels; i += block.size()) {
            const int x = batch.channels == 3 ? i / 3 : i;
            const int64_t from_x = (x0 + x * step_x) >> kFixedBits;
            const int64_t from_y = (y0 + x * step_y) >> kFixedBits;
            const bool inside =
                from_x >= 0 && from_x < batch.width && from_y >= 0 && from_y < batch.height;
            out[i] = inside ? image[(from_y * batch.width + from_x) * batch.channels +
                                    (i - x * batch.channels)]
                            : uint8_t{0};
        }
    });
}

}  // namespace nsa
