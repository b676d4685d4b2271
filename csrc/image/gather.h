// Rotation, crop and flip on the host: what a crop of a stored image shows, as pixels or as an
// object mask. Positions are those of position.h.
#pragma once

#include <cstdint>

#include "dispatch.h"

namespace nsa {

struct View;

// How a crop of rows x columns pixels lies in an image: pixel x of its row y, counted before the
// flip, shows the image at column (starts[2 y] + x step_x) >> 20 and row (starts[2 y + 1] + x
// step_y) >> 20.
struct Crop {
    const int64_t* starts;  // (rows, 2)
    int64_t step_x;
    int64_t step_y;
    int rows;
    int columns;
    bool flip;
};

// Writes `starts`, for rows x columns pixels of an image of height x width.
Crop place_crop(const View& view, int height, int width, int rows, int columns, int64_t* starts);

// image: (height, width, channels) uint8, channels 1 or 3.
// out: (crop.rows, crop.columns, channels), written entirely, 0 outside the image.
NSA_KERNEL(void gather(const uint8_t* image, int height, int width, int channels, const Crop& crop,
                       uint8_t* out))

// 64-bit words of scratch that gather_mask needs; their content does not matter.
NSA_KERNEL(int64_t gather_mask_scratch_words(int rows, int columns))

// foreground: (height, bit_words(width)) and one more word that may be read, bit x of word w of a
//     row for pixel 64 w + x: 1 where the image is no background.
// outside: whether what lies outside the image is foreground.
// mask: (crop.rows, crop.columns) uint8, written entirely: 1 where at least 25 of the 7x7 pixels
//     around, border of the crop replicated, are foreground (equals object_mask of the gathered
//     pixels).
NSA_KERNEL(void gather_mask(const uint64_t* foreground, int height, int width, bool outside,
                            const Crop& crop, uint8_t* mask, uint64_t* scratch))

constexpr int64_t bit_words(int pixels) {
    return (static_cast<int64_t>(pixels) + 63) / 64;
}

}  // namespace nsa
