// Softmax and the losses as a C++ program calls them, beside torch's.
#include <actinium/actinium.h>
#include <gtest/gtest.h>

#include "op_table.h"

namespace actinium::tests {
namespace {

TEST(Softmax, IsTorchs) {
  const Tensor x = torch::randn({3, 7, 5}, torch::kDouble).requires_grad_();
  for (const int64_t dim : {0, 1, -1}) {
    for (const auto& [ours, theirs] : {std::pair(actinium::softmax(x, dim), at::softmax(x, dim)),
                                       std::pair(actinium::log_softmax(x, dim), at::log_softmax(x, dim))}) {
      const Tensor g = torch::randn_like(ours);
      expect_close(ours, theirs);
      expect_close(torch::autograd::grad({ours}, {x}, {g})[0], torch::autograd::grad({theirs}, {x}, {g})[0]);
    }
  }
  EXPECT_EQ(actinium::softmax(x.detach().to(torch::kBFloat16), 1, torch::kFloat).scalar_type(), torch::kFloat);
}

TEST(Softmax, CrossEntropyIsTorchs) {
  const Tensor x = torch::randn({4, 6}, torch::kDouble).requires_grad_(), weight = torch::rand({6}, torch::kDouble);
  const Tensor index = torch::tensor({1, 5, 0, 2}), soft = torch::rand({4, 6}, torch::kDouble);
  for (const Tensor& target : {index, soft}) {
    const Tensor ours = softmax_cross_entropy(x, target, weight, "sum", -100, 0.1);
    const Tensor theirs = at::cross_entropy_loss(x, target, weight, at::Reduction::Sum, -100, 0.1);
    expect_close(ours, theirs);
    expect_close(torch::autograd::grad({ours}, {x})[0], torch::autograd::grad({theirs}, {x})[0]);
  }
  EXPECT_THROW(softmax_cross_entropy(x, index + 3), c10::IndexError);
  EXPECT_THROW(softmax_cross_entropy(x, index, weight, "all"), c10::ValueError);
}

TEST(Softmax, BinaryCrossEntropyIsTorchs) {
  const Tensor x = torch::randn({4, 6}, torch::kDouble).requires_grad_(), target = torch::rand({4, 6}, torch::kDouble);
  const Tensor weight = torch::rand({4, 1}, torch::kDouble), positive = torch::rand({6}, torch::kDouble);
  const Tensor ours = sigmoid_binary_cross_entropy(x, target, weight, positive);
  const Tensor theirs = at::binary_cross_entropy_with_logits(x, target, weight, positive);
  expect_close(ours, theirs);
  expect_close(torch::autograd::grad({ours}, {x})[0], torch::autograd::grad({theirs}, {x})[0]);
}

}  // namespace
}  // namespace actinium::tests
