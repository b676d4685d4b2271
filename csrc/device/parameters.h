// Addresses and shapes from Python as the kernels' parameters, for bindings of device memory.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "arrays.h"
#include "blend/batch_cuda.h"
#include "image/image_cuda.h"
#include "label/kinds.h"
#include "label/label_cuda.h"

namespace nsa {

template <typename Pointer>
Pointer pointer(uintptr_t address) {
    return reinterpret_cast<Pointer>(address);
}

// The parts of a packed plan in device memory. masks: 0: they are in the buffer.
template <typename Batch>
void place_plan(Batch& batch, const PackedLayout& layout, uintptr_t buffer, uintptr_t masks) {
    const auto at = [buffer](int64_t offset) { return buffer + static_cast<uintptr_t>(offset); };
    batch.rows = pointer<const int32_t*>(at(layout.rows));
    batch.factors = pointer<const float*>(at(layout.factors));
    batch.masks = pointer<const uint8_t*>(masks != 0 ? masks : at(layout.masks));
    batch.image_first = pointer<const int32_t*>(at(layout.image_first));
    batch.image_rows = pointer<const int32_t*>(at(layout.image_rows));
}

inline BlendBatch blend_batch(const PackedLayout& layout, uintptr_t buffer, uintptr_t masks,
                              uintptr_t images, const std::array<int64_t, 4>& shape,
                              uintptr_t sources, const std::array<int64_t, 4>& source_shape,
                              const std::array<uintptr_t, 3>& tables, Blend mode, float grey_unit) {
    BlendBatch batch{};
    place_plan(batch, layout, buffer, masks);
    batch.images = pointer<uint8_t*>(images);
    batch.count = shape[0];
    batch.height = shape[1];
    batch.width = shape[2];
    batch.sources = pointer<const uint8_t*>(sources);
    batch.source_height = source_shape[1];
    batch.source_width = source_shape[2];
    batch.channels = static_cast<int>(shape[3]);
    batch.order = pointer<const int32_t*>(buffer + static_cast<uintptr_t>(layout.order));
    batch.grey_unit = grey_unit;
    batch.mode = mode;
    batch.tables = {pointer<const int64_t*>(tables[0]), pointer<const float*>(tables[1]),
                    pointer<const float*>(tables[2])};
    return batch;
}

inline LabelBatch label_batch(const PackedLayout& layout, uintptr_t buffer, uintptr_t masks,
                              uintptr_t original, uintptr_t blended, const ImagesView& view,
                              const LabelKind& kind, Variant variant, uintptr_t table,
                              uintptr_t labels) {
    LabelBatch batch{};
    place_plan(batch, layout, buffer, masks);
    batch.original = pointer<const uint8_t*>(original);
    batch.blended = pointer<const uint8_t*>(blended);
    batch.height = view.height;
    batch.width = view.width;
    batch.channels = view.channels;
    batch.source = kind.source;
    batch.within_mask = kind.within_mask;
    batch.variant = variant;
    batch.table = pointer<const float*>(table);
    batch.labels = pointer<float*>(labels);
    return batch;
}

inline AugmentBatch augment_batch(uintptr_t store, const std::array<int64_t, 4>& shape,
                                  uintptr_t views, int rows, int columns, uintptr_t out) {
    const ImagesView view = shape_view(shape, "images");
    return {pointer<const uint8_t*>(store), view.height, view.width, view.channels,
            pointer<const View*>(views),    rows,        columns,    pointer<uint8_t*>(out)};
}

inline InputBatch input_batch(uintptr_t images, const std::array<int64_t, 4>& shape,
                              const std::array<float, 3>& scale, const std::array<float, 3>& shift,
                              bool half, uintptr_t out) {
    const ImagesView view = shape_view(shape, "images");
    if (images % 16 != 0 || out % 16 != 0) {
        throw InputError("images and output must start at a multiple of 16 bytes.");
    }
    return {pointer<const uint8_t*>(images),
            view.count * view.bytes(),
            view.channels,
            {scale[0], scale[1], scale[2]},
            {shift[0], shift[1], shift[2]},
            half,
            pointer<void*>(out)};
}

inline BlockedInput blocked_input(uintptr_t images, const std::array<int64_t, 4>& shape,
                                  const std::array<float, 3>& scale,
                                  const std::array<float, 3>& shift, bool half, uintptr_t out) {
    const ImagesView view = shape_view(shape, "images");
    if (out % 16 != 0) throw InputError("the output must start at a multiple of 16 bytes.");
    return {pointer<const uint8_t*>(images),
            view.height,
            view.width,
            view.channels,
            {scale[0], scale[1], scale[2]},
            {shift[0], shift[1], shift[2]},
            half,
            (view.height + 1) / 2 + 3,
            (view.width + 1) / 2 + 3,
            pointer<void*>(out)};
}

}  // namespace nsa
