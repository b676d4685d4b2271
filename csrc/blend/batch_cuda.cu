#include <algorithm>
#include <string>

#include "blend/batch_block.h"
#include "blend/batch_cuda.h"
#include "device/launch.h"

namespace nsa {
namespace {

// Threads of a block at most, and of a multiprocessor: 128 registers each.
constexpr int kMostThreads = 512;
constexpr int kFewestThreads = 128;
// Where a box may lie in device memory or be longer than the kept sine matrices, a thread needs
// twice the registers.
constexpr int kLargeThreads = 256;

template <int kChannels, bool kLarge>
__global__ void __launch_bounds__(kLarge ? kLargeThreads : kMostThreads, 1)
    blend_images(const BlendBatch batch, size_t shared_bytes, uint8_t* workspace,
                 size_t workspace_bytes) {
    extern __shared__ __align__(16) uint8_t memory[];
    const int groups = batch.channels / kChannels;  // of channels, each by a block of its own
    const int64_t large = batch.order[0];
    const int64_t first = kLarge ? 0 : large, end = kLarge ? large : batch.count;
    for (int64_t item = first * groups + blockIdx.x; item < end * groups; item += gridDim.x) {
        blend_image<kChannels, kLarge>(ThreadBlock(), batch, batch.order[1 + item / groups],
                                       static_cast<int>(item % groups) * kChannels, memory,
                                       shared_bytes,
                                       kLarge ? workspace + blockIdx.x * workspace_bytes : nullptr);
    }
}

int attribute(cudaDeviceAttr which) {
    int device = 0, value = 0;
    check_cuda(cudaGetDevice(&device), "the current GPU cannot be read");
    check_cuda(cudaDeviceGetAttribute(&value, which, device), "the GPU's limits cannot be read");
    return value;
}

// As many threads as the registers of a multiprocessor allow for the blocks that it holds at once:
// as their shared memory lets it, and no more than there are. Few large blocks finish their boxes
// sooner, many small ones hide each other's serial phases.
int threads_of(int64_t blocks, size_t shared, const DeviceLimits& limits) {
    constexpr size_t kReserved = 1024;  // bytes that the system takes from every block's share
    const int64_t fit = (limits.shared_memory + kReserved) / (shared + kReserved);
    const int64_t each = (blocks + limits.multiprocessors - 1) / limits.multiprocessors;
    const int64_t resident = std::min(fit, each);
    return resident >= 4 ? kFewestThreads : resident >= 2 ? kMostThreads / 2 : kMostThreads;
}

struct LaunchSize {
    int64_t blocks;
    int threads;
    size_t shared;  // bytes
};

template <int kChannels, bool kLarge>
void start(const BlendBatch& batch, const LaunchSize& size, const DeviceLimits& limits,
           uint8_t* workspace, size_t workspace_bytes, cudaStream_t on) {
    const size_t shared = size.shared;
    const auto blocks = static_cast<unsigned>(size.blocks);
    allow_shared_memory(blend_images<kChannels, kLarge>, shared, limits.shared_memory,
                        "blend_images");
    blend_images<kChannels, kLarge>
        <<<blocks, size.threads, shared, on>>>(batch, shared, workspace, workspace_bytes);
}

}  // namespace

void launch_blend(const BlendBatch& batch, const Schedule& schedule, uint8_t* workspace,
                  int workspace_blocks, void* stream) {
    if (schedule.patches == 0) return;
    const DeviceLimits limits = device_limits();
    const auto on = static_cast<cudaStream_t>(stream);
    const size_t shared = schedule.shared;
    // Bounds do not know how many images are large: both launches then have room for all.
    const bool exact = !schedule.order.empty();
    const int64_t large = schedule.large * batch.channels;
    const int64_t small = (batch.count - (exact ? schedule.large : 0)) *
                          (batch.channels / schedule.channels_together);
    if (large > 0) {  // every block has a part of the workspace
        const int64_t blocks = std::min<int64_t>(large, workspace_blocks);
        start<1, true>(batch, {blocks, kLargeThreads, shared}, limits, workspace,
                       schedule.workspace, on);
    }
    if (small > 0) {
        const int64_t blocks = std::min(small, kMostBlocks);
        const LaunchSize size{blocks, threads_of(blocks, shared, limits), shared};
        const auto launch = schedule.channels_together == 3 ? start<3, false> : start<1, false>;
        launch(batch, size, limits, nullptr, 0, on);
    }
    std::string where;
    if (exact) {  // bounds for any plan name no rows
        where = " for rows 0 to " + std::to_string(schedule.patches - 1) +
                " of the plan, rounds 0 to " + std::to_string(schedule.rounds - 1);
    }
    check_launch("blend_images", where);
}

DeviceLimits device_limits() {
    return {static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)),
            attribute(cudaDevAttrMultiProcessorCount)};
}

}  // namespace nsa
