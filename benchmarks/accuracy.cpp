// Measures how far f, f' and f'' of an activation are from the exact values, ours and the builtin's, for one chunk of
// inputs, and prints what it found as one JSON object. benchmarks/accuracy.py cuts the work into chunks and gathers the
// results; scripts/accuracy runs it.
//
//   accuracy --op mish|swish|...|dice --dtype float32|bfloat16|float16 --first BITS --count N [--step S]
//   accuracy --op mish|swish|...      --dtype float64                  --seed S     --count N
//            [--beta B]
//
// The inputs are N bit patterns, every S-th from --first on, or N random float64. The instruction set is the one that
// ATEN_CPU_CAPABILITY names, for ours and for the builtin. Operators are called as users call them: the derivatives
// come from autograd, which runs the backward and the double backward with gradients of 1, and what is measured is what
// they stored in that dtype.
//
// An error is a share of the bound that the project promises, 1 where it is just met:
//   float32         f 2 ULP; f' and f'' 4 ULP or, where |beta x| <= 8, 2^-23 (f'': times |beta|)
//   float64         4 ULP; derivatives, where |beta x| <= 8, or 2^-52 (f'': times |beta|)
//   half types      0.501 ULP
//   dice            4 units of the sum of the magnitudes of its terms (see csrc/math/dice.h); half types: 0.5 ULP more
// NaN, infinity and zero where the exact value is none (zero: where it is a normal number) are infinitely many ULP.
//
// Two references. Every input is screened with one that is fast: vectorized double for float32 and the half types,
// which is 2^-20 of their ULP off at most; long double for float64, 0.01 ULP. An input that could be the worst, by the
// margin of the screen, is measured again with tests/cpp/math/reference.h in double or __float128, and that is what
// counts. The program ends with an error where the two differ by more than the margin.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <actinium/actinium.h>
#include <quadmath.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/cpp/math/reference.h"

// The best instruction set of the machine for the reference, whatever is measured.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ACTINIUM_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ACTINIUM_CLONES
#endif
#define ACTINIUM_INLINE inline __attribute__((always_inline))

namespace {

using namespace actinium;
using at::Tensor;
using Quad = __float128;
using Wide = long double;

constexpr int kPasses = 3;
constexpr int64_t kBlock = 1 << 15;
constexpr double kInf = std::numeric_limits<double>::infinity();

template <class To, class From>
ACTINIUM_INLINE To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

// A condition is a mask of all bits, and a choice is made of bits, so that the compiler can make vectors of loops.
ACTINIUM_INLINE int64_t mask(bool condition) { return condition ? -1 : 0; }
template <class R>
ACTINIUM_INLINE R select(int64_t mask, R yes, R no) {
  if constexpr (sizeof(R) == 8) {
    return bit_cast<R>((bit_cast<int64_t>(yes) & mask) | (bit_cast<int64_t>(no) & ~mask));
  } else {
    return mask ? yes : no;
  }
}
template <class R>
ACTINIUM_INLINE R magnitude(R v) {
  if constexpr (sizeof(R) == 8) {
    return bit_cast<R>(bit_cast<int64_t>(v) & std::numeric_limits<int64_t>::max());
  } else {
    return v < 0 ? -v : v;
  }
}

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "accuracy: %s\n", message.c_str());
  std::exit(2);
}

// ------------------------------------------------------------------------------------------------------- the screen

// exp(-a) and expm1(-a) for a >= 0, within 2 ULP. Below exp(-700) nothing is a float any more.
template <class R>
struct Decay {
  R e, less_one;
};

// 1 / factorial + r / next factorial + ...
ACTINIUM_INLINE double taylor(double, double factorial) { return 1 / factorial; }
template <class... More>
ACTINIUM_INLINE double taylor(double r, double factorial, More... more) {
  return taylor(r, more...) * r + 1 / factorial;
}

ACTINIUM_INLINE Decay<double> decay(double a) {
  const double y = select(mask(a < 700), -a, -700.);
  const double u = y * 0x1.71547652b82fep0 + 0x1.8p52;
  const double n = u - 0x1.8p52;
  const double r = (y - n * 0x1.62e42fefa3p-1) - n * 0x1.3de6af278ece6p-42;
  const double q =
      taylor(r, 2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800, 39916800, 479001600, 6227020800, 87178291200);
  const double p = q * r * r + r;
  const double scale = bit_cast<double>((bit_cast<uint64_t>(u) + 1023) << 52);
  return {scale * p + scale, scale * p + (scale - 1)};
}

// The argument comes with what its rounding to long double left, which would count |a| times.
ACTINIUM_INLINE Decay<Wide> decay(Quad a) {
  const Wide high = static_cast<Wide>(a);
  const Wide rest = static_cast<Wide>(a - high);
  return {std::exp(-high) * (1 - rest), std::expm1(-high) - rest * std::exp(-high)};
}

template <class R>
struct Values {
  R f, df, d2f;
};

// x sigmoid(v), with e = exp(-|v|) and the derivatives of v
template <class R>
ACTINIUM_INLINE Values<R> gate(int64_t right, R x, R e, R v1, R v2) {
  const R large = 1 / (1 + e), small = e * large;
  const R s = select(right, large, small), c = select(right, small, large);
  return {x * s, s * (1 + x * c * v1), s * c * (2 * v1 + x * v2 + x * v1 * v1 * (c - s))};
}

// A: in what the argument of the exponential is computed
template <class R, class A>
ACTINIUM_INLINE Values<R> swish(R x, double beta) {
  const A v = A(beta) * A(x);
  return gate<R>(mask(v > 0), x, decay(magnitude(v)).e, R(beta), R(0));
}

template <class R, class A>
ACTINIUM_INLINE Values<R> gelu_tanh(R x, double) {
  constexpr Quad k = 1.59576912160573071175978423973752747Q, b = 0.044715Q;  // 2 sqrt(2 / pi)
  const A v = A(k) * A(x) * (1 + A(b) * A(x) * A(x));
  return gate<R>(mask(v > 0), x, decay(magnitude(v)).e, R(k) * (1 + 3 * R(b) * x * x), 6 * R(k) * R(b) * x);
}

template <class R, class A>
ACTINIUM_INLINE Values<R> quick_gelu(R x, double) {
  constexpr Quad beta = 1.702Q;
  const A v = A(beta) * A(x);
  return gate<R>(mask(v > 0), x, decay(magnitude(v)).e, R(beta), R(0));
}

// The normal distribution at -a: its value, and exp(-a^2/2).
template <class R>
struct Normal {
  R below, bell;
};
ACTINIUM_INLINE Normal<double> normal(double a) { return {std::erfc(a / std::sqrt(2.)) / 2, decay(a * a / 2).e}; }
ACTINIUM_INLINE Normal<Wide> normal(Quad a) {
  const Wide bell = decay(a * a / 2).e;
  const Quad t = a / sqrtq(2);
  const Wide high = static_cast<Wide>(t), rest = static_cast<Wide>(t - high);
  return {(std::erfc(high) - 2 / std::sqrt(static_cast<Wide>(M_PIq)) * bell * rest) / 2, bell};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> gelu(R x, double) {
  const Normal<R> n = normal(A(magnitude(x)));
  const R cdf = select(mask(x > 0), 1 - n.below, n.below);
  const R density = n.bell * R(0.398942280401432677939946059934381868Q);
  return {x * cdf, cdf + x * density, density * (2 - x * x)};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> sigmoid(R x, double) {
  const int64_t right = mask(x > 0);
  const Decay<R> d = decay(A(magnitude(x)));
  const R large = 1 / (1 + d.e), small = d.e * large, slope = large * small;
  const R turn = d.less_one * large;  // -tanh(|x| / 2)
  return {select(right, large, small), slope, slope * select(right, turn, -turn)};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> tanh(R x, double) {
  const int64_t right = mask(x > 0);
  const Decay<R> d = decay(2 * A(magnitude(x)));
  const R large = 1 / (1 + d.e), t = -d.less_one * large, slope = 4 * d.e * large * large;
  const R y = select(right, t, -t);
  return {select(mask(x == 0), x, y), slope, -2 * y * slope};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> elu(R x, double) {
  const int64_t right = mask(x > 0);
  const Decay<R> left = decay(A(select(right, R(0), -x)));
  return {select(right, x, select(mask(x == 0), x, left.less_one)), select(right, R(1), left.e),
          select(right, R(0), left.e)};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> leaky_relu(R x, double slope) {
  const int64_t right = mask(x > 0);
  return {select(right, x, R(slope) * x), select(right, R(1), R(slope)), R(0)};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> relu(R x, double) {
  const int64_t right = mask(x > 0);
  return {select(right, x, select(mask(x == 0), x, R(0))), select(right, R(1), R(0)), R(0)};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> mish(R x, double) {
  const int64_t right = mask(x > 0);
  const R e = decay(A(magnitude(x))).e;
  const R n = select(right, 1 + 2 * e, e * (e + 2));
  const R d = select(right, 1 + 2 * e * (1 + e), 2 + e * (e + 2));
  const R inverse = 1 / (d * (1 + e));
  const R per_d = inverse * (1 + e), large = inverse * d, small = e * large;
  const R t = n * per_d;
  const R w = select(right, large, small), c = select(right, small, large);
  const R root = select(right, 2 * e, R(2)) * (1 + e) * per_d;
  const R t1 = root * root * w;  // (1 - t^2) sigmoid(x)
  return {x * t, t + x * t1, t1 * (2 + x * (c - 2 * t * w))};
}

template <class R, class A>
ACTINIUM_INLINE Values<R> selu(R x, double) {
  constexpr Quad lambda = 1.0507009873554804934193349852946Q, alpha = 1.6732632423543772848170429916717Q;
  const int64_t right = mask(x > 0);
  const Decay<R> left = decay(A(select(right, R(0), -x)));
  const R slope = R(lambda * alpha) * left.e;
  return {select(right, R(lambda) * x, select(mask(x == 0), x, R(lambda * alpha) * left.less_one)),
          select(right, R(lambda), slope), select(right, R(0), slope)};
}

// Beyond |beta x| = 1000 there are only limits: f(x) is slope x or bottom.
template <class R>
struct Limits {
  R slope, bottom;
};
template <class R, class F>
ACTINIUM_INLINE Values<R> to_lines(double x, double beta, F function, Limits<R> to) {
  const int64_t far = mask(magnitude(beta * x) > 1000), right = mask(beta * x > 0);
  const Values<R> v = function(select(far, R(0), R(x)));
  return {select(far, select(right, to.slope * R(x), to.bottom), v.f), select(far, select(right, to.slope, R(0)), v.df),
          select(far, R(0), v.d2f)};
}
// The function is flat there.
template <class R, class F>
ACTINIUM_INLINE Values<R> to_flat(double x, double, F function, Limits<R>) {
  const int64_t far = mask(magnitude(x) > 1000);
  return function(select(far, select(mask(x > 0), R(1000), R(-1000)), R(x)));
}
// Nothing overflows.
template <class R, class F>
ACTINIUM_INLINE Values<R> everywhere(double x, double, F function, Limits<R>) {
  return function(R(x));
}

// screen_mish(const double*, ...) in vectors of double, and another in long double, for each activation, with what it
// is far out. What is no number stays none.
#define ACTINIUM_SCREEN(name, attributes, R, A, far, ...)                                                              \
  attributes void screen_##name(const double* __restrict x, double beta, int64_t n, R* __restrict f, R* __restrict df, \
                                R* __restrict d2f) {                                                                   \
    for (int64_t i = 0; i < n; ++i) {                                                                                  \
      const auto v = far<R>(                                                                                           \
          x[i], beta, [&](R in) { return name<R, A>(in, beta); }, Limits<R>{__VA_ARGS__});                             \
      const int64_t nan = mask(x[i] != x[i]);                                                                          \
      f[i] = select(nan, R(x[i]), v.f);                                                                                \
      df[i] = select(nan, R(x[i]), v.df);                                                                              \
      d2f[i] = select(nan, R(x[i]), v.d2f);                                                                            \
    }                                                                                                                  \
  }
#define ACTINIUM_SCREENS(name, ...)                                   \
  ACTINIUM_SCREEN(name, ACTINIUM_CLONES, double, double, __VA_ARGS__) \
  ACTINIUM_SCREEN(name, , Wide, Quad, __VA_ARGS__)
ACTINIUM_SCREENS(mish, to_lines, 1, 0)
ACTINIUM_SCREENS(swish, to_lines, 1, 0)
ACTINIUM_SCREENS(gelu, to_lines, 1, 0)
ACTINIUM_SCREENS(gelu_tanh, to_lines, 1, 0)
ACTINIUM_SCREENS(quick_gelu, to_lines, 1, 0)
ACTINIUM_SCREENS(selu, to_lines, 1.0507009873554804934193349852946L, -1.7580993408473768599402175208123L)
ACTINIUM_SCREENS(elu, to_lines, 1, -1)
ACTINIUM_SCREENS(relu, everywhere, 0, 0)
ACTINIUM_SCREENS(leaky_relu, everywhere, 0, 0)
ACTINIUM_SCREENS(sigmoid, to_flat, 0, 0)
ACTINIUM_SCREENS(tanh, to_flat, 0, 0)
#undef ACTINIUM_SCREENS
#undef ACTINIUM_SCREEN

// ----------------------------------------------------------------------------------------------- errors and bounds

// The format of a result, and what its error is a share of.
struct Measure {
  int pass;
  int mantissa, min_exponent;
  double max, smallest_normal;
  Wide overflow;              // half a unit above the largest number: from here on rounding gives infinity
  double per_ulps;            // 1 / the ULP allowed
  double near, per_absolute;  // where |x| <= near, an error of 1 / per_absolute is allowed, too
};

// 1 / the unit in the last place of want; an infinity has the smallest unit, as in reference::ulp.
ACTINIUM_INLINE double per_unit(double want, const Measure& m) {
  const int64_t biased = (bit_cast<int64_t>(want) >> 52) & 0x7ff;
  const int64_t least = m.min_exponent + 1023;
  const int64_t usual = mask(biased > least) & mask(biased != 0x7ff);
  const int64_t exponent = (biased & usual) | (least & ~usual);
  return bit_cast<double>((2046 + m.mantissa - exponent) << 52);
}
// That of float64 may be more than a double holds.
template <class R>
ACTINIUM_INLINE R per_unit(R want, const Measure& m) {
  const double near = static_cast<double>(want);
  const bool normal = std::isfinite(near) && near != 0;
  return std::ldexp(Wide(1), m.mantissa - (normal ? std::max(std::ilogb(near), m.min_exponent) : m.min_exponent));
}

// What no small error excuses: a zero for a normal number, and f(-0) = +0 where f(0) is 0.
template <class R>
ACTINIUM_INLINE int64_t wrong_zero(double x, double got, R want, const Measure& m) {
  const int64_t lost = mask(got == 0) & mask(magnitude(want) >= R(m.smallest_normal));
  const int64_t zeros = mask(m.pass == 0) & mask(x == 0) & mask(want == R(0));
  const int64_t signs_differ = mask((bit_cast<int64_t>(got) ^ bit_cast<int64_t>(x)) < 0);
  return lost | (zeros & signs_differ);
}

// |got - want|, infinite for a wrong infinity or NaN. An overflow is right where rounding overflows.
template <class R>
ACTINIUM_INLINE R error_of(double got, R want, const Measure& m) {
  const R size = magnitude(want);
  const int64_t same_sign = mask((got > 0) == (want > 0));
  const int64_t overflow = mask(magnitude(got) == kInf) & same_sign & mask(size >= R(m.overflow));
  const int64_t both_nan = mask(got != got) & mask(want != want);
  const R error = magnitude(R(got) - want);
  return select(overflow | both_nan, R(0), select(mask(error != error), R(kInf), error));
}

// The share of its bound that an error takes.
template <class R>
ACTINIUM_INLINE double share(double x, double got, R want, const Measure& m) {
  const R error = error_of(got, want, m);
  const double ulp = static_cast<double>(error * per_unit(want, m));
  const double of_ulps = select(wrong_zero(x, got, want, m), kInf, ulp * m.per_ulps);
  const double of_absolute = static_cast<double>(error) * m.per_absolute;
  return select(mask(magnitude(x) <= m.near) & mask(of_absolute < of_ulps), of_absolute, of_ulps);
}
ACTINIUM_CLONES void shares(const double* __restrict x, const double* __restrict got, const double* __restrict want,
                            int64_t n, const Measure& measure, double* __restrict out) {
  const Measure m = measure;
  for (int64_t i = 0; i < n; ++i) out[i] = share(x[i], got[i], want[i], m);
}
void shares(const double* x, const double* got, const Wide* want, int64_t n, const Measure& m, double* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = share(x[i], got[i], want[i], m);
}

// Of the shares where |x| <= 8, and of those beyond (NaN is here): the largest, and how many are above 1. Shares are
// not negative, so that their bits are ordered as they are, and a maximum of integers can be vectorized.
struct Region {
  int64_t largest = -1, beyond = 0, count = 0;
};
ACTINIUM_CLONES void summarize(const double* __restrict x, const double* __restrict shares, int64_t n,
                               Region* regions) {
  int64_t near = -1, far = -1, near_beyond = 0, beyond = 0, near_count = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t bits = bit_cast<int64_t>(shares[i]);
    const int64_t is_near = magnitude(x[i]) <= 8 ? -1 : 0;
    const int64_t is_beyond = shares[i] > 1 ? -1 : 0;
    const int64_t in_near = bits | ~is_near, in_far = bits | is_near;
    near = near > in_near ? near : in_near;
    far = far > in_far ? far : in_far;
    near_count -= is_near;
    near_beyond -= is_near & is_beyond;
    beyond -= is_beyond;
  }
  regions[0] = {near, near_beyond, near_count};
  regions[1] = {far, beyond - near_beyond, n - near_count};
}

// ------------------------------------------------------------------------------------------------------- operators

struct Task {
  std::string op, dtype;
  double beta = 1;
  uint64_t first = 0, count = 0, step = 1, seed = 0;
};

// What is measured: dice has no second derivative here.
int passes(const Task& task) { return task.op == "dice" ? 2 : kPasses; }

constexpr double kDiceAlpha = 0.25, kDiceEps = 1e-8;  // mean 0, variance 1

using Function = std::function<Tensor(const Tensor&)>;

// A pointwise op: ours and the builtin's, of the number that it takes, and its references.
struct Activation {
  const char* name;
  Tensor (*ours)(const Tensor& x, double number);
  Tensor (*builtin)(const Tensor& x, double number);
  void (*screen)(const double*, double, int64_t, double*, double*, double*);
  void (*wide_screen)(const double*, double, int64_t, Wide*, Wide*, Wide*);
  double (*exact)(int pass, double x, double number);
  Quad (*quad_exact)(int pass, Quad x, Quad number);
};
#define ACTINIUM_ACTIVATION(name, ours, builtin, exact)                                                       \
  Activation {                                                                                                \
#name, [](const Tensor& x, [[maybe_unused]] double number) { return ours; },                                \
        [](const Tensor& x, [[maybe_unused]] double number) { return builtin; }, screen_##name, screen_##name,  \
        [](int pass, double x, [[maybe_unused]] double number) -> double { return static_cast<double>(exact); }, \
        [](int pass, Quad x, [[maybe_unused]] Quad number) -> Quad { return exact; } \
  }
const Activation kActivations[] = {
    ACTINIUM_ACTIVATION(mish, actinium::mish(x), at::mish(x), reference::mish(pass, x)),
    ACTINIUM_ACTIVATION(swish, actinium::swish(x, number), number == 1 ? at::silu(x) : x * at::sigmoid(x * number),
                        reference::swish(pass, x, number)),
    ACTINIUM_ACTIVATION(gelu, actinium::gelu(x), at::gelu(x), reference::gelu(pass, x)),
    ACTINIUM_ACTIVATION(gelu_tanh, actinium::gelu_tanh(x), at::gelu(x, "tanh"), reference::gelu_tanh(pass, x)),
    ACTINIUM_ACTIVATION(quick_gelu, actinium::quick_gelu(x), x* at::sigmoid(x * 1.702),
                        reference::swish(pass, x, decltype(x)(1.702Q))),
    ACTINIUM_ACTIVATION(selu, actinium::selu(x), at::selu(x), reference::selu(pass, x)),
    ACTINIUM_ACTIVATION(elu, actinium::elu(x), at::elu(x), reference::elu(pass, x, decltype(x)(1))),
    ACTINIUM_ACTIVATION(relu, actinium::relu(x), at::relu(x), reference::leaky_relu(pass, x, decltype(x)(0))),
    ACTINIUM_ACTIVATION(leaky_relu, actinium::leaky_relu(x), at::leaky_relu(x), reference::leaky_relu(pass, x, number)),
    ACTINIUM_ACTIVATION(sigmoid, actinium::sigmoid(x), at::sigmoid(x), reference::sigmoid(pass, x)),
    ACTINIUM_ACTIVATION(tanh, actinium::tanh(x), at::tanh(x), reference::tanh(pass, x)),
};
#undef ACTINIUM_ACTIVATION

// Of dice there is none.
const Activation* find(const std::string& op) {
  const auto* found = std::find_if(std::begin(kActivations), std::end(kActivations),
                                   [&](const Activation& activation) { return activation.name == op; });
  return found == std::end(kActivations) ? nullptr : found;
}

// What the op takes beside its input, as the type in which it is computed holds it.
double number_of(const Task& task) {
  if (task.op == "leaky_relu") return task.dtype == "float64" ? 0.01 : static_cast<double>(0.01f);
  return task.beta;
}

// The bounds of derivatives and the random inputs go by beta x.
double steepness(const Task& task) { return task.op == "quick_gelu" ? 1.702 : task.beta; }

void screen(const Task& task, const double* x, int64_t n, std::vector<double>* want) {
  find(task.op)->screen(x, number_of(task), n, want[0].data(), want[1].data(), want[2].data());
}
void screen(const Task& task, const double* x, int64_t n, std::vector<Wide>* want) {
  find(task.op)->wide_screen(x, number_of(task), n, want[0].data(), want[1].data(), want[2].data());
}

std::array<Function, 2> implementations(const Task& task, at::ScalarType dtype) {
  if (const Activation* activation = find(task.op)) {
    const double number = task.beta;
    return {[=](const Tensor& x) { return activation->ours(x, number); },
            [=](const Tensor& x) { return activation->builtin(x, number); }};
  }
  const Tensor alpha = at::full({1}, kDiceAlpha, at::kFloat), mean = at::zeros({1}, at::kFloat),
               var = at::ones({1}, at::kFloat);
  return {[=](const Tensor& x) {
            return actinium::dice(x.view({-1, 1}), alpha, mean, var, /*training=*/false, 0.1, kDiceEps).view({-1});
          },
          [=](const Tensor& x) {
            const Tensor p = at::sigmoid((x - mean.to(dtype)) / at::sqrt(var.to(dtype) + kDiceEps));
            return p * x + (1 - p) * alpha.to(dtype) * x;
          }};
}

// f, f' and f'' of every x, as float64.
std::vector<Tensor> evaluate(const Function& function, const Tensor& x, int passes) {
  const Tensor leaf = x.detach().requires_grad_();
  const Tensor ones = at::ones_like(x);
  std::vector<Tensor> values{function(leaf)};
  while (static_cast<int>(values.size()) < passes) {
    const bool again = static_cast<int>(values.size()) + 1 < passes;
    values.push_back(torch::autograd::grad({values.back()}, {leaf}, {ones}, again, again)[0]);
  }
  for (Tensor& v : values) v = v.detach().to(at::kDouble);
  return values;
}

// ---------------------------------------------------------------------------------------------------- what is found

struct Worst {
  double share = -1, ulp = 0, x = 0, got = 0;
  std::string want = "0x0p+0";
};
struct Found {
  int64_t count = 0, beyond = 0;
  Worst worst;
};
// Of one implementation.
struct Findings {
  Found passes[kPasses][2];                                 // |x| <= 8, the tails
  std::map<uint64_t, std::array<double, kPasses>> binades;  // the largest share by a binade's first bit pattern
};

std::string hexadecimal(double v) {
  char text[64];
  std::snprintf(text, sizeof(text), "%a", v);
  return text;
}
std::string hexadecimal(Quad v) {
  char text[96];
  quadmath_snprintf(text, sizeof(text), "%.17Qa", v);
  return text;
}

// What counts: one input, measured with the reference.
template <class R>
R reference_of(const Task& task, int pass, double x) {
  if constexpr (sizeof(R) == sizeof(double)) {
    return find(task.op)->exact(pass, x, number_of(task));
  } else {
    return find(task.op)->quad_exact(pass, x, number_of(task));
  }
}

template <class S>
struct Settling;  // the reference that a screen's values are settled with, and the screen's margin as a share
template <>
struct Settling<double> {
  using Reference = double;
  static constexpr double kMargin = 0x1p-20;
};
template <>
struct Settling<Wide> {
  using Reference = Quad;
  static constexpr double kMargin = 0.01;
};

// Below this share an input is not worth a second measurement.
constexpr double kSmall = 0.02;

template <class S>
Worst settle(const Task& task, const Measure& m, double x, double got, S screened) {
  using R = typename Settling<S>::Reference;
  const R want = reference_of<R>(task, m.pass, x);
  const R off = magnitude(want - R(screened));
  const double margin = Settling<S>::kMargin;
  if ((want == want) != (screened == screened)) fail("one reference is not a number at " + hexadecimal(x));
  if (off * per_unit(want, m) * m.per_ulps > margin && !(std::fabs(x) <= m.near && off * m.per_absolute <= margin)) {
    fail("the references differ: " + task.op + " pass " + std::to_string(m.pass) + " at " + hexadecimal(x) + ": " +
         hexadecimal(static_cast<double>(screened)) + " and " + hexadecimal(want));
  }
  const double ulp = wrong_zero(x, got, want, m) || error_of(got, want, m) == R(kInf)
                         ? kInf
                         : reference::ulp(got, want, m.mantissa, m.min_exponent, R(m.max));
  return {share(x, got, want, m), ulp, x, got, hexadecimal(want)};
}

// Adds a block: x, what an implementation got, what the screen wanted, and its shares.
template <class S, class Settle>
void add(Found* found, const double* x, const double* got, const S* want, const double* shares, int64_t n,
         Settle settle) {
  Region regions[2];
  summarize(x, shares, n, regions);
  for (int r = 0; r < 2; ++r) {
    Found& to = found[r];
    to.count += regions[r].count;
    to.beyond += regions[r].beyond;
    const auto threshold = [&] {
      return to.worst.share < 0 ? -1 : std::max(to.worst.share - Settling<S>::kMargin, kSmall);
    };
    if (regions[r].count == 0 || bit_cast<double>(regions[r].largest) <= threshold()) continue;
    double last_got = kInf;
    S last_want = 0;
    for (int64_t i = 0; i < n; ++i) {
      const bool far = !(std::fabs(x[i]) <= 8);
      if (far != (r == 1) || shares[i] <= threshold() || (got[i] == last_got && want[i] == last_want)) continue;
      last_got = got[i];
      last_want = want[i];
      const Worst settled = settle(x[i], got[i], want[i]);
      if (settled.share > to.worst.share) to.worst = settled;
    }
  }
}

// ---------------------------------------------------------------------------------------------------------- inputs

struct DType {
  const char* name;
  at::ScalarType type;
  int bits, mantissa, min_exponent;
  double max;
};
constexpr DType kDTypes[] = {
    {"float32", at::kFloat, 32, 23, -126, 0x1.fffffep127},
    {"float64", at::kDouble, 64, 52, -1022, std::numeric_limits<double>::max()},
    {"bfloat16", at::kBFloat16, 16, 7, -126, 0x1.fep127},
    {"float16", at::kHalf, 16, 10, -14, 65504},
};

Measure measure_of(const Task& task, const DType& dtype, int pass) {
  const bool half = dtype.bits == 16;
  const bool derivative = pass > 0 && !half;
  return {pass,
          dtype.mantissa,
          dtype.min_exponent,
          dtype.max,
          std::ldexp(1, dtype.min_exponent),
          dtype.max + std::ldexp(Wide(1), std::ilogb(dtype.max) - dtype.mantissa - 1),
          half                            ? 1 / 0.501
          : pass == 0 && dtype.bits == 32 ? 0.5
                                          : 0.25,
          derivative ? 8 / std::fabs(steepness(task)) : -1,
          std::ldexp(pass == 2 ? 1 / std::fabs(steepness(task)) : 1, dtype.mantissa)};
}

// The bit patterns from first on, to the end or that of their binade; returns how many there are.
int64_t fill(Tensor& x, uint64_t first, uint64_t end, uint64_t step, const DType& dtype) {
  end = std::min(end, ((first >> dtype.mantissa) + 1) << dtype.mantissa);
  const int64_t n = static_cast<int64_t>(std::min((end - first + step - 1) / step, uint64_t(kBlock)));
  const auto write = [&](auto* to) {
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<std::remove_reference_t<decltype(*to)>>(first + i * step);
  };
  if (dtype.bits == 32) {
    write(static_cast<uint32_t*>(x.data_ptr()));
  } else {
    write(static_cast<uint16_t*>(x.data_ptr()));
  }
  return n;
}

// Where f, f' or f'' is 0, by bisection.
std::vector<double> roots(const Task& task) {
  std::vector<double> found{0};
  for (int pass = 0; pass < kPasses; ++pass) {
    for (double x = -30; x < 30; x += 0.125) {
      double low = x / std::fabs(steepness(task)), high = (x + 0.125) / std::fabs(steepness(task));
      const auto positive = [&](double at) { return reference_of<double>(task, pass, at) > 0; };
      if (positive(low) == positive(high)) continue;
      for (int k = 0; k < 60; ++k) {
        const double middle = 0.5 * (low + high);
        (positive(middle) == positive(low) ? low : high) = middle;
      }
      found.push_back(low);
    }
  }
  return found;
}

// Random float64, dense where something happens.
void sample(const Task& task, const std::vector<double>& roots, std::mt19937_64& random, double* x, int64_t n) {
  // towards the last values that are not 0
  const double last = task.op == "gelu_tanh" ? -22 : task.op == "gelu" ? -39 : -760, range = last > -50 ? 3 : 60;
  const auto unit = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  for (int64_t i = 0; i < n; ++i) {
    const double u = unit();
    double v = 0;
    switch (random() % 8) {
      case 0:  // anything
        v = bit_cast<double>(random());
        break;
      case 1:  // either end: the largest numbers, the subnormals
        v = bit_cast<double>((random() & 1 ? uint64_t(0) : uint64_t(0x7fe) << 52) + (random() >> 12));
        v = u < 0.5 ? v : -v;
        break;
      case 2:
        v = (16 * u - 8) / steepness(task);
        break;
      case 3:
        v = (100 * u - 50) / steepness(task);
        break;
      case 4:
        v = -800 * u / steepness(task);
        break;
      case 5:
        v = (last + range * u) / steepness(task);
        break;
      case 6:  // 0, of every size
        v = std::copysign(std::exp2(-60 * u), unit() - 0.5);
        break;
      default: {
        const double root = roots[random() % roots.size()];
        v = root + std::copysign(std::exp2(-50 * u), unit() - 0.5);
      }
    }
    x[i] = v;
  }
}

// ------------------------------------------------------------------------------------------------------------ dice

// f and f' in evaluation, with the sum of the magnitudes of their terms, where the rounding of z counts |z| times in
// the gate.
struct Term {
  double want, size;
};
Term dice_term(int pass, double x) {
  const double r = 1 / std::sqrt(1 + kDiceEps), z = x * r, other = 1 - kDiceAlpha;
  if (std::isnan(x)) return {x, 1};
  if (std::fabs(z) > 1000) {
    const double slope = z > 0 ? 1 : kDiceAlpha;
    return {pass == 0 ? slope * x : slope, pass == 0 ? slope * std::fabs(x) : slope};
  }
  const reference::Logistic<double> gate(z);
  const double q = gate.s * gate.c, turn = std::fabs(z) * q;
  if (pass == 0) {
    return {gate.s * x + gate.c * kDiceAlpha * x, std::fabs(x) * (gate.s + turn + (gate.c + turn) * kDiceAlpha)};
  }
  return {kDiceAlpha + other * gate.s + r * x * other * q,
          kDiceAlpha + other * (gate.s + turn) + r * std::fabs(x) * other * (q + turn)};
}

// In units of the sum; the half types also round once, to units of the result.
Worst dice_error(const Measure& m, double x, double got) {
  const Term term = dice_term(m.pass, x);
  const bool half = m.mantissa < 23;
  const double single = 0x1p-23 * term.size + 0x1p-149;
  const double error = wrong_zero(x, got, term.want, m) ? kInf : error_of(got, term.want, m);
  const double of = half ? 1 / per_unit(term.want, m) : single;
  const double allowed = half ? 0.5 * of + 4 * single : 4 * of;
  if (error == 0) return {0, 0, x, got, hexadecimal(term.want)};
  return {error / allowed, error / of, x, got, hexadecimal(term.want)};
}

// ------------------------------------------------------------------------------------------------------------ runs

// Runs over the blocks that `next` fills in; it returns how many inputs and sets which binade they are of.
template <class S, class Next>
void run(const Task& task, const DType& dtype, std::array<Findings, 2>& findings, Next next) {
  const bool is_dice = task.op == "dice";
  const auto functions = implementations(task, dtype.type);
  Tensor x = at::empty({kBlock}, dtype.type);
  std::vector<S> want[kPasses];
  for (auto& w : want) w.resize(kBlock);
  std::vector<double> share(kBlock);
  uint64_t binade = 0;
  while (const int64_t n = next(x, binade)) {
    const Tensor inputs = x.narrow(0, 0, n);
    const Tensor wide = inputs.to(at::kDouble);
    const double* in = wide.const_data_ptr<double>();
    if (!is_dice) screen(task, in, n, want);
    for (size_t k = 0; k < functions.size(); ++k) {
      const std::vector<Tensor> values = evaluate(functions[k], inputs, passes(task));
      for (int pass = 0; pass < passes(task); ++pass) {
        const Measure m = measure_of(task, dtype, pass);
        const double* got = values[pass].const_data_ptr<double>();
        Found* found = findings[k].passes[pass];
        if (is_dice) {
          for (int64_t i = 0; i < n; ++i) share[i] = dice_error(m, in[i], got[i]).share;
          add(found, in, got, want[pass].data(), share.data(), n,
              [&](double x, double got, S) { return dice_error(m, x, got); });
        } else {
          shares(in, got, want[pass].data(), n, m, share.data());
          add(found, in, got, want[pass].data(), share.data(), n,
              [&](double x, double got, S want) { return settle(task, m, x, got, want); });
        }
        if (dtype.bits == 32) {
          double& largest = findings[k].binades[binade][pass];
          largest = std::max(largest, *std::max_element(share.begin(), share.begin() + n));
        }
      }
    }
  }
}

std::array<Findings, 2> run(const Task& task, const DType& dtype) {
  std::array<Findings, 2> findings;
  if (dtype.bits == 64) {
    std::mt19937_64 random(task.seed);
    const std::vector<double> dense = roots(task);
    uint64_t done = 0;
    run<Wide>(task, dtype, findings, [&](Tensor& x, uint64_t&) {
      const int64_t n = static_cast<int64_t>(std::min<uint64_t>(kBlock, task.count - done));
      sample(task, dense, random, x.mutable_data_ptr<double>(), n);
      done += n;
      return n;
    });
  } else {
    const uint64_t end = std::min(task.first + task.count * task.step, uint64_t(1) << dtype.bits);
    uint64_t at = task.first;
    run<double>(task, dtype, findings, [&](Tensor& x, uint64_t& binade) -> int64_t {
      if (at >= end) return 0;
      binade = at >> dtype.mantissa << dtype.mantissa;
      const int64_t n = fill(x, at, end, task.step, dtype);
      at += n * task.step;
      return n;
    });
  }
  return findings;
}

// ------------------------------------------------------------------------------------------------------------ main

// JSON, but for infinite numbers, which are written as Python reads them.
std::string number(double v) {
  if (std::isinf(v)) return "Infinity";
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", v);
  return text;
}

std::string json(const Found& f) {
  return "{\"count\": " + std::to_string(f.count) + ", \"beyond\": " + std::to_string(f.beyond) +
         ", \"share\": " + number(f.worst.share) + ", \"ulp\": " + number(f.worst.ulp) + ", \"x\": \"" +
         hexadecimal(f.worst.x) + "\", \"got\": \"" + hexadecimal(f.worst.got) + "\", \"want\": \"" + f.worst.want +
         "\"}";
}

std::string json(const Findings& findings, int passes) {
  std::string text = "{\"passes\": [";
  for (int pass = 0; pass < passes; ++pass) {
    text += (pass ? ", " : "") + ("{\"near\": " + json(findings.passes[pass][0])) +
            ", \"tail\": " + json(findings.passes[pass][1]) + "}";
  }
  text += "], \"binades\": {";
  const char* comma = "";
  for (const auto& [bits, shares] : findings.binades) {
    text += comma + ("\"" + std::to_string(bits)) + "\": [";
    for (int pass = 0; pass < passes; ++pass) text += (pass ? ", " : "") + number(shares[pass]);
    text += "]";
    comma = ", ";
  }
  return text + "}}";
}

Task parse(int argc, char** argv) {
  Task task;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) fail(name + " needs a value");
    const char* value = argv[i + 1];
    char* end = nullptr;
    const auto integer = [&] { return std::strtoull(value, &end, 0); };
    if (name == "--op") {
      task.op = value;
    } else if (name == "--dtype") {
      task.dtype = value;
    } else if (name == "--beta") {
      task.beta = static_cast<float>(std::strtod(value, &end));  // so that every dtype computes with the same
    } else if (name == "--first") {
      task.first = integer();
    } else if (name == "--count") {
      task.count = integer();
    } else if (name == "--step") {
      task.step = integer();
    } else if (name == "--seed") {
      task.seed = integer();
    } else {
      fail("unknown option " + name);
    }
    if (end != nullptr && (end == value || *end != 0)) fail(name + " must be a number, got " + value);
  }
  if (task.op != "dice" && find(task.op) == nullptr) fail("no op \"" + task.op + "\"");
  if (task.op == "dice" && task.dtype == "float64") fail("dice is measured in float32 and the half types");
  if (task.op != "swish" && task.beta != 1) fail("only swish has a beta");
  if (!std::isfinite(task.beta) || task.beta == 0) fail("--beta must be finite and not 0");
  if (task.count == 0 || task.step == 0) fail("--count and --step must be above 0");
  return task;
}

}  // namespace

int main(int argc, char** argv) {
  const Task task = parse(argc, argv);
  const auto* dtype =
      std::find_if(std::begin(kDTypes), std::end(kDTypes), [&](const DType& d) { return task.dtype == d.name; });
  if (dtype == std::end(kDTypes)) fail("no dtype \"" + task.dtype + "\"");
  at::set_num_threads(1);
  const auto findings = run(task, *dtype);
  std::printf("{\"capability\": \"%s\", \"ours\": %s, \"builtin\": %s}\n", at::get_cpu_capability().c_str(),
              json(findings[0], passes(task)).c_str(), json(findings[1], passes(task)).c_str());
}
