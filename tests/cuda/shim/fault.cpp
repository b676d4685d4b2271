#include "fault.h"

#include <memory>

#include "scheduler.h"

namespace shim {

#ifdef SHIM_ADDRESS_SANITIZER

// The sanitizer's own report names the line.
FaultHandler::FaultHandler() : segmentation_{}, bus_{}, stack_{} {}
FaultHandler::~FaultHandler() {}

#else

namespace {

constexpr size_t kStackBytes = 64 << 10;

struct sigaction before_segmentation, before_bus;

// Runs on a stack of its own, as the thread may have used up the one it has, and never returns: the
// scheduler forgets what the thread was doing.
void on_fault(int signal, siginfo_t* information, void*) {
    if (scheduler().current() != nullptr) scheduler().fail_at(information->si_addr);
    sigaction(signal, signal == SIGSEGV ? &before_segmentation : &before_bus, nullptr);
}

}  // namespace

FaultHandler::FaultHandler() {
    static const auto memory = std::make_unique<char[]>(kStackBytes);
    stack_t own{};
    own.ss_sp = memory.get();
    own.ss_size = kStackBytes;
    sigaltstack(&own, &stack_);
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &segmentation_);
    sigaction(SIGBUS, &action, &bus_);
    before_segmentation = segmentation_;
    before_bus = bus_;
}

FaultHandler::~FaultHandler() {
    sigaction(SIGSEGV, &segmentation_, nullptr);
    sigaction(SIGBUS, &bus_, nullptr);
    sigaltstack(&stack_, nullptr);
}

#endif

}  // namespace shim
