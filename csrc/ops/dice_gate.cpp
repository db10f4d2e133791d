// The parts of Dice with statistics that are tensors in their own right: what the variants of dice are composed of.
//
//   _channel_stats     mean and biased variance of every channel, differentiable
//   _dice_gate         p x + (1 - p) alpha x with p = sigmoid((x - mean) scale + bias), differentiable by all five
//   _dice_stats        mean, biased variance and number of the values that a mask leaves
//   _dice_with_stats   the gate, with scale and bias from mean, variance, eps, weight and bias
//
// The last two are composite: what they do is arithmetic of a number per channel, but for the mask.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/square.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <actinium/ops.h>

#include "csrc/ops/channels.h"
#include "csrc/ops/differentiable.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using math::ChannelFormula;
using OptionalTensor = std::optional<Tensor>;

// The dims of self that statistics are taken over: all but dim.
std::vector<int64_t> other_dims(const Tensor& self, int64_t dim) {
  std::vector<int64_t> others;
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (d != dim) others.push_back(d);
  }
  return others;
}
// The sum of each channel.
Tensor channel_sum(const Tensor& t, int64_t dim) {
  const auto others = other_dims(t, dim);
  return (others.empty() ? t : t.sum(others)).reshape({-1});
}
Tensor in_opmath(const Tensor& t) { return t.to(opmath_type(t.scalar_type())); }

// ----------------------------------------------------------------------------------------------------------- gate

struct DiceGate {
  static std::string name() { return "_dice_gate"; }
  static constexpr const char* kOverload = "";
  static constexpr int kInputs = 5;
  using Numbers = std::tuple<int64_t>;
  using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;

  static SymInt check(const char* op, const Tensor& self, const Tensor& alpha, const Tensor& mean, const Tensor& scale,
                      const Tensor& bias, int64_t& dim) {
    check_input(op, "self", self);
    dim = wrap_dim(op, self, dim);
    const SymInt channels = channels_of(self, dim);
    check_parameter(op, "alpha", alpha, self, channels, dim, /*one_allowed=*/false);
    check_parameter(op, "mean", mean, self, channels, dim, /*one_allowed=*/false);
    check_parameter(op, "scale", scale, self, channels, dim, /*one_allowed=*/false);
    check_parameter(op, "bias", bias, self, channels, dim, /*one_allowed=*/false);
    return channels;
  }

  static Tensor forward(const Tensor& self, const Tensor& alpha, const Tensor& mean, const Tensor& scale,
                        const Tensor& bias, int64_t dim) {
    const char* const op = "_dice_gate";
    const SymInt channels = check(op, self, alpha, mean, scale, bias, dim);
    if (self.is_meta()) return output_like(self);
    const ChannelCall call(op, self, dim, channels.expect_int());
    const Tensor out = call.new_output();
    call.run(ChannelFormula::kDiceGateForward, {call.dense(self)}, {out},
             {call.parameter(alpha), call.parameter(mean), call.parameter(scale), call.parameter(bias)}, {});
    return out;
  }

  static Gradients backward(const Tensor& grad, const Tensor& self, const Tensor& alpha, const Tensor& mean,
                            const Tensor& scale, const Tensor& bias, int64_t dim, std::array<bool, 5> mask) {
    const char* const op = "_dice_gate_backward";
    const SymInt channels = check(op, self, alpha, mean, scale, bias, dim);
    check_like(op, "grad_output", grad, self);
    const auto like = [&](int input, const Tensor& t) { return mask[input] ? at::empty_like(t) : Tensor(); };
    if (self.is_meta()) {
      return {mask[0] ? output_like(self) : Tensor(), like(1, alpha), like(2, mean), like(3, scale), like(4, bias)};
    }
    const ChannelCall call(op, self, dim, channels.expect_int());
    const Tensor by_self = mask[0] ? call.new_output() : Tensor();
    // Rows: dalpha, h, h (x - mean), where h is the gradient with respect to what the sigmoid is taken of.
    const Tensor sums = mask[1] || mask[2] || mask[3] || mask[4] ? call.new_sums(3) : Tensor();
    const Tensor slope = call.parameter(scale);
    if (mask[0] || sums.defined()) {
      call.run(ChannelFormula::kDiceGateBackward, {call.dense(grad), call.dense(self)}, {by_self},
               {call.parameter(alpha), call.parameter(mean), slope, call.parameter(bias)}, sums);
    }
    // A copy, since outputs must not share memory.
    const auto as = [&](int input, const Tensor& t, int row) {
      return mask[input] ? sums[row].to(t.scalar_type(), /*non_blocking=*/false, /*copy=*/true) : Tensor();
    };
    const Tensor by_mean = mask[2] ? (sums[1] * -slope).to(mean.scalar_type()) : Tensor();
    return {by_self, as(1, alpha, 0), by_mean, as(3, scale, 2), as(4, bias, 1)};
  }

  static Tensor formula(const variable_list& inputs, int64_t dim) {
    const Tensor x = in_opmath(inputs[0]);
    const auto along = [&](int i) { return along_dim(in_opmath(inputs[i]), x, dim); };
    const Tensor p = actinium::sigmoid((x - along(2)) * along(3) + along(4));
    return (p * x + (1 - p) * along(1) * x).to(inputs[0].scalar_type());
  }
};
using Gate = Differentiable<DiceGate>;

// ----------------------------------------------------------------------------------------------------- statistics

using Stats = std::tuple<Tensor, Tensor>;
using StatsForward = Stats(const Tensor&, int64_t);
using StatsBackward = Tensor(const OptionalTensor&, const OptionalTensor&, const Tensor&, const Tensor&, int64_t);

const auto& stats_op() {
  static const auto op = find_op<StatsForward>("_channel_stats");
  return op;
}
const auto& stats_backward_op() {
  static const auto op = find_op<StatsBackward>("_channel_stats_backward");
  return op;
}

Stats channel_stats(const Tensor& self, int64_t dim) {
  const char* const op = "_channel_stats";
  check_input(op, "self", self);
  dim = wrap_dim(op, self, dim);
  const SymInt channels = channels_of(self, dim);
  if (self.is_meta()) {
    const auto options = self.options().dtype(opmath_type(self.scalar_type()));
    return {at::empty_symint({channels}, options), at::empty_symint({channels}, options)};
  }
  const ChannelCall call(op, self, dim, channels.expect_int());
  return call.stats(call.dense(self));
}

Tensor channel_stats_backward(const OptionalTensor& grad_mean, const OptionalTensor& grad_var, const Tensor& self,
                              const Tensor& mean, int64_t dim) {
  const char* const op = "_channel_stats_backward";
  check_input(op, "self", self);
  dim = wrap_dim(op, self, dim);
  const SymInt channels = channels_of(self, dim);
  check_parameter(op, "mean", mean, self, channels, dim, /*one_allowed=*/false);
  if (grad_mean) check_parameter(op, "grad_mean", *grad_mean, self, channels, dim, /*one_allowed=*/false);
  if (grad_var) check_parameter(op, "grad_var", *grad_var, self, channels, dim, /*one_allowed=*/false);
  if (self.is_meta()) return output_like(self);
  const ChannelCall call(op, self, dim, channels.expect_int());
  const Tensor dx = call.new_output();
  const double n = static_cast<double>(call.per_channel());
  const auto share = [&](const OptionalTensor& grad, double times) {
    return call.parameter(grad ? *grad * (times / n) : at::zeros_like(mean));
  };
  call.run(ChannelFormula::kChannelStatsBackward, {call.dense(self)}, {dx},
           {call.parameter(mean), share(grad_mean, 1), share(grad_var, 2)}, {});
  return dx;
}

// x, and its deviations from the mean of each channel, in ops that can be differentiated: what is taken of them is
// differentiated once more. The mean that a node keeps is not a function of x.
struct Deviations {
  Tensor x, deviations;
  c10::SymFloat n;  // values per channel
  int64_t dim;
  Deviations(const Tensor& self, int64_t dim_) : x(in_opmath(self)), n(1) {
    dim = wrap_dim("_channel_stats", self, dim_);
    n = c10::SymFloat(self.sym_numel()) / c10::SymFloat(channels_of(self, dim));
    deviations = x - along_dim(channel_sum(x, dim) / n, x, dim);
  }
};

struct StatsGrad {
  static std::string name() { return "ChannelStatsBackward0"; }
  static constexpr int kSaved = 2;
  std::tuple<int64_t> numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, 2>& saved, const Wanted&) const {
    const auto [dim] = numbers;
    if (!at::GradMode::is_enabled() && !has_tangent(saved[0]) && !has_tangent(grads[0]) && !has_tangent(grads[1])) {
      return {stats_backward_op().call(optional(grads[0]), optional(grads[1]), saved[0], saved[1], dim)};
    }
    const Deviations v(saved[0], dim);
    const auto share = [&](const Tensor& grad, double times) {
      return along_dim(grad * (c10::SymFloat(times) / v.n), v.x, v.dim);
    };
    Tensor dx;
    if (grads[0].defined()) dx = share(grads[0], 1).expand_as(v.x);
    if (grads[1].defined()) dx = add_defined(dx, share(grads[1], 2) * v.deviations);
    return {dx.to(saved[0].scalar_type())};
  }
};

Stats channel_stats_autograd(DispatchKeySet keys, const Tensor& self, int64_t dim) {
  auto node = record(StatsGrad{{dim}}, self);
  auto [mean, var] =
      below_autograd([&] { return stats_op().redispatch(keys & c10::after_autograd_keyset, self, dim); });
  // Not the output itself, which would hold the node that holds it.
  if (node) node->save(self, below_autograd([&] { return mean.detach(); }));
  attach(mean, node);
  attach(var, node);
  if (has_tangent(self)) {
    const Deviations v(primal(self), dim);
    const Tensor t = in_opmath(tangent(self));
    set_tangent(mean, channel_sum(t, v.dim) / v.n);
    set_tangent(var, channel_sum(v.deviations * t, v.dim) * (c10::SymFloat(2) / v.n));
  }
  return {mean, var};
}

using MaskedStats = std::tuple<Tensor, Tensor, Tensor>;

MaskedStats dice_stats(const Tensor& self, const OptionalTensor& mask, int64_t dim) {
  const char* const op = "dice";
  dim = wrap_dim(op, self, dim);
  const auto options = self.options().dtype(opmath_type(self.scalar_type()));
  if (!mask) {
    auto [mean, var] = stats_op().call(self, dim);
    const SymInt channels = channels_of(self, dim);
    return {mean, var, at::full({}, c10::SymFloat(self.sym_numel()) / c10::SymFloat(channels), options)};
  }
  const Tensor m = self.dim() == 0 ? *mask : mask->unsqueeze(dim), x = in_opmath(self);
  const Tensor count = mask->sum().to(options.dtype());
  const Tensor mean = channel_sum(at::where(m, x, 0), dim) / count;
  const Tensor deviations = at::where(m, x - along_dim(mean, x, dim), 0);
  return {mean, channel_sum(deviations.square(), dim) / count, count};
}

// ------------------------------------------------------------------------------------------------------ the whole

Tensor dice_with_stats(const Tensor& self, const Tensor& alpha, const Tensor& mean, const Tensor& var,
                       const OptionalTensor& weight, const OptionalTensor& bias, double eps, c10::string_view eps_mode,
                       int64_t dim) {
  const SymInt channels = channels_of(self, wrap_dim("dice", self, dim));
  const auto each = [&](const Tensor& t) { return in_opmath(t).reshape({-1}).expand_symint({channels}); };
  Tensor deviation = in_opmath(var);
  if (eps_mode == "outside") {
    // Where there is no variance the gradient of its root is 0, as that of torch.std.
    const Tensor none = deviation == 0;
    deviation = at::where(none, 0, at::where(none, 1, deviation).sqrt());
  } else {
    deviation = (deviation + eps).sqrt();
  }
  if (eps_mode != "inside") deviation = deviation + eps;
  const Tensor scale = each(weight ? in_opmath(*weight) / deviation : deviation.reciprocal());
  return Gate::forward_op().call(self, each(alpha), each(mean), scale, bias ? each(*bias) : at::zeros_like(scale), dim);
}

}  // namespace

void define_dice_gate(torch::Library& m) {
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  Gate::define(m, "Tensor self, Tensor alpha, Tensor mean, Tensor scale, Tensor bias", ", int dim", tags);
  m.def("_channel_stats(Tensor self, int dim) -> (Tensor mean, Tensor var)", tags);
  m.def("_channel_stats_backward(Tensor? grad_mean, Tensor? grad_var, Tensor self, Tensor mean, int dim) -> Tensor",
        tags);
  m.def("_dice_stats(Tensor self, Tensor? mask, int dim) -> (Tensor mean, Tensor var, Tensor count)", tags);
  m.def(
      "_dice_with_stats(Tensor self, Tensor alpha, Tensor mean, Tensor var, Tensor? weight, Tensor? bias, float eps, "
      "str eps_mode, int dim) -> Tensor",
      tags);
}

namespace {

void device(torch::Library& m) {
  Gate::device(m);
  m.impl("_channel_stats", TORCH_FN(channel_stats));
  m.impl("_channel_stats_backward", TORCH_FN(channel_stats_backward));
}
void composite(torch::Library& m) {
  m.impl("_dice_stats", TORCH_FN(dice_stats));
  m.impl("_dice_with_stats", TORCH_FN(dice_with_stats));
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  Gate::autograd(m);
  m.impl("_channel_stats", TORCH_FN(channel_stats_autograd));
}
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) { composite(m); }
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) { composite(m); }

}  // namespace
}  // namespace actinium::ops
