// A plan as the kernels read it: where its parts lie in one buffer, and the bounds of its launches.
#pragma once

#include <optional>

#include "device/schedule.h"

namespace nsa {

// How a plan is meant to run.
struct DeviceTask {
    ImagesView images;  // without pixels
    ImagesView sources;
    std::optional<Blend> mode;  // none: for labels alone
    DeviceLimits limits;
    int channels_together;  // that a block blends: all, 1, or 0: the better one
};

class DevicePlan {
  public:
    // The bounds of this very plan. own_masks: how many bytes plan.masks has. mask_bytes: how many
    // bytes of mask there are: those, or, if there are none, others on the device.
    static DevicePlan of(const PlanView& plan, int64_t own_masks, int64_t mask_bytes,
                         const DeviceTask& task);

    // Room for any plan of at most `rounds` patches an image, of at most height x width px, with
    // `mask_bytes` bytes of mask.
    static DevicePlan reserve(const DeviceTask& task, int64_t rounds, int height, int width,
                              int64_t mask_bytes);

    // Checks a plan and writes it as the kernels read it, layout().bytes bytes of the `room` there.
    void pack(const PlanView& plan, int64_t mask_bytes, uint8_t* out, int64_t room) const;

    const Schedule& bounds() const { return bounds_; }
    const PackedLayout& layout() const { return layout_; }
    const DeviceTask& task() const { return task_; }
    int64_t masks_elsewhere() const { return elsewhere_; }  // bytes

  private:
    explicit DevicePlan(const DeviceTask& task);

    // mask_bytes: in the plan's masks; there may be others on the device.
    Schedule scheduled(const PlanView& plan, int64_t mask_bytes, int channels_together) const;

    DeviceTask task_;
    int64_t elsewhere_ = 0;  // bytes of mask on the device, beside the plan
    Schedule bounds_;
    PackedLayout layout_;
};

}  // namespace nsa
