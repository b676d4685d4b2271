// Sides of the boxes that Poisson blending solves, px.
#pragma once

namespace nsa {

// The erosion leaves nothing of a box with a narrower side, so it is not changed.
constexpr int kNarrowestBox = 7;
// Longest side that the CUDA kernels solve: beyond it float32 leaves more than a grey level.
constexpr int kWidestBox = 1024;

}  // namespace nsa
