#pragma once
// Swish: f(x) = x sigmoid(beta x). Ramachandran, Zoph and Le, "Searching for Activation Functions", 2017.
#include <array>

#include "csrc/math/parameter.h"
#include "csrc/math/sigmoid.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <class T>
struct Swish {
  static constexpr const char* kName = "swish";
  static constexpr std::array<Parameter, 1> kParams{{{"beta", 1.0}}};

  explicit ACTINIUM_HD Swish(const double* params) : Swish(T(static_cast<Real>(params[0]))) {}

  explicit ACTINIUM_HD Swish(T beta) : beta_(P::max(T(-kHuge), P::min(T(kHuge), beta))) {
    minus_ = P::neg(P::abs(beta_));
    per_ln2_ = minus_ * T(ExpTable<Real>::kPerLn2);
    const Mask tiny = P::gt(T(kTiny), P::abs(beta_));
    const T inverse = T(-1) / minus_;
    low_ = P::neg(P::min(T(F::kMax), P::select(tiny, T(kLowTiny), T(kLow)) * inverse));
    high_ = P::min(T(F::kMax), T(kHigh) * inverse);
    tail_ = P::min(T(F::kMax), T(kTail) * inverse);
    one_ = P::select(tiny, T(1), T(F::kDown));
    round_ = P::select(tiny, T(exp_round(Real(0))), T(exp_round(-F::kLift)));
    back_ = P::flip(one_, beta_);
    const Mask steep = P::gt(P::abs(beta_), T(1));
    curve_ = P::select(steep, beta_ * T(F::kDown), beta_);
    curve_back_ = P::select(steep, T(1), T(F::kDown));
  }

  ACTINIUM_HD T f(T x) const {
    const T y = P::flip(x, beta_);
    const T low = P::select(P::gt(low_, y), T(-0.0), y);
    const T gated = gate(low, exp_of_product(P::min(high_, low), minus_, per_ln2_, round_), one_) * back_;
    return P::select(P::gt(low, high_), x, gated);
  }

  ACTINIUM_HD T df(T x) const {
    const T a = P::min(tail_, P::abs(x));
    const T g = gate_slope(decay(a), P::neg(a * minus_));
    return P::select(P::gt(P::flip(x, beta_), T(0)), T(1) - g, g);
  }

  ACTINIUM_HD T d2f(T x) const {
    const T a = P::min(tail_, P::abs(x));
    const T y = P::neg(a * minus_);
    const T curve = gate_curve(decay(a), y, T(2), P::fma_exact(a, minus_, y)) * curve_ * curve_back_;
    return P::select(P::gt(P::abs(x), tail_), T(0), curve);
  }

  // The derivatives with respect to beta, and x and beta.
  //   f_beta = x^2 w,  f_xbeta = x w (2 - |beta x| tanh),  f_betabeta = -sign(beta) |x|^3 w tanh
  // with w = sigmoid sigmoid' = e / (1 + e)^2 and tanh = (1 - e) / (1 + e), e = exp(-|beta x|).
  struct BetaDerivatives {
    T beta, x_beta, beta_beta;
  };
  ACTINIUM_HD BetaDerivatives beta_derivatives(T x) const {
    const T a = P::min(tail_, P::abs(x));
    const T e = decay(a).value() * T(F::kDown);
    const T inverse = T(1) / (e + T(1));
    const T w = e * inverse * inverse;
    const T tanh = (T(1) - e) * inverse;
    const T aw = a * w;
    const T beta = a * aw;
    return {beta, P::flip(aw * P::fma(a * minus_, tanh, T(2)), x), P::flip(P::neg(a * beta * tanh), beta_)};
  }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using Mask = typename P::Mask;
  using F = Format<Real>;
  static constexpr bool kSingle = sizeof(Real) == 4;
  static constexpr Real kHuge = kSingle ? Real(0x1p127) : Real(0x1p1023);
  static constexpr Real kTiny = kSingle ? Real(0x1p-30) : Real(0x1p-440);
  static constexpr Real kLow = kSingle ? Real(130) : Real(1063);
  static constexpr Real kLowTiny = kSingle ? Real(88.37) : Real(709.4);
  static constexpr Real kHigh = 40;
  static constexpr Real kTail = kSingle ? Real(131) : Real(1063);

  // exp(-|beta| a), lifted
  ACTINIUM_HD Exp<T> decay(T a) const { return exp_of_product(a, minus_, per_ln2_, T(exp_round(F::kLift))); }

  T beta_, minus_, per_ln2_;
  T low_, high_, tail_;
  T one_, round_, back_;
  T curve_, curve_back_;
};

// in: x; params: beta
template <class T>
struct SwishForward {
  static constexpr int kInputs = 1, kOutputs = 1, kParams = 1, kSums = 0;
  ACTINIUM_HD SwishForward(const T* params, double /*eps*/) : swish(params[0]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const { out[0] = swish.f(in[0]); }
  Swish<T> swish;
};

// in: g, x; out: dx; sums: dbeta; params: beta
template <class T>
struct SwishBackward {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 1, kSums = 1;
  ACTINIUM_HD SwishBackward(const T* params, double /*eps*/) : swish(params[0]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const {
    const T g = in[0], x = in[1];
    out[0] = g * swish.df(x);
    sums[0] = g * swish.beta_derivatives(x).beta;
  }
  Swish<T> swish;
};

// in: a, g, x, with a the gradient of dx; out: dg, dx; sums: dbeta; params: beta, b, with b the gradient of dbeta
template <class T>
struct SwishDoubleBackward {
  static constexpr int kInputs = 3, kOutputs = 2, kParams = 2, kSums = 1;
  ACTINIUM_HD SwishDoubleBackward(const T* params, double /*eps*/) : swish(params[0]), b(params[1]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const {
    const T a = in[0], g = in[1], x = in[2];
    const auto by = swish.beta_derivatives(x);
    out[0] = a * swish.df(x) + b * by.beta;
    out[1] = g * (a * swish.d2f(x) + b * by.x_beta);
    sums[0] = g * (a * by.x_beta + b * by.beta_beta);
  }
  Swish<T> swish;
  T b;
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
