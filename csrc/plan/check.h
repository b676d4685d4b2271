// Checks of a plan before any pixel is touched; kernels index with its rows.
#pragma once

#include <string>

#include "plan/table.h"
#include "view.h"

namespace nsa {

// Checks that every row of the plan stays inside the images, the sources and the masks, that rows
// are sorted by round, and that factors lie in (0, 1].
// Throws InputError naming the row and the column.
void check_plan(const PlanView& plan, int64_t mask_bytes, const ImagesView& images,
                const ImagesView& sources);

// The same of what labels read: image, destination box, label mask and factor.
void check_label_plan(const PlanView& plan, int64_t mask_bytes, const ImagesView& images);

// Throws InputError naming the row.
[[noreturn]] void reject_row(int64_t row, const std::string& why);

}  // namespace nsa
