// The threads that run one block algorithm together, on the device or emulated on the host.
//
// A block algorithm is a function template on its Group and a list of phases. Within a phase the
// threads run in any order and must not read what another thread of that phase writes; a phase ends
// in a barrier. State that a thread carries from one phase to the next lives in Group::PerThread.
//
// HostBlock runs the threads of a phase one after another, forwards, backwards or shuffled: the
// result may not depend on it, so a read and a write that need a barrier between them show up on a
// machine without a GPU.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define NSA_DEVICE __device__ __forceinline__
#define NSA_UNROLL _Pragma("unroll")
#else
#define NSA_DEVICE inline
#define NSA_UNROLL
#include <vector>
#endif

namespace nsa {

#ifdef __CUDACC__

// The thread block of a running kernel, one-dimensional.
class ThreadBlock {
  public:
    template <typename T>
    class PerThread {
      public:
        __device__ explicit PerThread(const ThreadBlock&) {}
        __device__ __forceinline__ T& operator[](int) { return value_; }

      private:
        T value_;
    };

    __device__ __forceinline__ int size() const { return static_cast<int>(blockDim.x); }

    template <typename Body>
    __device__ __forceinline__ void phase(const Body& body) const {
        body(static_cast<int>(threadIdx.x));
        __syncthreads();
    }
};

#else

class HostBlock {
  public:
    template <typename T>
    class PerThread {
      public:
        explicit PerThread(const HostBlock& block) : values_(block.size()) {}
        T& operator[](int rank) { return values_[rank]; }

      private:
        std::vector<T> values_;
    };

    // seed: 0 runs the threads in order, 1 backwards, any other value shuffles them.
    explicit HostBlock(int threads, uint32_t seed = 0) : order_(threads) {
        for (int i = 0; i < threads; ++i) order_[i] = seed == 1 ? threads - 1 - i : i;
        for (int i = threads - 1; seed > 1 && i > 0; --i) {
            seed = seed * 1664525u + 1013904223u;
            const int other = static_cast<int>((seed >> 8) % static_cast<uint32_t>(i + 1));
            const int swapped = order_[i];
            order_[i] = order_[other];
            order_[other] = swapped;
        }
    }

    int size() const { return static_cast<int>(order_.size()); }

    template <typename Body>
    void phase(const Body& body) const {
        for (const int rank : order_) body(rank);
    }

  private:
    std::vector<int> order_;
};

#endif

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

}  // namespace nsa
