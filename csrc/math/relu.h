#pragma once
// ReLU: f(x) = max(0, x). LeakyReLU: f(x) = x for x > 0, slope x else, and PReLU, whose slope is a parameter. Nair and
// Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", 2010; Maas, Hannun and Ng, "Rectifier
// Nonlinearities Improve Neural Network Acoustic Models", 2013.
//
// Exact but for the rounding of slope x, half a ULP. At 0 the derivatives are those of the left side, as the builtins
// have them. Those of ReLU are the same at x and at f(x), so that the backward can do with the result.
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

  explicit ACTINIUM_HD LeakyRelu(const double* params) : LeakyRelu(T(static_cast<Real>(params[0]))) {}
  explicit ACTINIUM_HD LeakyRelu(T slope_)
      : slope(slope_),
        lowest(P::select(P::gt(P::abs(slope), T(0)), T(static_cast<Real>(-__builtin_huge_val())),
                         T(-Format<Real>::kMax))) {}

  ACTINIUM_HD T f(T x) const { return P::select(P::gt(x, T(0)), x, slope * P::max(lowest, x)); }
  ACTINIUM_HD T df(T x) const { return P::select(P::gt(x, T(0)), T(1), slope + zero_beside(x)); }
  ACTINIUM_HD T d2f(T x) const { return zero_beside(x); }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  T slope;
  T lowest;  // that the slope may be multiplied with: 0 times -inf would not be a number
};

// PReLU: LeakyReLU with a slope that is learned. He, Zhang, Ren and Sun, "Delving Deep into Rectifiers: Surpassing
// Human-Level Performance on ImageNet Classification", 2015, eq. 1; the gradients are eq. 3.

// in: x; params: weight
template <class T>
struct PreluForward {
  static constexpr int kInputs = 1, kOutputs = 1, kParams = 1, kSums = 0;
  ACTINIUM_HD PreluForward(const T* params, double /*eps*/) : relu(params[0]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const { out[0] = relu.f(in[0]); }
  LeakyRelu<T> relu;
};

// in: g, x; out: dx; sums: dweight; params: weight
template <class T>
struct PreluBackward {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 1, kSums = 1;
  ACTINIUM_HD PreluBackward(const T* params, double /*eps*/) : relu(params[0]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const {
    out[0] = in[0] * relu.df(in[1]);
    sums[0] = in[0] * Prim<T>::min(T(0), in[1]);
  }
  LeakyRelu<T> relu;
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
