// A mistake of the caller, in one sentence; Python sees nsa.errors.InputError.
#pragma once

#include <stdexcept>

namespace nsa {

struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace nsa
