#include "memory.h"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace nsa {

bool keep_freed_memory() {
#ifdef __GLIBC__
    // No block of its own for a large allocation, and the end of the heap never shrinks.
    return mallopt(M_MMAP_MAX, 0) == 1 && mallopt(M_TRIM_THRESHOLD, -1) == 1;
#else
    return false;
#endif
}

}  // namespace nsa
