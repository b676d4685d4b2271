// Arithmetic of device code: conversions, bits, bytes of words, and atomics. Threads run one at a
// time, so an atomic operation is a plain one.
#pragma once

#include <cstring>

inline double __dadd_rn(double a, double b) {
    return a + b;
}
inline double __dmul_rn(double a, double b) {
    return a * b;
}
inline float __fadd_rn(float a, float b) {
    return a + b;
}
inline float __fmul_rn(float a, float b) {
    return a * b;
}
inline float __fmaf_rn(float a, float b, float c) {
    return std::fma(a, b, c);
}
inline int __float2int_rn(float value) {
    return static_cast<int>(std::nearbyint(value));
}
inline long long __double2ll_rn(double value) {
    return static_cast<long long>(std::nearbyint(value));
}
inline double sinpi(double value) {
    return std::sin(3.14159265358979323846 * value);
}
inline float sinpif(float value) {
    return static_cast<float>(sinpi(double{value}));
}

template <typename To, typename From>
To shim_bits(const From& from) {
    static_assert(sizeof(To) == sizeof(From), "another size");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

inline unsigned __float_as_uint(float value) {
    return shim_bits<unsigned>(value);
}
inline int __float_as_int(float value) {
    return shim_bits<int>(value);
}
inline float __uint_as_float(unsigned value) {
    return shim_bits<float>(value);
}
inline float __int_as_float(int value) {
    return shim_bits<float>(value);
}

// clang-format off
inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return b < a ? b : a; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline long min(long a, long b) { return b < a ? b : a; }
inline long max(long a, long b) { return a < b ? b : a; }
inline long long min(long long a, long long b) { return b < a ? b : a; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
// clang-format on

inline int __popc(unsigned word) {
    return __builtin_popcount(word);
}
inline int __clz(int word) {
    return word == 0 ? 32 : __builtin_clz(static_cast<unsigned>(word));
}
inline int __ffs(int word) {
    return __builtin_ffs(word);
}
inline unsigned __brev(unsigned word) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= (word >> bit & 1u) << (31 - bit);
    return reversed;
}

// The upper word of high:low shifted left, and the lower one of it shifted right.
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
    const uint64_t both = uint64_t{high} << 32 | low;
    return static_cast<unsigned>(both << (by & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
    const uint64_t both = uint64_t{high} << 32 | low;
    return static_cast<unsigned>(both >> (by & 31));
}

// Byte i of the result is byte `selector >> 4 i & 7` of y:x, or its sign where bit 3 is set.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    const uint64_t both = uint64_t{y} << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned which = selector >> (4 * i);
        unsigned byte = static_cast<unsigned>(both >> (8 * (which & 7))) & 255u;
        if ((which & 8) != 0) byte = byte >= 128 ? 255u : 0u;
        result |= byte << (8 * i);
    }
    return result;
}

inline int shim_byte(unsigned word, int i) {
    return static_cast<int>(word >> (8 * i) & 255u);
}
inline int shim_signed_byte(int word, int i) {
    return static_cast<signed char>(shim_byte(static_cast<unsigned>(word), i));
}
inline unsigned __vabsdiffu4(unsigned a, unsigned b) {
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) {
        const int difference = shim_byte(a, i) - shim_byte(b, i);
        result |= static_cast<unsigned>(difference < 0 ? -difference : difference) << (8 * i);
    }
    return result;
}
inline unsigned __vsadu4(unsigned a, unsigned b) {
    unsigned sum = 0;
    for (int i = 0; i < 4; ++i) sum += __vabsdiffu4(a, b) >> (8 * i) & 255u;
    return sum;
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum) {
    for (int i = 0; i < 4; ++i) sum += static_cast<unsigned>(shim_byte(a, i) * shim_byte(b, i));
    return sum;
}
inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; ++i) sum += shim_signed_byte(a, i) * shim_signed_byte(b, i);
    return sum;
}

template <typename T>
T __ldg(const T* from) {
    return *from;
}

// The type of an atomic's operand: that of the memory, whatever was given.
template <typename T>
struct ShimOperand {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "the device has no such atomic");
    using Type = T;
};
template <typename T, typename Operation>
T shim_atomic(T* at, Operation operation) {
    const T before = *at;
    *at = static_cast<T>(operation(before));
    return before;
}
template <typename T>
T atomicAdd(T* at, typename ShimOperand<T>::Type value) {
    return shim_atomic(at, [=](T before) { return before + value; });
}
template <typename T>
T atomicOr(T* at, typename ShimOperand<T>::Type value) {
    return shim_atomic(at, [=](T before) { return before | value; });
}
template <typename T>
T atomicAnd(T* at, typename ShimOperand<T>::Type value) {
    return shim_atomic(at, [=](T before) { return before & value; });
}
template <typename T>
T atomicMax(T* at, typename ShimOperand<T>::Type value) {
    return shim_atomic(at, [=](T before) { return before < value ? value : before; });
}
template <typename T>
T atomicMin(T* at, typename ShimOperand<T>::Type value) {
    return shim_atomic(at, [=](T before) { return value < before ? value : before; });
}
