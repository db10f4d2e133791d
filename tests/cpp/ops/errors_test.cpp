// What a C++ program catches: the kind of error, and a message that names op, argument and value.
#include <actinium/actinium.h>
#include <gtest/gtest.h>

#include "op_table.h"

namespace actinium::tests {
namespace {

template <class Error, class F>
void expect_error(const std::string& message, F f) {
  try {
    f();
    FAIL() << "nothing was thrown, expected: " << message;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

const Tensor kX = torch::zeros({2, 6, 4});

TEST(Errors, NameTheDim) {
  expect_error<c10::IndexError>("swish: dim=3 is out of range for self with 3 dimensions",
                                [] { swish(kX, torch::ones(6), 3); });
  expect_error<c10::IndexError>("dice: dim=-4 is out of range",
                                [] { dice(kX, torch::ones(6), {}, {}, false, 0.1, 1e-8, -4); });
  expect_error<c10::IndexError>("maxout: dim=5 is out of range", [] { maxout(kX, 2, 5); });
}

TEST(Errors, NameTheParameter) {
  expect_error<c10::ValueError>("swish: beta has shape [5], expected one element or [6]",
                                [] { swish(kX, torch::ones(5)); });
  expect_error<c10::ValueError>("dice: alpha has shape [5], expected one element or [4]",
                                [] { dice(kX, torch::ones(5)); });
  expect_error<c10::TypeError>("swish: beta has dtype Double, but self has Float",
                               [] { swish(kX, torch::ones(6, torch::kFloat64)); });
  expect_error<c10::ValueError>("dice: running_var has shape [3], expected [4]",
                                [] { dice(kX, torch::ones(4), torch::ones(4), torch::ones(3)); });
}

TEST(Errors, NameThePieces) {
  expect_error<c10::ValueError>("maxout: dim 1 has 6 channels, not divisible by pieces=4", [] { maxout(kX, 4); });
  expect_error<c10::ValueError>("maxout: pieces=0, expected 1 to 256", [] { maxout(kX, 0); });
  expect_error<c10::ValueError>("maxout: layout='rows', expected 'unit' or 'piece'", [] { maxout(kX, 2, 1, "rows"); });
}

TEST(Errors, NameTheForm) {
  expect_error<c10::ValueError>("GELU: approximate='erf', expected 'none' or 'tanh'",
                                [] { nn::GELU(nn::GELUOptions().approximate("erf")); });
}

TEST(Errors, NameTheOptionsOfDice) {
  const auto options = [] { return nn::DiceOptions(6); };
  expect_error<c10::ValueError>("Dice: eps_mode='in', expected 'inside', 'outside' or 'both'",
                                [&] { nn::Dice(options().eps_mode("in")); });
  expect_error<c10::ValueError>("Dice: eps=-1, expected a number that is not negative",
                                [&] { nn::Dice(options().eps(-1)); });
  expect_error<c10::ValueError>("Dice: momentum=7, expected 0 to 1", [&] { nn::Dice(options().momentum(7)); });
  const auto by_row = options().shared_alpha(true).statistics("row");
  expect_error<c10::IndexError>("Dice: dim=3 is out of range for input with 3 dimensions",
                                [&] { nn::Dice(nn::DiceOptions(by_row).dim(3))->forward(kX); });
  expect_error<c10::IndexError>("Dice: dim=-1 is out of range for input with 0 dimensions",
                                [&] { nn::Dice(by_row)->forward(kX.sum()); });
  expect_error<c10::ValueError>("Dice: input has 4 values along dim=-1, expected num_features=6",
                                [&] { nn::Dice(by_row)->forward(kX); });
}

TEST(Errors, AskForABatch) {
  expect_error<c10::ValueError>("dice: expected more than 1 value per channel when training", [] {
    dice(torch::zeros({1, 4}), torch::ones(4), {}, {}, true);
  });
}

TEST(Errors, NameTheOut) {
  Tensor out = torch::zeros({2, 6, 4}, torch::kFloat64);
  expect_error<c10::TypeError>("mish: out has dtype Double, but self has Float", [&] { actinium::mish_out(out, kX); });
  EXPECT_FALSE(out.any().item<bool>());
}

}  // namespace
}  // namespace actinium::tests
