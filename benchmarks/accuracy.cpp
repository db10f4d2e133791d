// How far the activations are from the exact values, and how long one takes: of every float32, bfloat16 and float16
// there is, and of samples of float64.
//
// It includes the formulas and nothing of torch but its vectors, and is compiled once per CPU capability, with the
// flags of csrc/cpu/kernels. Prints, for each op and pass, the worst input, what was got, what was wanted and the error
// in units in the last place; for derivatives, the error also as a share of the bound (4 ULP, or 2^-23 where |x| <= 8;
// float64: 2^-52).
//
//   accuracy [--dtype float32|float64|bfloat16|float16] [--op NAME] [--pass 0|1|2] [--beta B]
//            [--step N]      every N-th float32          [--samples N]  of float64
//            [--from A --to B]  only inputs in [A, B]    [--speed]      nanoseconds per element instead
#include <algorithm>
#include <array>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#if defined(CPU_CAPABILITY_AVX2) || defined(CPU_CAPABILITY_AVX512)
#include "csrc/cpu/vec_prim.h"
#define ACTINIUM_LANES 1
#endif
#include "csrc/math/activations.h"
#include "tests/cpp/math/reference.h"

namespace {

using namespace actinium;

struct Options {
  std::string dtype = "float32", op;
  int pass = -1;
  double beta = 1, from = -INFINITY, to = INFINITY;
  uint64_t step = 1, samples = 1000000;
  bool speed = false;
};

#if defined(ACTINIUM_LANES)
template <class Real>
using Compute = at::vec::Vectorized<Real>;
#elif defined(CPU_CAPABILITY_DEFAULT)
template <class Real>
using Compute = double;
#else
template <class Real>
using Compute = Real;
#endif

template <int pass, class A, class T>
ACTINIUM_HD T evaluate(const A& activation, T x) {
  if constexpr (pass == 0) return activation.f(x);
  if constexpr (pass == 1) return activation.df(x);
  if constexpr (pass == 2) return activation.d2f(x);
}

// n a multiple of 16
template <template <class> class Activation, int pass, class Real>
__attribute__((noinline)) void run(const double* params, const Real* x, Real* y, int64_t n) {
  using T = Compute<Real>;
  const Activation<T> activation(params);
#if defined(ACTINIUM_LANES)
  for (int64_t i = 0; i < n; i += T::size()) evaluate<pass>(activation, T::loadu(x + i)).store(y + i);
#else
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Real>(evaluate<pass>(activation, static_cast<T>(x[i])));
#endif
}

template <class R>
R exact(const std::string& op, int pass, R x, double beta) {
  if (op == "mish") return reference::mish(pass, x);
  if (op == "swish") return reference::swish(pass, x, R(beta));
  if (op == "gelu_tanh") return reference::gelu_tanh(pass, x);
  return reference::selu(pass, x);
}

struct Worst {
  double share = -1, ulp = 0, x = 0, got = 0, want = 0;
  void take(double s, double u, double x_, double got_, double want_) {
    if (s > share) *this = {s, u, x_, got_, want_};
  }
  void print(const char* what) const {
    if (share >= 0)
      std::printf("  %-6s %7.3f of bound, %9.3f ULP at %a (%.9g): got %a (%.9g), want %a\n", what, share, ulp, x, x,
                  got, got, want);
  }
};

// A half type as a float: rounds to nearest even.
template <int kMantissa, int kMinExponent>
float round_half(float v) {
  if (!std::isfinite(v) || v == 0) return v;
  const int exponent = std::max(std::ilogb(v), kMinExponent);
  const double unit = std::ldexp(1.0, exponent - kMantissa);
  const double r = std::nearbyint(v / unit) * unit;
  const double max = kMantissa == 7 ? 0x1.fep127 : 65504;
  return std::fabs(r) > max ? std::copysign(INFINITY, v) : static_cast<float>(r);
}

float from_bits(uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, 4);
  return v;
}

constexpr int64_t kBlock = 1 << 12;

template <template <class> class Activation, int pass>
void check(const Options& o) {
  const std::string op = Activation<float>::kName;
  if ((!o.op.empty() && o.op != op) || (o.pass >= 0 && o.pass != pass)) return;
  double params[1] = {o.beta};
  if (o.dtype != "float64") params[0] = static_cast<float>(o.beta);

  if (o.speed) {
    const auto time = [&](auto zero) {
      using Real = decltype(zero);
      std::vector<Real> x(1 << 13), y(1 << 13);
      std::mt19937 random(1);
      std::normal_distribution<double> normal(0, 3);
      for (Real& v : x) v = static_cast<Real>(normal(random));
      double best = 1e30;
      for (int repeat = 0; repeat < 400; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        for (int k = 0; k < 8; ++k) run<Activation, pass>(params, x.data(), y.data(), x.size());
        const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
        best = std::min(best, took.count() / (8 * x.size()));
      }
      std::printf("%-10s pass %d %s: %.3f ns per element\n", op.c_str(), pass, o.dtype.c_str(), best);
    };
    if (o.dtype == "float64") {
      time(double{});
    } else {
      time(float{});
    }
    return;
  }

  Worst middle, tail;
  uint64_t count = 0;
  // share of the bound
  const auto judge = [&](double x, double ulp, double error, double got, double want, double bound) {
    ++count;
    double share = ulp / bound;
    const bool far = std::fabs(x) > 8;
    if (pass > 0 && !far) share = std::min(share, error / 0x1p-23);
    (far ? tail : middle).take(share, ulp, x, got, want);
  };

  if (o.dtype == "float64") {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> unit(0, 1);
    std::vector<double> x(kBlock), y(kBlock);
    for (uint64_t done = 0; done < o.samples; done += kBlock) {
      for (double& v : x) {
        do {
          const double u = unit(random);
          switch (random() % 6) {
            case 0: {  // any double
              const uint64_t bits = random();
              std::memcpy(&v, &bits, 8);
              break;
            }
            case 1:
              v = 16 * u - 8;
              break;
            case 2:
              v = 100 * u - 50;
              break;
            case 3:
              v = -800 * u;
              break;
            case 4:  // towards the last values that are not 0
              v = (op == "gelu_tanh" ? -19 - 3 * u : -700 - 60 * u) / (op == "swish" ? o.beta : 1);
              break;
            default:
              v = std::copysign(std::exp(-40 * u), u - 0.5);
          }
        } while (std::isnan(v) || v < o.from || v > o.to);
      }
      run<Activation, pass>(params, x.data(), y.data(), kBlock);
      for (int64_t i = 0; i < kBlock; ++i) {
        const __float128 want = exact<__float128>(op, pass, x[i], params[0]);
        const double u = reference::ulp(y[i], want);
        judge(x[i], u, static_cast<double>(fabsq(want - y[i])) / 0x1p-29, y[i], static_cast<double>(want), 4);
      }
    }
  } else {
    const bool half = o.dtype != "float32";
    const bool bfloat = o.dtype == "bfloat16";
    const uint64_t end = half ? 1 << 16 : uint64_t(1) << 32;
    std::vector<float> x(kBlock), y(kBlock);
    for (uint64_t next = 0; next < end;) {
      int64_t n = 0;
      for (; n < kBlock && next < end; next += half ? 1 : o.step) {
        float v;
        if (!half) {
          v = from_bits(static_cast<uint32_t>(next));
        } else if (bfloat) {
          v = from_bits(static_cast<uint32_t>(next << 16));
        } else {
          v = static_cast<float>(std::ldexp(static_cast<double>(next & 0x3ff) + (next & 0x7c00 ? 1024 : 0),
                                            std::max<int>((next >> 10) & 31, 1) - 25));
          if ((next & 0x7c00) == 0x7c00) v = next & 0x3ff ? NAN : INFINITY;
          if (next & 0x8000) v = -v;
        }
        if (!(v < o.from || v > o.to)) x[n++] = v;
      }
      run<Activation, pass>(params, x.data(), y.data(), kBlock);
      for (int64_t i = 0; i < n; ++i) {
        if (std::isnan(x[i])) {
          if (!std::isnan(y[i])) judge(x[i], INFINITY, INFINITY, y[i], NAN, 1);
          continue;
        }
        const double want = exact<double>(op, pass, x[i], params[0]);
        if (!half) {
          judge(x[i], reference::ulp(y[i], want), std::fabs(want - y[i]), y[i], want, pass == 0 ? 2 : 4);
        } else if (bfloat) {
          const float got = round_half<7, -126>(y[i]);
          judge(x[i], reference::ulp(got, want, 7, -126, 0x1.fep127), INFINITY, got, want, 0.501);
        } else {
          const float got = round_half<10, -14>(y[i]);
          judge(x[i], reference::ulp(got, want, 10, -14, 65504.0), INFINITY, got, want, 0.501);
        }
      }
    }
  }
  std::printf("%s pass %d %s (%" PRIu64 " inputs)\n", op.c_str(), pass, o.dtype.c_str(), count);
  middle.print("|x|<=8");
  tail.print("|x|>8");
  std::fflush(stdout);
}

template <template <class> class Activation>
void check_all(const Options& o) {
  check<Activation, 0>(o);
  check<Activation, 1>(o);
  check<Activation, 2>(o);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--speed") {
      o.speed = true;
      continue;
    }
    if (i + 1 == argc) {
      std::fprintf(stderr, "%s needs a value\n", name.c_str());
      return 2;
    }
    const char* value = argv[++i];
    if (name == "--dtype")
      o.dtype = value;
    else if (name == "--op")
      o.op = value;
    else if (name == "--pass")
      o.pass = std::atoi(value);
    else if (name == "--beta")
      o.beta = std::strtod(value, nullptr);
    else if (name == "--from")
      o.from = std::strtod(value, nullptr);
    else if (name == "--to")
      o.to = std::strtod(value, nullptr);
    else if (name == "--step")
      o.step = std::strtoull(value, nullptr, 10);
    else if (name == "--samples")
      o.samples = std::strtoull(value, nullptr, 10);
    else {
      std::fprintf(stderr, "unknown option %s\n", name.c_str());
      return 2;
    }
  }
#define ACTINIUM_CHECK(Name) check_all<math::Name>(o);
  ACTINIUM_ACTIVATIONS(ACTINIUM_CHECK)
}
