// The forms for 16-bit results as CUDA uses them, with the device's two approximations off by as much as they may be, in
// either direction. Those in vectors are seen where every input goes through the operators (accuracy_test.cpp).
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "csrc/math/activations.h"
#include "tests/cpp/math/rows.h"

namespace actinium::test {
namespace {

template <class S>
constexpr bool kWide = std::is_same_v<S, c10::BFloat16>;

// f, f' or f'' of one value, rounded to S.
template <template <class> class Activation, class S>
S rounded(int pass, const double* params, float x) {
  using T = math::Coarse<kWide<S>>;
  const Activation<T> activation(params);
  const T y = pass == 0 ? activation.f(T(x)) : pass == 1 ? activation.df(T(x)) : activation.d2f(T(x));
  return S(static_cast<float>(y));
}

template <class S>
S rounded(const Row& row, int pass, float x) {
  switch (row.activation) {
#define ACTINIUM_CASE(Name)                \
  case math::Activation::k##Name:          \
    return math::with_formula<math::Name>( \
        &row.beta, [&](auto formula) { return rounded<decltype(formula)::template type, S>(pass, &row.beta, x); });
    ACTINIUM_ACTIVATIONS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
  }
  return S(0);
}

// In units of the last place.
template <class S>
double error_of(S got, double want) {
  return reference::ulp(static_cast<float>(got), want, kWide<S> ? 7 : 10, kWide<S> ? -126 : -14,
                        static_cast<double>(std::numeric_limits<S>::max()));
}

// The rounding that 16 bits ask for, and what float32 is allowed before it: 1/1000 of a unit, and for derivatives
// within |beta x| <= 8 also a unit in the last place of 1 (f'' of swish: of beta).
template <class S>
bool within(const Row& row, int pass, float x, S got, double want) {
  if (error_of(got, want) <= 0.501) return true;
  if (pass == 0 || std::fabs(row.beta * x) > 8) return false;
  const double allowed = 0x1p-23 * (pass == 2 ? std::fabs(row.beta) : 1);
  const double nearest = static_cast<double>(S(static_cast<float>(want)));
  return std::fabs(static_cast<double>(got) - want) <= std::fabs(nearest - want) + allowed;
}

template <class S>
void expect_every_input_within() {
  for (const Row& row : rows()) {
    for (int pass = 0; pass < 3; ++pass) {
      int beyond = 0;
      for (int bits = 0; bits < 65536; ++bits) {
        const float x = static_cast<float>(S(static_cast<uint16_t>(bits), S::from_bits()));
        const double want = exact<double>(row, pass, x);
        for (int k = 0; k < 9; ++k) {
          math::coarse_exp2_error = static_cast<float>(k % 3 - 1) * 0x1p-22f;
          math::coarse_reciprocal_error = static_cast<float>(k / 3 - 1) * 0x1p-23f;
          const S got = rounded<S>(row, pass, x);
          if (!within(row, pass, x, got, want) && ++beyond == 1) {
            ADD_FAILURE() << row.name << " pass " << pass << ": x = " << std::hexfloat << x << ", got "
                          << static_cast<float>(got) << ", want " << want << ", ULP " << error_of(got, want);
          }
        }
      }
      EXPECT_EQ(beyond, 0) << row.name << " pass " << pass;
    }
  }
  math::coarse_exp2_error = math::coarse_reciprocal_error = 0;
}

TEST(Coarse, Float16IsRoundedOnce) { expect_every_input_within<c10::Half>(); }
TEST(Coarse, BFloat16IsRoundedOnce) { expect_every_input_within<c10::BFloat16>(); }

template <class S>
void expect_limits() {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  // An infinite beta is ReLU, 0 is x/2 (with -0 at -inf, as for every beta above it).
  for (const double beta : {1., 1.5, -1.5, 0., 1e-40, double(kInf), -double(kInf)}) {
    const Row row{"swish", math::Activation::kSwish, beta, {}};
    const float sign = beta < 0 ? -1 : 1;
    EXPECT_EQ(static_cast<float>(rounded<S>(row, 0, sign * kInf)), sign * kInf) << beta;
    EXPECT_EQ(static_cast<float>(rounded<S>(row, 0, -sign * kInf)), 0) << beta;
    EXPECT_EQ(static_cast<float>(rounded<S>(row, 0, 3)), std::isinf(beta) ? (beta > 0 ? 3 : 0)
                                                         : std::fabs(beta) < 0.1
                                                             ? 1.5f
                                                             : static_cast<float>(S(float(exact<double>(row, 0, 3)))))
        << beta;
    // Below 2^-120 the derivatives take an infinite x for the largest number.
    if (beta != 1e-40) {
      EXPECT_EQ(static_cast<float>(rounded<S>(row, 1, sign * kInf)), beta == 0 ? 0.5f : 1) << beta;
      EXPECT_EQ(static_cast<float>(rounded<S>(row, 1, -sign * kInf)), beta == 0 ? 0.5f : 0) << beta;
      EXPECT_EQ(static_cast<float>(rounded<S>(row, 2, kInf)), 0) << beta;
      EXPECT_EQ(static_cast<float>(rounded<S>(row, 2, -kInf)), 0) << beta;
    }
    for (const float zero : {0.f, -0.f}) {
      const float y = static_cast<float>(rounded<S>(row, 0, zero));
      EXPECT_TRUE(y == 0 && std::signbit(y) == std::signbit(zero)) << beta;
    }
  }
  for (const Row& row : rows()) {
    for (int pass = 0; pass < 3; ++pass) {
      EXPECT_TRUE(std::isnan(static_cast<float>(rounded<S>(row, pass, kNan)))) << row.name << " pass " << pass;
    }
  }
  const Row nan{"swish", math::Activation::kSwish, kNan, {}};
  for (int pass = 0; pass < 3; ++pass) EXPECT_TRUE(std::isnan(static_cast<float>(rounded<S>(nan, pass, 3)))) << pass;
}

TEST(Coarse, Limits) {
  expect_limits<c10::Half>();
  expect_limits<c10::BFloat16>();
}

}  // namespace
}  // namespace actinium::test
