// CUDA's vector types: aligned as on the device, where an access to another address is an error.
#pragma once

#define SHIM_VECTOR(name, type)                                     \
    struct __align__(2 * sizeof(type)) name##2 {                    \
        type x, y;                                                  \
    };                                                              \
    struct name##3 {                                                \
        type x, y, z;                                               \
    };                                                              \
    struct __align__(4 * sizeof(type)) name##4 {                    \
        type x, y, z, w;                                            \
    };                                                              \
    inline name##2 make_##name##2(type x, type y) {                 \
        return {x, y};                                              \
    }                                                               \
    inline name##3 make_##name##3(type x, type y, type z) {         \
        return {x, y, z};                                           \
    }                                                               \
    inline name##4 make_##name##4(type x, type y, type z, type w) { \
        return {x, y, z, w};                                        \
    }

SHIM_VECTOR(char, signed char)
SHIM_VECTOR(uchar, unsigned char)
SHIM_VECTOR(short, short)
SHIM_VECTOR(ushort, unsigned short)
SHIM_VECTOR(int, int)
SHIM_VECTOR(uint, unsigned)
SHIM_VECTOR(float, float)
#undef SHIM_VECTOR

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
