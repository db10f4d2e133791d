#pragma once
// What all kernels share: elements in and out of memory, alone and as vectors.
#include <c10/core/ScalarType.h>
#include <c10/util/Exception.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>
#include <type_traits>

#include "csrc/math/coarse.h"

namespace actinium::cuda {
namespace {

// The type that a stored type is computed in.
template <class S>
struct Opmath {
  using type = float;
};
template <>
struct Opmath<double> {
  using type = double;
};
template <class S>
using opmath_t = typename Opmath<S>::type;

// What a formula of one element is computed in: 16 bits hide what Coarse leaves out.
template <class S>
struct Compute : Opmath<S> {};
template <>
struct Compute<__half> {
  using type = math::Coarse<false>;
};
template <>
struct Compute<__nv_bfloat16> {
  using type = math::Coarse<true>;
};
template <class S>
using compute_t = typename Compute<S>::type;

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ double widen(double x) { return x; }
__device__ __forceinline__ float widen(__half x) { return __half2float(x); }
__device__ __forceinline__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class S>
__device__ __forceinline__ S narrow(opmath_t<S> x) {
  return x;
}
template <>
__device__ __forceinline__ __half narrow<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __forceinline__ __nv_bfloat16 narrow<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// N adjacent elements as they lie in memory.
template <class S, int N>
struct alignas(N * sizeof(S)) Vector {
  S at[N];
};

// The words in which a vector is read and written: one instruction each, which for an array of structs (half types)
// the compiler does not find by itself.
template <int kBytes>
struct Word;
template <>
struct Word<16> {
  using type = uint4;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<4> {
  using type = unsigned int;
};
template <>
struct Word<2> {
  using type = unsigned short;
};
template <>
struct Word<1> {
  using type = unsigned char;
};

// By value: a copy from where a reference points to would be read byte by byte.
template <class To, class From>
__device__ __forceinline__ To bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}

template <class V>
__device__ __forceinline__ V load(const void* p) {
  return bits<V>(*static_cast<const typename Word<sizeof(V)>::type*>(p));
}
template <class V>
__device__ __forceinline__ void store(void* p, const V& v) {
  // An assignment to *p may be taken apart again.
  using W = typename Word<sizeof(V)>::type;
  __stwb(static_cast<W*>(p), bits<W>(v));
}

template <class S, int N>
__device__ __forceinline__ void widen(const Vector<S, N>& v, opmath_t<S>* x) {
#pragma unroll
  for (int e = 0; e < N; ++e) x[e] = widen(v.at[e]);
}
template <class S, int N>
__device__ __forceinline__ Vector<S, N> narrow(const opmath_t<S>* x) {
  Vector<S, N> v;
#pragma unroll
  for (int e = 0; e < N; ++e) v.at[e] = narrow<S>(x[e]);
  // Half types are rounded in pairs: one instruction for both.
  if constexpr (sizeof(S) == 2 && N % 2 == 0) {
#pragma unroll
    for (int e = 0; e < N; e += 2) {
      if constexpr (std::is_same_v<S, __half>) {
        const __half2 pair = __floats2half2_rn(x[e], x[e + 1]);
        v.at[e] = pair.x, v.at[e + 1] = pair.y;
      } else {
        const __nv_bfloat162 pair = __floats2bfloat162_rn(x[e], x[e + 1]);
        v.at[e] = pair.x, v.at[e + 1] = pair.y;
      }
    }
  }
  return v;
}

// Calls body with a value of the stored type.
template <class Body>
void with_dtype(c10::ScalarType dtype, const Body& body) {
  switch (dtype) {
    case c10::ScalarType::Float:
      return body(float{});
    case c10::ScalarType::Double:
      return body(double{});
    case c10::ScalarType::Half:
      return body(__half{});
    case c10::ScalarType::BFloat16:
      return body(__nv_bfloat16{});
    default:
      TORCH_CHECK(false, "actinium: no CUDA kernel for ", dtype);
  }
}

}  // namespace
}  // namespace actinium::cuda
