// Runs the blocks of a launch, every thread of a block as a fiber of its own.
//
// Threads run in an order that changes from barrier to barrier, each until it has to wait for
// others. In shuffled order a few blocks take turns, so that what they share shows. Where all of a
// block wait for somebody who does not come, the launch fails with a sentence.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "block.h"

namespace shim {

class Scheduler {
  public:
    // Returns why the device would have refused the launch. Throws std::runtime_error.
    cudaError_t run(const Launch& launch, size_t shared_limit, uint32_t seed, void (*body)(void*),
                    void* arguments);

    // For the running thread.
    [[noreturn]] void begin();
    void barrier();
    uint64_t collective(const char* name, Collective result_of, unsigned mask, uint64_t value,
                        uint64_t argument);
    void* dynamic(size_t alignment);
    void* variable(const void* key, size_t bytes, size_t alignment);
    [[noreturn]] void refuse(cudaError_t error);
    [[noreturn]] void fail(const std::string& why);
    [[noreturn]] void fail_at(const void* address);
    [[noreturn]] void fail_after(int seconds);
    const Thread* current() const { return current_; }  // null while the host runs

  private:
    static constexpr int kTogether = 3;  // blocks that take turns

    void run_blocks(std::vector<int>& numbers, Order& order);
    void take_turn(Block& block, Order& order);
    bool is_ended() const { return !failure_.empty() || refused_ != cudaSuccess; }
    void pause();
    [[noreturn]] void leave();

    Fiber host_;
    std::array<Block, kTogether> blocks_;
    Block* block_ = nullptr;  // whose turn it is
    Thread* current_ = nullptr;
    Launch launch_{};
    size_t shared_limit_ = 0;
    void (*body_)(void*) = nullptr;
    void* arguments_ = nullptr;
    cudaError_t refused_ = cudaSuccess;
    std::string failure_;
};

Scheduler& scheduler();

}  // namespace shim
