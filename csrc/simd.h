// Float vectors as wide as the instruction set of this translation unit; without vectors of the
// language (compiler.h) they have one lane, that is, loops are plain ones. Only for *_cpu.cpp
// files: everything is in an unnamed namespace so that the linker merges nothing across instruction
// sets.
#pragma once

#include <cstdint>
#include <cstring>

#include "compiler.h"

namespace nsa {
namespace NSA_ISA {
namespace {

#if !defined(NSA_VECTORS)
constexpr int kLanes = 1;
using Floats = float;
#else
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef float Floats4 __attribute__((vector_size(16)));
typedef float Floats8 __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef int32_t Ints4 __attribute__((vector_size(16)));
typedef uint16_t Halves __attribute__((vector_size(2 * kLanes)));
typedef uint8_t Bytes __attribute__((vector_size(kLanes)));
typedef uint8_t Bytes4 __attribute__((vector_size(4)));
#endif

// Unaligned load and store; memcpy is one instruction here.
template <typename Vector, typename Element>
NSA_INLINE Vector load(const Element* from) {
    Vector value;
    std::memcpy(&value, from, sizeof(Vector));
    return value;
}

template <typename Vector, typename Element>
NSA_INLINE void store(Element* to, Vector value) {
    std::memcpy(to, &value, sizeof(Vector));
}

}  // namespace
}  // namespace NSA_ISA
}  // namespace nsa
