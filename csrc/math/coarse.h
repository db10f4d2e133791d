#pragma once
// float arithmetic for results that are rounded to 16 bits, on a device with instructions for 2^t and 1/d.
//
// The instructions are approximations, off by 2^-22 and 2^-23 of the result at most (PTX ISA, ex2.approx and
// rcp.approx). 8 or 11 digits hide that: an activation's specialization for Coarse is the textbook formula in a form
// that neither overflows nor cancels. tests/cpp/math enforces 0.501 ULP for each of the 65,536 inputs, with both
// approximations off by as much as they may be, in either direction.
//
// kWide: results may be as small as those of float32 (bfloat16). A formula without a specialization is computed as in
// float.
#include "csrc/math/exp.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <bool kWide>
struct Coarse {
  float v;

  Coarse() = default;
  explicit constexpr ACTINIUM_HD Coarse(float value) : v(value) {}
  explicit ACTINIUM_HD operator float() const { return v; }

  friend ACTINIUM_HD Coarse operator+(Coarse a, Coarse b) { return Coarse(a.v + b.v); }
  friend ACTINIUM_HD Coarse operator-(Coarse a, Coarse b) { return Coarse(a.v - b.v); }
  friend ACTINIUM_HD Coarse operator*(Coarse a, Coarse b) { return Coarse(a.v * b.v); }
  friend ACTINIUM_HD Coarse operator/(Coarse a, Coarse b) { return Coarse(a.v / b.v); }
};

template <class T>
constexpr bool kIsCoarse = false;
template <bool kWide>
constexpr bool kIsCoarse<Coarse<kWide>> = true;

#if !defined(__CUDA_ARCH__)
// What host code takes the two instructions to be off by, relative to the result.
inline float coarse_exp2_error = 0, coarse_reciprocal_error = 0;
#endif

template <bool kWide>
struct Prim<Coarse<kWide>> {
  using Real = float;
  using Mask = bool;
  using T = Coarse<kWide>;
  using P = Prim<float>;

  static ACTINIUM_HD T fma(T a, T b, T c) { return T(P::fma(a.v, b.v, c.v)); }
  static ACTINIUM_HD T fnma(T a, T b, T c) { return T(P::fnma(a.v, b.v, c.v)); }
  static ACTINIUM_HD T fma_exact(T a, T b, T c) { return T(P::fma_exact(a.v, b.v, c.v)); }
  static ACTINIUM_HD T min(T a, T b) { return T(P::min(a.v, b.v)); }
  static ACTINIUM_HD T max(T a, T b) { return T(P::max(a.v, b.v)); }
  static ACTINIUM_HD T neg(T a) { return T(P::neg(a.v)); }
  static ACTINIUM_HD T abs(T a) { return T(P::abs(a.v)); }
  static ACTINIUM_HD T flip(T a, T s) { return T(P::flip(a.v, s.v)); }
  static ACTINIUM_HD T with_sign(T y, T x) { return T(P::with_sign(y.v, x.v)); }
  static ACTINIUM_HD Mask gt(T a, T b) { return P::gt(a.v, b.v); }
  static ACTINIUM_HD Mask eq(T a, T b) { return P::eq(a.v, b.v); }
  static ACTINIUM_HD T select(Mask m, T yes, T no) { return m ? yes : no; }
  static ACTINIUM_HD T exp2i(T u) { return T(P::exp2i(u.v)); }
  static ACTINIUM_HD T exponent(T a) { return T(P::exponent(a.v)); }
  static ACTINIUM_HD T sqrt(T a) { return T(P::sqrt(a.v)); }

  static ACTINIUM_HD T div(T a, T b) { return a * reciprocal(b); }
  // 1 / a, where 2^-126 <= |a| <= 2^126
  static ACTINIUM_HD T reciprocal(T a) {
#if defined(__CUDA_ARCH__)
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a.v));
    return T(r);
#else
    return T((1 / a.v) * (1 + coarse_reciprocal_error));
#endif
  }
  // 2^a, or 0 where that is below the normal numbers
  static ACTINIUM_HD T exp2(T a) {
#if defined(__CUDA_ARCH__)
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a.v));
    return T(r);
#else
    const float r = __builtin_exp2f(a.v) * (1 + coarse_exp2_error);
    return T(r < 0x1p-126f ? 0 : r);
#endif
  }
};

// exp(t) as h, or as h^2 where it may be too small for h.
template <bool kWide>
struct CoarseExp {
  using T = Coarse<kWide>;
  using P = Prim<T>;
  // exp(t) = 2^(t kUnit), or its square
  static constexpr float kUnit = kWide ? 0x1.715476p-1f : 0x1.715476p0f;

  // u = t kUnit
  static ACTINIUM_HD CoarseExp of(T u) { return {P::exp2(u)}; }

  // t = a b, where b may be any number: 11 digits would show the rounding of the product and of b_unit = b kUnit.
  static ACTINIUM_HD CoarseExp of_product(T a, T b, T b_unit) {
    if constexpr (kWide) return of(a * b_unit);
    const T t = a * b, u = t * T(kUnit), h = P::exp2(u);
    const T rest = P::fma(u, T(-0x1.62e43p-1f), t) + P::fma(a, b, P::neg(t));
    return {P::fma(h, rest, h)};
  }

  // For derivatives, which are differences: near a root, 11 digits would show the instruction's error. |t| <= 80.
  static ACTINIUM_HD CoarseExp close(T t) {
    if constexpr (kWide) return of(t * T(kUnit));
    return {exp(t, 0.f).value()};
  }

  ACTINIUM_HD T value() const { return kWide ? h * h : h; }
  // The product with v, in which only the last multiplication rounds a subnormal.
  ACTINIUM_HD T times(T v) const { return kWide ? v * h * h : v * h; }
  ACTINIUM_HD T times(T v, T w) const { return kWide ? v * h * w * h : v * h * w; }

  T h;
};

// exp(t)
template <bool kWide>
ACTINIUM_HD CoarseExp<kWide> coarse_exp(Coarse<kWide> t) {
  return CoarseExp<kWide>::of(t * Coarse<kWide>(CoarseExp<kWide>::kUnit));
}

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
