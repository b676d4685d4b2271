// What every device function shares: the threads of a block, and walks over a grid of cells.
//
// Host code that only needs sizes may include this too; the kernels themselves run on a GPU, or
// under tests/cuda/shim on the host.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define NSA_DEVICE __device__ __forceinline__
#define NSA_UNROLL _Pragma("unroll")
#else
#define NSA_DEVICE inline
#define NSA_UNROLL
#endif

namespace nsa {

#ifdef __CUDACC__

constexpr int kWarp = 32;

// The thread block of a running kernel, one-dimensional, whole warps. A block's algorithm is a list
// of phases: within one, the threads run in any order and must not read what another thread of that
// phase writes, unless they exchange it within a warp; a phase ends in a barrier.
class ThreadBlock {
  public:
    __device__ __forceinline__ int size() const { return static_cast<int>(blockDim.x); }

    template <typename Body>
    __device__ __forceinline__ void phase(const Body& body) const {
        body(static_cast<int>(threadIdx.x));
        __syncthreads();
    }
};

// Bit i of the result: `value` of the warp's thread i. All threads of the warp take part.
__device__ __forceinline__ uint32_t warp_ballot(bool value) {
    return __ballot_sync(~0u, value);
}

// The values of all threads of the warp, united. All of them take part.
__device__ __forceinline__ uint32_t warp_or(uint32_t value) {
    for (int by = kWarp / 2; by > 0; by /= 2) value |= __shfl_xor_sync(~0u, value, by);
    return value;
}

// Walks the cells of a grid `columns` wide, `step` cells at a time from cell `start`, without a
// division a cell.
struct GridWalk {
    int line;
    int column;
    int columns;
    int step_lines;
    int step_columns;

    NSA_DEVICE GridWalk(int start, int step, int width)
        : line(start / width),
          column(start % width),
          columns(width),
          step_lines(step / width),
          step_columns(step % width) {}

    NSA_DEVICE void next() {
        line += step_lines;
        column += step_columns;
        if (column >= columns) {
            column -= columns;
            ++line;
        }
    }
};

#endif

}  // namespace nsa
