// A kernel launch as build.py writes it, and what a running thread may ask of its block.
#pragma once

#include <tuple>
#include <utility>

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

void __syncthreads();

namespace shim {

struct Launch {
    const char* name;
    const void* kernel;
    dim3 grid, block;
    size_t shared;  // bytes of dynamic shared memory
};

// Runs `thread(arguments)` as every thread of the launch, or notes for cudaGetLastError why not.
// Throws std::runtime_error where a GPU would hang or do what nobody can know.
void run(const Launch& launch, void (*thread)(void*), void* arguments);

// Called by a thread. The first of them end a launch that the device would not have started.
void check_bounds(unsigned threads_per_block);
void* dynamic_shared(size_t alignment);
void* static_shared(const void* variable, size_t bytes, size_t alignment);

template <typename Element, size_t kAlignment = alignof(Element)>
Element* dynamic_shared_array() {
    return static_cast<Element*>(dynamic_shared(kAlignment));
}

// Tag: a type of its own for every variable.
template <typename Tag, typename Variable, size_t kAlignment = alignof(Variable)>
Variable& shared_variable() {
    static const char name = 0;
    return *static_cast<Variable*>(static_shared(&name, sizeof(Variable), kAlignment));
}

template <typename... Parameters>
class Kernel {
  public:
    Kernel(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
           size_t shared = 0, cudaStream_t = nullptr)
        : launch_{name, reinterpret_cast<const void*>(kernel), grid, block, shared},
          kernel_(kernel) {}

    template <typename... Arguments>
    void operator()(Arguments&&... arguments) const {
        struct Call {
            void (*kernel)(Parameters...);
            std::tuple<Parameters...> arguments;
        } call{kernel_, {std::forward<Arguments>(arguments)...}};
        run(
            launch_,
            [](void* opaque) {
                const Call& it = *static_cast<const Call*>(opaque);
                std::apply(it.kernel, it.arguments);
            },
            &call);
    }

  private:
    Launch launch_;
    void (*kernel_)(Parameters...);
};

}  // namespace shim
