// Kernels with one mistake each, and one without: test_shim.py compiles this program with the shim
// and compares what a case prints.
#include <cuda_runtime.h>

#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "fault.h"
#include "runtime.h"

namespace {

constexpr int kMost = 256;

__global__ void __launch_bounds__(kMost) nothing() {}

__global__ void returns_early() {
    if (threadIdx.x == 7) return;
    __syncthreads();
}

__global__ void other_barrier() {
    if (threadIdx.x == 5) {
        __syncthreads();
    } else {
        __ballot_sync(~0u, 1);
    }
}

__global__ void other_mask() {
    __any_sync(threadIdx.x < 16 ? 0xffffu : ~0u, 1);
}

__global__ void own_lane_missing() {
    __syncwarp(threadIdx.x == 3 ? ~8u : ~0u);
}

__global__ void whole_warp() {
    __syncwarp();
}

__global__ void reads_left_out_lane() {
    if (threadIdx.x < 16) __shfl_sync(0xffffu, 1, 20);
}

__global__ void writes_dynamic(int offset) {
    extern __shared__ char bytes[];
    bytes[offset] = 1;
}

__global__ void writes_variable(int index) {
    __shared__ int values[2][5];
    values[0][index] = 1;
}

__global__ void large_variable() {
    __shared__ char bytes[48 * 1024 + 1];
    bytes[0] = 1;
}

int recursion(int depth) {
    volatile char frame[1000];
    frame[0] = static_cast<char>(depth);
    return depth == 0 ? frame[0] : recursion(depth - 1) + frame[0];
}

__global__ void uses_up_its_stack(int* out) {
    *out = recursion(1 << 20);
}

__global__ void reads_unwritten(float* out) {
    extern __shared__ __align__(16) float values[];
    __shared__ float value;
    if (blockIdx.x == 0) values[0] = value = 1.0f;
    __syncthreads();
    out[blockIdx.x] = values[0] + value;
}

// Without a barrier between them, a thread reads what its neighbour may not have written yet.
__global__ void races(int* out) {
    __shared__ int values[64];
    values[threadIdx.x] = static_cast<int>(threadIdx.x);
    out[threadIdx.x] = values[(threadIdx.x + 1) % 64];
}

__global__ void goes_on(volatile int* end) {
    while (*end == 0) {
    }
}

// Blocks share a place in memory, as if it were their own from one barrier to the next.
__global__ void shares(int* place, int* wrong) {
    *place = static_cast<int>(blockIdx.x);
    __syncthreads();
    if (*place != static_cast<int>(blockIdx.x)) atomicAdd(wrong, 1);
}

// In a launch of 2 x 2 blocks of 32 x 2 threads, every result is checked where it is made.
__global__ void correct(int* wrong, unsigned* sum) {
    const auto expect = [&](bool right) {
        if (!right) atomicAdd(wrong, 1);
    };
    const unsigned lane = threadIdx.x, all = ~0u;
    const int own = static_cast<int>(lane);
    expect(__ballot_sync(all, lane % 3 == 0) == 0x49249249u);
    expect(__any_sync(all, lane == 9) == 1 && __any_sync(all, 0) == 0);
    expect(__all_sync(all, 1) == 1 && __all_sync(all, lane != 9) == 0);
    expect(__shfl_sync(all, own, 3) == 3 && __shfl_sync(all, own, 3, 8) == own / 8 * 8 + 3);
    expect(__shfl_up_sync(all, own, 1) == (own == 0 ? 0 : own - 1));
    expect(__shfl_down_sync(all, 0.5 * own, 2, 16) == 0.5 * (own % 16 < 14 ? own + 2 : own));
    expect(__shfl_xor_sync(all, own, 5) == (own ^ 5));
    expect(__reduce_or_sync(all, 1u << lane) == all && __reduce_and_sync(all, ~(1u << lane)) == 0);
    expect(__reduce_add_sync(all, lane) == 496 && __reduce_max_sync(all, own) == 31);
    expect(__reduce_min_sync(all, own - 40) == -40);
    if (lane < 12) {
        expect(__ballot_sync(0xfffu, 1) == 0xfffu);
        __syncwarp(0xfffu);
    }
    expect(__popc(0xf0f0u) == 8 && __clz(1) == 31 && __clz(0) == 32 && __ffs(8) == 4);
    expect(__brev(3u) == 0xc0000000u);
    expect(__funnelshift_r(0x80000001u, 6u, 1) == 0x40000000u);
    expect(__funnelshift_l(0x80000001u, 6u, 1) == 13u && __funnelshift_l(1u, 6u, 32) == 6u);
    expect(__byte_perm(0x33221100u, 0xf7665544u, 0xf740u) == 0xfff74400u);
    expect(__vabsdiffu4(0x01ff0080u, 0x02000180u) == 0x01ff0100u);
    expect(__vsadu4(0x01ff0080u, 0x02000180u) == 257u);
    expect(__dp4a(0x01020304u, 0x01010102u, 5u) == 19u && __dp4a(0x0000ff02, 0x00000303, 1) == 4);
    expect(min(-1, 1) == -1 && max(1u, 7u) == 7u && min(1.0f, 2.0f) == 1.0f);
    expect(__float2int_rn(2.5f) == 2 && __float_as_uint(1.0f) == 0x3f800000u);
    const float4 quad = make_float4(1, 2, 3, 4);
    expect(quad.w == 4 && alignof(float4) == 16 && sizeof(uchar4) == 4 && alignof(uint2) == 8);

    __shared__ unsigned total;
    __shared__ unsigned int bits;
    __shared__ int most;
    if (lane == 0 && threadIdx.y == 0) {
        total = bits = 0;
        most = -1;
    }
    __syncthreads();
    atomicAdd(&total, 1);
    atomicOr(&bits, 1u << lane);
    atomicMax(&most, static_cast<int>(lane + threadIdx.y));
    __syncthreads();
    expect(total == 64 && bits == all && most == 32 && warpSize == 32);
    expect(blockDim.x == 32 && blockDim.y == 2 && gridDim.x == 2 && gridDim.y == 2);
    atomicAdd(sum, 10 * blockIdx.y + blockIdx.x);
}

void report(const char* what) {
    std::printf("%s: %s\n", what, cudaGetErrorString(cudaGetLastError()));
}

void limits() {
    nothing<<<1, kMost>>>();
    report("fits");
    nothing<<<1, kMost + 1>>>();
    report("bounds");
    whole_warp<<<1, 1024>>>();
    report("most threads");
    whole_warp<<<1, 1025>>>();
    report("threads");
    nothing<<<1, 0>>>();
    report("no threads");
    nothing<<<0, 1>>>();
    report("no blocks");
    writes_dynamic<<<1, 1, 48 * 1024>>>(0);
    report("48 KiB");
    writes_dynamic<<<1, 1, 48 * 1024 + 1>>>(0);
    report("more");
    cudaFuncSetAttribute(writes_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000);
    writes_dynamic<<<1, 1, 100000>>>(99999);
    report("allowed");
    cudaFuncSetAttribute(writes_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 100001);
    report("beyond the device");
    large_variable<<<1, 1>>>();
    report("variable");
    std::printf("%zu launches\n", shim::launches().size());
}

void unwritten() {
    float out[2];
    reads_unwritten<<<2, 1, 16>>>(out);
    std::printf("%g %g\n", out[0], out[1]);
}

void race() {
    for (unsigned seed = 0; seed < 3; ++seed) {
        shim::reset(1, 1000, seed);
        int out[64], right = 0;
        races<<<1, 64>>>(out);
        for (int i = 0; i < 64; ++i) right += out[i] == (i + 1) % 64 ? 1 : 0;
        std::printf("%d right\n", right);
    }
}

void share() {
    int place = 0, wrong = 0;
    shares<<<8, 1>>>(&place, &wrong);
    std::printf("%d wrong\n", wrong);
}

void everything() {
    for (unsigned seed = 0; seed < 9; ++seed) {
        shim::reset(1, 1000, seed);
        int wrong = 0;
        unsigned sum = 0;
        correct<<<dim3(2, 2), dim3(32, 2)>>>(&wrong, &sum);
        if (wrong != 0 || sum != 64 * 22) std::printf("seed %u: %d, %u\n", seed, wrong, sum);
    }
    std::printf("done\n");
}

}  // namespace

int main(int count, char** arguments) {
    int out = 0;
    const std::map<std::string, void (*)()> cases{{"limits", limits},
                                                  {"unwritten", unwritten},
                                                  {"race", race},
                                                  {"share", share},
                                                  {"everything", everything}};
    const std::string name = count > 1 ? arguments[1] : "";
    shim::reset(1, 100000, 3);
    try {
        if (cases.count(name) != 0) cases.at(name)();
        if (name == "returns early") returns_early<<<2, 64>>>();
        if (name == "other barrier") other_barrier<<<1, 32>>>();
        if (name == "other mask") other_mask<<<1, 32>>>();
        if (name == "own lane missing") own_lane_missing<<<1, 32>>>();
        if (name == "partial warp") whole_warp<<<1, 40>>>();
        if (name == "left-out lane") reads_left_out_lane<<<1, 32>>>();
        if (name == "beyond") writes_dynamic<<<1, 1, 32>>>(32);
        if (name == "in the gap") writes_dynamic<<<1, 1, 20>>>(20);
        if (name == "before") writes_dynamic<<<1, 1, 32>>>(-1);
        if (name == "variable") writes_variable<<<1, 1>>>(10);
        if (name == "stack") uses_up_its_stack<<<1, 1>>>(&out);
        if (name == "endless") {
            shim::set_time_limit(1);
            goes_on<<<1, 1>>>(&out);
        }
        if (name == "nowhere") reads_unwritten<<<1, 1, 16>>>(nullptr);
    } catch (const std::exception& error) {
        std::printf("%s\n", error.what());
    }
}
