#pragma once
// What softmax and its relatives need of a row x: its maximum m, S = sum exp(x - m), and log S without loss.
//
// x - m would be rounded, and exp would show that |x - m| times. It is not taken: with the integer N nearest m / ln2,
// exp(x - N ln2) is exp(x) with N less in its exponent, which costs nothing and is exact. That is how all exponentials
// of a row are taken as long as |m| < kFar; beyond, x - m is exact for every x that counts (Sterbenz), and is taken.
//
// T is a number, where elements of a row are added one after the other, or a vector with a row in each lane.
#include <cstdint>

#include "csrc/math/log1p.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// The exponentials of a row's elements, 2^kLift exp(x) over a factor that all of them have in common.
template <class T>
class RowExp {
 public:
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;

  RowExp() = default;
  // Elements are not larger than `max`.
  explicit ACTINIUM_HD RowExp(T max) {
    using Table = ExpTable<Real>;
    shift_ = P::select(P::gt(P::abs(max), T(kFar)), max, T(0));
    const T top = max - shift_;
    low_ = top - T(kTail);
    round_ = T(exp_round(F::kLift)) - (P::fma(top, T(Table::kPerLn2), T(F::kRound)) - T(F::kRound));
  }

  ACTINIUM_HD Exp<T> operator()(T x) const { return exp_rounded(P::max(low_, x - shift_), round_); }

  // The factor that makes exp(x - head - tail) of them, where `head` is the maximum that they are relative to, and tail
  // is what a rounding to it has left.
  ACTINIUM_HD T over(T head, T tail) const {
    return P::div(exp_rounded(P::neg(tail), T(exp_round(Real(0)))).value(), (*this)(head).value());
  }

  // By what an exponential, or a sum of them, is to be multiplied to be one of `next`, whose maximum is `rise` larger.
  ACTINIUM_HD T factor_to(const RowExp& next, T rise) const {
    const T factor = exp_rounded(shift_ - next.shift_, T(exp_round(Real(0))) + (next.round_ - round_)).value();
    return P::select(P::gt(rise, T(kNothing)), T(0), factor);
  }

  // What is so much below the maximum does not count. (kFar + kTail) / ln2 is an integer that ExpTable's reduction is
  // exact for, and 2 kTail <= kFar.
  static constexpr Real kTail = sizeof(Real) == 4 ? Real(130) : Real(900);

 private:
  static constexpr Real kFar = 2 * kTail;
  // exp(-kNothing) is a normal number.
  static constexpr Real kNothing = sizeof(Real) == 4 ? Real(85) : Real(700);

  // exp(t), with round as exp_round gives it.
  static ACTINIUM_HD Exp<T> exp_rounded(T t, T round) {
    using Table = ExpTable<Real>;
    const T u = P::fma(t, T(Table::kPerLn2), round);
    const T n = u - round;
    const T r = P::fma(n, T(-Table::kLn2Lo), P::fma(n, T(-Table::kLn2Hi), t));
    return {P::exp2i(u), Table::expm1(r)};
  }

  T shift_, low_, round_;
};

// exp(y) of the logarithm of a probability.
template <class T>
ACTINIUM_HD T exp_of_log(T y) {
  using F = Format<typename Prim<T>::Real>;
  Exp<T> e = exp(Prim<T>::max(T(-RowExp<T>::kTail), y), F::kLift);
  e.scale = e.scale * T(F::kDown);  // a power of two, exact where it is subnormal
  return e.value();
}

// A sum and what its roundings have lost.
template <class T>
struct ExactSum {
  T sum, lost;
  ACTINIUM_HD void add(T term) {
    const T next = sum + term, back = next - sum;
    lost = lost + ((sum - (next - back)) + (term - back));
    sum = next;
  }
  // Of an infinite sum nothing is lost that is a number.
  ACTINIUM_HD T value() const {
    using P = Prim<T>;
    return P::select(P::gt(P::abs(sum), T(Format<typename P::Real>::kMax)), sum, sum + lost);
  }
};

// A factor in two parts, the second the smaller one: the only exponential of a row makes exactly 1.
template <class T>
struct Inverse {
  T head, tail;
  ACTINIUM_HD T times(T e) const { return Prim<T>::fma(e, head, e * tail); }
};

// A row's maximum and the sum of its exponentials, as far as it has been read. For logarithms, kApart, those that are
// equal to the maximum are counted and kept out of the sum, so that log S = log(1 + rest) keeps the digits of a small
// rest.
template <class T, bool kApart>
class RowTotal {
 public:
  using P = Prim<T>;
  using Real = typename P::Real;

  // Of a row whose first elements have this maximum.
  explicit ACTINIUM_HD RowTotal(T first) : max_(first), exp_(reference_of(first)) {}

  ACTINIUM_HD T max() const { return max_; }
  // That the exponentials are relative to; -inf takes part as the lowest number.
  ACTINIUM_HD T reference() const { return reference_of(max_); }
  static ACTINIUM_HD T reference_of(T max) { return P::max(T(-Format<Real>::kMax), max); }
  ACTINIUM_HD const RowExp<T>& exp() const { return exp_; }
  // Of the exponentials, those equal to the maximum apart, and how many these are.
  ACTINIUM_HD const ExactSum<T>& sum() const { return sum_; }
  ACTINIUM_HD T ties() const { return ties_; }

  // Further elements follow, with this maximum.
  ACTINIUM_HD void extend(T with) {
    const T before = reference();
    const auto larger = P::gt(with, max_);
    max_ = P::select(larger, with, max_);
    const RowExp<T> next(reference());
    const T factor = exp_.factor_to(next, reference() - before);
    if constexpr (kApart) {
      sum_.add(P::select(larger, ties_ * exp_(before).value(), T(0)));
      ties_ = P::select(larger, T(0), ties_);
    }
    sum_.sum = sum_.sum * factor;
    sum_.lost = sum_.lost * factor;
    exp_ = next;
  }
  ACTINIUM_HD void add(const ExactSum<T>& exponentials, T ties = T(0)) {
    sum_.add(exponentials.sum);
    sum_.lost = sum_.lost + exponentials.lost;
    ties_ = ties_ + ties;
  }

  // 1 / S, as a factor for the exponentials. NaN for a row with an infinite maximum.
  ACTINIUM_HD Inverse<T> inverse() const {
    static_assert(!kApart);
    const T s = sum_.value(), s_lo = (sum_.sum - s) + sum_.lost;
    const T head = P::div(T(1), s) + undefined();
    return {head, head * P::fnma(head, s_lo, P::fma_exact(P::neg(head), s, T(1)))};
  }
  // log S
  ACTINIUM_HD Log<T> log() const {
    static_assert(kApart);
    const T top = exp_(reference()).value();
    ExactSum<T> rest = sum_;
    rest.add((ties_ - T(1)) * top);
    return log1p(P::div(P::max(T(0), rest.value()), top) + undefined());
  }

 private:
  // inf - inf, or 0
  ACTINIUM_HD T undefined() const { return max_ - max_; }

  T max_;
  RowExp<T> exp_;
  ExactSum<T> sum_{T(0), T(0)};
  T ties_ = T(0);
};

// Cross-entropy's classes: their weights w (Param, or null for 1), and the smoothing e.
template <class Real, class Param>
struct Classes {
  ACTINIUM_HD Classes(const int64_t* indices_, int64_t count_, const Param* weight_, const Param* weight_sum,
                      int64_t ignore_index_, double smoothing)
      : indices(indices_),
        count(count_),
        weight(weight_),
        ignore_index(ignore_index_),
        sharp(static_cast<Real>(1 - smoothing)),
        smooth(static_cast<Real>(smoothing / static_cast<double>(count_))),
        sum(weight_ ? static_cast<Real>(*weight_sum) : static_cast<Real>(count_)) {}

  // The index y of a row: whether it counts, and w_y, which is NaN for one that is not that of a class.
  struct Index {
    int64_t y;
    bool counts;
    Real weight;
  };
  ACTINIUM_HD Index index(int64_t row) const {
    const int64_t y = indices[row];
    if (y == ignore_index) return {0, false, 0};
    if (y < 0 || y >= count) return {0, true, static_cast<Real>(__builtin_nan(""))};
    return {y, true, weight ? static_cast<Real>(weight[y]) : Real(1)};
  }

  // The loss of a row, from what it is for its own class and from the weighted sum over all, where there is smoothing.
  ACTINIUM_HD Real loss(const Index& index, Real own, Real all) const {
    if (!index.counts) return 0;
    return index.weight * sharp * own + (smooth != 0 ? smooth * all : Real(0));
  }
  // The gradient of a row's loss: none where the row does not count, though that of a mean over no row is infinite.
  ACTINIUM_HD Real gradient(const Index& index, Real g) const { return index.counts ? g : Real(0); }
  // The sum of the coefficients of a row, the part of each that is to be multiplied by its weight, and that of y.
  ACTINIUM_HD Real total(const Index& index) const {
    return index.counts ? index.weight * sharp + smooth * sum : Real(0);
  }
  ACTINIUM_HD Real even(const Index& index) const { return index.counts ? smooth : Real(0); }
  ACTINIUM_HD Real own(const Index& index) const { return index.weight * sharp + index.weight * smooth; }

  const int64_t* indices;
  int64_t count;
  const Param* weight;
  int64_t ignore_index;
  Real sharp, smooth;  // 1 - e, e / n
  Real sum;            // of all weights
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
