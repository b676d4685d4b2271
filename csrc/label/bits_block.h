// Arithmetic on 32 pixels at once: bit x of a word belongs to pixel x, and a number per pixel is a
// stack of words, one per binary digit. Counting and selecting then cost a few logic instructions
// per 32 pixels.
#pragma once

#include <cstdint>

#include "thread_block.h"

namespace nsa {

NSA_DEVICE uint32_t majority(uint32_t a, uint32_t b, uint32_t c) {
    return (a & b) | (c & (a ^ b));
}

// Counts single bits: add() takes them one by one, with indices 0, 1, 2, ... known at compile time;
// finish() leaves the count's digits in digit[]. Bits of equal weight wait in pairs, so a digit is
// added up half as often as the one below it: two logic instructions a bit in all.
template <int kDigits>
struct BitCounter {
    uint32_t digit[kDigits];
    uint32_t waiting[kDigits];

    NSA_DEVICE BitCounter() {
        NSA_UNROLL
        for (int i = 0; i < kDigits; ++i) digit[i] = waiting[i] = 0;
    }

    NSA_DEVICE void add(int index, uint32_t bit) {
        NSA_UNROLL
        for (int i = 0; i < kDigits; ++i) {
            if ((index >> i & 1) == 0) {
                waiting[i] = bit;
                return;
            }
            const uint32_t carry = majority(digit[i], waiting[i], bit);
            digit[i] ^= waiting[i] ^ bit;
            bit = carry;
        }
    }

    // count: how many bits were added.
    NSA_DEVICE void finish(int count) {
        uint32_t carry = 0;
        NSA_UNROLL
        for (int i = 0; i < kDigits; ++i) {
            const uint32_t last = (count >> i & 1) == 1 ? waiting[i] : 0;
            const uint32_t next = majority(digit[i], last, carry);
            digit[i] ^= last ^ carry;
            carry = next;
        }
    }
};

// Word of the pixels `by` to the right of a word's own, by in [-31, 31]; `left` and `right` are its
// neighbours.
NSA_DEVICE uint32_t shifted(uint32_t left, uint32_t word, uint32_t right, int by) {
    if (by == 0) return word;
    return by > 0 ? __funnelshift_r(word, right, by) : __funnelshift_l(left, word, -by);
}

// Transposes both 16 x 16 halves of 16 words: bit j of word i changes places with bit i of word j,
// and so do the bits 16 higher. Squares of 8, 4, 2 and 1 bits are exchanged in turn.
NSA_DEVICE void transpose_halves(uint32_t (&words)[16]) {
    constexpr uint32_t kKept[4] = {0x55555555u, 0x33333333u, 0x0f0f0f0fu, 0x00ff00ffu};
    NSA_UNROLL
    for (int stage = 3; stage >= 0; --stage) {
        const int by = 1 << stage;
        const uint32_t kept = kKept[stage];
        NSA_UNROLL
        for (int i = 0; i < 16; ++i) {
            if ((i & by) != 0) continue;
            const uint32_t upper = words[i], lower = words[i + by];
            words[i] = (upper & kept) | (lower << by & ~kept);
            words[i + by] = (upper >> by & kept) | (lower & ~kept);
        }
    }
}

// Rows dy of the disk with dx^2 + dy^2 <= 25 reach from -disk_reach(dy) to disk_reach(dy).
NSA_DEVICE constexpr int disk_reach(int dy) {
    return dy == 0 ? 5 : dy == 5 || dy == -5 ? 0 : dy == 4 || dy == -4 ? 3 : 4;
}

constexpr int kDiskRadius = 5;
constexpr int kDiskPixels = 81;

}  // namespace nsa
