#pragma once
// log(1 + q) for q in [0, 1], and log(1 + r) for any r >= 0 as k ln2 + log(1 + q).
//
// With t = q / (2 + q), log(1 + q) = 2 atanh t = q - t (q - w), w = t^2 (2/3 + 2/5 t^2 + 2/7 t^4 + ...): the first term
// is exact, and the rounding of the second, the smaller one, is all that the division leaves. The polynomial in t^2 is
// minimax, 2^-29.7 and 2^-58.7 from log(1 + q); scripts/coefficients makes it.
#include "csrc/math/exp.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class Real>
struct Log1pTable;

template <>
struct Log1pTable<float> {
  // (2 atanh t - 2t) / t^3, with s = t^2
  template <class T>
  static ACTINIUM_HD T atanh(T s) {
    return horner(s, 0x1.555556p-1f, 0x1.9997b2p-2f, 0x1.2500bap-2f, 0x1.b5e61ep-3f, 0x1.faffd6p-3f);
  }
};

template <>
struct Log1pTable<double> {
  template <class T>
  static ACTINIUM_HD T atanh(T s) {
    return horner(s, 0x1.5555555555555p-1, 0x1.9999999999e34p-2, 0x1.249249243e87p-2, 0x1.c71c7210c276fp-3,
                  0x1.745d06eac446dp-3, 0x1.3b15c2c55fd49p-3, 0x1.10e8e0c6627b9p-3, 0x1.e58ef6a6bb837p-4,
                  0x1.969fb36d3ace7p-4, 0x1.d1df32eac12e3p-4, 0x1.62691bb5c6654p-4);
  }
};

// log(1 + q), 0 <= q <= 1
template <class T>
ACTINIUM_HD T log1p_unit(T q) {
  using P = Prim<T>;
  const T t = P::div(q, q + T(2)), s = t * t;
  const T w = s * Log1pTable<typename P::Real>::atanh(s);
  return P::fnma(t, q - w, q);
}

// A logarithm as the sum of two parts, the first of which has so few digits that it is exact.
template <class T>
struct Log {
  T head, tail;
  ACTINIUM_HD T value() const { return head + tail; }
};

// log(1 + r), r >= 0: 1 + r = 2^k (1 + q), where q = 2^-k r + (2^-k - 1) is rounded once.
template <class T>
ACTINIUM_HD Log<T> log1p(T r) {
  using P = Prim<T>;
  using Real = typename P::Real;
  using Table = ExpTable<Real>;
  const T k = P::exponent(T(1) + r);
  const T down = P::exp2i(T(exp_round(Real(0))) - k);
  const T q = P::fma(r, down, down - T(1));
  return {k * T(Table::kLn2Hi), P::fma(k, T(Table::kLn2Lo), log1p_unit(q))};
}

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
