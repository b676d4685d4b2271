# Decides for which GPUs kernels are built, and finds nvcc: the machine's own toolkit first, then the
# wheels that backend.py asks for, which lie in the isolated build environment. Sets NSA_WITH_CUDA,
# and NSA_CUDA_MISSING to the reason if it is off.
set(NSA_WITH_CUDA OFF)
set(NSA_CUDA_MISSING "")
set(NSA_CUDA_BUILT_FOR "")

# Sets `result` to the path of nvcc, or to nothing. CMAKE_CUDA_COMPILER and CUDACXX come before it.
function(nsa_find_nvcc result)
    # PATH and CUDA_HOME decide, not CMake's own list of places.
    find_program(NSA_NVCC nvcc PATHS ENV PATH $ENV{CUDA_HOME}/bin NO_DEFAULT_PATH)
    set(nvcc "${NSA_NVCC}")
    if(NOT nvcc)
        execute_process(
            COMMAND "${Python_EXECUTABLE}" -c
                "import nvidia, pathlib; print(next(str(n) for p in nvidia.__path__ for n in pathlib.Path(p).glob('cu*/bin/nvcc')))"
            OUTPUT_VARIABLE nvcc OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
    set(${result} "${nvcc}" PARENT_SCOPE)
endfunction()

# Sets `result` to the architectures to build for so that kernels run on GPUs of these compute
# capabilities: their own or, of a newer GPU than the compiler knows, the newest that it does.
function(nsa_architectures_for capabilities result)
    execute_process(
        COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-arch
        OUTPUT_VARIABLE listing COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[0-9]+" known "${listing}")
    set(chosen "")
    foreach(capability IN LISTS capabilities)
        set(best "")
        foreach(architecture IN LISTS known)
            if(architecture LESS_EQUAL capability AND (NOT best OR architecture GREATER best))
                set(best ${architecture})
            endif()
        endforeach()
        list(APPEND chosen ${best})
    endforeach()
    list(REMOVE_DUPLICATES chosen)
    set(${result} "${chosen}" PARENT_SCOPE)
endfunction()

string(TOUPPER "${NSA_CUDA}" NSA_CUDA_WANTED)
if(NOT NSA_CUDA_WANTED MATCHES "^(AUTO|ON|OFF|1|0|TRUE|FALSE|YES|NO|Y|N)$")
    message(FATAL_ERROR "NSA: NSA_CUDA must be AUTO, ON or OFF, got ${NSA_CUDA}.")
endif()
if(NSA_CUDA_WANTED STREQUAL "AUTO")
    if(NSA_CUDA_ARCHITECTURES)
        set(NSA_CUDA_WANTED ON)
    else()
        execute_process(
            COMMAND "${Python_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/gpus.py"
            OUTPUT_VARIABLE NSA_GPUS OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
        if(NOT NSA_GPUS)
            set(NSA_CUDA_MISSING
                "no GPU of compute capability 7.5 or newer was seen when the package was built; install it again where one is, or with `-C cmake.define.NSA_CUDA=ON`")
        endif()
    endif()
elseif(NOT NSA_CUDA)
    set(NSA_CUDA_MISSING
        "the package was configured with NSA_CUDA=${NSA_CUDA}; install it again with `-C cmake.define.NSA_CUDA=ON`")
endif()

if(NOT NSA_CUDA_MISSING)
    if(NOT CMAKE_CUDA_COMPILER AND "$ENV{CUDACXX}" STREQUAL "")
        nsa_find_nvcc(CMAKE_CUDA_COMPILER)
    endif()
    if(CMAKE_CUDA_COMPILER OR NOT "$ENV{CUDACXX}" STREQUAL "")
        if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
            set(CMAKE_CUDA_ARCHITECTURES OFF)
        endif()
        enable_language(CUDA)
        set(NSA_WITH_CUDA ON)
    elseif(NSA_CUDA_WANTED STREQUAL "AUTO")
        set(NSA_CUDA_MISSING
            "no CUDA compiler was found when the package was built; put nvcc on PATH and install it again")
    else()
        message(FATAL_ERROR
            "NSA: CUDA kernels were asked for, but there is no compiler for them. Put nvcc on PATH or "
            "name the toolkit with CUDA_HOME; for Linux on x86-64 an isolated build fetches a compiler.")
    endif()
endif()

if(NSA_WITH_CUDA AND NOT NSA_CUDA_ARCHITECTURES)
    if(NSA_GPUS)
        nsa_architectures_for("${NSA_GPUS}" NSA_CUDA_ARCHITECTURES)
        if(NOT NSA_CUDA_ARCHITECTURES)
            set(NSA_WITH_CUDA OFF)
            set(NSA_CUDA_MISSING
                "${CMAKE_CUDA_COMPILER} knows none of this machine's GPUs any more; put an older nvcc on PATH and install it again")
        endif()
    else()
        set(NSA_CUDA_ARCHITECTURES 75 80 86 89 90)
        if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
            list(APPEND NSA_CUDA_ARCHITECTURES 100 120)
        endif()
    endif()
endif()

if(NSA_WITH_CUDA)
    list(JOIN NSA_CUDA_ARCHITECTURES " " NSA_CUDA_BUILT_FOR)
    message(STATUS "NSA: CUDA kernels with ${CMAKE_CUDA_COMPILER} for ${NSA_CUDA_BUILT_FOR}")
else()
    message(STATUS "NSA: CPU kernels only, because ${NSA_CUDA_MISSING}")
endif()
