// Compiled without contraction to fused multiply-adds: sample positions have to round as OpenCV's.
#include "blend/resize.h"

#include <algorithm>
#include <cmath>

#include "blend/workspace.h"

namespace nsa {
namespace {

constexpr float kUnit = 2048.0f;

size_t aligned(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

struct Layout {
    size_t first[2], second[2], weights[2], rows, spread, bytes;

    Layout(int width, int height, int channels) : bytes(0) {
        const size_t counts[2] = {static_cast<size_t>(width), static_cast<size_t>(height)};
        for (int axis = 0; axis < 2; ++axis) {
            first[axis] = take(counts[axis] * sizeof(int32_t));
            second[axis] = take(counts[axis] * sizeof(int32_t));
            weights[axis] = take(counts[axis] * 2 * sizeof(int16_t));
        }
        rows = take(2 * (counts[0] * channels + 4) * sizeof(int16_t));
        spread = take(8 * counts[0] * sizeof(int32_t));
    }

  private:
    size_t take(size_t size) {
        const size_t start = bytes;
        bytes += aligned(size);
        return start;
    }
};

// OpenCV moves samples beyond the first and last column to them, but keeps the weights of rows.
void fill(const ResizeAxis& axis, int input, int output, bool columns) {
    const double scale = 1.0 / (static_cast<double>(output) / input);
    for (int i = 0; i < output; ++i) {
        float part = static_cast<float>((i + 0.5) * scale - 0.5);
        int at = static_cast<int>(std::floor(part));
        part -= static_cast<float>(at);
        if (columns && at < 0) {
            at = 0;
            part = 0.0f;
        }
        if (columns && at >= input - 1) {
            at = input - 1;
            part = 0.0f;
        }
        axis.first[i] = std::clamp(at, 0, input - 1);
        axis.second[i] = std::clamp(at + 1, 0, input - 1);
        axis.weights[2 * i] = static_cast<int16_t>(std::lrint((1.0f - part) * kUnit));
        axis.weights[2 * i + 1] = static_cast<int16_t>(std::lrint(part * kUnit));
    }
}

}  // namespace

size_t resize_workspace(int width, int height, int channels) {
    return Layout(width, height, channels).bytes;
}

void resize(const ResizeTask& task, uint8_t* workspace) {
    if (task.source_width == 2 * task.width && task.source_height == 2 * task.height) {
        NSA_PICK(halve)(task);
        return;
    }
    const Layout layout(task.width, task.height, task.channels);
    ResizeAxis axes[2];
    for (int axis = 0; axis < 2; ++axis) {
        axes[axis] = {reinterpret_cast<int32_t*>(workspace + layout.first[axis]),
                      reinterpret_cast<int32_t*>(workspace + layout.second[axis]),
                      reinterpret_cast<int16_t*>(workspace + layout.weights[axis])};
    }
    fill(axes[0], task.source_width, task.width, true);
    fill(axes[1], task.source_height, task.height, false);
    NSA_PICK(interpolate_rows)
    (task, axes[0], axes[1], reinterpret_cast<int16_t*>(workspace + layout.rows),
     reinterpret_cast<int32_t*>(workspace + layout.spread));
}

void resize_cpu(const ImagesView& images, int width, int height, uint8_t* out) {
    Workspace workspace;
    uint8_t* const scratch = workspace.reserve(resize_workspace(width, height, images.channels));
    const int64_t bytes = int64_t{height} * width * images.channels;
    for (int64_t i = 0; i < images.count; ++i) {
        resize({{images.image(i), int64_t{images.width} * images.channels},
                images.width,
                images.height,
                out + i * bytes,
                width,
                height,
                images.channels},
               scratch);
    }
}

}  // namespace nsa
