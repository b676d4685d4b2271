// Object masks: pixels whose brightness is far from that of a plain background (Appendix A of the
// NSA paper), smoothed by a 7x7 median.
#pragma once

#include <cstdint>

#include "dispatch.h"

namespace nsa {

// The sums over channels of background pixels are `low` .. `low + extent`, inclusive; extent -1
// says that no pixel is background.
struct BackgroundRange {
    int low;
    int extent;
};

// The sums of pixels whose mean over channels lies within `threshold` of `background`. Throws
// InputError if there are not 1 or 3 channels, or a number is not finite.
BackgroundRange background_range(int channels, double background, double threshold);

// Bytes of scratch that object_mask needs for an image; its content does not matter.
NSA_KERNEL(int64_t object_mask_scratch_bytes(int height, int width))

// image: (height, width, channels) uint8 interleaved, channels 1 or 3.
// mask: (height, width) uint8, written entirely: 1 where at least 25 of the 7x7 pixels around,
// border
//     replicated, are no background (equals cv2.medianBlur(mask, 7)).
NSA_KERNEL(void object_mask(const uint8_t* image, int height, int width, int channels,
                            const BackgroundRange& background, uint8_t* mask, uint8_t* scratch))

}  // namespace nsa
