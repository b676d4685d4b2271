#include "runtime.h"

#include <cstring>
#include <map>

#include "scheduler.h"

namespace shim {
namespace {

struct State {
    int multiprocessors = 132;
    size_t shared_memory = 232448;
    uint32_t seed = 0;
    bool broken = false;
    cudaError_t last_error = cudaSuccess;
    std::map<const void*, size_t> allowed;  // dynamic shared memory a kernel was given
    std::vector<Launched> launches;
};

State& state() {
    static State here;
    return here;
}

cudaError_t noted(cudaError_t error) {
    if (error != cudaSuccess) state().last_error = error;
    return error;
}

cudaError_t check(const Launch& launch) {
    if (state().broken) return cudaErrorLaunchOutOfResources;
    const dim3 grid = launch.grid, block = launch.block;
    const uint64_t threads = uint64_t{block.x} * block.y * block.z;
    if (threads == 0 || threads > 1024 || block.z > 64) return cudaErrorInvalidConfiguration;
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > INT32_MAX || grid.y > 65535 ||
        grid.z > 65535) {
        return cudaErrorInvalidConfiguration;
    }
    const auto found = state().allowed.find(launch.kernel);
    const size_t allowed = found == state().allowed.end() ? kDefaultShared : found->second;
    return launch.shared > allowed ? cudaErrorInvalidValue : cudaSuccess;
}

}  // namespace

void reset(int multiprocessors, size_t shared_memory, uint32_t seed, bool broken) {
    state() = {multiprocessors, shared_memory, seed, broken, cudaSuccess, {}, {}};
}

const std::vector<Launched>& launches() {
    return state().launches;
}

void run(const Launch& launch, void (*thread)(void*), void* arguments) {
    cudaError_t error = check(launch);
    if (error == cudaSuccess) {
        error = scheduler().run(launch, state().shared_memory, state().seed, thread, arguments);
    }
    if (error != cudaSuccess) {
        noted(error);
        return;
    }
    const dim3 grid = launch.grid, block = launch.block;
    state().launches.push_back(
        {launch.name, grid.x * grid.y * grid.z, block.x * block.y * block.z, launch.shared});
}

}  // namespace shim

using shim::noted;
using shim::state;

cudaError_t cudaGetLastError() {
    const cudaError_t error = state().last_error;
    state().last_error = cudaSuccess;
    return error;
}

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "no error";
        case cudaErrorInvalidValue:
            return "invalid argument";
        case cudaErrorInvalidConfiguration:
            return "invalid configuration argument";
        case cudaErrorInsufficientDriver:
            return "CUDA driver version is insufficient for CUDA runtime version";
        case cudaErrorNoDevice:
            return "no CUDA-capable device is detected";
        case cudaErrorInvalidDevice:
            return "invalid device ordinal";
        case cudaErrorLaunchOutOfResources:
            return "too many resources requested for launch";
    }
    return "unrecognized error code";
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    return noted(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (device != 0) return noted(cudaErrorInvalidDevice);
    std::memset(properties, 0, sizeof *properties);
    std::strcpy(properties->name, "host");
    properties->major = 9;
    properties->multiProcessorCount = state().multiprocessors;
    properties->totalGlobalMem = size_t{1} << 30;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    if (device != 0) return noted(cudaErrorInvalidDevice);
    *value = attribute == cudaDevAttrMultiProcessorCount ? state().multiprocessors
                                                         : static_cast<int>(state().shared_memory);
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
    if (value < 0 || static_cast<size_t>(value) > state().shared_memory) {
        return noted(cudaErrorInvalidValue);
    }
    state().allowed[kernel] = static_cast<size_t>(value);
    return cudaSuccess;
}
