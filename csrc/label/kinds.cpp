// Compiled without contraction to fused multiply-adds, so that values round as NumPy's.
#include "label/kinds.h"

#include <cmath>

#include "errors.h"

namespace nsa {
namespace {

double continuous(double mean, double, double) {
    return mean;
}

double logistic(double mean, double midpoint, double steepness) {
    return 1 / (1 + std::exp(-steepness * (mean - midpoint)));
}

constexpr LabelKind kKinds[] = {
    {"binary", LabelSource::kMask, true, nullptr},
    {"continuous", LabelSource::kMedian, false, continuous},
    {"logistic", LabelSource::kMedian, true, logistic},
    {"factor", LabelSource::kFactor, true, nullptr},
};

}  // namespace

const LabelKind& label_kind(const std::string& name) {
    for (const LabelKind& kind : kKinds) {
        if (name == kind.name) return kind;
    }
    throw InputError("'" + name + "' is not a label kind.");
}

std::vector<const char*> label_kinds() {
    std::vector<const char*> names;
    for (const LabelKind& kind : kKinds) names.push_back(kind.name);
    return names;
}

std::vector<float> label_table(const LabelKind& kind, int channels, double midpoint,
                               double steepness) {
    if (channels != 1 && channels != 3) throw InputError("labels are of 1 or 3 channels.");
    if (!std::isfinite(midpoint) || !std::isfinite(steepness)) {
        throw InputError("midpoint and steepness must be finite numbers.");
    }
    std::vector<float> table;
    if (kind.source != LabelSource::kMedian) return table;
    for (int sum = 0; sum <= 255 * channels; ++sum) {
        const double mean = static_cast<double>(sum) / channels;
        table.push_back(static_cast<float>(kind.value(mean, midpoint, steepness)));
    }
    return table;
}

}  // namespace nsa
