// The sine tables of every length in the arrays that the device reads (batch_cuda.h, SineTables).
#pragma once

#include <cstdint>
#include <vector>

namespace nsa {

struct PackedSines {
    std::vector<int64_t> starts;
    std::vector<float> values;
    std::vector<float> decays;
};

// All lengths that the device may meet; made once, about 24 MB.
const PackedSines& packed_sines();

}  // namespace nsa
