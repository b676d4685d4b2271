#include <cuda_runtime.h>

#include <stdexcept>

#include "device/device.h"
#include "device/launch.h"

namespace nsa {

CudaVersions cuda_versions() {
    CudaVersions versions{0, 0};
    cudaRuntimeGetVersion(&versions.runtime);
    if (cudaDriverGetVersion(&versions.driver) != cudaSuccess) versions.driver = 0;
    return versions;
}

std::vector<Device> devices() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) {
        cudaGetLastError();  // clear it: a machine without a GPU is not an error here
        return {};
    }
    if (status != cudaSuccess) {
        throw std::runtime_error(std::string("The CUDA runtime cannot list the GPUs: ") +
                                 cudaGetErrorString(status));
    }
    std::vector<Device> found;
    for (int index = 0; index < count; ++index) {
        cudaDeviceProp properties;
        if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) continue;
        found.push_back({properties.name, 10 * properties.major + properties.minor,
                         properties.multiProcessorCount, properties.totalGlobalMem});
    }
    return found;
}

void use_device(int index) {
    check_cuda(cudaSetDevice(index), "GPU " + std::to_string(index) + " cannot be used");
}

}  // namespace nsa
