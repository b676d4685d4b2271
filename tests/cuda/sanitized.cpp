// Runs the kernels' code on random plans; test_sanitized.py compiles it with AddressSanitizer and
// UndefinedBehaviorSanitizer. Prints how many patches it ran.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "blend/batch_block.h"
#include "emulation/emulate.h"

namespace {

std::mt19937 engine(7);

int between(int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(engine);
}

// Exactly sized, so that one byte beyond the images is an error.
std::vector<uint8_t> noise(size_t bytes) {
    std::vector<uint8_t> values(bytes);
    for (uint8_t& value : values) value = static_cast<uint8_t>(between(0, 255));
    return values;
}

struct Case {
    int count, height, width, channels, source_height, source_width;
    std::vector<int32_t> rows;
    std::vector<float> factors;
    std::vector<uint8_t> masks;

    nsa::PlanView plan() const {
        return {rows.data(), factors.data(), masks.data(), static_cast<int64_t>(factors.size())};
    }
};

void add_row(Case& made, int image, int round, int width, int height) {
    const int source_width = between(1, made.source_width);
    const int source_height = between(1, made.source_height);
    const int inner_width = between(1, width), inner_height = between(1, height);
    const auto start = [&](int outer, int inner) { return between(0, outer - inner); };
    int offsets[2] = {-1, -1};
    for (int& offset : offsets) {
        if (between(0, 1) == 0) continue;
        offset = static_cast<int>(made.masks.size());
        for (int i = 0; i < width * height; ++i) {
            made.masks.push_back(static_cast<uint8_t>(between(0, 200) > 0));
        }
    }
    const int32_t row[nsa::kPlanColumns] = {image,
                                            between(0, made.count - 1),
                                            start(made.source_width, source_width),
                                            start(made.source_height, source_height),
                                            source_width,
                                            source_height,
                                            width,
                                            height,
                                            start(made.width, width),
                                            start(made.height, height),
                                            start(width, inner_width),
                                            start(height, inner_height),
                                            inner_width,
                                            inner_height,
                                            start(made.width, inner_width),
                                            start(made.height, inner_height),
                                            offsets[0],
                                            offsets[1],
                                            round};
    made.rows.insert(made.rows.end(), row, row + nsa::kPlanColumns);
    made.factors.push_back(static_cast<float>(between(1, 100)) / 100.0f);
}

Case random_case(int most) {
    Case made{3,
              between(1, most),
              between(1, most),
              between(0, 1) == 0 ? 1 : 3,
              between(1, most),
              between(1, most),
              {},
              {},
              {}};
    for (int round = 0; round < 3; ++round) {
        for (int image = 0; image < made.count; ++image) {
            if (between(0, 4) == 0) continue;
            add_row(made, image, round, between(1, made.width), between(1, made.height));
        }
    }
    return made;
}

int run(const Case& made, int trial) {
    const size_t pixels = static_cast<size_t>(made.count) * made.height * made.width;
    const auto images = noise(pixels * made.channels);
    const auto sources = noise(static_cast<size_t>(made.count) * made.source_height *
                               made.source_width * made.channels);
    const nsa::ImagesView to{images.data(), made.count, made.height, made.width, made.channels};
    const nsa::ImagesView from{sources.data(), made.count, made.source_height, made.source_width,
                               made.channels};
    const auto mask_bytes = static_cast<int64_t>(made.masks.size());
    std::vector<uint8_t> out(images.size());
    for (int mode = 0; mode < 4; ++mode) {
        const size_t limit = trial % 2 == 0 ? SIZE_MAX : 4096;
        nsa::emulate_blend(to, from, made.plan(), mask_bytes, static_cast<nsa::Blend>(mode), 0.0f,
                           limit, {64, static_cast<uint32_t>(trial)}, out.data());
    }
    std::vector<float> table(255 * made.channels + 1), labels(pixels);
    const nsa::ImagesView after{out.data(), made.count, made.height, made.width, made.channels};
    for (int kind = 0; kind < 4; ++kind) {
        nsa::emulate_label(to, after, made.plan(), mask_bytes,
                           {static_cast<nsa::LabelKind>(kind), trial % 2 == 0, table.data(),
                            static_cast<int>(table.size()) - 1},
                           {0, static_cast<uint32_t>(trial)}, labels.data());
    }
    std::vector<uint8_t> masks(pixels);
    nsa::emulate_object_mask({images.data(), made.height, made.width, made.channels, 100,
                              trial % 3 == 0 ? -1 : 90, masks.data()},
                             made.count, {0, static_cast<uint32_t>(trial)});
    const nsa::View view{0.8, 0.6, made.count - 1, 0, 0, trial % 2, 0};
    std::vector<uint8_t> crop(static_cast<size_t>(made.height) * made.width * made.channels);
    nsa::emulate_augment({images.data(), made.height, made.width, made.channels, &view, made.height,
                          made.width, crop.data()},
                         1, {32, static_cast<uint32_t>(trial)});
    // Whole vectors, so that their memory is aligned; the values end anywhere.
    std::vector<nsa::Float4> in(images.size() / 16 + 1), normal(images.size() / 4 + 1);
    std::copy(images.begin(), images.end(), reinterpret_cast<uint8_t*>(in.data()));
    for (const bool half : {false, true}) {
        nsa::emulate_normalise({reinterpret_cast<const uint8_t*>(in.data()),
                                static_cast<int64_t>(images.size()),
                                made.channels,
                                {0.1f, 0.2f, 0.3f},
                                {1.0f, 2.0f, 3.0f},
                                half,
                                normal.data()},
                               {32, static_cast<uint32_t>(trial)});
    }
    return static_cast<int>(made.factors.size());
}

}  // namespace

int main() {
    int patches = 0;
    for (int trial = 0; trial < 24; ++trial)
        patches += run(random_case(trial < 16 ? 40 : 150), trial);
    // The first side without a kept sine matrix.
    Case large{1, 258, 256, 1, 30, 30, {}, {}, {}};
    add_row(large, 0, 0, 256, 258);
    for (const int column : {nsa::kRoiX, nsa::kRoiY, nsa::kPlaceX, nsa::kPlaceY}) {
        large.rows[column] = 0;
    }
    large.rows[nsa::kRoiW] = 256;
    large.rows[nsa::kRoiH] = 258;
    patches += run(large, 1);
    std::printf("%d patches\n", patches);
    return 0;
}
