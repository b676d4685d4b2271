// The right-hand side of a box's Poisson equation: staging of the pixels, erosion of the mask and
// divergence of the guidance field, folded for the sine transform.
//
// With u = destination + c, the correction c vanishes on the outermost ring of the box and
//     laplace(c) = div(weight * (guidance - grad destination)),
// forward differences for the gradient, backward ones for the divergence. Up to the weight of a
// whole unit all of it is integers, so the order of sums does not matter.
#pragma once

#include "blend/box_block.h"
#include "blend/resize_block.h"

namespace nsa {

constexpr int kFlatRun = 8;  // rows of a flat box that one thread walks

struct Flux {
    int x;
    int y;
};

// Weighted difference of the guidance field and the destination's gradient, of one channel.
class FluxField {
  public:
    NSA_DEVICE FluxField(const BoxTask& box, const BoxMemory& memory, int channel)
        : pixels_(memory.pixels + channel * box.width * box.height),
          weights_(box.mask ? memory.weights : nullptr),
          width_(box.width),
          height_(box.height),
          mixed_(box.mixed) {}

    // At (x, y), which is neither in the last row nor in the last column.
    NSA_DEVICE Flux at(int x, int y) const {
        const uint16_t* const here = pixels_ + y * width_ + x;
        const int own = here[0] & 255, own_x = (here[1] & 255) - own,
                  own_y = (here[width_] & 255) - own;
        const int source = here[0] >> 8, source_x = (here[1] >> 8) - source,
                  source_y = (here[width_] >> 8) - source;
        int weight = weight_at(x, y);
        // OpenCV compares the differences of the components, not the magnitudes; a tie keeps ours.
        if (mixed_ && abs(source_x - source_y) <= abs(own_x - own_y)) weight = 0;
        return {weight * (source_x - own_x), weight * (source_y - own_y)};
    }

  private:
    NSA_DEVICE int weight_at(int x, int y) const {
        if (weights_) return weights_[y * width_ + x];
        // The 7x7 erosion of a full box.
        return x >= 3 && y >= 3 && x < width_ - 3 && y < height_ - 3;
    }

    const uint16_t* pixels_;
    const uint8_t* weights_;
    int width_;
    int height_;
    bool mixed_;
};

// Divergences down or up one column of pixels: what a pixel shares with the next one is kept.
class DivergenceWalk {
  public:
    NSA_DEVICE DivergenceWalk(const FluxField& field, int x, int y)
        : field_(field), x_(x), y_(y), above_(field.at(x, y - 1)), here_(field.at(x, y)) {}

    NSA_DEVICE int value() const { return here_.x + here_.y - field_.at(x_ - 1, y_).x - above_.y; }
    NSA_DEVICE void down() {
        above_ = here_;
        here_ = field_.at(x_, ++y_);
    }
    NSA_DEVICE void up() {
        here_ = above_;
        above_ = field_.at(x_, --y_ - 1);
    }

  private:
    const FluxField& field_;
    int x_;
    int y_;
    Flux above_;
    Flux here_;
};

// The divergences of up to four pixels down from (x, y), then zeros.
NSA_DEVICE int4 four_divergences(const FluxField& field, int x, int y, int pixels) {
    DivergenceWalk walk(field, x, y);
    int values[4] = {walk.value(), 0, 0, 0};
    NSA_UNROLL
    for (int k = 1; k < 4; ++k) {
        if (k >= pixels) break;
        walk.down();
        values[k] = walk.value();
    }
    return {values[0], values[1], values[2], values[3]};
}

// Rows of the mask, eroded along x, of the box's size.
NSA_DEVICE void erode_rows(const BoxTask& box, int rank, int size, uint8_t* rows) {
    for (GridWalk at(rank, size, box.width); at.line < box.height; at.next()) {
        const int x = at.column, y = at.line;
        int least = 0;
        if (x >= 3 && x < box.width - 3) {
            const uint8_t* const mask = box.mask + static_cast<int64_t>(y) * box.patch_width;
            least = 255;
            for (int i = -3; i <= 3; ++i) least = min(least, static_cast<int>(mask[x + i]));
        }
        rows[y * box.width + x] = static_cast<uint8_t>(least);
    }
}

// The rows eroded along y.
NSA_DEVICE void erode_columns(const BoxTask& box, int rank, int size, const uint8_t* rows,
                              uint8_t* weights) {
    for (GridWalk at(rank, size, box.width); at.line < box.height; at.next()) {
        const int x = at.column, y = at.line;
        int least = 0;
        if (y >= 3 && y < box.height - 3) {
            least = 255;
            for (int i = -3; i <= 3; ++i) {
                least = min(least, static_cast<int>(rows[(y + i) * box.width + x]));
            }
        }
        weights[y * box.width + x] = static_cast<uint8_t>(least);
    }
}

// Reads the pixels of the box and, with a mask, erodes it.
template <int kChannels>
NSA_DEVICE void stage_pixels(const ThreadBlock& block, const BoxTask& box,
                             const BoxMemory& memory) {
    block.phase([&](int rank) {
        for (int i = rank; i < box.width + box.height; i += block.size()) {
            memory.taps[i] = box_tap(box, i);
        }
        if (box.mask) erode_rows(box, rank, block.size(), memory.eroded_rows());
    });  // the taps and the rows are complete
    block.phase([&](int rank) {
        constexpr int kInFlight = kChannels == 1 ? 4 : 2;  // pixels that wait for memory together
        const int area = box.width * box.height;
        GridWalk at(rank, block.size(), box.width);
        while (at.line < box.height) {
            int source[kInFlight][kChannels], own[kInFlight][kChannels], index[kInFlight];
            NSA_UNROLL
            for (int i = 0; i < kInFlight; ++i, at.next()) {
                const int x = at.column, y = min(at.line, box.height - 1);
                index[i] = at.line * box.width + x;
                const Tap tap_x = memory.taps[x], tap_y = memory.taps[box.width + y];
                const uint8_t* const pixel =
                    box.destination + y * box.destination_stride + x * box.pixel_bytes;
                NSA_UNROLL
                for (int c = 0; c < kChannels; ++c) {
                    source[i][c] = resized_pixel(box, tap_x, tap_y, c);
                    own[i][c] = pixel[c];
                }
            }
            NSA_UNROLL
            for (int i = 0; i < kInFlight; ++i) {
                if (index[i] >= area) continue;
                NSA_UNROLL
                for (int c = 0; c < kChannels; ++c) {
                    memory.pixels[c * area + index[i]] =
                        static_cast<uint16_t>(source[i][c] << 8 | own[i][c]);
                }
            }
        }
        if (box.mask) {
            erode_columns(box, rank, block.size(), memory.eroded_rows(), memory.weights);
        }
    });  // pixels and weights are complete, and nobody reads the rows in the plane any more
}

// Fills the plane with the divergence folded about the middle of the shorter side: row i holds
// r[i] + r[n-1-i] and row n-1-i holds r[i] - r[n-1-i], for i below n / 2. In both functions x
// varies fastest among threads, so that a warp reads neighbouring pixels, and a thread walks along
// y.
template <int kChannels>
NSA_DEVICE void fold_upright(const BoxTask& box, const BoxLayout& layout, const BoxMemory& memory,
                             int rank, int size) {
    const int half = (layout.n + 1) / 2;
    for (GridWalk at(rank, size, half); at.line < kChannels * layout.quads; at.next()) {
        const int i = at.column, mirror = layout.n - 1 - i;
        const int channel = kChannels == 1 ? 0 : at.line / layout.quads;
        const int first_j = 4 * (at.line - channel * layout.quads);
        const FluxField field(box, memory, channel);
        const int pixels = min(4, layout.m - first_j);
        const int4 one = four_divergences(field, i + 1, first_j + 1, pixels);
        const int4 other = mirror != i ? four_divergences(field, mirror + 1, first_j + 1, pixels)
                                       : int4{0, 0, 0, 0};
        float* const column = memory.plane + 4 * at.line;
        const float unit = box.mask_unit;
        *reinterpret_cast<float4*>(column + i * layout.stride) = {
            unit * static_cast<float>(one.x + other.x), unit * static_cast<float>(one.y + other.y),
            unit * static_cast<float>(one.z + other.z), unit * static_cast<float>(one.w + other.w)};
        if (mirror == i) continue;
        *reinterpret_cast<float4*>(column + mirror * layout.stride) = {
            unit * static_cast<float>(one.x - other.x), unit * static_cast<float>(one.y - other.y),
            unit * static_cast<float>(one.z - other.z), unit * static_cast<float>(one.w - other.w)};
    }
}

template <int kChannels>
NSA_DEVICE void fold_flat(const BoxTask& box, const BoxLayout& layout, const BoxMemory& memory,
                          int rank, int size) {
    const int half = (layout.n + 1) / 2, runs = (half + kFlatRun - 1) / kFlatRun;
    for (GridWalk at(rank, size, 4 * layout.quads); at.line < kChannels * runs; at.next()) {
        const int channel = kChannels == 1 ? 0 : at.line / runs;
        const int first_i = kFlatRun * (at.line - channel * runs);
        const int end_i = min(first_i + kFlatRun, half), j = at.column;
        float* const column = memory.plane + 4 * channel * layout.quads + j;
        if (j >= layout.m) {
            for (int i = first_i; i < end_i; ++i) {
                column[i * layout.stride] = column[(layout.n - 1 - i) * layout.stride] = 0.0f;
            }
            continue;
        }
        const FluxField field(box, memory, channel);
        DivergenceWalk upper(field, j + 1, first_i + 1), lower(field, j + 1, layout.n - first_i);
        for (int i = first_i; i < end_i; ++i) {
            if (i > first_i) {
                upper.down();
                lower.up();
            }
            const int mirror = layout.n - 1 - i;
            const int one = upper.value(), other = mirror != i ? lower.value() : 0;
            column[i * layout.stride] = box.mask_unit * static_cast<float>(one + other);
            if (mirror != i) {
                column[mirror * layout.stride] = box.mask_unit * static_cast<float>(one - other);
            }
        }
    }
}

template <int kChannels>
NSA_DEVICE void build_folded(const ThreadBlock& block, const BoxTask& box, const BoxLayout& layout,
                             const BoxMemory& memory) {
    block.phase([&](int rank) {
        if (layout.upright) {
            fold_upright<kChannels>(box, layout, memory, rank, block.size());
        } else {
            fold_flat<kChannels>(box, layout, memory, rank, block.size());
        }
    });  // the plane is complete
}

}  // namespace nsa
