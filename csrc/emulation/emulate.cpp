// Compiled without contraction to fused multiply-adds, like the device code it compares with.
#include "emulation/emulate.h"

#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "blend/batch_block.h"
#include "blend/sine_pack.h"
#include "device/schedule.h"
#include "label/label_block.h"

namespace nsa {
namespace {

// A packed plan as the kernels find it in device memory.
class PackedPlan {
  public:
    PackedPlan(Schedule made, const PlanView& plan, int64_t mask_bytes, int64_t images)
        : schedule(std::move(made)),
          layout_(plan.patches, images, static_cast<int64_t>(schedule.rounds.size()), mask_bytes),
          bytes_(layout_.bytes) {
        pack_plan(plan, schedule, images, mask_bytes, layout_, bytes_.data());
    }

    template <typename Element>
    const Element* at(int64_t offset) const {
        return reinterpret_cast<const Element*>(bytes_.data() + offset);
    }
    const PackedLayout& layout() const { return layout_; }

    const Schedule schedule;

  private:
    const PackedLayout layout_;
    std::vector<uint8_t> bytes_;
};

// A block's memory, as large as asked for and filled with NaN, so that AddressSanitizer sees an
// access beyond it and results show a read of what nobody wrote.
class Memory {
  public:
    explicit Memory(size_t bytes) : units_(bytes / sizeof(Float4), {kNaN, kNaN, kNaN, kNaN}) {}
    uint8_t* get() { return reinterpret_cast<uint8_t*>(units_.data()); }

  private:
    static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    std::vector<Float4> units_;  // 16-byte aligned
};

}  // namespace

void emulate_blend(const ImagesView& images, const ImagesView& sources, const PlanView& plan,
                   int64_t mask_bytes, Blend mode, float grey_unit, size_t shared_limit,
                   const Emulation& emulation, uint8_t* out) {
    const PackedPlan packed(make_schedule(plan, mask_bytes, images, sources, mode, shared_limit),
                            plan, mask_bytes, images.count);
    const PackedSines& sines = packed_sines();
    std::memcpy(out, images.data, static_cast<size_t>(images.count * images.bytes()));
    const HostBlock group(emulation.threads, emulation.seed);
    BlendBatch batch{};
    batch.images = out;
    batch.height = images.height;
    batch.width = images.width;
    batch.sources = sources.data;
    batch.source_height = sources.height;
    batch.source_width = sources.width;
    batch.channels = images.channels;
    batch.rows = packed.at<int32_t>(packed.layout().rows);
    batch.factors = packed.at<float>(packed.layout().factors);
    batch.masks = packed.at<uint8_t>(packed.layout().masks);
    batch.order = packed.at<int32_t>(packed.layout().order);
    batch.grey_unit = grey_unit;
    batch.mode = mode;
    batch.tables = {sines.starts.data(), sines.values.data(), sines.decays.data()};
    Memory shared((packed.schedule.shared + 15) / 16 * 16), workspace(packed.schedule.workspace);
    const int64_t rounds = static_cast<int64_t>(packed.schedule.rounds.size());
    for (int64_t round = 0; round < rounds; ++round) {
        batch.span = packed.at<int32_t>(packed.layout().spans) + 4 * round;
        constexpr int64_t kBlocks = 2;  // more than one, and fewer than there are boxes
        for (int64_t block = 0; block < kBlocks; ++block) {
            blend_block<true>(group, batch, block, kBlocks, workspace.get());
            blend_block<false>(group, batch, block, kBlocks, shared.get());
        }
    }
}

void emulate_label(const ImagesView& original, const ImagesView& blended, const PlanView& plan,
                   int64_t mask_bytes, const LabelRule& rule, const Emulation& emulation,
                   float* labels) {
    const PackedPlan packed(make_label_schedule(plan, mask_bytes, original), plan, mask_bytes,
                            original.count);
    LabelBatch batch{};
    batch.original = original.data;
    batch.blended = blended.data;
    batch.height = original.height;
    batch.width = original.width;
    batch.channels = original.channels;
    batch.rows = packed.at<int32_t>(packed.layout().rows);
    batch.factors = packed.at<float>(packed.layout().factors);
    batch.masks = packed.at<uint8_t>(packed.layout().masks);
    batch.image_first = packed.at<int32_t>(packed.layout().image_first);
    batch.image_rows = packed.at<int32_t>(packed.layout().image_rows);
    batch.kind = rule.kind;
    batch.overwrite = rule.overwrite;
    batch.table = rule.table;
    batch.labels = labels;
    const HostBlock group(kLabelThreads, emulation.seed);
    const auto memory = std::make_unique<LabelMemory>();
    for (int64_t image = 0; image < original.count; ++image) {
        for (int y = 0; y < original.height; y += kTileRows) {
            for (int x = 0; x < original.width; x += kTileColumns) {
                std::memset(memory.get(), 0xff, sizeof(LabelMemory));
                label_tile(group, batch, *memory, image, x, y);
            }
        }
    }
}

void emulate_augment(const AugmentBatch& batch, int64_t count, const Emulation& emulation) {
    const HostBlock group(emulation.threads, emulation.seed);
    for (int64_t image = 0; image < count; ++image) {
        for (int row = 0; row < batch.rows; ++row) augment_row(group, batch, image, row);
    }
}

void emulate_normalise(const InputBatch& batch, const Emulation& emulation) {
    const HostBlock group(emulation.threads, emulation.seed);
    constexpr int64_t kBlocks = 3;
    for (int64_t block = 0; block < kBlocks; ++block) {
        normalise_block(group, batch, block, kBlocks);
    }
}

void emulate_object_mask(const ObjectBatch& batch, int64_t count, const Emulation& emulation) {
    const HostBlock group(kObjectThreads, emulation.seed);
    const auto memory = std::make_unique<ObjectMemory>();
    for (int64_t image = 0; image < count; ++image) {
        for (int y = 0; y < batch.height; y += kObjectRows) {
            for (int x = 0; x < batch.width; x += 32 * kObjectWords) {
                std::memset(memory.get(), 0xff, sizeof(ObjectMemory));
                object_tile(group, batch, *memory, image, x, y);
            }
        }
    }
}

}  // namespace nsa
