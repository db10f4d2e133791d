#pragma once
// GELU: f(x) = x Phi(x), Phi(x) = erfc(-x / sqrt2) / 2. Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
//
// With a = |x|, f(x) = max(0, x) - a Phi(-a), and f' = Phi + x phi is 1 minus its mirror image. exp(a^2/2) Phi(-a) is a
// polynomial in a rational variable over the whole tail, and so is a times it, which is nearly flat; the exponential
// takes the exact square. Near 0, f(x) = x (1/2 + x N(x^2)). f'' = phi (2 - x^2).
//
// Worst case in float32, over every x in +-[2^-13, 15.5] and a sample beyond, of f' every 16th; tests/cpp/math enforces
// 2 ULP for f, and for f' and f'' 4 ULP or, where |x| <= 8, 2^-23:
//   f     1.978 ULP  at -0x1.d79f12p-1: got -0x1.50b7ecp-3,   want -0x1.50b7eff4e3946p-3
//   f'    2.668 ULP  at -0x1.7d33cp+3:  got -0x1.d4bd52p-101, want -0x1.d4bd57563f51fp-101
//   f''   2.699 ULP  at 0x1.56374cp+3:  got -0x1.fbc0f8p-78,  want -0x1.fbc0f29a48e2bp-78
// f(-inf) = -0, and so are the limits of f' at -inf and of f'' at both ends.
#include <array>

#include "csrc/math/coarse.h"
#include "csrc/math/exp.h"
#include "csrc/math/parameter.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// Polynomials: N; a exp(a^2/2) Phi(-a) in (a - kTailCenter) / (a + kTailCenter); (exp(a^2/2) Phi(-a) - 1/2) / z
// in z = a / (a + kSlopeScale), which is 0 with a, so that f' keeps its digits there, and near its root little is
// rounded. The center and the scale are such that the constant terms are nearly numbers of the format.
// scripts/coefficients makes the rest; slope makes up for the rounding of kPeak.
template <class Real>
struct GeluTable;

template <>
struct GeluTable<float> {
  // From kNear on the form of the tail is the more exact one; beyond kTail all is 0.
  static constexpr float kNear = 0.91f, kTail = 15.f;
  static constexpr float kTailCenter = 2.23828125f, kSlopeScale = 2.615234375f;
  template <class T>
  static ACTINIUM_HD T near(T y) {
    return horner(y, 0x1.98845p-2f, -0x1.105724p-4f, 0x1.469a6ap-7f, -0x1.32d128p-10f, 0x1.8fa45cp-14f);
  }
  template <class T>
  static ACTINIUM_HD T tail(T z) {
    return horner(z, 0x1.619aeep-2f, 0x1.3a02f6p-3f, -0x1.39a39ep-3f, 0x1.b2f2fep-5f, 0x1.2c5538p-7f, -0x1.0600cp-7f,
                  -0x1.4ff612p-9f, 0x1.38834ep-10f, 0x1.c0522cp-11f, -0x1.3590e2p-12f);
  }
  template <class T>
  static ACTINIUM_HD T slope(T z) {
    return horner(z, -0x1.0b177ap0f, 0x1.55407ep-1f, -0x1.c7a57ap-10f, -0x1.097012p-3f, -0x1.28d928p-6f,
                  -0x1.5b7ef4p-6f, 0x1.4c8f5ep-4f, -0x1.144f88p-5f);
  }
};

template <>
struct GeluTable<double> {
  static constexpr double kNear = 0.91, kTail = 39;
  static constexpr double kTailCenter = 3.6796875, kSlopeScale = 4.46875;
  template <class T>
  static ACTINIUM_HD T near(T y) {
    return horner(y, 0x1.9884533d43651p-2, -0x1.1058377e2cf6ep-4, 0x1.46d042976fbe7p-7, -0x1.37403f6df1e8fp-10,
                  0x1.e42b0e385e619p-14, -0x1.3ce915d71c181p-17, 0x1.658e248753ceep-21, -0x1.6282a49449618p-25,
                  0x1.3dfbc4d8bebb2p-29, -0x1.2514db92be613p-33, 0x1.4289a875ed3cap-37);
  }
  template <class T>
  static ACTINIUM_HD T tail(T z) {
    return horner(z, 0x1.7f5aae1366074p-2, 0x1.553146d5be858p-4, -0x1.ea4f42946ea35p-4, 0x1.9c005bdacbacp-4,
                  -0x1.c2bca6892fb7dp-5, 0x1.1adc93f993cc4p-6, -0x1.0b9be6eb18fefp-11, -0x1.e9e227215d717p-10,
                  0x1.a54f0f1bff8e7p-12, 0x1.cd492fee3538ap-13, -0x1.33e4bf8a24c8ap-14, -0x1.2d920eda81952p-15,
                  0x1.740212571839ep-17, 0x1.fb6cfcb83f6a2p-18, -0x1.34936816bd3dfp-20, -0x1.c89da978b634ap-20,
                  -0x1.a12a2c2061733p-24, 0x1.76442cc096415p-22, 0x1.c3e755b7311abp-24, -0x1.e6947d00af533p-25,
                  -0x1.1caa77cafdce5p-25, 0x1.adbf27c89175fp-28, 0x1.22a259b97f7b2p-28);
  }
  template <class T>
  static ACTINIUM_HD T slope(T z) {
    return horner(z, -0x1.c863d4fe714a1p0, 0x1.9ad61580c7036p1, -0x1.d5212f86ceb68p1, 0x1.423a26e570d75p1,
                  -0x1.6e42a14905572p-1, -0x1.1bbcdb8dbd7c7p-2, 0x1.bec13f718e8eap-3, 0x1.d4a12bc28b99dp-5,
                  -0x1.cea65dfcd007cp-5, -0x1.b088df558e0e1p-6, 0x1.50b0402f550d6p-6, -0x1.ae2e298f0aa7ep-7,
                  0x1.bbf7421b6648dp-5, -0x1.971ba688cf845p-4, 0x1.044801d64d8f3p-3, -0x1.09341f884158cp-3,
                  0x1.887bffef281ccp-4, -0x1.79d9f0d088682p-5, 0x1.a3436797701c1p-7, -0x1.97bffb6e69baap-10);
  }
};

template <class T>
struct Gelu {
  static constexpr const char* kName = "gelu";
  static constexpr std::array<Parameter, 0> kParams{};

  explicit ACTINIUM_HD Gelu(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const T a = P::min(T(Table::kTail), P::abs(x)), y = a * a;
    const T tail = bell(a).times(Table::tail(rational(a, T(Table::kTailCenter))));
    const T far = P::fma(tail, T(-F::kDown), P::max(T(0), x));
    const T near = x * P::fma(x, Table::near(y), T(0.5));
    return P::select(P::gt(a, T(Table::kNear)), far, near);
  }

  ACTINIUM_HD T df(T x) const {
    const T a = P::min(T(Table::kTail), P::abs(x));
    const T z = P::div(a, a + T(Table::kSlopeScale));
    const T slope = P::fma(Table::slope(z), z, P::fma(T(-kPeak), a, T(0.5)));
    const T g = bell(a).times(slope) * T(F::kDown);
    return P::select(P::gt(x, T(0)), T(1) - g, g);
  }

  ACTINIUM_HD T d2f(T x) const {
    const T a = P::min(T(Table::kTail), P::abs(x));
    return bell(a).times(P::fnma(a, a, T(2)) * T(kPeak)) * T(F::kDown);
  }

 private:
  using P = Prim<T>;
  using Real = typename P::Real;
  using F = Format<Real>;
  using Table = GeluTable<Real>;
  static constexpr Real kPeak = Real(0.39894228040143267793994605993438L);  // phi(0)

  // exp(-a^2/2), lifted
  static ACTINIUM_HD Exp<T> bell(T a) {
    const T b = T(-0.5) * a;
    return exp_of_product(a, b, b * T(ExpTable<Real>::kPerLn2), T(exp_round(F::kLift)));
  }
  static ACTINIUM_HD T rational(T a, T center) { return P::div(a - center, a + center); }
};

// exp(a^2/2) Phi(-a) by a polynomial in t = 1 / (1 + a / kScale).
template <bool kWide, class V>
struct Gelu<Coarse<kWide, V>> {
  using T = Coarse<kWide, V>;

  explicit ACTINIUM_HD Gelu(const double* /*params*/) {}

  ACTINIUM_HD T f(T x) const {
    const T a = P::min(T(kTail), P::abs(x));
    return P::max(T(0), x) - bell(a).times(a * tail(a));
  }

  ACTINIUM_HD T df(T x) const {
    const T a = P::min(T(kTail), P::abs(x));
    const T g = bell(a).times(P::fma(T(-kPeak), a, tail<!kWide>(a)));
    return P::select(P::gt(x, T(0)), T(1) - g, g);
  }

  ACTINIUM_HD T d2f(T x) const {
    const T a = P::min(T(kTail), P::abs(x));
    return bell(a).times(P::fnma(a, a, T(2)) * T(kPeak));
  }

 private:
  using P = Prim<T>;
  using Exp = CoarseExp<kWide, V>;
  static constexpr float kTail = 15.f, kScale = 2.5f, kPeak = 0.39894228040143267793994605993438f;

  static ACTINIUM_HD Exp bell(T a) { return Exp::of_product(a, T(-0.5f) * a, T(-0.5f * Exp::kUnit) * a); }
  // kClose: for a difference, near whose root 11 digits would show the instruction's error.
  template <bool kClose = false>
  static ACTINIUM_HD T tail(T a) {
    const T d = P::fma(a, T(1 / kScale), T(1));
    const T t = P::reciprocal(d);
    return coarse_tail(kClose ? P::fma(P::fnma(d, t, T(1)), t, t) : t);
  }
  static ACTINIUM_HD T coarse_tail(T t) {
    return horner(t, -0x1.64e9fp-17f, 0x1.476cb2p-3f, 0x1.3f9286p-3f, 0x1.41f6e6p-3f, -0x1.271e66p-7f, 0x1.f63ee2p-3f,
                  -0x1.78b93cp-2f, 0x1.944cc2p-3f, -0x1.3e5f26p-5f);
  }
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
