#include "device/schedule.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "blend/batch_block.h"
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

// Every image is written by one block a channel in a round, so it may have one patch in it.
void check_rounds(const PlanView& plan, int64_t images) {
    std::vector<int32_t> last(static_cast<size_t>(images), -1);
    for (int64_t row = 0; row < plan.patches; ++row) {
        const int32_t* const at = row_at(plan, row);
        if (at[kRound] < 0) reject(row, "round " + std::to_string(at[kRound]) + " is negative");
        int32_t& round = last[at[kImage]];
        if (round == at[kRound]) {
            reject(row, "image " + std::to_string(at[kImage]) + " has a second patch in round " +
                            std::to_string(round));
        }
        round = at[kRound];
    }
}

// Bytes a block needs for a box.
size_t box_bytes(int width, int height, bool masked, Blend mode) {
    if (mode == Blend::kPaste || mode == Blend::kInterpolate) {
        return sizeof(Tap) * static_cast<size_t>(width + height);
    }
    const int shorter = std::min(width, height);
    if (shorter < kNarrowestBox) return 0;
    return BoxLayout(width, height, masked, shorter - 2 > kLongestMatrix).bytes;
}

size_t box_bytes(const int32_t* at, Blend mode) {
    return box_bytes(at[kRoiW], at[kRoiH], at[kBlendMask] >= 0, mode);
}

// Arithmetic of a row: the transforms dominate.
int64_t work(const int32_t* at) {
    const int64_t width = at[kRoiW], height = at[kRoiH];
    return width * height * std::min(width, height);
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

PackedLayout::PackedLayout(int64_t patches, int64_t images, int64_t rounds, int64_t mask_bytes)
    : bytes(0) {
    const auto take = [this](int64_t size) {
        const int64_t start = bytes;
        bytes += (size + 15) / 16 * 16;
        return start;
    };
    constexpr int64_t kInt = sizeof(int32_t);
    rows = take(patches * kPlanColumns * kInt);
    factors = take(patches * static_cast<int64_t>(sizeof(float)));
    order = take(patches * kInt);
    spans = take(rounds * 4 * kInt);
    image_first = take((images + 1) * kInt);
    image_rows = take(patches * kInt);
    masks = take(mask_bytes);
}

Schedule make_schedule(const PlanView& plan, int64_t mask_bytes, const ImagesView& images,
                       const ImagesView& sources, Blend mode, size_t shared_limit) {
    check_plan(plan, mask_bytes, images, sources);
    check_rounds(plan, images.count);
    check_sides(plan, mode);
    Schedule schedule{{}, {}, 0, 0};
    schedule.order.resize(plan.patches);
    for (int64_t row = 0; row < plan.patches; ++row) {
        schedule.order[row] = static_cast<int32_t>(row);
        const int32_t* const at = row_at(plan, row);
        const bool starts = row == 0 || at[kRound] != (at - kPlanColumns)[kRound];
        if (starts) schedule.rounds.push_back({0, 0});
        const size_t bytes = box_bytes(at, mode);
        if (bytes > shared_limit) {
            ++schedule.rounds.back().large;
            schedule.workspace = std::max(schedule.workspace, bytes);
        } else {
            ++schedule.rounds.back().small;
            schedule.shared = std::max(schedule.shared, bytes);
        }
    }
    auto first = schedule.order.begin();
    for (const RoundSize& round : schedule.rounds) {
        const auto end = first + round.large + round.small;
        // A long box that starts last would leave the device idle around it.
        std::sort(first, end, [&](int32_t a, int32_t b) {
            const int32_t *const x = row_at(plan, a), *const y = row_at(plan, b);
            const bool large_x = box_bytes(x, mode) > shared_limit;
            const bool large_y = box_bytes(y, mode) > shared_limit;
            if (large_x != large_y) return large_x;
            return work(x) != work(y) ? work(x) > work(y) : a < b;
        });
        first = end;
    }
    return schedule;
}

Schedule widest_schedule(int64_t images, int64_t rounds, int side, bool masked, Blend mode,
                         size_t shared_limit) {
    Schedule bounds{{}, std::vector<RoundSize>(rounds), 0, 0};
    const size_t most = box_bytes(side, side, masked, mode);
    const int patches = static_cast<int>(images);
    for (RoundSize& round : bounds.rounds) round = {most > shared_limit ? patches : 0, patches};
    bounds.shared = std::min(most, shared_limit);
    bounds.workspace = most > shared_limit ? most : 0;
    return bounds;
}

bool fits(const Schedule& schedule, const Schedule& bounds) {
    if (schedule.rounds.size() > bounds.rounds.size() || schedule.shared > bounds.shared ||
        schedule.workspace > bounds.workspace) {
        return false;
    }
    for (size_t round = 0; round < schedule.rounds.size(); ++round) {
        const RoundSize &size = schedule.rounds[round], &most = bounds.rounds[round];
        if (size.large > most.large || size.small > most.small) return false;
    }
    return true;
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
    return {std::vector<int32_t>(plan.patches), {}, 0, 0};
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
    copy(layout.order, schedule.order.data(), patches * sizeof(int32_t));
    copy(layout.masks, plan.masks, mask_bytes);

    auto* const spans = reinterpret_cast<int32_t*>(out + layout.spans);
    int32_t first = 0;
    for (size_t round = 0; round < schedule.rounds.size(); ++round) {
        const RoundSize& size = schedule.rounds[round];
        const int32_t middle = first + size.large, end = middle + size.small;
        const int32_t span[4] = {first, middle, middle, end};
        std::copy(span, span + 4, spans + 4 * round);
        first = end;
    }

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
