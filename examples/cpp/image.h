// Images as a detector takes them: read, scaled and framed as nsa does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct Image {  // rows from the top, the channels of a pixel side by side: grey or RGB
    int height, width, channels;
    std::vector<uint8_t> pixels;
};

struct Size {
    int height, width;
};

// Values of more than 8 bits that become 0 and 255.
using Levels = std::optional<std::pair<int, int>>;

// A PNG, JPEG or BMP file, in one channel or three.
Image read_image(const std::string& path, int channels, const Levels& levels);

// An image of another size, as PIL.Image.resize(..., BILINEAR) makes it, by filters as wide as
// what they leave out. OpenCV's INTER_LINEAR and INTER_AREA make others, which have other scores.
Image scaled(const Image& image, Size size);

// The size of an image in its own shape that just fits into another.
Size fitted(const Image& image, Size into);

// An image in the middle of a larger size, with its reflection around it.
Image framed(const Image& image, Size size);
