#include "shared_memory.h"

#include <algorithm>
#include <cstring>

#include "fiber.h"

namespace shim {
namespace {

constexpr int kFill = 0xff;

size_t rounded(size_t bytes, size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

}  // namespace

SharedMemory::~SharedMemory() {
    if (pages_ != nullptr) unmap_between_guards(pages_, capacity_);
}

void SharedMemory::resize(size_t bytes, size_t alignment) {
    const size_t needed = rounded(std::max<size_t>(bytes, 1), page_size());
    if (pages_ == nullptr || needed > capacity_) {
        if (pages_ != nullptr) unmap_between_guards(pages_, capacity_);
        pages_ = map_between_guards(needed);
        capacity_ = needed;
    }
    start_ = pages_ + capacity_ - rounded(bytes, alignment);
    bytes_ = bytes;
}

void SharedMemory::fill() {
    char* const from = pages_ + (start_ - pages_) / page_size() * page_size();
    std::memset(from, kFill, pages_ + capacity_ - from);
}

bool SharedMemory::is_intact() const {
    const auto untouched = [](const char* from, const char* to) {
        return std::all_of(from, to, [](char byte) { return byte == static_cast<char>(kFill); });
    };
    return untouched(pages_ + (start_ - pages_) / page_size() * page_size(), start_) &&
           untouched(start_ + bytes_, pages_ + capacity_);
}

int SharedMemory::side_of(const void* address) const {
    const auto* const at = static_cast<const char*>(address);
    if (pages_ == nullptr) return 0;
    if (at >= pages_ - page_size() && at < pages_) return -1;
    return at >= pages_ + capacity_ && at < pages_ + capacity_ + page_size() ? 1 : 0;
}

}  // namespace shim
