#pragma once
// What a formula is compiled for.
//
// The same header is compiled once per instruction set of the CPU, once by nvcc, and once for plain host code such as
// the tests. Every copy lives in an inline namespace of its own, so that the linker can never take the copy made for
// AVX-512 for the one that an older machine runs.

#if defined(__CUDACC__)
#define ACTINIUM_TARGET cuda_target
#define ACTINIUM_HD __host__ __device__ __forceinline__
#else
#define ACTINIUM_HD inline __attribute__((always_inline))
#if defined(CPU_CAPABILITY)
// CPU_CAPABILITY is DEFAULT, AVX2 or AVX512: the name that ATen's vectorization headers use for their own.
#define ACTINIUM_TARGET CPU_CAPABILITY
#elif defined(ACTINIUM_DEVICE_DIVISION)
// Tests: host code that divides as the device does.
#define ACTINIUM_TARGET device_target
#else
#define ACTINIUM_TARGET host_target
#endif
#endif
