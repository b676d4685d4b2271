#include "device/schedule.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "blend/box_layout.h"
#include "blend/check_plan.h"
#include "errors.h"

namespace nsa {
namespace {

const int32_t* row_at(const PlanView& plan, int64_t row) {
    return plan.rows + row * kPlanColumns;
}

[[noreturn]] void reject(int64_t row, const std::string& why) {
    throw InputError("plan row " + std::to_string(row) + ": " + why + ".");
}

// Bytes a block needs for a box.
size_t box_bytes(int width, int height, int channels, bool masked, Blend mode) {
    if (mode == Blend::kPaste || mode == Blend::kInterpolate) return tap_bytes(width, height);
    if (std::min(width, height) < kNarrowestBox) return 0;
    return BoxLayout(width, height, channels, masked).bytes;
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
    const bool poisson = mode == Blend::kSourceGradients || mode == Blend::kMixedGradients;
    for (int64_t row = 0; row < plan.patches; ++row) {
        const int32_t* const at = row_at(plan, row);
        if (poisson && std::max(at[kRoiW], at[kRoiH]) > kWidestDeviceBox) {
            reject(row, "a box of " + std::to_string(at[kRoiW]) + " x " +
                            std::to_string(at[kRoiH]) + " px is wider than the " +
                            std::to_string(kWidestDeviceBox) +
                            " px that the CUDA kernels solve; blend it on the CPU");
        }
        if (std::max(at[kSrcW], at[kSrcH]) > 32767 || std::max(at[kWidth], at[kHeight]) > 32767) {
            reject(row, "its patch has a side above 32767 px, which the CUDA kernels do not take");
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
        return box_bytes(at[kRoiW], at[kRoiH], channels, at[kBlendMask] >= 0, mode);
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
        load[at[kImage]] += work(at);
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
    for (int64_t row = 0; row < plan.patches; ++row) {
        const int32_t* const at = row_at(plan, row);
        if (at[kImage] < 0 || at[kImage] >= images.count) {
            reject(row, "image " + std::to_string(at[kImage]) + " is not one of the " +
                            std::to_string(images.count) + " images");
        }
        const auto leaves = [&](PlanColumn start, PlanColumn size, int limit) {
            return at[start] < 0 || at[size] < 1 || at[size] > limit - at[start];
        };
        if (leaves(kDstX, kWidth, images.width) || leaves(kDstY, kHeight, images.height)) {
            reject(row, "the destination box leaves the image");
        }
        if (at[kLabelMask] >= 0 &&
            at[kLabelMask] > mask_bytes - static_cast<int64_t>(at[kWidth]) * at[kHeight]) {
            reject(row, "the label mask leaves the plan's masks");
        }
    }
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

    auto* const image_first = reinterpret_cast<int32_t*>(out + layout.image_first);
    auto* const image_rows = reinterpret_cast<int32_t*>(out + layout.image_rows);
    for (int64_t row = 0; row < plan.patches; ++row) ++image_first[row_at(plan, row)[kImage] + 1];
    for (int64_t image = 0; image < images; ++image) image_first[image + 1] += image_first[image];
    std::vector<int32_t> next(image_first, image_first + images);
    for (int64_t row = 0; row < plan.patches; ++row) {
        image_rows[next[row_at(plan, row)[kImage]]++] = static_cast<int32_t>(row);
    }
}

}  // namespace nsa
