// Object masks of one tile of an image (object_mask.h), 32 pixels a word as in label/bits_block.h.
#pragma once

#include "image/image_cuda.h"
#include "label/bits_block.h"

namespace nsa {

constexpr int kObjectRows = 32;
constexpr int kObjectWords = 4;
constexpr int kObjectReach = 3;
constexpr int kObjectThreads = kObjectRows * kObjectWords;
constexpr int kObjectLines = kObjectRows + 2 * kObjectReach;

struct ObjectMemory {
    uint8_t foreground[kObjectLines][32 * (kObjectWords + 2)];  // word 0 lies left of the tile
    uint32_t word[kObjectLines][kObjectWords + 2];
    uint32_t mask[kObjectRows][kObjectWords];
};

// Whether 25 or more of the 7x7 pixels around each pixel of a word are foreground.
NSA_DEVICE uint32_t object_word(const ObjectMemory& memory, int row, int word) {
    BitCounter<6> count;
    int index = 0;
    NSA_UNROLL
    for (int dy = 0; dy < 7; ++dy) {
        const uint32_t* const line = memory.word[row + dy] + word;
        NSA_UNROLL
        for (int dx = -3; dx <= 3; ++dx) {
            count.add(index++, shifted(line[0], line[1], line[2], dx));
        }
    }
    count.finish(49);
    const uint32_t* const d = count.digit;  // 25 = 011001
    return d[5] | (d[4] & d[3] & (d[2] | d[1] | d[0]));
}

// The tile whose first pixel is (x0, y0). Needs kObjectThreads threads.
NSA_DEVICE void object_tile(const ThreadBlock& block, const ObjectBatch& batch,
                            ObjectMemory& memory, int64_t image, int x0, int y0) {
    constexpr int kColumns = 32 * kObjectWords + 2 * kObjectReach;
    const auto inside = [](int value, int last) {
        return value < 0 ? 0 : value > last ? last : value;
    };
    block.phase([&](int rank) {
        for (GridWalk at(rank, block.size(), kColumns); at.line < kObjectLines; at.next()) {
            const int64_t x = inside(x0 - kObjectReach + at.column, batch.width - 1);
            const int64_t y = inside(y0 - kObjectReach + at.line, batch.height - 1);
            const uint8_t* const pixel =
                batch.images + ((image * batch.height + y) * batch.width + x) * batch.channels;
            const int sum = batch.channels == 3 ? pixel[0] + pixel[1] + pixel[2] : pixel[0];
            memory.foreground[at.line][32 - kObjectReach + at.column] =
                sum < batch.low || sum > batch.low + batch.extent;
        }
    });  // the foreground is complete
    block.phase([&](int rank) {
        for (int i = rank; i < kObjectLines * (kObjectWords + 2); i += block.size()) {
            const int line = i / (kObjectWords + 2), word = i % (kObjectWords + 2);
            const int first = word == 0 ? 32 - kObjectReach : 0;
            const int end = word == kObjectWords + 1 ? kObjectReach : 32;
            uint32_t bits = 0;
            for (int bit = first; bit < end; ++bit) {
                bits |= static_cast<uint32_t>(memory.foreground[line][32 * word + bit]) << bit;
            }
            memory.word[line][word] = bits;
        }
    });  // the words are complete
    block.phase([&](int rank) {
        for (int i = rank; i < kObjectRows * kObjectWords; i += block.size()) {
            memory.mask[i / kObjectWords][i % kObjectWords] =
                object_word(memory, i / kObjectWords, i % kObjectWords);
        }
    });  // the masks are complete
    block.phase([&](int rank) {
        const int columns =
            batch.width - x0 < 32 * kObjectWords ? batch.width - x0 : 32 * kObjectWords;
        const int rows = batch.height - y0 < kObjectRows ? batch.height - y0 : kObjectRows;
        uint8_t* const out = batch.masks + (image * batch.height + y0) * batch.width + x0;
        for (GridWalk at(rank, block.size(), columns); at.line < rows; at.next()) {
            out[static_cast<int64_t>(at.line) * batch.width + at.column] =
                static_cast<uint8_t>(memory.mask[at.line][at.column / 32] >> at.column % 32 & 1);
        }
    });  // the memory is free for the next tile
}

}  // namespace nsa
