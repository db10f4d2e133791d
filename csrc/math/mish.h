#pragma once
// Mish: f(x) = x tanh(log(1 + exp(x))). Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019.
//
// With e = exp(x), n = e (e + 2), d = n + 2: tanh(log(1 + e)) = n / d, so one exponential and one division do. The
// plain quotient x n / d gathers 4 ULP of roundings; each form below makes the result a sum whose first term is nearly
// exact and whose second is small.
//
// Worst case in float32, over every x in +-[2^-30, 2^9], of f' every 16th; tests/cpp/math enforces 2 ULP for f, and for
// f' and f'' 4 ULP or, where |x| <= 8, 2^-23:
//   f     1.970 ULP  at -0x1.2faa34p-1: got -0x1.f66074p-3, want -0x1.f660700f5a96p-3
//   f'    3.574 ULP  at -0x1.b6ed6p-3:  got 0x1.d9829cp-2,  want 0x1.d98294da09f78p-2
//   f''   3.657 ULP  at 0x1.fc1d2ep-2:  got 0x1.e15f88p-2,  want 0x1.e15f8f50559p-2
// f(-inf) = -0, and so are the limits of f' and f'' at -inf and of f'' at +inf.
#include <array>

#include "csrc/math/coarse.h"
#include "csrc/math/exp.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct Mish {
  static constexpr const char* kName = "mish";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD Mish(const double* /*params*/) {}

  // x > -0.6: x/2 + x/2 (n - 2) / d, whose second term is the smaller one. Below: x e - x e e (1 + e) / d, where x e is
  // taken in two parts from e = 2^n (1 + p), and 2^n comes last.
  ACTINIUM_HD T f(T x) const {
    const T xe = P::min(T(kOne), P::max(T(-F::kTail), x));
    const Exp<T> lifted = exp(xe, F::kLift);
    const T e = lifted.value() * T(F::kDown);
    const T d = P::fma(e, e + T(2), T(2));
    // x (1 + p) = head - excess
    const T head = P::fma(xe, lifted.p, xe);
    const T excess = P::fma_exact(P::neg(xe), lifted.p, head - xe);
    const Mask left = P::gt(T(-0.6), x);
    const T q = P::div(P::select(left, P::fma(head, P::fma(e, e, e), excess * d), P::fma(e, e + T(2), T(-2))), d);
    const T half = T(0.5) * x;
    return P::select(left, (head - q) * lifted.scale * T(F::kDown), P::fma(half, q, half));
  }

  // With r = 1 - |x|, D = (d / 2)^2 = 1 + 2e + 2e^2 + e^3 + e^4/4:
  //   x < 0:  e (r + e (r + 1/2 + e + e^2/4)) / D
  //   x >= 0: 1 - (1 + e (r + e (r - 1/2))) / D
  // Beside the root r is small and rounds little.
  ACTINIUM_HD T df(T x) const {
    const T xe = P::min(T(kOne), P::max(T(-F::kTail), x));
    const Exp<T> lifted = exp(xe, F::kLift);
    const T e = lifted.value() * T(F::kDown);
    const T r = T(1) - P::abs(xe);
    const Mask left = P::gt(T(0), x);
    const T c = P::select(left, horner(e, r + T(0.5), 1, 0.25), P::fma(e, r - T(0.5), r));
    const T v = P::fma(e, c, P::select(left, r, T(1)));
    const T q = P::div(P::select(left, lifted.times(v), v), horner(e, 1, 2, 2, 1, 0.25));
    return P::select(left, q * T(F::kDown), T(1) - q);
  }

  // f'' = T' (2 + x T''/T') with T = n / d; x T''/T' is small where f'' is large, and hides its rounding there.
  // With e = exp(-|x|), d = 1 + h:
  //   x < 0:  e b / d^2,     b = 2 - |x| + 2e + |x| e^2 (2 + e) / d,           h = e + e^2 / 2
  //   x >= 0: 4 e^2 b / d^2, b = 2 - 2|x| + 2e + |x| e (1 + 6e + 2e^2) / d,    h = 2e + 2e^2
  // d and b are carried in two parts.
  ACTINIUM_HD T d2f(T x) const {
    const T a = P::min(T(F::kTail), P::abs(x));
    const Exp<T> lifted = exp(P::neg(a), F::kLift);
    const T e = lifted.value() * T(F::kDown);
    const T e2 = e + e;
    const Mask left = P::gt(T(0), x);
    const T h0 = P::select(left, T(0.5) * e, e2);
    const T h1 = P::select(left, e, e2);
    const T h = P::fma(h0, e, h1);
    const T d = h + T(1);
    const T d_lo = ((T(1) - d) + h) + P::fma_exact(h0, e, h1 - h);
    const T t = P::fma(e, P::select(left, e + T(2), e2 + T(6)), P::select(left, T(0), T(1)));
    const T line = P::fnma(P::select(left, T(1), T(2)), a, T(2));
    const T rest = P::fma(a, P::div(e * t, d), e2);
    const T b = line + rest;
    const T b_lo = (line - b) + rest;
    const T m = b + P::fma(b, lifted.p, b_lo);
    // Once more exp(-x). Near 0 its rounding is that of d^2 as well, and goes; far out nothing would take it away.
    const T again = P::select(P::gt(a, T(8)), P::fma(m, lifted.p, m) * (lifted.scale * T(F::kDown)), m * e) * T(4);
    return P::div(P::select(left, m, again) * lifted.scale, P::fma(d, d, (d + d) * d_lo)) * T(F::kDown);
  }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using Mask = typename P::Mask;
  using F = Format<Real>;
  // From here on f(x) = x and f'(x) = 1, and e^4 is still far from overflow.
  static constexpr Real kOne = sizeof(Real) == 4 ? 20 : 30;
};

// With d = e^2 + 2e + 2: x e (e + 2) / d, e (4 (x + 1) + e (4x + 6 + e (4 + e))) / d^2, and
// f'' = 4 (e / d) ((2 + x) / d + (e / d) (2 (1 - x) + 4x / d)).
template <bool kWide, class V>
struct Mish<Coarse<kWide, V>> {
  using T = Coarse<kWide, V>;

  explicit ACTINIUM_HD Mish(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const T low = P::max(T(-kTail), x);
    const Exp exp = coarse_exp(P::min(T(kOne), low));
    const T e = exp.value(), more = e + T(2);
    return exp.times(low * P::reciprocal(P::fma(e, more, T(2))) * more);
  }

  ACTINIUM_HD T df(T x) const {
    const T low = clamp(x);
    const Exp exp = Exp::close(low);
    const T e = exp.value(), inverse = P::reciprocal(P::fma(e, e + T(2), T(2)));
    const T inner = P::fma(e, e + T(4), P::fma(T(4), low, T(6)));
    return exp.times(P::fma(e, inner, P::fma(T(4), low, T(4))) * inverse * inverse);
  }

  ACTINIUM_HD T d2f(T x) const {
    if constexpr (!kWide) {
      const T low = clamp(x), e = Exp::close(low).value();
      const T inverse = P::reciprocal(P::fma(e, e + T(2), T(2)));
      return curve(low, e * inverse, inverse);
    }
    // Right of 43 d overflows, and f'' is still a number: there all is taken times exp(-2x), with e = exp(-|x|).
    const T low = P::min(T(kTail), P::max(T(-kTail), x));
    const T e = Exp::close(P::neg(P::abs(low))).value();
    const Mask left = P::gt(T(0), x);
    const T d = P::fma(e, P::fma(e, P::select(left, T(1), T(2)), T(2)), P::select(left, T(2), T(1)));
    const T inverse = P::reciprocal(d), ratio = e * inverse;
    return curve(low, ratio, P::select(left, inverse, e * ratio));
  }

 private:
  using P = Prim<T>;
  using Mask = typename P::Mask;
  using Exp = CoarseExp<kWide, V>;
  // From kOne on f(x) = x and f'(x) = 1; from kTail on all is 0 on the left.
  static constexpr float kOne = 20, kTail = kWide ? 200 : 80;

  static ACTINIUM_HD T clamp(T x) { return P::min(T(kOne), P::max(T(-kTail), x)); }
  // ratio = e / d, one = 1 / d
  static ACTINIUM_HD T curve(T x, T ratio, T one) {
    return T(4) * ratio * P::fma(x + T(2), one, ratio * P::fma(T(4) * x, one, P::fma(T(-2), x, T(2))));
  }
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
