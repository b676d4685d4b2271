#include "blend/blend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "blend/check_plan.h"
#include "blend/poisson.h"
#include "blend/resize.h"
#include "blend/workspace.h"
#include "parallel.h"

namespace nsa {
namespace {

// One row of the plan with the pixels it reads.
struct Patch {
    Pixels pixels;                // the resized patch from the top left of the roi on
    Pixels mask;                  // likewise; data null: all ones
    int width, height, channels;  // of the roi
    float factor;
};

void paste(const Patch& patch, uint8_t* out, int64_t stride) {
    for (int y = 0; y < patch.height; ++y) {
        const uint8_t* const in = patch.pixels.data + y * patch.pixels.stride;
        uint8_t* const to = out + y * stride;
        if (!patch.mask.data) {
            std::memcpy(to, in, static_cast<size_t>(patch.width) * patch.channels);
            continue;
        }
        const uint8_t* const mask = patch.mask.data + y * patch.mask.stride;
        for (int x = 0; x < patch.width; ++x) {
            if (!mask[x]) continue;
            for (int c = 0; c < patch.channels; ++c) {
                to[x * patch.channels + c] = in[x * patch.channels + c];
            }
        }
    }
}

// Doubles in this order and without fused operations, as NumPy evaluates x - a x + a p.
void interpolate(const Patch& patch, uint8_t* out, int64_t stride) {
    const double factor = static_cast<double>(patch.factor);
    for (int y = 0; y < patch.height; ++y) {
        const uint8_t* const in = patch.pixels.data + y * patch.pixels.stride;
        uint8_t* const to = out + y * stride;
        for (int x = 0; x < patch.width; ++x) {
            if (patch.mask.data && !patch.mask.data[y * patch.mask.stride + x]) continue;
            for (int i = x * patch.channels; i < (x + 1) * patch.channels; ++i) {
                to[i] = static_cast<uint8_t>(to[i] - factor * to[i] + factor * in[i]);
            }
        }
    }
}

void clone(const Patch& patch, bool mixed, uint8_t* out, int64_t stride, uint8_t* workspace) {
    if (patch.width < kSmallestBox || patch.height < kSmallestBox) return;
    const auto table = sine_table(poisson_length(patch.width, patch.height));
    const float unit = std::ceil(255.0f * patch.factor) / 255.0f;
    NSA_PICK(poisson)
    ({patch.pixels, out, stride, patch.mask, unit, patch.width, patch.height, patch.channels,
      mixed},
     *table, workspace);
}

class Batch {
  public:
    Batch(const ImagesView& images, const ImagesView& sources, const PlanView& plan, Blend mode)
        : images_(images), sources_(sources), plan_(plan), mode_(mode) {}

    size_t workspace(int64_t row) const {
        const int32_t* const at = plan_.rows + row * kPlanColumns;
        size_t bytes = patch_bytes(at) + resize_workspace(at[kWidth], at[kHeight], channels());
        if (at[kRoiW] >= kSmallestBox && at[kRoiH] >= kSmallestBox) {
            bytes = std::max(bytes,
                             patch_bytes(at) + poisson_workspace(at[kRoiW], at[kRoiH], channels(),
                                                                 at[kBlendMask] >= 0));
        }
        return bytes;
    }

    void apply(int64_t row, uint8_t* image, uint8_t* workspace) const {
        const int32_t* const at = plan_.rows + row * kPlanColumns;
        const int64_t stride = int64_t{images_.width} * channels();
        const int64_t source_stride = int64_t{sources_.width} * channels();
        Pixels pixels{sources_.image(at[kSource]) + at[kSrcY] * source_stride +
                          int64_t{at[kSrcX]} * channels(),
                      source_stride};
        uint8_t* const scratch = workspace + patch_bytes(at);
        if (at[kSrcW] != at[kWidth] || at[kSrcH] != at[kHeight]) {
            resize({pixels, at[kSrcW], at[kSrcH], workspace, at[kWidth], at[kHeight], channels()},
                   scratch);
            pixels = {workspace, int64_t{at[kWidth]} * channels()};
        }
        Patch patch{{pixels.data + at[kRoiY] * pixels.stride + int64_t{at[kRoiX]} * channels(),
                     pixels.stride},
                    {nullptr, at[kWidth]},
                    at[kRoiW],
                    at[kRoiH],
                    channels(),
                    plan_.factors[row]};
        if (at[kBlendMask] >= 0) {
            patch.mask.data =
                plan_.masks + at[kBlendMask] + at[kRoiY] * patch.mask.stride + at[kRoiX];
        }
        uint8_t* const out = image + at[kPlaceY] * stride + int64_t{at[kPlaceX]} * channels();
        if (mode_ == Blend::kPaste) {
            paste(patch, out, stride);
        } else if (mode_ == Blend::kInterpolate) {
            interpolate(patch, out, stride);
        } else {
            clone(patch, mode_ == Blend::kMixedGradients, out, stride, scratch);
        }
    }

  private:
    int channels() const { return images_.channels; }

    size_t patch_bytes(const int32_t* at) const {
        const size_t bytes = static_cast<size_t>(at[kWidth]) * at[kHeight] * channels();
        return (bytes + 63) / 64 * 64;
    }

    const ImagesView& images_;
    const ImagesView& sources_;
    const PlanView& plan_;
    const Blend mode_;
};

}  // namespace

void blend_cpu(const ImagesView& images, const ImagesView& sources, const PlanView& plan,
               int64_t mask_bytes, Blend mode, uint8_t* out, int threads) {
    check_plan(plan, mask_bytes, images, sources);
    const Batch batch(images, sources, plan, mode);

    // Rows by image; within one they stay in the plan's order.
    std::vector<int64_t> start(images.count + 1, 0);
    size_t bytes = 0;
    for (int64_t row = 0; row < plan.patches; ++row) {
        ++start[plan.rows[row * kPlanColumns + kImage] + 1];
        bytes = std::max(bytes, batch.workspace(row));
    }
    for (int64_t image = 0; image < images.count; ++image) start[image + 1] += start[image];
    std::vector<int64_t> rows(plan.patches);
    std::vector<int64_t> next(start);
    for (int64_t row = 0; row < plan.patches; ++row) {
        rows[next[plan.rows[row * kPlanColumns + kImage]]++] = row;
    }

    std::vector<Workspace> workspaces(std::max(threads, 1));
    parallel_for(images.count, threads, [&](int64_t image, int worker) {
        uint8_t* const to = out + image * images.bytes();
        std::memcpy(to, images.image(image), images.bytes());
        uint8_t* const workspace = workspaces[worker].reserve(bytes);
        for (int64_t i = start[image]; i < start[image + 1]; ++i) {
            batch.apply(rows[i], to, workspace);
        }
    });
}

}  // namespace nsa
