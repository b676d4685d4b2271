// While it exists, a thread's access to memory that is not there, and one that goes on and on, end
// the launch with a sentence.
#pragma once

#include <csignal>

namespace shim {

// Seconds of processor time that a launch may take; 20 unless it is changed.
void set_time_limit(int seconds);

class FaultHandler {
  public:
    FaultHandler();
    ~FaultHandler();
    FaultHandler(const FaultHandler&) = delete;
    FaultHandler& operator=(const FaultHandler&) = delete;

  private:
    struct sigaction segmentation_, bus_, alarm_;
    stack_t stack_;
};

}  // namespace shim
