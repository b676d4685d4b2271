# Finds nvcc: the machine's own toolkit first, then the wheels named in pyproject.toml, which lie in
# the isolated build environment. Sets NSA_WITH_CUDA, and NSA_CUDA_MISSING to the reason if it is off.
set(NSA_WITH_CUDA OFF)
set(NSA_CUDA_MISSING "")
set(NSA_CUDA_BUILT_FOR "")

if(NOT NSA_CUDA)
    set(NSA_CUDA_MISSING "the package was configured with NSA_CUDA=OFF")
else()
    if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
        # PATH and CUDA_HOME decide, not CMake's own list of places.
        find_program(NSA_NVCC nvcc PATHS ENV PATH $ENV{CUDA_HOME}/bin NO_DEFAULT_PATH)
        if(NOT NSA_NVCC)
            execute_process(
                COMMAND "${Python_EXECUTABLE}" -c
                    "import nvidia, pathlib; print(next(str(n) for p in nvidia.__path__ for n in pathlib.Path(p).glob('cu*/bin/nvcc')))"
                OUTPUT_VARIABLE NSA_WHEEL_NVCC OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
            if(NSA_WHEEL_NVCC)
                set(NSA_NVCC "${NSA_WHEEL_NVCC}")
            endif()
        endif()
        if(NSA_NVCC)
            set(CMAKE_CUDA_COMPILER "${NSA_NVCC}")
        endif()
    endif()
    if(CMAKE_CUDA_COMPILER OR DEFINED ENV{CUDACXX})
        if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
            set(CMAKE_CUDA_ARCHITECTURES OFF)
        endif()
        enable_language(CUDA)
        set(NSA_WITH_CUDA ON)
    else()
        set(NSA_CUDA_MISSING
            "no CUDA compiler was found when the package was built: neither nvcc on PATH nor its wheels")
    endif()
endif()

if(NSA_WITH_CUDA)
    if(NOT NSA_CUDA_ARCHITECTURES)
        set(NSA_CUDA_ARCHITECTURES 75 80 86 89 90)
        if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
            list(APPEND NSA_CUDA_ARCHITECTURES 100 120)
        endif()
    endif()
    list(JOIN NSA_CUDA_ARCHITECTURES " " NSA_CUDA_BUILT_FOR)
    message(STATUS "NSA: CUDA kernels with ${CMAKE_CUDA_COMPILER} for ${NSA_CUDA_BUILT_FOR}")
else()
    message(STATUS "NSA: CPU kernels only, because ${NSA_CUDA_MISSING}")
endif()
