#pragma once

#include "plan.h"
#include "view.h"

namespace nsa {

// Checks that every row of the plan stays inside the images, the sources and the masks, that rows
// are sorted by round, and that factors lie in (0, 1], before any pixel is touched.
// Throws InputError naming the row and the column.
void check_plan(const PlanView& plan, int64_t mask_bytes, const ImagesView& images,
                const ImagesView& sources);

}  // namespace nsa
