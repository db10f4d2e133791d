// swish.Tensor: Swish with a tensor beta, one number for all or one per channel along dim, and its gradient.
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros_like.h>

#include "csrc/ops/channels.h"
#include "csrc/ops/higher.h"
#include "csrc/ops/overloads.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using math::ChannelFormula;
using Gradients = std::tuple<Tensor, Tensor>;
using SecondGradients = std::tuple<Tensor, Tensor, Tensor>;

struct SwishTensor {
  using Forms = Overloads<SwishTensor, const Tensor&, int64_t>;
  static constexpr const char *kOverload = "Tensor", *kOutOverload = "Tensor_out", *kSelf = "self", *kOut = "out";
  static constexpr bool kInPlace = true, kSavesResult = false;
  static std::string name() { return "swish"; }

  using Backward = Gradients(const Tensor&, const Tensor&, const Tensor&, int64_t, std::array<bool, 2>);
  using DoubleBackward = SecondGradients(const std::optional<Tensor>&, const std::optional<Tensor>&, const Tensor&,
                                         const Tensor&, const Tensor&, int64_t, std::array<bool, 3>);
  static const auto& backward_op() {
    static const auto op = find_op<Backward>("swish_backward", "Tensor");
    return op;
  }
  static const auto& double_backward_op() {
    static const auto op = find_op<DoubleBackward>("swish_double_backward", "Tensor");
    return op;
  }

  // ---- device and Meta

  static Tensor forward(const Tensor& self, const Tensor& beta, int64_t dim) {
    const SymInt channels = check_channels("swish", self, "beta", beta, dim);
    const Tensor out = output_like(self);
    if (!self.is_meta()) run(out, self, beta, dim, channels.expect_int());
    return out;
  }

  static void forward_into(const Tensor& out, const Tensor& self, const Tensor& beta, int64_t dim) {
    const SymInt channels = check_channels("swish", self, "beta", beta, dim);
    prepare_out("swish", out, self);
    if (!self.is_meta()) run(out, self, beta, dim, channels.expect_int());
  }

  static void run(const Tensor& out, const Tensor& self, const Tensor& beta, int64_t dim, int64_t channels) {
    const ChannelCall call("swish", self, dim, channels);
    const Tensor x = call.dense(self);
    // Straight into out where it lies as x does.
    const Tensor target = same_layout(out, x) ? out : call.new_output();
    call.run(ChannelFormula::kSwishForward, {x}, {target}, {call.parameter(beta)}, {});
    if (!target.is_same(out)) out.copy_(target);
  }

  static Gradients backward(const Tensor& grad, const Tensor& self, const Tensor& beta, int64_t dim,
                            std::array<bool, 2> mask) {
    return parameter_backward("swish_backward", ChannelFormula::kSwishBackward, grad, self, "beta", beta, dim, mask);
  }

  static SecondGradients double_backward(const std::optional<Tensor>& gg_self, const std::optional<Tensor>& gg_beta,
                                         const Tensor& grad, const Tensor& self, const Tensor& beta, int64_t dim,
                                         std::array<bool, 3> mask) {
    const char* const op = "swish_double_backward";
    const SymInt channels = check_channels(op, self, "beta", beta, dim);
    check_like(op, "grad_output", grad, self);
    if (gg_self) check_like(op, "grad_grad_self", *gg_self, self);
    if (gg_beta) check_like(op, "grad_grad_beta", *gg_beta, beta);
    if (self.is_meta()) {
      return {mask[0] ? output_like(self) : Tensor(), mask[1] ? output_like(self) : Tensor(),
              mask[2] ? at::empty_like(beta) : Tensor()};
    }
    const ChannelCall call(op, self, dim, channels.expect_int());
    const Tensor by_grad = mask[0] ? call.new_output() : Tensor(), by_self = mask[1] ? call.new_output() : Tensor();
    const Tensor sums = mask[2] ? call.new_sums(1) : Tensor();
    if (mask[0] || mask[1] || mask[2]) {
      call.run(ChannelFormula::kSwishDoubleBackward,
               {call.dense(gg_self ? *gg_self : at::zeros_like(self)), call.dense(grad), call.dense(self)},
               {by_grad, by_self}, {call.parameter(beta), call.parameter(gg_beta ? *gg_beta : at::zeros_like(beta))},
               sums);
    }
    return {by_grad, by_self, mask[2] ? sums.view(beta.sizes()).to(beta.scalar_type()) : Tensor()};
  }

  // ---- gradients

  struct ForwardGrad {
    static std::string name() { return "SwishBackward1"; }
    static constexpr int kSaved = 2;
    std::tuple<int64_t> numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 2>& saved, Wanted wanted) const {
      auto [by_self, by_beta] =
          backward_op().call(grads[0], saved[0], saved[1], std::get<0>(numbers), {wanted(0), wanted(1)});
      return {by_self, by_beta};
    }
  };

  struct BackwardGrad {
    static std::string name() { return "SwishBackwardBackward1"; }
    static constexpr int kSaved = 3;
    std::tuple<int64_t> numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 3>& saved, Wanted wanted) const {
      auto [by_grad, by_self, by_beta] =
          double_backward_op().call(optional(grads[0]), optional(grads[1]), saved[0], saved[1], saved[2],
                                    std::get<0>(numbers), {wanted(0), wanted(1), wanted(2)});
      return {by_grad, by_self, by_beta};
    }
  };

  static bool needs_gradient(const Tensor& self, const Tensor& beta, int64_t) {
    return torch::autograd::compute_requires_grad(self, beta);
  }
  static bool has_tangent(const Tensor& self, const Tensor& beta, int64_t) {
    return ops::has_tangent(self) || ops::has_tangent(beta);
  }
  static auto record(const Tensor& self, const Tensor& saved, const Tensor& beta, int64_t dim) {
    auto node = ops::record(ForwardGrad{{dim}}, self, beta);
    if (node) node->save(saved, beta);
    return node;
  }
  static Tensor jvp(const Tensor& self, const Tensor& /*result*/, const Tensor& beta, int64_t dim) {
    // The gradient of <tangents, gradients> by the gradient is the tangent; its value does not matter.
    const Tensor x = primal(self);
    return std::get<0>(double_backward_op().call(optional(tangent(self)), optional(tangent(beta)), x, x, primal(beta),
                                                 dim, {true, false, false}));
  }

  static Gradients backward_autograd(DispatchKeySet keys, const Tensor& grad, const Tensor& self, const Tensor& beta,
                                     int64_t dim, std::array<bool, 2> mask) {
    auto node = ops::record(BackwardGrad{{dim}}, grad, self, beta);
    if (node) node->save(grad, self, beta);
    auto [by_self, by_beta] = below_autograd(
        [&] { return backward_op().redispatch(keys & c10::after_autograd_keyset, grad, self, beta, dim, mask); });
    attach(by_self, node);
    attach(by_beta, node);
    Tensor t_self, t_beta;
    if (ops::has_tangent(grad)) {
      std::tie(t_self, t_beta) = backward_op().call(tangent(grad), primal(self), primal(beta), dim, mask);
    }
    if (ops::has_tangent(self) || ops::has_tangent(beta)) {
      auto [unused, by_x, by_b] =
          double_backward_op().call(optional(tangent(self)), optional(tangent(beta)), primal(grad), primal(self),
                                    primal(beta), dim, {false, mask[0], mask[1]});
      t_self = add_defined(t_self, by_x);
      t_beta = add_defined(t_beta, by_b);
    }
    set_tangent(by_self, t_self);
    set_tangent(by_beta, t_beta);
    return {by_self, by_beta};
  }

  struct DoubleBackwardGrad {
    static std::string name() { return "SwishDoubleBackwardBackward1"; }
    static constexpr int kSaved = 5;
    std::tuple<int64_t> numbers;
    static auto formula(int64_t dim) {
      return [=](const variable_list& inputs) {
        const Tensor& x = inputs[0];
        return x * at::sigmoid(x * along_dim(inputs[1], x, dim));
      };
    }
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 5>& saved, const Wanted&) const {
      return differentiate_double_backward(formula(std::get<0>(numbers)), {saved[0], saved[1]}, saved[2],
                                           {saved[3], saved[4]}, grads);
    }
  };

  static SecondGradients double_backward_autograd(DispatchKeySet keys, const std::optional<Tensor>& gg_self,
                                                  const std::optional<Tensor>& gg_beta, const Tensor& grad,
                                                  const Tensor& self, const Tensor& beta, int64_t dim,
                                                  std::array<bool, 3> mask) {
    auto node = ops::record(DoubleBackwardGrad{{dim}}, gg_self, gg_beta, grad, self, beta);
    if (node) node->save(defined(gg_self), defined(gg_beta), grad, self, beta);
    auto [by_grad, by_self, by_beta] = below_autograd([&] {
      return double_backward_op().redispatch(keys & c10::after_autograd_keyset, gg_self, gg_beta, grad, self, beta, dim,
                                             mask);
    });
    attach(by_grad, node);
    attach(by_self, node);
    attach(by_beta, node);
    set_double_backward_tangents(DoubleBackwardGrad::formula(dim), {defined(gg_self), defined(gg_beta)}, grad,
                                 {self, beta}, {by_grad, by_self, by_beta});
    return {by_grad, by_self, by_beta};
  }
};

}  // namespace

void define_swish_tensor(torch::Library& m) {
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  SwishTensor::Forms::define(m, ", Tensor beta, int dim=1", tags);
  m.def(
      "swish_backward.Tensor(Tensor grad_output, Tensor self, Tensor beta, int dim=1, "
      "bool[2] output_mask=[True, True]) -> (Tensor, Tensor)",
      tags);
  m.def(
      "swish_double_backward.Tensor(Tensor? grad_grad_self, Tensor? grad_grad_beta, Tensor grad_output, Tensor self, "
      "Tensor beta, int dim=1, bool[3] output_mask=[True, True, True]) -> (Tensor, Tensor, Tensor)",
      tags);
}

namespace {

void device(torch::Library& m) {
  SwishTensor::Forms::device(m);
  m.impl("swish_backward.Tensor", TORCH_FN(SwishTensor::backward));
  m.impl("swish_double_backward.Tensor", TORCH_FN(SwishTensor::double_backward));
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  SwishTensor::Forms::autograd(m);
  m.impl("swish_backward.Tensor", TORCH_FN(SwishTensor::backward_autograd));
  m.impl("swish_double_backward.Tensor", TORCH_FN(SwishTensor::double_backward_autograd));
}
TORCH_LIBRARY_IMPL(actinium, ADInplaceOrView, m) { SwishTensor::Forms::versions(m); }
TORCH_LIBRARY_IMPL(actinium, Functionalize, m) { SwishTensor::Forms::functionalize(m); }

}  // namespace
}  // namespace actinium::ops
