// Labels of one tile of an image (label.h says what a label is), 32 pixels a word.
//
// A tile is kTileWords words wide and kTileRows high. Around it lie one word to either side, of
// which 7 pixels matter, and 7 rows above and below: the disk median looks 5 px far at masked
// differences, whose 5x5 median looks 2 px further.
#pragma once

#include "label/bits_block.h"
#include "label/patches_block.h"

namespace nsa {

constexpr int kTileWords = 4;
constexpr int kTileRows = 32;
constexpr int kTileColumns = 32 * kTileWords;
constexpr int kLabelThreads = kTileWords * kTileRows;
constexpr int kHalo = 7;
constexpr int kWindowRows = kTileRows + 2 * kHalo;
constexpr int kWindowColumns = kTileColumns + 2 * kHalo;
constexpr int kWindowWords = kTileWords + 2;
constexpr int kDifferenceBits = 10;  // 3 * 255 < 1024

struct LabelMemory {
    uint16_t difference[kWindowRows][kWindowColumns + 2];
    uint32_t changed[kWindowRows][kWindowWords];
    uint32_t mask[kWindowRows][kWindowWords];
    uint32_t digits[kDifferenceBits][kWindowRows][kWindowWords];
    uint32_t used[kLabelThreads];  // differences of a thread's words, united
    uint32_t median[kDifferenceBits][kTileRows][kTileWords];
};

NSA_DEVICE int clamped(int value, int last) {
    return value < 0 ? 0 : value > last ? last : value;
}

NSA_DEVICE int difference_at(const LabelBatch& batch, int64_t image, int x, int y) {
    bool marked;
    deciding_row(batch, image, x, y, marked);
    if (!marked) return 0;
    const int64_t pixel = ((image * batch.height + y) * batch.width + x) * batch.channels;
    int sum = 0;
    for (int c = 0; c < batch.channels; ++c) {
        const int change = batch.blended[pixel + c] - batch.original[pixel + c];
        sum += change < 0 ? -change : change;
    }
    return sum;
}

// Whether a label of the tile can differ from 0.
NSA_DEVICE bool tile_is_touched(const LabelBatch& batch, int64_t image, int x0, int y0) {
    for (int i = batch.image_first[image]; i < batch.image_first[image + 1]; ++i) {
        const PatchRow patch(batch, batch.image_rows[i]);
        if (patch.meets(x0 - kHalo, y0 - kHalo, x0 + kTileColumns + kHalo,
                        y0 + kTileRows + kHalo)) {
            return true;
        }
    }
    return false;
}

// Difference digits and change mask of one word of the window. A word's pixels are visited from
// another start by every thread, so that threads whose words lie 16 banks apart do not collide.
NSA_DEVICE uint32_t pack_word(const LabelBatch& batch, LabelMemory& memory, int row, int word,
                              int rank) {
    const int threshold = batch.overwrite ? batch.channels : 0;
    uint32_t changed = 0, used = 0, digits[kDifferenceBits];
    NSA_UNROLL
    for (int b = 0; b < kDifferenceBits; ++b) digits[b] = 0;
    for (int i = 0; i < 32; ++i) {
        const int bit = (i + rank) & 31;
        const int column = 32 * (word - 1) + bit + kHalo;
        if (column < 0 || column >= kWindowColumns) continue;
        const uint32_t value = memory.difference[row][column];
        changed |= static_cast<uint32_t>(static_cast<int>(value) > threshold) << bit;
        used |= value;
        NSA_UNROLL
        for (int b = 0; b < kDifferenceBits; ++b) digits[b] |= (value >> b & 1) << bit;
    }
    memory.changed[row][word] = changed;
    NSA_UNROLL
    for (int b = 0; b < kDifferenceBits; ++b) memory.digits[b][row][word] = digits[b];
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

NSA_DEVICE float label_at(const LabelBatch& batch, const LabelMemory& memory, int64_t image, int x,
                          int y, int row, int column) {
    const int word = column / 32, bit = column % 32;
    const bool set = (memory.mask[row + kHalo][word + 1] >> bit & 1) != 0;
    if (batch.kind == LabelKind::kBinary) return set ? 1.0f : 0.0f;
    if (batch.kind != LabelKind::kContinuous && !set) return 0.0f;
    if (batch.kind == LabelKind::kFactor) {
        bool marked;
        int32_t deciding = deciding_row(batch, image, x, y, marked);
        // The median can fill a corner between patches: the last one's factor, as on the CPU.
        if (deciding < 0) deciding = batch.image_rows[batch.image_first[image + 1] - 1];
        return batch.factors[deciding];
    }
    int median = 0;
    NSA_UNROLL
    for (int b = 0; b < kDifferenceBits; ++b) {
        median |= static_cast<int>(memory.median[b][row][word] >> bit & 1) << b;
    }
    return batch.table[median];
}

// Writes the labels of the tile whose first pixel is (x0, y0); x0 is a multiple of kTileColumns and
// y0 one of kTileRows. Needs kLabelThreads threads.
template <typename Group>
NSA_DEVICE void label_tile(const Group& group, const LabelBatch& batch, LabelMemory& memory,
                           int64_t image, int x0, int y0) {
    const int columns = batch.width - x0 < kTileColumns ? batch.width - x0 : kTileColumns;
    const int rows = batch.height - y0 < kTileRows ? batch.height - y0 : kTileRows;
    float* const labels = batch.labels + (image * batch.height + y0) * batch.width + x0;
    if (!tile_is_touched(batch, image, x0, y0)) {
        group.phase([&](int rank) {
            for (GridWalk at(rank, group.size(), columns); at.line < rows; at.next()) {
                labels[static_cast<int64_t>(at.line) * batch.width + at.column] = 0.0f;
            }
        });
        return;
    }
    group.phase([&](int rank) {
        for (GridWalk at(rank, group.size(), kWindowColumns); at.line < kWindowRows; at.next()) {
            const int x = clamped(x0 - kHalo + at.column, batch.width - 1);
            const int y = clamped(y0 - kHalo + at.line, batch.height - 1);
            memory.difference[at.line][at.column] =
                static_cast<uint16_t>(difference_at(batch, image, x, y));
        }
    });  // the differences are complete
    group.phase([&](int rank) {
        uint32_t used = 0;
        for (int i = rank; i < kWindowRows * kWindowWords; i += group.size()) {
            used |= pack_word(batch, memory, i / kWindowWords, i % kWindowWords, rank);
        }
        memory.used[rank] = used;
    });  // change mask and digits are complete
    group.phase([&](int rank) {
        for (int i = rank; i < (kWindowRows - 4) * kWindowWords; i += group.size()) {
            const int row = 2 + i / kWindowWords, word = i % kWindowWords;
            const uint32_t mask = smoothed_word(memory, row, word);
            memory.mask[row][word] = mask;
            for (int b = 0; b < kDifferenceBits; ++b) memory.digits[b][row][word] &= mask;
        }
    });  // the mask is complete and the digits are masked; each word by one thread
    if (batch.kind == LabelKind::kContinuous || batch.kind == LabelKind::kLogistic) {
        // The disk median wants masked differences replicated, not differences of replicated
        // pixels.
        group.phase([&](int rank) {
            for (int i = rank; i < kDifferenceBits * kWindowRows; i += group.size()) {
                replicate_columns(memory.digits[i / kWindowRows][i % kWindowRows], x0 == 0 ? 32 : 0,
                                  batch.width - x0 + 31);
            }
        });  // the border is complete; each line of words by one thread
        group.phase([&](int rank) {
            uint32_t used = 0;
            for (int i = 0; i < kLabelThreads; ++i) used |= memory.used[i];
            int digits = 0;
            while (used >> digits != 0) ++digits;
            for (int i = rank; i < rows * kTileWords; i += group.size()) {
                const int row = i / kTileWords, word = i % kTileWords;
                if (32 * word >= columns) continue;
                const bool needed =
                    batch.kind == LabelKind::kContinuous || memory.mask[row + kHalo][word + 1] != 0;
                if (needed) {
                    median_word(memory, digits, y0 + row, y0 - kHalo, batch.height, row, word);
                }
            }
        });  // the medians are complete
    }
    group.phase([&](int rank) {
        for (GridWalk at(rank, group.size(), columns); at.line < rows; at.next()) {
            labels[static_cast<int64_t>(at.line) * batch.width + at.column] =
                label_at(batch, memory, image, x0 + at.column, y0 + at.line, at.line, at.column);
        }
    });  // the memory is free for the next tile
}

}  // namespace nsa
