// Labels of one tile of an image (label.h says what a label is), 32 pixels a word.
//
// A tile is kTileWords words wide and kTileRows high. Around it lie one word to either side, of
// which the kHalo pixels beside the tile matter, and kHalo rows above and below: the disk median
// looks 5 px far at masked differences, whose 5x5 median looks 2 px further.
#pragma once

#include "label/bits_block.h"
#include "label/patches_block.h"

namespace nsa {

constexpr int kTileWords = 4;
constexpr int kTileRows = 32;
constexpr int kTileColumns = 32 * kTileWords;
constexpr int kLabelThreads = kTileWords * kTileRows;
constexpr int kHalo = 7;
constexpr int kMargin = kGroup;  // columns beside the tile that are compared: no less than kHalo
constexpr int kWindowRows = kTileRows + 2 * kHalo;
constexpr int kWindowGroups = (kTileColumns + 2 * kMargin) / kGroup;
constexpr int kWindowWords = kTileWords + 2;
constexpr int kDifferenceBits = 10;  // 3 * 255 < 1024

struct LabelMemory {
    union {  // differences are not needed any more when there are medians
        uint4 difference[kWindowRows][kWindowGroups];  // 16 bits a pixel
        uint32_t median[kDifferenceBits][kTileRows][kTileWords];
    };
    uint32_t changed[kWindowRows][kWindowWords];
    uint32_t mask[kWindowRows][kWindowWords];
    uint32_t digits[kDifferenceBits][kWindowRows][kWindowWords];
    uint32_t used[kLabelThreads];       // digits that a thread's words have
    int needed[kLabelThreads / kWarp];  // words of a warp that need medians
    uint8_t line_up[kLabelThreads];     // those words: their thread's rank
    PatchList list;
};

NSA_DEVICE int clamped(int value, int last) {
    return value < 0 ? 0 : value > last ? last : value;
}

// Difference digits and change mask of one word of the window; the digits that it has. The word's
// 16-bit differences are a matrix of bits that is transposed in halves: pair i holds those of pixel
// i and, above, of pixel i + 16, and then digit i of either half of the word.
NSA_DEVICE uint32_t pack_word(const LabelBatch& batch, LabelMemory& memory, int row, int word) {
    uint4 part[4];
    NSA_UNROLL
    for (int i = 0; i < 4; ++i) {
        const int group = 4 * (word - 1) + kMargin / kGroup + i;
        const bool inside = group >= 0 && group < kWindowGroups;
        part[i] = inside ? memory.difference[row][group] : make_uint4(0, 0, 0, 0);
    }
    uint32_t pair[16];
    NSA_UNROLL
    for (int i = 0; i < 2; ++i) {
        const uint4 low = part[i], high = part[i + 2];
        const uint32_t lows[4] = {low.x, low.y, low.z, low.w};
        const uint32_t highs[4] = {high.x, high.y, high.z, high.w};
        NSA_UNROLL
        for (int j = 0; j < 4; ++j) {
            pair[8 * i + 2 * j] = __byte_perm(lows[j], highs[j], 0x5410);
            pair[8 * i + 2 * j + 1] = __byte_perm(lows[j], highs[j], 0x7632);
        }
    }
    transpose_halves(pair);
    // A pixel counts as changed where its difference exceeds 0, or the 1 or 3 channels.
    const int first = batch.variant == Variant::kPaper ? 0 : batch.channels == 1 ? 1 : 2;
    uint32_t changed = 0, used = 0;
    NSA_UNROLL
    for (int b = 0; b < kDifferenceBits; ++b) {
        memory.digits[b][row][word] = pair[b];
        changed |= b >= first ? pair[b] : 0;
        used |= pair[b] != 0 ? 1u << b : 0;
    }
    memory.changed[row][word] = changed;
    return used;
}

// The 5x5 median of the change mask for one word: at least 13 of 25.
NSA_DEVICE uint32_t smoothed_word(const LabelMemory& memory, int row, int word) {
    BitCounter<5> count;
    int index = 0;
    NSA_UNROLL
    for (int dy = -2; dy <= 2; ++dy) {
        const uint32_t* const line = memory.changed[row + dy];
        const uint32_t left = word > 0 ? line[word - 1] : 0;
        const uint32_t right = word + 1 < kWindowWords ? line[word + 1] : 0;
        NSA_UNROLL
        for (int dx = -2; dx <= 2; ++dx) count.add(index++, shifted(left, line[word], right, dx));
    }
    count.finish(25);
    return count.digit[4] | (count.digit[3] & count.digit[2] & (count.digit[1] | count.digit[0]));
}

// Replicates the image's first and last column, at window columns first and last, into the rest of
// a row of words.
NSA_DEVICE void replicate_columns(uint32_t* line, int first, int last) {
    if (first > 0) {  // the image starts at the tile: word 1, bit 0
        line[0] = (line[1] & 1) != 0 ? ~0u : 0u;
    }
    if (last >= 32 * kWindowWords - 1) return;
    const int word = last / 32, bit = last % 32;
    const uint32_t above = bit == 31 ? 0u : ~0u << (bit + 1);
    const bool set = (line[word] >> bit & 1) != 0;
    line[word] = set ? line[word] | above : line[word] & ~above;
    for (int i = word + 1; i < kWindowWords; ++i) line[i] = set ? ~0u : 0u;
}

// The 41st smallest of the 81 differences around every pixel of a word, digit by digit from the
// top: where fewer of the candidates have a 0 there than the rank asks for, the digit is 1 and they
// are dropped, else the others are.
// y: the word's row in the image; window row r holds image row r + first_row.
NSA_DEVICE void median_word(LabelMemory& memory, int digits, int y, int first_row, int height,
                            int row, int word) {
    uint32_t candidates[kDiskPixels];
    NSA_UNROLL
    for (int i = 0; i < kDiskPixels; ++i) candidates[i] = ~0u;
    uint32_t rank[7] = {0, 0, 0, ~0u, 0, ~0u, 0};  // 40: how many candidates lie below the median
    for (int b = kDifferenceBits - 1; b >= 0; --b) {
        uint32_t digit = 0;
        if (b < digits) {
            BitCounter<7> zeros;
            uint32_t kept[kDiskPixels];  // this digit of every neighbour
            int index = 0;
            NSA_UNROLL
            for (int dy = -kDiskRadius; dy <= kDiskRadius; ++dy) {
                const uint32_t* const line =
                    memory.digits[b][clamped(y + dy, height - 1) - first_row] + word;
                const uint32_t left = line[0], middle = line[1], right = line[2];
                NSA_UNROLL
                for (int dx = -disk_reach(dy); dx <= disk_reach(dy); ++dx, ++index) {
                    kept[index] = shifted(left, middle, right, dx);
                    zeros.add(index, candidates[index] & ~kept[index]);
                }
            }
            zeros.finish(kDiskPixels);
            uint32_t borrow = 0, rest[7];  // rank - zeros
            NSA_UNROLL
            for (int i = 0; i < 7; ++i) {
                rest[i] = rank[i] ^ zeros.digit[i] ^ borrow;
                borrow = majority(~rank[i], zeros.digit[i], borrow);
            }
            digit = ~borrow;
            NSA_UNROLL
            for (int i = 0; i < 7; ++i) rank[i] = (digit & rest[i]) | (borrow & rank[i]);
            NSA_UNROLL
            for (int i = 0; i < kDiskPixels; ++i) candidates[i] &= ~(kept[i] ^ digit);
        }
        memory.median[b][row][word] = digit;
    }
}

// The label of a pixel that the mask of its word holds, or that need not be held. column: of the
// tile.
NSA_DEVICE float label_at(const LabelBatch& batch, const LabelMemory& memory, int64_t image, int x,
                          int y, int row, int column) {
    if (batch.source == LabelSource::kMask) return 1.0f;
    if (batch.source == LabelSource::kFactor) {
        return batch.factors[deciding_row(batch, memory.list, image, x, y)];
    }
    const int word = column / 32, bit = column % 32;
    int median = 0;
    NSA_UNROLL
    for (int b = 0; b < kDifferenceBits; ++b) {
        median |= static_cast<int>(memory.median[b][row][word] >> bit & 1) << b;
    }
    return batch.table[median];
}

// Writes the labels of the tile whose first pixel is (x0, y0); x0 is a multiple of kTileColumns and
// y0 one of kTileRows. Needs kLabelThreads threads.
NSA_DEVICE void label_tile(const ThreadBlock& block, const LabelBatch& batch, LabelMemory& memory,
                           int64_t image, int x0, int y0) {
    const int columns = min(batch.width - x0, kTileColumns);
    const int rows = min(batch.height - y0, kTileRows);
    const bool medians = batch.source == LabelSource::kMedian;
    float* const labels = batch.labels + (image * batch.height + y0) * batch.width + x0;
    block.phase([&](int rank) {
        if (rank >= kWarp) return;
        list_patches(batch, image, x0 - kHalo, y0 - kHalo, x0 + kTileColumns + kHalo,
                     y0 + kTileRows + kHalo, rank, memory.list);
    });  // the list is complete
    if (memory.list.count + memory.list.unlisted == 0) {
        block.phase([&](int rank) {
            for (GridWalk at(rank, block.size(), columns); at.line < rows; at.next()) {
                labels[static_cast<int64_t>(at.line) * batch.width + at.column] = 0.0f;
            }
        });  // nobody reads the list any more
        return;
    }
    block.phase([&](int rank) {
        for (GridWalk at(rank, block.size(), kWindowGroups); at.line < kWindowRows; at.next()) {
            memory.difference[at.line][at.column] = marked_differences(
                batch, memory.list, image, x0 - kMargin + kGroup * at.column, y0 - kHalo + at.line);
        }
    });  // the differences are complete
    block.phase([&](int rank) {
        uint32_t used = 0;
        for (int i = rank; i < kWindowRows * kWindowWords; i += block.size()) {
            used |= pack_word(batch, memory, i / kWindowWords, i % kWindowWords);
        }
        memory.used[rank] = used;
    });  // change mask and digits are complete
    block.phase([&](int rank) {
        for (int i = rank; i < (kWindowRows - 4) * kWindowWords; i += block.size()) {
            const int row = 2 + i / kWindowWords, word = i % kWindowWords;
            const uint32_t mask = smoothed_word(memory, row, word);
            memory.mask[row][word] = mask;
            for (int b = 0; b < kDifferenceBits; ++b) memory.digits[b][row][word] &= mask;
        }
    });  // the mask is complete and the digits are masked; each word by one thread
    if (medians) {
        // The disk median wants masked differences replicated, not differences of replicated
        // pixels.
        block.phase([&](int rank) {
            for (int i = rank; i < kDifferenceBits * kWindowRows; i += block.size()) {
                replicate_columns(memory.digits[i / kWindowRows][i % kWindowRows], x0 == 0 ? 32 : 0,
                                  batch.width - x0 + 31);
            }
        });  // the border is complete; each line of words by one thread
        // Medians cost the most. The words that need one are lined up, so that they fill whole
        // warps.
        bool needed = false;
        int place = 0;
        block.phase([&](int rank) {
            const int row = rank / kTileWords, word = rank % kTileWords;
            needed = row < rows && 32 * word < columns &&
                     (!batch.within_mask || memory.mask[row + kHalo][word + 1] != 0);
            const uint32_t those = warp_ballot(needed);
            place = __popc(those & ((1u << rank % kWarp) - 1));
            if (rank % kWarp == 0) memory.needed[rank / kWarp] = __popc(those);
        });  // each warp has counted its own
        block.phase([&](int rank) {
            for (int i = 0; i < rank / kWarp; ++i) place += memory.needed[i];
            if (needed) memory.line_up[place] = static_cast<uint8_t>(rank);
        });  // the words are lined up
        block.phase([&](int rank) {
            int count = 0;
            uint32_t used = 0;
            for (int i = 0; i < kLabelThreads / kWarp; ++i) count += memory.needed[i];
            for (int i = 0; i < kLabelThreads; i += kWarp) used |= memory.used[i + rank % kWarp];
            const int digits = 32 - __clz(static_cast<int>(warp_or(used)));
            if (rank >= count) return;
            const int row = memory.line_up[rank] / kTileWords;
            median_word(memory, digits, y0 + row, y0 - kHalo, batch.height, row,
                        memory.line_up[rank] % kTileWords);
        });  // the medians are complete
    }
    block.phase([&](int rank) {
        // A warp writes one word, most of which hold no label but 0.
        for (GridWalk at(rank, block.size(), kTileColumns); at.line < rows; at.next()) {
            if (at.column >= columns) continue;
            const uint32_t mask = memory.mask[at.line + kHalo][at.column / 32 + 1];
            const bool labelled = !batch.within_mask || (mask >> at.column % 32 & 1) != 0;
            labels[static_cast<int64_t>(at.line) * batch.width + at.column] =
                labelled ? label_at(batch, memory, image, x0 + at.column, y0 + at.line, at.line,
                                    at.column)
                         : 0.0f;
        }
    });  // the memory is free for the next tile
}

}  // namespace nsa
