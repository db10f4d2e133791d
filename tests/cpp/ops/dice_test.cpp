// Dice's running statistics are those that batch normalization keeps.
#include <actinium/actinium.h>
#include <gtest/gtest.h>

#include "op_table.h"

namespace actinium::tests {
namespace {

const auto kDouble = torch::TensorOptions(torch::kFloat64);

TEST(Dice, UpdatesItsStatisticsAsBatchNormDoes) {
  const Tensor mean = torch::zeros(5, kDouble), var = torch::ones(5, kDouble), alpha = torch::zeros(1, kDouble);
  const Tensor want_mean = torch::zeros(5, kDouble), want_var = torch::ones(5, kDouble);
  for (int step = 0; step < 10; ++step) {
    const Tensor x = torch::randn({16, 5}, kDouble) * 2 + 1;
    torch::batch_norm(x, {}, {}, want_mean, want_var, /*training=*/true, /*momentum=*/0.1, 1e-8, false);
    dice(x, alpha, mean, var, /*training=*/true);
  }
  expect_close(mean, want_mean);
  expect_close(var, want_var);
}

TEST(Dice, WritesNothingInEvaluation) {
  const Tensor mean = torch::zeros(5, kDouble), var = torch::ones(5, kDouble);
  dice(torch::randn({16, 5}, kDouble), torch::zeros(5, kDouble), mean, var);
  expect_close(mean, torch::zeros(5, kDouble));
  expect_close(var, torch::ones(5, kDouble));
}

TEST(Dice, KeepsSinglePrecisionStatisticsForHalfTypes) {
  const Tensor x = torch::randn({64, 5}).to(torch::kBFloat16);
  const Tensor mean = torch::zeros(5), var = torch::ones(5);
  EXPECT_EQ(dice(x, torch::zeros(5), mean, var, /*training=*/true, /*momentum=*/1.0).scalar_type(), torch::kBFloat16);
  expect_close(mean, x.to(torch::kFloat32).mean(0), 1e-6);
  expect_close(var, x.to(torch::kFloat32).var(0), 1e-6);
}

// Dice written out, over the values that a mask leaves, with the channels along dim 1 of two.
Tensor written_out(const Tensor& x, const Tensor& alpha, const Tensor& rows, const Tensor& weight, const Tensor& bias,
                   double eps, const std::string& mode) {
  const Tensor mean = rows.mean(0), var = rows.var(0, /*unbiased=*/false);
  const Tensor root = (mode == "outside" ? var : var + eps).sqrt();
  const Tensor p = (weight * (x - mean) / (mode == "inside" ? root : root + eps) + bias).sigmoid();
  return p * x + (1 - p) * alpha * x;
}

TEST(Dice, TakesAMaskAWeightABiasAndEpsilonElsewhere) {
  const Tensor x = torch::randn({16, 5}, kDouble).requires_grad_(), mask = torch::arange(16) % 3 != 1;
  const Tensor alpha = torch::full({5}, 0.25, kDouble), weight = torch::linspace(-1, 2, 5, kDouble).requires_grad_();
  const Tensor bias = torch::full({1}, 0.5, kDouble).requires_grad_();
  for (const std::string mode : {"inside", "outside", "both"}) {
    for (const bool masked : {false, true}) {
      const Tensor rows = masked ? x.index({mask}) : x;
      const Tensor mean = torch::zeros(5, kDouble), var = torch::ones(5, kDouble);
      const Tensor got = dice(x, alpha, mean, var, /*training=*/true, 0.1, 1e-2, -1,
                              masked ? std::optional(mask) : std::nullopt, weight, bias, mode, /*unbiased=*/false);
      const Tensor want = written_out(x, alpha, rows, weight, bias, 1e-2, mode);
      expect_close(got, want);
      const auto got_grads = torch::autograd::grad({got.sin().sum()}, {x, weight, bias});
      const auto want_grads = torch::autograd::grad({want.sin().sum()}, {x, weight, bias});
      for (size_t i = 0; i < got_grads.size(); ++i) expect_close(got_grads[i], want_grads[i]);
      expect_close(mean, 0.1 * rows.mean(0).detach());
      expect_close(var, 0.9 + 0.1 * rows.var(0, /*unbiased=*/false).detach());
    }
  }
}

TEST(Dice, RefusesAMaskThatLeavesOneValue) {
  const Tensor x = torch::randn({4, 5});
  EXPECT_THROW(dice(x, torch::zeros(5), {}, {}, /*training=*/true, 0.1, 1e-8, -1, torch::arange(4) == 2), c10::Error);
  EXPECT_THROW(dice(x, torch::zeros(5), {}, {}, /*training=*/true, 0.1, 1e-8, -1, torch::ones(3, torch::kBool)),
               c10::ValueError);
}

}  // namespace
}  // namespace actinium::tests
