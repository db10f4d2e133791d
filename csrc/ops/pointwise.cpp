// Every op that applies a function of one value: forward, in-place, out=, backward and double backward, made from the
// list of activations in math/activations.h.
#include <ATen/ops/exp.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros_like.h>

#include <array>
#include <iomanip>
#include <sstream>
#include <utility>

#include "csrc/math/activations.h"
#include "csrc/ops/launch.h"
#include "csrc/ops/overloads.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

// ------------------------------------------------------------------------------------------------------ parameters

// The numbers of a call, as opmath has them.
template <size_t N>
struct Numbers {
  std::array<double, N == 0 ? 1 : N> values{};

  template <class... Scalars>
  Numbers(const std::string& op, c10::ScalarType dtype, const std::array<math::Parameter, N>& params,
          const Scalars&... scalars) {
    [[maybe_unused]] size_t i = 0;
    [[maybe_unused]] const bool wide = dtype == at::kDouble;
    (
        [&] {
          TORCH_CHECK_TYPE(!scalars.isComplex(), op, ": ", params[i].name, " must be a real number, got ", scalars);
          const double value = scalars.toDouble();
          values[i++] = wide ? value : static_cast<double>(static_cast<float>(value));
        }(),
        ...);
  }
};

// One argument, and one number kept, for each of an activation's parameters.
template <size_t>
using Argument = const Scalar&;
template <size_t>
using Number = Scalar;

// f''' in ATen's ops, which can be differentiated for ever: kernels end with f''. What comes after is rare (the loss of
// a physics-informed network, a Hessian in a gradient).
template <math::Activation activation>
using Is = std::integral_constant<math::Activation, activation>;
Tensor third(Is<math::Activation::kMish>, const Tensor& x) {
  // x t with t = tanh(log(1 + e^x)), r = 1 - t^2
  const Tensor s = at::sigmoid(x), p = s * at::sigmoid(-x), t = at::tanh(at::softplus(x)), r = 1 - t * t;
  const Tensor second = r * (p - 2 * t * s * s);
  return 3 * second + x * r * ((4 * t * t - 2 * r) * s * s * s - 6 * t * s * p + p * (1 - 2 * s));
}
Tensor third(Is<math::Activation::kSwish>, const Tensor& x, const Scalar& beta) {
  const Tensor z = x * beta, s = at::sigmoid(z), p = s * at::sigmoid(-z);
  return p * (3 * (1 - 2 * s) + z * (1 - 6 * p)) * beta * beta;
}
Tensor third(Is<math::Activation::kGelu>, const Tensor& x) {
  // phi(x) x (x^2 - 4); from 40 on it is 0
  const Tensor near = x.clamp(-40, 40), square = near * near;
  return 0.3989422804014327 * at::exp(-0.5 * square) * near * (square - 4);
}
Tensor third(Is<math::Activation::kGeluTanh>, const Tensor& x) {
  // x s(w) with w = ax + bx^3, which is twice what tanh is taken of
  constexpr double a = 1.5957691216057307, b = 0.044715 * a;
  const Tensor square = x * x, w1 = a + 3 * b * square, w2 = 6 * b * x, w = x * (a + b * square);
  const Tensor s = at::sigmoid(w), p = s * at::sigmoid(-w), q = 1 - 2 * s;
  const Tensor second = p * (q * w1 * w1 + w2);
  return 3 * second + x * p * ((1 - 6 * p) * w1 * w1 * w1 + 3 * q * w1 * w2 + 6 * b);
}
Tensor third(Is<math::Activation::kQuickGelu>, const Tensor& x) {
  return third(Is<math::Activation::kSwish>(), x, 1.702);
}
Tensor third(Is<math::Activation::kSigmoid>, const Tensor& x) {
  const Tensor p = at::sigmoid(x) * at::sigmoid(-x);
  return p * (1 - 6 * p);
}
Tensor third(Is<math::Activation::kTanh>, const Tensor& x) {
  const Tensor t = at::tanh(x), r = 4 * at::sigmoid(2 * x) * at::sigmoid(-2 * x);
  return r * (6 * t * t - 2);
}
Tensor third(Is<math::Activation::kElu>, const Tensor& x, const Scalar& alpha) {
  return at::exp(x.clamp_max(0)) * (x <= 0) * alpha;
}
Tensor third(Is<math::Activation::kSelu>, const Tensor& x) {
  return third(Is<math::Activation::kElu>(), x, 1.7580993408473766);
}
Tensor third(Is<math::Activation::kRelu>, const Tensor& x) { return at::zeros_like(x); }
Tensor third(Is<math::Activation::kLeakyRelu>, const Tensor& x, const Scalar&) { return at::zeros_like(x); }

// -------------------------------------------------------------------------------------------- one activation's ops

template <template <class> class Activation, int index,
          class = std::make_index_sequence<Activation<float>::kParams.size()>>
struct PointwiseOps;

template <template <class> class Activation, int index, size_t... I>
struct PointwiseOps<Activation, index, std::index_sequence<I...>> {
  using Self = PointwiseOps;
  using Formula = Activation<float>;
  static constexpr const char* kName = Formula::kName;
  static constexpr const char *kOverload = "", *kOutOverload = "out", *kSelf = "self", *kOut = "out";
  static constexpr bool kInPlace = true;
  // The derivatives at f(x) are those at x. The result is what the next layer keeps, too, and x need not live.
  static constexpr bool kSavesResult = index == static_cast<int>(math::Activation::kRelu);
  using Forms = Overloads<PointwiseOps, Argument<I>...>;
  struct Backward;
  using BackwardForms = Overloads<Backward, const Tensor&, Argument<I>...>;
  using DoubleBackward = std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, Argument<I>...,
                                                    std::array<bool, 2>);
  using Saved = std::tuple<Number<I>...>;

  static std::string name() { return kName; }

  static const auto& backward_op() { return BackwardForms::functional(); }
  static const auto& double_backward_op() {
    static const auto op = find_op<DoubleBackward>(name() + "_double_backward");
    return op;
  }

  static Numbers<sizeof...(I)> numbers(const Tensor& self, Argument<I>... scalars) {
    return {name(), self.scalar_type(), Formula::kParams, scalars...};
  }

  // ---- device and Meta

  static Tensor forward(const Tensor& self, Argument<I>... scalars) {
    check_input(kName, "self", self);
    const auto params = numbers(self, scalars...);
    const Tensor out = output_like(self);
    launch(kName, index, Pass::kForward, params.values.data(), {&out}, {&self});
    return out;
  }

  static void forward_into(const Tensor& out, const Tensor& self, Argument<I>... scalars) {
    check_input(kName, "self", self);
    const auto params = numbers(self, scalars...);
    prepare_out(kName, out, self);
    launch(kName, index, Pass::kForward, params.values.data(), {&out}, {&self});
  }

  static std::tuple<Tensor, Tensor> double_backward(const Tensor& grad_grad, const Tensor& grad, const Tensor& self,
                                                    Argument<I>... scalars, std::array<bool, 2> mask) {
    static const std::string op = name() + "_double_backward";
    check_input(op.c_str(), "self", self);
    check_like(op.c_str(), "grad_grad_input", grad_grad, self);
    check_like(op.c_str(), "grad_output", grad, self);
    const auto params = numbers(self, scalars...);
    const Tensor by_grad = mask[0] ? output_like(self) : Tensor(), by_self = mask[1] ? output_like(self) : Tensor();
    if (mask[0] || mask[1]) {
      launch(op.c_str(), index, Pass::kDoubleBackward, params.values.data(), {&by_grad, &by_self},
             {&grad_grad, &grad, &self});
    }
    return {by_grad, by_self};
  }

  // ---- gradients

  struct ForwardGrad {
    static std::string name() { return camel_case(kName) + "Backward0"; }
    static constexpr int kSaved = 1;
    Saved numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 1>& saved, Wanted) const {
      return {backward_op().call(grads[0], saved[0], std::get<I>(numbers)...)};
    }
  };

  struct BackwardGrad {
    static std::string name() { return camel_case(kName) + "BackwardBackward0"; }
    static constexpr int kSaved = 2;
    Saved numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 2>& saved, Wanted wanted) const {
      auto [by_grad, by_self] =
          double_backward_op().call(grads[0], saved[0], saved[1], std::get<I>(numbers)..., {wanted(0), wanted(1)});
      return {by_grad, by_self};
    }
  };

  static bool needs_gradient(const Tensor& self, Argument<I>...) {
    return torch::autograd::compute_requires_grad(self);
  }
  static bool has_tangent(const Tensor& self, Argument<I>...) { return ops::has_tangent(self); }
  static auto record(const Tensor& self, const Tensor& saved, Argument<I>... scalars) {
    auto node = ops::record(ForwardGrad{{scalars...}}, self);
    if (node && saved.defined()) node->save(saved);
    return node;
  }
  static Tensor jvp(const Tensor& self, const Tensor& /*result*/, Argument<I>... scalars) {
    return backward_op().call(tangent(self), primal(self), scalars...);
  }

  // The backward as an op with forms of its own.
  struct Backward {
    static constexpr const char *kOverload = "", *kOutOverload = "grad_input";
    static constexpr const char *kSelf = "grad_output", *kOut = "grad_input";
    static constexpr bool kInPlace = false, kSavesResult = false;
    static const std::string& name() {
      static const std::string name = std::string(kName) + "_backward";
      return name;
    }

    static Tensor forward(const Tensor& grad, const Tensor& self, Argument<I>... scalars) {
      check(grad, self);
      const Tensor grad_input = output_like(self);
      run(grad_input, grad, self, scalars...);
      return grad_input;
    }
    static void forward_into(const Tensor& grad_input, const Tensor& grad, const Tensor& self, Argument<I>... scalars) {
      check(grad, self);
      prepare_out(name().c_str(), grad_input, self);
      prepare_out(name().c_str(), grad_input, grad);
      run(grad_input, grad, self, scalars...);
    }

    static bool needs_gradient(const Tensor& grad, const Tensor& self, Argument<I>...) {
      return torch::autograd::compute_requires_grad(grad, self);
    }
    static bool has_tangent(const Tensor& grad, const Tensor& self, Argument<I>...) {
      return ops::has_tangent(grad) || ops::has_tangent(self);
    }
    static auto record(const Tensor& grad, const Tensor& saved, const Tensor& self, Argument<I>... scalars) {
      auto node = ops::record(BackwardGrad{{scalars...}}, grad, self);
      if (node) node->save(saved, self);
      return node;
    }
    // d(g f'(x)) = dg f'(x) + dx g f''(x)
    static Tensor jvp(const Tensor& grad, const Tensor& /*result*/, const Tensor& self, Argument<I>... scalars) {
      Tensor t;
      if (ops::has_tangent(grad)) t = backward_op().call(tangent(grad), primal(self), scalars...);
      if (ops::has_tangent(self)) {
        t = add_defined(t, std::get<1>(double_backward_op().call(tangent(self), primal(grad), primal(self), scalars...,
                                                                 {false, true})));
      }
      return t;
    }

   private:
    static void check(const Tensor& grad, const Tensor& self) {
      check_input(name().c_str(), "self", self);
      check_like(name().c_str(), "grad_output", grad, self);
    }
    static void run(const Tensor& grad_input, const Tensor& grad, const Tensor& self, Argument<I>... scalars) {
      const auto params = numbers(self, scalars...);
      launch(name().c_str(), index, Pass::kBackward, params.values.data(), {&grad_input}, {&grad, &self});
    }
  };

  // a g f''(x) and a g f'''(x).
  static Tensor second_order(const Tensor& a, const Tensor& g, const Tensor& x, Argument<I>... scalars) {
    return std::get<1>(double_backward_op().call(a, g, x, scalars..., {false, true}));
  }
  static Tensor third_order(const Tensor& a, const Tensor& g, const Tensor& x, Argument<I>... scalars) {
    const Tensor wide = x.to(opmath_type(x.scalar_type()));
    return (third(Is<static_cast<math::Activation>(index)>(), wide, scalars...) * a * g).to(x.scalar_type());
  }

  // The gradients of <u, a f'(x)> + <v, a g f''(x)> by a, g and x.
  struct DoubleBackwardGrad {
    static std::string name() { return camel_case(kName) + "DoubleBackwardBackward0"; }
    static constexpr int kSaved = 3;
    Saved numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, 3>& saved, Wanted wanted) const {
      const auto& [a, g, x] = saved;
      const Tensor &u = grads[0], &v = grads[1];
      Tensor by_a, by_g, by_x;
      if (u.defined()) {
        if (wanted(0)) by_a = backward_op().call(u, x, std::get<I>(numbers)...);
        if (wanted(2)) by_x = second_order(u, a, x, std::get<I>(numbers)...);
      }
      if (v.defined()) {
        if (wanted(0)) by_a = add_defined(by_a, second_order(v, g, x, std::get<I>(numbers)...));
        if (wanted(1)) by_g = second_order(v, a, x, std::get<I>(numbers)...);
        if (wanted(2)) by_x = add_defined(by_x, third_order(v * a, g, x, std::get<I>(numbers)...));
      }
      return {by_a, by_g, by_x};
    }
  };

  static std::tuple<Tensor, Tensor> double_backward_autograd(DispatchKeySet keys, const Tensor& grad_grad,
                                                             const Tensor& grad, const Tensor& self,
                                                             Argument<I>... scalars, std::array<bool, 2> mask) {
    auto node = ops::record(DoubleBackwardGrad{{scalars...}}, grad_grad, grad, self);
    if (node) node->save(grad_grad, grad, self);
    auto [by_grad, by_self] = below_autograd([&] {
      return double_backward_op().redispatch(keys & c10::after_autograd_keyset, grad_grad, grad, self, scalars...,
                                             mask);
    });
    attach(by_grad, node);
    attach(by_self, node);
    // d(a f') = da f' + dx a f'';  d(a g f'') = (da g + a dg) f'' + dx a g f'''
    const Tensor a = primal(grad_grad), g = primal(grad), x = primal(self);
    Tensor t_grad, t_self;
    if (ops::has_tangent(grad_grad)) {
      t_grad = backward_op().call(tangent(grad_grad), x, scalars...);
      t_self = second_order(tangent(grad_grad), g, x, scalars...);
    }
    if (ops::has_tangent(grad)) t_self = add_defined(t_self, second_order(a, tangent(grad), x, scalars...));
    if (ops::has_tangent(self)) {
      t_grad = add_defined(t_grad, second_order(tangent(self), a, x, scalars...));
      t_self = add_defined(t_self, third_order(tangent(self) * a, g, x, scalars...));
    }
    set_tangent(by_grad, t_grad);
    set_tangent(by_self, t_self);
    return {by_grad, by_self};
  }

  // ---- registration

  static void define(torch::Library& m) {
    std::string with_default;
    for (const math::Parameter& p : Formula::kParams) {
      with_default += std::string(", Scalar ") + p.name + "=" + number(p.default_value);
    }
    const std::vector<at::Tag> tags{at::Tag::pointwise, at::Tag::pt2_compliant_tag};
    Forms::define(m, with_default, tags);
    BackwardForms::define(m, ", Tensor self" + with_default, tags);
    m.def((name() + "_double_backward(Tensor grad_grad_input, Tensor grad_output, Tensor self" + with_default +
           ", bool[2] output_mask=[True, True]) -> (Tensor, Tensor)")
              .c_str(),
          tags);
  }
  static void device(torch::Library& m) {
    Forms::device(m);
    BackwardForms::device(m);
    m.impl((name() + "_double_backward").c_str(), TORCH_FN(double_backward));
  }
  static void autograd(torch::Library& m) {
    Forms::autograd(m);
    BackwardForms::autograd(m);
    m.impl((name() + "_double_backward").c_str(), TORCH_FN(double_backward_autograd));
  }
  static void versions(torch::Library& m) {
    Forms::versions(m);
    BackwardForms::versions(m);
  }
  static void functionalize(torch::Library& m) {
    Forms::functionalize(m);
    BackwardForms::functionalize(m);
  }

 private:
  static std::string number(double value) {
    std::ostringstream out;
    out << std::setprecision(17) << value;
    return out.str();
  }
};

#define ACTINIUM_REGISTER(Name, what) PointwiseOps<math::Name, static_cast<int>(math::Activation::k##Name)>::what(m);
#define ACTINIUM_DEFINE(Name) ACTINIUM_REGISTER(Name, define)
#define ACTINIUM_DEVICE(Name) ACTINIUM_REGISTER(Name, device)
#define ACTINIUM_AUTOGRAD(Name) ACTINIUM_REGISTER(Name, autograd)
#define ACTINIUM_VERSIONS(Name) ACTINIUM_REGISTER(Name, versions)
#define ACTINIUM_FUNCTIONALIZE(Name) ACTINIUM_REGISTER(Name, functionalize)

}  // namespace

void define_pointwise(torch::Library& m) { ACTINIUM_ACTIVATIONS(ACTINIUM_DEFINE) }

namespace {

TORCH_LIBRARY_IMPL(actinium, CPU, m){ACTINIUM_ACTIVATIONS(ACTINIUM_DEVICE)} TORCH_LIBRARY_IMPL(actinium, CUDA, m){
    ACTINIUM_ACTIVATIONS(ACTINIUM_DEVICE)} TORCH_LIBRARY_IMPL(actinium, Meta, m){
    ACTINIUM_ACTIVATIONS(ACTINIUM_DEVICE)} TORCH_LIBRARY_IMPL(actinium, Autograd, m){
    ACTINIUM_ACTIVATIONS(ACTINIUM_AUTOGRAD)} TORCH_LIBRARY_IMPL(actinium, ADInplaceOrView, m){
    ACTINIUM_ACTIVATIONS(ACTINIUM_VERSIONS)} TORCH_LIBRARY_IMPL(actinium, Functionalize, m) {
  ACTINIUM_ACTIVATIONS(ACTINIUM_FUNCTIONALIZE)
}

}  // namespace
}  // namespace actinium::ops
