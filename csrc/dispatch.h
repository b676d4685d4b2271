#pragma once

namespace nsa {

// "baseline", "avx2" or "avx512". The environment variable NSA_MAX_ISA lowers it.
const char* instruction_set();

}  // namespace nsa
