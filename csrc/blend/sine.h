// Tables of the folded discrete sine transform of length n, S[j][k] = sin(pi (j+1)(k+1) / (n+1)).
// Even k are symmetric about the middle of the signal and odd k antisymmetric, so a signal folded
// to x[j] + x[n-1-j] and x[j] - x[n-1-j] needs two products of half the size in each dimension.
#pragma once

#include <memory>

namespace nsa {

struct SineTable {
    int length;         // n
    int symmetric;      // (n + 1) / 2 frequencies; also the length of a folded signal
    int antisymmetric;  // n / 2
    int padded;         // `symmetric` rounded up to 8
    // Each (symmetric, padded). Forward tables have row j, column frequency, zeros beyond the last
    // one, and carry the factor 2 / (n + 1) of the inverse; inverse tables have row frequency,
    // column j, which simply continues beyond the middle.
    const float* forward_symmetric;
    const float* forward_antisymmetric;
    const float* inverse_symmetric;
    const float* inverse_antisymmetric;
    // (2 * padded): 2 + the eigenvalue 4 sin^2(pi (k+1) / (2 (n+1))), symmetric then antisymmetric.
    const float* diagonal;
};

// The table of length n >= 1. Short ones are made once and kept, so the pointer is shared; a long
// one lives as long as the caller keeps it.
std::shared_ptr<const SineTable> sine_table(int n);

}  // namespace nsa
