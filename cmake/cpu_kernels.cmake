# The CPU kernels, compiled once per instruction set. Every csrc/**/*_cpu.cpp puts its code into
# the namespace nsa::NSA_ISA and csrc/dispatch.h picks the widest one the processor has, so one wheel
# runs everywhere and still uses AVX-512 where it exists. Other files are compiled once.
file(GLOB NSA_KERNELS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/*/*_cpu.cpp)
file(GLOB NSA_DRIVERS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/*/*.cpp)
list(FILTER NSA_DRIVERS EXCLUDE REGEX "(_cpu|/bind)\\.cpp$")

add_library(nsa_cpu STATIC csrc/dispatch.cpp csrc/memory.cpp ${NSA_DRIVERS})
target_include_directories(nsa_cpu PUBLIC csrc)
target_link_libraries(nsa_cpu PRIVATE nsa_warnings Threads::Threads)
if(NOT MSVC)
    # These round as OpenCV and NumPy do, which a fused multiply-add would change.
    set_source_files_properties(
        csrc/blend/resize.cpp csrc/blend/blend.cpp csrc/image/gather.cpp
        csrc/label/kinds.cpp
        PROPERTIES COMPILE_OPTIONS -ffp-contract=off)
endif()

function(nsa_add_instruction_set name)
    add_library(nsa_cpu_${name} OBJECT ${NSA_KERNELS})
    target_include_directories(nsa_cpu_${name} PRIVATE csrc)
    target_link_libraries(nsa_cpu_${name} PRIVATE nsa_warnings)
    target_compile_definitions(nsa_cpu_${name} PRIVATE NSA_ISA=${name})
    if(NSA_DISPATCH)
        target_compile_definitions(nsa_cpu_${name} PRIVATE NSA_X86_DISPATCH)
    endif()
    if(NOT MSVC)
        # No errno and no trapping maths: both would stop the loops from being vectorised. Results
        # keep IEEE rounding and order, so they do not depend on the number of threads.
        target_compile_options(nsa_cpu_${name} PRIVATE
            ${NSA_OPTIMISE} -fno-math-errno -fno-trapping-math -fvisibility=hidden)
    endif()
    target_compile_options(nsa_cpu_${name} PRIVATE ${ARGN})
    target_sources(nsa_cpu PRIVATE $<TARGET_OBJECTS:nsa_cpu_${name}>)
endfunction()

if(NSA_NATIVE)
    nsa_add_instruction_set(baseline -march=native)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND NOT WIN32)
    set(NSA_DISPATCH ON)
    nsa_add_instruction_set(baseline -march=x86-64-v2)
    nsa_add_instruction_set(avx2 -march=x86-64-v3)
    nsa_add_instruction_set(avx512 -march=x86-64-v4 -mprefer-vector-width=512)
    target_compile_definitions(nsa_cpu PUBLIC NSA_X86_DISPATCH)
else()
    nsa_add_instruction_set(baseline)
endif()
