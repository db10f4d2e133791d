#pragma once
// float arithmetic for results that are rounded to 16 bits: in bfloat16 and float16 on a device with instructions for
// 2^t and 1/d, and in bfloat16 in vectors of the CPU, where fewer operations do.
//
// The instructions are approximations, off by 2^-22 and 2^-23 of the result at most (PTX ISA, ex2.approx and
// rcp.approx); in vectors 2^t is a polynomial that is off by about as much, and 1/d a division. 8 or 11 digits hide
// that: an activation's specialization for Coarse is the textbook formula in a form that neither overflows nor cancels.
// tests/cpp/math enforces 0.501 ULP for each of the 65,536 inputs, with both approximations off by as much as they may
// be, in either direction.
//
// kWide: results may be as small as those of float32 (bfloat16). A formula without a specialization is computed as in
// float.
#include "csrc/math/exp.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// Polynomials, minimax relative to what they stand for, 2^-23.0 and 2^-21.1 from it; scripts/coefficients makes them.
struct CoarseTable {
  // 2^r, |r| <= 1/2
  template <class T>
  static ACTINIUM_HD T exp2(T r) {
    return horner(r, 0x1.000002p0f, 0x1.62e432p-1f, 0x1.ebf8p-3f, 0x1.c6a9aep-5f, 0x1.3d604ep-7f, 0x1.627602p-10f);
  }
  // (2^r - 1) / r, |r| <= 1/2
  template <class T>
  static ACTINIUM_HD T exp2m1(T r) {
    return horner(r, 0x1.62e42ep-1f, 0x1.ebfa58p-3f, 0x1.c6b2e8p-5f, 0x1.3cbb72p-7f, 0x1.5d5f38p-10f);
  }
};

// V: float, or vectors of it.
template <bool kWide, class V = float>
struct Coarse {
  V v;

  Coarse() = default;
  template <class U, class = std::enable_if_t<std::is_convertible_v<U, V>>>
  explicit constexpr ACTINIUM_HD Coarse(U value) : v(value) {}
  explicit ACTINIUM_HD operator V() const { return v; }

  friend ACTINIUM_HD Coarse operator+(Coarse a, Coarse b) { return Coarse(a.v + b.v); }
  friend ACTINIUM_HD Coarse operator-(Coarse a, Coarse b) { return Coarse(a.v - b.v); }
  friend ACTINIUM_HD Coarse operator*(Coarse a, Coarse b) { return Coarse(a.v * b.v); }
  friend ACTINIUM_HD Coarse operator/(Coarse a, Coarse b) { return Coarse(a.v / b.v); }
};

template <class T>
constexpr bool kIsCoarse = false;
template <bool kWide, class V>
constexpr bool kIsCoarse<Coarse<kWide, V>> = true;
template <class T>
constexpr bool kIsWide = false;
template <class V>
constexpr bool kIsWide<Coarse<true, V>> = true;

#if !defined(__CUDA_ARCH__)
// What host code takes the two instructions to be off by, relative to the result.
inline float coarse_exp2_error = 0, coarse_reciprocal_error = 0;
#endif

template <bool kWide, class V>
struct Prim<Coarse<kWide, V>> {
  using P = Prim<V>;
  using Real = float;
  using Mask = typename P::Mask;
  using T = Coarse<kWide, V>;
  static constexpr bool kVector = !std::is_same_v<V, float>;

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
  static ACTINIUM_HD T select(Mask m, T yes, T no) { return T(P::select(m, yes.v, no.v)); }
  static ACTINIUM_HD T exp2i(T u) { return T(P::exp2i(u.v)); }
  static ACTINIUM_HD T exponent(T a) { return T(P::exponent(a.v)); }
  static ACTINIUM_HD T sqrt(T a) { return T(P::sqrt(a.v)); }

  static ACTINIUM_HD T div(T a, T b) {
    if constexpr (kVector) return T(P::div(a.v, b.v));
    return a * reciprocal(b);
  }
  // 1 / a, where 2^-126 <= |a| <= 2^126
  static ACTINIUM_HD T reciprocal(T a) {
    if constexpr (kVector) {
      return T(P::div(V(1), a.v));
    } else {
#if defined(__CUDA_ARCH__)
      float r;
      asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a.v));
      return T(r);
#else
      return T((1 / a.v) * (1 + coarse_reciprocal_error));
#endif
    }
  }
  // 2^a, or 0, in vectors anything up to 2^-126, where that is below the normal numbers
  static ACTINIUM_HD T exp2(T a) {
    if constexpr (kVector) {
      const V t = P::max(V(-126), a.v), round = V(exp_round(0.f));
      const V u = t + round;
      return T(CoarseTable::exp2(t - (u - round)) * P::exp2i(u));
    } else {
#if defined(__CUDA_ARCH__)
      float r;
      asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a.v));
      return T(r);
#else
      const float r = __builtin_exp2f(a.v) * (1 + coarse_exp2_error);
      return T(r < 0x1p-126f ? 0 : r);
#endif
    }
  }
};

// exp(t) as h, or as h^2 where it may be too small for h.
template <bool kWide, class V>
struct CoarseExp {
  using T = Coarse<kWide, V>;
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
template <bool kWide, class V>
ACTINIUM_HD CoarseExp<kWide, V> coarse_exp(Coarse<kWide, V> t) {
  using Exp = CoarseExp<kWide, V>;
  return Exp::of(t * Coarse<kWide, V>(Exp::kUnit));
}

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
