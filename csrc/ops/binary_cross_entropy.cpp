// sigmoid_binary_cross_entropy: what F.binary_cross_entropy_with_logits computes, without the probabilities, and, where
// the loss is reduced, without the losses of the elements.
//
// The op of the user is composite: it checks the arguments, calls the functional core, `_sigmoid_binary_cross_entropy`,
// which returns every loss or their sum, and divides for the mean.
#include <ATen/ExpandUtils.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <numeric>

#include "csrc/ops/channels.h"
#include "csrc/ops/differentiable.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using math::ChannelFormula;
using OptionalTensor = std::optional<Tensor>;
using Text = c10::string_view;

const char* const kName = "sigmoid_binary_cross_entropy";

void check(const Tensor& self, const Tensor& target, const OptionalTensor& weight, const OptionalTensor& pos_weight) {
  check_input(kName, "self", self);
  check_like(kName, "target", target, self);
  const auto check_weight = [&](const char* argument, const OptionalTensor& w) {
    if (!w) return;
    check_input(kName, argument, *w);
    check_device(kName, argument, *w, self);
    bool fits = w->dim() <= self.dim();
    for (int64_t d = 1; fits && d <= w->dim(); ++d) fits = w->sym_size(-d) == 1 || w->sym_size(-d) == self.sym_size(-d);
    TORCH_CHECK_VALUE(fits, kName, ": ", argument, " has shape ", shape_of(*w),
                      ", which is not one that broadcasts to that of self, ", shape_of(self));
  };
  check_weight("weight", weight);
  check_weight("pos_weight", pos_weight);
}

// self with its dims in the order of its memory, and the weights beside it. The dims that the weights have numbers for,
// and those between them, are the channels; what lies within them is inner.
struct Weighted {
  Weighted(const Tensor& self, const OptionalTensor& weight, const OptionalTensor& pos_weight)
      : x(self.is_non_overlapping_and_dense() ? self : output_like(self).copy_(self)) {
    std::vector<int64_t> order(x.dim());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return x.stride(a) > x.stride(b); });
    const auto in_order = [&](const OptionalTensor& w) {
      if (!w) return Tensor();
      Tensor t = w->to(opmath_type(x.scalar_type()));
      while (t.dim() < x.dim()) t = t.unsqueeze(0);
      return t.permute(order);
    };
    Tensor w = in_order(weight), p = in_order(pos_weight);
    int64_t first = x.dim(), last = -1;
    for (const Tensor& t : {w, p}) {
      for (int64_t d = 0; t.defined() && d < x.dim(); ++d) {
        if (t.size(d) != 1) first = std::min(first, d), last = std::max(last, d);
      }
    }
    for (int64_t d = 0; d < x.dim(); ++d) {
      const int64_t size = x.size(order[d]);
      if (first <= d && d <= last) {
        channels *= size;
        sizes.push_back(size);
      } else if (d > last) {
        inner *= size;
      }
    }
    const auto flat = [&](const Tensor& t) {
      if (!t.defined()) return at::ones({1}, x.options().dtype(opmath_type(x.scalar_type())));
      if (t.numel() == 1) return t.reshape({1}).contiguous();
      std::vector<int64_t> shape(t.sizes().begin() + first, t.sizes().begin() + last + 1);
      return t.reshape(shape).expand(sizes).reshape({channels}).contiguous();
    };
    w_ = flat(w), p_ = flat(p);
  }

  ChannelCall call() const { return {kName, x, std::pair(channels, inner)}; }

  Tensor x, w_, p_;
  int64_t channels = 1, inner = 1;

 private:
  std::vector<int64_t> sizes;
};

struct Core {
  static std::string name() { return std::string("_") + kName; }
  static constexpr const char* kOverload = "";
  static constexpr int kInputs = 2;
  using Numbers = std::tuple<OptionalTensor, OptionalTensor, bool>;

  static Tensor forward(const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                        const OptionalTensor& pos_weight, bool reduce) {
    check(self, target, weight, pos_weight);
    const auto options = self.options().dtype(opmath_type(self.scalar_type()));
    if (self.is_meta()) return reduce ? at::empty({}, options) : output_like(self);
    if (self.numel() == 0) return reduce ? at::zeros({}, options) : output_like(self);
    const Weighted all(self, weight, pos_weight);
    const ChannelCall call = all.call();
    const Tensor loss = reduce ? Tensor() : call.new_output(), sums = reduce ? call.new_sums(1) : Tensor();
    call.run(ChannelFormula::kBinaryCrossEntropyForward, {all.x, call.dense(target)}, {loss}, {all.p_, all.w_}, sums);
    return reduce ? sums.sum() : loss;
  }

  static std::tuple<Tensor, Tensor> backward(const Tensor& grad, const Tensor& self, const Tensor& target,
                                             const OptionalTensor& weight, const OptionalTensor& pos_weight,
                                             bool reduce, std::array<bool, 2> mask) {
    check(self, target, weight, pos_weight);
    if (!reduce) check_like(kName, "grad_output", grad, self);
    if (self.is_meta() || self.numel() == 0) {
      return {mask[0] ? output_like(self) : Tensor(), mask[1] ? output_like(self) : Tensor()};
    }
    const Weighted all(self, weight, pos_weight);
    const ChannelCall call = all.call();
    const Tensor dx = mask[0] ? call.new_output() : Tensor(), dy = mask[1] ? call.new_output() : Tensor();
    const Tensor w = reduce ? all.w_ * grad : all.w_, g = reduce ? Tensor() : call.dense(grad);
    if (mask[0]) {
      if (reduce) {
        call.run(ChannelFormula::kBinaryCrossEntropyBackward, {all.x, call.dense(target)}, {dx}, {all.p_, w}, {});
      } else {
        call.run(ChannelFormula::kBinaryCrossEntropyEachBackward, {all.x, call.dense(target), g}, {dx}, {all.p_, w},
                 {});
      }
    }
    if (mask[1]) {
      if (reduce) {
        call.run(ChannelFormula::kBinaryCrossEntropyTargetBackward, {all.x}, {dy}, {all.p_, w}, {});
      } else {
        call.run(ChannelFormula::kBinaryCrossEntropyEachTargetBackward, {all.x, g}, {dy}, {all.p_, w}, {});
      }
    }
    return {dx, dy};
  }

  static Tensor formula(const variable_list& inputs, const OptionalTensor& weight, const OptionalTensor& pos_weight,
                        bool reduce) {
    const auto dtype = inputs[0].scalar_type(), opmath = opmath_type(dtype);
    const Tensor x = inputs[0].to(opmath), y = inputs[1].to(opmath);
    Tensor positive = y * at::log_sigmoid(x);
    if (pos_weight) positive = positive * *pos_weight;
    Tensor loss = (y - 1) * at::log_sigmoid(-x) - positive;
    if (weight) loss = loss * *weight;
    return reduce ? loss.sum() : loss.to(dtype);
  }
};

using Ops = Differentiable<Core>;
using Loss = Tensor(const Tensor&, const Tensor&, const OptionalTensor&, const OptionalTensor&, Text);

Tensor composite(const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                 const OptionalTensor& pos_weight, Text reduction) {
  check_input(kName, "self", self);
  check_input(kName, "target", target);
  check_reduction(kName, reduction);
  // As in torch.
  for (const auto& [argument, w] : {std::pair("weight", weight), std::pair("pos_weight", pos_weight)}) {
    TORCH_CHECK_NOT_IMPLEMENTED(!w || !(torch::autograd::compute_requires_grad(*w) || has_tangent(*w)), kName, ": ",
                                argument, " requires a gradient, which there is none of");
  }
  const auto type = c10::promoteTypes(self.scalar_type(), target.scalar_type());
  const auto no_integers = [&](const OptionalTensor& w) {
    return w && at::isIntegralType(w->scalar_type(), /*includeBool=*/true) ? w->to(type) : w;
  };
  const Tensor loss = Ops::forward_op().call(self.to(type), target.to(type), no_integers(weight),
                                             no_integers(pos_weight), /*reduce=*/reduction != "none");
  return (reduction == "mean" ? loss / c10::SymFloat(self.sym_numel()) : loss).to(type);
}

// In float32, as torch's.
template <c10::DispatchKey kKey, c10::DeviceType kDevice>
Tensor autocast(const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                const OptionalTensor& pos_weight, Text reduction) {
  using at::autocast::cached_cast;
  static const auto op = find_op<Loss>(kName);
  const c10::impl::ExcludeDispatchKeyGuard guard(kKey);
  return op.call(cached_cast(at::kFloat, self, kDevice), cached_cast(at::kFloat, target, kDevice),
                 cached_cast(at::kFloat, weight, kDevice), cached_cast(at::kFloat, pos_weight, kDevice), reduction);
}

}  // namespace

void define_binary_cross_entropy(torch::Library& m) {
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  m.def(
      "sigmoid_binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, str "
      "reduction=\"mean\") -> Tensor",
      tags);
  Ops::define(m, "Tensor self, Tensor target", ", Tensor? weight, Tensor? pos_weight, bool reduce", tags);
}

namespace {

TORCH_LIBRARY_IMPL(actinium, CPU, m) { Ops::device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { Ops::device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { Ops::device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) { Ops::autograd(m); }
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) { m.impl(kName, TORCH_FN(composite)); }
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) { m.impl(kName, TORCH_FN(composite)); }
TORCH_LIBRARY_IMPL(actinium, AutocastCUDA, m) {
  m.impl(kName, (TORCH_FN((autocast<c10::DispatchKey::AutocastCUDA, at::kCUDA>))));
}
TORCH_LIBRARY_IMPL(actinium, AutocastCPU, m) {
  m.impl(kName, (TORCH_FN((autocast<c10::DispatchKey::AutocastCPU, at::kCPU>))));
}

}  // namespace
}  // namespace actinium::ops
