#pragma once
// GELU, tanh form: f(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Hendrycks and Gimpel, "Gaussian Error Linear
// Units", 2016.
//
// f(x) = x sigmoid(v), v = k x (x^2 + C), C = 1 / 0.044715, k = 2 sqrt(2/pi) / C. The rounding of v would count v
// times in the exponential, so x^2 + C is carried in two parts and the exponential is taken in units of 1/k, in which
// its argument needs no rounded factor.
//
// Worst case in float32, over every x in +-[2^-30, 2^9], of f' every 16th; tests/cpp/math enforces 2 ULP for f, and for
// f' and f'' 4 ULP or, where |x| <= 8, 2^-23:
//   f     1.987 ULP  at -0x1.fe8756p-10: got -0x1.fdbc3cp-11, want -0x1.fdbc3ff91ac81p-11
//   f'    3.344 ULP  at -0x1.bb3c4ap-4:  got 0x1.a7eeecp-2,   want 0x1.a7eee54fc884ep-2
//   f''   3.388 ULP  at 0x1.b44ce8p-3:   got 0x1.863438p-1,   want 0x1.86343ec6364f6p-1
// f(-inf) = -0, and so are the limits of f' at -inf and of f'' at both ends.
#include <array>

#include "csrc/math/coarse.h"
#include "csrc/math/gate.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// exp(-k t) as ExpTable has it for exp(t); the linear coefficient is in two parts. scripts/coefficients makes these
// numbers.
template <class Real>
struct GeluTanhTable;

template <>
struct GeluTanhTable<float> {
  static constexpr float kC = 0x1.65d26p4f, kCLo = -0x1.226128p-20f;
  static constexpr float kA = 0x1.98846p0f, kALo = -0x1.985794p-21f;
  static constexpr float kPerLn2 = -0x1.a5a7dp-4f;
  static constexpr float kLn2Hi = -0x1.36d8p3f, kLn2Lo = -0x1.d56d78p-13f;
  static constexpr float kLow = -11.25f, kHigh = 7.f;
  template <class T>
  static ACTINIUM_HD T expm1(T r) {
    return Prim<T>::fma(r, T(-0x1.2444f2p-4f),
                        r * horner(r, -0x1.49b16ap-29f, 0x1.4dad5cp-9f, -0x1.fbee8ep-15f, 0x1.21f364p-20f,
                                   -0x1.09dccp-26f, 0x1.9354ecp-33f));
  }
};

template <>
struct GeluTanhTable<double> {
  static constexpr double kC = 0x1.65d25edd9ed8p4, kCLo = 0x1.fd4f2671c239cp-48;
  static constexpr double kA = 0x1.9884533d4364p0, kALo = 0x1.08d0fcb3c500cp-48;
  static constexpr double kPerLn2 = -0x1.a5a7cf7572a98p-4;
  static constexpr double kLn2Hi = -0x1.36d9d56d77p3, kLn2Lo = -0x1.4921390cf500dp-39;
  static constexpr double kLow = -22, kHigh = 8;
  template <class T>
  static ACTINIUM_HD T expm1(T r) {
    return Prim<T>::fma(
        r, T(-0x1.2444f2a4d8b4bp-4),
        r * horner(r, 0x1.6c843a29d1c7p-61, 0x1.4dad5c19dbebcp-9, -0x1.fbef79d39b0dap-15, 0x1.21f2fa0094308p-20,
                   -0x1.08d296d135b7ep-26, 0x1.931f5eb4dd10bp-33, -0x1.06fdea621abffp-39, 0x1.2c4033863047bp-46,
                   -0x1.30b425e1e9103p-53, 0x1.16fd64ad2ebccp-60, -0x1.ce2c332eab73bp-68));
  }
};

template <class T>
struct GeluTanh {
  static constexpr const char* kName = "gelu_tanh";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD GeluTanh(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const T low = P::max(T(Table::kLow), x);
    const T gated = gate(low, exp_minus_v(P::min(T(Table::kHigh), low), -F::kLift), T(F::kDown)) * T(F::kDown);
    return P::select(P::gt(x, T(Table::kHigh)), x, gated);
  }

  // v' = A + 3 B x^2
  ACTINIUM_HD T df(T x) const {
    const T a = P::min(T(-Table::kLow), P::abs(x));
    const T rest = P::fnma(P::fma(T(3 * kB), a * a, T(Table::kALo)), a, P::fnma(T(Table::kA), a, T(1)));
    const T g = gate_slope(exp_minus_v(a, F::kLift), rest);
    return P::select(P::gt(x, T(0)), T(1) - g, g);
  }

  ACTINIUM_HD T d2f(T x) const {
    const T a = P::min(T(-Table::kLow), P::abs(x));
    const T square = a * a;
    const T square_lo = P::fma_exact(a, a, P::neg(square));
    // v' and 2v' + |x| v'' in two parts each
    const T slope = P::fma(T(3 * kB), square, T(Table::kA));
    const T slope_lo =
        P::fma_exact(T(3 * kB), square, T(Table::kA) - slope) + P::fma(T(3 * kB), square_lo, T(Table::kALo));
    const T curve = P::fma(T(12 * kB), square, T(2 * kA));
    const T curve_lo = P::fma_exact(T(12 * kB), square, T(2 * kA) - curve) + T(2 * kALo);
    // a v'^2
    const T y = a * slope;
    const T y_lo = P::fma(y + y, slope_lo, slope * P::fma_exact(a, slope, P::neg(y)));
    return gate_curve(exp_minus_v(a, F::kLift), P::fma(y, slope, y_lo), curve, curve_lo) * T(F::kDown);
  }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;
  using Table = GeluTanhTable<Real>;
  // v = A x + B x^3; the table's A has few digits, so that A - v' is exact
  static constexpr Real kA = Real(1.5957691216057307117597842397375L);
  static constexpr Real kALo = Real(1.5957691216057307 - double(kA));
  static constexpr Real kB = Real(0.071354816272600248776338752279864L);

  // exp(-v(x)), lifted
  static ACTINIUM_HD Exp<T> exp_minus_v(T x, Real lift) {
    // x^2 + C and t = x (x^2 + C) in two parts each; C - w and t - n ln2 are exact
    const T w = P::fma(x, x, T(Table::kC));
    const T w_lo = P::fma_exact(x, x, T(Table::kC) - w) + T(Table::kCLo);
    const T t = x * w;
    const T t_lo = P::fma(x, w_lo, P::fma_exact(x, w, P::neg(t)));
    const T round = T(exp_round(lift));
    const T u = P::fma(t, T(Table::kPerLn2), round);
    const T n = u - round;
    const T r = P::fma(n, T(-Table::kLn2Hi), t) + P::fma(n, T(-Table::kLn2Lo), t_lo);
    return {P::exp2i(u), Table::expm1(r)};
  }
};

// With v = x (A + B x^2), e = exp(v): x e / (1 + e), and the derivatives as in gate.h.
template <bool kWide, class V>
struct GeluTanh<Coarse<kWide, V>> {
  using T = Coarse<kWide, V>;

  explicit ACTINIUM_HD GeluTanh(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const T low = P::max(T(-kTail), x), a = P::min(T(kFlat), low);
    const Exp exp = Exp::of(a * P::fma(T(kB * Exp::kUnit), a * a, T(kA * Exp::kUnit)));
    return exp.times(low * P::reciprocal(T(1) + exp.value()));
  }

  ACTINIUM_HD T df(T x) const {
    const Decay d(x);
    const T g = d.exp.times((d.one_more - d.a * d.slope) * d.inverse * d.inverse);
    return P::select(P::gt(x, T(0)), T(1) - g, g);
  }

  ACTINIUM_HD T d2f(T x) const {
    const Decay d(x);
    const T e = d.exp.value();
    const T y = d.a * d.slope * d.slope;
    const T b = P::fma(y, (e + e) * d.inverse, P::fma(T(12 * kB), d.square, T(2 * kA)) - y);
    return d.exp.times(b * d.inverse * d.inverse);
  }

 private:
  using P = Prim<T>;
  using Exp = CoarseExp<kWide, V>;
  static constexpr float kA = 1.5957691216057307117597842397375f, kB = 0.071354816272600248776338752279864f;
  // From kFlat on the gate is 1, and from kTail on 0.
  static constexpr float kFlat = 8, kTail = kWide ? 12 : 9;

  // |x|, its square, exp(-v), 1 + it, 1 / (1 + it), v'
  struct Decay {
    explicit ACTINIUM_HD Decay(T x)
        : a(P::min(T(kTail), P::abs(x))),
          square(a * a),
          exp(Exp::close(P::neg(a * P::fma(T(kB), square, T(kA))))),
          one_more(T(1) + exp.value()),
          inverse(P::reciprocal(one_more)),
          slope(P::fma(T(3 * kB), square, T(kA))) {}
    T a, square;
    Exp exp;
    T one_more, inverse, slope;
  };
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
