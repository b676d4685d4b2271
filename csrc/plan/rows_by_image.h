// Rows of a plan sorted by their image, for kernels that take one image after another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/table.h"
#include "view.h"

namespace nsa {

// The rows of image i are rows[first[i]] .. rows[first[i + 1] - 1], in the plan's order.
struct RowsByImage {
    std::vector<int32_t> first;  // (images + 1)
    std::vector<int32_t> rows;   // (patches)

    RowsByImage(const PlanView& plan, int64_t images);
};

}  // namespace nsa
