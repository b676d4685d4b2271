// Labels on the CPU: difference, change mask, 5x5 median, then what the rule asks for. Everything
// runs within the box around an image's patches.
#include <cstring>

#include "image/majority.h"
#include "label/label.h"
#include "label/median.h"

namespace nsa {
namespace NSA_ISA {
namespace {

constexpr int kMargin = kMedianRadius;  // replicated pixels around the planes
constexpr int kLeft = 64;               // keeps pixel 0 of every row aligned
constexpr int kMaskReach = 2;           // how far a 5x5 median looks

int64_t plane_stride(int width) {
    return (kLeft + width + kMargin + kMedianOverread + 63) / 64 * 64;
}

int64_t plane_elements(int height, int width) {
    return plane_stride(width) * (height + 2 * kMargin);
}

struct Box {
    int x0, y0, x1, y1;
};

inline int smaller(int a, int b) {
    return a < b ? a : b;
}

inline int larger(int a, int b) {
    return a > b ? a : b;
}

Box grow(const Box& box, int by, int height, int width) {
    return {larger(box.x0 - by, 0), larger(box.y0 - by, 0), smaller(box.x1 + by, width),
            smaller(box.y1 + by, height)};
}

// Scratch of one image. Pointers are to pixel (0, 0) of planes with a margin around them.
struct Planes {
    int64_t stride;
    uint16_t* difference;
    uint8_t* mask;
    uint8_t* sums;        // of change masks along rows
    uint8_t* line;        // one row of 3 bytes a pixel
    uint16_t* line_sums;  // one row
};

Planes planes_in(uint8_t* scratch, int height, int width) {
    const int64_t stride = plane_stride(width), elements = plane_elements(height, width);
    const int64_t origin = kMargin * stride + kLeft;
    auto* const difference = reinterpret_cast<uint16_t*>(scratch);
    uint8_t* const mask = scratch + 2 * elements;
    uint8_t* const sums = mask + elements;
    uint8_t* const line = sums + elements;
    return {stride,        difference + origin, mask + origin,
            sums + origin, line + kLeft,        reinterpret_cast<uint16_t*>(line + 4 * stride)};
}

// The columns of a patch's row that the kernels need.
struct Patch {
    int x, y, width, height;
    const uint8_t* mask;  // null: all ones
    float factor;
};

Patch patch_at(const LabelPatches& patches, int index) {
    const int32_t row_index = patches.rows[index];
    const int32_t* const row = patches.plan.rows + static_cast<int64_t>(row_index) * kPlanColumns;
    const uint8_t* const mask =
        row[kLabelMask] < 0 ? nullptr : patches.plan.masks + row[kLabelMask];
    return {row[kDstX],   row[kDstY], row[kWidth],
            row[kHeight], mask,       patches.plan.factors[row_index]};
}

Box box_around(const LabelPatches& patches) {
    const Patch first = patch_at(patches, 0);
    Box box{first.x, first.y, first.x + first.width, first.y + first.height};
    for (int index = 1; index < patches.count; ++index) {
        const Patch patch = patch_at(patches, index);
        box = {smaller(box.x0, patch.x), smaller(box.y0, patch.y),
               larger(box.x1, patch.x + patch.width), larger(box.y1, patch.y + patch.height)};
    }
    return box;
}

void absolute_difference(const uint8_t* NSA_RESTRICT a, const uint8_t* NSA_RESTRICT b, int count,
                         uint8_t* NSA_RESTRICT result) {
    for (int i = 0; i < count; ++i) {
        result[i] = static_cast<uint8_t>((a[i] > b[i] ? a[i] : b[i]) - (a[i] < b[i] ? a[i] : b[i]));
    }
}

// d inside the patch masks, 0 elsewhere in `box` and its margin, overread included. replaces: a
// later patch's mask replaces its whole box.
void write_difference(const LabelImage& image, const LabelPatches& patches, bool replaces,
                      const Box& box, const Planes& planes) {
    for (int y = box.y0 - kMargin; y < box.y1 + kMargin; ++y) {
        std::memset(planes.difference + y * planes.stride + box.x0 - kMargin, 0,
                    sizeof(uint16_t) *
                        static_cast<size_t>(box.x1 - box.x0 + 2 * kMargin + kMedianOverread));
    }
    const int64_t pitch = static_cast<int64_t>(image.width) * image.channels;
    for (int index = 0; index < patches.count; ++index) {
        const Patch patch = patch_at(patches, index);
        for (int row = 0; row < patch.height; ++row) {
            const int y = patch.y + row;
            const int64_t first = y * pitch + static_cast<int64_t>(patch.x) * image.channels;
            const uint8_t* const before = image.original + first;
            const uint8_t* const after = image.blended + first;
            absolute_difference(before, after, patch.width * image.channels, planes.line);
            uint16_t* const to = planes.difference + y * planes.stride + patch.x;
            if (!patch.mask) {
                sum_channels(planes.line, patch.width, image.channels, to);
                continue;
            }
            sum_channels(planes.line, patch.width, image.channels, planes.line_sums);
            const uint8_t* const mask = patch.mask + static_cast<int64_t>(row) * patch.width;
            for (int x = 0; x < patch.width; ++x) {
                const uint16_t kept = replaces ? uint16_t{0} : to[x];
                to[x] = mask[x] ? planes.line_sums[x] : kept;
            }
        }
    }
}

void exceeds(const uint16_t* NSA_RESTRICT values, int count, int threshold,
             uint8_t* NSA_RESTRICT result) {
    const auto limit = static_cast<uint16_t>(threshold);
    for (int i = 0; i < count; ++i) result[i] = values[i] > limit;
}

// Change mask of `changed`, the box that may hold differences, after the 5x5 median, written to the
// box `reached` of the mask plane.
void write_mask(const Box& changed, const Box& reached, int threshold, int height, int width,
                const Planes& planes) {
    const Box summed = grow(changed, 2 * kMaskReach, height, width);
    const int columns = summed.x1 - summed.x0;
    for (int y = summed.y0; y < summed.y1; ++y) {
        const uint16_t* const from = planes.difference + y * planes.stride + summed.x0;
        exceeds(from, columns, threshold, planes.line);
        // Where the box ends inside the image its outer pixels are unchanged, so replicating them
        // is right there as well.
        replicate_ends(planes.line, columns, kMaskReach);
        sum_along_row<5>(planes.line, columns, planes.sums + y * planes.stride + summed.x0);
    }
    for (int y = reached.y0; y < reached.y1; ++y) {
        const uint8_t* rows[5];
        for (int dy = -kMaskReach; dy <= kMaskReach; ++dy) {
            const int clamped = clamp_index(y + dy, 0, height - 1);
            rows[dy + kMaskReach] = planes.sums + clamped * planes.stride + reached.x0;
        }
        majority_of_rows<5>(rows, reached.x1 - reached.x0,
                            planes.mask + y * planes.stride + reached.x0);
    }
}

// Sets the differences outside the mask to 0; only `changed` holds any.
void mask_difference(const Box& changed, const Planes& planes) {
    for (int y = changed.y0; y < changed.y1; ++y) {
        uint16_t* const line = planes.difference + y * planes.stride;
        const uint8_t* const mask = planes.mask + y * planes.stride;
        for (int x = changed.x0; x < changed.x1; ++x) line[x] = mask[x] ? line[x] : uint16_t{0};
    }
}

// Replicates the image's border into the margin, where `box` touches it.
void replicate_border(const Box& box, int height, int width, const Planes& planes) {
    for (int y = box.y0; y < box.y1; ++y) {
        uint16_t* const line = planes.difference + y * planes.stride;
        for (int x = 1; x <= kMargin; ++x) {
            if (box.x0 == 0) line[-x] = line[0];
            if (box.x1 == width) line[width - 1 + x] = line[width - 1];
        }
    }
    const size_t bytes = sizeof(uint16_t) * static_cast<size_t>(box.x1 - box.x0 + 2 * kMargin);
    uint16_t* const first = planes.difference + box.x0 - kMargin;
    for (int y = 1; y <= kMargin; ++y) {
        if (box.y0 == 0) std::memcpy(first - y * planes.stride, first, bytes);
        if (box.y1 == height) {
            uint16_t* const last = first + (height - 1) * planes.stride;
            std::memcpy(last + y * planes.stride, last, bytes);
        }
    }
}

void write_binary(const LabelImage& image, const Box& box, const Planes& planes) {
    for (int y = box.y0; y < box.y1; ++y) {
        const uint8_t* const mask = planes.mask + y * planes.stride;
        float* const out = image.out + static_cast<int64_t>(y) * image.width;
        for (int x = box.x0; x < box.x1; ++x) out[x] = mask[x];
    }
}

// The factor of the last patch that holds the pixel; where none does (the median can fill a corner
// between patches) that of the last patch.
void write_factor(const LabelImage& image, const LabelPatches& patches, bool replaces,
                  const Box& box, const Planes& planes) {
    const float last = patch_at(patches, patches.count - 1).factor;
    for (int y = box.y0; y < box.y1; ++y) {
        float* const out = image.out + static_cast<int64_t>(y) * image.width;
        for (int x = box.x0; x < box.x1; ++x) out[x] = last;
    }
    for (int index = 0; index < patches.count; ++index) {
        const Patch patch = patch_at(patches, index);
        const uint8_t* const mask = replaces ? nullptr : patch.mask;
        for (int row = 0; row < patch.height; ++row) {
            float* const out =
                image.out + static_cast<int64_t>(patch.y + row) * image.width + patch.x;
            const uint8_t* const line = mask + (mask ? static_cast<int64_t>(row) * patch.width : 0);
            for (int x = 0; x < patch.width; ++x) {
                if (!mask || line[x]) out[x] = patch.factor;
            }
        }
    }
    for (int y = box.y0; y < box.y1; ++y) {
        const uint8_t* const mask = planes.mask + y * planes.stride;
        float* const out = image.out + static_cast<int64_t>(y) * image.width;
        for (int x = box.x0; x < box.x1; ++x) out[x] = mask[x] ? out[x] : 0.0F;
    }
}

}  // namespace

int64_t label_scratch_bytes(int height, int width) {
    // A plane of differences in 2 bytes, two planes of bytes and two rows; see planes_in.
    return 4 * plane_elements(height, width) + 6 * plane_stride(width);
}

void label_image(const LabelImage& image, const LabelPatches& patches, const LabelRule& rule,
                 uint8_t* scratch) {
    const int height = image.height, width = image.width;
    std::memset(image.out, 0, sizeof(float) * static_cast<size_t>(height) * width);
    if (patches.count == 0) return;

    const Planes planes = planes_in(scratch, height, width);
    const Box changed = box_around(patches);
    const Box reached = grow(changed, kMaskReach, height, width);
    // The 5x5 and the disk median look at most this far.
    const Box touched = grow(changed, 2 * kMaskReach + kMedianRadius, height, width);
    const bool replaces = rule.variant == Variant::kReleased;
    write_difference(image, patches, replaces, touched, planes);
    write_mask(changed, reached, replaces ? image.channels : 0, height, width, planes);

    if (rule.source == LabelSource::kMask) {
        write_binary(image, reached, planes);
    } else if (rule.source == LabelSource::kFactor) {
        write_factor(image, patches, replaces, reached, planes);
    } else {
        mask_difference(changed, planes);
        replicate_border(touched, height, width, planes);
        const Box box = rule.within_mask ? reached : grow(reached, kMedianRadius, height, width);
        disk_median({planes.difference, planes.stride, rule.within_mask ? planes.mask : nullptr,
                     planes.stride, rule.table, rule.limit, image.out, width, box.x0, box.y0,
                     box.x1, box.y1});
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
