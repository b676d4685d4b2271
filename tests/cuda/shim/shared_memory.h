// One variable in shared memory: ends where a page begins that cannot be touched, and holds nothing
// but 0xff (as floats NaN) before a block starts.
#pragma once

#include <cstddef>

namespace shim {

class SharedMemory {
  public:
    SharedMemory() = default;
    ~SharedMemory();
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    void resize(size_t bytes, size_t alignment);
    void fill();
    // Whether the gaps that alignment and pages leave around the bytes are as fill() left them.
    bool is_intact() const;
    // -1: address lies in the page before the memory, 1: in the page after it, else 0.
    int side_of(const void* address) const;

    void* start() const { return start_; }
    size_t bytes() const { return bytes_; }

  private:
    char* pages_ = nullptr;
    size_t capacity_ = 0;  // bytes from pages_ to the page that cannot be touched
    char* start_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace shim
