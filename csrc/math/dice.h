#pragma once
// Dice: f(x) = p x + (1 - p) alpha x, p = sigmoid(z), z = (x - mean) / sqrt(var + eps). Zhou et al., "Deep Interest
// Network for Click-Through Rate Prediction", 2018.
//
// p and 1 - p are taken apart, each with all its digits. With q = p (1 - p), q' = q (1 - 2p) and r = 1/sqrt(var + eps),
// the gradient with respect to z is h = g x (1 - alpha) q for each element, and batch statistics hand it on as in batch
// normalization. In the formulas below mh and mhz are the means of h and h z over the channel, ma and maz those of a
// and a z, mG and mGz those of G and G z, and t is what reaches r; all of them are 0 for statistics that are given.
//
// tests/cpp/math enforces, for every value, 4 units in the last place of the sum of the magnitudes of its terms, where
// the rounding of z counts |z| times in the gate. An infinite x gives the limit.
#include "csrc/math/coarse.h"
#include "csrc/math/gate.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// p x + (1 - p) alpha x of one element, for every Dice formula.
template <class T>
struct DiceMix {
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;

  ACTINIUM_HD explicit DiceMix(T alpha_)
      : alpha(alpha_),
        one_minus_alpha(T(1) - alpha_),
        lowest(P::select(P::gt(P::abs(alpha), T(0)), T(-__builtin_huge_val()), T(-F::kMax))) {}

  struct Element {
    T x;     // finite, so that a gate of 0 closes on it
    T z;     // finite
    T p, n;  // sigmoid(z), sigmoid(-z)
    T q;     // p n
  };
  // Of a finite x and a finite z.
  ACTINIUM_HD Element element(T x, T z) const {
    const T e = decay(z);
    const T large = P::div(T(1), T(1) + e);
    const T small = e * large;
    const auto positive = P::gt(z, T(0));
    return {x, z, P::select(positive, large, small), P::select(positive, small, large), large * small};
  }

  ACTINIUM_HD T value(T x, T z) const {
    const T e = decay(z);
    const auto positive = P::gt(z, T(0));
    // x, or alpha x, and what the gate that is nearly closed lets through
    const T open = P::select(positive, x, alpha * P::max(lowest, x));
    const T share = P::select(positive, P::neg(one_minus_alpha), one_minus_alpha);
    return P::fma(share, finite(x) * P::div(e, T(1) + e), open);
  }

  static ACTINIUM_HD T finite(T v) { return P::max(T(-F::kMax), P::min(T(F::kMax), v)); }
  // exp(-|z|)
  static ACTINIUM_HD T decay(T z) {
    if constexpr (kIsCoarse<T>) return coarse_exp(P::neg(P::abs(z))).value();
    return exp(P::max(T(-F::kTail), P::with_sign(z, T(-0.0))), F::kLift).value() * T(F::kDown);
  }

  T alpha, one_minus_alpha;
  T lowest;  // that alpha may be multiplied with: 0 times -inf would not be a number
};

// What every Dice formula needs of one element, by the mean and the variance of its channel.
template <class T>
struct DiceGate : DiceMix<T> {
  using Mix = DiceMix<T>;
  using P = Prim<T>;

  ACTINIUM_HD DiceGate(const T* params, double eps)
      : Mix(params[0]), mean(params[1]), r(T(1) / P::sqrt(params[2] + T(static_cast<typename Mix::Real>(eps)))) {}

  ACTINIUM_HD typename Mix::Element operator()(T in) const {
    const T x = Mix::finite(in);
    return this->element(x, Mix::finite((x - mean) * r));
  }

  T mean, r;
};

// in: x; params: alpha, mean, var
template <class T>
struct DiceForward {
  static constexpr int kInputs = 1, kOutputs = 1, kParams = 3, kSums = 0;
  ACTINIUM_HD DiceForward(const T* params, double eps) : gate(params, eps) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const {
    out[0] = gate.value(in[0], (in[0] - gate.mean) * gate.r);
  }
  DiceGate<T> gate;
};

// in: g, x; out: dx; sums: g x (1 - p) of dalpha, h, h z; params: alpha, mean, var, mh, mhz
template <class T>
struct DiceBackward {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 5, kSums = 3;
  ACTINIUM_HD DiceBackward(const T* params, double eps) : gate(params, eps), mh(params[3]), mhz(params[4]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const {
    const T g = in[0];
    const auto v = gate(in[1]);
    const T h = g * (v.x * (gate.one_minus_alpha * v.q));
    out[0] = g * (gate.alpha + gate.one_minus_alpha * v.p) + gate.r * (h - mh - v.z * mhz);
    sums[0] = g * (v.x * v.n);
    sums[1] = h;
    sums[2] = h * v.z;
  }
  DiceGate<T> gate;
  T mh, mhz;
};

// What batch statistics take from dx, when the means of h and h z are known only after it was written: no exponential.
// in: dx, x; out: dx; params: as DiceBackward
template <class T>
struct DiceCenter {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 5, kSums = 0;
  ACTINIUM_HD DiceCenter(const T* params, double eps) : gate(params, eps), mh(params[3]), mhz(params[4]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const {
    const T z = gate.finite((gate.finite(in[1]) - gate.mean) * gate.r);
    out[0] = in[0] - gate.r * (mh + z * mhz);
  }
  DiceGate<T> gate;
  T mh, mhz;
};

// The means that the double backward needs. in: a, g, x; sums: a, a z, h, h z, h a; params: alpha, mean, var
template <class T>
struct DiceMoments {
  static constexpr int kInputs = 3, kOutputs = 0, kParams = 3, kSums = 5;
  ACTINIUM_HD DiceMoments(const T* params, double eps) : gate(params, eps) {}
  ACTINIUM_HD void operator()(const T* in, T* /*out*/, T* sums) const {
    const T a = in[0], g = in[1];
    const auto v = gate(in[2]);
    const T h = g * (v.x * (gate.one_minus_alpha * v.q));
    sums[0] = a;
    sums[1] = a * v.z;
    sums[2] = h;
    sums[3] = h * v.z;
    sums[4] = h * a;
  }
  DiceGate<T> gate;
};

// in: a, g, x, with a the gradient of dx; out: dg, dx; sums: dalpha, G, G z;
// params: alpha, mean, var, b (the gradient of dalpha), ma, maz, mh, mhz, t, mG, mGz
template <class T>
struct DiceDoubleBackward {
  static constexpr int kInputs = 3, kOutputs = 2, kParams = 11, kSums = 3;
  ACTINIUM_HD DiceDoubleBackward(const T* params, double eps)
      : gate(params, eps),
        b(params[3]),
        ma(params[4]),
        maz(params[5]),
        mh(params[6]),
        mhz(params[7]),
        t(params[8]),
        mG(params[9]),
        mGz(params[10]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const {
    const T a = in[0], g = in[1];
    const auto v = gate(in[2]);
    const T r = gate.r;
    const T slope = gate.one_minus_alpha * v.q;  // (1 - alpha) q
    const T curve = slope * (v.n - v.p);         // (1 - alpha) q'
    const T zd = r * (a - ma - v.z * maz);       // how z changes along a
    const T through = slope * zd + b * v.n;
    const T h = g * (v.x * slope);
    const T G = g * (a * slope + v.x * (curve * zd) - b * (v.x * v.q)) - r * (h * maz + a * mhz);
    out[0] = a * (gate.alpha + gate.one_minus_alpha * v.p) + v.x * through;
    out[1] = g * through + r * (G - mG - v.z * mGz) - r * v.z * t;
    sums[0] = g * (a * v.n - v.x * (v.q * zd));
    sums[1] = G;
    sums[2] = G * v.z;
  }
  DiceGate<T> gate;
  T b, ma, maz, mh, mhz, t, mG, mGz;
};

// The gate alone, p = sigmoid((x - mean) scale + bias), with four parameters that have gradients of their own.
template <class T>
struct DiceGateForward {
  static constexpr int kInputs = 1, kOutputs = 1, kParams = 4, kSums = 0;
  using Mix = DiceMix<T>;
  ACTINIUM_HD DiceGateForward(const T* params, double /*eps*/)
      : mix(params[0]), mean(params[1]), scale(params[2]), bias(params[3]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const {
    // A scale of 0 leaves the bias of an infinite x, too.
    out[0] = mix.value(in[0], Prim<T>::fma(Mix::finite(in[0] - mean), scale, bias));
  }
  Mix mix;
  T mean, scale, bias;
};

// in: g, x; out: dx; sums: g x (1 - p) of dalpha, h, h (x - mean); params: alpha, mean, scale, bias
template <class T>
struct DiceGateBackward {
  static constexpr int kInputs = 2, kOutputs = 1, kParams = 4, kSums = 3;
  using Mix = DiceMix<T>;
  ACTINIUM_HD DiceGateBackward(const T* params, double /*eps*/)
      : mix(params[0]), mean(params[1]), scale(params[2]), bias(params[3]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const {
    const T g = in[0], x = Mix::finite(in[1]), d = Mix::finite(x - mean);
    const auto v = mix.element(x, Mix::finite(Prim<T>::fma(d, scale, bias)));
    const T h = g * (x * (mix.one_minus_alpha * v.q));
    out[0] = g * (mix.alpha + mix.one_minus_alpha * v.p) + scale * h;
    sums[0] = g * (x * v.n);
    sums[1] = h;
    sums[2] = h * d;
  }
  Mix mix;
  T mean, scale, bias;
};

// What the gradients of a channel's mean and variance hand on to x. in: x; out: dx; params: mean, dmean / n, 2 dvar / n
template <class T>
struct ChannelStatsBackward {
  static constexpr int kInputs = 1, kOutputs = 1, kParams = 3, kSums = 0;
  ACTINIUM_HD ChannelStatsBackward(const T* params, double /*eps*/)
      : mean(params[0]), shift(params[1]), slope(params[2]) {}
  ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const {
    out[0] = Prim<T>::fma(in[0] - mean, slope, shift);
  }
  T mean, shift, slope;
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
