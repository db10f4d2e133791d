#pragma once
// ReLU: f(x) = max(0, x). LeakyReLU: f(x) = x for x > 0, slope x else. Nair and Hinton, "Rectified Linear Units Improve
// Restricted Boltzmann Machines", 2010; Maas, Hannun and Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic
// Models", 2013.
//
// Exact but for the rounding of slope x. At 0 the derivatives are those of the left side, as the builtins have them.
#include <array>

#include "csrc/math/parameter.h"
#include "csrc/math/prim.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// +0, or not a number where x is none.
template <class T>
ACTINIUM_HD T zero_beside(T x) {
  using P = Prim<T>;
  return P::abs(P::max(T(0), P::min(T(0), x)));
}

template <class T>
struct Relu {
  static constexpr const char* kName = "relu";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD Relu(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const { return P::select(P::gt(T(0), x), T(0), x); }
  ACTINIUM_HD T df(T x) const { return P::select(P::gt(x, T(0)), T(1), zero_beside(x)); }
  ACTINIUM_HD T d2f(T x) const { return zero_beside(x); }

 private:
  using P = Prim<T>;
};

template <class T>
struct LeakyRelu {
  static constexpr const char* kName = "leaky_relu";
  static constexpr std::array<Parameter, 1> kParams{{{"negative_slope", 0.01}}};

  explicit ACTINIUM_HD LeakyRelu(const double* params)
      : slope(T(static_cast<Real>(params[0]))),
        lowest(params[0] == 0 ? T(-Format<Real>::kMax) : T(static_cast<Real>(-__builtin_huge_val()))) {}

  ACTINIUM_HD T f(T x) const { return P::select(P::gt(x, T(0)), x, slope * P::max(lowest, x)); }
  ACTINIUM_HD T df(T x) const { return P::select(P::gt(x, T(0)), T(1), slope + zero_beside(x)); }
  ACTINIUM_HD T d2f(T x) const { return zero_beside(x); }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  T slope;
  T lowest;  // that the slope may be multiplied with: 0 times -inf would not be a number
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
