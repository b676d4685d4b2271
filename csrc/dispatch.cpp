// Picks the widest compiled instruction set the processor has.
#include "dispatch.h"

#include <cstdlib>
#include <cstring>

namespace nsa {

const char* instruction_set() {
#ifdef NSA_X86_DISPATCH
    static const char* const best = [] {
        const char* const limit = std::getenv("NSA_MAX_ISA");  // to test the narrower kernels
        const bool baseline_only = limit && std::strcmp(limit, "baseline") == 0;
        const bool avx2_at_most = limit && std::strcmp(limit, "avx2") == 0;
        if (baseline_only) return "baseline";
        if (!avx2_at_most && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            return "avx512";
        }
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2")) {
            return "avx2";
        }
        return "baseline";
    }();
    return best;
#else
    return "baseline";
#endif
}

}  // namespace nsa
