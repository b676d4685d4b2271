// A stack of its own for each of many functions that take turns, without a system call a turn.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SHIM_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHIM_ADDRESS_SANITIZER
#endif
#endif

namespace shim {

class Fiber {
  public:
    // For the thread that resumes others.
    Fiber() = default;
    // entry: never returns. Its stack ends at a page that cannot be touched.
    explicit Fiber(void (*entry)());
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Forgets what the fiber was doing; it begins anew when it is resumed next.
    void restart();

    // Leaves off here, where somebody's transfer to `from` will return.
    static void transfer(Fiber& from, Fiber& to);
    // First call of every entry: completes the transfer from `from` that began the fiber.
    static void arrived(Fiber& from);

    bool guards(const void* address) const;  // whether it lies in the page below the stack

  private:
    void (*entry_)() = nullptr;
    char* memory_ = nullptr;  // a page that cannot be touched, then the stack
    void* stack_pointer_ = nullptr;
    const void* bottom_ = nullptr;  // of the stack, for AddressSanitizer
    size_t size_ = 0;
    void* fake_stack_ = nullptr;
};

size_t page_size();
// Pages for `bytes` bytes between two pages that cannot be touched: the first that can.
char* map_between_guards(size_t bytes);
void unmap_between_guards(char* start, size_t bytes);

}  // namespace shim
