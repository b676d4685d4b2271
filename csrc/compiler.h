// What compilers say differently. GCC and Clang (clang-cl too) have vectors as types of the
// language; others get plain loops, as everybody does with NSA_PLAIN_LOOPS defined, to test them.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define NSA_INLINE inline __attribute__((always_inline))
#define NSA_NOINLINE __attribute__((noinline))
#define NSA_RESTRICT __restrict__
#define NSA_UNROLLED _Pragma("GCC unroll 16")
#if !defined(NSA_PLAIN_LOOPS)
#define NSA_VECTORS
#endif
#else
#define NSA_INLINE inline
#define NSA_NOINLINE __declspec(noinline)
#define NSA_RESTRICT __restrict
#define NSA_UNROLLED
#endif
