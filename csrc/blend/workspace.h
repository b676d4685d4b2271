// Scratch memory of one worker, kept between calls so that small patches do not pay for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace nsa {

// At least `bytes` bytes, aligned to 64, owned by the calling thread until its next call. Large
// blocks are not kept.
class Workspace {
  public:
    uint8_t* reserve(size_t bytes) {
        if (bytes > size_) {
            block_.reset();
            block_.reset(new uint8_t[bytes + 64]);
            size_ = bytes;
        }
        const uintptr_t address = reinterpret_cast<uintptr_t>(block_.get());
        return block_.get() + (64 - address % 64) % 64;
    }

  private:
    std::unique_ptr<uint8_t[]> block_;
    size_t size_ = 0;
};

}  // namespace nsa
