#include "label/batch.h"

#include <algorithm>
#include <vector>

#include "parallel.h"
#include "plan/check.h"
#include "plan/rows_by_image.h"

namespace nsa {
namespace {

// The first entry that is equal to all after it.
int limit_of(const std::vector<float>& table) {
    int limit = std::max(0, static_cast<int>(table.size()) - 1);
    while (limit > 0 && table[limit - 1] == table[limit]) --limit;
    return limit;
}

}  // namespace

void label_cpu(const ImagesView& original, const uint8_t* blended, const PlanView& plan,
               int64_t mask_bytes, const LabelKind& kind, Variant variant, double midpoint,
               double steepness, float* labels, int threads) {
    check_label_plan(plan, mask_bytes, original);
    const std::vector<float> table = label_table(kind, original.channels, midpoint, steepness);
    const LabelRule rule{kind.source, kind.within_mask, variant, table.data(), limit_of(table)};
    const RowsByImage sorted(plan, original.count);
    const int height = original.height, width = original.width;
    const auto bytes = static_cast<size_t>(NSA_PICK(label_scratch_bytes)(height, width));
    std::vector<std::vector<uint8_t>> scratch(workers_for(original.count, threads));
    parallel_for(original.count, threads, [&](int64_t image, int worker) {
        scratch[worker].resize(bytes);
        const int32_t first = sorted.first[image], end = sorted.first[image + 1];
        NSA_PICK(label_image)
        ({original.image(image), blended + image * original.bytes(), height, width,
          original.channels, labels + image * original.pixels()},
         {plan, sorted.rows.data() + first, end - first}, rule, scratch[worker].data());
    });
}

}  // namespace nsa
