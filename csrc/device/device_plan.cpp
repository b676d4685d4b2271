#include "device/device_plan.h"

#include <algorithm>
#include <string>

#include "blend/box_sides.h"
#include "bounds.h"
#include "errors.h"

namespace nsa {
namespace {

constexpr int64_t kMostImages = 1 << 24;  // the host has a few numbers for each

}  // namespace

DevicePlan::DevicePlan(const DeviceTask& task) : task_(task), layout_(0, 0, 0) {
    if (task.images.channels != task.sources.channels) {
        throw InputError("images and sources must have the same number of channels.");
    }
    if (task.channels_together != 0 && task.channels_together != 1 &&
        task.channels_together != task.images.channels) {
        throw InputError("channels_together must be 0, 1 or all channels of the images.");
    }
    if (task.images.count > kMostImages) throw InputError("images: more than 2^24 of them.");
}

DevicePlan DevicePlan::of(const PlanView& plan, int64_t own_masks, int64_t mask_bytes,
                          const DeviceTask& task) {
    DevicePlan made(task);
    if (mask_bytes < 0 || mask_bytes > kMostBytes || (own_masks > 0 && own_masks != mask_bytes)) {
        throw InputError("mask_bytes must be the size of masks, or of those on the device.");
    }
    if (own_masks == 0) made.elsewhere_ = mask_bytes;
    made.bounds_ = made.scheduled(plan, own_masks, task.channels_together);
    made.layout_ = PackedLayout(plan.patches, task.images.count, own_masks);
    return made;
}

DevicePlan DevicePlan::reserve(const DeviceTask& task, int64_t rounds, int height, int width,
                               int64_t mask_bytes) {
    if (rounds < 1 || std::min(height, width) < 1 || std::max(height, width) > kWidestBox ||
        mask_bytes < 0) {
        throw InputError("rounds, height and width must be at least 1, sides at most " +
                         std::to_string(kWidestBox) + " px.");
    }
    DevicePlan made(task);
    const int64_t count = task.images.count;
    if (rounds > INT32_MAX / std::max<int64_t>(1, count) || mask_bytes > kMostBytes) {
        throw InputError("a plan of so many rounds or mask bytes is too large.");
    }
    if (!task.mode) throw InputError("room is reserved for a blend mode.");
    made.bounds_ = widest_schedule(task.images, rounds, height, width, mask_bytes > 0, *task.mode,
                                   task.limits, task.channels_together);
    made.layout_ = PackedLayout(rounds * count, count, mask_bytes);
    return made;
}

void DevicePlan::pack(const PlanView& plan, int64_t mask_bytes, uint8_t* out, int64_t room) const {
    const Schedule schedule = scheduled(plan, mask_bytes, bounds_.channels_together);
    if (!fits(schedule, bounds_) || mask_bytes > layout_.bytes - layout_.masks) {
        throw InputError(
            "the plan has more rounds, larger boxes or more mask bytes than were reserved for it; "
            "reserve more.");
    }
    if (room < layout_.bytes) throw InputError("the buffer is too small for the plan.");
    pack_plan(plan, schedule, task_.images.count, mask_bytes, layout_, out);
}

Schedule DevicePlan::scheduled(const PlanView& plan, int64_t mask_bytes,
                               int channels_together) const {
    mask_bytes += elsewhere_;
    if (!task_.mode) return make_label_schedule(plan, mask_bytes, task_.images);
    return make_schedule(plan, mask_bytes, task_.images, task_.sources, *task_.mode, task_.limits,
                         channels_together);
}

}  // namespace nsa
