#include "device/launch.h"
#include "label/label_block.h"
#include "label/label_cuda.h"

namespace nsa {
namespace {

__global__ void __launch_bounds__(kLabelThreads, 3)
    label_tiles(const LabelBatch batch, int64_t tiles, int across, int per_image) {
    __shared__ LabelMemory memory;
    for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const int within = static_cast<int>(tile % per_image);
        label_tile(ThreadBlock(), batch, memory, tile / per_image, within % across * kTileColumns,
                   within / across * kTileRows);
    }
}

}  // namespace

void launch_label(const LabelBatch& batch, int64_t count, void* stream) {
    const int across = (batch.width + kTileColumns - 1) / kTileColumns;
    const int per_image = across * ((batch.height + kTileRows - 1) / kTileRows);
    const int64_t tiles = count * per_image;
    if (tiles == 0) return;
    label_tiles<<<blocks_for(tiles), kLabelThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        batch, tiles, across, per_image);
    check_launch("label_tiles");
}

}  // namespace nsa
