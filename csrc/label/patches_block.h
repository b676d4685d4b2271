// Which patch of a plan decides about a pixel.
#pragma once

#include "group.h"
#include "label/label.h"
#include "plan.h"

namespace nsa {

struct LabelBatch {
    const uint8_t* original;  // (count, height, width, channels)
    const uint8_t* blended;
    int height;
    int width;
    int channels;
    const int32_t* rows;  // of the plan
    const float* factors;
    const uint8_t* masks;
    const int32_t* image_first;  // (count + 1): an image's part of image_rows
    const int32_t* image_rows;   // rows of an image in order of round
    LabelKind kind;
    bool overwrite;      // see LabelRule
    const float* table;  // (255 channels + 1), see LabelRule
    float* labels;       // (count, height, width)
};

struct PatchRow {
    const int32_t* at;

    NSA_DEVICE PatchRow(const LabelBatch& batch, int32_t row)
        : at(batch.rows + static_cast<int64_t>(row) * kPlanColumns) {}

    NSA_DEVICE bool holds(int x, int y) const {
        return x >= at[kDstX] && y >= at[kDstY] && x - at[kDstX] < at[kWidth] &&
               y - at[kDstY] < at[kHeight];
    }
    NSA_DEVICE bool meets(int x0, int y0, int x1, int y1) const {
        return at[kDstX] < x1 && at[kDstY] < y1 && at[kDstX] + at[kWidth] > x0 &&
               at[kDstY] + at[kHeight] > y0;
    }
    NSA_DEVICE bool marks(const uint8_t* masks, int x, int y) const {
        return at[kLabelMask] < 0 ||
               masks[at[kLabelMask] + static_cast<int64_t>(y - at[kDstY]) * at[kWidth] +
                     (x - at[kDstX])] != 0;
    }
};

// The plan row that decides pixel (x, y), or -1: none. marked: whether its mask holds the pixel.
NSA_DEVICE int32_t deciding_row(const LabelBatch& batch, int64_t image, int x, int y,
                                bool& marked) {
    marked = false;
    for (int i = batch.image_first[image + 1] - 1; i >= batch.image_first[image]; --i) {
        const PatchRow patch(batch, batch.image_rows[i]);
        if (!patch.holds(x, y)) continue;
        marked = patch.marks(batch.masks, x, y);
        if (marked || batch.overwrite) return batch.image_rows[i];
    }
    return -1;
}

}  // namespace nsa
