#pragma once
// Sigmoid: f(x) = 1 / (1 + exp(-x)).
//
// f is the gate of gate.h over 1. With e = exp(-|x|), f' = e / (1 + e)^2 is even, and f'' is odd; see gate.h.
//
// Worst case in float32, over every 16th number; tests/cpp/math enforces 2 ULP for f, and for f' and f'' 4 ULP or,
// where |x| <= 8, 2^-23:
//   f     1.997 ULP  at -0x1.b1fp-10: got 0x1.ff9388p-2,   want 0x1.ff9384019f9acp-2
//   f'    2.149 ULP  at 0x1.03b36p+4: got 0x1.7f879ap-24,  want 0x1.7f8795b3a6bb1p-24
//   f''   2.279 ULP  at 0x1.21706p+3: got -0x1.ee9fd4p-14, want -0x1.ee9fcf71600fp-14
#include <array>

#include "csrc/math/coarse.h"
#include "csrc/math/gate.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct Sigmoid {
  static constexpr const char* kName = "sigmoid";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD Sigmoid(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const T near = P::min(T(kHigh), P::max(T(-kLow), x));
    return gate(T(1), exp(P::neg(near), -F::kLift), T(F::kDown)) * T(F::kDown);
  }

  ACTINIUM_HD T df(T x) const {
    const Exp<T> lifted = decay(x);
    const T e = lifted.value() * T(F::kDown);
    return P::div(lifted.value(), P::fma(e, e + T(2), T(1))) * T(F::kDown);
  }

  ACTINIUM_HD T d2f(T x) const { return P::flip(P::neg(sigmoid_curve(decay(x)) * T(F::kDown)), x); }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;
  // From kLow on f is 0, from kHigh on 1.
  static constexpr Real kLow = sizeof(Real) == 4 ? Real(130) : Real(1063), kHigh = 40;

  // exp(-|x|), lifted
  static ACTINIUM_HD Exp<T> decay(T x) { return exp(P::neg(P::min(T(F::kTail), P::abs(x))), F::kLift); }
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
