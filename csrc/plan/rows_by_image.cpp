#include "plan/rows_by_image.h"

namespace nsa {

RowsByImage::RowsByImage(const PlanView& plan, int64_t images)
    : first(static_cast<size_t>(images) + 1, 0), rows(static_cast<size_t>(plan.patches)) {
    const auto image_of = [&](int64_t row) { return plan.rows[row * kPlanColumns + kImage]; };
    for (int64_t row = 0; row < plan.patches; ++row) ++first[image_of(row) + 1];
    for (int64_t image = 0; image < images; ++image) first[image + 1] += first[image];
    std::vector<int32_t> next(first);
    for (int64_t row = 0; row < plan.patches; ++row) {
        rows[next[image_of(row)]++] = static_cast<int32_t>(row);
    }
}

}  // namespace nsa
