// The builtins on our kernels, from a program without Python.
#include <actinium/actinium.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include "op_table.h"

namespace actinium::tests {
namespace {

struct Builtin {
  const char* name;
  Tensor (*builtin)(const Tensor&);
  Tensor (*ours)(const Tensor&);
  bool gradient = true;  // whether it is ours, too
};

const Builtin kBuiltins[] = {
    {"mish", at::mish, mish},
    {"silu", at::silu, [](const Tensor& x) { return swish(x); }},
    {"gelu", [](const Tensor& x) { return at::gelu(x); }, gelu},
    {"gelu, tanh", [](const Tensor& x) { return at::gelu(x, "tanh"); }, gelu_tanh},
    {"elu", [](const Tensor& x) { return at::elu(x, 1.5); }, [](const Tensor& x) { return actinium::elu(x, 1.5); }},
    {"sigmoid", at::sigmoid, sigmoid, false},
    {"tanh", at::tanh, tanh, false},
    {"selu", at::selu, selu},
};

Tensors value_and_gradient(Tensor (*f)(const Tensor&), const Tensor& x) {
  const Tensor leaf = x.detach().requires_grad_();
  const Tensor y = f(leaf);
  return {y.detach(), torch::autograd::grad({y}, {leaf}, {torch::ones_like(y)})[0]};
}

TEST(Accelerate, ForAScope) {
  const Tensor x = torch::linspace(-30, 30, 4001);
  for (const Builtin& row : kBuiltins) {
    const Tensors before = value_and_gradient(row.builtin, x), ours = value_and_gradient(row.ours, x);
    {
      const AccelerateGuard guard;
      EXPECT_TRUE(accelerated());
      const Tensors got = value_and_gradient(row.builtin, x);
      for (int i = 0; i < 1 + row.gradient; ++i) {
        EXPECT_TRUE(torch::equal(got[i], ours[i])) << row.name;
        EXPECT_FALSE(torch::equal(got[i], before[i])) << row.name << ": the two cannot be told apart";
      }
    }
    EXPECT_FALSE(accelerated());
    const Tensors after = value_and_gradient(row.builtin, x);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(torch::equal(after[i], before[i])) << row.name;
  }
}

TEST(Accelerate, TellsWhatItWas) {
  EXPECT_FALSE(accelerate());
  EXPECT_TRUE(accelerate());
  EXPECT_TRUE(accelerate(false));
  EXPECT_FALSE(accelerate(false));
}

// Torch warns once of a kernel that takes another's place. Of ours it does not, and of the next one it does still.
TEST(Accelerate, WarnsOfNothingAndUsesNoWarningUp) {
  class Count final : public c10::WarningHandler {
   public:
    void process(const c10::Warning&) override { ++warnings; }
    int warnings = 0;
  } count;
  const c10::WarningUtils::WarningHandlerGuard handler(&count);
  accelerate(accelerate());
  EXPECT_EQ(count.warnings, 0);
  torch::Library other(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
  other.impl("relu", [](const Tensor& self) { return self.clamp_min(0); });
  EXPECT_EQ(count.warnings, 1);
}

}  // namespace
}  // namespace actinium::tests
