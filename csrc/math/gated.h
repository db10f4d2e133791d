#pragma once
// Gated units: functions of two values, a gate a and an up value b. f(a, b) = act(a) b for every activation (Dauphin,
// Fan, Auli and Grangier, "Language Modeling with Gated Convolutional Networks", 2017, with the sigmoid; Shazeer, "GLU
// Variants Improve Transformer", 2020), and those of the list ACTINIUM_GATES.
//
// A gate has f, and its gradient df for one g = dL/df. The products are taken in an order in which none leaves the
// range unless the result does, or a factor that the activation gives is as small. To the error of the activation each
// product adds half a unit in the last place.
#include "csrc/math/swish.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <template <class> class Activation>
struct Gated {
  template <class T>
  struct type {
    explicit ACTINIUM_HD type(const double* params) : activation(params) {}

    ACTINIUM_HD T f(T a, T b) const { return activation.f(a) * b; }
    ACTINIUM_HD void df(T g, T a, T b, T& da, T& db) const {
      da = g * (b * activation.df(a));
      db = g * activation.f(a);
    }

    Activation<T> activation;
  };
};

// The unit of gpt-oss (OpenAI, "gpt-oss-120b & gpt-oss-20b Model Card", 2025, arXiv:2508.10925): with a no larger than
// the limit and b within +-limit, f(a, b) = a sigmoid(alpha a) (b + 1). What is cut off has no gradient, but for what
// is exactly at the limit.
template <class T>
struct SwigluClamped {
  static constexpr const char* kName = "swiglu_clamped";
  static constexpr std::array<Parameter, 2> kParams{{{"limit", 7.0}, {"alpha", 1.702}}};

  explicit ACTINIUM_HD SwigluClamped(const double* params)
      : limit(T(static_cast<Real>(params[0]))),
        // alpha in two parts: 1.702 is no number of the format
        swish(T(static_cast<Real>(params[1])), T(static_cast<Real>(params[1] - static_cast<Real>(params[1])))) {}

  ACTINIUM_HD T f(T a, T b) const { return swish.f(low(a)) * (clamped(b) + T(1)); }
  ACTINIUM_HD void df(T g, T a, T b, T& da, T& db) const {
    const T near = low(a);
    da = P::select(P::gt(a, limit), T(0), g * ((clamped(b) + T(1)) * swish.df(near)));
    db = P::select(P::gt(P::abs(b), limit), T(0), g * swish.f(near));
  }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;

  // Not a number where the argument is none.
  ACTINIUM_HD T low(T a) const { return P::min(limit, a); }
  ACTINIUM_HD T clamped(T b) const { return P::max(P::neg(limit), P::min(limit, b)); }

  T limit;
  SwishFormula<T, false, /*kTwoParts=*/true> swish;
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
