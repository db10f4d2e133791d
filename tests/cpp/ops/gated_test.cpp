// Gated units and bias_act, in C++ as in Python: values, gradients of both orders, errors.
#include <actinium/actinium.h>
#include <gtest/gtest.h>
#include <torch/nn/functional/activation.h>

#include "op_table.h"

namespace actinium::tests {
namespace {

Tensor sample(at::IntArrayRef shape, double shift = 0) {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return torch::linspace(-4 + shift, 4 + shift, n, torch::kFloat64).mul(17).sin().mul(3).view(shape);
}

struct Unit {
  const char* name;
  Tensor (*two)(const Tensor&, const Tensor&);
  Tensor (*packed)(const Tensor&, int64_t, std::string_view);
  Tensor (*reference)(const Tensor&, const Tensor&);
};
const Unit kUnits[] = {
    {"gated", [](const Tensor& a, const Tensor& b) { return gated(a, b, "elu", {1.5}); },
     [](const Tensor& x, int64_t dim, std::string_view layout) { return gated(x, "elu", {1.5}, dim, layout); },
     [](const Tensor& a, const Tensor& b) { return torch::elu(a, 1.5) * b; }},
    {"swiglu", [](const Tensor& a, const Tensor& b) { return swiglu(a, b); },
     [](const Tensor& x, int64_t dim, std::string_view layout) { return swiglu(x, dim, layout); },
     [](const Tensor& a, const Tensor& b) { return torch::silu(a) * b; }},
    {"geglu", [](const Tensor& a, const Tensor& b) { return geglu(a, b, "tanh"); },
     [](const Tensor& x, int64_t dim, std::string_view layout) { return geglu(x, "tanh", dim, layout); },
     [](const Tensor& a, const Tensor& b) { return torch::gelu(a, "tanh") * b; }},
    {"reglu", [](const Tensor& a, const Tensor& b) { return reglu(a, b); },
     [](const Tensor& x, int64_t dim, std::string_view layout) { return reglu(x, dim, layout); },
     [](const Tensor& a, const Tensor& b) { return torch::relu(a) * b; }},
    {"swiglu_clamped", [](const Tensor& a, const Tensor& b) { return swiglu_clamped(a, b, 2.5); },
     [](const Tensor& x, int64_t dim, std::string_view layout) { return swiglu_clamped(x, 2.5, 1.702, dim, layout); },
     [](const Tensor& a, const Tensor& b) {
       const Tensor c = a.clamp_max(2.5);
       return c * torch::sigmoid(1.702 * c) * (b.clamp(-2.5, 2.5) + 1);
     }},
};

TEST(Gated, GivesWhatTheSeparateOpsGive) {
  const Tensor a = sample({2, 6, 4}), b = sample({2, 6, 4}, 0.3);
  for (const Unit& unit : kUnits) {
    const Tensor want = unit.reference(a, b);
    expect_close(unit.two(a, b), want);
    for (int64_t dim : {0, 1, -1}) {
      expect_close(unit.packed(torch::cat({a, b}, dim), dim, "gate_first"), want);
      expect_close(unit.packed(torch::cat({b, a}, dim), dim, "gate_second"), want);
      const int64_t after = dim < 0 ? dim : dim + 1;
      expect_close(unit.packed(torch::stack({a, b}, after).flatten(dim < 0 ? -2 : dim, dim < 0 ? -1 : dim + 1), dim,
                               "interleaved"),
                   want);
    }
  }
}

TEST(Gated, Gradients) {
  const Tensor a = sample({3, 8}).requires_grad_(), b = sample({3, 8}, 0.3).requires_grad_();
  for (const Unit& unit : kUnits) {
    SCOPED_TRACE(unit.name);
    // Squared, or the gradient of up would not depend on it.
    expect_gradients([&](const Tensors& t) { return unit.two(t[0], t[1].square()); }, {a, b});
    expect_gradients([&](const Tensors& t) { return unit.packed(t[0], -1, "interleaved"); }, {a});
  }
}

TEST(BiasAct, GivesWhatTheSeparateOpsGive) {
  const Tensor x = sample({2, 6, 4}), bias = sample({6}, 0.2);
  expect_close(bias_act(x, bias, "elu", {1.5}), torch::elu(x + bias.view({6, 1}), 1.5));
  expect_close(bias_act(x.transpose(1, 2), bias, "mish", {}, -1), torch::mish(x.transpose(1, 2) + bias));
  expect_close(activate(x, "elu", {1.5}), torch::elu(x, 1.5));
}

TEST(BiasAct, Gradients) {
  const Tensor x = sample({2, 6, 4}).requires_grad_(), bias = sample({6}, 0.2).requires_grad_();
  expect_gradients([](const Tensors& t) { return bias_act(t[0], t[1], "mish"); }, {x, bias});
}

TEST(Gated, ErrorsNameTheArgument) {
  const Tensor x = torch::zeros({4, 5});
  EXPECT_THROW(swiglu(x), c10::ValueError);
  EXPECT_THROW(gated(x, "softplus"), c10::ValueError);
  EXPECT_THROW(gated(x, x.to(torch::kFloat64), "relu"), c10::TypeError);
  EXPECT_THROW(swiglu(x, 2), c10::IndexError);
  EXPECT_THROW(bias_act(x, torch::zeros({4}), "relu"), c10::ValueError);
}

}  // namespace
}  // namespace actinium::tests
