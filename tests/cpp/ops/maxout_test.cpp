// Which piece wins, and who gets its gradient.
#include <actinium/actinium.h>
#include <gtest/gtest.h>

#include "op_table.h"

namespace actinium::tests {
namespace {

TEST(Maxout, SendsTheGradientToTheFirstOfEqualPieces) {
  const Tensor x = torch::tensor({{1.0, 1.0, 0.0, 2.0}, {3.0, 5.0, 5.0, 5.0}}).requires_grad_();
  const auto gradient = [&](const char* layout) {
    return torch::autograd::grad({maxout(x, 2, 1, layout).sum()}, {x})[0];
  };
  expect_close(gradient("unit"), torch::tensor({{1.0, 0.0, 0.0, 1.0}, {0.0, 1.0, 1.0, 0.0}}));
  expect_close(gradient("piece"), torch::tensor({{1.0, 0.0, 0.0, 1.0}, {0.0, 1.0, 1.0, 0.0}}));
}

TEST(Maxout, LetsNanWin) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor y = maxout(torch::tensor({{1.0, nan, 2.0, 3.0}}), 2);
  EXPECT_TRUE(y[0][0].isnan().item<bool>());
  EXPECT_EQ(y[0][1].item<double>(), 3.0);
}

TEST(Maxout, CountsPiecesInAByte) {
  const Tensor x = torch::arange(512.0).view({1, 512}).requires_grad_();
  const Tensor y = maxout(x, 256);
  expect_close(y, torch::tensor({{255.0f, 511.0f}}));
  EXPECT_EQ(torch::autograd::grad({y.sum()}, {x})[0].nonzero().numel(), 4);
}

}  // namespace
}  // namespace actinium::tests
