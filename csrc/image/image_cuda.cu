#include "device/launch.h"
#include "image/augment_block.h"
#include "image/image_cuda.h"
#include "image/input_block.h"
#include "image/light_block.h"
#include "image/object_block.h"

namespace nsa {
namespace {

constexpr int kRowThreads = 128;
constexpr int kInputThreads = 256;

__global__ void __launch_bounds__(kRowThreads)
    augment_rows(const AugmentBatch batch, int64_t lines) {
    for (int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
        augment_row(ThreadBlock(), batch, line / batch.rows, static_cast<int>(line % batch.rows));
    }
}

__global__ void __launch_bounds__(kInputThreads) normalise(const InputBatch batch) {
    normalise_part(ThreadBlock(), batch, blockIdx.x, gridDim.x);
}

__global__ void __launch_bounds__(kInputThreads)
    normalise_in_blocks(const BlockedInput batch, int64_t lines) {
    for (int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
        normalise_blocked_row(ThreadBlock(), batch, line / batch.rows,
                              static_cast<int>(line % batch.rows));
    }
}

__global__ void __launch_bounds__(kRowThreads) relight_rows(const LightBatch batch, int64_t lines) {
    for (int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
        light_row(ThreadBlock(), batch, line / batch.height, static_cast<int>(line % batch.height));
    }
}

__global__ void __launch_bounds__(kObjectThreads)
    object_tiles(const ObjectBatch batch, int64_t tiles, int across, int per_image) {
    __shared__ ObjectMemory memory;
    for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const int within = static_cast<int>(tile % per_image);
        object_tile(ThreadBlock(), batch, memory, tile / per_image,
                    within % across * 32 * kObjectWords, within / across * kObjectRows);
    }
}

}  // namespace

void launch_augment(const AugmentBatch& batch, int64_t count, void* stream) {
    const int64_t lines = count * batch.rows;
    if (lines == 0 || batch.columns == 0) return;
    augment_rows<<<blocks_for(lines), kRowThreads, 0, static_cast<cudaStream_t>(stream)>>>(batch,
                                                                                           lines);
    check_launch("augment_rows");
}

void launch_normalise(const InputBatch& batch, void* stream) {
    const int64_t spans = (batch.values + kInputBytes - 1) / kInputBytes;
    if (spans == 0) return;
    normalise<<<blocks_for((spans + kInputThreads - 1) / kInputThreads), kInputThreads, 0,
                static_cast<cudaStream_t>(stream)>>>(batch);
    check_launch("normalise");
}

void launch_normalise_in_blocks(const BlockedInput& batch, int64_t count, void* stream) {
    const int64_t lines = count * batch.rows;
    if (lines == 0) return;
    normalise_in_blocks<<<blocks_for(lines), kInputThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        batch, lines);
    check_launch("normalise_in_blocks");
}

void launch_object_mask(const ObjectBatch& batch, int64_t count, void* stream) {
    const int across = (batch.width + 32 * kObjectWords - 1) / (32 * kObjectWords);
    const int per_image = across * ((batch.height + kObjectRows - 1) / kObjectRows);
    const int64_t tiles = count * per_image;
    if (tiles == 0) return;
    object_tiles<<<blocks_for(tiles), kObjectThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        batch, tiles, across, per_image);
    check_launch("object_tiles");
}

void launch_relight(const LightBatch& batch, int64_t count, void* stream) {
    const int64_t lines = count * batch.height;
    if (lines == 0) return;
    relight_rows<<<blocks_for(lines), kRowThreads, 0, static_cast<cudaStream_t>(stream)>>>(batch,
                                                                                           lines);
    check_launch("relight_rows");
}

}  // namespace nsa
