#pragma once
// Two vectors in place of one. A formula over pairs is the same instructions twice, one after the other: the processor
// finds work in the second while it waits for the first, and takes the results from the same operations, so that no bit
// changes. A pair of pairs is four vectors.
#include "csrc/math/prim.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct Pair {
  T a, b;

  Pair() = default;
  ACTINIUM_HD Pair(T a_, T b_) : a(a_), b(b_) {}
  ACTINIUM_HD Pair(typename Prim<T>::Real both) : a(both), b(both) {}

  friend ACTINIUM_HD Pair operator+(Pair x, Pair y) { return {x.a + y.a, x.b + y.b}; }
  friend ACTINIUM_HD Pair operator-(Pair x, Pair y) { return {x.a - y.a, x.b - y.b}; }
  friend ACTINIUM_HD Pair operator*(Pair x, Pair y) { return {x.a * y.a, x.b * y.b}; }
  friend ACTINIUM_HD Pair operator/(Pair x, Pair y) { return {x.a / y.a, x.b / y.b}; }
};

template <class T>
struct Prim<Pair<T>> {
  using P = Prim<T>;
  using W = Pair<T>;
  using Real = typename P::Real;
  struct Mask {
    typename P::Mask a, b;
  };
  static ACTINIUM_HD W fma(W x, W y, W z) { return {P::fma(x.a, y.a, z.a), P::fma(x.b, y.b, z.b)}; }
  static ACTINIUM_HD W fnma(W x, W y, W z) { return {P::fnma(x.a, y.a, z.a), P::fnma(x.b, y.b, z.b)}; }
  static ACTINIUM_HD W fma_exact(W x, W y, W z) { return {P::fma_exact(x.a, y.a, z.a), P::fma_exact(x.b, y.b, z.b)}; }
  static ACTINIUM_HD W div(W x, W y) { return {P::div(x.a, y.a), P::div(x.b, y.b)}; }
  static ACTINIUM_HD W min(W x, W y) { return {P::min(x.a, y.a), P::min(x.b, y.b)}; }
  static ACTINIUM_HD W max(W x, W y) { return {P::max(x.a, y.a), P::max(x.b, y.b)}; }
  static ACTINIUM_HD W neg(W x) { return {P::neg(x.a), P::neg(x.b)}; }
  static ACTINIUM_HD W abs(W x) { return {P::abs(x.a), P::abs(x.b)}; }
  static ACTINIUM_HD W flip(W x, W s) { return {P::flip(x.a, s.a), P::flip(x.b, s.b)}; }
  static ACTINIUM_HD W with_sign(W y, W x) { return {P::with_sign(y.a, x.a), P::with_sign(y.b, x.b)}; }
  static ACTINIUM_HD Mask gt(W x, W y) { return {P::gt(x.a, y.a), P::gt(x.b, y.b)}; }
  static ACTINIUM_HD Mask eq(W x, W y) { return {P::eq(x.a, y.a), P::eq(x.b, y.b)}; }
  static ACTINIUM_HD W select(Mask m, W yes, W no) {
    return {P::select(m.a, yes.a, no.a), P::select(m.b, yes.b, no.b)};
  }
  static ACTINIUM_HD W exp2i(W u) { return {P::exp2i(u.a), P::exp2i(u.b)}; }
  static ACTINIUM_HD W exponent(W x) { return {P::exponent(x.a), P::exponent(x.b)}; }
  static ACTINIUM_HD W sqrt(W x) { return {P::sqrt(x.a), P::sqrt(x.b)}; }
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
