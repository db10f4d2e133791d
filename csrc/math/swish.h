#pragma once
// Swish: f(x) = x sigmoid(beta x). Ramachandran, Zoph and Le, "Searching for Activation Functions", 2017.
//
// f(x) = x / (1 + E), E = exp(-beta x). Numerator and denominator are not touched by the size of E: the denominator is
// carried times 2^-64 and the quotient multiplied by 2^-64 at the end, which cannot overflow and rounds a subnormal
// once. E comes from the exact product of beta and x. The derivatives are functions of |beta x|; see gate.h.
//
// Worst case in float32 with beta = 1, over every x in +-[2^-30, 2^9], of f' every 16th; tests/cpp/math enforces, for
// several beta, 2 ULP for f, and for f' and f'' 4 ULP or, where |beta x| <= 8, 2^-23 (f'': times |beta|):
//   f     1.998 ULP  at -0x1.0007fcp-11: got -0x1.ffeffap-13, want -0x1.ffeff60102b3fp-13
//   f'    2.900 ULP  at -0x1.4a41cp-6:   got 0x1.f5ae1ap-2,   want 0x1.f5ae1fccdcddp-2
//   f''   3.541 ULP  at 0x1.5f3a74p-2:   got 0x1.e2bfc4p-2,   want 0x1.e2bfbceb7b82fp-2
// f(-inf) = -0 for beta > 0, and so is the limit of f'.
//
// Any beta will do. Negative: f(x; -beta) = -f(-x; beta). 0: x/2, but f(-inf) = -0, as for every beta above it.
// Infinite: the largest beta, ReLU but for subnormal x. Below 2^-30 a denominator times 2^-64 would overflow the
// quotient, and is carried as it is: results below 2^-127 |x| (CUDA: 2^-126 |x|) become 0. Below 2^-120 the derivatives
// take an infinite x for the largest number. On CUDA, beyond 2^97 the last bit of f may be another than the CPU's.
#include <array>

#include "csrc/math/coarse.h"
#include "csrc/math/gate.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// The derivatives with respect to beta, and x and beta.
//   f_beta = x^2 w,  f_xbeta = x w (2 - |beta x| tanh),  f_betabeta = -sign(beta) |x|^3 w tanh
// with w = sigmoid sigmoid' = e / (1 + e)^2 and tanh = (1 - e) / (1 + e), e = exp(-|beta x|).
template <class T>
struct BetaDerivatives {
  T beta, x_beta, beta_beta;

  // a = |x|, but no more than where e is 0; steps = |beta| a
  ACTINIUM_HD BetaDerivatives(T x, T a, T e, T steps, T sign_of_beta) {
    using P = Prim<T>;
    const T inverse = P::div(T(1), e + T(1));
    const T w = e * inverse * inverse;
    const T tanh = (T(1) - e) * inverse;
    const T aw = a * w;
    beta = a * aw;
    x_beta = P::flip(aw * P::fma(P::neg(steps), tanh, T(2)), x);
    beta_beta = P::flip(P::neg(a * beta * tanh), sign_of_beta);
  }
};

// kUnit: beta is 1. The bits are the same, by fewer operations. kTwoParts: beta is no number of the format.
template <class T, bool kUnit, bool kTwoParts = false>
struct SwishFormula {
  static constexpr const char* kName = "swish";
  static constexpr std::array<Parameter, 1> kParams{{{"beta", 1.0}}};

  explicit ACTINIUM_HD SwishFormula(const double* params) : SwishFormula(T(static_cast<Real>(params[0]))) {}

  explicit ACTINIUM_HD SwishFormula(T beta, T beta_lo = T(0))
      : beta_(P::max(T(-kHuge), P::min(T(kHuge), beta))), minus_lo_(P::neg(beta_lo)) {
    if constexpr (kUnit) {
      tail_ = T(kTail);
      return;  // the rest is not used
    }
    // bounds of |beta x| become bounds of x
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
    if constexpr (kTwoParts) {
      square_ = beta_ * beta_;
      minus_square_lo_ = P::fma((beta_ + beta_), minus_lo_, P::neg(P::fma_exact(beta_, beta_, P::neg(square_))));
    } else {
      // beta and 2^-64 in the order in which the product of the two with a result cannot leave the range too early
      const Mask steep = P::gt(P::abs(beta_), T(1));
      curve_ = P::select(steep, beta_ * T(F::kDown), beta_);
      curve_back_ = P::select(steep, T(1), T(F::kDown));
    }
  }

  ACTINIUM_HD T f(T x) const {
    if constexpr (kUnit) {
      const T low = P::max(T(-kLow), x);
      const T gated = gate(low, exp(P::neg(P::min(T(kHigh), low)), -F::kLift), T(F::kDown)) * T(F::kDown);
      return P::select(P::gt(low, T(kHigh)), x, gated);
    }
    const T y = P::flip(x, beta_);
    const T low = P::select(P::gt(low_, y), T(-0.0), y);
    const T gated = gate(low, exp_of(P::min(high_, low), round_), one_) * back_;
    return P::select(P::gt(low, high_), x, gated);
  }

  ACTINIUM_HD T df(T x) const {
    const T a = P::min(tail_, P::abs(x));
    // 1 - |beta| a
    T rest = kUnit ? T(1) - a : P::fma(a, minus_, T(1));
    if constexpr (kTwoParts) rest = P::fma(a, minus_lo_, rest);
    const T g = gate_slope(decay(a), rest);
    return P::select(P::gt(kUnit ? x : P::flip(x, beta_), T(0)), T(1) - g, g);
  }

  ACTINIUM_HD T d2f(T x) const {
    const T a = P::min(tail_, P::abs(x));
    T curve;
    if constexpr (kUnit) {
      curve = gate_curve(decay(a), a, T(2), T(0)) * T(F::kDown);
    } else if constexpr (kTwoParts) {
      // With beta in y and c, one product less is rounded. The low part of c takes what is lost in the product y and in
      // the difference c - y where it counts, at y > c.
      const T y = a * square_, c = beta_ + beta_;
      const T off = P::fma(a, minus_square_lo_, P::fma_exact(a, P::neg(square_), y));
      const T lost = c - ((c - y) + y);
      curve = gate_curve(decay(a), y, c, (off - (minus_lo_ + minus_lo_)) + lost) * T(F::kDown);
    } else {
      // The square of any beta may leave the range.
      const T y = steps(a);
      curve = gate_curve(decay(a), y, T(2), P::fma_exact(a, minus_, y)) * curve_ * curve_back_;
    }
    return P::select(P::gt(P::abs(x), tail_), T(0), curve);
  }

  ACTINIUM_HD BetaDerivatives<T> beta_derivatives(T x) const {
    const T a = P::min(tail_, P::abs(x));
    return BetaDerivatives<T>(x, a, decay(a).value() * T(F::kDown), steps(a), beta_);
  }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using Mask = typename P::Mask;
  using F = Format<Real>;
  static constexpr bool kSingle = sizeof(Real) == 4;
  // From kLow on f is 0, from kHigh on x, and at kTail the derivatives are 0.
  static constexpr Real kHuge = kSingle ? Real(0x1p127) : Real(0x1p1023);
  static constexpr Real kTiny = kSingle ? Real(0x1p-30) : Real(0x1p-440);
  static constexpr Real kLow = kSingle ? Real(130) : Real(1063);
  static constexpr Real kLowTiny = kSingle ? Real(88.37) : Real(709.4);
  static constexpr Real kHigh = 40;
  static constexpr Real kTail = kSingle ? Real(131) : Real(1063);

  // exp(-|beta| a), lifted
  ACTINIUM_HD Exp<T> decay(T a) const {
    if constexpr (kUnit) return exp(P::neg(a), F::kLift);
    return exp_of(a, T(exp_round(F::kLift)));
  }
  // exp(-|beta| a)
  ACTINIUM_HD Exp<T> exp_of(T a, T round) const {
    return exp_of_product<kTwoParts>(a, minus_, per_ln2_, round, minus_lo_);
  }
  // |beta| a
  ACTINIUM_HD T steps(T a) const { return kUnit ? a : P::neg(a * minus_); }

  T beta_, minus_, minus_lo_, per_ln2_;  // minus_ = -|beta|
  T low_, high_, tail_;                  // where f becomes 0, where it becomes x, where the derivatives become 0
  T one_, round_, back_;                 // 1, lifted; what rounds and lifts; the way back, with the sign of beta
  T curve_, curve_back_;
  T square_, minus_square_lo_;  // beta^2, in two parts
};

// With e = exp(beta x): x e / (1 + e), and the derivatives as in gate.h.
template <bool kWide, class V, bool kUnit, bool kTwoParts>
struct SwishFormula<Coarse<kWide, V>, kUnit, kTwoParts> {
  using T = Coarse<kWide, V>;

  explicit ACTINIUM_HD SwishFormula(const double* params) : SwishFormula(T(static_cast<float>(params[0]))) {}

  explicit ACTINIUM_HD SwishFormula(T beta, T /*beta_lo*/ = T(0)) : beta_(P::max(T(-kHuge), P::min(T(kHuge), beta))) {
    steep_ = P::abs(beta_);
    unit_ = steep_ * T(Exp::kUnit);
    high_ = P::min(T(Format<float>::kMax), T(kFlat) / steep_);
    tail_ = P::min(T(Format<float>::kMax), T(kTail) / steep_);
  }

  ACTINIUM_HD T f(T x) const {
    if constexpr (kUnit) {
      const T low = P::max(T(-kTail), x);
      const Exp exp = coarse_exp(P::min(T(kFlat), low));
      return exp.times(low * P::reciprocal(T(1) + exp.value()));
    }
    const T y = P::flip(x, beta_);
    const T low = P::select(P::gt(P::neg(tail_), y), T(-0.f), y);
    const Exp exp = Exp::of_product(P::min(high_, low), steep_, unit_);
    return P::flip(exp.times(low * P::reciprocal(T(1) + exp.value())), beta_);
  }

  ACTINIUM_HD T df(T x) const {
    const Decay d(steps(x));
    const T g = d.exp.times((d.one_more - d.steps) * d.inverse * d.inverse);
    return P::select(P::gt(kUnit ? x : P::flip(x, beta_), T(0)), T(1) - g, g);
  }

  ACTINIUM_HD T d2f(T x) const {
    const Decay d(steps(x));
    const T e = d.exp.value();
    const T b = P::fma(d.steps, (e + e) * d.inverse, T(2) - d.steps) * d.inverse * d.inverse;
    return kUnit ? d.exp.times(b) : d.exp.times(b, beta_);
  }

  ACTINIUM_HD BetaDerivatives<T> beta_derivatives(T x) const {
    const T a = P::min(tail_, P::abs(x)), steps = a * steep_;
    return BetaDerivatives<T>(x, a, Exp::close(P::neg(steps)).value(), steps, beta_);
  }

 private:
  using P = Prim<T>;
  using Exp = CoarseExp<kWide, V>;
  // Larger ones are ReLU for every x as well.
  static constexpr float kHuge = kWide ? 0x1p127f : 0x1p60f;
  // From kFlat on the gate is 1, and from kTail on 0.
  static constexpr float kFlat = 40, kTail = kWide ? 200 : 80;

  // |beta x|, but no more than where the gate is 0
  ACTINIUM_HD T steps(T x) const { return kUnit ? P::min(T(kTail), P::abs(x)) : P::min(tail_, P::abs(x)) * steep_; }

  // e = exp(-|beta x|), 1 + e, 1 / (1 + e)
  struct Decay {
    explicit ACTINIUM_HD Decay(T steps_)
        : steps(steps_),
          exp(Exp::close(P::neg(steps))),
          one_more(T(1) + exp.value()),
          inverse(P::reciprocal(one_more)) {}
    T steps;
    Exp exp;
    T one_more, inverse;
  };

  T beta_, steep_, unit_, high_, tail_;
};

template <class T>
using Swish = SwishFormula<T, false>;
template <class T>
using Silu = SwishFormula<T, true>;

// x sigmoid(1.702 x), the cheaper approximation of GELU. Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
template <class T>
struct QuickGelu : SwishFormula<T, false, true> {
  static constexpr const char* kName = "quick_gelu";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD QuickGelu(const double* /*params*/)
      : SwishFormula<T, false, true>(T(kSingle ? Real(0x1.b3b646p0) : Real(0x1.b3b645a1cac08p0)),
                                     T(kSingle ? Real(-0x1.78d4fep-26) : Real(0x1.89374bc6a7efap-55))) {}

 private:
  using Real = typename Prim<T>::Real;
  static constexpr bool kSingle = sizeof(Real) == 4;
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
