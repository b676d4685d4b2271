#include "blend/compose.h"
#include "blend/guidance.h"
#include "blend/poisson.h"
#include "blend/poisson_layout.h"
#include "blend/transform.h"
#include "simd.h"

namespace nsa {
namespace NSA_ISA {
namespace {

template <int kChannels>
void transpose(Pixels from, int width, int height, uint8_t* to) {
    for (int y = 0; y < height; ++y) {
        const uint8_t* in = from.data + y * from.stride;
        uint8_t* out = to + static_cast<int64_t>(y) * kChannels;
        for (int x = 0; x < width; ++x) {
            for (int c = 0; c < kChannels; ++c) out[c] = in[x * kChannels + c];
            out += static_cast<int64_t>(height) * kChannels;
        }
    }
}

template <int kChannels, bool kMixed, bool kMasked>
class Solver {
  public:
    Solver(const PoissonTask& task, const PoissonLayout& layout, const SineTable& table,
           uint8_t* workspace)
        : task_(task),
          layout_(layout),
          table_(table),
          spectrum_(reinterpret_cast<float*>(workspace + layout.spectrum)),
          pivots_(reinterpret_cast<float*>(workspace + layout.pivots)),
          symmetric_(reinterpret_cast<float*>(workspace + layout.panels)),
          antisymmetric_(symmetric_ + (table.symmetric + 1) * kPanel),
          planar_(reinterpret_cast<float*>(workspace + layout.planar) + kSlack),
          in_x_(reinterpret_cast<int16_t*>(workspace + layout.guidance)),
          in_y_{in_x_ + row(), in_x_ + 2 * row()},
          divergence_(reinterpret_cast<float*>(workspace + layout.divergence)),
          weights_{reinterpret_cast<float*>(workspace + layout.weights),
                   reinterpret_cast<float*>(workspace + layout.weights) + row()},
          eroded_(workspace + layout.eroded) {}

    void run() {
        start();
        // The erosion leaves the first two and the last row of the interior without divergence.
        const int last = layout_.m - 1;
        int y = 2;
        for (; y < last; y += kRows) {
            for (int r = 0; r < kRows; ++r) {
                if (y + r < last) guide(y + r + 1);
                fold(r, y + r < last);
            }
            transform(y);
            for (int r = 0; r < kRows && y + r <= last; ++r) eliminate(y + r);
        }
        for (; y <= last; ++y) {
            std::memset(spectrum(y), 0, sizeof(float) * kChannels * lanes());
            eliminate(y);
        }
        std::memset(spectrum(last + 1), 0, sizeof(float) * kChannels * lanes() * kRows);

        for (int top = last / kRows * kRows; top >= 0; top -= kRows) {
            const int rows = last + 1 - top < kRows ? last + 1 - top : kRows;
            for (int r = rows - 1; r >= 0; --r) {
                if (top + r < last) substitute(top + r);
            }
            inverse(spectrum(top), table_, planar_, layout_.planar_stride);
            for (int r = 0; r < rows; ++r) write(top + r + 1, r);
        }
    }

  private:
    static constexpr int kRows = kSignals / kChannels;

    int row() const { return layout_.width * kChannels; }
    int lanes() const { return 2 * layout_.padded; }
    float* spectrum(int y) { return spectrum_ + static_cast<int64_t>(y) * kChannels * lanes(); }

    void start() {
        const size_t row_bytes = static_cast<size_t>(row());
        std::memset(in_x_, 0, 3 * row_bytes * sizeof(int16_t));
        std::memset(divergence_, 0, (row_bytes + kSlack) * sizeof(float));
        if (kMasked) {
            const int64_t area = static_cast<int64_t>(layout_.width) * layout_.height;
            erode(task_.mask, layout_.width, layout_.height, eroded_, eroded_ + area);
            std::memset(weights_[0], 0, 2 * row_bytes * sizeof(float));
        }
        std::memset(spectrum_, 0, sizeof(float) * kChannels * lanes() * 2);
        eliminate(0);
        eliminate(1);
    }

    // Divergence of row y of the box into divergence_, whose element 0 is the interior's first.
    void guide(int y) {
        const int first = 3 * kChannels;
        const int count = row() - 2 * first;
        const int16_t* const above = in_y_[0];
        const float* const above_weight = weights_[0];
        int16_t* const below = in_y_[1];
        float* const weight = weights_[1];
        if (y < layout_.height - 3) {
            const uint8_t* source = task_.source.data + y * task_.source.stride + first;
            const uint8_t* destination = task_.destination + y * task_.destination_stride + first;
            guidance_row<kMixed>(source, source + task_.source.stride, destination,
                                 destination + task_.destination_stride, kChannels, count,
                                 in_x_ + first, below + first);
            if (kMasked) {
                weight_row(eroded_ + static_cast<int64_t>(y) * layout_.width, layout_.width,
                           kChannels, task_.mask_unit, weight);
            }
        } else {
            std::memset(in_x_, 0, sizeof(int16_t) * row());
            std::memset(below, 0, sizeof(int16_t) * row());
        }
        float* const out = divergence_ + first - kChannels;
        if (kMasked) {
            divergence_row(in_x_ + first, below + first, above + first, weight + first,
                           above_weight + first, kChannels, count + kChannels, out);
        } else {
            divergence_row(in_x_ + first, below + first, above + first, kChannels,
                           count + kChannels, task_.mask_unit, out);
        }
        in_y_[1] = in_y_[0];
        in_y_[0] = below;
        weights_[1] = weights_[0];
        weights_[0] = weight;
    }

    // Sums and differences of the divergence's mirror images, as the panels' signals of row r.
    void fold(int r, bool filled) {
        float* sum = symmetric_ + r * kChannels;
        float* difference = antisymmetric_ + r * kChannels;
        if (!filled) {
            for (int j = 0; j < table_.symmetric; ++j, sum += kPanel, difference += kPanel) {
                for (int c = 0; c < kChannels; ++c) sum[c] = difference[c] = 0.0f;
            }
            return;
        }
        const float* left = divergence_;
        const float* right = divergence_ + (layout_.n - 1) * kChannels;
        for (int j = 0; j < table_.antisymmetric; ++j) {
#if defined(NSA_VECTORS)
            if (kChannels == 3) {
                // The fourth lane falls on the next row's signals, which are written later, or on
                // the panel's slack.
                const Floats4 a = load<Floats4>(left);
                const Floats4 b = load<Floats4>(right);
                store(sum, a + b);
                store(difference, a - b);
            } else
#endif
                for (int c = 0; c < kChannels; ++c) {
                    sum[c] = left[c] + right[c];
                    difference[c] = left[c] - right[c];
                }
            left += kChannels;
            right -= kChannels;
            sum += kPanel;
            difference += kPanel;
        }
        if (table_.symmetric > table_.antisymmetric) {
            for (int c = 0; c < kChannels; ++c) sum[c] = left[c];
        }
    }

    void transform(int y) {
        const int columns = layout_.padded;
        forward_half(symmetric_, table_.symmetric, table_.forward_symmetric, columns, spectrum(y),
                     lanes());
        forward_half(antisymmetric_, table_.antisymmetric, table_.forward_antisymmetric, columns,
                     spectrum(y) + columns, lanes());
    }

    // Forward elimination of row y: spectrum[y] = (spectrum[y-1] - spectrum[y]) * pivot[y]. Rows
    // are padded to whole vectors.
    void eliminate(int y) {
        const int count = lanes();
        float* const NSA_RESTRICT pivot = pivots_ + static_cast<int64_t>(y) * count;
        const float* const diagonal = table_.diagonal;
        if (y == 0) {
            for (int k = 0; k < count; ++k) pivot[k] = 1.0f / diagonal[k];
            return;
        }
        const float* const above_pivot = pivot - count;
        float* const NSA_RESTRICT here = spectrum(y);
        const float* const above = spectrum(y - 1);
        for (int k = 0; k < count; k += kLanes) {
            const Floats scale =
                1.0f / (load<Floats>(diagonal + k) - load<Floats>(above_pivot + k));
            store(pivot + k, scale);
            for (int i = k; i < kChannels * count; i += count) {
                store(here + i, (load<Floats>(above + i) - load<Floats>(here + i)) * scale);
            }
        }
    }

    // Back substitution of row y: spectrum[y] += pivot[y] * spectrum[y+1].
    void substitute(int y) {
        const int count = lanes();
        const float* const pivot = pivots_ + static_cast<int64_t>(y) * count;
        float* const NSA_RESTRICT here = spectrum(y);
        const float* const below = spectrum(y + 1);
        for (int k = 0; k < count; k += kLanes) {
            const Floats scale = load<Floats>(pivot + k);
            for (int i = k; i < kChannels * count; i += count) {
                store(here + i, load<Floats>(here + i) + scale * load<Floats>(below + i));
            }
        }
    }

    void write(int y, int r) {
        uint8_t* const destination = task_.destination + y * task_.destination_stride + kChannels;
        add_row<kChannels>(planar_ + r * kChannels * layout_.planar_stride, layout_.planar_stride,
                           layout_.n, destination);
    }

    const PoissonTask& task_;
    const PoissonLayout& layout_;
    const SineTable& table_;
    float* const spectrum_;
    float* const pivots_;
    float* const symmetric_;
    float* const antisymmetric_;
    float* const planar_;
    int16_t* const in_x_;
    int16_t* in_y_[2];  // of the row above, of this row
    float* const divergence_;
    float* weights_[2];
    uint8_t* const eroded_;
};

template <int kChannels>
void solve(const PoissonTask& task, const SineTable& table, uint8_t* workspace) {
    const bool masked = task.mask.data != nullptr;
    const bool transposed = poisson_transposes(task.width, task.height);
    const PoissonLayout layout(task.width, task.height, kChannels, transposed, masked);
    PoissonTask upright = task;
    if (transposed) {
        uint8_t* const source = workspace + layout.transposed;
        const int64_t stride = static_cast<int64_t>(task.height) * kChannels;
        const int64_t area = stride * task.width;
        transpose<kChannels>(task.source, task.width, task.height, source);
        transpose<kChannels>({task.destination, task.destination_stride}, task.width, task.height,
                             source + area);
        upright.source = {source, stride};
        upright.destination = source + area;
        upright.destination_stride = stride;
        if (masked) {
            transpose<1>(task.mask, task.width, task.height, source + 2 * area);
            upright.mask = {source + 2 * area, task.height};
        }
    }
    if (masked) {
        if (task.mixed) {
            Solver<kChannels, true, true>(upright, layout, table, workspace).run();
        } else {
            Solver<kChannels, false, true>(upright, layout, table, workspace).run();
        }
    } else if (task.mixed) {
        Solver<kChannels, true, false>(upright, layout, table, workspace).run();
    } else {
        Solver<kChannels, false, false>(upright, layout, table, workspace).run();
    }
    if (transposed) {
        const Pixels result{upright.destination, upright.destination_stride};
        for (int y = 0; y < task.height; ++y) {
            uint8_t* const out = task.destination + y * task.destination_stride;
            for (int x = 0; x < task.width; ++x) {
                const uint8_t* const in = result.data + x * result.stride + y * kChannels;
                for (int c = 0; c < kChannels; ++c) out[x * kChannels + c] = in[c];
            }
        }
    }
}

}  // namespace

void poisson(const PoissonTask& task, const SineTable& table, uint8_t* workspace) {
    if (task.channels == 3) {
        solve<3>(task, table, workspace);
    } else {
        solve<1>(task, table, workspace);
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
