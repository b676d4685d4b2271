// What seamlessClone is asked to do: OpenCV's SeamlessCloneFlags, by their numbers.
#pragma once

#include <cstdint>

namespace nsa {

struct CloneFlags {
    bool mixed;       // the stronger gradient of source and destination, else the source's
    bool monochrome;  // gradients of the source's brightness, of three channels B, G, R
    bool wide;        // the centre is the whole mask's, else that of its bounding box
};

// NORMAL_CLONE 1, MIXED_CLONE 2, MONOCHROME_TRANSFER 3; 8 more of each are their _WIDE. Throws
// InputError if `flags` is none of the six.
CloneFlags clone_flags(int64_t flags);

// Brightness as OpenCV's fixed-point arithmetic rounds it.
constexpr uint8_t brightness(int blue, int green, int red) {
    return static_cast<uint8_t>((3735 * blue + 19235 * green + 9798 * red + (1 << 14)) >> 15);
}

}  // namespace nsa
