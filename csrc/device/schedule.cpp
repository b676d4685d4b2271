#include "device/schedule.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "blend/box_layout.h"
#include "bounds.h"
#include "plan/check.h"
#include "plan/rows_by_image.h"

namespace nsa {
namespace {

const int32_t* row_at(const PlanView& plan, int64_t row) {
    return plan.rows + row * kPlanColumns;
}

// Bytes a block needs for a box; with kPlanned for the box in any mode.
size_t box_bytes(int width, int height, int channels, bool masked, Blend mode) {
    const size_t taps = solves_poisson(mode) ? 0 : tap_bytes(width, height);
    if (taps > 0 && mode != Blend::kPlanned) return taps;
    if (std::min(width, height) < kNarrowestBox) return taps;
    return std::max(taps, BoxLayout(width, height, channels, masked).bytes);
}

// Arithmetic of a row: the transforms dominate.
int64_t work(const int32_t* at) {
    const int64_t width = at[kRoiW], height = at[kRoiH];
    return width * height * std::min(width, height);
}

// Whether a block blends all channels of an image, which shares reads and keeps more of its threads
// busy: where every multiprocessor has an image, and if `bytes`, of the largest box, fit.
int together(const ImagesView& images, size_t bytes, const DeviceLimits& limits) {
    const bool worth = images.count >= limits.multiprocessors && bytes <= limits.shared_memory;
    return worth ? images.channels : 1;
}

void check_sides(const PlanView& plan, Blend mode) {
    for (int64_t row = 0; row < plan.patches; ++row) {
        const int32_t* const at = row_at(plan, row);
        if (solves_poisson(mode_of(mode, at)) && std::max(at[kRoiW], at[kRoiH]) > kWidestBox) {
            reject_row(row, "a box of " + std::to_string(at[kRoiW]) + " x " +
                                std::to_string(at[kRoiH]) + " px is wider than the " +
                                std::to_string(kWidestBox) +
                                " px that the CUDA kernels solve; blend it on the CPU");
        }
        if (std::max(at[kSrcW], at[kSrcH]) > 32767 || std::max(at[kWidth], at[kHeight]) > 32767) {
            reject_row(row,
                       "its patch has a side above 32767 px, which the CUDA kernels do not take");
        }
    }
}

}  // namespace

PackedLayout::PackedLayout(int64_t patches, int64_t images, int64_t mask_bytes) : bytes(0) {
    const auto take = [this](int64_t size) {
        const int64_t start = bytes;
        bytes += (size + 15) / 16 * 16;
        return start;
    };
    constexpr int64_t kInt = sizeof(int32_t);
    rows = take(patches * kPlanColumns * kInt);
    factors = take(patches * static_cast<int64_t>(sizeof(float)));
    order = take((1 + images) * kInt);
    image_first = take((images + 1) * kInt);
    image_rows = take(patches * kInt);
    masks = take(mask_bytes);
}

Schedule make_schedule(const PlanView& plan, int64_t mask_bytes, const ImagesView& images,
                       const ImagesView& sources, Blend mode, const DeviceLimits& limits,
                       int channels_together) {
    check_plan(plan, mask_bytes, images, sources);
    check_sides(plan, mode);
    const auto bytes = [&](int64_t row, int channels) {
        const int32_t* const at = row_at(plan, row);
        return box_bytes(at[kRoiW], at[kRoiH], channels, at[kBlendMask] >= 0, mode_of(mode, at));
    };
    Schedule schedule{{}, 0, plan.patches, 0, channels_together, 0, 0};
    if (channels_together == 0) {
        size_t most = 0;
        for (int64_t row = 0; row < plan.patches; ++row) {
            most = std::max(most, bytes(row, images.channels));
        }
        schedule.channels_together = together(images, most, limits);
    }
    std::vector<int64_t> load(static_cast<size_t>(images.count), 0);
    std::vector<char> large(load.size(), 0);
    for (int64_t row = 0; row < plan.patches; ++row) {
        const int32_t* const at = row_at(plan, row);
        load[at[kImage]] = saturated_sum(load[at[kImage]], work(at));
        schedule.rounds += row == 0 || at[kRound] != (at - kPlanColumns)[kRound];
        const size_t size = bytes(row, schedule.channels_together);
        const bool fits = size <= limits.shared_memory;
        size_t& most = fits ? schedule.shared : schedule.workspace;
        most = std::max(most, size);
        if (!fits) large[at[kImage]] = 1;
    }
    schedule.order.resize(load.size());
    std::iota(schedule.order.begin(), schedule.order.end(), 0);
    // A long image that starts last would leave the device idle around it.
    std::stable_sort(schedule.order.begin(), schedule.order.end(), [&](int32_t a, int32_t b) {
        return large[a] != large[b] ? large[a] > large[b] : load[a] > load[b];
    });
    schedule.large = std::count(large.begin(), large.end(), 1);
    return schedule;
}

Schedule widest_schedule(const ImagesView& images, int64_t rounds, int height, int width,
                         bool masked, Blend mode, const DeviceLimits& limits,
                         int channels_together) {
    Schedule bounds{{}, 0, rounds * images.count, rounds, channels_together, 0, 0};
    if (channels_together == 0) {
        const size_t most = box_bytes(width, height, images.channels, masked, mode);
        bounds.channels_together = together(images, most, limits);
    }
    const size_t most = box_bytes(width, height, bounds.channels_together, masked, mode);
    bounds.shared = std::min(most, limits.shared_memory);
    if (most > limits.shared_memory) {
        bounds.workspace = most;
        bounds.large = images.count;
    }
    return bounds;
}

bool fits(const Schedule& schedule, const Schedule& bounds) {
    return schedule.patches <= bounds.patches && schedule.shared <= bounds.shared &&
           schedule.workspace <= bounds.workspace;
}

Schedule make_label_schedule(const PlanView& plan, int64_t mask_bytes, const ImagesView& images) {
    check_label_plan(plan, mask_bytes, images);
    return {std::vector<int32_t>(images.count), 0, plan.patches, 0, 1, 0, 0};
}

void pack_plan(const PlanView& plan, const Schedule& schedule, int64_t images, int64_t mask_bytes,
               const PackedLayout& layout, uint8_t* out) {
    std::memset(out, 0, layout.bytes);
    const auto copy = [out](int64_t start, const void* from, size_t bytes) {
        if (bytes > 0) std::memcpy(out + start, from, bytes);
    };
    const size_t patches = plan.patches;
    copy(layout.rows, plan.rows, patches * kPlanColumns * sizeof(int32_t));
    copy(layout.factors, plan.factors, patches * sizeof(float));
    const auto large = static_cast<int32_t>(schedule.large);
    copy(layout.order, &large, sizeof large);
    copy(layout.order + static_cast<int64_t>(sizeof large), schedule.order.data(),
         schedule.order.size() * sizeof(int32_t));
    copy(layout.masks, plan.masks, mask_bytes);

    const RowsByImage sorted(plan, images);
    copy(layout.image_first, sorted.first.data(), sorted.first.size() * sizeof(int32_t));
    copy(layout.image_rows, sorted.rows.data(), sorted.rows.size() * sizeof(int32_t));
}

}  // namespace nsa
