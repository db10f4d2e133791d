#pragma once
// Binary cross-entropy of s(x), s the sigmoid, with the target y, and the weights w of an element and p of y = 1:
//   w ((1 - y) l(x) + p y l(-x)),  l(x) = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))
// For y from 0 to 1 no term is negative, so that nothing cancels. The gradient by x is w ((1 - y) s(x) - p y s(-x)),
// that by y is w (p l(-x) - l(x)).
//
// log(1 + e) is that of log1p.h. tests/cpp/math enforces, for every value, 4 units in the last place of the sum of the
// magnitudes of its terms.
#include "csrc/math/coarse.h"
#include "csrc/math/log1p.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct BinaryCrossEntropy {
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;

  // params: p, w
  explicit ACTINIUM_HD BinaryCrossEntropy(const T* params) : positive(params[0]), weight(params[1]) {}

  // exp(-|x|)
  static ACTINIUM_HD T decay(T x) {
    if constexpr (kIsCoarse<T>) return coarse_exp(P::neg(P::abs(x))).value();
    return exp(P::max(T(-F::kTail), P::neg(P::abs(x))), F::kLift).value() * T(F::kDown);
  }

  struct Logarithms {
    T of, of_minus;  // l(x), l(-x)
  };
  static ACTINIUM_HD Logarithms logarithms(T x) {
    const T log = log1p_unit(decay(x));
    return {P::max(T(0), x) + log, P::max(T(0), P::neg(x)) + log};
  }

  ACTINIUM_HD T loss(T x, T y) const {
    const Logarithms l = logarithms(x);
    return weight * P::fma(T(1) - y, l.of, positive * y * l.of_minus);
  }
  ACTINIUM_HD T by_input(T x, T y) const {
    const T e = decay(x), large = P::div(T(1), T(1) + e), small = e * large;
    const auto right = P::gt(x, T(0));
    const T s = P::select(right, large, small), rest = P::select(right, small, large);
    return weight * P::fma(T(1) - y, s, P::neg(positive * y * rest));
  }
  ACTINIUM_HD T by_target(T x) const {
    const Logarithms l = logarithms(x);
    return weight * P::fma(positive, l.of_minus, P::neg(l.of));
  }

  T positive, weight;
};

// in: x, y; out: the loss; sums: the loss; params: p, w
template <class T>
struct BinaryCrossEntropyForward {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 2, kSums = 1;
  ACTINIUM_HD BinaryCrossEntropyForward(const T* params, double /*eps*/) : of(params) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const { out[0] = sums[0] = of.loss(in[0], in[1]); }
  BinaryCrossEntropy<T> of;
};

// The gradients of a sum over all, with its own gradient in w.
// in: x, y; out: dx; params: p, w
template <class T>
struct BinaryCrossEntropyBackward {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 2, kSums = 0;
  ACTINIUM_HD BinaryCrossEntropyBackward(const T* params, double /*eps*/) : of(params) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const { out[0] = of.by_input(in[0], in[1]); }
  BinaryCrossEntropy<T> of;
};

// in: x; out: dy; params: p, w
template <class T>
struct BinaryCrossEntropyTargetBackward {
  static constexpr int kInputs = 1, kOutputs = 1, kParams = 2, kSums = 0;
  ACTINIUM_HD BinaryCrossEntropyTargetBackward(const T* params, double /*eps*/) : of(params) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const { out[0] = of.by_target(in[0]); }
  BinaryCrossEntropy<T> of;
};

// The same with a gradient g of every element's loss.
// in: x, y, g; out: dx; params: p, w
template <class T>
struct BinaryCrossEntropyEachBackward {
  static constexpr int kInputs = 3, kOutputs = 1, kParams = 2, kSums = 0;
  ACTINIUM_HD BinaryCrossEntropyEachBackward(const T* params, double /*eps*/) : of(params) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const { out[0] = in[2] * of.by_input(in[0], in[1]); }
  BinaryCrossEntropy<T> of;
};

// in: x, g; out: dy; params: p, w
template <class T>
struct BinaryCrossEntropyEachTargetBackward {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 2, kSums = 0;
  ACTINIUM_HD BinaryCrossEntropyEachTargetBackward(const T* params, double /*eps*/) : of(params) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const { out[0] = in[1] * of.by_target(in[0]); }
  BinaryCrossEntropy<T> of;
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
