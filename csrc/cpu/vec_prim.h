#pragma once
// math::Prim for the vectors of AVX2 and AVX-512. Only units compiled for one of these include it.
#include <ATen/cpu/vec/vec.h>

#include "csrc/math/prim.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// Lanes is at::vec::Vectorized<Real>, Register the type of the intrinsics, which converts to and from it.
#if defined(CPU_CAPABILITY_AVX512)

#define ACTINIUM_VEC_PRIM(Real_, Register, ps, Integer, epi, Mask_)                                                  \
  template <>                                                                                                        \
  struct Prim<at::vec::Vectorized<Real_>> {                                                                          \
    using Real = Real_;                                                                                              \
    using T = at::vec::Vectorized<Real_>;                                                                            \
    using Mask = Mask_;                                                                                              \
    static ACTINIUM_HD T fma(T a, T b, T c) { return _mm512_fmadd_##ps(a, b, c); }                                   \
    static ACTINIUM_HD T fnma(T a, T b, T c) { return _mm512_fnmadd_##ps(a, b, c); }                                 \
    static ACTINIUM_HD T fma_exact(T a, T b, T c) { return _mm512_fmadd_##ps(a, b, c); }                             \
    static ACTINIUM_HD T min(T a, T b) { return _mm512_min_##ps(a, b); }                                             \
    static ACTINIUM_HD T max(T a, T b) { return _mm512_max_##ps(a, b); }                                             \
    static ACTINIUM_HD T neg(T a) { return _mm512_xor_##ps(a, T(Real(-0.0))); }                                      \
    static ACTINIUM_HD T abs(T a) { return _mm512_andnot_##ps(T(Real(-0.0)), a); }                                   \
    static ACTINIUM_HD T flip(T a, T s) { return _mm512_xor_##ps(a, _mm512_and_##ps(s, T(Real(-0.0)))); }              \
    static ACTINIUM_HD T with_sign(T y, T x) { return _mm512_or_##ps(y, _mm512_and_##ps(x, T(Real(-0.0)))); }        \
    static ACTINIUM_HD Mask gt(T a, T b) { return _mm512_cmp_##ps##_mask(a, b, _CMP_GT_OQ); }                        \
    static ACTINIUM_HD T select(Mask m, T yes, T no) { return _mm512_mask_blend_##ps(m, no, yes); }                  \
    static ACTINIUM_HD T exp2i(T u) {                                                                                \
      return _mm512_castsi512_##ps(_mm512_slli_##epi(_mm512_cast##ps##_si512(u), Format<Real>::kMantissa));          \
    }                                                                                                                \
    static ACTINIUM_HD T sqrt(T a) { return _mm512_sqrt_##ps(a); }                                                   \
  };
ACTINIUM_VEC_PRIM(float, __m512, ps, __m512i, epi32, __mmask16)
ACTINIUM_VEC_PRIM(double, __m512d, pd, __m512i, epi64, __mmask8)

#elif defined(CPU_CAPABILITY_AVX2)

#define ACTINIUM_VEC_PRIM(Real_, Register, ps, Integer, epi, Mask_)                                                  \
  template <>                                                                                                        \
  struct Prim<at::vec::Vectorized<Real_>> {                                                                          \
    using Real = Real_;                                                                                              \
    using T = at::vec::Vectorized<Real_>;                                                                            \
    using Mask = Register;                                                                                           \
    static ACTINIUM_HD T fma(T a, T b, T c) { return _mm256_fmadd_##ps(a, b, c); }                                   \
    static ACTINIUM_HD T fnma(T a, T b, T c) { return _mm256_fnmadd_##ps(a, b, c); }                                 \
    static ACTINIUM_HD T fma_exact(T a, T b, T c) { return _mm256_fmadd_##ps(a, b, c); }                             \
    static ACTINIUM_HD T min(T a, T b) { return _mm256_min_##ps(a, b); }                                             \
    static ACTINIUM_HD T max(T a, T b) { return _mm256_max_##ps(a, b); }                                             \
    static ACTINIUM_HD T neg(T a) { return _mm256_xor_##ps(a, T(Real(-0.0))); }                                      \
    static ACTINIUM_HD T abs(T a) { return _mm256_andnot_##ps(T(Real(-0.0)), a); }                                   \
    static ACTINIUM_HD T flip(T a, T s) { return _mm256_xor_##ps(a, _mm256_and_##ps(s, T(Real(-0.0)))); }              \
    static ACTINIUM_HD T with_sign(T y, T x) { return _mm256_or_##ps(y, _mm256_and_##ps(x, T(Real(-0.0)))); }        \
    static ACTINIUM_HD Mask gt(T a, T b) { return _mm256_cmp_##ps(a, b, _CMP_GT_OQ); }                               \
    static ACTINIUM_HD T select(Mask m, T yes, T no) { return _mm256_blendv_##ps(no, yes, m); }                      \
    static ACTINIUM_HD T exp2i(T u) {                                                                                \
      return _mm256_castsi256_##ps(_mm256_slli_##epi(_mm256_cast##ps##_si256(u), Format<Real>::kMantissa));          \
    }                                                                                                                \
    static ACTINIUM_HD T sqrt(T a) { return _mm256_sqrt_##ps(a); }                                                   \
  };
ACTINIUM_VEC_PRIM(float, __m256, ps, __m256i, epi32, )
ACTINIUM_VEC_PRIM(double, __m256d, pd, __m256i, epi64, )

#else
#error "vec_prim.h is for units compiled for AVX2 or AVX-512"
#endif

#undef ACTINIUM_VEC_PRIM

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
