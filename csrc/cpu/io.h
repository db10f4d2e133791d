#pragma once
// How elements travel between memory and registers: what a dtype is computed in, whole and partial vectors, any stride.
//
// AVX2 and AVX-512 compute float32, bfloat16 and float16 in Vectorized<float> and float64 in Vectorized<double>.
// DEFAULT has no fused multiply-add, which the formulas build on, and computes all of them in double, one at a time.
// A tail or a strided row goes through the same vector instructions as a full vector, so that the result of a value
// depends on the value alone.
#include <c10/core/ScalarType.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(CPU_CAPABILITY_AVX2) || defined(CPU_CAPABILITY_AVX512)
#define ACTINIUM_VECTORIZED 1
#include <ATen/cpu/vec/vec.h>

#include "csrc/cpu/vec_prim.h"
#else
#define ACTINIUM_VECTORIZED 0
#include "csrc/math/prim.h"
#endif

#include "csrc/math/target.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

// The type of parameters and sums in memory.
template <class scalar_t>
struct OpMath {
  using type = float;
};
template <>
struct OpMath<double> {
  using type = double;
};
template <class scalar_t>
using opmath_t = typename OpMath<scalar_t>::type;

#if ACTINIUM_VECTORIZED

template <class scalar_t>
using compute_t = at::vec::Vectorized<opmath_t<scalar_t>>;
template <class T>
using lane_t = typename T::value_type;
template <class T>
constexpr int64_t kLanes = T::size();

template <class T, class scalar_t>
ACTINIUM_HD T load(const scalar_t* p) {
  if constexpr (std::is_same_v<scalar_t, lane_t<T>>) {
    return T::loadu(p);
  } else {
#if defined(CPU_CAPABILITY_AVX512)
    const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    __m512 wide;
#else
    const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    __m256 wide;
#endif
    if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
      at::vec::cvtbf16_fp32(raw, wide);
    } else {
      at::vec::cvtfp16_fp32(raw, wide);
    }
    return wide;
  }
}

template <class T, class scalar_t>
ACTINIUM_HD void store(scalar_t* p, const T& value) {
  if constexpr (std::is_same_v<scalar_t, lane_t<T>>) {
    value.store(p);
  } else {
#if defined(CPU_CAPABILITY_AVX512)
    __m256i* const to = reinterpret_cast<__m256i*>(p);
#else
    __m128i* const to = reinterpret_cast<__m128i*>(p);
#endif
    if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
#if defined(CPU_CAPABILITY_AVX512)
      _mm256_storeu_si256(to, at::vec::cvtfp32_bf16(value));
#else
      _mm_storeu_si128(to, at::vec::cvtfp32_bf16(value));
#endif
    } else {
#if defined(CPU_CAPABILITY_AVX512)
      _mm256_storeu_si256(to, at::vec::cvtfp32_fp16(value));
#else
      _mm_storeu_si128(to, at::vec::cvtfp32_fp16(value));
#endif
    }
  }
}

template <class T>
ACTINIUM_HD T broadcast(lane_t<T> value) {
  return T(value);
}

// The lanes' sum, in double.
template <class T>
ACTINIUM_HD double lane_sum(const T& value) {
  lane_t<T> lanes[kLanes<T>];
  value.store(lanes);
  double sum = 0;
  for (int64_t i = 0; i < kLanes<T>; ++i) sum += lanes[i];
  return sum;
}

#else

template <class scalar_t>
using compute_t = double;
template <class T>
using lane_t = T;
template <class T>
constexpr int64_t kLanes = 1;

template <class T, class scalar_t>
ACTINIUM_HD T load(const scalar_t* p) {
  return static_cast<T>(*p);
}
template <class T, class scalar_t>
ACTINIUM_HD void store(scalar_t* p, T value) {
  *p = static_cast<scalar_t>(static_cast<opmath_t<scalar_t>>(value));
}
template <class T>
ACTINIUM_HD T broadcast(double value) {
  return value;
}
template <class T>
ACTINIUM_HD double lane_sum(T value) {
  return value;
}

#endif

// The first n of a vector, `stride` bytes apart; the other lanes hold zeros.
template <class T, class scalar_t>
ACTINIUM_HD T load_some(const char* p, int64_t stride, int64_t n) {
  scalar_t lanes[kLanes<T>] = {};
  for (int64_t i = 0; i < n; ++i) std::memcpy(&lanes[i], p + i * stride, sizeof(scalar_t));
  return load<T>(lanes);
}
template <class T, class scalar_t>
ACTINIUM_HD T load_some(const scalar_t* p, int64_t n) {
  return load_some<T, scalar_t>(reinterpret_cast<const char*>(p), sizeof(scalar_t), n);
}

template <class scalar_t, class T>
ACTINIUM_HD void store_some(char* p, int64_t stride, int64_t n, const T& value) {
  scalar_t lanes[kLanes<T>];
  store(lanes, value);
  for (int64_t i = 0; i < n; ++i) std::memcpy(p + i * stride, &lanes[i], sizeof(scalar_t));
}
template <class T, class scalar_t>
ACTINIUM_HD void store_some(scalar_t* p, int64_t n, const T& value) {
  store_some<scalar_t>(reinterpret_cast<char*>(p), sizeof(scalar_t), n, value);
}

// A template over the dtypes becomes a table look-up: calls f with a value of the C++ type.
template <class F>
auto with_dtype(c10::ScalarType dtype, F f) {
  switch (dtype) {
    case c10::ScalarType::Double:
      return f(double{});
    case c10::ScalarType::BFloat16:
      return f(c10::BFloat16{});
    case c10::ScalarType::Half:
      return f(c10::Half{});
    default:  // csrc/ops has let nothing else through
      return f(float{});
  }
}

}  // namespace
}  // namespace actinium::cpu::CPU_CAPABILITY
