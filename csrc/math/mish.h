#pragma once
// Mish: f(x) = x tanh(log(1 + exp(x))). Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019.
//
// With e = exp(x), n = e (e + 2), d = n + 2: tanh(log(1 + e)) = n / d, so one exponential and one division do.
#include <array>

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
    const T q = P::select(left, P::fma(head, P::fma(e, e, e), excess * d), P::fma(e, e + T(2), T(-2))) / d;
    const T half = T(0.5) * x;
    return P::select(left, (head - q) * lifted.scale * T(F::kDown), P::fma(half, q, half));
  }

  // With d = 2 + 2h, h = e + e^2 / 2:  e ((1 + e/2) (1 + h) + x (1 + e)) / (1 + h)^2
  // x >= 0:                        1 - (1 + h - x e (1 + e)) / (1 + h)^2
  ACTINIUM_HD T df(T x) const {
    const T xe = P::min(T(kOne), P::max(T(-F::kTail), x));
    const Exp<T> lifted = exp(xe, F::kLift);
    const T e = lifted.value() * T(F::kDown);
    const T h = P::fma(T(0.5) * e, e, e);
    const T d = h + T(1);
    const T m = P::fma(xe, e, xe);
    const Mask left = P::gt(T(0), x);
    const T q = P::select(left, lifted.times(P::fma(P::fma(e, T(0.5), T(1)), d, m)), P::fnma(e, m, d)) / P::fma(h, h + T(2), T(1));
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
    const T rest = P::fma(a, e * t / d, e2);
    const T b = line + rest;
    const T b_lo = (line - b) + rest;
    const T m = (b + P::fma(b, lifted.p, b_lo)) * lifted.scale;
    return P::select(left, m, m * (T(4) * e)) / P::fma(d, d, (d + d) * d_lo) * T(F::kDown);
  }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using Mask = typename P::Mask;
  using F = Format<Real>;
  // From here on f(x) = x and f'(x) = 1, and e^4 is still far from overflow.
  static constexpr Real kOne = sizeof(Real) == 4 ? 20 : 30;
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
