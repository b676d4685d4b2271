#include "scheduler.h"

#include <algorithm>
#include <numeric>
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
    seed_ = random_ = seed;
    body_ = body;
    arguments_ = arguments;
    refused_ = cudaSuccess;
    const dim3 grid = gridDim = launch.grid, block = blockDim = launch.block;
    count_ = static_cast<int>(block.x * block.y * block.z);
    while (threads_.size() < static_cast<size_t>(count_)) {
        threads_.push_back(
            std::make_unique<Thread>(static_cast<int>(threads_.size()), begin_thread));
    }
    for (int rank = 0; rank < count_; ++rank) {
        const auto at = static_cast<unsigned>(rank);
        threads_[rank]->index = {at % block.x, at / block.x % block.y, at / block.x / block.y};
    }
    dynamic_.resize(launch.shared, 16);
    std::vector<int> blocks(size_t{grid.x} * grid.y * grid.z);
    shuffle(blocks);
    const FaultHandler handler;
    for (const int index : blocks) {
        block_ = index;
        const auto at = static_cast<unsigned>(index);
        blockIdx = {at % grid.x, at / grid.x % grid.y, at / grid.x / grid.y};
        run_block();
        if (refused_ != cudaSuccess) return refused_;
    }
    return cudaSuccess;
}

void Scheduler::run_block() {
    ++serial_;
    variable_bytes_ = 0;
    failure_.clear();
    dynamic_.fill();
    for (int rank = 0; rank < count_; ++rank) threads_[rank]->doing = Thread::kReady;
    run_threads();
    if (failure_.empty() && refused_ == cudaSuccess) check_gaps();
    for (int rank = 0; rank < count_; ++rank) {
        if (threads_[rank]->doing == Thread::kFinished) continue;
        threads_[rank]->fiber.restart();
        threads_[rank]->doing = Thread::kFinished;
    }
    if (!failure_.empty()) {
        throw std::runtime_error("Kernel " + std::string(launch_.name) + ", block " +
                                 std::to_string(block_) + ": " + failure_ + ".");
    }
}

void Scheduler::run_threads() {
    order_.resize(static_cast<size_t>(count_));
    shuffle(order_);
    for (;;) {
        int ran = 0, at_barrier = 0, finished = 0;
        for (const int rank : order_) {
            Thread& thread = *threads_[rank];
            if (thread.doing == Thread::kReady) {
                ++ran;
                threadIdx = thread.index;
                current_ = &thread;
                Fiber::transfer(host_, thread.fiber);
                current_ = nullptr;
                if (!failure_.empty() || refused_ != cudaSuccess) return;
            }
            at_barrier += thread.doing == Thread::kBarrier ? 1 : 0;
            finished += thread.doing == Thread::kFinished ? 1 : 0;
        }
        if (finished == count_) return;
        if (at_barrier == count_) {
            for (const int rank : order_) threads_[rank]->doing = Thread::kReady;
            shuffle(order_);
        } else if (ran == 0) {
            failure_ = deadlock();
            return;
        }
    }
}

void Scheduler::shuffle(std::vector<int>& order) {
    const int count = static_cast<int>(order.size());
    for (int i = 0; i < count; ++i) order[i] = seed_ == 1 ? count - 1 - i : i;
    for (int i = count - 1; seed_ > 1 && i > 0; --i) {
        random_ = random_ * 1664525u + 1013904223u;
        std::swap(order[i], order[(random_ >> 8) % static_cast<uint32_t>(i + 1)]);
    }
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

int Scheduler::lanes_from(int first) const {
    return std::min(count_ - first, warpSize);
}

bool Scheduler::agrees(const Thread& thread, const Thread& other) const {
    return other.doing == Thread::kCollective && other.mask == thread.mask &&
           std::string(other.operation) == thread.operation;
}

uint64_t Scheduler::collective(const char* name, Collective result_of, unsigned mask,
                               uint64_t value, uint64_t argument) {
    Thread& self = *current_;
    const int lane = self.rank % warpSize, first = self.rank - lane;
    if ((mask >> lane & 1u) == 0) {
        fail("thread " + std::to_string(self.rank) + " calls " + name +
             " with a mask that leaves itself out");
    }
    self.doing = Thread::kCollective;
    self.operation = name;
    self.mask = mask;
    self.result_of = result_of;
    self.value = value;
    self.argument = argument;
    uint64_t values[warpSize] = {};
    for (int i = 0; i < warpSize; ++i) {
        if ((mask >> i & 1u) == 0) continue;
        if (i >= lanes_from(first) || !agrees(self, *threads_[first + i])) {
            pause();  // until the last of them arrives
            return self.result;
        }
        values[i] = threads_[first + i]->value;
    }
    for (int i = 0; i < lanes_from(first); ++i) {
        if ((mask >> i & 1u) == 0) continue;
        Thread& thread = *threads_[first + i];
        thread.result = thread.result_of(values, mask, i, thread.argument);
        thread.doing = Thread::kReady;
    }
    return self.result;
}

std::string Scheduler::what_it_does(const Thread& thread) {
    const std::string name = "thread " + std::to_string(thread.rank);
    if (thread.doing == Thread::kBarrier) return name + " waits in __syncthreads";
    if (thread.doing == Thread::kFinished) return name + " has returned";
    char mask[16];
    std::snprintf(mask, sizeof mask, "%08x", thread.mask);
    return name + " waits in " + thread.operation + " with mask " + mask;
}

// Of a block in which nobody can go on: one thread that waits, and one that does not come.
std::string Scheduler::deadlock() const {
    for (int rank = 0; rank < count_; ++rank) {
        const Thread& thread = *threads_[rank];
        if (thread.doing != Thread::kCollective) continue;
        const int first = rank / warpSize * warpSize;
        for (int i = 0; i < warpSize; ++i) {
            if ((thread.mask >> i & 1u) == 0) continue;
            if (i >= lanes_from(first)) {
                return what_it_does(thread) + ", but there is no lane " + std::to_string(i);
            }
            const Thread& other = *threads_[first + i];
            if (!agrees(thread, other))
                return what_it_does(thread) + ", but " + what_it_does(other);
        }
    }
    const auto find = [this](Thread::Doing doing) -> const Thread& {
        return **std::find_if(threads_.begin(), threads_.begin() + count_,
                              [=](const auto& thread) { return thread->doing == doing; });
    };
    return what_it_does(find(Thread::kBarrier)) + ", but " + what_it_does(find(Thread::kFinished));
}

void Scheduler::check_gaps() {
    const auto check = [this](const SharedMemory& memory, const char* which) {
        if (memory.is_intact()) return;
        failure_ = "something was written just outside " + std::string(which) +
                   " shared memory of " + std::to_string(memory.bytes()) + " bytes";
    };
    check(dynamic_, "its dynamic");
    for (const auto& [key, variable] : variables_) {
        if (variable.block == serial_) check(variable.memory, "a variable in");
    }
}

void* Scheduler::dynamic(size_t alignment) {
    if (alignment > 16) fail("dynamic shared memory is aligned to 16 bytes only");
    return dynamic_.start();
}

void* Scheduler::variable(const void* key, size_t bytes, size_t alignment) {
    Variable& variable = variables_[key];
    if (variable.block != serial_) {
        variable.block = serial_;
        variable_bytes_ += bytes;
        if (variable_bytes_ > kDefaultShared ||
            variable_bytes_ + launch_.shared > std::max(kDefaultShared, shared_limit_)) {
            refuse(cudaErrorInvalidValue);
        }
        variable.memory.resize(bytes, alignment);
        variable.memory.fill();
    }
    return variable.memory.start();
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
    const auto where = [&](const SharedMemory& memory, const char* which) {
        const int side = memory.side_of(address);
        return side == 0
                   ? std::string()
                   : std::string(side < 0 ? "before the start" : "beyond the end") + " of " +
                         which + " shared memory of " + std::to_string(memory.bytes()) + " bytes";
    };
    std::string place = current_->fiber.guards(address) ? "beyond the end of its stack" : "";
    if (place.empty()) place = where(dynamic_, "its dynamic");
    for (const auto& [key, variable] : variables_) {
        if (place.empty() && variable.block == serial_) {
            place = where(variable.memory, "a variable in");
        }
    }
    char text[32];
    std::snprintf(text, sizeof text, "%p", address);
    if (place.empty()) place = "where nothing is, or not aligned";
    fail("thread " + std::to_string(current_->rank) + " accessed address " + text + ", " + place);
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
