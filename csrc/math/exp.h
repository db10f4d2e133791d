#pragma once
// exp(t) = 2^n (1 + p),  n the integer nearest t / ln2,  r = t - n ln2 in [-ln2/2, ln2/2],  p = expm1(r).
//
// The two factors are kept apart: where a result falls below the normal numbers, 2^n has to be the last thing that it
// is multiplied with, and where 1 is added or subtracted, p is worth more than 1 + p. ln2 is taken in two parts, the
// first with so few digits that n times it is exact. The polynomial is r + r^2 q(r), minimax with the weight of expm1's
// relative error. With q of degree 4 in float and 9 in double, it is 2^-26.1 and 2^-55.6 from expm1, and 1 + p is
// 2^-27.4 and 2^-56.9 from exp. scripts/coefficients makes these numbers.
//
// Worst case where the result is a normal number; tests/cpp/math enforces 1.1 and 2 ULP:
//   exp    value()                        float, every one 1.036 ULP at 0x1.2e36ap+5;  double 1.014 ULP
//   expm1  fma(scale, p, scale - 1)       float, every one 1.522 ULP at 0x1.907d84p-2; double 1.954 ULP
// A subnormal exp comes from a lift, and is then rounded once more. gate.h divides by 1 + exp; what that adds is in
// the worst cases of the activations.
#include "csrc/math/prim.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// c0 + r (c1 + r (c2 + ...))
template <class T, class C>
ACTINIUM_HD T horner(T, C c0) {
  return T(c0);
}
template <class T, class C, class... Cs>
ACTINIUM_HD T horner(T r, C c0, Cs... cs) {
  return Prim<T>::fma(horner(r, cs...), r, T(c0));
}

template <class Real>
struct ExpTable;

template <>
struct ExpTable<float> {
  static constexpr float kPerLn2 = 0x1.715476p0f;
  static constexpr float kLn2Hi = 0x1.62ep-1f, kLn2Lo = 0x1.0bfbe8p-15f;
  template <class T>
  static ACTINIUM_HD T expm1(T r) {
    return Prim<T>::fma(r * r,
                        horner(r, 0x1.fffffep-2f, 0x1.5554b4p-3f, 0x1.5556f8p-5f, 0x1.12252ep-7f, 0x1.6b95ccp-10f), r);
  }
};

template <>
struct ExpTable<double> {
  static constexpr double kPerLn2 = 0x1.71547652b82fep0;
  static constexpr double kLn2Hi = 0x1.62e42fefa3p-1, kLn2Lo = 0x1.3de6af278ece6p-42;
  template <class T>
  static ACTINIUM_HD T expm1(T r) {
    return Prim<T>::fma(r * r,
                        horner(r, 0x1.0000000000005p-1, 0x1.555555555554fp-3, 0x1.5555555552271p-5,
                               0x1.1111111114d23p-7, 0x1.6c16c17ec6e9p-10, 0x1.a01a018744798p-13, 0x1.a019a7d49e19ep-16,
                               0x1.71de663086ceap-19, 0x1.28a16d982c6f6p-22, 0x1.ae9944e951e23p-26),
                        r);
  }
};

// 2^lift exp(t) = scale (1 + p).
template <class T>
struct Exp {
  T scale, p;
  ACTINIUM_HD T value() const { return Prim<T>::fma(scale, p, scale); }
  // The product with v, one rounding better than value() * v.
  ACTINIUM_HD T times(T v) const { return Prim<T>::fma(v, p, v) * scale; }
};

// What, added to t / ln2, leaves n + lift where Prim::exp2i looks for it. Needs |n + lift| <= 126 (double: 1022).
template <class Real>
constexpr ACTINIUM_HD Real exp_round(Real lift) {
  return Format<Real>::kRound + (Format<Real>::kBias + lift);
}

// exp(t)
template <class T>
ACTINIUM_HD Exp<T> exp(T t, typename Prim<T>::Real lift) {
  using P = Prim<T>;
  using Table = ExpTable<typename P::Real>;
  const T round = T(exp_round(lift));
  const T u = P::fma(t, T(Table::kPerLn2), round);
  const T n = u - round;
  const T r = P::fma(n, T(-Table::kLn2Lo), P::fma(n, T(-Table::kLn2Hi), t));
  return {P::exp2i(u), Table::expm1(r)};
}

// exp(a b) without the rounding of a b, which would count |a b| times. b_per_ln2 is about b / ln2, round is exp_round.
// With b_lo it is exp(a (b + b_lo)).
template <bool kTwoParts = false, class T>
ACTINIUM_HD Exp<T> exp_of_product(T a, T b, T b_per_ln2, T round, T b_lo = T(0)) {
  using P = Prim<T>;
  using Table = ExpTable<typename P::Real>;
  const T u = P::fma(a, b_per_ln2, round);
  const T n = u - round;
  const T head = P::fma(n, T(-Table::kLn2Lo), P::fma_exact(a, b, n * T(-Table::kLn2Hi)));
  const T r = kTwoParts ? P::fma(a, b_lo, head) : head;
  return {P::exp2i(u), Table::expm1(r)};
}

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
