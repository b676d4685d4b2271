// The block algorithms of the CUDA kernels run on the host (group.h, HostBlock), so that machines
// without a GPU test the very code a GPU runs. Slow: for tests only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blend/blend.h"
#include "image/augment_block.h"
#include "image/input_block.h"
#include "image/object_block.h"
#include "label/label.h"
#include "plan.h"
#include "view.h"

namespace nsa {

// threads: of an emulated block. seed: the order in which they run, see HostBlock.
struct Emulation {
    int threads;
    uint32_t seed;
};

// What blend_cpu does, by the device's route. shared_limit: boxes that need more bytes take the
// workspace's code. grey_unit: see BlendBatch.
void emulate_blend(const ImagesView& images, const ImagesView& sources, const PlanView& plan,
                   int64_t mask_bytes, Blend mode, float grey_unit, size_t shared_limit,
                   const Emulation& emulation, uint8_t* out);

// table: see LabelRule. labels: (count, height, width).
void emulate_label(const ImagesView& original, const ImagesView& blended, const PlanView& plan,
                   int64_t mask_bytes, const LabelRule& rule, const Emulation& emulation,
                   float* labels);

void emulate_augment(const AugmentBatch& batch, int64_t count, const Emulation& emulation);
void emulate_normalise(const InputBatch& batch, const Emulation& emulation);
void emulate_object_mask(const ObjectBatch& batch, int64_t count, const Emulation& emulation);

}  // namespace nsa
