#pragma once
// math::Prim for the vectors of AVX2 and AVX-512. Only units compiled for one of these include it.
#include <ATen/cpu/vec/vec.h>

#include "csrc/math/prim.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// The two differ in what a mask is. The names of intrinsics are put together from mm (_mm256, _mm512), ps or pd, the
// integer vector si of the same size, and its lanes epi.
#if defined(CPU_CAPABILITY_AVX512)
#define ACTINIUM_VEC_COMPARE(mm, ps) mm##_cmp_##ps##_mask
#define ACTINIUM_VEC_BEATS(mm, ps, a, b) \
  mm##_mask_cmp_##ps##_mask(mm##_cmp_##ps##_mask(b, b, _CMP_ORD_Q), a, b, _CMP_NLE_UQ)
#define ACTINIUM_VEC_SELECT(mm, ps, m, yes, no) mm##_mask_blend_##ps(m, no, yes)
#elif defined(CPU_CAPABILITY_AVX2)
#define ACTINIUM_VEC_COMPARE(mm, ps) mm##_cmp_##ps
#define ACTINIUM_VEC_BEATS(mm, ps, a, b) \
  mm##_and_##ps(mm##_cmp_##ps(b, b, _CMP_ORD_Q), mm##_cmp_##ps(a, b, _CMP_NLE_UQ))
#define ACTINIUM_VEC_SELECT(mm, ps, m, yes, no) mm##_blendv_##ps(no, yes, m)
#else
#error "vec_prim.h is for units compiled for AVX2 or AVX-512"
#endif

#define ACTINIUM_VEC_PRIM(Real_, Mask_, mm, ps, si, epi)                                                        \
  template <>                                                                                                   \
  struct Prim<at::vec::Vectorized<Real_>> {                                                                     \
    using Real = Real_;                                                                                         \
    using Mask = Mask_;                                                                                         \
    using T = at::vec::Vectorized<Real>;                                                                        \
    static ACTINIUM_HD T fma(T a, T b, T c) { return mm##_fmadd_##ps(a, b, c); }                                \
    static ACTINIUM_HD T fnma(T a, T b, T c) { return mm##_fnmadd_##ps(a, b, c); }                              \
    static ACTINIUM_HD T fma_exact(T a, T b, T c) { return fma(a, b, c); }                                      \
    static ACTINIUM_HD T div(T a, T b) { return a / b; }                                                        \
    static ACTINIUM_HD T min(T a, T b) { return mm##_min_##ps(a, b); }                                          \
    static ACTINIUM_HD T max(T a, T b) { return mm##_max_##ps(a, b); }                                          \
    static ACTINIUM_HD T neg(T a) { return mm##_xor_##ps(a, sign_bit()); }                                      \
    static ACTINIUM_HD T abs(T a) { return mm##_andnot_##ps(sign_bit(), a); }                                   \
    static ACTINIUM_HD T flip(T a, T s) { return mm##_xor_##ps(a, mm##_and_##ps(s, sign_bit())); }              \
    static ACTINIUM_HD T with_sign(T y, T x) { return mm##_or_##ps(y, mm##_and_##ps(x, sign_bit())); }          \
    static ACTINIUM_HD Mask gt(T a, T b) { return ACTINIUM_VEC_COMPARE(mm, ps)(a, b, _CMP_GT_OQ); }             \
    static ACTINIUM_HD Mask eq(T a, T b) { return ACTINIUM_VEC_COMPARE(mm, ps)(a, b, _CMP_EQ_OQ); }             \
    static ACTINIUM_HD Mask beats(T a, T b) { return ACTINIUM_VEC_BEATS(mm, ps, a, b); }                        \
    static ACTINIUM_HD T select(Mask m, T yes, T no) { return ACTINIUM_VEC_SELECT(mm, ps, m, yes, no); }        \
    static ACTINIUM_HD T exp2i(T u) {                                                                           \
      return mm##_cast##si##_##ps(mm##_slli_##epi(mm##_cast##ps##_##si(u), Format<Real>::kMantissa));           \
    }                                                                                                           \
    static ACTINIUM_HD T exponent(T a) {                                                                        \
      const T shift(Format<Real>::kPerUnit);                                                                    \
      const T biased = mm##_cast##si##_##ps(mm##_srli_##epi(mm##_cast##ps##_##si(a), Format<Real>::kMantissa)); \
      return T(mm##_or_##ps(biased, shift)) - (shift + T(Format<Real>::kBias));                                 \
    }                                                                                                           \
    static ACTINIUM_HD T sqrt(T a) { return mm##_sqrt_##ps(a); }                                                \
                                                                                                                \
   private:                                                                                                     \
    static ACTINIUM_HD T sign_bit() { return T(Real(-0.0)); }                                                   \
  };

#if defined(CPU_CAPABILITY_AVX512)
ACTINIUM_VEC_PRIM(float, __mmask16, _mm512, ps, si512, epi32)
ACTINIUM_VEC_PRIM(double, __mmask8, _mm512, pd, si512, epi64)
#else
ACTINIUM_VEC_PRIM(float, __m256, _mm256, ps, si256, epi32)
ACTINIUM_VEC_PRIM(double, __m256d, _mm256, pd, si256, epi64)
#endif

#undef ACTINIUM_VEC_PRIM
#undef ACTINIUM_VEC_SELECT
#undef ACTINIUM_VEC_BEATS
#undef ACTINIUM_VEC_COMPARE

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
