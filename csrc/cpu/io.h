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
#include <tuple>
#include <type_traits>

#if defined(CPU_CAPABILITY_AVX2) || defined(CPU_CAPABILITY_AVX512)
#define ACTINIUM_VECTORIZED 1
#include <ATen/cpu/vec/vec.h>

#include "csrc/cpu/vec_prim.h"
#else
#define ACTINIUM_VECTORIZED 0
#include "csrc/math/prim.h"
#endif

#include "csrc/cpu/pair.h"
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
template <class T>
using lane_t = typename math::Prim<T>::Real;

#if ACTINIUM_VECTORIZED

template <class scalar_t>
using compute_t = at::vec::Vectorized<opmath_t<scalar_t>>;
template <class T>
constexpr int64_t kLanes = T::size();

// Stores a register; kStream: past the caches, to an aligned address.
template <bool kStream>
ACTINIUM_HD void store_register(void* p, __m256i v) {
  kStream ? _mm256_stream_si256(static_cast<__m256i*>(p), v) : _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

// The registers of an instruction set: floats, as many halves in half a register, and all of the memory of a Pair of
// floats in halves, in one.
#if defined(CPU_CAPABILITY_AVX512)
using Floats = __m512;
using Halves = __m256i;
using PairOfHalves = __m512i;
ACTINIUM_HD Halves load_halves(const void* p) { return _mm256_loadu_si256(static_cast<const Halves*>(p)); }
ACTINIUM_HD PairOfHalves load_pair(const void* p) { return _mm512_loadu_si512(p); }

template <bool kStream>
ACTINIUM_HD void store_register(void* p, __m512i v) {
  kStream ? _mm512_stream_si512(static_cast<__m512i*>(p), v) : _mm512_storeu_si512(p, v);
}
ACTINIUM_HD __m512i bits_of(__m512 v) { return _mm512_castps_si512(v); }
ACTINIUM_HD __m512i bits_of(__m512d v) { return _mm512_castpd_si512(v); }
template <class T>
ACTINIUM_HD T from_bits(__m512i v) {
  if constexpr (std::is_same_v<lane_t<T>, float>) {
    return _mm512_castsi512_ps(v);
  } else {
    return _mm512_castsi512_pd(v);
  }
}

ACTINIUM_HD Floats from_bfloat16(Halves v) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}
// Rounds to nearest even; the result stands in the upper half of every lane, the lower is undefined. A NaN stays one.
ACTINIUM_HD __m512i round_to_bfloat16(Floats v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
  const __m512i half = _mm512_mask_blend_epi32(odd, _mm512_set1_epi32(0x7fff), _mm512_set1_epi32(0x8000));
  return _mm512_mask_add_epi32(bits, _mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), bits, half);
}
ACTINIUM_HD Halves to_bfloat16(Floats v) { return _mm512_cvtepi32_epi16(_mm512_srli_epi32(round_to_bfloat16(v), 16)); }

// In pairs, one vector holds the elements with even numbers and the other those with odd ones, which need no
// instruction to be moved into place.
ACTINIUM_HD Floats even_bfloat16(PairOfHalves v) { return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)); }
ACTINIUM_HD Floats odd_bfloat16(PairOfHalves v) {
  return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(0xffff0000)));
}
ACTINIUM_HD PairOfHalves to_bfloat16(Floats even, Floats odd) {
  return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(round_to_bfloat16(even), 16), round_to_bfloat16(odd));
}

ACTINIUM_HD Floats from_half(Halves v) { return _mm512_cvtph_ps(v); }
ACTINIUM_HD Halves to_half(Floats v) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
ACTINIUM_HD Floats even_half(PairOfHalves v) { return from_half(_mm512_cvtepi32_epi16(v)); }
ACTINIUM_HD Floats odd_half(PairOfHalves v) { return from_half(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16))); }
ACTINIUM_HD PairOfHalves to_half(Floats even, Floats odd) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(to_half(even)),
                         _mm512_slli_epi32(_mm512_cvtepu16_epi32(to_half(odd)), 16));
}
#else
using Floats = __m256;
using Halves = __m128i;
using PairOfHalves = __m256i;
ACTINIUM_HD Halves load_halves(const void* p) { return _mm_loadu_si128(static_cast<const Halves*>(p)); }
ACTINIUM_HD PairOfHalves load_pair(const void* p) { return _mm256_loadu_si256(static_cast<const PairOfHalves*>(p)); }

template <bool kStream>
ACTINIUM_HD void store_register(void* p, __m128i v) {
  kStream ? _mm_stream_si128(static_cast<__m128i*>(p), v) : _mm_storeu_si128(static_cast<__m128i*>(p), v);
}
ACTINIUM_HD __m256i bits_of(__m256 v) { return _mm256_castps_si256(v); }
ACTINIUM_HD __m256i bits_of(__m256d v) { return _mm256_castpd_si256(v); }
template <class T>
ACTINIUM_HD T from_bits(__m256i v) {
  if constexpr (std::is_same_v<lane_t<T>, float>) {
    return _mm256_castsi256_ps(v);
  } else {
    return _mm256_castsi256_pd(v);
  }
}

ACTINIUM_HD Floats from_bfloat16(Halves v) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
}
ACTINIUM_HD __m256i round_to_bfloat16(Floats v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(rounded), v, _mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
ACTINIUM_HD Halves to_bfloat16(Floats v) {
  const __m256i upper = _mm256_srli_epi32(round_to_bfloat16(v), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

ACTINIUM_HD Floats even_bfloat16(PairOfHalves v) { return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16)); }
ACTINIUM_HD Floats odd_bfloat16(PairOfHalves v) {
  return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(0xffff0000)));
}
// Both at once, in lanes of 16 bits. The lower halves carry into the upper ones where they and 0x7fff, or 0x8000 beside
// an odd number, are 0x10000 or more; not into a NaN of ones alone, which has no room.
ACTINIUM_HD PairOfHalves to_bfloat16(Floats even, Floats odd) {
  const __m256i a = bits_of(even), b = bits_of(odd);
  const __m256i upper = _mm256_blend_epi16(_mm256_srli_epi32(a, 16), b, 0xaa);
  const __m256i lower = _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa);
  // avg adds 1 and halves
  const __m256i half = _mm256_or_si256(_mm256_and_si256(upper, _mm256_set1_epi16(1)), _mm256_set1_epi16(0x7ffe));
  const __m256i carry = _mm256_srli_epi16(_mm256_avg_epu16(lower, half), 15);
  const __m256i room = _mm256_andnot_si256(upper, _mm256_set1_epi16(0x7fff));
  return _mm256_add_epi16(upper, _mm256_min_epu16(carry, room));
}

ACTINIUM_HD Floats from_half(Halves v) { return _mm256_cvtph_ps(v); }
ACTINIUM_HD Halves to_half(Floats v) { return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
ACTINIUM_HD Halves lower_halves(__m256i words) {  // the upper ones are 0
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
ACTINIUM_HD Floats even_half(PairOfHalves v) {
  return from_half(lower_halves(_mm256_and_si256(v, _mm256_set1_epi32(0xffff))));
}
ACTINIUM_HD Floats odd_half(PairOfHalves v) { return from_half(lower_halves(_mm256_srli_epi32(v, 16))); }
ACTINIUM_HD PairOfHalves to_half(Floats even, Floats odd) {
  const Halves a = to_half(even), b = to_half(odd);
  return _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b));
}
#endif

// The first bytes of a register, an even number of them, from and to memory that ends there; the others are 0.
#if defined(CPU_CAPABILITY_AVX512)
// One bit for each.
ACTINIUM_HD uint64_t first_bytes(int64_t bytes) { return bytes < 64 ? (uint64_t{1} << bytes) - 1 : ~uint64_t{0}; }
template <class Register>
ACTINIUM_HD Register load_part(const void* p, int64_t bytes) {
  if constexpr (sizeof(Register) == 64) {
    return _mm512_maskz_loadu_epi8(first_bytes(bytes), p);
  } else {
    return _mm256_maskz_loadu_epi8(static_cast<__mmask32>(first_bytes(bytes)), p);
  }
}
ACTINIUM_HD void store_part(void* p, __m512i v, int64_t bytes) { _mm512_mask_storeu_epi8(p, first_bytes(bytes), v); }
ACTINIUM_HD void store_part(void* p, __m256i v, int64_t bytes) {
  _mm256_mask_storeu_epi8(p, static_cast<__mmask32>(first_bytes(bytes)), v);
}
#else
// Ones in the first bytes.
template <class Register>
ACTINIUM_HD Register first_bytes(int64_t bytes) {
  struct Edge {
    int8_t at[64] = {};
    constexpr Edge() {
      for (int i = 0; i < 32; ++i) at[i] = -1;
    }
  };
  static constexpr Edge kEdge;
  Register ones;
  std::memcpy(&ones, kEdge.at + 32 - bytes, sizeof(ones));
  return ones;
}
// Four bytes at a time; two that are left over come alone.
template <class Register>
ACTINIUM_HD Register load_part(const void* p, int64_t bytes) {
  const int64_t fours = bytes & ~int64_t{3};
  const Register mask = first_bytes<Register>(fours);
  Register v;
  if constexpr (sizeof(Register) == 32) {
    v = _mm256_maskload_epi32(static_cast<const int*>(p), mask);
  } else {
    v = _mm_maskload_epi32(static_cast<const int*>(p), mask);
  }
  if (fours == bytes) return v;
  int16_t last;
  std::memcpy(&last, static_cast<const char*>(p) + fours, sizeof(last));
  const Register alone = first_bytes<Register>(bytes);
  if constexpr (sizeof(Register) == 32) {
    return _mm256_or_si256(v, _mm256_and_si256(_mm256_andnot_si256(mask, alone), _mm256_set1_epi16(last)));
  } else {
    return _mm_or_si128(v, _mm_and_si128(_mm_andnot_si128(mask, alone), _mm_set1_epi16(last)));
  }
}
// In pieces: many processors take tens of cycles for a masked store.
ACTINIUM_HD void store_part(void* to, __m128i v, int64_t bytes) {
  char* p = static_cast<char*>(to);
  if (bytes & 16) return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v);
  int64_t rest = _mm_cvtsi128_si64(v);
  if (bytes & 8) {
    std::memcpy(p, &rest, 8);
    rest = _mm_extract_epi64(v, 1);
    p += 8;
  }
  if (bytes & 4) {
    std::memcpy(p, &rest, 4);
    rest >>= 32;
    p += 4;
  }
  if (bytes & 2) std::memcpy(p, &rest, 2);
}
ACTINIUM_HD void store_part(void* p, __m256i v, int64_t bytes) {
  if (bytes & 32) return _mm256_storeu_si256(static_cast<__m256i*>(p), v);
  if (bytes & 16) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_castsi256_si128(v));
    store_part(static_cast<char*>(p) + 16, _mm256_extracti128_si256(v, 1), bytes - 16);
  } else {
    store_part(p, _mm256_castsi256_si128(v), bytes);
  }
}
#endif

// A vector of elements that lie side by side, or the first n of them; lanes past these hold zeros.
template <class T>
struct Memory {
  template <class scalar_t>
  static ACTINIUM_HD T load(const scalar_t* p) {
    if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
      return from_bfloat16(load_halves(p));
    } else if constexpr (std::is_same_v<scalar_t, c10::Half>) {
      return from_half(load_halves(p));
    } else {
      return T::loadu(p);
    }
  }
  template <bool kStream = false, class scalar_t>
  static ACTINIUM_HD void store(scalar_t* p, const T& value) {
    if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
      store_register<kStream>(p, to_bfloat16(value));
    } else if constexpr (std::is_same_v<scalar_t, c10::Half>) {
      store_register<kStream>(p, to_half(value));
    } else {
      store_register<kStream>(p, bits_of(value));
    }
  }

  template <class scalar_t>
  static ACTINIUM_HD T load_first(const scalar_t* p, int64_t n) {
    const int64_t bytes = n * static_cast<int64_t>(sizeof(scalar_t));
    if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
      return from_bfloat16(load_part<Halves>(p, bytes));
    } else if constexpr (std::is_same_v<scalar_t, c10::Half>) {
      return from_half(load_part<Halves>(p, bytes));
    } else {
      return from_bits<T>(load_part<PairOfHalves>(p, bytes));
    }
  }
  template <class scalar_t>
  static ACTINIUM_HD void store_first(scalar_t* p, int64_t n, const T& value) {
    const int64_t bytes = n * static_cast<int64_t>(sizeof(scalar_t));
    if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
      store_part(p, to_bfloat16(value), bytes);
    } else if constexpr (std::is_same_v<scalar_t, c10::Half>) {
      store_part(p, to_half(value), bytes);
    } else {
      store_part(p, bits_of(value), bytes);
    }
  }
};

// The lanes' sum, in double.
template <class T>
ACTINIUM_HD double lane_sum(const T& value) {
  if constexpr (std::is_same_v<lane_t<T>, float>) {
#if defined(CPU_CAPABILITY_AVX512)
    return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(value)),
                                              _mm512_cvtps_pd(_mm512_extractf32x8_ps(value, 1))));
#else
    return lane_sum<at::vec::Vectorized<double>>(_mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(value)),
                                                               _mm256_cvtps_pd(_mm256_extractf128_ps(value, 1))));
#endif
  } else {
    double lanes[kLanes<T>], sum = 0;
    value.store(lanes);
    for (int64_t i = 0; i < kLanes<T>; ++i) sum += lanes[i];
    return sum;
  }
}

// The largest lane.
template <class T>
ACTINIUM_HD lane_t<T> lane_max(const T& value) {
#if defined(CPU_CAPABILITY_AVX512)
  if constexpr (std::is_same_v<lane_t<T>, float>) {
    return _mm512_reduce_max_ps(value);
  } else {
    return _mm512_reduce_max_pd(value);
  }
#else
  if constexpr (std::is_same_v<lane_t<T>, float>) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps(value, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  } else {
    const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(value), _mm256_extractf128_pd(value, 1));
    return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
  }
#endif
}

// A vector of the numbers 0 to 255 from and to bytes.
template <class T>
ACTINIUM_HD T load_bytes(const uint8_t* p) {
#if defined(CPU_CAPABILITY_AVX512)
  if constexpr (kLanes<T> == 16) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  } else {
    return _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
#else
  if constexpr (kLanes<T> == 8) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  } else {
    int32_t four;
    std::memcpy(&four, p, sizeof(four));
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
  }
#endif
}
template <class T>
ACTINIUM_HD void store_bytes(uint8_t* p, const T& value) {
#if defined(CPU_CAPABILITY_AVX512)
  if constexpr (kLanes<T> == 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value)));
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm256_cvtepi32_epi8(_mm512_cvtpd_epi32(value)));
  }
#else
  if constexpr (kLanes<T> == 8) {
    const __m256i numbers = _mm256_cvtps_epi32(value);
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
  } else {
    const __m128i words = _mm_packus_epi32(_mm256_cvtpd_epi32(value), _mm_setzero_si128());
    const int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(p, &four, sizeof(four));
  }
#endif
}

// Lane i of the result is lane which[i] of the value.
#if defined(CPU_CAPABILITY_AVX512)
using Permutation = __m512i;
ACTINIUM_HD at::vec::Vectorized<float> permute(const at::vec::Vectorized<float>& value, Permutation which) {
  return _mm512_permutexvar_ps(which, value);
}
ACTINIUM_HD at::vec::Vectorized<double> permute(const at::vec::Vectorized<double>& value, Permutation which) {
  return _mm512_permutexvar_pd(which, value);
}
#else
using Permutation = __m256i;
ACTINIUM_HD at::vec::Vectorized<float> permute(const at::vec::Vectorized<float>& value, Permutation which) {
  return _mm256_permutevar8x32_ps(value, which);
}
ACTINIUM_HD at::vec::Vectorized<double> permute(const at::vec::Vectorized<double>& value, Permutation which) {
  return _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(value), which));
}
#endif
// which(lane) for every lane.
template <class T, class F>
ACTINIUM_HD Permutation permutation(F which) {
  // In parts of 4 bytes on AVX2, which moves no larger ones.
  constexpr bool kWide = sizeof(lane_t<T>) == 8 && sizeof(Floats) == 64;
  constexpr int64_t kParts = kWide ? 1 : sizeof(lane_t<T>) / 4;
  std::conditional_t<kWide, int64_t, int32_t> parts[kLanes<T> * kParts];
  for (int64_t i = 0; i < kLanes<T>; ++i) {
    for (int64_t part = 0; part < kParts; ++part) parts[i * kParts + part] = which(i) * kParts + part;
  }
  static_assert(sizeof(parts) == sizeof(Permutation));
  Permutation result;
  std::memcpy(&result, parts, sizeof(result));
  return result;
}

#else

template <class scalar_t>
using compute_t = double;
template <class T>
constexpr int64_t kLanes = 1;

template <class T>
struct Memory {
  template <class scalar_t>
  static ACTINIUM_HD T load(const scalar_t* p) {
    return static_cast<T>(*p);
  }
  template <bool kStream = false, class scalar_t>
  static ACTINIUM_HD void store(scalar_t* p, T value) {
    *p = static_cast<scalar_t>(static_cast<opmath_t<scalar_t>>(value));
  }
  // A vector is one element.
  template <class scalar_t>
  static ACTINIUM_HD T load_first(const scalar_t* p, int64_t n) {
    return n > 0 ? load(p) : T(0);
  }
  template <class scalar_t>
  static ACTINIUM_HD void store_first(scalar_t* p, int64_t n, T value) {
    if (n > 0) store(p, value);
  }
};
template <class T>
ACTINIUM_HD double lane_sum(T value) {
  return value;
}
template <class T>
ACTINIUM_HD lane_t<T> lane_max(T value) {
  return value;
}
template <class T>
ACTINIUM_HD T load_bytes(const uint8_t* p) {
  return *p;
}
template <class T>
ACTINIUM_HD void store_bytes(uint8_t* p, T value) {
  *p = static_cast<uint8_t>(value);
}
// One lane stays where it is.
struct Permutation {};
template <class T, class F>
ACTINIUM_HD Permutation permutation(F) {
  return {};
}
ACTINIUM_HD double permute(double value, Permutation) { return value; }

#endif

#if ACTINIUM_VECTORIZED
// Two vectors of elements that take turns in memory: a's at even places, b's at odd ones.
template <class T, class scalar_t>
ACTINIUM_HD void load_in_turns(const scalar_t* p, T& a, T& b) {
  if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
    const PairOfHalves both = load_pair(p);
    a = even_bfloat16(both), b = odd_bfloat16(both);
  } else if constexpr (std::is_same_v<scalar_t, c10::Half>) {
    const PairOfHalves both = load_pair(p);
    a = even_half(both), b = odd_half(both);
  } else {
    std::tie(a, b) = at::vec::deinterleave2(T::loadu(p), T::loadu(p + kLanes<T>));
  }
}
template <bool kStream = false, class T, class scalar_t>
ACTINIUM_HD void store_in_turns(scalar_t* p, const T& a, const T& b) {
  if constexpr (std::is_same_v<scalar_t, c10::BFloat16>) {
    store_register<kStream>(p, to_bfloat16(a, b));
  } else if constexpr (std::is_same_v<scalar_t, c10::Half>) {
    store_register<kStream>(p, to_half(a, b));
  } else {
    const auto [first, second] = at::vec::interleave2(a, b);
    store_register<kStream>(p, bits_of(first));
    store_register<kStream>(p + kLanes<T>, bits_of(second));
  }
}
#endif

#if defined(CPU_CAPABILITY_AVX512)
constexpr bool kManyRegisters = true;  // 32 of them, else 16
#else
constexpr bool kManyRegisters = false;
#endif

// Two vectors side by side, where there are vectors.
template <class scalar_t>
using pair_t = std::conditional_t<ACTINIUM_VECTORIZED, math::Pair<compute_t<scalar_t>>, compute_t<scalar_t>>;

template <class T>
constexpr int64_t kLanes<math::Pair<T>> = 2 * kLanes<T>;

template <class T>
struct Memory<math::Pair<T>> {
  template <class scalar_t>
  static constexpr bool kEvenAndOdd =
      ACTINIUM_VECTORIZED&& std::is_same_v<scalar_t, c10::BFloat16>&& std::is_same_v<T, compute_t<scalar_t>>;

  template <class scalar_t>
  static ACTINIUM_HD math::Pair<T> load(const scalar_t* p) {
#if ACTINIUM_VECTORIZED
    if constexpr (kEvenAndOdd<scalar_t>) {
      const PairOfHalves both = load_pair(p);
      return {even_bfloat16(both), odd_bfloat16(both)};
    }
#endif
    if constexpr (!kEvenAndOdd<scalar_t>) return {Memory<T>::load(p), Memory<T>::load(p + kLanes<T>)};
  }
  template <bool kStream = false, class scalar_t>
  static ACTINIUM_HD void store(scalar_t* p, const math::Pair<T>& value) {
#if ACTINIUM_VECTORIZED
    if constexpr (kEvenAndOdd<scalar_t>) return store_register<kStream>(p, to_bfloat16(value.a, value.b));
#endif
    if constexpr (!kEvenAndOdd<scalar_t>) {
      Memory<T>::template store<kStream>(p, value.a);
      Memory<T>::template store<kStream>(p + kLanes<T>, value.b);
    }
  }

  template <class scalar_t>
  static ACTINIUM_HD math::Pair<T> load_first(const scalar_t* p, int64_t n) {
#if ACTINIUM_VECTORIZED
    if constexpr (kEvenAndOdd<scalar_t>) {
      const auto both = load_part<PairOfHalves>(p, n * static_cast<int64_t>(sizeof(scalar_t)));
      return {even_bfloat16(both), odd_bfloat16(both)};
    }
#endif
    if constexpr (!kEvenAndOdd<scalar_t>) {
      const int64_t in_a = std::min(n, kLanes<T>);
      return {Memory<T>::load_first(p, in_a), Memory<T>::load_first(p + in_a, n - in_a)};
    }
  }
  template <class scalar_t>
  static ACTINIUM_HD void store_first(scalar_t* p, int64_t n, const math::Pair<T>& value) {
#if ACTINIUM_VECTORIZED
    if constexpr (kEvenAndOdd<scalar_t>) {
      return store_part(p, to_bfloat16(value.a, value.b), n * static_cast<int64_t>(sizeof(scalar_t)));
    }
#endif
    if constexpr (!kEvenAndOdd<scalar_t>) {
      const int64_t in_a = std::min(n, kLanes<T>);
      Memory<T>::store_first(p, in_a, value.a);
      Memory<T>::store_first(p + in_a, n - in_a, value.b);
    }
  }
};

template <class T, class scalar_t>
ACTINIUM_HD T load(const scalar_t* p) {
  return Memory<T>::load(p);
}
template <bool kStream = false, class T, class scalar_t>
ACTINIUM_HD void store(scalar_t* p, const T& value) {
  Memory<T>::template store<kStream>(p, value);
}
#if ACTINIUM_VECTORIZED
template <class T, class scalar_t>
ACTINIUM_HD void load_in_turns(const scalar_t* p, math::Pair<T>& a, math::Pair<T>& b) {
  load_in_turns(p, a.a, b.a);
  load_in_turns(p + 2 * kLanes<T>, a.b, b.b);
}
template <bool kStream = false, class T, class scalar_t>
ACTINIUM_HD void store_in_turns(scalar_t* p, const math::Pair<T>& a, const math::Pair<T>& b) {
  store_in_turns<kStream>(p, a.a, b.a);
  store_in_turns<kStream>(p + 2 * kLanes<T>, a.b, b.b);
}
#endif

// Vectors as they are loaded and stored alone, or, if kInOrder, with the lanes in the order of memory in pairs as well:
// beside what load_in_turns gives.
template <class T, bool kInOrder>
struct Lanes : Memory<T> {};
template <class T>
struct Lanes<math::Pair<T>, true> {
  template <class scalar_t>
  static ACTINIUM_HD math::Pair<T> load(const scalar_t* p) {
    return {Lanes<T, true>::load(p), Lanes<T, true>::load(p + kLanes<T>)};
  }
  template <bool kStream = false, class scalar_t>
  static ACTINIUM_HD void store(scalar_t* p, const math::Pair<T>& value) {
    Lanes<T, true>::template store<kStream>(p, value.a);
    Lanes<T, true>::template store<kStream>(p + kLanes<T>, value.b);
  }
};

// Makes streamed stores visible to other threads.
ACTINIUM_HD void end_of_stream() {
#if ACTINIUM_VECTORIZED
  _mm_sfence();
#endif
}

template <class T>
ACTINIUM_HD T broadcast(lane_t<T> value) {
  return T(value);
}

template <class T>
ACTINIUM_HD double lane_sum(const math::Pair<T>& value) {
  return lane_sum(value.a) + lane_sum(value.b);
}
template <class T>
ACTINIUM_HD lane_t<T> lane_max(const math::Pair<T>& value) {
  return lane_max(math::Prim<T>::max(value.a, value.b));
}

// Asks for the memory of a vector that will soon be read, or written; any address will do.
template <class T, bool kWrite = false, class scalar_t>
ACTINIUM_HD void prefetch(const scalar_t* base, int64_t at) {
  constexpr uintptr_t kLine = 64;
  const uintptr_t address = reinterpret_cast<uintptr_t>(base) + at * sizeof(scalar_t);
  for (uintptr_t i = 0; i < kLanes<T> * sizeof(scalar_t); i += kLine) {
    __builtin_prefetch(reinterpret_cast<const void*>(address + i), kWrite);
  }
}

// A vector beside elements of scalar_t, from one number for each of them in their order, and back.
template <class scalar_t, class T>
struct Numbers {
  static ACTINIUM_HD T load(const lane_t<T>* p) { return Memory<T>::load(p); }
  static ACTINIUM_HD void store(lane_t<T>* p, const T& value) { Memory<T>::store(p, value); }
};
template <class scalar_t, class T>
struct Numbers<scalar_t, math::Pair<T>> {
  using W = math::Pair<T>;
  static constexpr int64_t kHalf = kLanes<T>;

  static ACTINIUM_HD W load(const lane_t<T>* p) {
    if constexpr (!Memory<W>::template kEvenAndOdd<scalar_t>) return Memory<W>::load(p);
    lane_t<T> even[kHalf], odd[kHalf];
    for (int64_t i = 0; i < kHalf; ++i) even[i] = p[2 * i], odd[i] = p[2 * i + 1];
    return {Memory<T>::load(even), Memory<T>::load(odd)};
  }
  static ACTINIUM_HD void store(lane_t<T>* p, const W& value) {
    if constexpr (!Memory<W>::template kEvenAndOdd<scalar_t>) return Memory<W>::store(p, value);
    lane_t<T> even[kHalf], odd[kHalf];
    Memory<T>::store(even, value.a);
    Memory<T>::store(odd, value.b);
    for (int64_t i = 0; i < kHalf; ++i) p[2 * i] = even[i], p[2 * i + 1] = odd[i];
  }
};
// number(i) for element i.
template <class scalar_t, class T, class F>
ACTINIUM_HD T numbers(F number) {
  lane_t<T> lanes[kLanes<T>];
  for (int64_t i = 0; i < kLanes<T>; ++i) lanes[i] = static_cast<lane_t<T>>(number(i));
  return Numbers<scalar_t, T>::load(lanes);
}
// Which lanes belong to the first n elements.
template <class scalar_t, class T>
ACTINIUM_HD typename math::Prim<T>::Mask first(int64_t n) {
  if constexpr (std::is_same_v<T, compute_t<scalar_t>>) {
    // Ones and zeros side by side, of which a vector is read where the first n lanes meet ones.
    struct Edge {
      lane_t<T> lanes[2 * kLanes<T>] = {};
      constexpr Edge() {
        for (int64_t i = 0; i < kLanes<T>; ++i) lanes[i] = 1;
      }
    };
    static constexpr Edge kEdge;
    return math::Prim<T>::gt(Memory<T>::load(kEdge.lanes + kLanes<T> - n), broadcast<T>(0));
  } else {
    return math::Prim<T>::gt(numbers<scalar_t, T>([&](int64_t i) { return i < n; }), broadcast<T>(0));
  }
}

// The first n of a vector, `stride` bytes apart; the other lanes hold zeros.
template <class T, class scalar_t>
ACTINIUM_HD T load_some(const char* p, int64_t stride, int64_t n) {
  scalar_t lanes[kLanes<T>] = {};
  for (int64_t i = 0; i < n; ++i) std::memcpy(&lanes[i], p + i * stride, sizeof(scalar_t));
  return load<T>(lanes);
}
template <class scalar_t, class T>
ACTINIUM_HD void store_some(char* p, int64_t stride, int64_t n, const T& value) {
  scalar_t lanes[kLanes<T>];
  store(lanes, value);
  for (int64_t i = 0; i < n; ++i) std::memcpy(p + i * stride, &lanes[i], sizeof(scalar_t));
}
// The same side by side.
template <class T, class scalar_t>
ACTINIUM_HD T load_some(const scalar_t* p, int64_t n) {
  return Memory<T>::load_first(p, n);
}
template <class T, class scalar_t>
ACTINIUM_HD void store_some(scalar_t* p, int64_t n, const T& value) {
  Memory<T>::store_first(p, n, value);
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
