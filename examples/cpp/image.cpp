#include "image.h"

#include <stb_image.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace {

constexpr int64_t kOne = 1 << 22;  // weights are whole multiples of its inverse, as in Pillow

// Rows or columns scaled to another number of them.
Image scaled_along(const Image& image, int size, bool rows) {
    const int before = rows ? image.height : image.width, channels = image.channels;
    if (before == size) return image;
    Image result{rows ? size : image.height, rows ? image.width : size, channels, {}};
    result.pixels.resize(static_cast<size_t>(result.height) * result.width * channels);
    const auto place = [&](const Image& of, int along, int across) {
        const int y = rows ? along : across, x = rows ? across : along;
        return (static_cast<size_t>(y) * of.width + x) * channels;
    };
    const double step = static_cast<double>(before) / size, reach = std::max(step, 1.0);
    for (int to = 0; to < size; ++to) {
        const double centre = (to + 0.5) * step;
        const int first = std::max(0, static_cast<int>(centre - reach + 0.5));
        const int last = std::min(before, static_cast<int>(centre + reach + 0.5));
        std::vector<double> weights;
        double sum = 0;
        for (int from = first; from < last; ++from) {
            weights.push_back(std::max(0.0, 1 - std::abs(from - centre + 0.5) / reach));
            sum += weights.back();
        }
        std::vector<int64_t> fixed;
        for (double weight : weights) fixed.push_back(std::llround(weight / sum * kOne));
        for (int across = 0, end = rows ? image.width : image.height; across < end; ++across) {
            for (int c = 0; c < channels; ++c) {
                int64_t value = kOne / 2;
                for (int from = first; from < last; ++from) {
                    value += fixed[from - first] * image.pixels[place(image, from, across) + c];
                }
                result.pixels[place(result, to, across) + c] = static_cast<uint8_t>(value / kOne);
            }
        }
    }
    return result;
}

}  // namespace

Image read_image(const std::string& path, int channels, const Levels& levels) {
    const bool deep = stbi_is_16_bit(path.c_str());
    int width, height, own;
    void* read = deep ? static_cast<void*>(stbi_load_16(path.c_str(), &width, &height, &own, 4))
                      : stbi_load(path.c_str(), &width, &height, &own, 4);
    if (!read) {
        throw std::runtime_error(path + " cannot be read as PNG, JPEG or BMP (" +
                                 stbi_failure_reason() + ").");
    }
    const int full = deep ? 65535 : 255;
    const auto range = deep ? levels.value_or(std::pair(0, full)) : std::pair(0, full);
    const int low = range.first, high = range.second;
    const bool upper_byte = deep && !levels && own > 2;  // as colours of 16 bits are read
    const auto value = [&](size_t at) -> int {
        const int found = deep ? static_cast<uint16_t*>(read)[at] : static_cast<uint8_t*>(read)[at];
        if (upper_byte) return found >> 8;
        return ((std::clamp(found, low, high) - low) * 255 + (high - low) / 2) / (high - low);
    };
    Image image{height, width, channels, {}};
    image.pixels.reserve(static_cast<size_t>(height) * width * channels);
    for (size_t at = 0, end = static_cast<size_t>(height) * width * 4; at < end; at += 4) {
        const int opacity =
            deep ? static_cast<uint16_t*>(read)[at + 3] >> 8 : static_cast<uint8_t*>(read)[at + 3];
        std::array<int, 3> colour;  // on black, where it is transparent
        for (int c = 0; c < 3; ++c) colour[c] = (value(at + c) * opacity + 127) / 255;
        const auto [red, green, blue] = colour;
        if (channels == 1) {
            const int grey = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
            image.pixels.push_back(static_cast<uint8_t>(grey));
        } else {
            for (int c : colour) image.pixels.push_back(static_cast<uint8_t>(c));
        }
    }
    stbi_image_free(read);
    return image;
}

Image scaled(const Image& image, Size size) {
    return scaled_along(scaled_along(image, size.width, false), size.height, true);
}

Size fitted(const Image& image, Size into) {
    const double factor = std::min(static_cast<double>(into.height) / image.height,
                                   static_cast<double>(into.width) / image.width);
    const auto side = [&](int own, int most) {
        return std::clamp(static_cast<int>(std::nearbyint(factor * own)), 1, most);
    };
    return {side(image.height, into.height), side(image.width, into.width)};
}

Image framed(const Image& image, Size size) {
    const int top = (size.height - image.height) / 2, left = (size.width - image.width) / 2;
    const auto reflected = [](int at, int side) {
        if (side == 1) return 0;
        at = std::abs(at) % (2 * (side - 1));
        return at < side ? at : 2 * (side - 1) - at;
    };
    Image frame{size.height, size.width, image.channels, {}};
    for (int y = 0; y < size.height; ++y) {
        for (int x = 0; x < size.width; ++x) {
            const size_t row = reflected(y - top, image.height);
            const size_t at = row * image.width + reflected(x - left, image.width);
            for (int c = 0; c < image.channels; ++c) {
                frame.pixels.push_back(image.pixels[at * image.channels + c]);
            }
        }
    }
    return frame;
}
