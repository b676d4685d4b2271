// Labels of a batch on the CPU.
#pragma once

#include "label/kinds.h"
#include "view.h"

namespace nsa {

// Writes `labels`, (count, height, width), from two batches of one shape. midpoint and steepness
// are those of eq. 14. Throws InputError before anything is written if the plan leaves the images;
// the result does not depend on `threads`.
void label_cpu(const ImagesView& original, const uint8_t* blended, const PlanView& plan,
               int64_t mask_bytes, const LabelKind& kind, Variant variant, double midpoint,
               double steepness, float* labels, int threads);

}  // namespace nsa
