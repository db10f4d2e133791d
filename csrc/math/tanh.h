#pragma once
// Tanh: f(x) = (1 - e) / (1 + e), e = exp(-2|x|), with the sign of x.
//
// 1 - e = -expm1(-2|x|) keeps its digits near 0. f' = 4e / (1 + e)^2, f'' = 8 sigmoid''(2x); see gate.h.
//
// Worst case in float32, over every 16th number; tests/cpp/math enforces 2 ULP for f, and for f' and f'' 4 ULP or,
// where |x| <= 8, 2^-23:
//   f     1.920 ULP  at 0x1.08f32p-1: got 0x1.e72bbp-2,   want 0x1.e72bb3d700aafp-2
//   f'    2.149 ULP  at 0x1.03b36p+3: got 0x1.7f879ap-22, want 0x1.7f8795b3a6bb1p-22
//   f''   3.318 ULP  at 0x1.0f4d6p-2: got -0x1.eeb56ap-2, want -0x1.eeb570a2c62c1p-2
#include <array>

#include "csrc/math/coarse.h"
#include "csrc/math/gate.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct Tanh {
  static constexpr const char* kName = "tanh";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD Tanh(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const T a = P::min(T(kFlat), P::abs(x));
    const Exp<T> e = exp_minus_two(a);
    // 1 - e and 1 + e
    const T less = P::fnma(e.scale, e.p, T(1) - e.scale), more = P::fma(e.scale, e.p, T(1) + e.scale);
    return P::with_sign(P::div(less, more), x);
  }

  ACTINIUM_HD T df(T x) const {
    const Exp<T> lifted = decay(x);
    const T e = lifted.value() * T(F::kDown);
    return P::div(T(4) * lifted.value(), P::fma(e, e + T(2), T(1))) * T(F::kDown);
  }

  ACTINIUM_HD T d2f(T x) const { return P::flip(P::neg(sigmoid_curve(decay(x)) * T(8 * F::kDown)), x); }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;
  // tanh is 1 from here on
  static constexpr Real kFlat = 20;

  // exp(-2a), in units of octaves where 8 digits hide what the reduction loses
  static ACTINIUM_HD Exp<T> exp_minus_two(T a) {
    if constexpr (kIsWide<T>) {
      const T octaves = T(-2 * ExpTable<Real>::kPerLn2), round = T(exp_round(Real(0)));
      const T u = P::fma(a, octaves, round);
      const T r = P::fma(a, octaves, P::neg(u - round));
      return {P::exp2i(u), r * CoarseTable::exp2m1(r)};
    }
    return exp(T(-2) * a, Real(0));
  }
  // exp(-2|x|), lifted
  static ACTINIUM_HD Exp<T> decay(T x) { return exp(T(-2) * P::min(T(F::kTail / 2), P::abs(x)), F::kLift); }
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
