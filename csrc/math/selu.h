#pragma once
// SELU: f(x) = lambda x for x > 0, lambda alpha expm1(x) else. Klambauer et al., "Self-Normalizing Neural Networks",
// 2017.
//
// expm1(x) = 2^n p + (2^n - 1) keeps the digits that exp(x) - 1 loses near 0. At 0 the derivatives are those of the
// left side, as the builtin has them.
//
// Worst case in float32, over every x in +-[2^-30, 2^9]; tests/cpp/math enforces 2 ULP for f, and for f' and f'' 4 ULP
// or, where |x| <= 8, 2^-23:
//   f          1.839 ULP  at -0x1.35a4eap-3: got -0x1.f93abcp-3, want -0x1.f93abfad98384p-3
//   f', f''    1.842 ULP  at -0x1.dade72p+4: got 0x1.fe8556p-43, want 0x1.fe8559af29fa7p-43
#include <array>

#include "csrc/math/exp.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct Selu {
  static constexpr const char* kName = "selu";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD Selu(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const Exp<T> e = exp(P::max(T(-kFlat), x), Real(0));
    const T left = P::fma(e.scale, e.p, e.scale - T(1)) * T(kLambdaAlpha);
    // lambda - 1 has more digits than lambda
    return P::select(P::gt(x, T(0)), P::fma(x, T(kLambdaLess1), x), P::with_sign(left, x));
  }

  ACTINIUM_HD T df(T x) const { return P::select(P::gt(x, T(0)), T(kLambda), left_slope(x)); }

  ACTINIUM_HD T d2f(T x) const { return P::select(P::gt(x, T(0)), T(0), left_slope(x)); }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;
  static constexpr Real kLambda = Real(1.0507009873554804934193349852946L);
  static constexpr Real kLambdaLess1 = Real(0.050700987355480493419334985294606L);
  static constexpr Real kLambdaAlpha = Real(1.7580993408473768599402175208123L);
  // expm1 is -1 from here on
  static constexpr Real kFlat = 50;

  // lambda alpha exp(x); nothing in particular where x > 0
  static ACTINIUM_HD T left_slope(T x) {
    return exp(P::max(T(-F::kTail), x), F::kLift).value() * T(kLambdaAlpha * F::kDown);
  }
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
