#pragma once
// ELU: f(x) = x for x > 0, alpha expm1(x) else. Clevert, Unterthiner and Hochreiter, "Fast and Accurate Deep Network
// Learning by Exponential Linear Units (ELUs)", 2015.
//
// As SELU, expm1(x) = 2^n p + (2^n - 1). At 0 the derivatives are those of the left side, as the builtin has them.
//
// Worst case in float32 with alpha = 1, over every number; tests/cpp/math enforces 2 ULP for f, and for f' and f'' 4
// ULP or, where |x| <= 8, 2^-23:
//   f          0.945 ULP  at -0x1.950c58p-2: got -0x1.4e88c8p-2,  want -0x1.4e88c9e3c9064p-2
//   f', f''    1.031 ULP  at -0x1.1bfedcp+6: got 0x1.7c1b34p-103, want 0x1.7c1b360fa3af8p-103
#include <array>

#include "csrc/math/exp.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct Elu {
  static constexpr const char* kName = "elu";
  static constexpr std::array<Parameter, 1> kParams{{{"alpha", 1.0}}};

  explicit ACTINIUM_HD Elu(const double* params) {
    const Real a = static_cast<Real>(params[0]);
    const bool large = a > 1 || a < -1;
    alpha = T(a);
    lowered = T(large ? a * F::kDown : a);
    rest = T(large ? Real(1) : F::kDown);
  }

  ACTINIUM_HD T f(T x) const {
    const Exp<T> e = exp(P::max(T(-kFlat), x), Real(0));
    const T left = P::fma(e.scale, e.p, e.scale - T(1));
    return P::select(P::gt(x, T(0)), x, P::with_sign(left, x) * alpha);
  }
  ACTINIUM_HD T df(T x) const { return P::select(P::gt(x, T(0)), T(1), left_slope(x)); }
  ACTINIUM_HD T d2f(T x) const { return P::select(P::gt(x, T(0)), T(0), left_slope(x)); }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;
  // expm1 is -1 from here on
  static constexpr Real kFlat = 50;

  // alpha exp(x); nothing in particular where x > 0
  ACTINIUM_HD T left_slope(T x) const { return exp(P::max(T(-F::kTail), x), F::kLift).value() * lowered * rest; }

  T alpha;
  T lowered, rest;  // alpha and 2^-lift in the order in which a product with them cannot leave the range too early
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
