#pragma once
// The forms of an op, op(x), op_(x) and op(x, out=y), under every key that a builtin has kernels for.
//
// An op is described once, by a struct `Op`:
//   static std::string name();                                  "swish"
//   static constexpr const char *kOverload, *kOutOverload;      "Tensor", "Tensor_out"
//   static constexpr const char *kSelf, *kOut;                  what the schema calls x and y
//   static constexpr bool kInPlace;                             whether there is op_
//   static constexpr bool kSavesResult;                         whether the backward knows the result instead of self
//   static bool needs_gradient(self, rest...), has_tangent(self, rest...);
//   static auto record(self, saved, rest...);                   the node; saved is self, or what it was before op_, or
//                                                               nothing where the result will be saved
//   static Tensor jvp(self, result, rest...);                   the result's tangent
//   static Tensor forward(self, rest...);                       device kernels
//   static void forward_into(out, self, rest...);               out is allocated by the user: resized, checked
// where rest... are the op's further arguments (const Scalar&, const Tensor&, int64_t).
#include <ATen/FunctionalTensorWrapper.h>
#include <ATen/ops/empty.h>

#include "csrc/ops/node.h"

namespace actinium::ops {

template <class Op, class... Rest>
struct Overloads {
  using Functional = Tensor(const Tensor&, Rest...);
  using InPlace = Tensor&(Tensor&, Rest...);
  using Out = Tensor&(const Tensor&, Rest..., Tensor&);

  static const auto& functional() {
    static const auto op = find_op<Functional>(Op::name(), Op::kOverload);
    return op;
  }
  static const auto& in_place() {
    static const auto op = find_op<InPlace>(Op::name() + "_", Op::kOverload);
    return op;
  }
  static const auto& out() {
    static const auto op = find_op<Out>(Op::name(), Op::kOutOverload);
    return op;
  }

  // ------------------------------------------------------------------------------------------ device and Meta

  static Tensor& in_place_kernel(Tensor& self, Rest... rest) {
    Op::forward_into(self, self, rest...);
    return self;
  }
  static Tensor& out_kernel(const Tensor& self, Rest... rest, Tensor& out) {
    Op::forward_into(out, self, rest...);
    return out;
  }

  // ------------------------------------------------------------------------------------------------- Autograd

  static Tensor functional_autograd(DispatchKeySet keys, const Tensor& self, Rest... rest) {
    auto node = Op::record(self, Op::kSavesResult ? Tensor() : self, rest...);
    Tensor result =
        below_autograd([&] { return functional().redispatch(keys & c10::after_autograd_keyset, self, rest...); });
    attach(result, node);
    if (Op::has_tangent(self, rest...)) set_tangent(result, Op::jvp(self, primal(result), rest...));
    if constexpr (Op::kSavesResult) {
      if (node) node->save_output(result);  // with its tangent
    }
    return result;
  }

  static Tensor& in_place_autograd(DispatchKeySet keys, Tensor& self, Rest... rest) {
    const bool gradient = Op::needs_gradient(self, rest...), tangent = Op::has_tangent(self, rest...);
    torch::autograd::check_inplace(self, gradient);
    // What self was may be needed afterwards.
    const Tensor before = (gradient && !Op::kSavesResult) || tangent ? self.clone() : Tensor();
    auto node = gradient ? Op::record(self, before, rest...) : decltype(Op::record(self, before, rest...))();
    {
      at::AutoDispatchBelowAutograd guard;
      in_place().redispatch(keys & c10::after_autograd_keyset, self, rest...);
    }
    if (node) torch::autograd::rebase_history(self, node);
    if (tangent) {
      const Tensor result = Op::jvp(before, primal(self), rest...);
      const Tensor mine = ops::tangent(self);
      // A tangent that exists is updated in place, as the value was.
      if (mine.defined()) {
        mine.copy_(result);
      } else {
        self._set_fw_grad(result, /*level=*/0, /*is_inplace_op=*/true);
      }
    }
    if constexpr (Op::kSavesResult) {
      if (node) node->save_output(self);
    }
    return self;
  }

  static Tensor& out_autograd(DispatchKeySet keys, const Tensor& self, Rest... rest, Tensor& out_) {
    if (Op::needs_gradient(self, rest...) || torch::autograd::compute_requires_grad(out_)) {
      torch::autograd::throw_error_out_requires_grad(user_name().c_str());
    }
    TORCH_CHECK_NOT_IMPLEMENTED(!Op::has_tangent(self, rest...) && !ops::has_tangent(out_),
                                "Trying to use forward AD with ", user_name(),
                                "(..., out=...) that does not support it because it is an out= function");
    at::AutoDispatchBelowAutograd guard;
    return out().redispatch(keys & c10::after_autograd_keyset, self, rest..., out_);
  }

  // ------------------------------------------------------------------------- ADInplaceOrView: version counters

  static Tensor& in_place_version(DispatchKeySet keys, Tensor& self, Rest... rest) {
    below_autograd([&] { in_place().redispatch(keys & c10::after_ADInplaceOrView_keyset, self, rest...); });
    torch::autograd::increment_version(self);
    return self;
  }
  static Tensor& out_version(DispatchKeySet keys, const Tensor& self, Rest... rest, Tensor& out_) {
    below_autograd([&] { out().redispatch(keys & c10::after_ADInplaceOrView_keyset, self, rest..., out_); });
    torch::autograd::increment_version(out_);
    return out_;
  }

  // -------------------------------------------------------------------------- Functionalize: op_ becomes op

  static Tensor& in_place_functionalize(DispatchKeySet, Tensor& self, Rest... rest) {
    return replace(
        self, [&] { in_place().call(self, rest...); },
        [&, inner = plain(self)] { return functional().call(inner, plain(rest)...); });
  }
  static Tensor& out_functionalize(DispatchKeySet, const Tensor& self, Rest... rest, Tensor& out_) {
    return replace(
        out_, [&] { out().call(self, rest..., out_); },
        [&, inner = plain(self)] { return functional().call(inner, plain(rest)...); });
  }

  // ---------------------------------------------------------------------------------------------- registration

  static void define(torch::Library& m, const std::string& rest, const std::vector<at::Tag>& tags) {
    const std::string self = std::string(" ") + Op::kSelf + rest, out = std::string(", *, Tensor(a!) ") + Op::kOut;
    m.def((functional_name() + "(Tensor" + self + ") -> Tensor").c_str(), tags);
    m.def((out_name() + "(Tensor" + self + out + ") -> Tensor(a!)").c_str(), tags);
    if constexpr (Op::kInPlace) m.def((in_place_name() + "(Tensor(a!)" + self + ") -> Tensor(a!)").c_str(), tags);
  }
  static void device(torch::Library& m) {
    m.impl(functional_name().c_str(), TORCH_FN(Op::forward));
    m.impl(out_name().c_str(), TORCH_FN(out_kernel));
    if constexpr (Op::kInPlace) m.impl(in_place_name().c_str(), TORCH_FN(in_place_kernel));
  }
  static void autograd(torch::Library& m) {
    m.impl(functional_name().c_str(), TORCH_FN(functional_autograd));
    m.impl(out_name().c_str(), TORCH_FN(out_autograd));
    if constexpr (Op::kInPlace) m.impl(in_place_name().c_str(), TORCH_FN(in_place_autograd));
  }
  static void versions(torch::Library& m) {
    m.impl(out_name().c_str(), TORCH_FN(out_version));
    if constexpr (Op::kInPlace) m.impl(in_place_name().c_str(), TORCH_FN(in_place_version));
  }
  static void functionalize(torch::Library& m) {
    m.impl(out_name().c_str(), TORCH_FN(out_functionalize));
    if constexpr (Op::kInPlace) m.impl(in_place_name().c_str(), TORCH_FN(in_place_functionalize));
  }

 private:
  // What messages call it: the core of a composite op has its name after a "_".
  static std::string user_name() { return Op::name().substr(Op::name()[0] == '_'); }
  static std::string functional_name() { return full_name(Op::name(), Op::kOverload); }
  static std::string in_place_name() { return full_name(Op::name() + "_", Op::kOverload); }
  static std::string out_name() { return full_name(Op::name(), Op::kOutOverload); }

  // The tensor inside a functional wrapper, up to date; anything else as it is.
  static Tensor plain(const Tensor& t) {
    namespace impl = at::functionalization::impl;
    if (!impl::isFunctionalTensor(t)) return t;
    impl::sync(t);
    return impl::from_functional_tensor(t);
  }
  template <class Number>
  static const Number& plain(const Number& number) {
    return number;
  }

  // Replaces what `target` wraps by the result of the functional op, or, where target is no wrapper, mutates it.
  template <class Mutate, class Compute>
  static Tensor& replace(Tensor& target, Mutate mutate, Compute compute) {
    namespace impl = at::functionalization::impl;
    if (!impl::isFunctionalTensor(target)) {
      at::AutoDispatchSkipFunctionalize guard;
      mutate();
      return target;
    }
    impl::sync(target);
    Tensor result;
    {
      at::AutoDispatchSkipFunctionalize guard;
      result = compute();
    }
    impl::replace_(target, result);
    impl::commit_update(target);
    impl::sync(target);
    return target;
  }
};

}  // namespace actinium::ops
