// Dice (Zhou et al. 2018, Deep Interest Network, section 5.2): f(s) = p s + (1 - p) alpha s with p = sigmoid of the
// standardised s.
//
// `dice` is composite: it calls the functional core `_dice_forward` and updates the running statistics with ordinary
// in-place ops, so that compilers, torch.func and export see nothing that they do not know. The core takes the
// statistics or, where none are given, computes those of the batch, and all of its derivatives treat them as functions
// of self. With a mask, a weight, a bias or an epsilon elsewhere it is composed of the parts in dice_gate.cpp.
//
// The derivatives, with L = <g, f>, in the notation of math/dice.h. First: dx and dalpha of L. Second: those of
// S = <a, dx> + <b, dalpha>, where a and b are the gradients of dx and dalpha. S is linear in g, and its gradient by g
// is the tangent of f in the direction (a, b), which is what forward mode calls.
#include <ATen/ops/_assert_async.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/square.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "csrc/ops/channels.h"
#include "csrc/ops/higher.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using math::ChannelFormula;
using OptionalTensor = std::optional<Tensor>;
using Outputs = std::tuple<Tensor, Tensor, Tensor>;
using Gradients = std::tuple<Tensor, Tensor>;

using Forward = Outputs(const Tensor&, const Tensor&, const OptionalTensor&, const OptionalTensor&, double, int64_t);
using Backward = Gradients(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, bool, double,
                           int64_t, std::array<bool, 2>);
using DoubleBackward = Outputs(const OptionalTensor&, const OptionalTensor&, const Tensor&, const Tensor&,
                               const Tensor&, const Tensor&, const Tensor&, bool, double, int64_t, std::array<bool, 3>);

const auto& forward_op() {
  static const auto op = find_op<Forward>("_dice_forward");
  return op;
}
const auto& backward_op() {
  static const auto op = find_op<Backward>("_dice_backward");
  return op;
}
const auto& double_backward_op() {
  static const auto op = find_op<DoubleBackward>("_dice_double_backward");
  return op;
}

// --------------------------------------------------------------------------------------------------------- checks

// The number of channels; wraps dim.
SymInt check(const char* op, const Tensor& self, const Tensor& alpha, int64_t& dim) {
  check_input(op, "self", self);
  dim = wrap_dim(op, self, dim);
  const SymInt channels = channels_of(self, dim);
  check_parameter(op, "alpha", alpha, self, channels, dim, /*one_allowed=*/true);
  return channels;
}

void check_statistic(const char* op, const char* argument, const Tensor& statistic, const Tensor& self,
                     const SymInt& channels, int64_t dim) {
  check_parameter(op, argument, statistic, self, channels, dim, /*one_allowed=*/false);
}

void check_eps(const char* op, double eps) {
  TORCH_CHECK_VALUE(eps >= 0, op, ": eps=", eps, ", expected a number that is not negative");
}

// -------------------------------------------------------------------------------------------------------- Forward

Outputs forward(const Tensor& self, const Tensor& alpha, const OptionalTensor& mean, const OptionalTensor& var,
                double eps, int64_t dim) {
  const char* const op = "dice";
  const SymInt channels = check(op, self, alpha, dim);
  check_eps(op, eps);
  TORCH_CHECK_VALUE(mean.has_value() == var.has_value(), op, ": mean and var go together, got only ",
                    mean ? "mean" : "var");
  const bool batch = !mean;
  if (!batch) {
    check_statistic(op, "running_mean", *mean, self, channels, dim);
    check_statistic(op, "running_var", *var, self, channels, dim);
  }
  const auto options = self.options().dtype(opmath_type(self.scalar_type()));
  // No statistics come back where they were given: an op must not return its own arguments.
  const SymInt count = batch ? channels : SymInt(0);
  if (self.is_meta())
    return {output_like(self), at::empty_symint({count}, options), at::empty_symint({count}, options)};

  const ChannelCall call(op, self, dim, channels.expect_int());
  const Tensor x = call.dense(self), out = call.new_output();
  const auto [m, v] = batch ? call.stats(x) : std::pair(call.parameter(*mean), call.parameter(*var));
  call.run(ChannelFormula::kDiceForward, {x}, {out}, {call.parameter(alpha), m, v}, {}, eps);
  if (batch) return {out, m, v};
  return {out, at::empty({0}, options), at::empty({0}, options)};
}

// ------------------------------------------------------------------------------------------------------- Backward

// Per-channel sums of dalpha as alpha has them: its one element takes all channels.
Tensor as_alpha(const Tensor& sums, const Tensor& alpha) {
  return (alpha.numel() == 1 ? sums.sum() : sums).view(alpha.sizes()).to(alpha.scalar_type());
}

Gradients backward(const Tensor& grad, const Tensor& self, const Tensor& alpha, const Tensor& mean, const Tensor& var,
                   bool batch, double eps, int64_t dim, std::array<bool, 2> mask) {
  const char* const op = "_dice_backward";
  const SymInt channels = check(op, self, alpha, dim);
  check_like(op, "grad_output", grad, self);
  check_statistic(op, "mean", mean, self, channels, dim);
  check_statistic(op, "var", var, self, channels, dim);
  if (self.is_meta()) {
    return {mask[0] ? output_like(self) : Tensor(), mask[1] ? at::empty_like(alpha) : Tensor()};
  }
  const ChannelCall call(op, self, dim, channels.expect_int());
  const Tensor g = call.dense(grad), x = call.dense(self);
  const Tensor p_alpha = call.parameter(alpha), m = call.parameter(mean), v = call.parameter(var);
  const Tensor dx = mask[0] ? call.new_output() : Tensor();
  // Rows: dalpha, h, h z.
  Tensor sums = mask[1] || (batch && mask[0]) ? call.new_sums(3) : Tensor();
  const Tensor zero = at::zeros({1}, p_alpha.options());
  if (batch) {
    // dx depends on the means of h and h z. Where it is rounded to 16 bits it is written when they are known; else
    // it is written without them, by the pass that adds them up, and they are taken from it.
    const bool wide = self.scalar_type() == opmath_type(self.scalar_type());
    if (sums.defined()) {
      call.run(ChannelFormula::kDiceBackward, {g, x}, {wide ? dx : Tensor()}, {p_alpha, m, v, zero, zero}, sums, eps);
    }
    if (mask[0]) {
      const Tensor means = sums / static_cast<double>(call.per_channel());
      call.run(wide ? ChannelFormula::kDiceCenter : ChannelFormula::kDiceBackward, {wide ? dx : g, x}, {dx},
               {p_alpha, m, v, means[1], means[2]}, {}, eps);
    }
  } else if (mask[0] || mask[1]) {
    call.run(ChannelFormula::kDiceBackward, {g, x}, {dx}, {p_alpha, m, v, zero, zero}, sums, eps);
  }
  return {dx, mask[1] ? as_alpha(sums[0], alpha) : Tensor()};
}

Outputs double_backward(const OptionalTensor& gg_self, const OptionalTensor& gg_alpha, const Tensor& grad,
                        const Tensor& self, const Tensor& alpha, const Tensor& mean, const Tensor& var, bool batch,
                        double eps, int64_t dim, std::array<bool, 3> mask) {
  const char* const op = "_dice_double_backward";
  const SymInt channels = check(op, self, alpha, dim);
  check_like(op, "grad_output", grad, self);
  if (gg_self) check_like(op, "grad_grad_self", *gg_self, self);
  if (gg_alpha) check_like(op, "grad_grad_alpha", *gg_alpha, alpha);
  check_statistic(op, "mean", mean, self, channels, dim);
  check_statistic(op, "var", var, self, channels, dim);
  if (self.is_meta()) {
    return {mask[0] ? output_like(self) : Tensor(), mask[1] ? output_like(self) : Tensor(),
            mask[2] ? at::empty_like(alpha) : Tensor()};
  }
  const ChannelCall call(op, self, dim, channels.expect_int());
  const Tensor a = call.dense(gg_self ? *gg_self : at::zeros_like(self)), g = call.dense(grad), x = call.dense(self);
  const Tensor p_alpha = call.parameter(alpha), m = call.parameter(mean), v = call.parameter(var);
  const Tensor b = call.parameter(gg_alpha ? *gg_alpha : at::zeros_like(alpha));
  const Tensor by_grad = mask[0] ? call.new_output() : Tensor(), by_self = mask[1] ? call.new_output() : Tensor();
  const Tensor sums = mask[1] || mask[2] ? call.new_sums(3) : Tensor();
  const Tensor zero = at::zeros({1}, p_alpha.options());

  const auto run = [&](const Tensor& out0, const Tensor& out1, const std::array<Tensor, 5>& moments,
                       const std::array<Tensor, 2>& means, const Tensor& to) {
    const auto& [mean_a, mean_az, mean_h, mean_hz, t] = moments;
    call.run(ChannelFormula::kDiceDoubleBackward, {a, g, x}, {out0, out1},
             {p_alpha, m, v, b, mean_a, mean_az, mean_h, mean_hz, t, means[0], means[1]}, to, eps);
  };
  if (!batch) {
    run(by_grad, by_self, {zero, zero, zero, zero, zero}, {zero, zero}, mask[2] ? sums : Tensor());
  } else {
    // Rows: a, a z, h, h z, h a.
    const Tensor first = call.new_sums(5);
    const double n = static_cast<double>(call.per_channel());
    call.run(ChannelFormula::kDiceMoments, {a, g, x}, {}, {p_alpha, m, v}, first, eps);
    const Tensor means = first / n;
    const Tensor t = (v + eps).rsqrt() * (means[4] - means[2] * means[0] - means[3] * means[1]);
    const std::array<Tensor, 5> moments{means[0], means[1], means[2], means[3], t};
    if (sums.defined()) run({}, {}, moments, {zero, zero}, sums);  // dalpha, G, G z
    if (mask[0] || mask[1]) {
      const Tensor last = mask[1] ? sums / n : Tensor();
      run(by_grad, by_self, moments, {mask[1] ? last[1] : zero, mask[1] ? last[2] : zero}, {});
    }
  }
  return {by_grad, by_self, mask[2] ? as_alpha(sums[0], alpha) : Tensor()};
}

// ------------------------------------------------------------------------------------------------------- gradients

using Numbers = std::tuple<bool, double, int64_t>;

struct ForwardGrad {
  static std::string name() { return "DiceBackward0"; }
  static constexpr int kSaved = 4;
  Numbers numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, 4>& saved, Wanted wanted) const {
    const auto& [batch, eps, dim] = numbers;
    auto [dx, dalpha] =
        backward_op().call(grads[0], saved[0], saved[1], saved[2], saved[3], batch, eps, dim, {wanted(0), wanted(1)});
    return {dx, dalpha};
  }
};

struct BackwardGrad {
  static std::string name() { return "DiceBackwardBackward0"; }
  static constexpr int kSaved = 5;
  Numbers numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, 5>& saved, Wanted wanted) const {
    const auto& [batch, eps, dim] = numbers;
    auto [by_grad, by_self, by_alpha] =
        double_backward_op().call(optional(grads[0]), optional(grads[1]), saved[0], saved[1], saved[2], saved[3],
                                  saved[4], batch, eps, dim, {wanted(0), wanted(1), wanted(2)});
    return {by_grad, by_self, by_alpha};
  }
};

Outputs forward_autograd(DispatchKeySet keys, const Tensor& self, const Tensor& alpha, const OptionalTensor& mean,
                         const OptionalTensor& var, double eps, int64_t dim) {
  const bool batch = !mean;
  auto node = record(ForwardGrad{{batch, eps, dim}}, self, alpha);
  auto [out, m, v] = below_autograd(
      [&] { return forward_op().redispatch(keys & c10::after_autograd_keyset, self, alpha, mean, var, eps, dim); });
  const Tensor& used_mean = batch ? m : *mean;
  const Tensor& used_var = batch ? v : *var;
  if (node) node->save(self, alpha, used_mean, used_var);
  attach(out, node);
  if (has_tangent(self) || has_tangent(alpha)) {
    const Tensor x = primal(self);
    set_tangent(out, std::get<0>(double_backward_op().call(optional(tangent(self)), optional(tangent(alpha)), x, x,
                                                           primal(alpha), used_mean, used_var, batch, eps, dim,
                                                           {true, false, false})));
  }
  return {out, m, v};
}

Gradients backward_autograd(DispatchKeySet keys, const Tensor& grad, const Tensor& self, const Tensor& alpha,
                            const Tensor& mean, const Tensor& var, bool batch, double eps, int64_t dim,
                            std::array<bool, 2> mask) {
  auto node = record(BackwardGrad{{batch, eps, dim}}, grad, self, alpha);
  if (node) node->save(grad, self, alpha, mean, var);
  auto [dx, dalpha] = below_autograd([&] {
    return backward_op().redispatch(keys & c10::after_autograd_keyset, grad, self, alpha, mean, var, batch, eps, dim,
                                    mask);
  });
  attach(dx, node);
  attach(dalpha, node);
  Tensor t_dx, t_dalpha;
  if (has_tangent(grad)) {
    std::tie(t_dx, t_dalpha) =
        backward_op().call(tangent(grad), primal(self), primal(alpha), mean, var, batch, eps, dim, mask);
  }
  if (has_tangent(self) || has_tangent(alpha)) {
    // L's second derivatives are symmetric: in the direction of the tangents they are S's gradients.
    auto [unused, by_self, by_alpha] =
        double_backward_op().call(optional(tangent(self)), optional(tangent(alpha)), primal(grad), primal(self),
                                  primal(alpha), mean, var, batch, eps, dim, {false, mask[0], mask[1]});
    t_dx = add_defined(t_dx, by_self);
    t_dalpha = add_defined(t_dalpha, by_alpha);
  }
  set_tangent(dx, t_dx);
  set_tangent(dalpha, t_dalpha);
  return {dx, dalpha};
}

struct DoubleBackwardGrad {
  static std::string name() { return "DiceDoubleBackwardBackward0"; }
  static constexpr int kSaved = 7;
  Numbers numbers;
  static auto formula(const Tensor& saved_mean, const Tensor& saved_var, const Numbers& numbers) {
    return [=](const variable_list& inputs) {
      const auto& [batch, eps, dim] = numbers;
      const Tensor& x = inputs[0];
      const int64_t channel = wrap_dim("dice", x, dim);
      Tensor mean = along_dim(saved_mean, x, dim), var = along_dim(saved_var, x, dim);
      if (batch) {
        std::vector<int64_t> others;
        for (int64_t d = 0; d < x.dim(); ++d) {
          if (d != channel) others.push_back(d);
        }
        mean = others.empty() ? x : x.mean(others, /*keepdim=*/true);
        var = others.empty() ? at::zeros_like(x) : (x - mean).square().mean(others, /*keepdim=*/true);
      }
      const Tensor p = ((x - mean) * (var + eps).rsqrt()).sigmoid();
      return p * x + (1 - p) * along_dim(inputs[1], x, dim) * x;
    };
  }
  variable_list operator()(const variable_list& grads, const std::array<Tensor, 7>& saved, const Wanted&) const {
    return differentiate_double_backward(formula(saved[5], saved[6], numbers), {saved[0], saved[1]}, saved[2],
                                         {saved[3], saved[4]}, grads);
  }
};

Outputs double_backward_autograd(DispatchKeySet keys, const OptionalTensor& gg_self, const OptionalTensor& gg_alpha,
                                 const Tensor& grad, const Tensor& self, const Tensor& alpha, const Tensor& mean,
                                 const Tensor& var, bool batch, double eps, int64_t dim, std::array<bool, 3> mask) {
  auto node = record(DoubleBackwardGrad{{batch, eps, dim}}, gg_self, gg_alpha, grad, self, alpha);
  if (node) node->save(defined(gg_self), defined(gg_alpha), grad, self, alpha, mean, var);
  auto [by_grad, by_self, by_alpha] = below_autograd([&] {
    return double_backward_op().redispatch(keys & c10::after_autograd_keyset, gg_self, gg_alpha, grad, self, alpha,
                                           mean, var, batch, eps, dim, mask);
  });
  attach(by_grad, node);
  attach(by_self, node);
  attach(by_alpha, node);
  set_double_backward_tangents(DoubleBackwardGrad::formula(mean, var, {batch, eps, dim}),
                               {defined(gg_self), defined(gg_alpha)}, grad, {self, alpha},
                               {by_grad, by_self, by_alpha});
  return {by_grad, by_self, by_alpha};
}

// ------------------------------------------------------------------------------------------------------- composite

using Stats = Outputs(const Tensor&, const OptionalTensor&, int64_t);
using WithStats = Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&,
                         const OptionalTensor&, double, c10::string_view, int64_t);

const auto& stats_op() {
  static const auto op = find_op<Stats>("_dice_stats");
  return op;
}
const auto& with_stats_op() {
  static const auto op = find_op<WithStats>("_dice_with_stats");
  return op;
}

void check_mask(const char* op, const Tensor& mask, const Tensor& self, int64_t dim) {
  TORCH_CHECK_TYPE(mask.scalar_type() == at::kBool, op, ": mask has dtype ", mask.scalar_type(), ", expected Bool");
  check_device(op, "mask", mask, self);
  std::vector<SymInt> sizes = self.sym_sizes().vec();
  if (self.dim() > 0) sizes.erase(sizes.begin() + dim);
  TORCH_CHECK_VALUE(mask.sym_sizes() == c10::SymIntArrayRef(sizes), op, ": mask has shape ", shape_of(mask),
                    ", expected ", c10::SymIntArrayRef(sizes), ", the shape of self without dim ", dim);
}

// The arguments of `dice` as every way to compute it takes them; wraps dim.
void check_arguments(const Tensor& self, const Tensor& alpha, const OptionalTensor& running_mean,
                     const OptionalTensor& running_var, double momentum, double eps, int64_t& dim,
                     const OptionalTensor& mask, const OptionalTensor& weight, const OptionalTensor& bias,
                     c10::string_view eps_mode) {
  const char* const op = "dice";
  const SymInt channels = check(op, self, alpha, dim);
  check_eps(op, eps);
  TORCH_CHECK_VALUE(running_mean.has_value() == running_var.has_value(), op,
                    ": running_mean and running_var go together, got only ",
                    running_mean ? "running_mean" : "running_var");
  if (running_mean) {
    check_statistic(op, "running_mean", *running_mean, self, channels, dim);
    check_statistic(op, "running_var", *running_var, self, channels, dim);
  }
  TORCH_CHECK_VALUE(momentum >= 0 && momentum <= 1, op, ": momentum=", momentum, ", expected 0 to 1");
  if (mask) check_mask(op, *mask, self, dim);
  if (weight) check_parameter(op, "weight", *weight, self, channels, dim, /*one_allowed=*/true);
  if (bias) check_parameter(op, "bias", *bias, self, channels, dim, /*one_allowed=*/true);
  TORCH_CHECK_VALUE(eps_mode == "inside" || eps_mode == "outside" || eps_mode == "both", op, ": eps_mode='", eps_mode,
                    "', expected 'inside', 'outside' or 'both'");
}
// For SyncDice, which computes from parts.
void check_only(const Tensor& self, const Tensor& alpha, const OptionalTensor& running_mean,
                const OptionalTensor& running_var, double momentum, double eps, int64_t dim, const OptionalTensor& mask,
                const OptionalTensor& weight, const OptionalTensor& bias, c10::string_view eps_mode) {
  check_arguments(self, alpha, running_mean, running_var, momentum, eps, dim, mask, weight, bias, eps_mode);
}

// Of arguments that are checked.
Tensor dice_of(const Tensor& self, const Tensor& alpha, const OptionalTensor& running_mean,
               const OptionalTensor& running_var, bool training, double momentum, double eps, int64_t dim,
               const OptionalTensor& mask, const OptionalTensor& weight, const OptionalTensor& bias,
               c10::string_view eps_mode, bool unbiased) {
  const char* const op = "dice";
  // The core computes the gate of the paper; the others are composed.
  const bool plain = !weight && !bias && eps_mode == "inside";
  const auto with_stats = [&](const Tensor& x, const Tensor& mean, const Tensor& var) {
    return with_stats_op().call(x, alpha, mean, var, weight, bias, eps, eps_mode, dim);
  };
  const bool batch = training || !running_mean;
  if (!batch) {
    if (!plain) return with_stats(self, *running_mean, *running_var);
    return std::get<0>(forward_op().call(self, alpha, running_mean, running_var, eps, dim));
  }

  SymInt n = 1;  // values per channel
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (d != dim) n = n * self.sym_size(d);
  }
  TORCH_CHECK_VALUE(!training || n != 1, op,
                    ": expected more than 1 value per channel when training, got self of shape ", shape_of(self),
                    " with channels along dim ", dim);
  Tensor out, mean, var, count;
  if (plain && !mask) {
    std::tie(out, mean, var) = forward_op().call(self, alpha, std::nullopt, std::nullopt, eps, dim);
  } else {
    // The gradients of the gate and of the statistics meet before they are rounded.
    const Tensor wide = self.to(opmath_type(self.scalar_type()));
    std::tie(mean, var, count) = stats_op().call(wide, mask, dim);
    out = with_stats(wide, mean, var).to(self.scalar_type());
  }
  // torch.func.vmap has no rule for the check.
  if (training && mask && n != 0 &&
      !c10::impl::tls_is_dispatch_key_included(c10::DispatchKey::FuncTorchDynamicLayerBackMode)) {
    at::_assert_async(count > 1, "dice: expected more than 1 value per channel when training, mask leaves fewer");
  }
  if (training && running_mean && n != 0) {
    at::NoGradGuard no_grad;
    running_mean->mul_(1 - momentum).add_(mean, momentum);
    running_var->mul_(1 - momentum);
    if (mask && unbiased) {
      running_var->add_(var * (count / (count - 1)), momentum);
    } else {
      const c10::SymFloat correction = unbiased ? c10::SymFloat(n) / c10::SymFloat(n - 1) : c10::SymFloat(1);
      running_var->add_(var, correction * momentum);
    }
  }
  return out;
}

Tensor dice(const Tensor& self, const Tensor& alpha, const OptionalTensor& running_mean,
            const OptionalTensor& running_var, bool training, double momentum, double eps, int64_t dim,
            const OptionalTensor& mask, const OptionalTensor& weight, const OptionalTensor& bias,
            c10::string_view eps_mode, bool unbiased) {
  check_arguments(self, alpha, running_mean, running_var, momentum, eps, dim, mask, weight, bias, eps_mode);
  const auto of = [&](const Tensor& x) {
    return dice_of(x, alpha, running_mean, running_var, training, momentum, eps, dim, mask, weight, bias, eps_mode,
                   unbiased);
  };
  if (!mask) return of(self);
  // Padding that is not finite goes past the gate: a gradient of 0 times it would be NaN in the sums of the others.
  const Tensor gated = at::logical_or(self.dim() == 0 ? *mask : mask->unsqueeze(dim), at::isfinite(self));
  return at::where(gated, of(at::where(gated, self, 0)), self);
}

// ---------------------------------------------------------------------------------------------------- registration

}  // namespace

void define_dice(torch::Library& m) {
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  m.def(
      "dice(Tensor self, Tensor alpha, Tensor(a!)? running_mean, Tensor(b!)? running_var, bool training, float "
      "momentum=0.1, float eps=1e-8, int dim=-1, Tensor? mask=None, Tensor? weight=None, Tensor? bias=None, str "
      "eps_mode=\"inside\", bool unbiased=True) -> Tensor",
      tags);
  m.def(
      "_dice_check(Tensor self, Tensor alpha, Tensor? running_mean, Tensor? running_var, float momentum, float eps, "
      "int dim, Tensor? mask, Tensor? weight, Tensor? bias, str eps_mode) -> ()",
      tags);
  m.def(
      "_dice_forward(Tensor self, Tensor alpha, Tensor? mean, Tensor? var, float eps, int dim) -> (Tensor out, Tensor "
      "mean, Tensor var)",
      tags);
  m.def(
      "_dice_backward(Tensor grad_output, Tensor self, Tensor alpha, Tensor mean, Tensor var, bool batch_stats, float "
      "eps, int dim, bool[2] output_mask) -> (Tensor, Tensor)",
      tags);
  m.def(
      "_dice_double_backward(Tensor? grad_grad_self, Tensor? grad_grad_alpha, Tensor grad_output, Tensor self, Tensor "
      "alpha, Tensor mean, Tensor var, bool batch_stats, float eps, int dim, bool[3] output_mask) -> (Tensor, Tensor, "
      "Tensor)",
      tags);
}

namespace {

void device(torch::Library& m) {
  m.impl("_dice_forward", TORCH_FN(forward));
  m.impl("_dice_backward", TORCH_FN(backward));
  m.impl("_dice_double_backward", TORCH_FN(double_backward));
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  m.impl("_dice_forward", TORCH_FN(forward_autograd));
  m.impl("_dice_backward", TORCH_FN(backward_autograd));
  m.impl("_dice_double_backward", TORCH_FN(double_backward_autograd));
}
// The composite also where a mutable op is not decomposed by itself.
void composite(torch::Library& m) {
  m.impl("dice", TORCH_FN(dice));
  m.impl("_dice_check", TORCH_FN(check_only));
}
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) { composite(m); }
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) { composite(m); }
TORCH_LIBRARY_IMPL(actinium, Functionalize, m) { m.impl("dice", TORCH_FN(dice)); }

}  // namespace
}  // namespace actinium::ops
