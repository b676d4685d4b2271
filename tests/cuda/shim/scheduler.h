// Runs the blocks of a launch one after another, every thread of a block as a fiber of its own.
//
// Threads run in an order that changes from barrier to barrier, each until it has to wait for
// others. Where all of them wait for somebody who does not come, the launch fails with a sentence.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fiber.h"
#include "runtime.h"
#include "shared_memory.h"

namespace shim {

struct Thread {
    enum Doing { kReady, kBarrier, kCollective, kFinished };

    Thread(int number, void (*entry)()) : fiber(entry), rank(number) {}

    Fiber fiber;
    int rank;
    uint3 index{};
    Doing doing = kFinished;
    // Of a collective operation: what the lanes must agree on, what each gives, and gets.
    const char* operation = nullptr;
    unsigned mask = 0;
    Collective result_of = nullptr;
    uint64_t value = 0;
    uint64_t argument = 0;
    uint64_t result = 0;
};

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
    const Thread* current() const { return current_; }  // null while the host runs

  private:
    struct Variable {
        SharedMemory memory;
        int64_t block = -1;  // that has used it last
    };

    void run_block();
    void run_threads();
    void shuffle(std::vector<int>& order);
    bool agrees(const Thread& thread, const Thread& other) const;
    int lanes_from(int first) const;
    std::string deadlock() const;
    static std::string what_it_does(const Thread& thread);
    void check_gaps();
    void pause();
    [[noreturn]] void leave();

    Fiber host_;
    std::vector<std::unique_ptr<Thread>> threads_;
    Thread* current_ = nullptr;
    int count_ = 0;  // threads of a block
    std::vector<int> order_;
    uint32_t random_ = 0;
    uint32_t seed_ = 0;
    SharedMemory dynamic_;
    std::map<const void*, Variable> variables_;
    size_t variable_bytes_ = 0;  // of the running block
    Launch launch_{};
    size_t shared_limit_ = 0;
    void (*body_)(void*) = nullptr;
    void* arguments_ = nullptr;
    int64_t block_ = 0;
    int64_t serial_ = 0;  // of the block, over all launches
    cudaError_t refused_ = cudaSuccess;
    std::string failure_;
};

Scheduler& scheduler();

}  // namespace shim
