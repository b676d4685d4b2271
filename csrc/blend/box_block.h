// One patch on its way through the blending kernels: what to read, where to write.
#pragma once

#include "blend/box_layout.h"

namespace nsa {

struct BoxTask {
    // Source box: pixel (0, 0) of the first channel that is blended, bytes from row to row, its
    // size in px.
    const uint8_t* source;
    int64_t source_stride;
    int source_width;
    int source_height;
    // Size of the resized patch, and the rectangle of it that is blended.
    int patch_width;
    int patch_height;
    int left;
    int top;
    int width;
    int height;
    // Pixel (0, 0) of that rectangle in the destination, the same channel.
    uint8_t* destination;
    int64_t destination_stride;
    int pixel_bytes;  // from pixel to pixel, in both images
    // Pixel (0, 0) of that rectangle in the mask, patch_width bytes a row; null: all ones.
    const uint8_t* mask;
    float mask_unit;  // weight per unit of the mask; of the whole box without one
    bool mixed;
};

// Memory of a box: layout.bytes bytes from a 16-byte aligned start, for this block alone.
struct BoxMemory {
    float* plane;
    uint16_t* pixels;
    uint8_t* weights;
    Tap* taps;
    float* sines;

    NSA_DEVICE BoxMemory(uint8_t* start, const BoxLayout& layout)
        : plane(reinterpret_cast<float*>(start + layout.plane)),
          pixels(reinterpret_cast<uint16_t*>(start + layout.pixels)),
          weights(start + layout.weights),
          taps(reinterpret_cast<Tap*>(start + layout.taps)),
          sines(reinterpret_cast<float*>(start + layout.sines)) {}

    // What erosion along x leaves waits in the plane until that is in use.
    NSA_DEVICE uint8_t* eroded_rows() const { return reinterpret_cast<uint8_t*>(plane); }
};

}  // namespace nsa
