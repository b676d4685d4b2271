#include "fault.h"

#include <pthread.h>
#include <sys/time.h>

#include <memory>

#include "scheduler.h"

namespace shim {
namespace {

int time_limit = 20;

}  // namespace

void set_time_limit(int seconds) {
    time_limit = seconds;
}

#ifdef SHIM_ADDRESS_SANITIZER

// The sanitizer's own report names the line.
FaultHandler::FaultHandler() : segmentation_{}, bus_{}, alarm_{}, stack_{} {}
FaultHandler::~FaultHandler() {}

#else

namespace {

constexpr size_t kStackBytes = 64 << 10;

void set_alarm(int seconds) {
    struct itimerval timer{};
    timer.it_value.tv_sec = seconds;
    setitimer(ITIMER_VIRTUAL, &timer, nullptr);
}

struct sigaction before_segmentation, before_bus;
pthread_t launching;

bool is_ours() {
    return scheduler().current() != nullptr && pthread_equal(launching, pthread_self()) != 0;
}

// Runs on a stack of its own, as the thread may have used up the one it has, and never returns: the
// scheduler forgets what the thread was doing.
void on_fault(int signal, siginfo_t* information, void*) {
    if (is_ours()) scheduler().fail_at(information->si_addr);
    sigaction(signal, signal == SIGSEGV ? &before_segmentation : &before_bus, nullptr);
}

void on_alarm(int) {
    if (is_ours()) scheduler().fail_after(time_limit);
    if (pthread_equal(launching, pthread_self()) == 0) {
        pthread_kill(launching, SIGVTALRM);  // the alarm is the whole process's
        return;
    }
    set_alarm(1);  // until a thread runs
}

}  // namespace

FaultHandler::FaultHandler() {
    static const auto memory = std::make_unique<char[]>(kStackBytes);
    launching = pthread_self();
    stack_t own{};
    own.ss_sp = memory.get();
    own.ss_size = kStackBytes;
    sigaltstack(&own, &stack_);
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &segmentation_);
    sigaction(SIGBUS, &action, &bus_);
    struct sigaction alarm{};
    alarm.sa_handler = on_alarm;
    alarm.sa_flags = SA_ONSTACK | SA_NODEFER;
    sigaction(SIGVTALRM, &alarm, &alarm_);
    set_alarm(time_limit);
    before_segmentation = segmentation_;
    before_bus = bus_;
}

FaultHandler::~FaultHandler() {
    sigaction(SIGSEGV, &segmentation_, nullptr);
    sigaction(SIGBUS, &bus_, nullptr);
    set_alarm(0);
    sigaction(SIGVTALRM, &alarm_, nullptr);
    sigaltstack(&stack_, nullptr);
}

#endif

}  // namespace shim
