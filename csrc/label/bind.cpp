// Binding of the labels; nsa.label checks the images, this file the plan, which kernels index with.
#include "bind.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <string>
#include <vector>

#include "errors.h"
#include "label/label.h"
#include "parallel.h"

namespace py = pybind11;

namespace {

template <typename Element>
using Array = py::array_t<Element, py::array::c_style>;

[[noreturn]] void reject(int64_t row, const char* why) {
    throw nsa::InputError("plan: row " + std::to_string(row) + " " + why + ".");
}

void check_rows(const Array<int32_t>& rows, int64_t mask_bytes, int64_t images, int64_t height,
                int64_t width) {
    for (int64_t index = 0; index < rows.shape(0); ++index) {
        const int32_t* const row = rows.data(index, 0);
        if (row[nsa::kImage] < 0 || row[nsa::kImage] >= images) {
            reject(index, "names an image outside the batch");
        }
        if (row[nsa::kWidth] < 1 || row[nsa::kHeight] < 1 || row[nsa::kDstX] < 0 ||
            row[nsa::kDstY] < 0 || row[nsa::kWidth] > width - row[nsa::kDstX] ||
            row[nsa::kHeight] > height - row[nsa::kDstY]) {
            reject(index, "has a destination box that leaves the image");
        }
        const int64_t area = static_cast<int64_t>(row[nsa::kWidth]) * row[nsa::kHeight];
        if (row[nsa::kLabelMask] >= 0 && row[nsa::kLabelMask] > mask_bytes - area) {
            reject(index, "has a label mask that leaves plan.masks");
        }
    }
}

// What a label pixel holds for every disk median of the sum over channels.
std::vector<float> label_table(nsa::LabelKind kind, int channels, double midpoint,
                               double steepness) {
    std::vector<float> table;
    for (int sum = 0; sum <= 255 * channels; ++sum) {
        const double mean = static_cast<double>(sum) / channels;
        table.push_back(static_cast<float>(kind == nsa::LabelKind::kLogistic
                                               ? 1 / (1 + std::exp(-steepness * (mean - midpoint)))
                                               : mean));
    }
    return table;
}

struct Rows {
    std::vector<int32_t> indices;  // image after image, in order of round
    std::vector<size_t> first;     // of every image, and the end
};

Rows rows_by_image(const Array<int32_t>& rows, int64_t images) {
    Rows sorted{std::vector<int32_t>(static_cast<size_t>(rows.shape(0))),
                std::vector<size_t>(static_cast<size_t>(images) + 1)};
    for (int64_t row = 0; row < rows.shape(0); ++row) ++sorted.first[*rows.data(row, 0) + 1];
    for (int64_t image = 0; image < images; ++image) sorted.first[image + 1] += sorted.first[image];
    std::vector<size_t> next(sorted.first);
    for (int64_t row = 0; row < rows.shape(0); ++row) {
        sorted.indices[next[*rows.data(row, 0)]++] = static_cast<int32_t>(row);
    }
    return sorted;
}

// original, blended (N, H, W, C) uint8; rows (P, 19) int32, factors (P) float32, masks (M) uint8:
// the plan; labels (N, H, W) float32, written.
void label(const Array<uint8_t>& original, const Array<uint8_t>& blended,
           const Array<int32_t>& rows, const Array<float>& factors, const Array<uint8_t>& masks,
           int kind_index, bool overwrite, double midpoint, double steepness, Array<float>& labels,
           int threads) {
    if (original.ndim() != 4 || (original.shape(3) != 1 && original.shape(3) != 3)) {
        throw nsa::InputError("original must have the shape (N, H, W, C) with C 1 or 3.");
    }
    if (blended.ndim() != 4 ||
        !std::equal(original.shape(), original.shape() + 4, blended.shape())) {
        throw nsa::InputError("blended must have the shape of original.");
    }
    if (labels.ndim() != 3 || !std::equal(labels.shape(), labels.shape() + 3, original.shape())) {
        throw nsa::InputError("labels must have the shape (N, H, W) of the images.");
    }
    if (rows.ndim() != 2 || rows.shape(1) != nsa::kPlanColumns || factors.ndim() != 1 ||
        factors.shape(0) != rows.shape(0) || masks.ndim() != 1) {
        throw nsa::InputError("plan must hold rows (P, 19), factors (P,) and masks (M,).");
    }
    const int64_t count = original.shape(0);
    const auto height = static_cast<int>(original.shape(1));
    const auto width = static_cast<int>(original.shape(2));
    const auto channels = static_cast<int>(original.shape(3));
    check_rows(rows, masks.shape(0), count, height, width);

    const auto kind = static_cast<nsa::LabelKind>(kind_index);
    const std::vector<float> table = label_table(kind, channels, midpoint, steepness);
    auto limit = static_cast<int>(table.size()) - 1;
    while (limit > 0 && table[limit - 1] == table[limit]) --limit;
    const nsa::LabelRule rule{kind, overwrite, table.data(), limit};
    const nsa::PlanView plan{rows.data(), factors.data(), masks.data(), rows.shape(0)};
    const uint8_t* const before = original.data();
    const uint8_t* const after = blended.data();
    float* const out = labels.mutable_data();
    if (count == 0) return;

    const Rows sorted = rows_by_image(rows, count);
    const py::gil_scoped_release release;
    const int64_t pixels = static_cast<int64_t>(height) * width;
    const auto bytes = static_cast<size_t>(NSA_PICK(label_scratch_bytes)(height, width));
    std::vector<std::vector<uint8_t>> scratch(std::max(threads, 1));
    nsa::parallel_for(count, threads, [&](int64_t index, int worker) {
        scratch[worker].resize(bytes);
        const int64_t offset = index * pixels;
        const size_t first = sorted.first[index];
        NSA_PICK(label_image)
        ({before + offset * channels, after + offset * channels, height, width, channels,
          out + offset},
         {plan, sorted.indices.data() + first, static_cast<int>(sorted.first[index + 1] - first)},
         rule, scratch[worker].data());
    });
}

}  // namespace

void bind_label(py::module_& module) {
    module.def("label_cpu", &label, py::arg("original").noconvert(), py::arg("blended").noconvert(),
               py::arg("rows").noconvert(), py::arg("factors").noconvert(),
               py::arg("masks").noconvert(), py::arg("kind"), py::arg("overwrite"),
               py::arg("midpoint"), py::arg("steepness"), py::arg("labels").noconvert(),
               py::arg("threads"));
}
