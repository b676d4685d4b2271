// Device memory and shapes from Python as the kernels' parameters, for its bindings.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "arrays.h"
#include "blend/batch_cuda.h"
#include "blend/sine_pack.h"
#include "bounds.h"
#include "device/device_plan.h"
#include "image/image_cuda.h"
#include "label/kinds.h"
#include "label/label_cuda.h"

namespace nsa {

// Device memory from Python: its address and how many bytes it has.
using Memory = std::pair<uintptr_t, int64_t>;

// Its elements. Throws InputError unless there are `count` of them and they start in step.
template <typename Element>
Element* elements(const Memory& memory, int64_t count, const char* name,
                  size_t alignment = alignof(Element)) {
    const auto [address, bytes] = memory;
    const int64_t needed = product({count, sizeof(Element)}, name);
    if (needed > 0 && (address == 0 || bytes < needed)) {
        throw InputError(std::string(name) + " must be " + std::to_string(needed) +
                         " bytes of device memory, got " + std::to_string(bytes) + ".");
    }
    if (address % alignment != 0) {
        throw InputError(std::string(name) + " must start at a multiple of " +
                         std::to_string(alignment) + " bytes.");
    }
    return reinterpret_cast<Element*>(address);
}

// What is written may not be what is read.
inline void require_apart(const Memory& out, std::initializer_list<Memory> inputs) {
    for (const auto& [address, bytes] : inputs) {
        if (out.first < address + static_cast<uintptr_t>(bytes) &&
            address < out.first + static_cast<uintptr_t>(out.second)) {
            throw InputError("the output shares memory with an input; pass one of its own.");
        }
    }
}

// Pixels of images of this shape.
inline const uint8_t* pixels_of(const Memory& memory, const ImagesView& view, const char* name) {
    return elements<const uint8_t>(memory, product({view.count, view.bytes()}, name), name);
}

inline void require_finite(const std::array<float, 3>& values, const char* name) {
    for (const float value : values) {
        if (!std::isfinite(value)) {
            throw InputError(std::string(name) + " must be finite numbers.");
        }
    }
}

// The parts of a packed plan in device memory. masks: none: they are in the buffer.
template <typename Batch>
void place_plan(Batch& batch, const DevicePlan& plan, const Memory& buffer,
                const std::optional<Memory>& masks) {
    const PackedLayout& layout = plan.layout();
    const auto* const start = elements<const uint8_t>(buffer, layout.bytes, "the plan", 16);
    batch.rows = reinterpret_cast<const int32_t*>(start + layout.rows);
    batch.factors = reinterpret_cast<const float*>(start + layout.factors);
    batch.image_first = reinterpret_cast<const int32_t*>(start + layout.image_first);
    batch.image_rows = reinterpret_cast<const int32_t*>(start + layout.image_rows);
    batch.masks = start + layout.masks;
    if (!masks && plan.masks_elsewhere() > 0) {
        throw InputError("the plan's masks are elsewhere on the device; pass them.");
    }
    if (masks) {
        batch.masks = elements<const uint8_t>(*masks, plan.masks_elsewhere(), "masks");
    }
}

// Throws InputError unless a plan was made for images of this shape, whose bounds its rows keep.
inline ImagesView planned(const ImagesView& known, const std::array<int64_t, 4>& shape,
                          const char* name) {
    if (shape != std::array<int64_t, 4>{known.count, known.height, known.width, known.channels}) {
        throw InputError(std::string(name) + " have another shape than the plan was made for.");
    }
    return known;
}

inline BlendBatch blend_batch(const DevicePlan& plan, const Memory& buffer,
                              const std::optional<Memory>& masks, const Memory& images,
                              const std::array<int64_t, 4>& shape, const Memory& sources,
                              const std::array<int64_t, 4>& source_shape,
                              const std::array<Memory, 3>& tables, Blend mode, float grey_unit) {
    const ImagesView to = planned(plan.task().images, shape, "images");
    const ImagesView from = planned(plan.task().sources, source_shape, "sources");
    require_apart(images, {buffer, sources, tables[0], tables[1], tables[2]});
    if (plan.task().mode != mode) {
        throw InputError("the plan was made for another blend mode, or for labels alone.");
    }
    if (!(grey_unit >= 0.0f && grey_unit <= 1.0f)) {
        throw InputError("grey_unit must be from 0 to 1.");
    }
    BlendBatch batch{};
    place_plan(batch, plan, buffer, masks);
    batch.images = const_cast<uint8_t*>(pixels_of(images, to, "images"));
    batch.count = to.count;
    batch.height = to.height;
    batch.width = to.width;
    batch.sources = pixels_of(sources, from, "sources");
    batch.source_height = from.height;
    batch.source_width = from.width;
    batch.channels = to.channels;
    batch.order = reinterpret_cast<const int32_t*>(buffer.first +
                                                   static_cast<uintptr_t>(plan.layout().order));
    batch.grey_unit = grey_unit;
    batch.mode = mode;
    const PackedSines& sines = packed_sines();
    batch.tables = {
        elements<const int64_t>(tables[0], static_cast<int64_t>(sines.starts.size()), "tables"),
        elements<const float>(tables[1], static_cast<int64_t>(sines.values.size()), "tables", 16),
        elements<const float>(tables[2], static_cast<int64_t>(sines.decays.size()), "tables")};
    return batch;
}

inline LabelBatch label_batch(const DevicePlan& plan, const Memory& buffer,
                              const std::optional<Memory>& masks, const Memory& original,
                              const Memory& blended, const std::array<int64_t, 4>& shape,
                              const LabelKind& kind, Variant variant, const Memory& table,
                              const Memory& labels) {
    const ImagesView view = planned(plan.task().images, shape, "images");
    require_apart(labels, {buffer, original, blended, table});
    LabelBatch batch{};
    place_plan(batch, plan, buffer, masks);
    batch.original = pixels_of(original, view, "original");
    batch.blended = pixels_of(blended, view, "blended");
    batch.height = view.height;
    batch.width = view.width;
    batch.channels = view.channels;
    batch.source = kind.source;
    batch.within_mask = kind.within_mask;
    batch.variant = variant;
    const int entries = kind.source == LabelSource::kMedian ? 255 * view.channels + 1 : 0;
    batch.table = elements<const float>(table, entries, "table");
    batch.labels =
        elements<float>(labels, product({view.count, view.pixels()}, "labels"), "labels");
    return batch;
}

inline AugmentBatch augment_batch(const Memory& store, const std::array<int64_t, 4>& shape,
                                  const Memory& views, int64_t count, int rows, int columns,
                                  const Memory& out) {
    const ImagesView view = shape_view(shape, "images");
    const int64_t bytes =
        product({count, side(rows, "out"), side(columns, "out"), view.channels}, "out");
    require_apart(out, {store, views});
    // Which images the views name only the host knows that wrote them: of none there is no view.
    if (bytes > 0 && view.count == 0) {
        throw InputError("a view names an image that is not stored.");
    }
    return {pixels_of(store, view, "store"),
            view.height,
            view.width,
            view.channels,
            elements<const View>(views, count, "views"),
            rows,
            columns,
            elements<uint8_t>(out, bytes, "out")};
}

// How many bytes a value of the network's input has.
inline int64_t input_bytes(bool half) {
    return half ? 2 : 4;
}

inline InputBatch input_batch(const Memory& images, const std::array<int64_t, 4>& shape,
                              const std::array<float, 3>& scale, const std::array<float, 3>& shift,
                              bool half, const Memory& out) {
    const ImagesView view = shape_view(shape, "images");
    const int64_t values = product({view.count, view.bytes()}, "images");
    require_apart(out, {images});
    require_finite(scale, "scale");
    require_finite(shift, "shift");
    return {elements<const uint8_t>(images, values, "images", 16),
            values,
            view.channels,
            {scale[0], scale[1], scale[2]},
            {shift[0], shift[1], shift[2]},
            half,
            elements<uint8_t>(out, product({values, input_bytes(half)}, "out"), "out", 16)};
}

inline BlockedInput blocked_input(const Memory& images, const std::array<int64_t, 4>& shape,
                                  const std::array<float, 3>& scale,
                                  const std::array<float, 3>& shift, bool half, const Memory& out) {
    const ImagesView view = shape_view(shape, "images");
    require_apart(out, {images});
    require_finite(scale, "scale");
    require_finite(shift, "shift");
    const int rows = (view.height + 1) / 2 + 3, columns = (view.width + 1) / 2 + 3;
    const int64_t bytes =
        product({view.count, rows, columns, 4 * (view.channels + 1), input_bytes(half)}, "out");
    return {pixels_of(images, view, "images"),
            view.height,
            view.width,
            view.channels,
            {scale[0], scale[1], scale[2]},
            {shift[0], shift[1], shift[2]},
            half,
            rows,
            columns,
            elements<uint8_t>(out, bytes, "out", 16)};
}

// low, extent: of background_range.
inline ObjectBatch object_batch(const Memory& images, const ImagesView& view, int low, int extent,
                                const Memory& masks) {
    require_apart(masks, {images});
    if (low < 0 || extent < -1 || extent > 255 * view.channels - low) {
        throw InputError("low and extent must be a range of sums over channels.");
    }
    return {pixels_of(images, view, "images"),
            view.height,
            view.width,
            view.channels,
            low,
            extent,
            elements<uint8_t>(masks, product({view.count, view.pixels()}, "masks"), "masks")};
}

// Whether lights are in range only the host knows that wrote them.
inline LightBatch light_batch(const Memory& images, const std::array<int64_t, 4>& shape,
                              const Memory& lights, const Memory& out) {
    const ImagesView view = shape_view(shape, "images");
    require_apart(out, {images, lights});
    return {pixels_of(images, view, "images"),
            view.height,
            view.width,
            view.channels,
            elements<const Light>(lights, view.count, "lights"),
            elements<uint8_t>(out, product({view.count, view.bytes()}, "out"), "out")};
}

}  // namespace nsa
