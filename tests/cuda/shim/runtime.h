// The device that the shim plays, and how tests arrange and watch it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cuda_runtime.h"

namespace shim {

// shared_memory: bytes of dynamic shared memory a block may have at most. seed: the order of the
// blocks and, from barrier to barrier, of the threads of each: 0 forwards, 1 backwards, else
// shuffled. broken: every launch is refused. Forgets launches, errors and attributes of kernels.
void reset(int multiprocessors, size_t shared_memory, uint32_t seed, bool broken = false);

struct Launched {
    std::string kernel;
    unsigned blocks;
    unsigned threads;
    size_t shared;
};
// Every launch since the last reset.
const std::vector<Launched>& launches();

constexpr size_t kDefaultShared = 48 * 1024;  // bytes every kernel may use without asking

}  // namespace shim
