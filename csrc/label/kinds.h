// The kinds of labels: what the word of the settings means for the kernels.
#pragma once

#include <string>
#include <vector>

#include "label/label.h"

namespace nsa {

struct LabelKind {
    const char* name;
    LabelSource source;
    bool within_mask;
    // What is labelled where the source is the median: of the mean over channels of |blended -
    // original|, 0..255, the midpoint and the steepness.
    double (*value)(double mean, double midpoint, double steepness);
};

// Throws InputError if there is no such kind.
const LabelKind& label_kind(const std::string& name);

std::vector<const char*> label_kinds();

// 255 C + 1 values, the label of every disk median of the sum over channels; none if the kind does
// not read medians. Throws InputError if there are not 1 or 3 channels, or a number is not finite.
std::vector<float> label_table(const LabelKind& kind, int channels, double midpoint,
                               double steepness);

}  // namespace nsa
