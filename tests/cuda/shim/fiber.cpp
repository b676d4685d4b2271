#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#ifdef SHIM_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define SHIM_TEXT(x) #x
#define SHIM_SYMBOL_(prefix) SHIM_TEXT(prefix) "shim_switch_stack"
#define SHIM_SYMBOL SHIM_SYMBOL_(__USER_LABEL_PREFIX__)

// Keeps the registers that a call must preserve on this stack, stores where it ends, and continues
// on another.
extern "C" void shim_switch_stack(void** stored, void* other);

#if defined(__x86_64__)
constexpr int kEntryWord = 6;  // above the saved registers: where the switch returns to
constexpr int kFrameWords = 8;
asm(".text\n.globl " SHIM_SYMBOL "\n" SHIM_SYMBOL
    ":\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, (%rdi)\n"
    "mov %rsi, %rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\n"
    "ret\n");
#elif defined(__aarch64__)
constexpr int kEntryWord = 11;  // x30
constexpr int kFrameWords = 20;
asm(".text\n.globl " SHIM_SYMBOL "\n.p2align 2\n" SHIM_SYMBOL
    ":\n"
    "sub sp, sp, #160\n"
    "stp x19, x20, [sp, #0]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
    "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\n"
    "stp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
    "mov x9, sp\nstr x9, [x0]\n"
    "mov sp, x1\n"
    "ldp x19, x20, [sp, #0]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"
    "ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\n"
    "ldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
    "add sp, sp, #160\n"
    "ret\n");
#else
#error "the shim switches stacks on x86-64 and aarch64 only"
#endif

namespace shim {
namespace {

constexpr size_t kStackBytes = 256 << 10;  // only what is touched takes memory

}  // namespace

size_t page_size() {
    static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

char* map_between_guards(size_t bytes) {
    const size_t page = page_size();
    void* const memory =
        mmap(nullptr, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    char* const start = static_cast<char*>(memory) + page;
    if (mprotect(start, bytes, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    return start;
}

void unmap_between_guards(char* start, size_t bytes) {
    munmap(start - page_size(), bytes + 2 * page_size());
}

Fiber::Fiber(void (*entry)())
    : entry_(entry),
      memory_(map_between_guards(kStackBytes)),
      bottom_(memory_),
      size_(kStackBytes) {
    restart();
}

Fiber::~Fiber() {
    if (memory_ != nullptr) unmap_between_guards(memory_, size_);
}

void Fiber::restart() {
#ifdef SHIM_ADDRESS_SANITIZER
    __asan_unpoison_memory_region(memory_, kStackBytes);
#endif
    // Neighbouring stacks begin in other cache lines, so that they do not displace each other.
    const size_t offset = reinterpret_cast<uintptr_t>(memory_) / kStackBytes % 61 * 64;
    auto* const top = reinterpret_cast<void**>(memory_ + kStackBytes - offset);
    void** const frame = top - kFrameWords;
    for (int i = 0; i < kFrameWords; ++i) frame[i] = nullptr;
    frame[kEntryWord] = reinterpret_cast<void*>(entry_);
    stack_pointer_ = frame;
    fake_stack_ = nullptr;
}

void Fiber::transfer(Fiber& from, Fiber& to) {
#ifdef SHIM_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.size_);
#endif
    shim_switch_stack(&from.stack_pointer_, to.stack_pointer_);
#ifdef SHIM_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(from.fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::arrived([[maybe_unused]] Fiber& from) {
#ifdef SHIM_ADDRESS_SANITIZER
    // The sanitizer knows the stack of the thread that resumes fibers; transfers back need it.
    __sanitizer_finish_switch_fiber(nullptr, &from.bottom_, &from.size_);
#endif
}

bool Fiber::guards(const void* address) const {
    const auto* const at = static_cast<const char*>(address);
    const auto* const bottom = static_cast<const char*>(bottom_);
    return bottom != nullptr && at < bottom && at >= bottom - page_size();
}

}  // namespace shim
