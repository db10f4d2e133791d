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

}  // namespace
}  // namespace actinium::tests
