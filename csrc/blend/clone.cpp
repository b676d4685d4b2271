#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "blend/blend.h"
#include "blend/poisson.h"
#include "blend/workspace.h"
#include "bounds.h"
#include "errors.h"
#include "parallel.h"

namespace nsa {
namespace {

struct Box {
    int x, y, width, height;  // width 0: empty
    bool full;                // every mask value inside is 255
};

// Bounding box of the positive values inside the mask's outer 1-px frame.
Box bounding_box(const uint8_t* mask, int width, int height) {
    Box box{0, 0, 0, 0, false};
    if (width < 3 || height < 3) return box;
    const auto empty_row = [&](int y, int from, int to) {
        const uint8_t* const row = mask + int64_t{y} * width;
        uint8_t any = 0;
        for (int x = from; x < to; ++x) any |= row[x];
        return any == 0;
    };
    int top = 1;
    int bottom = height - 2;
    while (top <= bottom && empty_row(top, 1, width - 1)) ++top;
    if (top > bottom) return box;
    while (empty_row(bottom, 1, width - 1)) --bottom;
    int left = width;
    int right = 0;
    bool full = true;
    for (int y = top; y <= bottom; ++y) {
        const uint8_t* const row = mask + int64_t{y} * width;
        int first = 1;
        while (first < std::min(left, width - 1) && !row[first]) ++first;
        left = std::min(left, first);
        int last = width - 2;
        while (last > right && !row[last]) --last;
        right = std::max(right, last);
        uint8_t least = 255;
        for (int x = left; x <= right; ++x) least &= row[x];
        full = full && least == 255 && first == left && last == right;
    }
    box = {left, top, right - left + 1, bottom - top + 1, full};
    // Rows seen before the box had its final width were only compared over part of it.
    for (int y = top; box.full && y <= bottom; ++y) {
        const uint8_t* const row = mask + int64_t{y} * width;
        box.full = row[left] == 255 && row[right] == 255;
    }
    return box;
}

// What to solve for one item, its place checked.
Box checked_box(const CloneBatch& batch, int64_t item, int* x, int* y) {
    const ImagesView& from = batch.sources;
    const ImagesView& to = batch.destinations;
    const Box box = bounding_box(batch.masks + item * from.pixels(), from.width, from.height);
    if (box.width == 0) return box;
    const int64_t* const center = batch.centers + 2 * item;
    // From the centre back to the box's first pixel.
    const int back_x = batch.flags.wide ? from.width / 2 - box.x : box.width / 2;
    const int back_y = batch.flags.wide ? from.height / 2 - box.y : box.height / 2;
    // What is given may be any number, so only what is known is added up.
    const auto fits = [](int64_t at, int64_t back, int64_t size, int64_t limit) {
        return at >= back && at <= limit - size + back;
    };
    if (!fits(center[0], back_x, box.width, to.width) ||
        !fits(center[1], back_y, box.height, to.height)) {
        const std::string which =
            batch.destinations.count > 1 ? " of item " + std::to_string(item) : "";
        throw InputError("center (" + std::to_string(center[0]) + ", " + std::to_string(center[1]) +
                         ")" + which + " puts the mask's " + std::to_string(box.width) + " x " +
                         std::to_string(box.height) + " px box outside the " +
                         std::to_string(to.width) + " x " + std::to_string(to.height) +
                         " px destination; move it inside.");
    }
    *x = static_cast<int>(center[0] - back_x);
    *y = static_cast<int>(center[1] - back_y);
    return box;
}

// The source's box in the destination's three channels, all of one brightness.
void spread_brightness(Pixels source, int channels, const Box& box, uint8_t* out) {
    for (int y = 0; y < box.height; ++y) {
        const uint8_t* from = source.data + y * source.stride;
        for (int x = 0; x < box.width; ++x, from += channels, out += 3) {
            const uint8_t value = channels == 1 ? *from : brightness(from[0], from[1], from[2]);
            out[0] = out[1] = out[2] = value;
        }
    }
}

}  // namespace

CloneFlags clone_flags(int64_t flags) {
    const int64_t kind = flags & 7;
    if (flags < 0 || flags > 15 || kind < 1 || kind > 3) {
        throw InputError(
            "flags must be NORMAL_CLONE 1, MIXED_CLONE 2 or MONOCHROME_TRANSFER 3 of OpenCV, or 9, "
            "10 or 11 for their _WIDE, got " +
            std::to_string(flags) + ".");
    }
    return {kind == 2, kind == 3, (flags & 8) != 0};
}

ClonePlan clone_plan(const CloneBatch& batch) {
    ClonePlan plan;
    const ImagesView& from = batch.sources;
    if (from.count > INT32_MAX) throw InputError("source: more than 2^31 - 1 images.");
    for (int64_t item = 0; item < from.count; ++item) {
        int x = 0, y = 0;
        const Box box = checked_box(batch, item, &x, &y);
        if (box.width == 0) continue;
        int32_t row[kPlanColumns] = {};
        row[kImage] = row[kSource] = static_cast<int32_t>(item);
        row[kSrcX] = box.x;
        row[kSrcY] = box.y;
        row[kSrcW] = row[kWidth] = row[kRoiW] = box.width;
        row[kSrcH] = row[kHeight] = row[kRoiH] = box.height;
        row[kDstX] = row[kPlaceX] = x;
        row[kDstY] = row[kPlaceY] = y;
        row[kBlendMask] = row[kLabelMask] = -1;
        if (!box.full) {
            row[kBlendMask] = static_cast<int32_t>(plan.masks.size());
            const uint8_t* line =
                batch.masks + item * from.pixels() + int64_t{box.y} * from.width + box.x;
            for (int i = 0; i < box.height; ++i, line += from.width) {
                plan.masks.insert(plan.masks.end(), line, line + box.width);
            }
            if (plan.masks.size() > INT32_MAX) {
                throw InputError("the masks exceed 2 GiB; split the batch into smaller ones.");
            }
        }
        plan.rows.insert(plan.rows.end(), row, row + kPlanColumns);
    }
    return plan;
}

void clone_cpu(const CloneBatch& batch, uint8_t* out, int threads) {
    struct Item {
        Box box;
        int x, y;
    };
    const ImagesView& from = batch.sources;
    const ImagesView& to = batch.destinations;
    const int channels = to.channels;
    const bool spread = channels == 3 && (batch.flags.monochrome || from.channels == 1);
    std::vector<Item> items(to.count);
    size_t bytes = 0, spread_bytes = 0;
    for (int64_t i = 0; i < to.count; ++i) {
        Item& item = items[i];
        item.box = checked_box(batch, i, &item.x, &item.y);
        if (std::min(item.box.width, item.box.height) < kNarrowestBox) continue;
        bytes = std::max(
            bytes, poisson_workspace(item.box.width, item.box.height, channels, !item.box.full));
        if (!spread) continue;
        spread_bytes = std::max(spread_bytes, size_t{3} * item.box.width * item.box.height);
    }
    std::vector<Workspace> workspaces(workers_for(to.count, threads));
    parallel_for(to.count, threads, [&](int64_t i, int worker) {
        const Item& item = items[i];
        uint8_t* const image = out + i * to.bytes();
        std::memcpy(image, to.image(i), to.bytes());
        if (std::min(item.box.width, item.box.height) < kNarrowestBox) return;
        uint8_t* const workspace = workspaces[worker].reserve(bytes + spread_bytes);
        const int64_t source_stride = int64_t{from.width} * from.channels;
        const int64_t stride = int64_t{to.width} * channels;
        PoissonTask task{};
        task.source = {
            from.image(i) + item.box.y * source_stride + int64_t{item.box.x} * from.channels,
            source_stride};
        if (spread) {
            uint8_t* const grey = workspace + bytes;
            spread_brightness(task.source, from.channels, item.box, grey);
            task.source = {grey, int64_t{3} * item.box.width};
        }
        task.destination = image + item.y * stride + int64_t{item.x} * channels;
        task.destination_stride = stride;
        task.mask_unit = 1.0f;
        if (!item.box.full) {
            task.mask = {
                batch.masks + i * from.pixels() + int64_t{item.box.y} * from.width + item.box.x,
                from.width};
            task.mask_unit = 1.0f / 255.0f;
        }
        task.width = item.box.width;
        task.height = item.box.height;
        task.channels = channels;
        task.mixed = batch.flags.mixed;
        const auto table = sine_table(poisson_length(task.width, task.height));
        NSA_PICK(poisson)(task, *table, workspace);
    });
}

}  // namespace nsa
