#include "scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "fault.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace shim {
namespace {

void begin_thread() {
    scheduler().begin();
}

}  // namespace

Scheduler& scheduler() {
    static Scheduler* const one = new Scheduler;  // stacks may hold references until the end
    return *one;
}

cudaError_t Scheduler::run(const Launch& launch, size_t shared_limit, uint32_t seed,
                           void (*body)(void*), void* arguments) {
    launch_ = launch;
    shared_limit_ = shared_limit;
    body_ = body;
    arguments_ = arguments;
    refused_ = cudaSuccess;
    failure_.clear();
    gridDim = launch.grid;
    blockDim = launch.block;
    std::vector<int> numbers(size_t{gridDim.x} * gridDim.y * gridDim.z);
    Order order(seed);
    order.arrange(numbers);
    const FaultHandler handler;
    run_blocks(numbers, order);
    if (!failure_.empty()) {
        throw std::runtime_error("Kernel " + std::string(launch_.name) + ", block " +
                                 std::to_string(block_->number()) + ": " + failure_ + ".");
    }
    return refused_;
}

void Scheduler::run_blocks(std::vector<int>& numbers, Order& order) {
    std::vector<Block*> running;
    size_t next = 0;
    const size_t together = order.shuffles() ? kTogether : 1;
    while (next < std::min(together, numbers.size())) {
        running.push_back(&blocks_[next]);
        running.back()->start(launch_, numbers[next++], order, begin_thread);
    }
    while (!running.empty()) {
        const int which = order.below(static_cast<int>(running.size()));
        block_ = running[which];
        take_turn(*block_, order);
        if (is_ended()) {
            for (Block* const block : running) block->forget_threads();
            return;
        }
        if (!block_->is_over()) continue;
        if (next < numbers.size()) {
            block_->start(launch_, numbers[next++], order, begin_thread);
        } else {
            running.erase(running.begin() + which);
        }
    }
}

// Runs every thread of a block that is ready.
void Scheduler::take_turn(Block& block, Order& order) {
    bool any_ran = false;
    blockIdx = block.index();
    for (const int rank : block.order()) {
        Thread& thread = block.thread(rank);
        if (thread.doing != Thread::kReady) continue;
        any_ran = true;
        threadIdx = thread.index;
        current_ = &thread;
        Fiber::transfer(host_, thread.fiber);
        current_ = nullptr;
        if (is_ended()) return;
    }
    failure_ = block.settle(any_ran, order);
    if (failure_.empty() && block.is_over()) failure_ = block.damage();
}

void Scheduler::begin() {
    Fiber::arrived(host_);
    for (;;) {
        body_(arguments_);
        current_->doing = Thread::kFinished;
        pause();
    }
}

void Scheduler::pause() {
    Fiber::transfer(current_->fiber, host_);
}

void Scheduler::leave() {
    pause();
    std::abort();  // nobody resumes a thread that has ended the launch
}

void Scheduler::barrier() {
    current_->doing = Thread::kBarrier;
    pause();
}

uint64_t Scheduler::collective(const char* name, Collective result_of, unsigned mask,
                               uint64_t value, uint64_t argument) {
    Thread& self = *current_;
    if ((mask >> self.rank % warpSize & 1u) == 0) {
        fail("thread " + std::to_string(self.rank) + " calls " + name +
             " with a mask that leaves itself out");
    }
    self.doing = Thread::kCollective;
    self.operation = name;
    self.mask = mask;
    self.result_of = result_of;
    self.value = value;
    self.argument = argument;
    if (!block_->complete(self)) pause();  // until the last lane arrives
    return self.result;
}

void* Scheduler::dynamic(size_t alignment) {
    if (alignment > 16) fail("dynamic shared memory is aligned to 16 bytes only");
    return block_->dynamic().start();
}

void* Scheduler::variable(const void* key, size_t bytes, size_t alignment) {
    void* const start = block_->variable(key, bytes, alignment);
    const size_t used = block_->variable_bytes();
    if (used > kDefaultShared || used + launch_.shared > std::max(kDefaultShared, shared_limit_)) {
        refuse(cudaErrorInvalidValue);
    }
    return start;
}

void Scheduler::refuse(cudaError_t error) {
    refused_ = error;
    leave();
}

void Scheduler::fail(const std::string& why) {
    failure_ = why;
    leave();
}

void Scheduler::fail_at(const void* address) {
    std::string place = block_->place_of(address);
    if (current_->fiber.guards(address)) place = "beyond the end of its stack";
    if (place.empty()) place = "where nothing is, or not aligned";
    char text[32];
    std::snprintf(text, sizeof text, "%p", address);
    fail("thread " + std::to_string(current_->rank) + " accessed address " + text + ", " + place);
}

void Scheduler::fail_after(int seconds) {
    fail("thread " + std::to_string(current_->rank) + " still runs after " +
         std::to_string(seconds) + " s");
}

void check_bounds(unsigned threads_per_block) {
    if (blockDim.x * blockDim.y * blockDim.z > threads_per_block) {
        scheduler().refuse(cudaErrorLaunchOutOfResources);
    }
}

void* dynamic_shared(size_t alignment) {
    return scheduler().dynamic(alignment);
}

void* static_shared(const void* variable, size_t bytes, size_t alignment) {
    return scheduler().variable(variable, bytes, alignment);
}

uint64_t collective(const char* name, Collective result_of, unsigned mask, uint64_t value,
                    uint64_t argument) {
    return scheduler().collective(name, result_of, mask, value, argument);
}

int lane() {
    return scheduler().current()->rank % warpSize;
}

void fail(const char* why) {
    scheduler().fail(why);
}

}  // namespace shim

void __syncthreads() {
    shim::scheduler().barrier();
}
