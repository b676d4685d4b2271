// A parallel loop over independent items. Plain threads rather than OpenMP: the extension then
// brings no second OpenMP runtime beside torch's, and survives the fork of a DataLoader worker.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace nsa {

constexpr int kMostThreads = 1024;

// How many of `threads` have something to do.
inline int workers_for(int64_t items, int threads) {
    return static_cast<int>(std::clamp<int64_t>(items, 1, std::clamp(threads, 1, kMostThreads)));
}

// Calls body(item, worker) for every item in [0, items), worker in [0, workers_for(items,
// threads)). Items are handed out one by one, so uneven ones balance; which worker gets which item
// must not matter. The first exception stops the loop and is rethrown.
template <typename Body>
void parallel_for(int64_t items, int threads, const Body& body) {
    const int workers = workers_for(items, threads);
    if (workers == 1) {
        for (int64_t item = 0; item < items; ++item) body(item, 0);
        return;
    }
    std::atomic<int64_t> next{0};
    std::exception_ptr failure;
    std::mutex failure_lock;
    const auto run = [&](int worker) {
        try {
            for (int64_t item; (item = next.fetch_add(1)) < items;) body(item, worker);
        } catch (...) {
            next = items;
            const std::lock_guard<std::mutex> hold(failure_lock);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> helpers;
    helpers.reserve(static_cast<size_t>(workers));
    try {
        for (int worker = 1; worker < workers; ++worker) helpers.emplace_back(run, worker);
    } catch (const std::system_error&) {  // no more threads: those that run share the items
    }
    run(0);
    for (std::thread& helper : helpers) helper.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace nsa
