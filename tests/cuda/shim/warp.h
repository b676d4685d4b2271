// Operations in which the lanes of a warp take part together. They return when every lane of the
// mask has arrived; a lane that never does is an error.
#pragma once

#include <cstring>

namespace shim {

// The result of one lane: what every lane gave, which lanes take part, and the lane's own argument.
using Collective = uint64_t (*)(const uint64_t* values, unsigned mask, int lane, uint64_t argument);

// name: of the operation, which must be the same in all lanes.
uint64_t collective(const char* name, Collective result, unsigned mask, uint64_t value,
                    uint64_t argument = 0);
int lane();
[[noreturn]] void fail(const char* why);  // ends the launch with an exception

template <typename T>
uint64_t packed(const T& value) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "wider than a shuffle");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}

// Value of lane `from`, or of the calling lane where that leaves its segment of `width` lanes.
template <typename T>
T shuffle(const char* name, unsigned mask, const T& value, int from, int width) {
    if (width < 1 || width > 32 || (width & (width - 1)) != 0) {
        fail("a shuffle's width is no power of two up to 32");
    }
    const int own = lane();
    if (from < 0 || from / width != own / width) from = own;
    const Collective take = [](const uint64_t* values, unsigned lanes, int, uint64_t source) {
        if ((lanes >> source & 1u) == 0) fail("a shuffle reads a lane that its mask leaves out");
        return values[source];
    };
    const uint64_t bits = collective(name, take, mask, packed(value), static_cast<uint64_t>(from));
    T result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline unsigned ballot(const char* name, unsigned mask, bool predicate) {
    const Collective gather = [](const uint64_t* values, unsigned lanes, int, uint64_t) {
        uint64_t bits = 0;
        for (int i = 0; i < 32; ++i) {
            if ((lanes >> i & 1u) != 0 && values[i] != 0) bits |= uint64_t{1} << i;
        }
        return bits;
    };
    return static_cast<unsigned>(collective(name, gather, mask, predicate ? 1 : 0));
}

// Operation: a stateless type with static T apply(T, T).
template <typename Operation, typename T>
T reduce(const char* name, unsigned mask, T value) {
    const Collective fold = [](const uint64_t* values, unsigned lanes, int own, uint64_t) {
        T result = static_cast<T>(values[own]);
        for (int i = 0; i < 32; ++i) {
            if (i != own && (lanes >> i & 1u) != 0) {
                result = Operation::apply(result, static_cast<T>(values[i]));
            }
        }
        return packed(result);
    };
    return static_cast<T>(collective(name, fold, mask, packed(value)));
}

// clang-format off
struct Or { static unsigned apply(unsigned a, unsigned b) { return a | b; } };
struct And { static unsigned apply(unsigned a, unsigned b) { return a & b; } };
struct Add { template <typename T> static T apply(T a, T b) { return a + b; } };
struct Max { template <typename T> static T apply(T a, T b) { return a < b ? b : a; } };
struct Min { template <typename T> static T apply(T a, T b) { return b < a ? b : a; } };
// clang-format on

}  // namespace shim

inline void __syncwarp(unsigned mask = ~0u) {
    shim::collective(
        "__syncwarp", [](const uint64_t*, unsigned, int, uint64_t) { return uint64_t{0}; }, mask,
        0);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
    const int own = shim::lane();
    return shim::shuffle("__shfl_sync", mask, value, own / width * width + (from & (width - 1)),
                         width);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    return shim::shuffle("__shfl_up_sync", mask, value, shim::lane() - static_cast<int>(by), width);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    return shim::shuffle("__shfl_down_sync", mask, value, shim::lane() + static_cast<int>(by),
                         width);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int with, int width = 32) {
    const int own = shim::lane(), from = own ^ with;  // lower segments may be read
    return shim::shuffle("__shfl_xor_sync", mask, value, from / width > own / width ? own : from,
                         32);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
    return shim::ballot("__ballot_sync", mask, predicate != 0);
}
inline int __any_sync(unsigned mask, int predicate) {
    return shim::ballot("__any_sync", mask, predicate != 0) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
    return shim::ballot("__all_sync", mask, predicate != 0) == mask;
}

inline unsigned __reduce_or_sync(unsigned mask, unsigned value) {
    return shim::reduce<shim::Or>("__reduce_or_sync", mask, value);
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value) {
    return shim::reduce<shim::And>("__reduce_and_sync", mask, value);
}
template <typename T>
T __reduce_add_sync(unsigned mask, T value) {
    return shim::reduce<shim::Add>("__reduce_add_sync", mask, value);
}
template <typename T>
T __reduce_max_sync(unsigned mask, T value) {
    return shim::reduce<shim::Max>("__reduce_max_sync", mask, value);
}
template <typename T>
T __reduce_min_sync(unsigned mask, T value) {
    return shim::reduce<shim::Min>("__reduce_min_sync", mask, value);
}
