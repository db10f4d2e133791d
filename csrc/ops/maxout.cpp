// Maxout (Goodfellow et al. 2013): the largest of k pieces along a dim, with one byte of index for its gradient, and
// the layer that makes the pieces by a matrix product.
#include <ATen/ExpandUtils.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "csrc/ops/channels.h"
#include "csrc/ops/node.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using Values = std::tuple<Tensor, Tensor>;
// The op's name and arguments as every kernel has them.
using Layout = c10::string_view;

const auto& forward_op() {
  static const auto op = find_op<Tensor(const Tensor&, SymInt, int64_t, Layout)>("maxout");
  return op;
}
const auto& indices_op() {
  static const auto op = find_op<Values(const Tensor&, SymInt, int64_t, Layout)>("maxout_with_indices");
  return op;
}
const auto& backward_op() {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, SymInt, int64_t, Layout)>("maxout_backward");
  return op;
}
const auto& gather_op() {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, SymInt, int64_t, Layout)>("_maxout_gather");
  return op;
}

const auto& bias_op() {
  static const auto op = find_op<Values(const Tensor&, const Tensor&)>("_maxout_bias");
  return op;
}

// Checks what does not depend on which tensor is given; returns dim counted from the front.
int64_t check_arguments(const char* op, const Tensor& t, const SymInt& pieces, int64_t dim, Layout layout) {
  check_input(op, "self", t);
  TORCH_CHECK_VALUE(pieces >= 1 && pieces <= 256, op, ": pieces=", pieces, ", expected 1 to 256");
  TORCH_CHECK_VALUE(layout == "unit" || layout == "piece", op, ": layout='", layout, "', expected 'unit' or 'piece'");
  TORCH_CHECK_VALUE(t.dim() > 0, op, ": self has no dimensions, expected at least 1");
  return wrap_dim(op, t, dim);
}

void check_indices(const char* op, const Tensor& indices, const Tensor& self, c10::SymIntArrayRef sizes) {
  TORCH_CHECK_TYPE(indices.scalar_type() == at::kByte, op, ": indices has dtype ", indices.scalar_type(),
                   ", expected Byte");
  check_device(op, "indices", indices, self);
  TORCH_CHECK_VALUE(indices.sym_sizes() == sizes, op, ": indices has shape ", shape_of(indices), ", expected ", sizes);
}

// self's shape with the channels divided by the pieces.
std::vector<SymInt> output_sizes(const char* op, const Tensor& self, const SymInt& pieces, int64_t dim) {
  std::vector<SymInt> sizes = self.sym_sizes().vec();
  TORCH_CHECK_VALUE(sizes[dim] % pieces == 0, op, ": dim ", dim, " has ", sizes[dim],
                    " channels, not divisible by pieces=", pieces);
  sizes[dim] = sizes[dim] / pieces;
  return sizes;
}

// A new tensor of these sizes whose dims lie in memory in the order of like's.
Tensor empty_ordered(c10::SymIntArrayRef sizes, const Tensor& like, at::ScalarType dtype) {
  // Contiguous and channels_last first: where sizes of 1 leave the order open, they decide.
  auto format = at::MemoryFormat::Contiguous;
  if (!like.is_contiguous() && like.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    format = at::MemoryFormat::ChannelsLast;
  } else if (!like.is_contiguous() && like.is_contiguous(at::MemoryFormat::ChannelsLast3d)) {
    format = at::MemoryFormat::ChannelsLast3d;
  } else if (!like.is_contiguous() && like.is_non_overlapping_and_dense()) {
    std::vector<int64_t> order(like.dim());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return like.sym_stride(a) > like.sym_stride(b); });
    std::vector<SymInt> strides(sizes.size());
    SymInt stride = 1;
    for (auto d = order.rbegin(); d != order.rend(); ++d) {
      strides[*d] = stride;
      stride = stride * (sizes[*d] > 1 ? sizes[*d] : SymInt(1));
    }
    return at::empty_strided_symint(sizes, strides, like.options().dtype(dtype));
  }
  return at::empty_symint(sizes, like.options().dtype(dtype), format);
}

// Runs a pass over dense tensors in one memory order, seen as [outer, pieces, inner].
void run(const char* op, Maxout::Pass pass, const Tensor& wide, const Tensor& narrow, const Tensor& indices,
         const SymInt& pieces, int64_t dim, Layout layout, const Tensor& bias = {}) {
  if (wide.is_meta() || narrow.numel() == 0) return;
  const c10::DeviceGuard guard(wide.device());
  const int64_t units = narrow.size(dim);
  // What lies within a channel of the wide tensor.
  const int64_t within = wide.size(dim) == 1 ? 1 : wide.stride(dim);
  Maxout problem;
  problem.pass = pass;
  problem.dtype = wide.scalar_type();
  problem.pieces = pieces.expect_int();
  // unit: the pieces of a unit lie together. piece: each piece is a block of all units.
  problem.inner = layout == "unit" ? within : units * within;
  problem.outer = narrow.numel() / problem.inner;
  const bool writes_wide = pass == Maxout::Pass::kBackward;
  problem.input = writes_wide ? wide.mutable_data_ptr() : const_cast<void*>(wide.const_data_ptr());
  problem.values = writes_wide ? const_cast<void*>(narrow.const_data_ptr()) : narrow.mutable_data_ptr();
  problem.indices = nullptr;
  if (indices.defined()) {
    problem.indices = static_cast<uint8_t*>(
        pass == Maxout::Pass::kForward ? indices.mutable_data_ptr() : const_cast<void*>(indices.const_data_ptr()));
  }
  problem.bias = bias.defined() ? bias.const_data_ptr() : nullptr;
  backend_of(op, wide).maxout(problem);
}

// t itself where it lies as `like` does, else a copy that does.
Tensor in_order_of(const Tensor& like, const Tensor& t) {
  return same_layout(t, like) ? t : at::empty_like(like, t.options()).copy_(t);
}
Tensor dense(const Tensor& self) { return self.is_non_overlapping_and_dense() ? self : output_like(self).copy_(self); }

// ------------------------------------------------------------------------------------------------ device and Meta

Tensor forward_into(const char* op, const Tensor& self, const SymInt& pieces, int64_t dim, Layout layout,
                    Tensor* indices) {
  dim = check_arguments(op, self, pieces, dim, layout);
  const auto sizes = output_sizes(op, self, pieces, dim);
  const Tensor x = dense(self);
  const Tensor values = empty_ordered(sizes, x, x.scalar_type());
  if (indices) *indices = empty_ordered(sizes, x, at::kByte);
  run(op, Maxout::Pass::kForward, x, values, indices ? *indices : Tensor(), pieces, dim, layout);
  return values;
}

Tensor forward(const Tensor& self, SymInt pieces, int64_t dim, Layout layout) {
  return forward_into("maxout", self, pieces, dim, layout, nullptr);
}

Values forward_with_indices(const Tensor& self, SymInt pieces, int64_t dim, Layout layout) {
  Tensor indices;
  Tensor values = forward_into("maxout_with_indices", self, pieces, dim, layout, &indices);
  return {values, indices};
}

Tensor backward(const Tensor& grad, const Tensor& indices, SymInt pieces, int64_t dim, Layout layout) {
  const char* const op = "maxout_backward";
  dim = check_arguments(op, grad, pieces, dim, layout);
  check_indices(op, indices, grad, grad.sym_sizes());
  std::vector<SymInt> sizes = grad.sym_sizes().vec();
  sizes[dim] = sizes[dim] * pieces;
  // The indices lie as the input did, and the gradient is to lie so as well.
  const Tensor i = dense(indices);
  const Tensor grad_input = empty_ordered(sizes, i, grad.scalar_type());
  run(op, Maxout::Pass::kBackward, grad_input, in_order_of(i, grad), i, pieces, dim, layout);
  return grad_input;
}

Tensor gather(const Tensor& self, const Tensor& indices, SymInt pieces, int64_t dim, Layout layout) {
  const char* const op = "_maxout_gather";
  dim = check_arguments(op, self, pieces, dim, layout);
  const auto sizes = output_sizes(op, self, pieces, dim);
  check_indices(op, indices, self, sizes);
  const Tensor x = dense(self);
  const Tensor values = empty_ordered(sizes, x, x.scalar_type());
  run(op, Maxout::Pass::kGather, x, values, in_order_of(values, indices), pieces, dim, layout);
  return values;
}

Values bias_forward(const Tensor& self, const Tensor& bias) {
  const char* const op = "_maxout_bias";
  check_input(op, "self", self);
  TORCH_CHECK_VALUE(bias.dim() == 2, op, ": bias has shape ", shape_of(bias), ", expected [pieces, units]");
  check_dtype(op, "bias", bias, self);
  check_device(op, "bias", bias, self);
  const SymInt pieces = bias.sym_size(0);
  const int64_t dim = check_arguments(op, self, pieces, -1, "piece");
  TORCH_CHECK_VALUE(self.sym_size(dim) == bias.sym_numel(), op, ": self has shape ", shape_of(self),
                    ", but bias has shape ", shape_of(bias));
  const auto sizes = output_sizes(op, self, pieces, dim);
  // Rows of pieces x units, whatever the order of the dims before them.
  const Tensor x = self.contiguous(), values = at::empty_symint(sizes, x.options());
  const Tensor indices = at::empty_symint(sizes, x.options().dtype(at::kByte));
  run(op, Maxout::Pass::kForward, x, values, indices, pieces, dim, "piece", bias.contiguous());
  return {values, indices};
}

// ------------------------------------------------------------------------------------------------------ gradients

using Numbers = std::tuple<SymInt, int64_t, std::string>;

// values = the pieces that won: linear in the pieces.
struct Scatter {
  static std::string name() { return "MaxoutBackward0"; }
  static constexpr int kSaved = 1;
  Numbers numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, 1>& saved, Wanted) const {
    const auto& [pieces, dim, layout] = numbers;
    return {backward_op().call(grads[0], saved[0], pieces, dim, layout)};
  }
};
struct Gather {
  static std::string name() { return "MaxoutBackwardBackward0"; }
  static constexpr int kSaved = 1;
  Numbers numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, 1>& saved, Wanted) const {
    const auto& [pieces, dim, layout] = numbers;
    return {gather_op().call(grads[0], saved[0], pieces, dim, layout)};
  }
};

Numbers numbers(const SymInt& pieces, int64_t dim, Layout layout) { return {pieces, dim, std::string(layout)}; }

Tensor forward_autograd(DispatchKeySet keys, const Tensor& self, SymInt pieces, int64_t dim, Layout layout) {
  // The index is written only where a derivative will want it.
  if (torch::autograd::compute_requires_grad(self) || has_tangent(self)) {
    return std::get<0>(indices_op().call(self, pieces, dim, layout));
  }
  return below_autograd(
      [&] { return forward_op().redispatch(keys & c10::after_autograd_keyset, self, pieces, dim, layout); });
}

Values indices_autograd(DispatchKeySet keys, const Tensor& self, SymInt pieces, int64_t dim, Layout layout) {
  auto node = record(Scatter{numbers(pieces, dim, layout)}, self);
  auto [values, indices] = below_autograd(
      [&] { return indices_op().redispatch(keys & c10::after_autograd_keyset, self, pieces, dim, layout); });
  if (node) node->save(indices);
  attach(values, node);
  if (has_tangent(self)) set_tangent(values, gather_op().call(tangent(self), indices, pieces, dim, layout));
  return {values, indices};
}

Tensor backward_autograd(DispatchKeySet keys, const Tensor& grad, const Tensor& indices, SymInt pieces, int64_t dim,
                         Layout layout) {
  auto node = record(Gather{numbers(pieces, dim, layout)}, grad);
  if (node) node->save(indices);
  const Tensor result = below_autograd(
      [&] { return backward_op().redispatch(keys & c10::after_autograd_keyset, grad, indices, pieces, dim, layout); });
  attach(result, node);
  if (has_tangent(grad)) set_tangent(result, backward_op().call(tangent(grad), indices, pieces, dim, layout));
  return result;
}

Tensor gather_autograd(DispatchKeySet keys, const Tensor& self, const Tensor& indices, SymInt pieces, int64_t dim,
                       Layout layout) {
  auto node = record(Scatter{numbers(pieces, dim, layout)}, self);
  if (node) node->save(indices);
  const Tensor result = below_autograd(
      [&] { return gather_op().redispatch(keys & c10::after_autograd_keyset, self, indices, pieces, dim, layout); });
  attach(result, node);
  if (has_tangent(self)) set_tangent(result, gather_op().call(tangent(self), indices, pieces, dim, layout));
  return result;
}

// The gradient of bias is that of self, added up over all rows.
struct BiasScatter {
  static std::string name() { return "MaxoutBiasBackward0"; }
  static constexpr int kSaved = 1;
  std::tuple<SymInt> numbers;
  variable_list operator()(const variable_list& grads, const std::array<Tensor, 1>& saved, Wanted wanted) const {
    const SymInt& pieces = std::get<0>(numbers);
    const Tensor by_self = backward_op().call(grads[0], saved[0], pieces, -1, "piece");
    if (!wanted(1)) return {by_self, Tensor()};
    const std::vector<SymInt> sums{by_self.sym_size(-1)}, sizes{pieces, grads[0].sym_size(-1)};
    return {by_self, at::sum_to(by_self, sums).reshape_symint(sizes)};
  }
};

Values bias_autograd(DispatchKeySet keys, const Tensor& self, const Tensor& bias) {
  auto node = record(BiasScatter{{bias.sym_size(0)}}, self, bias);
  auto [values, indices] =
      below_autograd([&] { return bias_op().redispatch(keys & c10::after_autograd_keyset, self, bias); });
  if (node) node->save(indices);
  attach(values, node);
  if (has_tangent(self) || has_tangent(bias)) {
    const Tensor shifts = has_tangent(bias) ? tangent(bias).flatten().expand_as(self) : Tensor();
    set_tangent(values, gather_op().call(add_defined(tangent(self), shifts), indices, bias.sym_size(0), -1, "piece"));
  }
  return {values, indices};
}

// ------------------------------------------------------------------------------------------------------- composite

Tensor linear_maxout(const Tensor& self, const Tensor& weight, const std::optional<Tensor>& bias) {
  const char* const op = "linear_maxout";
  check_input(op, "self", self);
  // autocast gives all of them one type
  const bool autocast = at::autocast::is_autocast_enabled(self.device().type());
  const auto check_kind = [&](const char* name, const Tensor& t) {
    check_given(op, name, t);
    if (!autocast) check_dtype(op, name, t, self);
    check_device(op, name, t, self);
  };
  check_kind("weight", weight);
  if (bias) check_kind("bias", *bias);
  TORCH_CHECK_VALUE(weight.dim() == 3, op, ": weight has shape ", shape_of(weight),
                    ", expected [pieces, units, features]");
  TORCH_CHECK_VALUE(self.dim() > 0 && self.sym_size(-1) == weight.sym_size(2), op, ": self has shape ", shape_of(self),
                    ", expected [..., ", weight.sym_size(2), "] for weight of shape ", shape_of(weight));
  const SymInt pieces = weight.sym_size(0);
  TORCH_CHECK_VALUE(pieces >= 1 && pieces <= 256, op, ": weight has ", pieces, " pieces, expected 1 to 256");
  const Tensor products = at::linear(self, weight.flatten(0, 1));
  if (!bias) return forward_op().call(products, pieces, -1, "piece");
  TORCH_CHECK_VALUE(bias->sym_sizes() == weight.sym_sizes().slice(0, 2), op, ": bias has shape ", shape_of(*bias),
                    ", expected [", pieces, ", ", weight.sym_size(1), "] for weight of shape ", shape_of(weight));
  return std::get<0>(bias_op().call(products, bias->to(products.scalar_type())));
}

// --------------------------------------------------------------------------------------------------- registration

}  // namespace

void define_maxout(torch::Library& m) {
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  m.def("maxout(Tensor self, SymInt pieces, int dim=1, str layout=\"unit\") -> Tensor", tags);
  m.def(
      "maxout_with_indices(Tensor self, SymInt pieces, int dim=1, str layout=\"unit\") -> (Tensor values, Tensor "
      "indices)",
      tags);
  m.def("maxout_backward(Tensor grad_output, Tensor indices, SymInt pieces, int dim=1, str layout=\"unit\") -> Tensor",
        tags);
  m.def("_maxout_gather(Tensor self, Tensor indices, SymInt pieces, int dim=1, str layout=\"unit\") -> Tensor", tags);
  m.def("_maxout_bias(Tensor self, Tensor bias) -> (Tensor values, Tensor indices)", tags);
  m.def("linear_maxout(Tensor self, Tensor weight, Tensor? bias=None) -> Tensor", tags);
}

namespace {

void device(torch::Library& m) {
  m.impl("maxout", TORCH_FN(forward));
  m.impl("maxout_with_indices", TORCH_FN(forward_with_indices));
  m.impl("maxout_backward", TORCH_FN(backward));
  m.impl("_maxout_gather", TORCH_FN(gather));
  m.impl("_maxout_bias", TORCH_FN(bias_forward));
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  m.impl("maxout", TORCH_FN(forward_autograd));
  m.impl("maxout_with_indices", TORCH_FN(indices_autograd));
  m.impl("maxout_backward", TORCH_FN(backward_autograd));
  m.impl("_maxout_gather", TORCH_FN(gather_autograd));
  m.impl("_maxout_bias", TORCH_FN(bias_autograd));
}
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) { m.impl("linear_maxout", TORCH_FN(linear_maxout)); }
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) { m.impl("linear_maxout", TORCH_FN(linear_maxout)); }

}  // namespace
}  // namespace actinium::ops
