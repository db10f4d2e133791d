// softmax and log_softmax along any dim. The backward knows the output and nothing else.
//
// The op of the user converts the dtype, as torch's does, and calls the functional core, `_softmax` or `_log_softmax`.
#include <ATen/autocast_mode.h>

#include "csrc/ops/channels.h"
#include "csrc/ops/node.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

template <bool kLog>
struct SoftmaxOps {
  using Core = Tensor(const Tensor&, int64_t);
  using Backward = Tensor(const Tensor&, const Tensor&, int64_t);
  using OptionalType = std::optional<at::ScalarType>;

  static std::string name() { return kLog ? "log_softmax" : "softmax"; }
  static const auto& op() {
    static const auto op = find_op<Tensor(const Tensor&, int64_t, OptionalType)>(name());
    return op;
  }
  static const auto& core_op() {
    static const auto op = find_op<Core>("_" + name());
    return op;
  }
  static const auto& backward_op() {
    static const auto op = find_op<Backward>(name() + "_backward");
    return op;
  }

  static Tensor composite(const Tensor& self, int64_t dim, OptionalType dtype) {
    return core_op().call(dtype && self.defined() ? self.to(*dtype) : self, dim);
  }

  // ---- device and Meta

  // input, and known where it is the backward, lie in memory as output does.
  static void run(const char* op, const Tensor& input, const Tensor& known, const Tensor& output, int64_t dim) {
    if (output.is_meta() || output.numel() == 0) return;
    const c10::DeviceGuard guard(output.device());
    Softmax problem;
    problem.log = kLog;
    problem.backward = known.defined();
    problem.dtype = output.scalar_type();
    problem.n = channels_of(output, dim).expect_int();
    problem.inner = problem.n == 1 ? output.numel() : output.stride(dim);
    problem.outer = output.numel() / (problem.n * problem.inner);
    problem.input = input.const_data_ptr();
    problem.known = known.defined() ? known.const_data_ptr() : nullptr;
    problem.output = output.mutable_data_ptr();
    backend_of(op, output).softmax(problem);
  }
  static Tensor lying_as(const Tensor& like, const Tensor& t) {
    return t.is_meta() || same_layout(t, like) ? t : at::empty_like(like).copy_(t);
  }

  static Tensor forward(const Tensor& self, int64_t dim) {
    static const std::string op = name();
    check_input(op.c_str(), "self", self);
    dim = wrap_dim(op.c_str(), self, dim);
    const Tensor output = output_like(self);
    run(op.c_str(), lying_as(output, self), {}, output, dim);
    return output;
  }

  static Tensor backward(const Tensor& grad, const Tensor& output, int64_t dim) {
    static const std::string op = name() + "_backward";
    check_input(op.c_str(), "output", output);
    check_like(op.c_str(), "grad_output", grad, output);
    dim = wrap_dim(op.c_str(), output, dim);
    const Tensor grad_input = output_like(output);
    run(op.c_str(), lying_as(grad_input, grad), lying_as(grad_input, output), grad_input, dim);
    return grad_input;
  }

  // ---- gradients. y is the output, J = dy/dx, and B(g, y) = J^T g the backward.

  static Tensor sum(const Tensor& t, int64_t dim) { return t.sum(dim, /*keepdim=*/true); }

  // J a; J is symmetric for softmax
  static Tensor along(const Tensor& a, const Tensor& y, int64_t dim) {
    if constexpr (!kLog) return backward_op().call(a, y, dim);
    return in_opmath([&](const Tensor& t, const Tensor& log) { return t - sum(log.exp() * t, dim); }, a, y);
  }
  // How B(g, y) moves with y along a.
  static Tensor moved(const Tensor& a, const Tensor& g, const Tensor& y, int64_t dim) {
    return in_opmath(
        [&](const Tensor& t, const Tensor& grad, const Tensor& out) {
          if constexpr (kLog) return -out.exp() * t * sum(grad, dim);
          return t * (grad - sum(grad * out, dim)) - out * sum(grad * t, dim);
        },
        a, g, y);
  }
  // The gradient of <a, B(g, y)> by y.
  static Tensor second(const Tensor& a, const Tensor& g, const Tensor& y, int64_t dim) {
    return in_opmath(
        [&](const Tensor& t, const Tensor& grad, const Tensor& out) {
          if constexpr (kLog) return -out.exp() * t * sum(grad, dim);
          return t * (grad - sum(grad * out, dim)) - grad * sum(t * out, dim);
        },
        a, g, y);
  }
  template <class F, class... Tensors>
  static Tensor in_opmath(F f, const Tensor& first, const Tensors&... rest) {
    const auto type = opmath_type(first.scalar_type());
    return f(first.to(type), rest.to(type)...).to(first.scalar_type());
  }

  struct ForwardGrad {
    static std::string name() { return camel_case(SoftmaxOps::name()) + "Backward0"; }
    static constexpr int kSaved = 1;
    std::tuple<int64_t> numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 1>& saved, const Wanted&) const {
      return {backward_op().call(grads[0], saved[0], std::get<0>(numbers))};
    }
  };

  struct BackwardGrad {
    static std::string name() { return camel_case(SoftmaxOps::name()) + "BackwardBackward0"; }
    static constexpr int kSaved = 2;
    std::tuple<int64_t> numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 2>& saved,
                             const Wanted& wanted) const {
      const auto& [g, y] = saved;
      const int64_t dim = std::get<0>(numbers);
      return {wanted(0) ? along(grads[0], y, dim) : Tensor(), wanted(1) ? second(grads[0], g, y, dim) : Tensor()};
    }
  };

  static Tensor forward_autograd(DispatchKeySet keys, const Tensor& self, int64_t dim) {
    auto node = record(ForwardGrad{{dim}}, self);
    Tensor output = below_autograd([&] { return core_op().redispatch(keys & c10::after_autograd_keyset, self, dim); });
    attach(output, node);
    if (has_tangent(self)) set_tangent(output, along(tangent(self), primal(output), dim));
    if (node) node->save_output(output);  // with its tangent
    return output;
  }

  static Tensor backward_autograd(DispatchKeySet keys, const Tensor& grad, const Tensor& output, int64_t dim) {
    auto node = record(BackwardGrad{{dim}}, grad, output);
    if (node) node->save(grad, output);
    Tensor result =
        below_autograd([&] { return backward_op().redispatch(keys & c10::after_autograd_keyset, grad, output, dim); });
    attach(result, node);
    Tensor t;
    if (has_tangent(grad)) t = backward_op().call(tangent(grad), primal(output), dim);
    if (has_tangent(output)) t = add_defined(t, moved(tangent(output), primal(grad), primal(output), dim));
    set_tangent(result, t);
    return result;
  }

  // ---- autocast: in float32 on CUDA, unless a dtype is asked for; on the CPU as it comes

  static Tensor autocast(const Tensor& self, int64_t dim, OptionalType dtype) {
    const c10::impl::ExcludeDispatchKeyGuard guard(c10::DispatchKey::AutocastCUDA);
    const bool wants = !dtype && at::autocast::is_eligible(self, at::kCUDA);
    return op().call(self, dim, wants ? OptionalType(at::kFloat) : dtype);
  }

  // ---- registration

  static void define(torch::Library& m) {
    const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
    m.def((name() + "(Tensor self, int dim=-1, ScalarType? dtype=None) -> Tensor").c_str(), tags);
    m.def(("_" + name() + "(Tensor self, int dim) -> Tensor").c_str(), tags);
    m.def((name() + "_backward(Tensor grad_output, Tensor output, int dim=-1) -> Tensor").c_str(), tags);
  }
  static void device(torch::Library& m) {
    m.impl(("_" + name()).c_str(), TORCH_FN(forward));
    m.impl((name() + "_backward").c_str(), TORCH_FN(backward));
  }
  static void autograd(torch::Library& m) {
    m.impl(("_" + name()).c_str(), TORCH_FN(forward_autograd));
    m.impl((name() + "_backward").c_str(), TORCH_FN(backward_autograd));
  }
};

using Plain = SoftmaxOps<false>;
using Logarithm = SoftmaxOps<true>;

}  // namespace

void define_softmax(torch::Library& m) {
  Plain::define(m);
  Logarithm::define(m);
}

namespace {

void device(torch::Library& m) {
  Plain::device(m);
  Logarithm::device(m);
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  Plain::autograd(m);
  Logarithm::autograd(m);
}
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) {
  m.impl("softmax", TORCH_FN(Plain::composite));
  m.impl("log_softmax", TORCH_FN(Logarithm::composite));
}
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) {
  m.impl("softmax", TORCH_FN(Plain::composite));
  m.impl("log_softmax", TORCH_FN(Logarithm::composite));
}
TORCH_LIBRARY_IMPL(actinium, AutocastCUDA, m) {
  m.impl("softmax", TORCH_FN(Plain::autocast));
  m.impl("log_softmax", TORCH_FN(Logarithm::autocast));
}

}  // namespace
}  // namespace actinium::ops
