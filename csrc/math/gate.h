#pragma once
// What the gates x sigmoid(v(x)) have in common. With v >= 0 and e = exp(-v), sigmoid(v) = 1 / (1 + e) and
// sigmoid(-v) = e / (1 + e); e never overflows, and everything small is a multiple of e and keeps its digits.
#include "csrc/math/exp.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// x / (1 + E), E = 2^lift^-1 exp(-v) given as scale (1 + p) with the denominator's lift: one division, and one
// multiplication by 2^lift at the end, made by the caller, which is the only one that rounds a subnormal.
template <class T>
ACTINIUM_HD T gate(T x, const Exp<T>& exp_minus_v, T one) {
  return Prim<T>::div(x, Prim<T>::fma(exp_minus_v.scale, exp_minus_v.p, one) + exp_minus_v.scale);
}

// d/dx x sigmoid(v) at -|x|, from e = exp(-v) lifted by Format::kLift and rest = 1 - y, y = |x| v' >= 0:
//   sigmoid(-v) - y sigmoid(v) sigmoid(-v) = e (1 + e - y) / (1 + e)^2
// At +|x| it is 1 minus that. Where 1 + e is close to y, rest, which is small there, hardly rounds, nor does the sum.
template <class T>
ACTINIUM_HD T gate_slope(const Exp<T>& lifted, T rest) {
  using P = Prim<T>;
  using F = Format<typename P::Real>;
  const T scale = lifted.scale * T(F::kDown);
  const T e = P::fma(scale, lifted.p, scale);
  const T turn = P::fma(scale, lifted.p, rest + scale);
  return P::div(lifted.times(turn), P::fma(e, e + T(2), T(1))) * T(F::kDown);
}

// Its second derivative, even in x, with c = 2v' + |x| v'', in two parts, and y = |x| v'^2:
//   e b / (1 + e)^2,  b = c - y (1 - e) / (1 + e) = (c - y) + y 2e / (1 + e)
// The last multiplication by Format::kDown is left to the caller.
template <class T>
ACTINIUM_HD T gate_curve(const Exp<T>& lifted, T y, T c, T c_lo) {
  using P = Prim<T>;
  using F = Format<typename P::Real>;
  const T e = lifted.value() * T(F::kDown);
  // 1 + e, in two parts
  const T d = e + T(1);
  const T d_lo = (T(1) - d) + e;
  const T b = P::fma(y, P::div(e + e, d), c - y);
  const T m = (b + P::fma(b, lifted.p, c_lo)) * lifted.scale;
  return P::div(m, P::fma(d, d, (d + d) * d_lo));
}

// -sigmoid''(v), v >= 0, from e = exp(-v) lifted by Format::kLift:
//   e (1 - e) / (1 + e)^3
// 1 - e = -expm1(-v) keeps its digits near 0. The last multiplication by Format::kDown is left to the caller.
template <class T>
ACTINIUM_HD T sigmoid_curve(const Exp<T>& lifted) {
  using P = Prim<T>;
  using F = Format<typename P::Real>;
  const T scale = lifted.scale * T(F::kDown);
  const T e = P::fma(scale, lifted.p, scale);
  const T less = P::fnma(scale, lifted.p, T(1) - scale);
  return P::div(lifted.times(less), P::fma(e, P::fma(e, e + T(3), T(3)), T(1)));
}

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
