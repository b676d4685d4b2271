// Launches the kernels on random plans; test_sanitized.py compiles it with the shim,
// AddressSanitizer and UndefinedBehaviorSanitizer. Prints how many patches it ran.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <random>
#include <vector>

#include "blend/batch_cuda.h"
#include "blend/sine_pack.h"
#include "device/schedule.h"
#include "image/image_cuda.h"
#include "label/kinds.h"
#include "label/label_cuda.h"
#include "runtime.h"

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
                                            round,
                                            between(0, nsa::kPlanModes - 1)};
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

// A packed plan as the kernels find it in device memory.
class PackedPlan {
  public:
    PackedPlan(nsa::Schedule made, const Case& of)
        : schedule(std::move(made)),
          layout(of.plan().patches, of.count, static_cast<int64_t>(of.masks.size())),
          bytes_(static_cast<size_t>(layout.bytes)) {
        nsa::pack_plan(of.plan(), schedule, of.count, static_cast<int64_t>(of.masks.size()), layout,
                       bytes_.data());
    }

    template <typename Element>
    const Element* at(int64_t offset) const {
        return reinterpret_cast<const Element*>(bytes_.data() + offset);
    }

    const nsa::Schedule schedule;
    const nsa::PackedLayout layout;

  private:
    std::vector<uint8_t> bytes_;
};

std::vector<uint8_t> blend(const Case& made, const nsa::ImagesView& to, const nsa::ImagesView& from,
                           nsa::Blend mode) {
    const PackedPlan packed(nsa::make_schedule(made.plan(), static_cast<int64_t>(made.masks.size()),
                                               to, from, mode, nsa::device_limits(), 0),
                            made);
    const nsa::PackedSines& sines = nsa::packed_sines();
    std::vector<uint8_t> out(to.data, to.data + to.count * to.bytes());
    nsa::BlendBatch batch{};
    batch.images = out.data();
    batch.count = to.count;
    batch.height = to.height;
    batch.width = to.width;
    batch.sources = from.data;
    batch.source_height = from.height;
    batch.source_width = from.width;
    batch.channels = to.channels;
    batch.rows = packed.at<int32_t>(packed.layout.rows);
    batch.factors = packed.at<float>(packed.layout.factors);
    batch.masks = packed.at<uint8_t>(packed.layout.masks);
    batch.order = packed.at<int32_t>(packed.layout.order);
    batch.image_first = packed.at<int32_t>(packed.layout.image_first);
    batch.image_rows = packed.at<int32_t>(packed.layout.image_rows);
    batch.mode = mode;
    batch.tables = {sines.starts.data(), sines.values.data(), sines.decays.data()};
    constexpr int kSlices = 2;
    std::vector<uint8_t> workspace(kSlices * packed.schedule.workspace);
    nsa::launch_blend(batch, packed.schedule, workspace.data(), kSlices, nullptr);
    return out;
}

void label(const Case& made, const nsa::ImagesView& before, const nsa::ImagesView& after,
           const nsa::LabelKind& kind, nsa::Variant variant) {
    const PackedPlan packed(
        nsa::make_label_schedule(made.plan(), static_cast<int64_t>(made.masks.size()), before),
        made);
    std::vector<float> table(255 * before.channels + 1);
    std::vector<float> labels(static_cast<size_t>(before.count) * before.height * before.width);
    nsa::LabelBatch batch{};
    batch.original = before.data;
    batch.blended = after.data;
    batch.height = before.height;
    batch.width = before.width;
    batch.channels = before.channels;
    batch.rows = packed.at<int32_t>(packed.layout.rows);
    batch.factors = packed.at<float>(packed.layout.factors);
    batch.masks = packed.at<uint8_t>(packed.layout.masks);
    batch.image_first = packed.at<int32_t>(packed.layout.image_first);
    batch.image_rows = packed.at<int32_t>(packed.layout.image_rows);
    batch.source = kind.source;
    batch.within_mask = kind.within_mask;
    batch.variant = variant;
    batch.table = table.data();
    batch.labels = labels.data();
    nsa::launch_label(batch, before.count, nullptr);
}

void other_kernels(const Case& made, const std::vector<uint8_t>& images, int trial) {
    std::vector<uint8_t> masks(static_cast<size_t>(made.count) * made.height * made.width);
    nsa::launch_object_mask({images.data(), made.height, made.width, made.channels, 100,
                             trial % 3 == 0 ? -1 : 90, masks.data()},
                            made.count, nullptr);
    const nsa::View view{0.8, 0.6, made.count - 1, 0, 0, trial % 2, 0};
    std::vector<uint8_t> crop(static_cast<size_t>(made.height) * made.width * made.channels);
    nsa::launch_augment({images.data(), made.height, made.width, made.channels, &view, made.height,
                         made.width, crop.data()},
                        1, nullptr);
    const nsa::Light light{{2000, 2100, 2200}, {1 << 19, 0, -(1 << 19)},     {6144, 4096, 1024},
                           trial % 3 * 9000,   static_cast<uint32_t>(trial), 0};
    const std::vector<nsa::Light> lights(static_cast<size_t>(made.count), light);
    std::vector<uint8_t> lit(images.size());
    nsa::launch_relight(
        {images.data(), made.height, made.width, made.channels, lights.data(), lit.data()},
        made.count, nullptr);
    // As PyTorch's, this memory begins at a multiple of 16 bytes.
    std::vector<float> normal(images.size());
    std::vector<uint16_t> half(images.size());
    for (const bool is_half : {false, true}) {
        nsa::launch_normalise({images.data(),
                               static_cast<int64_t>(images.size()),
                               made.channels,
                               {0.1f, 0.2f, 0.3f},
                               {1.0f, 2.0f, 3.0f},
                               is_half,
                               is_half ? static_cast<void*>(half.data()) : normal.data()},
                              nullptr);
        const int rows = (made.height + 1) / 2 + 3, columns = (made.width + 1) / 2 + 3;
        const auto values = size_t{4} * made.count * rows * columns * (made.channels + 1);
        std::vector<float> blocks(is_half ? 0 : values);
        std::vector<uint16_t> half_blocks(is_half ? values : 0);
        nsa::launch_normalise_in_blocks(
            {images.data(),
             made.height,
             made.width,
             made.channels,
             {0.1f, 0.2f, 0.3f},
             {1.0f, 2.0f, 3.0f},
             is_half,
             rows,
             columns,
             is_half ? static_cast<void*>(half_blocks.data()) : blocks.data()},
            made.count, nullptr);
    }
}

int run(const Case& made, int trial) {
    const auto images =
        noise(static_cast<size_t>(made.count) * made.height * made.width * made.channels);
    const auto sources = noise(static_cast<size_t>(made.count) * made.source_height *
                               made.source_width * made.channels);
    const nsa::ImagesView to{images.data(), made.count, made.height, made.width, made.channels};
    const nsa::ImagesView from{sources.data(), made.count, made.source_height, made.source_width,
                               made.channels};
    const size_t limits[] = {232448, 4096, 64};
    shim::reset(trial % 5 * 40 + 1, limits[trial % 3], static_cast<uint32_t>(trial));
    std::vector<uint8_t> out;
    for (size_t mode = 0; mode < std::size(nsa::Names<nsa::Blend>::kAll); ++mode) {
        out = blend(made, to, from, static_cast<nsa::Blend>(mode));
    }
    const nsa::ImagesView after{out.data(), made.count, made.height, made.width, made.channels};
    for (const char* kind : nsa::label_kinds()) {
        label(made, to, after, nsa::label_kind(kind),
              trial % 2 == 0 ? nsa::Variant::kReleased : nsa::Variant::kPaper);
    }
    other_kernels(made, images, trial);
    return static_cast<int>(made.factors.size());
}

}  // namespace

// Takes a seed and how many plans are drawn, or neither.
int main(int count, char** arguments) {
    const int trials = count > 2 ? std::atoi(arguments[2]) : 24;
    if (count > 1) engine.seed(static_cast<uint32_t>(std::atoi(arguments[1])));
    int patches = 0;
    for (int trial = 0; trial < trials; ++trial) {
        patches += run(random_case(trial % 24 < 16 ? 40 : 150), trial);
    }
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
