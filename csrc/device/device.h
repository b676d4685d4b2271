// What the CUDA runtime says of the machine.
#pragma once

#include <string>
#include <vector>

namespace nsa {

struct Device {
    std::string name;
    int capability;  // 10 * major + minor, e.g. 90
    int multiprocessors;
    size_t memory;  // bytes
};

// CUDA runtime this build is linked against and newest the driver supports, as 1000 * major +
// 10 * minor; the driver's is 0 where no driver is installed.
struct CudaVersions {
    int runtime;
    int driver;
};

CudaVersions cuda_versions();

// The visible GPUs; empty where there is no driver or no GPU.
std::vector<Device> devices();

// Makes the launches of this thread go to a GPU. The runtime is linked into the extension and does
// not follow the choice that torch made with its own copy of it.
void use_device(int index);

}  // namespace nsa
