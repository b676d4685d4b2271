#include "blend/sine_pack.h"

#include <cmath>

#include "blend/box_layout.h"
#include "blend/sine.h"

namespace nsa {
namespace {

constexpr double kPi = 3.14159265358979323846;

PackedSines make() {
    PackedSines packed;
    packed.starts.assign(kLongestMatrix + 1, 0);
    for (int n = 1; n <= kLongestMatrix; ++n) {
        const auto table = sine_table(n);
        const size_t matrix = static_cast<size_t>(table->symmetric) * table->padded;
        packed.starts[n] = static_cast<int64_t>(packed.values.size());
        for (const float* const part : {table->forward_symmetric, table->forward_antisymmetric,
                                        table->inverse_symmetric, table->inverse_antisymmetric}) {
            packed.values.insert(packed.values.end(), part, part + matrix);
        }
    }
    for (int n = 1; n <= kWidestBox - 2; ++n) {
        for (int k = 1; k <= n; ++k) {
            // p + 1/p = 2 + 4 s^2 with p below 1, without cancellation.
            const double s = std::sin(kPi * k / (2.0 * (n + 1)));
            const double root = std::sqrt(1.0 + s * s) - s;
            packed.decays.push_back(static_cast<float>(root * root));
        }
    }
    return packed;
}

}  // namespace

const PackedSines& packed_sines() {
    static const PackedSines packed = make();
    return packed;
}

}  // namespace nsa
