// The pointwise formulas against the bounds that their headers state, on every instruction set of this machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "csrc/math/activations.h"
#include "tests/cpp/math/rows.h"
#include "tests/cpp/math/targets.h"

namespace actinium::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float from_bits(uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, 4);
  return v;
}
uint32_t bits_of(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, 4);
  return bits;
}

// Every 997th float32 (7993rd where it is only beta that differs), and all around the boundaries, 0 and 1.
std::vector<float> sample(const Row& row) {
  std::vector<float> x;
  const uint64_t step = row.beta == 1 ? 997 : 7993;
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += step) x.push_back(from_bits(static_cast<uint32_t>(bits)));
  std::vector<float> around = row.boundaries;
  around.insert(around.end(), {1.f, -1.f, 8.f, -8.f});
  for (const float v : around) {
    for (int k = -2000; k <= 2000; ++k) x.push_back(from_bits(bits_of(v) + k));
  }
  for (uint32_t k = 0; k < 2000; ++k) {
    x.push_back(from_bits(k));
    x.push_back(from_bits(0x80000000u + k));
    x.push_back(from_bits(0x7f800000u - k));
    x.push_back(from_bits(0xff800000u - k));
  }
  return x;
}

// The share of its bound that an error takes. f is within 2 ULP (float64: 4), f' and f'' within 4 ULP or, where
// |beta x| <= 8, within one unit in the last place of 1 (f'' of swish: of beta).
template <class Real, class R>
double share(const Row& row, int pass, Real x, Real got, R want) {
  const bool single = sizeof(Real) == 4;
  double s = reference::ulp(got, want) / (pass == 0 && single ? 2 : 4);
  if (pass > 0 && std::fabs(row.beta * x) <= 8) {
    const double unit = (single ? 0x1p-23 : 0x1p-52) * (pass == 2 ? std::fabs(row.beta) : 1);
    s = std::min(s, static_cast<double>(want > got ? want - got : got - want) / unit);
  }
  return s;
}

TEST(Targets, AreTheExpectedOnes) {
  const char* expected = std::getenv("ACTINIUM_TEST_CAPABILITY");
  if (expected == nullptr) GTEST_SKIP() << "ctest says what to expect";
  EXPECT_EQ(targets().back()->name, std::string(expected));
}

// exp and expm1, which everything is made of, as this compiler's copy computes them.
template <class Real, class R>
void expect_exp_within_its_bound(const std::vector<Real>& inputs) {
  for (const Real x : inputs) {
    const math::Exp<Real> e = math::exp<Real>(x, Real(0));
    const Real exp = e.value(), expm1 = math::Prim<Real>::fma(e.scale, e.p, e.scale - 1);
    ASSERT_LE(reference::ulp(exp, reference::exp(R(x))), 1.1) << "exp, x = " << std::hexfloat << x;
    ASSERT_LE(reference::ulp(expm1, reference::expm1(R(x))), 2) << "expm1, x = " << std::hexfloat << x;
  }
}

TEST(Exp, IsWithinItsBound) {
  std::vector<float> single = sample(rows()[0]);
  single.erase(std::remove_if(single.begin(), single.end(), [](float x) { return !(x > -87.3f && x < 88.3f); }),
               single.end());
  expect_exp_within_its_bound<float, double>(single);
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> wide(-708, 709), power(-40, 0);
  std::vector<double> inputs;
  for (int k = 0; k < 50000; ++k) {
    const double small = std::exp(power(random));
    inputs.insert(inputs.end(), {wide(random), small, -small});
  }
  expect_exp_within_its_bound<double, __float128>(inputs);
}

// CUDA's division: from an approximation as bad as the instruction's may be, to the bits of a / b.
template <class Real>
void expect_division() {
  const auto expect = [](Real a, Real b, Real error) {
    using P = math::Prim<Real>;
    const Real y = P::approximate_reciprocal(b, error), got = P::div_from(a, b, y), want = a / b;
    ASSERT_TRUE(got == want && std::signbit(got) == std::signbit(want))
        << std::hexfloat << a << " / " << b << ": " << got << " from " << y;
  };
  std::mt19937_64 random(5);
  std::uniform_real_distribution<Real> mantissa(1, 2), off(-1, 1);
  for (int k = 0; k < 2000000; ++k) {
    // Every third quotient with the divisors that are the hardest: nearly 2.
    Real b = mantissa(random);
    if (k % 3 == 0) b = 2 - static_cast<Real>(random() % 64 + 1) * std::numeric_limits<Real>::epsilon();
    const Real a = k % 1000 == 0 ? 0 : std::ldexp(mantissa(random), static_cast<int>(random() % 40) - 20);
    for (const Real error : {Real(-1), Real(0), Real(1), off(random)}) {
      expect(k % 2 == 0 ? a : -a, b, error);
      expect(1, b, error);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  // What the upper half of the approximation comes to is exactly 1/2.
  for (Real b = 2; b > 2 - 1000 * std::numeric_limits<Real>::epsilon(); b = std::nextafter(b, Real(0))) {
    for (const Real a : {Real(1), Real(-1), Real(1.5), Real(3), Real(0), Real(-0.0)}) expect(a, b, 0);
  }
}

TEST(Division, HasTheBitsOfTheQuotient) {
  expect_division<float>();
  expect_division<double>();
}

TEST(Pointwise, Float32IsWithinItsBound) {
  for (const Row& row : rows()) {
    const std::vector<float> x = sample(row);
    std::vector<float> y(x.size());
    for (const Target* target : targets()) {
      for (int pass = 0; pass < 3; ++pass) {
        target->pointwise_f32(static_cast<int>(row.activation), pass, &row.beta, x.data(), y.data(), x.size());
        double worst = 0;
        size_t at = 0;
        for (size_t i = 0; i < x.size(); ++i) {
          const double s = share(row, pass, x[i], y[i], exact<double>(row, pass, x[i]));
          if (s > worst || std::isnan(s)) {
            worst = s;
            at = i;
          }
        }
        EXPECT_LE(worst, 1) << row.name << " pass " << pass << " " << target->name << ": x = " << std::hexfloat << x[at]
                            << ", got " << y[at] << ", want " << exact<double>(row, pass, x[at]);
      }
    }
  }
}

TEST(Pointwise, Float64IsWithinItsBound) {
  for (const Row& row : rows()) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> unit(0, 1);
    std::vector<double> x;
    for (int k = 0; k < 4000; ++k) {
      const double u = unit(random);
      x.insert(x.end(), {(16 * u - 8) / row.beta, (100 * u - 50) / row.beta, -800 * u / row.beta,
                         (row.activation == math::Activation::kGelu       ? -36 - 3 * u
                          : row.activation == math::Activation::kGeluTanh ? -19 - 3 * u
                                                                          : -700 - 60 * u) /
                             row.beta,
                         std::copysign(std::exp(-40 * u), u - 0.5) / row.beta});
      const uint64_t bits = random();
      double any;
      std::memcpy(&any, &bits, 8);
      x.push_back(any);
    }
    for (int pass = 0; pass < 3; ++pass) {
      std::vector<__float128> want;
      for (const double v : x) want.push_back(exact<__float128>(row, pass, v));
      std::vector<double> y(x.size());
      for (const Target* target : targets()) {
        target->pointwise_f64(static_cast<int>(row.activation), pass, &row.beta, x.data(), y.data(), x.size());
        double worst = 0;
        size_t at = 0;
        for (size_t i = 0; i < x.size(); ++i) {
          const double s = share(row, pass, x[i], y[i], want[i]);
          if (s > worst || std::isnan(s)) {
            worst = s;
            at = i;
          }
        }
        EXPECT_LE(worst, 1) << row.name << " pass " << pass << " " << target->name << ": x = " << std::hexfloat << x[at]
                            << ", got " << y[at] << ", want " << static_cast<double>(want[at]);
      }
    }
  }
}

// One sequence of IEEE operations on every instruction set that has a fused multiply-add.
template <class Real, class F>
void expect_same_bits(const Row& row, const std::vector<Real>& x, F function) {
  std::vector<Real> want(x.size()), got(x.size());
  for (int pass = 0; pass < 3; ++pass) {
    function(kTarget_host, pass, x, want);
    for (const Target* target : targets()) {
      if (target == &kTarget_host || target == &kTarget_DEFAULT) continue;
      function(*target, pass, x, got);
      size_t differ = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const bool same =
            std::memcmp(&got[i], &want[i], sizeof(Real)) == 0 || (std::isnan(got[i]) && std::isnan(want[i]));
        if (!same && ++differ == 1) {
          ADD_FAILURE() << row.name << " pass " << pass << " " << target->name << ": x = " << std::hexfloat << x[i]
                        << ", got " << got[i] << ", host " << want[i];
        }
      }
    }
  }
}

TEST(Pointwise, InstructionSetsGiveTheSameBits) {
  for (Row row : rows()) {
    expect_same_bits(row, sample(row), [&](const Target& t, int pass, const auto& x, auto& y) {
      t.pointwise_f32(static_cast<int>(row.activation), pass, &row.beta, x.data(), y.data(), x.size());
    });
    std::mt19937_64 random(2);
    std::vector<double> x;
    for (int k = 0; k < 200000; ++k) {
      const uint64_t bits = random();
      double any;
      std::memcpy(&any, &bits, 8);
      x.push_back(any);
      x.push_back(1600. * k / 200000 - 800);
    }
    expect_same_bits(row, x, [&](const Target& t, int pass, const auto& x, auto& y) {
      t.pointwise_f64(static_cast<int>(row.activation), pass, &row.beta, x.data(), y.data(), x.size());
    });
  }
}

TEST(Pointwise, SpecialValues) {
  struct Case {
    const char* name;
    math::Activation activation;
    double beta;
    int pass;
    float x, want;
  };
  const float lambda = 1.05070102f, lambda_alpha = 1.75809932f;
  const std::vector<Case> cases = {
      {"mish", math::Activation::kMish, 1, 0, kInf, kInf},
      {"mish", math::Activation::kMish, 1, 0, -kInf, -0.f},
      {"mish", math::Activation::kMish, 1, 0, -0.f, -0.f},
      {"mish", math::Activation::kMish, 1, 0, 0.f, 0.f},
      {"mish", math::Activation::kMish, 1, 1, kInf, 1},
      {"mish", math::Activation::kMish, 1, 1, -kInf, -0.f},
      {"mish", math::Activation::kMish, 1, 2, kInf, -0.f},
      {"mish", math::Activation::kMish, 1, 2, -kInf, -0.f},
      {"gelu", math::Activation::kGelu, 1, 0, kInf, kInf},
      {"gelu", math::Activation::kGelu, 1, 0, -kInf, -0.f},
      {"gelu", math::Activation::kGelu, 1, 0, -0.f, -0.f},
      {"gelu", math::Activation::kGelu, 1, 0, 0.f, 0.f},
      {"gelu", math::Activation::kGelu, 1, 1, kInf, 1},
      {"gelu", math::Activation::kGelu, 1, 1, -kInf, -0.f},
      {"gelu", math::Activation::kGelu, 1, 2, kInf, -0.f},
      {"gelu", math::Activation::kGelu, 1, 2, -kInf, -0.f},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 0, kInf, kInf},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 0, -kInf, -0.f},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 0, -0.f, -0.f},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 0, 0.f, 0.f},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 1, kInf, 1},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 1, -kInf, -0.f},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 2, kInf, -0.f},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, 2, -kInf, -0.f},
      {"selu", math::Activation::kSelu, 1, 0, kInf, kInf},
      {"selu", math::Activation::kSelu, 1, 0, -kInf, -lambda_alpha},
      {"selu", math::Activation::kSelu, 1, 0, -0.f, -0.f},
      {"selu", math::Activation::kSelu, 1, 0, 0.f, 0.f},
      {"selu", math::Activation::kSelu, 1, 1, kInf, lambda},
      {"selu", math::Activation::kSelu, 1, 1, 0.f, lambda_alpha},
      {"selu", math::Activation::kSelu, 1, 1, -kInf, 0.f},
      {"selu", math::Activation::kSelu, 1, 2, kInf, 0.f},
      {"selu", math::Activation::kSelu, 1, 2, -kInf, 0.f},
      {"sigmoid", math::Activation::kSigmoid, 1, 0, kInf, 1},
      {"sigmoid", math::Activation::kSigmoid, 1, 0, -kInf, 0.f},
      {"sigmoid", math::Activation::kSigmoid, 1, 1, kInf, 0.f},
      {"sigmoid", math::Activation::kSigmoid, 1, 1, -kInf, 0.f},
      {"sigmoid", math::Activation::kSigmoid, 1, 2, kInf, 0.f},
      {"sigmoid", math::Activation::kSigmoid, 1, 2, -kInf, 0.f},
      {"tanh", math::Activation::kTanh, 1, 0, kInf, 1},
      {"tanh", math::Activation::kTanh, 1, 0, -kInf, -1},
      {"tanh", math::Activation::kTanh, 1, 0, -0.f, -0.f},
      {"tanh", math::Activation::kTanh, 1, 0, 0.f, 0.f},
      {"tanh", math::Activation::kTanh, 1, 1, -kInf, 0.f},
      {"tanh", math::Activation::kTanh, 1, 2, kInf, 0.f},
      {"relu", math::Activation::kRelu, 1, 0, kInf, kInf},
      {"relu", math::Activation::kRelu, 1, 0, -kInf, 0.f},
      {"relu", math::Activation::kRelu, 1, 0, -0.f, -0.f},
      {"relu", math::Activation::kRelu, 1, 1, 0.f, 0.f},
      {"leaky_relu", math::Activation::kLeakyRelu, 0.5, 0, -kInf, -kInf},
      {"leaky_relu", math::Activation::kLeakyRelu, 0.5, 0, -0.f, -0.f},
      {"leaky_relu", math::Activation::kLeakyRelu, 0.5, 1, 0.f, 0.5f},
      {"leaky_relu", math::Activation::kLeakyRelu, 0, 0, -kInf, -0.f},
      {"leaky_relu", math::Activation::kLeakyRelu, -0.5, 0, -kInf, kInf},
      {"elu", math::Activation::kElu, 1.5, 0, -kInf, -1.5f},
      {"elu", math::Activation::kElu, 1.5, 0, kInf, kInf},
      {"elu", math::Activation::kElu, 1.5, 0, -0.f, -0.f},
      {"elu", math::Activation::kElu, 1.5, 1, 0.f, 1.5f},
      {"elu", math::Activation::kElu, 0, 0, -kInf, -0.f},
      {"quick_gelu", math::Activation::kQuickGelu, 1, 0, -kInf, -0.f},
      {"quick_gelu", math::Activation::kQuickGelu, 1, 0, kInf, kInf},
      {"swish", math::Activation::kSwish, 1, 0, kInf, kInf},
      {"swish", math::Activation::kSwish, 1, 0, -kInf, -0.f},
      {"swish", math::Activation::kSwish, 1, 0, -0.f, -0.f},
      {"swish", math::Activation::kSwish, 1, 0, 0.f, 0.f},
      {"swish", math::Activation::kSwish, 1, 0, 0x1.fffffep127f, 0x1.fffffep127f},
      {"swish", math::Activation::kSwish, 1, 1, kInf, 1},
      {"swish", math::Activation::kSwish, 1, 1, -kInf, -0.f},
      {"swish", math::Activation::kSwish, 1, 2, kInf, 0.f},
      {"swish", math::Activation::kSwish, 1, 2, -kInf, 0.f},
      // beta < 0 turns it around, beta = 0 is x/2, an infinite beta is ReLU
      {"swish", math::Activation::kSwish, -1, 0, -kInf, -kInf},
      {"swish", math::Activation::kSwish, -1, 0, kInf, 0.f},
      {"swish", math::Activation::kSwish, -1, 0, -0.f, -0.f},
      {"swish", math::Activation::kSwish, 0, 0, 3.f, 1.5f},
      {"swish", math::Activation::kSwish, 0, 0, kInf, kInf},
      {"swish", math::Activation::kSwish, 0, 0, -kInf, -0.f},
      {"swish", math::Activation::kSwish, 0, 1, -kInf, 0.5f},
      {"swish", math::Activation::kSwish, 0, 2, 3.f, 0.f},
      {"swish", math::Activation::kSwish, 1e-40, 0, 3.f, 1.5f},
      {"swish", math::Activation::kSwish, 1e-40, 1, 3.f, 0.5f},
      {"swish", math::Activation::kSwish, kInf, 0, 3.f, 3.f},
      {"swish", math::Activation::kSwish, kInf, 0, -3.f, -0.f},
      {"swish", math::Activation::kSwish, kInf, 0, 0.f, 0.f},
      {"swish", math::Activation::kSwish, kInf, 1, 3.f, 1.f},
      {"swish", math::Activation::kSwish, kInf, 1, -3.f, -0.f},
      {"swish", math::Activation::kSwish, kInf, 2, 3.f, 0.f},
      {"swish", math::Activation::kSwish, -kInf, 0, 3.f, 0.f},
      {"swish", math::Activation::kSwish, -kInf, 0, -3.f, -3.f},
      {"swish", math::Activation::kSwish, kNan, 0, 3.f, kNan},
      {"swish", math::Activation::kSwish, kNan, 1, 3.f, kNan},
      {"swish", math::Activation::kSwish, kNan, 2, 3.f, kNan},
  };
  for (const Target* target : targets()) {
    for (const Case& c : cases) {
      float got;
      target->pointwise_f32(static_cast<int>(c.activation), c.pass, &c.beta, &c.x, &got, 1);
      const bool same = std::isnan(c.want) ? std::isnan(got)
                        // the sign of a zero is told for f at 0 only
                        : c.want == 0 && c.x != 0 ? got == 0
                                                  : bits_of(got) == bits_of(c.want);
      EXPECT_TRUE(same) << c.name << "(beta " << c.beta << ") pass " << c.pass << " " << target->name << ": x = " << c.x
                        << ", got " << got << ", want " << c.want;
      double wide;
      const double x = c.x;
      target->pointwise_f64(static_cast<int>(c.activation), c.pass, &c.beta, &x, &wide, 1);
      if (std::fabs(x) < 1e30f || std::isinf(x)) {
        EXPECT_TRUE(std::isnan(c.want) ? std::isnan(wide) : static_cast<float>(wide) == c.want)
            << c.name << "(beta " << c.beta << ") pass " << c.pass << " " << target->name << " float64: x = " << c.x
            << ", got " << wide << ", want " << c.want;
      }
    }
    for (const Row& row : rows()) {
      for (int pass = 0; pass < 3; ++pass) {
        float got;
        const float nan = kNan;
        target->pointwise_f32(static_cast<int>(row.activation), pass, &row.beta, &nan, &got, 1);
        EXPECT_TRUE(std::isnan(got)) << row.name << " pass " << pass << " " << target->name;
        double wide;
        const double wide_nan = kNan;
        target->pointwise_f64(static_cast<int>(row.activation), pass, &row.beta, &wide_nan, &wide, 1);
        EXPECT_TRUE(std::isnan(wide)) << row.name << " pass " << pass << " " << target->name;
      }
    }
  }
}

// A beta so small that its tail lies among the largest numbers: values below 2^-127 |x| become 0, all others keep
// their bound.
TEST(Pointwise, SwishWithATinyBeta) {
  for (const float beta : {0x1p-31f, 0x1.8p-60f, -0x1p-100f, 0x1p-126f, 0x1p-149f}) {
    const Row row{"swish", math::Activation::kSwish, beta, {}};
    const std::vector<float> x = sample(row);
    std::vector<float> y(x.size());
    for (const Target* target : targets()) {
      for (int pass = 0; pass < 2; ++pass) {
        target->pointwise_f32(static_cast<int>(row.activation), pass, &row.beta, x.data(), y.data(), x.size());
        double worst = 0;
        size_t at = 0;
        for (size_t i = 0; i < x.size(); ++i) {
          const double want = exact<double>(row, pass, x[i]);
          // x beyond the tail of f' does not exist, and infinity counts as the largest number
          if (pass == 1 && std::fabs(beta) < 0x1p-120f && std::isinf(x[i])) continue;
          if (y[i] == 0 && std::fabs(want) < 0x1p-127 * std::fabs(x[i])) continue;
          const double s = share(row, pass, x[i], y[i], want);
          if (s > worst) {
            worst = s;
            at = i;
          }
        }
        EXPECT_LE(worst, 1) << "beta " << beta << " pass " << pass << " " << target->name << ": x = " << std::hexfloat
                            << x[at] << ", got " << y[at] << ", want " << exact<double>(row, pass, x[at]);
      }
    }
  }
}

// The reference's own derivatives, by differences of 128-bit numbers.
TEST(Reference, DerivativesAreDerivatives) {
  for (const Row& row : rows()) {
    for (double v = -30.03125; v < 30; v += 0.25) {
      const __float128 x = v / row.beta, h = 1e-9Q / row.beta;
      for (int pass = 0; pass < 2; ++pass) {
        const __float128 difference = (exact(row, pass, x + h) - exact(row, pass, x - h)) / (2 * h);
        const __float128 want = exact(row, pass + 1, x);
        const double error = static_cast<double>(fabsq(difference - want));
        EXPECT_LE(error, 1e-15 * std::max(std::fabs(row.beta), 1.) * (1 + std::fabs(static_cast<double>(want))))
            << row.name << " pass " << pass << " at " << v;
      }
    }
  }
}

}  // namespace
}  // namespace actinium::test
