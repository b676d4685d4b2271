#include "blend/blend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "blend/poisson.h"
#include "blend/resize.h"
#include "blend/workspace.h"
#include "parallel.h"
#include "plan/check.h"
#include "plan/rows_by_image.h"

namespace nsa {
namespace {

// One row of the plan with the pixels it reads.
struct Patch {
    Pixels pixels;                // the resized patch from the top left of the roi on
    Pixels mask;                  // likewise; data null: all ones
    int width, height, channels;  // of the roi
    float factor;
};

// One function a mode: the compiler makes a loop of its own for each.
template <Blend kMode>
void composite(const Patch& patch, uint8_t* out, int64_t stride) {
    const double factor = static_cast<double>(patch.factor);
    const int channels = patch.channels;
    for (int y = 0; y < patch.height; ++y) {
        const uint8_t* const in = patch.pixels.data + y * patch.pixels.stride;
        uint8_t* const to = out + y * stride;
        const auto pixels = [&](int first, int end) {
            for (int i = first * channels; i < end * channels; ++i) {
                to[i] = composited(kMode, to[i], in[i], factor);
            }
        };
        if (!patch.mask.data) {
            pixels(0, patch.width);
            continue;
        }
        const uint8_t* const mask = patch.mask.data + y * patch.mask.stride;
        for (int x = 0; x < patch.width; ++x) {
            if (mask[x]) pixels(x, x + 1);
        }
    }
}

using Composite = void (*)(const Patch& patch, uint8_t* out, int64_t stride);

template <int... kModes>
Composite composite_of(Blend mode, std::integer_sequence<int, kModes...>) {
    constexpr Composite kAll[] = {composite<static_cast<Blend>(kModes)>...};
    return kAll[static_cast<int>(mode)];
}

using RowModes = std::make_integer_sequence<int, kPlanModes>;

void clone(const Patch& patch, bool mixed, uint8_t* out, int64_t stride, uint8_t* workspace) {
    if (patch.width < kNarrowestBox || patch.height < kNarrowestBox) return;
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
        if (at[kRoiW] >= kNarrowestBox && at[kRoiH] >= kNarrowestBox) {
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
        const Blend mode = mode_of(mode_, at);
        if (solves_poisson(mode)) {
            clone(patch, mode == Blend::kMixedGradients, out, stride, scratch);
        } else {
            composite_of(mode, RowModes())(patch, out, stride);
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

    size_t bytes = 0;
    for (int64_t row = 0; row < plan.patches; ++row) bytes = std::max(bytes, batch.workspace(row));
    const RowsByImage sorted(plan, images.count);
    std::vector<Workspace> workspaces(workers_for(images.count, threads));
    parallel_for(images.count, threads, [&](int64_t image, int worker) {
        uint8_t* const to = out + image * images.bytes();
        std::memcpy(to, images.image(image), images.bytes());
        uint8_t* const workspace = workspaces[worker].reserve(bytes);
        for (int32_t i = sorted.first[image]; i < sorted.first[image + 1]; ++i) {
            batch.apply(sorted.rows[i], to, workspace);
        }
    });
}

}  // namespace nsa
