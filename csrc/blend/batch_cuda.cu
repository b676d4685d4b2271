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

// Blends one round. Boxes too large for shared memory work in slices of device memory: with kLarge
// the first `large_blocks` blocks have one each, and the other blocks take the small boxes.
template <bool kLarge>
__global__ void __launch_bounds__(kMostThreads, 1)
    blend_round(const BlendBatch batch, uint8_t* workspace, size_t bytes, int large_blocks) {
    extern __shared__ __align__(16) uint8_t memory[];
    const int64_t block = blockIdx.x;
    if (kLarge && block < large_blocks) {
        blend_block<true>(ThreadBlock(), batch, block, large_blocks, workspace + block * bytes);
    } else {
        blend_block<false>(ThreadBlock(), batch, block - large_blocks, gridDim.x - large_blocks,
                           memory);
    }
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
    const size_t most = shared_memory_limit();
    const bool crowded = 2 * schedule.shared > most;
    const int64_t multiprocessors = attribute(cudaDevAttrMultiProcessorCount);
    allow_shared_memory(blend_round<false>, schedule.shared, most, "blend_round");
    allow_shared_memory(blend_round<true>, schedule.shared, most, "blend_round");
    int64_t first = 0;  // row of the plan
    for (size_t round = 0; round < schedule.rounds.size(); ++round) {
        const RoundSize& size = schedule.rounds[round];
        const auto boxes = [&](int patches) {
            return std::min(kMostBlocks, int64_t{batch.channels} * patches);
        };
        const int64_t small = boxes(size.small);
        const int large = static_cast<int>(std::min<int64_t>(workspace_blocks, boxes(size.large)));
        if (small + large == 0) continue;
        const auto blocks = static_cast<unsigned>(small + large);
        batch.span = spans + 4 * round;
        if (large > 0) {
            blend_round<true><<<blocks, kMostThreads, schedule.shared, on>>>(
                batch, workspace, schedule.workspace, large);
        } else {
            const int threads = crowded                       ? kMostThreads
                                : small > 3 * multiprocessors ? kFewThreads
                                                              : kThreads;
            blend_round<false><<<blocks, threads, schedule.shared, on>>>(batch, nullptr, 0, 0);
        }
        const int64_t end = first + size.large + size.small;
        std::string where = " in round " + std::to_string(round) + " of the plan";
        if (!schedule.order.empty()) {  // bounds for any plan name no rows
            where += ", rows " + std::to_string(first) + " to " + std::to_string(end - 1);
        }
        check_launch("blend_round", where);
        first = end;
    }
}

size_t shared_memory_limit() {
    return static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
}

}  // namespace nsa
