// What the image kernels do for whole batches on the CPU. Results do not depend on `threads`.
#pragma once

#include <cstdint>

#include "image/object_mask.h"
#include "view.h"

namespace nsa {

// masks: (count, height, width), written.
void object_masks_cpu(const ImagesView& images, const BackgroundRange& background, uint8_t* masks,
                      int threads);

// A table as bytes, which may start anywhere. Of views: one View (position.h) a result.
struct TableBytes {
    const uint8_t* data;
    int64_t size;
};

// Crops of stored images as `views` say, into `out`, whose shape that of `results` is. Throws
// InputError if a view names no stored image or is none.
void gather_cpu(const ImagesView& store, const TableBytes& views, const ImagesView& results,
                uint8_t* out, int threads);

// Object masks of such crops, (count, rows, columns).
struct MaskBatch {
    const uint64_t* foreground;  // (stored, height, bit_words(width)), as gather_mask reads them
    int64_t stored;
    int height;
    int width;
    bool outside;
    int64_t count;
    int rows;
    int columns;
};

void gather_masks_cpu(const MaskBatch& batch, const TableBytes& views, uint8_t* masks, int threads);

// The images in the lights of a table, into `out`, which is other memory. Throws InputError if a
// light is out of range.
void relight_cpu(const ImagesView& images, const TableBytes& lights, uint8_t* out, int threads);

}  // namespace nsa
