// Vectors of signed bytes for median_search.h, whose comparisons give -1 or 0 a lane. Included once
// per instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#include "compiler.h"

namespace nsa {
namespace NSA_ISA {
namespace {

// 32 lanes with AVX-512 too: its comparisons yield mask registers, at half the rate and of no use
// where the results are summed, and narrow patches would leave more of 64 lanes empty.
#if defined(__AVX2__)
constexpr int kLanes = 32;
#else
constexpr int kLanes = 16;
#endif

#if defined(NSA_VECTORS)

typedef int8_t Lanes __attribute__((vector_size(kLanes)));
typedef uint8_t UnsignedLanes __attribute__((vector_size(kLanes)));
typedef int8_t UnalignedLanes __attribute__((vector_size(kLanes), aligned(1), may_alias));

inline Lanes load(const int8_t* from) {
    return *reinterpret_cast<const UnalignedLanes*>(from);
}

inline Lanes splat(int value) {
    return Lanes{} + static_cast<int8_t>(value);
}

inline Lanes wrapping_add(Lanes a, Lanes b) {
    return reinterpret_cast<Lanes>(reinterpret_cast<UnsignedLanes>(a) +
                                   reinterpret_cast<UnsignedLanes>(b));
}

inline Lanes smallest(Lanes a, Lanes b) {
    return a < b ? a : b;
}

inline Lanes largest(Lanes a, Lanes b) {
    return a > b ? a : b;
}

#else

struct Lanes {
    int8_t lane[kLanes];

    int8_t operator[](int i) const { return lane[i]; }
};

template <typename Operation>
inline Lanes each_lane(const Lanes& a, const Lanes& b, const Operation& operation) {
    Lanes result;
    for (int i = 0; i < kLanes; ++i) {
        result.lane[i] = static_cast<int8_t>(operation(a.lane[i], b.lane[i]));
    }
    return result;
}

inline Lanes load(const int8_t* from) {
    Lanes value;
    std::memcpy(&value, from, sizeof(Lanes));
    return value;
}

inline Lanes splat(int value) {
    Lanes result;
    std::memset(&result, value, sizeof(Lanes));
    return result;
}

inline Lanes operator+(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return x + y; });
}

inline Lanes& operator-=(Lanes& a, const Lanes& b) {
    return a = each_lane(a, b, [](int x, int y) { return x - y; });
}

inline Lanes operator&(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return x & y; });
}

inline Lanes operator|(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return x | y; });
}

inline Lanes operator~(const Lanes& a) {
    return each_lane(a, a, [](int x, int) { return ~x; });
}

inline Lanes operator<(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return -(x < y); });
}

inline Lanes operator<=(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return -(x <= y); });
}

inline Lanes operator==(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return -(x == y); });
}

inline Lanes wrapping_add(const Lanes& a, const Lanes& b) {
    return a + b;
}

inline Lanes smallest(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return x < y ? x : y; });
}

inline Lanes largest(const Lanes& a, const Lanes& b) {
    return each_lane(a, b, [](int x, int y) { return x > y ? x : y; });
}

#endif

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
