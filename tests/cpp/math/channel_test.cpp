// The formulas with per-channel parameters against the same formulas in long double, element by element, and against
// the derivatives that they claim to be.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "csrc/math/activations.h"
#include "tests/cpp/math/targets.h"

namespace actinium::test {
namespace {

using math::ChannelFormula;
using Wide = long double;

struct Shape {
  const char* name;
  ChannelFormula formula;
  int inputs, outputs, params, sums;
};
const Shape kShapes[] = {
    {"SwishForward", ChannelFormula::kSwishForward, 1, 1, 1, 0},
    {"SwishBackward", ChannelFormula::kSwishBackward, 2, 1, 1, 1},
    {"SwishDoubleBackward", ChannelFormula::kSwishDoubleBackward, 3, 2, 2, 1},
    {"DiceForward", ChannelFormula::kDiceForward, 1, 1, 3, 0},
    {"DiceBackward", ChannelFormula::kDiceBackward, 2, 1, 5, 3},
    {"DiceMoments", ChannelFormula::kDiceMoments, 3, 0, 3, 5},
    {"DiceDoubleBackward", ChannelFormula::kDiceDoubleBackward, 3, 2, 11, 3},
    {"DiceCenter", ChannelFormula::kDiceCenter, 2, 1, 5, 0},
    {"DiceGateForward", ChannelFormula::kDiceGateForward, 1, 1, 4, 0},
    {"DiceGateBackward", ChannelFormula::kDiceGateBackward, 2, 1, 4, 3},
    {"BinaryCrossEntropyForward", ChannelFormula::kBinaryCrossEntropyForward, 2, 1, 2, 1},
    {"BinaryCrossEntropyBackward", ChannelFormula::kBinaryCrossEntropyBackward, 2, 1, 2, 0},
    {"BinaryCrossEntropyTargetBackward", ChannelFormula::kBinaryCrossEntropyTargetBackward, 1, 1, 2, 0},
    {"BinaryCrossEntropyEachBackward", ChannelFormula::kBinaryCrossEntropyEachBackward, 3, 1, 2, 0},
    {"BinaryCrossEntropyEachTargetBackward", ChannelFormula::kBinaryCrossEntropyEachTargetBackward, 2, 1, 2, 0},
    {"ChannelStatsBackward", ChannelFormula::kChannelStatsBackward, 1, 1, 3, 0},
};
constexpr double kEps = 1e-3;
constexpr int kMaxValues = 5;

Wide sigmoid(Wide v) { return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)); }

// A value and the size of what it is the sum of, which its error is measured against.
struct Term {
  Wide value = 0, size = 0;
  Term() = default;
  Term(Wide v) : value(v), size(std::fabs(v)) {}
  Term(Wide v, Wide s) : value(v), size(s) {}
};
Term operator+(Term a, Term b) { return {a.value + b.value, a.size + b.size}; }
Term operator-(Term a, Term b) { return {a.value - b.value, a.size + b.size}; }
Term operator*(Term a, Term b) { return {a.value * b.value, a.size * b.size}; }

// The sigmoid of z: the rounding of z counts as often as z is large.
Term gate(Wide z, Wide size) { return {sigmoid(z), (1 + size) * sigmoid(z)}; }

// What the formula should give: outputs, then sums. As in the comments of swish.h and dice.h.
void reference(ChannelFormula formula, const Wide* in, const Wide* params, Term* want) {
  switch (formula) {
    case ChannelFormula::kSwishForward:
    case ChannelFormula::kSwishBackward:
    case ChannelFormula::kSwishDoubleBackward: {
      const Wide beta = params[0];
      const int last = formula == ChannelFormula::kSwishForward ? 0 : formula == ChannelFormula::kSwishBackward ? 1 : 2;
      const Wide x = in[last];
      const Term s = sigmoid(beta * x), c = sigmoid(-beta * x), y = beta * x;
      const Term f_x = s + y * s * c;
      const Term f_beta = Term(x * x) * s * c;
      const Term slope = Term(2) + y * (c - s);
      const Term f_xx = Term(beta) * s * c * slope;
      const Term f_xbeta = Term(x) * s * c * slope;
      const Term f_betabeta = Term(x * x * x) * s * c * (c - s);
      if (last == 0) {
        want[0] = Term(x) * s;
      } else if (last == 1) {
        want[0] = Term(in[0]) * f_x;
        want[1] = Term(in[0]) * f_beta;
      } else {
        const Term a = in[0], g = in[1], b = params[1];
        want[0] = a * f_x + b * f_beta;
        want[1] = g * (a * f_xx + b * f_xbeta);
        want[2] = g * (a * f_xbeta + b * f_betabeta);
      }
      return;
    }
    case ChannelFormula::kChannelStatsBackward:
      want[0] = Term(params[1]) + (Term(in[0]) - params[0]) * params[2];
      return;
    case ChannelFormula::kDiceGateForward:
    case ChannelFormula::kDiceGateBackward: {
      const bool forward = formula == ChannelFormula::kDiceGateForward;
      const Wide x_ = in[forward ? 0 : 1], mean = params[1], scale = params[2], bias = params[3];
      const Term alpha = params[0], other = Term(1) - alpha, x = x_;
      const Term d(x_ - mean, std::fabs(x_) + std::fabs(mean));
      const Term z(d.value * scale + bias, d.size * std::fabs(scale) + std::fabs(bias));
      const Term p = gate(z.value, z.size), n = gate(-z.value, z.size);
      const Term q(p.value * n.value, (1 + z.size) * p.value * n.value);
      if (forward) {
        want[0] = p * x + n * alpha * x;
      } else {
        const Term g = in[0], h = g * x * other * q;
        want[0] = g * (alpha + other * p) + Term(scale) * h;
        want[1] = g * x * n;
        want[2] = h;
        want[3] = h * d;
      }
      return;
    }
    case ChannelFormula::kBinaryCrossEntropyForward:
    case ChannelFormula::kBinaryCrossEntropyBackward:
    case ChannelFormula::kBinaryCrossEntropyTargetBackward:
    case ChannelFormula::kBinaryCrossEntropyEachBackward:
    case ChannelFormula::kBinaryCrossEntropyEachTargetBackward: {
      const Wide x = in[0], log = std::log1p(std::exp(-std::fabs(x)));
      const Term p = params[0], w = params[1], up = std::fmax(x, 0) + log, down = std::fmax(-x, 0) + log;
      if (formula == ChannelFormula::kBinaryCrossEntropyTargetBackward) {
        want[0] = w * (p * down - up);
      } else if (formula == ChannelFormula::kBinaryCrossEntropyEachTargetBackward) {
        want[0] = Term(in[1]) * w * (p * down - up);
      } else {
        const Term y = in[1], slope = w * ((Term(1) - y) * sigmoid(x) - p * y * sigmoid(-x));
        const bool each = formula == ChannelFormula::kBinaryCrossEntropyEachBackward;
        want[0] = want[1] = formula == ChannelFormula::kBinaryCrossEntropyForward
                                ? w * ((Term(1) - y) * up + p * y * down)
                            : each ? Term(in[2]) * slope
                                   : slope;
      }
      return;
    }
    default:
      break;
  }
  const Term alpha = params[0], other = Term(1) - alpha;
  const Wide r_ = 1 / std::sqrt(params[2] + Wide(kEps));
  const Term r = r_;
  const bool two = formula == ChannelFormula::kDiceBackward || formula == ChannelFormula::kDiceCenter;
  const int last = formula == ChannelFormula::kDiceForward ? 0 : two ? 1 : 2;
  const Wide x_ = in[last];
  const Term x = x_;
  const Term z((x_ - params[1]) * r_, (std::fabs(x_) + std::fabs(params[1])) * r_);
  const Term p = gate(z.value, z.size), n = gate(-z.value, z.size);
  const Term q(p.value * n.value, (1 + z.size) * p.value * n.value);
  if (last == 0) {
    want[0] = p * x + n * alpha * x;
    return;
  }
  if (formula == ChannelFormula::kDiceCenter) {
    want[0] = Term(in[0]) - r * (Term(params[3]) + z * params[4]);
    return;
  }
  if (last == 1) {
    const Term g = in[0], mh = params[3], mhz = params[4];
    const Term h = g * x * other * q;
    want[0] = g * (alpha + other * p) + r * (h - mh - z * mhz);
    want[1] = g * x * n;
    want[2] = h;
    want[3] = h * z;
    return;
  }
  const Term a = in[0], g = in[1];
  const Term h = g * x * other * q;
  if (formula == ChannelFormula::kDiceMoments) {
    want[0] = a;
    want[1] = a * z;
    want[2] = h;
    want[3] = h * z;
    want[4] = h * a;
    return;
  }
  const Term b = params[3], ma = params[4], maz = params[5], mhz = params[7], t = params[8], mG = params[9],
             mGz = params[10];
  const Term dq = q * (n - p);
  const Term zd = r * (a - ma - z * maz);
  const Term G = g * (a * other * q + x * other * dq * zd - b * x * q) - r * (h * maz + a * mhz);
  want[0] = a * (alpha + other * p) + x * other * q * zd + b * x * n;
  want[1] = g * (other * q * zd + b * n) + r * (G - mG - z * mGz) - r * z * t;
  want[2] = g * (a * n - x * q * zd);
  want[3] = G;
  want[4] = G * z;
}

template <class Real>
using Function = void (*)(int, const Real*, double, const Real* const*, Real* const*, Real* const*, int64_t);

// Runs one formula over n elements; in and out are [k][n].
template <class Real>
std::vector<std::vector<Real>> run(Function<Real> function, const Shape& shape, const std::vector<Real>& params,
                                   const std::vector<std::vector<Real>>& in) {
  const size_t n = in[0].size();
  std::vector<std::vector<Real>> out(shape.outputs + shape.sums, std::vector<Real>(n));
  const Real* inputs[3];
  Real* outputs[2];
  Real* sums[5];
  for (int k = 0; k < shape.inputs; ++k) inputs[k] = in[k].data();
  for (int k = 0; k < shape.outputs; ++k) outputs[k] = out[k].data();
  for (int k = 0; k < shape.sums; ++k) sums[k] = out[shape.outputs + k].data();
  function(static_cast<int>(shape.formula), params.data(), kEps, inputs, outputs, sums, n);
  return out;
}

template <class Real>
std::vector<Real> random_params(const Shape& shape, std::mt19937& random) {
  std::normal_distribution<double> normal;
  std::vector<Real> params(shape.params);
  for (Real& v : params) v = static_cast<Real>(normal(random));
  if (shape.params >= 3) params[2] = std::fabs(params[2]);  // Dice's variance
  return params;
}

template <class Real>
std::vector<std::vector<Real>> random_inputs(const Shape& shape, int n, std::mt19937& random) {
  std::normal_distribution<double> normal;
  std::vector<std::vector<Real>> in(shape.inputs, std::vector<Real>(n));
  for (auto& row : in) {
    for (int i = 0; i < n; ++i) row[i] = static_cast<Real>(normal(random) * (i % 4 == 0 ? 10 : i % 4 == 1 ? 0.1 : 1));
  }
  return in;
}

template <class Real>
void expect_close(Function<Real> function, const char* target, double bound) {
  for (const Shape& shape : kShapes) {
    std::mt19937 random(7);
    for (int channel = 0; channel < 200; ++channel) {
      const auto params = random_params<Real>(shape, random);
      const auto in = random_inputs<Real>(shape, 101, random);
      const auto out = run(function, shape, params, in);
      Wide wide_params[12];
      for (int k = 0; k < shape.params; ++k) wide_params[k] = params[k];
      for (size_t i = 0; i < in[0].size(); ++i) {
        Wide x[3];
        for (int k = 0; k < shape.inputs; ++k) x[k] = in[k][i];
        Term want[kMaxValues];
        reference(shape.formula, x, wide_params, want);
        for (int k = 0; k < shape.outputs + shape.sums; ++k) {
          const double error = static_cast<double>(std::fabs(out[k][i] - want[k].value));
          const double allowed = bound * std::numeric_limits<Real>::epsilon() * static_cast<double>(want[k].size) +
                                 std::numeric_limits<Real>::min();
          ASSERT_LE(error, allowed) << shape.name << " " << target << " value " << k << ": got " << out[k][i]
                                    << ", want " << static_cast<double>(want[k].value);
        }
      }
    }
  }
}

TEST(Channel, IsWithinItsBound) {
  for (const Target* target : targets()) {
    expect_close<float>(target->channel_f32, target->name, 4);
    expect_close<double>(target->channel_f64, target->name, 4);
  }
}

TEST(Channel, InstructionSetsGiveTheSameBits) {
  for (const Shape& shape : kShapes) {
    std::mt19937 random(8);
    const auto params = random_params<float>(shape, random);
    const auto in = random_inputs<float>(shape, 10007, random);
    const auto wide_params = random_params<double>(shape, random);
    const auto wide_in = random_inputs<double>(shape, 10007, random);
    const auto want = run(kTarget_host.channel_f32, shape, params, in);
    const auto wide_want = run(kTarget_host.channel_f64, shape, wide_params, wide_in);
    for (const Target* target : targets()) {
      if (target == &kTarget_host || target == &kTarget_DEFAULT) continue;
      EXPECT_EQ(run(target->channel_f32, shape, params, in), want) << shape.name << " " << target->name;
      EXPECT_EQ(run(target->channel_f64, shape, wide_params, wide_in), wide_want) << shape.name << " " << target->name;
    }
  }
}

// A learnt beta and a number give the same bits.
TEST(Channel, SwishForwardIsSwish) {
  std::mt19937 random(9);
  for (const Target* target : targets()) {
    for (const float beta : {1.f, -1.f, 0.f, 1.702f, 1e-20f, 3e8f}) {
      const auto in = random_inputs<float>(kShapes[0], 10007, random);
      const auto got = run(target->channel_f32, kShapes[0], {beta}, in);
      std::vector<float> want(in[0].size());
      const double number = beta;
      target->pointwise_f32(static_cast<int>(math::Activation::kSwish), 0, &number, in[0].data(), want.data(),
                            want.size());
      EXPECT_EQ(got[0], want) << target->name << " beta " << beta;
    }
  }
}

// Where the limits exist they are reached: infinite values, and statistics that are given, in evaluation.
TEST(Channel, DiceAtInfinity) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const Target* target : targets()) {
    for (const float alpha : {0.f, 0.25f, -0.5f, 1.f}) {
      const std::vector<std::vector<float>> x{{inf, -inf, 3e38f, -3e38f, nan}};
      const auto out = run(target->channel_f32, kShapes[3], {alpha, 0.5f, 2.f}, x);
      EXPECT_EQ(out[0][0], inf) << target->name;
      EXPECT_EQ(out[0][1], alpha == 0 ? 0 : alpha * -inf) << target->name << " alpha " << alpha;
      EXPECT_EQ(out[0][2], 3e38f) << target->name;
      EXPECT_EQ(out[0][3], alpha * -3e38f) << target->name;
      EXPECT_TRUE(std::isnan(out[0][4])) << target->name;

      const std::vector<std::vector<float>> gx{{2, 2, 2}, {inf, -inf, nan}};
      const auto dx = run(target->channel_f32, kShapes[4], {alpha, 0.5f, 2.f, 0, 0}, gx);
      EXPECT_EQ(dx[0][0], 2) << target->name;
      EXPECT_EQ(dx[0][1], 2 * alpha) << target->name;
      EXPECT_TRUE(std::isnan(dx[0][2])) << target->name;
      for (int k = 2; k < 4; ++k) EXPECT_EQ(std::fabs(dx[k][0]) + std::fabs(dx[k][1]), 0) << target->name;

      const std::vector<std::vector<float>> agx{{3, 3}, {2, 2}, {inf, -inf}};
      const auto second = run(target->channel_f32, kShapes[6], {alpha, 0.5f, 2.f, 0, 0, 0, 0, 0, 0, 0, 0}, agx);
      EXPECT_EQ(second[0][0], 3) << target->name;
      EXPECT_EQ(second[0][1], 3 * alpha) << target->name;
      EXPECT_EQ(std::fabs(second[1][0]) + std::fabs(second[1][1]), 0) << target->name;
    }
  }
}

// The gate of an infinite x is open, closed, or, where its scale is 0, that of the bias.
TEST(Channel, DiceGateAtInfinity) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const Shape &forward = kShapes[8], &backward = kShapes[9];
  for (const Target* target : targets()) {
    const auto f = [&](float alpha, float scale) {
      return run(target->channel_f32, forward, {alpha, 0.5f, scale, 0.f}, {{inf, -inf, 3e38f, nan}})[0];
    };
    const auto open = f(0.25f, 2), closed = f(0.25f, -2), half = f(0.5f, 0);
    EXPECT_EQ(open[0], inf) << target->name;
    EXPECT_EQ(open[1], -inf) << target->name;
    EXPECT_EQ(open[2], 3e38f) << target->name;
    EXPECT_EQ(closed[2], 0.25f * 3e38f) << target->name;
    EXPECT_EQ(half[2], 0.75f * 3e38f) << target->name;
    for (const auto& y : {open, closed, half}) EXPECT_TRUE(std::isnan(y[3])) << target->name;
    EXPECT_EQ(f(0, 2)[1], 0) << target->name;
    const auto dx = run(target->channel_f32, backward, {0.25f, 0.5f, -2, 0.f}, {{2, 2, 2}, {inf, -inf, nan}});
    EXPECT_EQ(dx[0][0], 0.5f) << target->name;
    EXPECT_EQ(dx[0][1], 2) << target->name;
    EXPECT_TRUE(std::isnan(dx[0][2])) << target->name;
    for (int k = 2; k < 4; ++k) EXPECT_EQ(std::fabs(dx[k][0]) + std::fabs(dx[k][1]), 0) << target->name;
  }
}

// In evaluation Dice is pointwise in x and alpha, and its formulas are one another's derivatives; differences of
// DiceForward and DiceBackward in float64 tell.
TEST(Channel, DiceInEvaluationIsItsOwnDerivative) {
  const Shape& forward = kShapes[3];
  const Shape& backward = kShapes[4];
  const Shape& second = kShapes[6];
  const double step = 1e-5;
  for (const Target* target : targets()) {
    std::mt19937 random(10);
    for (int k = 0; k < 20; ++k) {
      const auto params = random_params<double>(forward, random);
      const auto agx = random_inputs<double>(second, 64, random);
      const auto at = [&](double da, double dx, double dalpha) {
        // gradient of dot(g, dice): {dx, dalpha}, at a shifted point
        auto p = params;
        p[0] += dalpha;
        p.insert(p.end(), {0., 0.});
        auto in = std::vector<std::vector<double>>{agx[1], agx[2]};
        for (size_t i = 0; i < in[1].size(); ++i) in[1][i] += dx + da * agx[0][i];
        return run(target->channel_f64, backward, p, in);
      };
      const auto value = [&](double dx, double dalpha) {
        auto p = params;
        p[0] += dalpha;
        auto in = std::vector<std::vector<double>>{agx[2]};
        for (double& v : in[0]) v += dx;
        return run(target->channel_f64, forward, p, in);
      };
      const auto gradient = at(0, 0, 0);
      const auto up = value(step, 0), down = value(-step, 0), more = value(0, step), less = value(0, -step);
      const double b = 0.7;
      auto p = params;
      p.insert(p.end(), {b, 0., 0., 0., 0., 0., 0., 0.});
      const auto got = run(target->channel_f64, second, p, agx);
      // along (a, b): x + s a, alpha + s b
      const auto ahead = at(step, 0, step * b), behind = at(-step, 0, -step * b);
      for (size_t i = 0; i < agx[0].size(); ++i) {
        const double a = agx[0][i], g = agx[1][i], scale = (1 + std::fabs(g)) * (1 + a * a) * 1e3 / (params[2] + kEps);
        EXPECT_NEAR(gradient[0][i], g * (up[0][i] - down[0][i]) / (2 * step), 1e-9 * scale);
        EXPECT_NEAR(gradient[1][i], g * (more[0][i] - less[0][i]) / (2 * step), 1e-9 * scale);
        const double dx_along = (ahead[0][i] - behind[0][i]) / (2 * step);
        const double dalpha_along = (ahead[1][i] - behind[1][i]) / (2 * step);
        EXPECT_NEAR(got[1][i], dx_along, 1e-7 * scale * scale);
        EXPECT_NEAR(got[2][i], dalpha_along, 1e-7 * scale * scale);
      }
    }
  }
}

}  // namespace
}  // namespace actinium::test
