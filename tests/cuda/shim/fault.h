// While it exists, a thread's access to memory that is not there ends the launch with a sentence.
#pragma once

#include <csignal>

namespace shim {

class FaultHandler {
  public:
    FaultHandler();
    ~FaultHandler();
    FaultHandler(const FaultHandler&) = delete;
    FaultHandler& operator=(const FaultHandler&) = delete;

  private:
    struct sigaction segmentation_, bus_;
    stack_t stack_;
};

}  // namespace shim
