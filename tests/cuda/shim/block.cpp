#include "block.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace shim {

void Order::arrange(std::vector<int>& numbers) {
    const int count = static_cast<int>(numbers.size());
    for (int i = 0; i < count; ++i) numbers[i] = seed_ == 1 ? count - 1 - i : i;
    for (int i = count - 1; shuffles() && i > 0; --i) std::swap(numbers[i], numbers[below(i + 1)]);
}

int Order::below(int limit) {
    random_ = random_ * 1664525u + 1013904223u;
    return static_cast<int>((random_ >> 8) % static_cast<uint32_t>(limit));
}

void Block::start(const Launch& launch, int number, Order& order, void (*entry)()) {
    const dim3 grid = launch.grid, size = launch.block;
    const auto at = static_cast<unsigned>(number);
    number_ = number;
    index_ = {at % grid.x, at / grid.x % grid.y, at / grid.x / grid.y};
    count_ = static_cast<int>(size.x * size.y * size.z);
    while (threads_.size() < static_cast<size_t>(count_)) {
        threads_.push_back(std::make_unique<Thread>(static_cast<int>(threads_.size()), entry));
    }
    for (int rank = 0; rank < count_; ++rank) {
        const auto r = static_cast<unsigned>(rank);
        threads_[rank]->index = {r % size.x, r / size.x % size.y, r / size.x / size.y};
        threads_[rank]->doing = Thread::kReady;
    }
    order_.resize(static_cast<size_t>(count_));
    order.arrange(order_);
    dynamic_.resize(launch.shared, 16);
    dynamic_.fill();
    variable_bytes_ = 0;
    for (auto& entry_of : variables_) entry_of.second.used = false;
}

std::string Block::settle(bool any_ran, Order& order) {
    if (any_ran || is_over()) {
        const bool all_wait = std::all_of(order_.begin(), order_.end(), [this](int rank) {
            return threads_[rank]->doing == Thread::kBarrier;
        });
        if (!all_wait) return {};
        for (const int rank : order_) threads_[rank]->doing = Thread::kReady;
        order.arrange(order_);
        return {};
    }
    return deadlock();
}

bool Block::is_over() const {
    return std::all_of(order_.begin(), order_.end(),
                       [this](int rank) { return threads_[rank]->doing == Thread::kFinished; });
}

void Block::forget_threads() {
    for (const int rank : order_) {
        if (threads_[rank]->doing == Thread::kFinished) continue;
        threads_[rank]->fiber.restart();
        threads_[rank]->doing = Thread::kFinished;
    }
}

int Block::lanes_from(int first) const {
    return std::min(count_ - first, warpSize);
}

bool Block::agree(const Thread& thread, const Thread& other) {
    return other.doing == Thread::kCollective && other.mask == thread.mask &&
           std::strcmp(other.operation, thread.operation) == 0;
}

bool Block::complete(Thread& thread) {
    const int first = thread.rank / warpSize * warpSize;
    uint64_t values[warpSize] = {};
    for (int i = 0; i < warpSize; ++i) {
        if ((thread.mask >> i & 1u) == 0) continue;
        if (i >= lanes_from(first) || !agree(thread, *threads_[first + i])) return false;
        values[i] = threads_[first + i]->value;
    }
    for (int i = 0; i < lanes_from(first); ++i) {
        if ((thread.mask >> i & 1u) == 0) continue;
        Thread& lane = *threads_[first + i];
        lane.result = lane.result_of(values, thread.mask, i, lane.argument);
        lane.doing = Thread::kReady;
    }
    return true;
}

std::string Block::what_it_does(const Thread& thread) {
    const std::string name = "thread " + std::to_string(thread.rank);
    if (thread.doing == Thread::kBarrier) return name + " waits in __syncthreads";
    if (thread.doing == Thread::kFinished) return name + " has returned";
    char mask[16];
    std::snprintf(mask, sizeof mask, "%08x", thread.mask);
    return name + " waits in " + thread.operation + " with mask " + mask;
}

// One thread that waits, and one that does not come.
std::string Block::deadlock() const {
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
            if (!agree(thread, other)) return what_it_does(thread) + ", but " + what_it_does(other);
        }
    }
    const auto find = [this](Thread::Doing doing) -> const Thread& {
        return **std::find_if(threads_.begin(), threads_.begin() + count_,
                              [=](const auto& thread) { return thread->doing == doing; });
    };
    return what_it_does(find(Thread::kBarrier)) + ", but " + what_it_does(find(Thread::kFinished));
}

void* Block::variable(const void* key, size_t bytes, size_t alignment) {
    Variable& variable = variables_[key];
    if (!variable.used) {
        variable.used = true;
        variable_bytes_ += bytes;
        variable.memory.resize(bytes, alignment);
        variable.memory.fill();
    }
    return variable.memory.start();
}

std::string Block::damage() const {
    const auto sentence = [](const SharedMemory& memory, const char* which) {
        return "something was written just outside " + std::string(which) + " shared memory of " +
               std::to_string(memory.bytes()) + " bytes";
    };
    if (!dynamic_.is_intact()) return sentence(dynamic_, "its dynamic");
    for (const auto& [key, variable] : variables_) {
        if (variable.used && !variable.memory.is_intact()) {
            return sentence(variable.memory, "a variable in");
        }
    }
    return {};
}

std::string Block::place_of(const void* address) const {
    const auto where = [&](const SharedMemory& memory, const char* which) -> std::string {
        const int side = memory.side_of(address);
        if (side == 0) return {};
        return std::string(side < 0 ? "before the start" : "beyond the end") + " of " + which +
               " shared memory of " + std::to_string(memory.bytes()) + " bytes";
    };
    std::string place = where(dynamic_, "its dynamic");
    for (const auto& [key, variable] : variables_) {
        if (place.empty() && variable.used) place = where(variable.memory, "a variable in");
    }
    return place;
}

}  // namespace shim
