// softmax_cross_entropy: what F.cross_entropy computes, without the probabilities.
//
// The op of the user is composite: it converts dtypes and calls the functional core, `_softmax_cross_entropy_forward`,
// which returns every loss or their sum, what the rows count in a mean, or the sum of that, and the logarithm of each
// row's sum of exponentials (lse) in float64, the one number a row that the backward needs beside the inputs. The
// composite divides for the mean, so that a core can be computed of a part of the rows. The first derivatives are a
// kernel; what comes after is autograd on torch's own cross_entropy_loss.
#include <ATen/autocast_mode.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/ScalarTypeToTypeMeta.h>

#include <limits>

#include "csrc/ops/channels.h"
#include "csrc/ops/higher.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using OptionalTensor = std::optional<Tensor>;
using Outputs = std::tuple<Tensor, Tensor, Tensor>;
using Gradients = std::tuple<Tensor, Tensor>;
using Mask = std::array<bool, 2>;
using Text = c10::string_view;

using Loss = Tensor(const Tensor&, const Tensor&, const OptionalTensor&, Text, int64_t, double);
using Forward = Outputs(const Tensor&, const Tensor&, const OptionalTensor&, bool, int64_t, double);
using Backward = Gradients(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&, const Tensor&, bool,
                           int64_t, double, Mask);

const char* const kName = "softmax_cross_entropy";

const auto& loss_op() {
  static const auto op = find_op<Loss>(kName);
  return op;
}
const auto& forward_op() {
  static const auto op = find_op<Forward>("_softmax_cross_entropy_forward");
  return op;
}
const auto& backward_op() {
  static const auto op = find_op<Backward>("_softmax_cross_entropy_backward");
  return op;
}

// --------------------------------------------------------------------------------------------------------- checks

int64_t class_dim(const Tensor& self) { return self.dim() == 1 ? 0 : 1; }

bool has_indices(const Tensor& target) { return !target.is_floating_point(); }

// Returns self's shape without the classes, that of indices.
std::vector<SymInt> check(const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                          double label_smoothing) {
  check_input(kName, "self", self);
  check_given(kName, "target", target);
  TORCH_CHECK_VALUE(self.dim() >= 1, kName, ": self has no dimensions, expected at least 1");
  TORCH_CHECK_VALUE(0 <= label_smoothing && label_smoothing <= 1, kName, ": label_smoothing=", label_smoothing,
                    ", expected a number from 0 to 1");
  check_device(kName, "target", target, self);
  std::vector<SymInt> rows = self.sym_sizes().vec();
  const SymInt classes = rows[class_dim(self)];
  rows.erase(rows.begin() + class_dim(self));
  if (has_indices(target)) {
    TORCH_CHECK_TYPE(target.scalar_type() == at::kLong, kName, ": target has dtype ", target.scalar_type(),
                     ", expected Long or Byte for indices of classes, or self's ", self.scalar_type(),
                     " for probabilities");
    TORCH_CHECK_VALUE(target.sym_sizes() == c10::SymIntArrayRef(rows), kName, ": target has shape ", shape_of(target),
                      ", expected ", c10::SymIntArrayRef(rows), " for the indices of classes of self (shape ",
                      shape_of(self), ")");
  } else {
    check_like(kName, "target", target, self);
  }
  if (weight) {
    check_given(kName, "weight", *weight);
    TORCH_CHECK_VALUE(weight->dim() == 1 && weight->sym_numel() == classes, kName, ": weight has shape ",
                      shape_of(*weight), ", expected [", classes, "], the classes of self (shape ", shape_of(self),
                      ")");
    check_beside(kName, "weight", *weight, self);
  }
  return rows;
}

// Kernels for a device cannot wait for an answer: there, a row with such an index is NaN.
void check_indices(const Tensor& target, int64_t classes, int64_t ignore_index) {
  const int64_t* const indices = target.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < target.numel(); ++i) {
    TORCH_CHECK_INDEX((0 <= indices[i] && indices[i] < classes) || indices[i] == ignore_index, kName,
                      ": target has the index ", indices[i], ", expected 0 to ", classes - 1, " for ", classes,
                      " classes, or ignore_index=", ignore_index);
  }
}

// --------------------------------------------------------------------------------------------------------- layouts

// Whether the classes lie side by side, and the rows behind each other, as in channels_last.
bool classes_last(const Tensor& t) {
  return !t.is_contiguous_or_false() && t.movedim(class_dim(t), -1).is_contiguous_or_false();
}
// A new tensor that lies in memory as the kernels read self: contiguous, or with its classes last.
Tensor new_like(const Tensor& self) {
  if (!classes_last(self)) return at::empty_symint(self.sym_sizes(), self.options());
  return at::empty_symint(self.movedim(class_dim(self), -1).sym_sizes(), self.options()).movedim(-1, class_dim(self));
}
// t, of self's shape, in that order.
Tensor lying_as(const Tensor& self, const Tensor& t) {
  if (classes_last(self) ? classes_last(t) : t.is_contiguous()) return t;
  return new_like(self).copy_(t);
}

// A problem, and the tensors that it points to.
struct Problem : CrossEntropy {
  Problem(const Tensor& self, const Tensor& target, const OptionalTensor& weight_, int64_t ignore, double smoothing)
      : CrossEntropy{} {
    const auto opmath = opmath_type(self.scalar_type());
    x = lying_as(self, self);
    y = has_indices(target) ? target.contiguous() : lying_as(self, target);
    dtype = self.scalar_type();
    classes = self.size(class_dim(self));
    inner = classes_last(self) ? 1 : x.stride(class_dim(self));
    if (classes == 1) inner = x.numel();
    outer = x.numel() / (classes * inner);
    input = x.const_data_ptr();
    indices = has_indices(target) ? y.const_data_ptr<int64_t>() : nullptr;
    probabilities = has_indices(target) ? nullptr : y.const_data_ptr();
    if (weight_) {
      w = weight_->to(opmath).contiguous();
      w_sum = w.sum();
      weight = w.const_data_ptr();
      weight_sum = w_sum.const_data_ptr();
    }
    ignore_index = ignore;
    label_smoothing = smoothing;
  }
  Tensor x, y, w, w_sum;
};

// -------------------------------------------------------------------------------------------------- device and Meta

Outputs forward(const Tensor& self, const Tensor& target, const OptionalTensor& weight, bool reduce,
                int64_t ignore_index, double label_smoothing) {
  const auto rows = check(self, target, weight, label_smoothing);
  const auto options = self.options().dtype(opmath_type(self.scalar_type()));
  const Tensor lse = at::empty_symint(rows, options.dtype(at::kDouble));
  // Of every row: the loss, and what it counts in a mean.
  if (self.is_meta()) {
    const c10::SymIntArrayRef shape = reduce ? c10::SymIntArrayRef() : c10::SymIntArrayRef(rows);
    return {at::empty_symint(shape, options), at::empty_symint(shape, options), lse};
  }
  const bool index = has_indices(target);
  if (index && self.is_cpu()) check_indices(target.contiguous(), self.size(class_dim(self)), ignore_index);
  const Tensor loss = at::empty(lse.sizes(), options), count = at::empty(lse.sizes(), options);
  if (self.numel() == 0) {
    loss.zero_(), count.zero_(), lse.fill_(-std::numeric_limits<double>::infinity());  // of rows without classes
  } else {
    const c10::DeviceGuard guard(self.device());
    Problem problem(self, target, weight, ignore_index, label_smoothing);
    problem.lse = lse.mutable_data_ptr<double>();
    problem.loss = loss.mutable_data_ptr();
    problem.row_weight = count.mutable_data_ptr();
    backend_of(kName, self).cross_entropy(problem);
    if (!index) count.fill_(1);
  }
  if (!reduce) return {loss, count, lse};
  return {loss.sum(), count.sum(), lse};
}

Gradients backward(const Tensor& grad, const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                   const Tensor& lse, bool reduce, int64_t ignore_index, double label_smoothing, Mask mask) {
  check(self, target, weight, label_smoothing);
  mask[1] &= !has_indices(target);
  const Tensor by_self = mask[0] ? new_like(self) : Tensor(), by_target = mask[1] ? new_like(self) : Tensor();
  if (self.is_meta() || self.numel() == 0 || !(mask[0] || mask[1])) return {by_self, by_target};
  const c10::DeviceGuard guard(self.device());
  Problem problem(self, target, weight, ignore_index, label_smoothing);
  Tensor g = grad.to(opmath_type(self.scalar_type()));
  const Tensor sums = lse.contiguous();
  problem.backward = true;
  problem.lse = const_cast<double*>(sums.const_data_ptr<double>());
  // One gradient for all rows is read as one.
  problem.grad_stride = reduce || g.numel() == 1 ? 0 : 1;
  if (problem.grad_stride == 1) g = g.contiguous();
  problem.grad = g.const_data_ptr();
  problem.grad_input = mask[0] ? by_self.mutable_data_ptr() : nullptr;
  problem.grad_probabilities = mask[1] ? by_target.mutable_data_ptr() : nullptr;
  backend_of(kName, self).cross_entropy(problem);
  return {by_self, by_target};
}

// ------------------------------------------------------------------------------------------------------- gradients

using Numbers = std::tuple<bool, int64_t, double>;

// The gradients of <a, backward(g, inputs)> by g and the inputs, which can be differentiated again. inputs: self, and
// the target where it is differentiable.
variable_list differentiate_backward(const variable_list& a, const Tensor& g, const variable_list& inputs,
                                     const Tensor& target, const Tensor& weight, const Numbers& numbers) {
  const auto& [reduce, ignore_index, label_smoothing] = numbers;
  const auto formula = [&, reduction = reduce ? at::Reduction::Sum : at::Reduction::None, ignore = ignore_index,
                        smoothing = label_smoothing](const variable_list& x) {
    const auto opmath = opmath_type(x[0].scalar_type());
    return at::cross_entropy_loss(x[0].to(opmath), x.size() > 1 ? x[1].to(opmath) : target,
                                  weight.defined() ? OptionalTensor(weight.to(opmath)) : std::nullopt, reduction,
                                  ignore, smoothing);
  };
  const DoubleBackward d(formula, a, g, inputs);
  if (at::GradMode::is_enabled() && d.wanted) return d.outputs;
  const at::AutoGradMode disable(false);
  variable_list free;
  for (const Tensor& t : d.outputs) free.push_back(t.defined() ? t.view_as(t) : t);
  return free;
}
// self, and target if it has a gradient
variable_list with_probabilities(const Tensor& self, const Tensor& target, bool indices) {
  return indices ? variable_list{self} : variable_list{self, target};
}

struct ForwardGrad {
  static std::string name() { return "SoftmaxCrossEntropyBackward0"; }
  static constexpr int kSaved = 4;
  Numbers numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, kSaved>& saved, Wanted wanted) const {
    const auto& [self, target, weight, lse] = saved;
    const auto& [reduce, ignore_index, label_smoothing] = numbers;
    auto [by_self, by_target] = backward_op().call(grads[0], self, target, optional(weight), lse, reduce, ignore_index,
                                                   label_smoothing, {wanted(0), wanted(1)});
    return {by_self, by_target};
  }
};

struct BackwardGrad {
  static std::string name() { return "SoftmaxCrossEntropyBackwardBackward0"; }
  static constexpr int kSaved = 4;
  Numbers numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, kSaved>& saved, const Wanted&) const {
    const auto& [g, self, target, weight] = saved;
    const bool indices = has_indices(target);
    auto found = differentiate_backward(with_probabilities(grads[0], grads[1], indices), g,
                                        with_probabilities(self, target, indices), target, weight, numbers);
    found.resize(3);
    return found;
  }
};

// Only self and probabilities have gradients, as in torch.
void check_no_gradient(const char* argument, const OptionalTensor& t) {
  TORCH_CHECK_NOT_IMPLEMENTED(!t || !(torch::autograd::compute_requires_grad(*t) || has_tangent(*t)), kName, ": ",
                              argument, " requires a gradient, which there is none of");
}

Outputs forward_autograd(DispatchKeySet keys, const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                         bool reduce, int64_t ignore_index, double label_smoothing) {
  check_no_gradient("weight", weight);
  const Numbers numbers{reduce, ignore_index, label_smoothing};
  auto node = record(ForwardGrad{numbers}, self, target);
  auto [loss, count, lse] = below_autograd([&] {
    return forward_op().redispatch(keys & c10::after_autograd_keyset, self, target, weight, reduce, ignore_index,
                                   label_smoothing);
  });
  if (node) node->save(self, target, defined(weight), lse);
  attach(loss, node);
  if (has_tangent(self) || has_tangent(target)) {
    // The gradient of <tangents, gradients> by the gradient is the tangent; its value does not matter.
    const bool indices = has_indices(target);
    set_tangent(
        loss, differentiate_backward(with_probabilities(tangent(self), tangent(target), indices), at::zeros_like(loss),
                                     with_probabilities(primal(self), primal(target), indices), target, defined(weight),
                                     numbers)[0]);
  }
  return {loss, count, lse};
}

Gradients backward_autograd(DispatchKeySet keys, const Tensor& grad, const Tensor& self, const Tensor& target,
                            const OptionalTensor& weight, const Tensor& lse, bool reduce, int64_t ignore_index,
                            double label_smoothing, Mask mask) {
  check_no_gradient("weight", weight);
  const Numbers numbers{reduce, ignore_index, label_smoothing};
  auto node = record(BackwardGrad{numbers}, grad, self, target);
  if (node) node->save(grad, self, target, defined(weight));
  auto [by_self, by_target] = below_autograd([&] {
    return backward_op().redispatch(keys & c10::after_autograd_keyset, grad, self, target, weight, lse, reduce,
                                    ignore_index, label_smoothing, mask);
  });
  attach(by_self, node);
  attach(by_target, node);
  Tensor t_self, t_target;
  if (has_tangent(grad)) {
    std::tie(t_self, t_target) = backward_op().call(tangent(grad), primal(self), primal(target), weight, lse, reduce,
                                                    ignore_index, label_smoothing, mask);
  }
  if (has_tangent(self) || has_tangent(target)) {
    // The second derivatives are symmetric: in the direction of the tangents they are the gradients of that product.
    const bool indices = has_indices(target);
    const auto moved = differentiate_backward(with_probabilities(tangent(self), tangent(target), indices), primal(grad),
                                              with_probabilities(primal(self), primal(target), indices), target,
                                              defined(weight), numbers);
    if (mask[0]) t_self = add_defined(t_self, moved[1]);
    if (mask[1] && !indices) t_target = add_defined(t_target, moved[2]);
  }
  set_tangent(by_self, t_self);
  set_tangent(by_target, t_target);
  return {by_self, by_target};
}

// --------------------------------------------------------------------------------------------- the op of the user

Tensor composite(const Tensor& self, const Tensor& target, const OptionalTensor& weight, Text reduction,
                 int64_t ignore_index, double label_smoothing) {
  check_input(kName, "self", self);
  check_given(kName, "target", target);
  check_reduction(kName, reduction);
  auto type = self.scalar_type();
  Tensor x = self, y = target;
  OptionalTensor w = weight;
  if (target.scalar_type() == at::kByte) {
    y = target.to(at::kLong);
  } else if (target.is_floating_point()) {
    TORCH_CHECK_VALUE(ignore_index < 0, kName, ": ignore_index=", ignore_index,
                      " has no meaning for target with probabilities (dtype ", target.scalar_type(), ")");
    type = c10::promoteTypes(type, target.scalar_type());
    x = self.to(type), y = target.to(type);
    if (weight && weight->defined() && !weight->is_complex()) w = weight->to(opmath_type(type));
  }
  const auto [loss, count, lse] =
      forward_op().call(x, y, w, /*reduce=*/reduction != "none", ignore_index, label_smoothing);
  return (reduction == "mean" ? loss / count : loss).to(type);
}

// In float32, as torch's.
template <c10::DispatchKey kKey, c10::DeviceType kDevice>
Tensor autocast(const Tensor& self, const Tensor& target, const OptionalTensor& weight, Text reduction,
                int64_t ignore_index, double label_smoothing) {
  using at::autocast::cached_cast;
  const c10::impl::ExcludeDispatchKeyGuard guard(kKey);
  return loss_op().call(cached_cast(at::kFloat, self, kDevice), cached_cast(at::kFloat, target, kDevice),
                        cached_cast(at::kFloat, weight, kDevice), reduction, ignore_index, label_smoothing);
}

}  // namespace

void define_cross_entropy(torch::Library& m) {
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  m.def(
      "softmax_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, str reduction=\"mean\", int "
      "ignore_index=-100, float label_smoothing=0.0) -> Tensor",
      tags);
  m.def(
      "_softmax_cross_entropy_forward(Tensor self, Tensor target, Tensor? weight, bool reduce, int ignore_index, "
      "float label_smoothing) -> (Tensor loss, Tensor count, Tensor lse)",
      tags);
  m.def(
      "_softmax_cross_entropy_backward(Tensor grad_loss, Tensor self, Tensor target, Tensor? weight, Tensor lse, "
      "bool reduce, int ignore_index, float label_smoothing, bool[2] output_mask=[True, True]) -> (Tensor, Tensor)",
      tags);
}

namespace {

void device(torch::Library& m) {
  m.impl("_softmax_cross_entropy_forward", TORCH_FN(forward));
  m.impl("_softmax_cross_entropy_backward", TORCH_FN(backward));
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  m.impl("_softmax_cross_entropy_forward", TORCH_FN(forward_autograd));
  m.impl("_softmax_cross_entropy_backward", TORCH_FN(backward_autograd));
}
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
