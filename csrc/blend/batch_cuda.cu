#include <algorithm>
#include <string>

#include "blend/batch_cuda.h"
#include "device/launch.h"

namespace nsa {
namespace {

// Threads of a block. Registers allow 512 a multiprocessor; small blocks hide each other's serial
// phases, large ones finish a box sooner where there are few of them.
constexpr int kFewThreads = 128;
constexpr int kThreads = 256;
// For boxes so large that a multiprocessor holds one at a time. The bound of 512 threads leaves 128
// registers a thread.
constexpr int kMostThreads = 512;
constexpr int64_t kMostBlocks = 1 << 20;  // each takes several boxes beyond that

__global__ void __launch_bounds__(kMostThreads, 1) blend_shared(const BlendBatch batch) {
    extern __shared__ __align__(16) uint8_t memory[];
    blend_block<false>(ThreadBlock(), batch, blockIdx.x, gridDim.x, memory);
}

// A box too large for shared memory works in a slice of device memory.
__global__ void __launch_bounds__(kMostThreads, 1)
    blend_workspace(const BlendBatch batch, uint8_t* workspace, size_t bytes) {
    blend_block<true>(ThreadBlock(), batch, blockIdx.x, gridDim.x, workspace + blockIdx.x * bytes);
}

int attribute(cudaDeviceAttr which) {
    int device = 0, value = 0;
    check_cuda(cudaGetDevice(&device), "the current GPU cannot be read");
    check_cuda(cudaDeviceGetAttribute(&value, which, device), "the GPU's limits cannot be read");
    return value;
}

}  // namespace

void launch_rounds(BlendBatch batch, const Schedule& schedule, const int32_t* spans,
                   uint8_t* workspace, int workspace_blocks, void* stream) {
    const auto on = static_cast<cudaStream_t>(stream);
    const bool crowded = 2 * schedule.shared > shared_memory_limit();
    const int64_t multiprocessors = attribute(cudaDevAttrMultiProcessorCount);
    allow_shared_memory(blend_shared, schedule.shared, "blend_shared");
    for (size_t round = 0; round < schedule.rounds.size(); ++round) {
        const RoundSize& size = schedule.rounds[round];
        const std::string where = " in round " + std::to_string(round) + " of the plan";
        const auto boxes = [&](int patches) {
            return std::min(kMostBlocks, int64_t{batch.channels} * patches);
        };
        batch.span = spans + 4 * round;
        if (size.large > 0) {
            const int64_t blocks = std::min<int64_t>(workspace_blocks, boxes(size.large));
            blend_workspace<<<static_cast<unsigned>(blocks), kMostThreads, 0, on>>>(
                batch, workspace, schedule.workspace);
            check_launch("blend_workspace", where);
        }
        batch.span += 2;
        if (size.small > 0) {
            const int64_t blocks = boxes(size.small);
            const int threads = crowded                        ? kMostThreads
                                : blocks > 3 * multiprocessors ? kFewThreads
                                                               : kThreads;
            blend_shared<<<static_cast<unsigned>(blocks), threads, schedule.shared, on>>>(batch);
            check_launch("blend_shared", where);
        }
    }
}

size_t shared_memory_limit() {
    return static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
}

}  // namespace nsa
