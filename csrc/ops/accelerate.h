#pragma once
// Our kernels in the place of the builtins' on one device; see actinium/accelerate.h. The unit that includes it has
// included ATen's <ATen/ops/..._dispatch.h> of its device, for what goes on to the builtins' own kernels.
//
// Every form of a builtin is a registration of its own, because none reaches another: the functional silu does not call
// silu.out, and the gradient of an in-place elu passes the result in the place of the input.
#include <torch/library.h>

#include <tuple>
#include <utility>

#include "csrc/ops/common.h"

namespace actinium::ops {

using c10::DispatchKey;

// Puts kernels for the builtins into a library for aten and the key of a device.
using Accelerate = void (*)(torch::Library& aten);
// A device library calls this while it is loaded.
ACTINIUM_API void register_acceleration(DispatchKey key, Accelerate accelerate);

// The forms of one of our ops, called below autograd with the numbers that make it the builtin.
template <DispatchKey key, class... Numbers>
class Ours {
 public:
  explicit Ours(const std::string& name, Numbers... numbers)
      : numbers_(numbers...),
        functional_(find_op<Tensor(const Tensor&, const Numbers&...)>(name)),
        in_place_(find_op<Tensor&(Tensor&, const Numbers&...)>(name + "_")),
        out_(find_op<Tensor&(const Tensor&, const Numbers&..., Tensor&)>(name, "out")),
        backward_(find_op<Tensor(const Tensor&, const Tensor&, const Numbers&...)>(name + "_backward")),
        grad_input_(find_op<Tensor&(const Tensor&, const Tensor&, const Numbers&..., Tensor&)>(name + "_backward",
                                                                                               "grad_input")) {}

  // The same op with other numbers.
  Ours with(Numbers... numbers) const {
    Ours other = *this;
    other.numbers_ = {numbers...};
    return other;
  }

  Tensor functional(const Tensor& self) const {
    return with_numbers([&](const auto&... n) { return functional_.redispatch(kKeys, self, n...); });
  }
  Tensor& in_place(Tensor& self) const {
    return with_numbers([&](const auto&... n) -> Tensor& { return in_place_.redispatch(kKeys, self, n...); });
  }
  Tensor& out(const Tensor& self, Tensor& out) const {
    return with_numbers([&](const auto&... n) -> Tensor& { return out_.redispatch(kKeys, self, n..., out); });
  }
  Tensor backward(const Tensor& grad, const Tensor& self) const {
    return with_numbers([&](const auto&... n) { return backward_.redispatch(kKeys, grad, self, n...); });
  }
  Tensor& backward_out(const Tensor& grad, const Tensor& self, Tensor& grad_input) const {
    return with_numbers(
        [&](const auto&... n) -> Tensor& { return grad_input_.redispatch(kKeys, grad, self, n..., grad_input); });
  }

 private:
  static constexpr DispatchKeySet kKeys{key};
  template <class F>
  decltype(auto) with_numbers(F f) const {
    return std::apply(f, numbers_);
  }

  std::tuple<Numbers...> numbers_;
  c10::TypedOperatorHandle<Tensor(const Tensor&, const Numbers&...)> functional_;
  c10::TypedOperatorHandle<Tensor&(Tensor&, const Numbers&...)> in_place_;
  c10::TypedOperatorHandle<Tensor&(const Tensor&, const Numbers&..., Tensor&)> out_;
  c10::TypedOperatorHandle<Tensor(const Tensor&, const Tensor&, const Numbers&...)> backward_;
  c10::TypedOperatorHandle<Tensor&(const Tensor&, const Tensor&, const Numbers&..., Tensor&)> grad_input_;
};

// Which of a builtin's calls are ours, by its further arguments, and what they come to.
template <DispatchKey key>
struct Mish {
  static bool computes() { return true; }
  static const auto& ours() {
    static const Ours<key> ops("mish");
    return ops;
  }
};
template <DispatchKey key>
struct Silu {
  static bool computes() { return true; }
  static const auto& ours() {
    static const Ours<key, Scalar> ops("swish", 1);
    return ops;
  }
};
template <DispatchKey key>
struct Sigmoid {
  static bool computes() { return true; }
  static const auto& ours() {
    static const Ours<key> ops("sigmoid");
    return ops;
  }
};
template <DispatchKey key>
struct Tanh {
  static bool computes() { return true; }
  static const auto& ours() {
    static const Ours<key> ops("tanh");
    return ops;
  }
};
template <DispatchKey key>
struct Gelu {
  static bool computes(c10::string_view approximate) { return approximate == "none" || approximate == "tanh"; }
  static const auto& ours(c10::string_view approximate) {
    static const Ours<key> exact("gelu"), tanh("gelu_tanh");
    return approximate == "none" ? exact : tanh;
  }
};
inline bool is(const Scalar& number, double value) { return !number.isComplex() && number.toDouble() == value; }
template <DispatchKey key>
struct Elu {
  static bool computes(const Scalar& alpha, const Scalar& scale, const Scalar& input_scale) {
    return !alpha.isComplex() && is(scale, 1) && is(input_scale, 1);
  }
  static auto ours(const Scalar& alpha, const Scalar&, const Scalar&) {
    static const Ours<key, Scalar> ops("elu", 1);
    return ops.with(alpha);
  }
};
// selu is composed of the builtin's elu, with these constants.
template <DispatchKey key>
struct Selu {
  static bool computes(const Scalar& alpha, const Scalar& scale, const Scalar& input_scale) {
    return is(alpha, 1.6732632423543772848170429916717) && is(scale, 1.0507009873554804934193349852946) &&
           is(input_scale, 1);
  }
  static const auto& ours(const Scalar&, const Scalar&, const Scalar&) {
    static const Ours<key> ops("selu");
    return ops;
  }
};

// Whether our kernels take a tensor, and another beside it without any conversion.
inline bool takes(const Tensor& t) {
  const auto dtype = t.scalar_type();
  return dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16 || dtype == at::kHalf;
}
inline bool takes(const Tensor& t, const Tensor& beside) {
  return takes(t) && beside.scalar_type() == t.scalar_type() && beside.device() == t.device();
}

// The kernels that take the builtins' places. `builtin` is the one that they replace.
template <class Which, auto builtin>
struct Functional;
template <class Which, class... Rest, Tensor (*builtin)(const Tensor&, Rest...)>
struct Functional<Which, builtin> {
  static Tensor call(const Tensor& self, Rest... rest) {
    return takes(self) && Which::computes(rest...) ? Which::ours(rest...).functional(self) : builtin(self, rest...);
  }
};

template <class Which, auto builtin>
struct InPlace;
template <class Which, class... Rest, Tensor& (*builtin)(Tensor&, Rest...)>
struct InPlace<Which, builtin> {
  static Tensor& call(Tensor& self, Rest... rest) {
    return takes(self) && Which::computes(rest...) ? Which::ours(rest...).in_place(self) : builtin(self, rest...);
  }
};

// The rest stands between self and out, where it cannot be deduced.
template <class Which, auto builtin, class... Rest>
struct Out {
  static Tensor& call(const Tensor& self, Rest... rest, Tensor& out) {
    return takes(self, out) && Which::computes(rest...) ? Which::ours(rest...).out(self, out)
                                                        : builtin(self, rest..., out);
  }
};

template <class Which, auto builtin, class... Rest>
struct Backward {
  static Tensor call(const Tensor& grad, const Tensor& self, Rest... rest) {
    return takes(self, grad) && grad.sizes() == self.sizes() && Which::computes(rest...)
               ? Which::ours(rest...).backward(grad, self)
               : builtin(grad, self, rest...);
  }
};

template <class Which, auto builtin, class... Rest>
struct BackwardOut {
  static Tensor& call(const Tensor& grad, const Tensor& self, Rest... rest, Tensor& grad_input) {
    return takes(self, grad) && takes(self, grad_input) && grad.sizes() == self.sizes() && Which::computes(rest...)
               ? Which::ours(rest...).backward_out(grad, self, grad_input)
               : builtin(grad, self, rest..., grad_input);
  }
};

template <class Which, auto builtin>
using EluOut = Out<Which, builtin, const Scalar&, const Scalar&, const Scalar&>;

// elu_backward names its input last, and may be given the result in its place.
template <class Which, auto builtin>
struct EluBackward {
  static Tensor call(const Tensor& grad, const Scalar& alpha, const Scalar& scale, const Scalar& input_scale,
                     bool is_result, const Tensor& self) {
    if (is_result) return builtin(grad, alpha, scale, input_scale, is_result, self);
    return Backward<Which, swapped, const Scalar&, const Scalar&, const Scalar&>::call(grad, self, alpha, scale,
                                                                                       input_scale);
  }

 private:
  static Tensor swapped(const Tensor& grad, const Tensor& self, const Scalar& alpha, const Scalar& scale,
                        const Scalar& input_scale) {
    return builtin(grad, alpha, scale, input_scale, false, self);
  }
};
template <class Which, auto builtin>
struct EluBackwardOut {
  static Tensor& call(const Tensor& grad, const Scalar& alpha, const Scalar& scale, const Scalar& input_scale,
                      bool is_result, const Tensor& self, Tensor& grad_input) {
    if (is_result) return builtin(grad, alpha, scale, input_scale, is_result, self, grad_input);
    return BackwardOut<Which, swapped, const Scalar&, const Scalar&, const Scalar&>::call(grad, self, alpha, scale,
                                                                                          input_scale, grad_input);
  }

 private:
  static Tensor& swapped(const Tensor& grad, const Tensor& self, const Scalar& alpha, const Scalar& scale,
                         const Scalar& input_scale, Tensor& grad_input) {
    return builtin(grad, alpha, scale, input_scale, false, self, grad_input);
  }
};

// All of a device. `device` is ATen's namespace of its kernels: cpu, cuda. The backward of sigmoid and tanh takes their
// results, which ours does not, and stays the builtin's.
#define ACTINIUM_FORM(name, ...) aten.impl(name, TORCH_FN((__VA_ARGS__::call)))
#define ACTINIUM_FORWARD(which, name, device, ...)                      \
  ACTINIUM_FORM(#name, Functional<which<kKey>, &at::device::name>);     \
  ACTINIUM_FORM(#name "_", InPlace<which<kKey>, &at::device::name##_>); \
  ACTINIUM_FORM(#name ".out", Out<which<kKey>, &at::device::name##_outf __VA_ARGS__>)
#define ACTINIUM_ELU(form, Form, device, name) \
  ACTINIUM_FORM(form, Form<Selu<kKey>, &Form<Elu<kKey>, &at::device::name>::call>)
#define ACTINIUM_DEFINE_ACCELERATION(function, device, key)                                              \
  void function(torch::Library& aten) {                                                                  \
    constexpr auto kKey = key;                                                                           \
    ACTINIUM_FORWARD(Mish, mish, device, );                                                              \
    ACTINIUM_FORM("mish_backward", Backward<Mish<kKey>, &at::device::mish_backward>);                    \
    ACTINIUM_FORWARD(Silu, silu, device, );                                                              \
    ACTINIUM_FORM("silu_backward", Backward<Silu<kKey>, &at::device::silu_backward>);                    \
    ACTINIUM_FORM("silu_backward.grad_input", BackwardOut<Silu<kKey>, &at::device::silu_backward_outf>); \
    ACTINIUM_FORWARD(Gelu, gelu, device, , c10::string_view);                                            \
    ACTINIUM_FORM("gelu_backward", Backward<Gelu<kKey>, &at::device::gelu_backward, c10::string_view>);  \
    ACTINIUM_FORM("gelu_backward.grad_input",                                                            \
                  BackwardOut<Gelu<kKey>, &at::device::gelu_backward_outf, c10::string_view>);           \
    ACTINIUM_FORWARD(Sigmoid, sigmoid, device, );                                                        \
    ACTINIUM_FORWARD(Tanh, tanh, device, );                                                              \
    ACTINIUM_ELU("elu", Functional, device, elu);                                                        \
    ACTINIUM_ELU("elu_", InPlace, device, elu_);                                                         \
    ACTINIUM_ELU("elu.out", EluOut, device, elu_outf);                                                   \
    ACTINIUM_ELU("elu_backward", EluBackward, device, elu_backward);                                     \
    ACTINIUM_ELU("elu_backward.grad_input", EluBackwardOut, device, elu_backward_outf);                  \
  }

}  // namespace actinium::ops
