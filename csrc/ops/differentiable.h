#pragma once
// Gradients of the ops with several inputs, whose kernels are two: the forward, and one backward for all inputs.
//
// What comes after, double backward, forward mode and all higher derivatives, is autograd on the op's formula in ops
// that can be differentiated: our own pointwise ones, with their kernels up to f'', and ATen's. An op is a struct
//   static std::string name();                       "gated"; the backward is name() + "_backward"
//   static constexpr const char* kOverload;          "" or "Tensor", of both
//   static constexpr int kInputs;                    tensors that have a gradient
//   using Numbers = std::tuple<...>;                 what else it takes: int64_t, double, bool, std::string,
//                                                    std::vector<double>, std::optional<Tensor> without a gradient
//   static Tensor forward(inputs..., numbers...);                              device and Meta kernels
//   static Gradients backward(grad, inputs..., numbers..., mask);          a tuple of kInputs; mask: which are wanted
//   static Tensor formula(const variable_list& inputs, numbers...);
// and Differentiable<Op> makes of it the registrations. The backward keeps the inputs, and such tensors beside them.
#include <ATen/ops/zeros_like.h>

#include "csrc/ops/higher.h"

namespace actinium::ops {

// As the dispatcher hands on what a node keeps as T.
template <class T>
struct ArgumentOf {
  using type = T;
};
template <>
struct ArgumentOf<std::string> {
  using type = c10::string_view;
};
template <>
struct ArgumentOf<std::vector<double>> {
  using type = at::ArrayRef<double>;
};
template <>
struct ArgumentOf<std::optional<Tensor>> {
  using type = const std::optional<Tensor>&;
};
template <class T>
using ArgumentType = typename ArgumentOf<T>::type;

inline std::string owned(c10::string_view text) { return std::string(text); }
inline std::vector<double> owned(at::ArrayRef<double> numbers) { return numbers.vec(); }
template <class T>
T owned(T number) {
  return number;
}
// As a node keeps it; tensors are saved as inputs are.
inline std::optional<Tensor> kept(const std::optional<Tensor>&) { return std::nullopt; }
template <class T>
auto kept(const T& number) {
  return owned(number);
}

// A tensor among the numbers as a node saves it, and nothing of the others.
inline std::tuple<Tensor> to_save(const std::optional<Tensor>& t) { return {t.value_or(Tensor())}; }
template <class T>
std::tuple<> to_save(const T&) {
  return {};
}
// Puts back what was saved; `saved` goes on to the next.
inline void put_back(std::optional<Tensor>& t, const Tensor*& saved) {
  t = saved->defined() ? std::optional(*saved) : std::nullopt;
  ++saved;
}
template <class T>
void put_back(const T&, const Tensor*&) {}

template <class Op, class = std::make_index_sequence<Op::kInputs>, class = typename Op::Numbers>
struct Differentiable;

template <class Op, size_t... I, class... Number>
struct Differentiable<Op, std::index_sequence<I...>, std::tuple<Number...>> {
  template <size_t>
  using Input = const Tensor&;
  template <size_t>
  using Output = Tensor;
  using Gradients = std::tuple<Output<I>...>;
  using Mask = std::array<bool, Op::kInputs>;
  using Inputs = std::array<Tensor, Op::kInputs>;
  using Kept = std::tuple<Number...>;
  static constexpr int kTensors = (0 + ... + std::is_same_v<Number, std::optional<Tensor>>);  // among the numbers
  using Forward = Tensor(Input<I>..., ArgumentType<Number>...);
  using Backward = Gradients(const Tensor&, Input<I>..., ArgumentType<Number>..., Mask);

  static const auto& forward_op() {
    static const auto op = find_op<Forward>(Op::name(), Op::kOverload);
    return op;
  }
  static const auto& backward_op() {
    static const auto op = find_op<Backward>(Op::name() + "_backward", Op::kOverload);
    return op;
  }

  // The gradients of <a, backward(g, x)> by g and x: a double backward, which can be differentiated again.
  static variable_list differentiate_backward(const variable_list& a, const Tensor& g, const variable_list& x,
                                              const Kept& numbers) {
    const auto formula = [&](const variable_list& inputs) {
      return std::apply([&](const auto&... n) { return Op::formula(inputs, n...); }, numbers);
    };
    const DoubleBackward d(formula, a, g, x);
    if (at::GradMode::is_enabled() && d.wanted) return d.outputs;
    const at::AutoGradMode disable(false);
    variable_list free;
    for (const Tensor& t : d.outputs) free.push_back(t.defined() ? t.view_as(t) : t);
    return free;
  }

  static Kept whole(Kept numbers, const Tensor* saved) {
    std::apply([&](auto&... n) { (put_back(n, saved), ...); }, numbers);
    return numbers;
  }
  template <class Node, class... Tensors>
  static void save(Node& node, const std::tuple<ArgumentType<Number>...>& numbers, const Tensors&... inputs) {
    const auto tensors = std::apply([](const auto&... n) { return std::tuple_cat(to_save(n)...); }, numbers);
    std::apply([&](const auto&... t) { node->save(inputs..., t...); }, tensors);
  }

  struct ForwardGrad {
    static std::string name() { return camel_case(Op::name()) + "Backward" + (*Op::kOverload ? "1" : "0"); }
    static constexpr int kSaved = Op::kInputs + kTensors;
    Kept numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, kSaved>& saved, Wanted wanted) const {
      Gradients found =
          std::apply([&](const auto&... n) { return backward_op().call(grads[0], saved[I]..., n..., {wanted(I)...}); },
                     whole(numbers, saved.data() + Op::kInputs));
      return {std::get<I>(found)...};
    }
  };

  struct BackwardGrad {
    static std::string name() { return camel_case(Op::name()) + "BackwardBackward" + (*Op::kOverload ? "1" : "0"); }
    static constexpr int kSaved = 1 + Op::kInputs + kTensors;
    Kept numbers;
    variable_list operator()(const variable_list& grads, const std::array<Tensor, kSaved>& saved,
                             const Wanted& wanted) const {
      variable_list found =
          differentiate_backward(grads, saved[0], {saved[I + 1]...}, whole(numbers, saved.data() + 1 + Op::kInputs));
      // What a backward does not depend on has a gradient of zeros.
      for (size_t i = 0; i < found.size(); ++i) {
        if (wanted(i) && !found[i].defined()) found[i] = at::zeros_like(saved[i]);
      }
      return found;
    }
  };

  static Tensor forward_autograd(DispatchKeySet keys, Input<I>... inputs, ArgumentType<Number>... numbers) {
    auto node = record(ForwardGrad{{kept(numbers)...}}, inputs...);
    if (node) save(node, {numbers...}, inputs...);
    Tensor out = below_autograd(
        [&] { return forward_op().redispatch(keys & c10::after_autograd_keyset, inputs..., numbers...); });
    attach(out, node);
    if ((has_tangent(inputs) || ...)) {
      // The gradient of <tangents, gradients> by the gradient is the tangent; its value does not matter.
      set_tangent(out, differentiate_backward({tangent(inputs)...}, at::zeros_like(primal(out)), {primal(inputs)...},
                                              Kept{owned(numbers)...})[0]);
    }
    return out;
  }

  static Gradients backward_autograd(DispatchKeySet keys, const Tensor& grad, Input<I>... inputs,
                                     ArgumentType<Number>... numbers, Mask mask) {
    auto node = record(BackwardGrad{{kept(numbers)...}}, grad, inputs...);
    if (node) save(node, {numbers...}, grad, inputs...);
    Gradients result = below_autograd(
        [&] { return backward_op().redispatch(keys & c10::after_autograd_keyset, grad, inputs..., numbers..., mask); });
    (attach(std::get<I>(result), node), ...);
    Inputs tangents;
    if (has_tangent(grad)) {
      auto moved = backward_op().call(tangent(grad), primal(inputs)..., numbers..., mask);
      tangents = {std::get<I>(moved)...};
    }
    if ((has_tangent(inputs) || ...)) {
      // The second derivatives are symmetric: in the direction of the tangents they are the gradients of that product.
      const variable_list moved =
          differentiate_backward({tangent(inputs)...}, primal(grad), {primal(inputs)...}, Kept{owned(numbers)...});
      ((tangents[I] = mask[I] ? add_defined(tangents[I], moved[I + 1]) : Tensor()), ...);
    }
    (set_tangent(std::get<I>(result), tangents[I]), ...);
    return result;
  }

  // "Tensor gate, Tensor up" and ", str activation" make op(Tensor gate, Tensor up, str activation) and its backward.
  static void define(torch::Library& m, const std::string& inputs, const std::string& numbers,
                     const std::vector<at::Tag>& tags) {
    const std::string n = std::to_string(Op::kInputs);
    std::string outputs, all;
    ((outputs += I ? ", Tensor" : "Tensor", all += I ? ", True" : "True"), ...);
    m.def((forward_name() + "(" + inputs + numbers + ") -> Tensor").c_str(), tags);
    m.def((backward_name() + "(Tensor grad_output, " + inputs + numbers + ", bool[" + n + "] output_mask=[" + all +
           "]) -> (" + outputs + ")")
              .c_str(),
          tags);
  }
  static void device(torch::Library& m) {
    m.impl(forward_name().c_str(), TORCH_FN(Op::forward));
    m.impl(backward_name().c_str(), TORCH_FN(Op::backward));
  }
  static void autograd(torch::Library& m) {
    m.impl(forward_name().c_str(), TORCH_FN(forward_autograd));
    m.impl(backward_name().c_str(), TORCH_FN(backward_autograd));
  }

 private:
  static std::string forward_name() { return full_name(Op::name(), Op::kOverload); }
  static std::string backward_name() { return full_name(Op::name() + "_backward", Op::kOverload); }
};

}  // namespace actinium::ops
