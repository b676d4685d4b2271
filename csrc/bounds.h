// Bounds of numbers that come from outside, in an order of operations that cannot overflow.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "errors.h"

namespace nsa {

// No array has more bytes, so that sizes and offsets stay far from the end of 64 bits.
constexpr int64_t kMostBytes = int64_t{1} << 48;

// Whether [start, start + size) lies inside [0, limit), for any three numbers.
constexpr bool lies_inside(int64_t start, int64_t size, int64_t limit) {
    return size >= 0 && size <= limit && start >= 0 && start <= limit - size;
}

// The product of sizes. Throws InputError that begins with `what` if one is negative or the product
// exceeds kMostBytes.
inline int64_t product(std::initializer_list<int64_t> sizes, const std::string& what) {
    int64_t total = 1;
    bool too_large = false;
    for (const int64_t size : sizes) {
        if (size < 0) throw InputError(what + " has a negative size.");
        if (size == 0) return 0;
        too_large = too_large || size > kMostBytes / total;
        total = too_large ? 1 : total * size;
    }
    if (too_large) throw InputError(what + " would have more than 2^48 bytes.");
    return total;
}

// The sum of two numbers that are not negative, or the largest number there is.
constexpr int64_t saturated_sum(int64_t a, int64_t b) {
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

}  // namespace nsa
