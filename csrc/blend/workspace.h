// Scratch memory of one worker, reused from one patch to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace nsa {

// reserve() gives at least `bytes` bytes, aligned to 64, valid until it is called again.
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
