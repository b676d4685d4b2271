#include "image/gather.h"
#include "image/runs.h"

namespace nsa {
namespace NSA_ISA {
namespace {

constexpr int kReach = 3;  // of the 7x7 median

struct Scratch {
    int64_t words;   // of a row: its pixels with kReach more on either side
    int64_t total;   // of the crop
    uint64_t* bits;  // rows with kReach more above and below; bit x + kReach for pixel x
    uint64_t* ones;  // three digits of the sum over the 7 pixels of a column
    uint64_t* twos;
    uint64_t* fours;
};

constexpr int64_t kSlack = 1;  // word that is written or read beyond each

Scratch divide(uint64_t* scratch, int rows, int columns) {
    const int64_t words = bit_words(columns + 2 * kReach), total = rows * words;
    uint64_t* const ones = scratch + total + 2 * kReach * words + kSlack;
    return {words, total, scratch, ones, ones + total + kSlack, ones + 2 * (total + kSlack)};
}

// 64 bits from position `at` on; one more word may be read.
NSA_INLINE uint64_t bits_at(const uint64_t* words, int64_t at) {
    const uint64_t* const word = words + (at >> 6);
    // Two shifts of the second, because one by 64 is undefined.
    return word[0] >> (at & 63) | (word[1] << 1) << (~at & 63);
}

// Sets up to 64 bits of a row from position `at` on and leaves those before: of calls from left to
// right, the later one decides.
NSA_INLINE void put(uint64_t* line, int at, uint64_t bits) {
    uint64_t* const word = line + (at >> 6);
    word[0] = (word[0] & ~(~uint64_t{0} << (at & 63))) | bits << (at & 63);
    word[1] = (bits >> 1) >> (~at & 63);
}

void fill(uint64_t* line, int at, int end, bool value) {
    for (; at < end; at += 64) put(line, at, value ? ~uint64_t{0} : 0);
}

void gather_bits(const uint64_t* image, int height, int width, bool outside, const Crop& crop,
                 const Scratch& scratch) {
    const int64_t stride = 64 * bit_words(width);
    const bool runs = has_runs(crop);
    const Walk walk(crop, stride);
    for (int y = 0; y < crop.rows; ++y) {
        uint64_t* const line = scratch.bits + (y + kReach) * scratch.words;
        const Inside range = inside(crop, y, height, width);
        line[0] = 0;  // the row before reached into it
        fill(line, kReach, kReach + range.first, outside);
        if (runs) {
            for_each_run(crop, y, range, walk, stride, [&](int x, int end, int64_t pixel) {
                for (; end - x > 64; x += 64, pixel += 64) {
                    put(line, x + kReach, bits_at(image, pixel));
                }
                put(line, x + kReach, bits_at(image, pixel));
            });
        } else {
            for (int x = range.first; x < range.last; x += 64) {
                const int end = range.last - x < 64 ? range.last : x + 64;
                uint64_t bits = 0;
                for (int at = x; at < end; ++at) {
                    const int64_t pixel = pixel_at(crop, at, y, stride);
                    bits |= (image[pixel >> 6] >> (pixel & 63) & 1) << (at - x);
                }
                put(line, x + kReach, bits);
            }
        }
        fill(line, kReach + range.last, kReach + crop.columns, outside);
        // The border's pixels once more beyond it.
        const int end = kReach + crop.columns;
        if ((line[0] >> kReach & 1) != 0) line[0] |= (uint64_t{1} << kReach) - 1;
        fill(line, end, end + kReach, (bits_at(line, end - 1) & 1) != 0);
    }
    const size_t bytes = static_cast<size_t>(scratch.words) * sizeof(uint64_t);
    for (int y = 0; y < kReach; ++y) {
        std::memcpy(scratch.bits + y * scratch.words, scratch.bits + kReach * scratch.words, bytes);
        uint64_t* const below = scratch.bits + (kReach + crop.rows + y) * scratch.words;
        std::memcpy(below, scratch.bits + (kReach + crop.rows - 1) * scratch.words, bytes);
    }
}

// Digits of the sum of three bits, and of seven, of 64 pixels at once.
NSA_INLINE void add(uint64_t a, uint64_t b, uint64_t c, uint64_t& one, uint64_t& two) {
    one = a ^ b ^ c;
    two = (a & b) | (c & (a | b));
}

NSA_INLINE void add(const uint64_t (&bits)[7], uint64_t& one, uint64_t& two, uint64_t& four) {
    uint64_t first, second, twos[3];
    add(bits[0], bits[1], bits[2], first, twos[0]);
    add(bits[3], bits[4], bits[5], second, twos[1]);
    add(first, second, bits[6], one, twos[2]);
    add(twos[0], twos[1], twos[2], two, four);
}

void add_columns(const uint64_t* NSA_RESTRICT bits, int64_t words, int64_t total,
                 uint64_t* NSA_RESTRICT ones, uint64_t* NSA_RESTRICT twos,
                 uint64_t* NSA_RESTRICT fours) {
    for (int64_t i = 0; i < total; ++i) {
        uint64_t column[7];
        for (int row = 0; row < 7; ++row) column[row] = bits[i + row * words];
        add(column, ones[i], twos[i], fours[i]);
    }
}

// The digit of a column sum at the seven pixels from each of a word on.
NSA_INLINE void spread(const uint64_t* digit, int64_t i, uint64_t (&out)[7]) {
    out[0] = digit[i];
    for (int by = 1; by < 7; ++by) out[by] = digit[i] >> by | digit[i + 1] << (64 - by);
}

// Whether at least 25 of the 49 pixels are set, bit x for pixel x.
void majority_of_squares(const uint64_t* NSA_RESTRICT ones, const uint64_t* NSA_RESTRICT twos,
                         const uint64_t* NSA_RESTRICT fours, int64_t total,
                         uint64_t* NSA_RESTRICT out) {
    for (int64_t i = 0; i < total; ++i) {
        uint64_t bits[7], a0, a1, a2, b0, b1, b2, c0, c1, c2;
        spread(ones, i, bits);
        add(bits, a0, a1, a2);
        spread(twos, i, bits);
        add(bits, b0, b1, b2);
        spread(fours, i, bits);
        add(bits, c0, c1, c2);
        // a + 2 b + 4 c, digit by digit.
        const uint64_t two = a1 ^ b0;
        uint64_t four, eight, eights, sixteens, sixteen, thirtytwo;
        add(a2, b1, c0, four, eights);
        const uint64_t carry = a1 & b0, over = four & carry;
        four ^= carry;
        add(b2, c1, eights, eight, sixteens);
        add(c2, sixteens, eight & over, sixteen, thirtytwo);
        eight ^= over;
        out[i] = thirtytwo | (sixteen & eight & (four | two | a0));
    }
}

// Bytes 0 or 1 of the eight bits of a byte.
struct ByteTable {
    uint64_t bytes[256];

    constexpr ByteTable() : bytes() {
        for (int byte = 0; byte < 256; ++byte) {
            for (int at = 0; at < 8; ++at)
                bytes[byte] |= static_cast<uint64_t>(byte >> at & 1) << 8 * at;
        }
    }
};

constexpr ByteTable kTable;

void expand(const uint64_t* NSA_RESTRICT line, int columns, uint8_t* NSA_RESTRICT out) {
    int x = 0;
    for (; x + 64 <= columns; x += 64) {
        const uint64_t word = line[x >> 6];
        for (int at = 0; at < 64; at += 8) {
            std::memcpy(out + x + at, &kTable.bytes[word >> at & 255], 8);
        }
    }
    for (; x < columns; x += 8) {
        const int left = columns - x < 8 ? columns - x : 8;
        std::memcpy(out + x, &kTable.bytes[line[x >> 6] >> (x & 63) & 255],
                    static_cast<size_t>(left));
    }
}

}  // namespace

int64_t gather_mask_scratch_words(int rows, int columns) {
    const int64_t words = bit_words(columns + 2 * kReach);
    return (rows + 2 * kReach) * words + kSlack + 3 * (rows * words + kSlack);
}

void gather_mask(const uint64_t* foreground, int height, int width, bool outside, const Crop& crop,
                 uint8_t* mask, uint64_t* scratch) {
    const Scratch parts = divide(scratch, crop.rows, crop.columns);
    gather_bits(foreground, height, width, outside, crop, parts);
    add_columns(parts.bits, parts.words, parts.total, parts.ones, parts.twos, parts.fours);
    majority_of_squares(parts.ones, parts.twos, parts.fours, parts.total, parts.bits);
    for (int y = 0; y < crop.rows; ++y) {
        const int line = crop.flip ? crop.rows - 1 - y : y;
        expand(parts.bits + y * parts.words, crop.columns,
               mask + static_cast<int64_t>(line) * crop.columns);
    }
}

}  // namespace NSA_ISA
}  // namespace nsa
