// What the C library does with memory that the process has freed.
#pragma once

namespace nsa {

// Keeps it for the next allocation, whatever its size, instead of giving it back to the system, for
// the rest of the process. False: this C library cannot be told.
bool keep_freed_memory();

}  // namespace nsa
