// softmax and log_softmax along any dim. The backward knows the output and nothing else.
//
// The op of the user converts the dtype, as torch's does, and calls the functional core, `_softmax` or `_log_softmax`.
#include <ATen/autocast_mode.h>

#include "csrc/ops/channels.h"
#include "csrc/ops/overloads.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

template <bool kLog>
struct SoftmaxOps {
  using OptionalType = std::optional<at::ScalarType>;
  struct Core;
  struct Backward;
  using Forms = Overloads<Core, int64_t>;
  using BackwardForms = Overloads<Backward, const Tensor&, int64_t>;

  static std::string name() { return kLog ? "log_softmax" : "softmax"; }
  static const auto& op() {
    static const auto op = find_op<Tensor(const Tensor&, int64_t, OptionalType)>(name());
    return op;
  }
  static const auto& core_op() { return Forms::functional(); }
  static const auto& backward_op() { return BackwardForms::functional(); }

  static Tensor composite(const Tensor& self, int64_t dim, OptionalType dtype) {
    return core_op().call(converted(self, dtype), dim);
  }
  static Tensor& composite_out(const Tensor& self, int64_t dim, OptionalType dtype, Tensor& out) {
    return Forms::out().call(converted(self, dtype), dim, out);
  }
  static Tensor converted(const Tensor& self, OptionalType dtype) {
    if (!dtype || !self.defined()) return self;
    TORCH_CHECK_TYPE(*dtype == at::kFloat || *dtype == at::kDouble || *dtype == at::kBFloat16 || *dtype == at::kHalf,
                     name(), ": dtype=", *dtype, ", expected Float, Double, BFloat16 or Half");
    return self.to(*dtype);
  }

  // ---- device and Meta

  // input, and known where it is the backward, lie in memory as output does.
  static void run(const char* op, const Tensor& input, const Tensor& known, const Tensor& output, int64_t dim) {
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

  // Into an output that the user may have allocated, of any strides.
  static void run_into(const char* op, const Tensor& input, const Tensor& known, const Tensor& output, int64_t dim) {
    if (output.is_meta() || output.numel() == 0) return;
    // A kernel may read a row again after it has begun to write it.
    const auto is_output = [&](const Tensor& t) {
      return t.defined() && t.const_data_ptr() == output.const_data_ptr();
    };
    const bool direct = output.is_non_overlapping_and_dense() && !is_output(input) && !is_output(known);
    const Tensor result = direct ? output : output_like(input);
    const auto lying_as_result = [&](const Tensor& t) {
      return !t.defined() || same_layout(t, result) ? t : at::empty_like(result).copy_(t);
    };
    run(op, lying_as_result(input), lying_as_result(known), result, dim);
    if (!direct) output.copy_(result);
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

  // ---- the core, and its out= form

  struct Core {
    static std::string name() { return "_" + SoftmaxOps::name(); }
    static constexpr const char *kOverload = "", *kOutOverload = "out";
    static constexpr const char *kSelf = "self", *kOut = "out";
    static constexpr bool kInPlace = false, kSavesResult = true;

    static Tensor forward(const Tensor& self, int64_t dim) {
      dim = check(self, dim);
      const Tensor output = output_like(self);
      run_into(user(), self, {}, output, dim);
      return output;
    }
    static void forward_into(const Tensor& out, const Tensor& self, int64_t dim) {
      dim = check(self, dim);
      prepare_out(user(), out, self);
      run_into(user(), self, {}, out, dim);
    }

    static bool needs_gradient(const Tensor& self, int64_t) { return torch::autograd::compute_requires_grad(self); }
    static bool has_tangent(const Tensor& self, int64_t) { return ops::has_tangent(self); }

    static auto record(const Tensor& self, const Tensor& /*saved*/, int64_t dim) {
      return ops::record(ForwardGrad{{dim}}, self);
    }
    static Tensor jvp(const Tensor& self, const Tensor& result, int64_t dim) {
      return along(tangent(self), result, dim);
    }

   private:
    // The op that messages name.
    static const char* user() {
      static const std::string user = SoftmaxOps::name();
      return user.c_str();
    }
    static int64_t check(const Tensor& self, int64_t dim) {
      check_input(user(), "self", self);
      return wrap_dim(user(), self, dim);
    }
  };

  // ---- the backward as an op with forms of its own

  struct Backward {
    static const std::string& name() {
      static const std::string name = SoftmaxOps::name() + "_backward";
      return name;
    }
    static constexpr const char *kOverload = "", *kOutOverload = "grad_input";
    static constexpr const char *kSelf = "grad_output", *kOut = "grad_input";
    static constexpr bool kInPlace = false, kSavesResult = false;

    static Tensor forward(const Tensor& grad, const Tensor& output, int64_t dim) {
      dim = check(grad, output, dim);
      const Tensor grad_input = output_like(output);
      run_into(name().c_str(), grad, output, grad_input, dim);
      return grad_input;
    }
    static void forward_into(const Tensor& grad_input, const Tensor& grad, const Tensor& output, int64_t dim) {
      dim = check(grad, output, dim);
      prepare_out(name().c_str(), grad_input, output);
      prepare_out(name().c_str(), grad_input, grad);
      run_into(name().c_str(), grad, output, grad_input, dim);
    }

    static bool needs_gradient(const Tensor& grad, const Tensor& output, int64_t) {
      return torch::autograd::compute_requires_grad(grad, output);
    }
    static bool has_tangent(const Tensor& grad, const Tensor& output, int64_t) {
      return ops::has_tangent(grad) || ops::has_tangent(output);
    }
    static auto record(const Tensor& grad, const Tensor& saved, const Tensor& output, int64_t dim) {
      auto node = ops::record(BackwardGrad{{dim}}, grad, output);
      if (node) node->save(saved, output);
      return node;
    }
    static Tensor jvp(const Tensor& grad, const Tensor& /*result*/, const Tensor& output, int64_t dim) {
      Tensor t;
      if (ops::has_tangent(grad)) t = backward_op().call(tangent(grad), primal(output), dim);
      if (ops::has_tangent(output)) t = add_defined(t, moved(tangent(output), primal(grad), primal(output), dim));
      return t;
    }

   private:
    static int64_t check(const Tensor& grad, const Tensor& output, int64_t dim) {
      check_input(name().c_str(), "output", output);
      check_like(name().c_str(), "grad_output", grad, output, "output");
      return wrap_dim(name().c_str(), output, dim);
    }
  };

  // ---- autocast: in float32 on CUDA, unless a dtype is asked for; on the CPU as it comes

  static Tensor autocast(const Tensor& self, int64_t dim, OptionalType dtype) {
    const c10::impl::ExcludeDispatchKeyGuard guard(c10::DispatchKey::AutocastCUDA);
    const bool wants = !dtype && at::autocast::is_eligible(self, at::kCUDA);
    return op().call(self, dim, wants ? OptionalType(at::kFloat) : dtype);
  }

  // ---- registration

  static void define(torch::Library& m) {
    const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
    const std::string arguments = "(Tensor self, int dim=-1, ScalarType? dtype=None";
    m.def((name() + arguments + ") -> Tensor").c_str(), tags);
    m.def((name() + ".out" + arguments + ", *, Tensor(a!) out) -> Tensor(a!)").c_str(), tags);
    Forms::define(m, ", int dim", tags);
    BackwardForms::define(m, ", Tensor output, int dim=-1", tags);
  }
  static void device(torch::Library& m) {
    Forms::device(m);
    BackwardForms::device(m);
  }
  static void autograd(torch::Library& m) {
    Forms::autograd(m);
    BackwardForms::autograd(m);
  }
  static void versions(torch::Library& m) {
    Forms::versions(m);
    BackwardForms::versions(m);
  }
  static void functionalize(torch::Library& m) {
    Forms::functionalize(m);
    BackwardForms::functionalize(m);
  }
  static void composites(torch::Library& m) {
    m.impl(name().c_str(), TORCH_FN(composite));
    m.impl((name() + ".out").c_str(), TORCH_FN(composite_out));
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
void composites(torch::Library& m) {
  Plain::composites(m);
  Logarithm::composites(m);
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  Plain::autograd(m);
  Logarithm::autograd(m);
}
TORCH_LIBRARY_IMPL(actinium, ADInplaceOrView, m) {
  Plain::versions(m);
  Logarithm::versions(m);
}
TORCH_LIBRARY_IMPL(actinium, Functionalize, m) {
  Plain::functionalize(m);
  Logarithm::functionalize(m);
}
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) { composites(m); }
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) { composites(m); }
TORCH_LIBRARY_IMPL(actinium, AutocastCUDA, m) {
  m.impl("softmax", TORCH_FN(Plain::autocast));
  m.impl("log_softmax", TORCH_FN(Logarithm::autocast));
}

}  // namespace
}  // namespace actinium::ops
