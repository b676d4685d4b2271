// What every kernel launch shares; included by *_cuda.cu only.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace nsa {

// A launch has no more blocks; beyond that each takes several items. Tests lower it.
#ifdef NSA_MOST_BLOCKS
constexpr int64_t kMostBlocks = NSA_MOST_BLOCKS;
#else
constexpr int64_t kMostBlocks = 1 << 20;
#endif

// Blocks for so many items.
inline unsigned blocks_for(int64_t items) {
    return static_cast<unsigned>(items < kMostBlocks ? items : kMostBlocks);
}

inline void check_cuda(cudaError_t status, const std::string& what) {
    if (status == cudaSuccess) return;
    cudaGetLastError();  // the error is reported here and must not meet the next call
    throw std::runtime_error("CUDA: " + what + ": " + cudaGetErrorString(status) + ".");
}

// After a launch: whether the device took it. Errors of the running kernel come later, from
// whatever waits for the stream.
inline void check_launch(const char* kernel, const std::string& where = "") {
    check_cuda(cudaGetLastError(),
               std::string("the kernel ") + kernel + " could not be started" + where);
}

// Lets a kernel's blocks have `bytes` bytes of shared memory; `most` is the device's limit. It is
// asked for whole: the setting belongs to the function, and a smaller plan between two replays of a
// captured graph must not take back what the graph's launches need.
template <typename Kernel>
void allow_shared_memory(Kernel kernel, size_t bytes, size_t most, const char* name) {
    if (bytes <= 48 * 1024) return;  // what every kernel may use without asking
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(most)),
               std::string("the kernel ") + name + " cannot have " + std::to_string(most) +
                   " bytes of shared memory");
}

}  // namespace nsa
