// Which compiled instruction set runs. A kernel header declares its functions with
//     NSA_KERNEL(void smooth(const Task& task))
// inside namespace nsa, its *_cpu.cpp defines them inside namespace nsa::NSA_ISA, and a caller runs
// NSA_PICK(smooth)(task).
#pragma once

#include <cstring>

namespace nsa {

// "baseline", "avx2" or "avx512". The environment variable NSA_MAX_ISA lowers it.
const char* instruction_set();

#ifdef NSA_X86_DISPATCH
#define NSA_KERNEL(declaration) \
    namespace baseline {        \
    declaration;                \
    }                           \
    namespace avx2 {            \
    declaration;                \
    }                           \
    namespace avx512 {          \
    declaration;                \
    }
#define NSA_PICK(name) ::nsa::pick(&::nsa::baseline::name, &::nsa::avx2::name, &::nsa::avx512::name)

template <typename Function>
Function* pick(Function* baseline, Function* avx2, Function* avx512) {
    static const char* const name = instruction_set();
    static const int level = std::strcmp(name, "avx512") == 0 ? 2 : std::strcmp(name, "avx2") == 0;
    return level == 2 ? avx512 : level == 1 ? avx2 : baseline;
}
#else
#define NSA_KERNEL(declaration) \
    namespace baseline {        \
    declaration;                \
    }
#define NSA_PICK(name) (&::nsa::baseline::name)
#endif

}  // namespace nsa
