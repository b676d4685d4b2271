#include "blend/sine.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace nsa {
namespace {

constexpr int kLongestKept = 512;  // 178 MB if every length up to it is used; 22 MB up to 256
constexpr double kPi = 3.14159265358979323846;

struct OwnedTable : SineTable {
    std::vector<float> storage;
};

std::shared_ptr<const SineTable> make(int n) {
    auto table = std::make_shared<OwnedTable>();
    table->length = n;
    table->symmetric = (n + 1) / 2;
    table->antisymmetric = n / 2;
    table->padded = (table->symmetric + 7) / 8 * 8;
    const size_t matrix = static_cast<size_t>(table->symmetric) * table->padded;
    table->storage.assign(4 * matrix + 2 * table->padded, 0.0f);

    const int64_t period = 2 * (static_cast<int64_t>(n) + 1);
    std::vector<float> sine(period);
    for (int64_t i = 0; i < period; ++i) {
        sine[i] = static_cast<float>(
            std::sin(2 * kPi * static_cast<double>(i) / static_cast<double>(period)));
    }
    const float scale = static_cast<float>(2.0 / (n + 1));
    float* const forward[2] = {table->storage.data(), table->storage.data() + matrix};
    float* const inverse[2] = {forward[0] + 2 * matrix, forward[0] + 3 * matrix};
    float* const diagonal = forward[0] + 4 * matrix;
    for (int half = 0; half < 2; ++half) {
        const int count = half == 0 ? table->symmetric : table->antisymmetric;
        for (int i = 0; i < count; ++i) {
            const int64_t k = 2 * i + half;
            for (int64_t j = 0; j < table->padded; ++j) {
                const float value = sine[(j + 1) * (k + 1) % period];
                if (j < table->symmetric) forward[half][j * table->padded + i] = scale * value;
                inverse[half][static_cast<int64_t>(i) * table->padded + j] = value;
            }
            const double root =
                std::sin(kPi * static_cast<double>(k + 1) / static_cast<double>(period));
            diagonal[half * table->padded + i] = static_cast<float>(2 + 4 * root * root);
        }
        // The solver runs over the padding too; any diagonal that stays finite will do.
        for (int i = count; i < table->padded; ++i) diagonal[half * table->padded + i] = 4.0f;
    }
    table->forward_symmetric = forward[0];
    table->forward_antisymmetric = forward[1];
    table->inverse_symmetric = inverse[0];
    table->inverse_antisymmetric = inverse[1];
    table->diagonal = diagonal;
    return table;
}

}  // namespace

std::shared_ptr<const SineTable> sine_table(int n) {
    if (n > kLongestKept) return make(n);
    static std::shared_ptr<const SineTable> kept[kLongestKept + 1];
    static std::once_flag made[kLongestKept + 1];
    std::call_once(made[n], [n] { kept[n] = make(n); });
    return kept[n];
}

}  // namespace nsa
