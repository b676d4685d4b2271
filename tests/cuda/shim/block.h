// One block of a running launch: its threads, what each waits for, and its shared memory.
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

// The order of blocks and threads: 0 forwards, 1 backwards, else shuffled.
class Order {
  public:
    explicit Order(uint32_t seed) : seed_(seed), random_(seed) {}

    void arrange(std::vector<int>& numbers);  // from 0 on
    int below(int limit);
    bool shuffles() const { return seed_ > 1; }

  private:
    uint32_t seed_;
    uint32_t random_;
};

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

class Block {
  public:
    // entry: of the threads' fibers, which are kept from one block to the next.
    void start(const Launch& launch, int number, Order& order, void (*entry)());

    // After every thread that was ready has run: lets all go on if all are at the barrier. Returns
    // why nobody can go on, or nothing.
    std::string settle(bool any_ran, Order& order);
    // A collective operation of a thread. Returns whether the lanes of its mask have all arrived,
    // and then have their results.
    bool complete(Thread& thread);
    bool is_over() const;
    void forget_threads();

    void* variable(const void* key, size_t bytes, size_t alignment);
    const SharedMemory& dynamic() const { return dynamic_; }
    size_t variable_bytes() const { return variable_bytes_; }
    std::string damage() const;  // a sentence if something was written beside shared memory
    std::string place_of(const void* address) const;  // empty: not near to shared memory

    const std::vector<int>& order() const { return order_; }
    Thread& thread(int rank) { return *threads_[rank]; }
    int number() const { return number_; }
    uint3 index() const { return index_; }

  private:
    struct Variable {
        SharedMemory memory;
        bool used = false;  // by this block
    };

    static bool agree(const Thread& thread, const Thread& other);
    static std::string what_it_does(const Thread& thread);
    int lanes_from(int first) const;
    std::string deadlock() const;

    std::vector<std::unique_ptr<Thread>> threads_;
    std::vector<int> order_;
    int count_ = 0;  // threads of this launch
    int number_ = 0;
    uint3 index_{};
    SharedMemory dynamic_;
    std::map<const void*, Variable> variables_;
    size_t variable_bytes_ = 0;
};

}  // namespace shim
