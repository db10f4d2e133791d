#include <actinium/actinium.h>
#include <gtest/gtest.h>

#include "op_table.h"

namespace actinium::tests {
namespace {

// [2, 6, 4], no two values equal.
Tensor x() { return torch::linspace(-4, 4, 48, torch::kFloat64).mul(17).sin().mul(3).view({2, 6, 4}); }
// One for each of 6 channels, and one for all.
Tensor per_channel() { return torch::linspace(0.25, 1.5, 6, torch::kFloat64); }
Tensor one() { return torch::full({1}, 1.25, torch::kFloat64); }

Tensor along_1(const Tensor& p, const Tensor& x) {
  std::vector<int64_t> shape(x.dim(), 1);
  shape[1] = -1;
  return p.view(shape);
}

std::string call(const std::string& op, const std::string& arguments = "") {
  return "actinium." + op + "(x" + arguments + ")";
}

Row pointwise(const std::string& op, Tensor (*ours)(const Tensor&), Tensor (*reference)(const Tensor&),
              Tensor& (*in_place)(Tensor&), Tensor& (*out)(Tensor&, const Tensor&)) {
  return {op,
          op,
          [=](const Tensors& t) { return ours(t[0]); },
          [=](const Tensors& t) { return reference(t[0]); },
          {x()},
          call(op),
          [=](Tensor& self, const Tensors&) -> Tensor& { return in_place(self); },
          [=](Tensor& result, const Tensors& t) -> Tensor& { return out(result, t[0]); }};
}

// With one number.
Row pointwise(const std::string& name, const std::string& op, double number,
              Tensor (*ours)(const Tensor&, const at::Scalar&), Tensor (*reference)(const Tensor&, double),
              Tensor& (*in_place)(Tensor&, const at::Scalar&),
              Tensor& (*out)(Tensor&, const Tensor&, const at::Scalar&)) {
  return {name,
          op,
          [=](const Tensors& t) { return ours(t[0], number); },
          [=](const Tensors& t) { return reference(t[0], number); },
          {x()},
          call(op, ", " + std::to_string(number)),
          [=](Tensor& self, const Tensors&) -> Tensor& { return in_place(self, number); },
          [=](Tensor& result, const Tensors& t) -> Tensor& { return out(result, t[0], number); }};
}

Row swish_number(const std::string& name, double beta) {
  return pointwise(
      name, "swish", beta, swish, [](const Tensor& t, double b) { return t * torch::sigmoid(b * t); }, swish_,
      swish_out);
}

Row swish_tensor(const std::string& name, const Tensor& beta) {
  return {name,
          "swish",
          [](const Tensors& t) { return swish(t[0], t[1]); },
          [](const Tensors& t) { return t[0] * torch::sigmoid(along_1(t[1], t[0]) * t[0]); },
          {x(), beta},
          call("swish", ", p"),
          [](Tensor& self, const Tensors& t) -> Tensor& { return swish_(self, t[1]); },
          [](Tensor& out, const Tensors& t) -> Tensor& { return swish_out(out, t[0], t[1]); }};
}

Row prelu_row(const std::string& name, const Tensor& weight) {
  return {name,
          "prelu",
          [](const Tensors& t) { return actinium::prelu(t[0], t[1]); },
          [](const Tensors& t) { return torch::where(t[0] > 0, t[0], along_1(t[1], t[0]) * t[0]); },
          {x(), weight},
          call("prelu", ", p")};
}

// Statistics in the type that x is computed in.
Tensor running_mean(const Tensor& x) {
  const auto dtype = x.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  return torch::linspace(-1, 1, 6, x.options().dtype(dtype));
}
Tensor running_var(const Tensor& x) { return running_mean(x) + 1.5; }

Row dice_row(const std::string& name, const Tensor& alpha, bool training, bool statistics, const std::string& script) {
  const auto given = [=](Tensor (*statistic)(const Tensor&), const Tensor& x) {
    return statistics ? std::optional<Tensor>(statistic(x)) : std::nullopt;
  };
  const auto composite = [=](const Tensors& t) {
    const Tensor& x = t[0];
    const Tensor p = torch::sigmoid(torch::batch_norm(x, {}, {}, given(running_mean, x), given(running_var, x),
                                                      training || !statistics, 0.1, 1e-8, false));
    return p * x + (1 - p) * along_1(t[1], x) * x;
  };
  return {name,
          "dice",
          [=](const Tensors& t) {
            return dice(t[0], t[1], given(running_mean, t[0]), given(running_var, t[0]), training, 0.1, 1e-8, 1);
          },
          composite,
          {x(), alpha},
          script.empty() ? "" : call("dice", script)};
}

Row maxout_row(const std::string& name, int64_t dim, const std::string& layout) {
  const bool unit = layout == "unit";
  return {name,
          "maxout",
          [=](const Tensors& t) { return maxout(t[0], 2, dim, layout); },
          [=](const Tensors& t) {
            const auto sizes = unit ? std::vector<int64_t>{-1, 2} : std::vector<int64_t>{2, -1};
            const int64_t at = dim < 0 ? dim + t[0].dim() : dim;
            return std::get<0>(t[0].unflatten(at, sizes).max(at + unit));
          },
          {x()},
          call("maxout", ", 2, " + std::to_string(dim) + ", \"" + layout + "\"")};
}

}  // namespace

const std::vector<Row>& rows() {
  static const std::vector<Row> rows{
      pointwise(
          "mish", mish, [](const Tensor& t) { return torch::mish(t); }, mish_, mish_out),
      pointwise(
          "gelu", gelu, [](const Tensor& t) { return torch::gelu(t); }, gelu_, gelu_out),
      pointwise(
          "gelu_tanh", gelu_tanh, [](const Tensor& t) { return torch::gelu(t, "tanh"); }, gelu_tanh_, gelu_tanh_out),
      pointwise(
          "selu", selu, [](const Tensor& t) { return torch::selu(t); }, selu_, selu_out),
      pointwise(
          "quick_gelu", quick_gelu, [](const Tensor& t) { return t * torch::sigmoid(1.702 * t); }, quick_gelu_,
          quick_gelu_out),
      pointwise(
          "sigmoid", sigmoid, [](const Tensor& t) { return torch::sigmoid(t); }, sigmoid_, sigmoid_out),
      pointwise(
          "tanh", tanh, [](const Tensor& t) { return torch::tanh(t); }, tanh_, tanh_out),
      pointwise(
          "relu", relu, [](const Tensor& t) { return torch::relu(t); }, relu_, relu_out),
      pointwise(
          "leaky_relu", "leaky_relu", 0.25, leaky_relu,
          [](const Tensor& t, double slope) { return torch::leaky_relu(t, slope); }, leaky_relu_, leaky_relu_out),
      pointwise(
          "elu", "elu", 1.5, elu, [](const Tensor& t, double alpha) { return torch::elu(t, alpha); }, elu_, elu_out),
      swish_number("silu", 1.0),
      swish_number("swish", 1.5),
      swish_tensor("swish_beta", one()),
      swish_tensor("swish_beta_per_channel", per_channel()),
      prelu_row("prelu", one()),
      prelu_row("prelu_per_channel", per_channel()),
      dice_row("dice_training", per_channel(), true, true, ""),
      dice_row("dice_evaluation", one(), false, true, ""),
      dice_row("dice_training_without_statistics", one(), true, false, ", p, None, None, True, 0.1, 1e-8, 1"),
      dice_row("dice_evaluation_without_statistics", per_channel(), false, false,
               ", p, None, None, False, 0.1, 1e-8, 1"),
      maxout_row("maxout_unit", 1, "unit"),
      maxout_row("maxout_piece", -1, "piece"),
  };
  return rows;
}

namespace {

// <weights, outputs> and its gradients by the inputs.
std::pair<Tensor, Tensors> weighed(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs) {
  const Tensor y = f(inputs);
  const Tensor weights = torch::linspace(-1, 2, y.numel(), y.options()).cos().view_as(y);
  const Tensor total = (y * weights).sum();
  return {total, torch::autograd::grad({total}, inputs, {}, std::nullopt, /*create_graph=*/true)};
}

// d/dt of f(inputs + t directions) at 0, by the central difference and by the gradient.
void expect_slope(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs) {
  const double h = 1e-6;
  const auto value = [&](double t) {
    Tensors moved;
    for (const Tensor& input : inputs) {
      const Tensor direction = torch::linspace(1, -1, input.numel(), input.options()).view_as(input).sin();
      moved.push_back((input + t * direction).detach().requires_grad_());
    }
    return weighed(f, moved).first.item<double>();
  };
  const auto [total, gradients] = weighed(f, inputs);
  double slope = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor direction = torch::linspace(1, -1, inputs[i].numel(), inputs[i].options()).view_as(inputs[i]).sin();
    slope += (gradients[i] * direction).sum().item<double>();
  }
  EXPECT_NEAR(slope, (value(h) - value(-h)) / (2 * h), 1e-6 * (1 + std::abs(slope)));
}

}  // namespace

void expect_gradients(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs) {
  expect_slope(f, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto gradient = [&](const Tensors& t) { return weighed(f, t).second[i]; };
    // Maxout's gradient does not depend on its input.
    if (gradient(inputs).requires_grad()) expect_slope(gradient, inputs);
  }
}

}  // namespace actinium::tests
