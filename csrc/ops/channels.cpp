#include "csrc/ops/channels.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

namespace actinium::ops {

int64_t wrap_dim(const char* op, const Tensor& self, int64_t dim) {
  const int64_t ndim = std::max<int64_t>(self.dim(), 1);
  TORCH_CHECK_INDEX(-ndim <= dim && dim < ndim, op, ": dim=", dim, " is out of range for self with ", self.dim(),
                    " dimensions, expected ", -ndim, " to ", ndim - 1);
  return dim < 0 ? dim + ndim : dim;
}

SymInt channels_of(const Tensor& self, int64_t dim) { return self.dim() == 0 ? SymInt(1) : self.sym_size(dim); }

void check_beside(const char* op, const char* argument, const Tensor& parameter, const Tensor& self) {
  check_given(op, argument, parameter);
  const auto dtype = parameter.scalar_type();
  TORCH_CHECK_TYPE(dtype == self.scalar_type() || dtype == opmath_type(self.scalar_type()), op, ": ", argument,
                   " has dtype ", dtype, ", but self has ", self.scalar_type());
  check_device(op, argument, parameter, self);
}

void check_parameter(const char* op, const char* argument, const Tensor& parameter, const Tensor& self,
                     const SymInt& channels, int64_t dim, bool one_allowed) {
  check_beside(op, argument, parameter, self);
  const SymInt numel = parameter.sym_numel();
  TORCH_CHECK_VALUE((one_allowed && numel == 1) || (parameter.dim() == 1 && numel == channels), op, ": ", argument,
                    " has shape ", shape_of(parameter), ", expected ", one_allowed ? "one element or " : "", "[",
                    channels, "], the channels of self (shape ", shape_of(self), ") along dim ", dim);
}

SymInt check_channels(const char* op, const Tensor& self, const char* argument, const Tensor& parameter, int64_t& dim) {
  check_input(op, "self", self);
  check_given(op, argument, parameter);
  SymInt channels = 1;
  if (parameter.sym_numel() == 1) {
    dim = 0;
  } else {
    dim = wrap_dim(op, self, dim);
    channels = channels_of(self, dim);
  }
  check_parameter(op, argument, parameter, self, channels, dim, /*one_allowed=*/true);
  return channels;
}

Tensor along_dim(const Tensor& parameter, const Tensor& self, int64_t dim) {
  if (parameter.sym_numel() == 1) return parameter.reshape({});
  std::vector<SymInt> sizes(self.dim(), 1);
  sizes[wrap_dim("actinium", self, dim)] = parameter.sym_numel();
  return parameter.reshape_symint(sizes);
}

ChannelCall::ChannelCall(const char* op, const Tensor& self, int64_t dim, int64_t channels)
    : op_(op),
      self_(self),
      like_(self.is_non_overlapping_and_dense() ? self : output_like(self).copy_(self)),
      channels_(channels) {
  const int64_t numel = self.numel();
  // In a dense tensor, dims of smaller strides than the channels' lie within them, all others around them.
  if (channels == 1) {
    inner_ = numel;
  } else {
    inner_ = like_.stride(dim);
  }
  outer_ = numel == 0 ? 0 : numel / (channels_ * inner_);
}

ChannelCall::ChannelCall(const char* op, const Tensor& self, std::pair<int64_t, int64_t> channels_and_inner)
    : op_(op), self_(self), like_(self), channels_(channels_and_inner.first), inner_(channels_and_inner.second) {
  outer_ = self.numel() == 0 ? 0 : self.numel() / (channels_ * inner_);
}

Tensor ChannelCall::dense(const Tensor& t) const {
  if (t.is_same(self_)) return like_;
  return same_layout(t, like_) ? t : at::empty_like(like_).copy_(t);
}

Tensor ChannelCall::new_output() const { return output_like(like_); }

Tensor ChannelCall::new_sums(int64_t rows) const {
  return at::empty({rows, channels_}, like_.options().dtype(opmath_type(like_.scalar_type())));
}

Tensor ChannelCall::parameter(const Tensor& t) const { return t.to(opmath_type(like_.scalar_type())).contiguous(); }

void ChannelCall::run(math::ChannelFormula formula, std::initializer_list<Tensor> inputs,
                      std::initializer_list<Tensor> outputs, std::initializer_list<Tensor> params, const Tensor& sums,
                      double number, int activation) const {
  if (like_.numel() == 0) {
    if (sums.defined()) sums.zero_();
    return;
  }
  const c10::DeviceGuard guard(like_.device());
  Channelwise problem{};
  problem.formula = static_cast<int>(formula);
  problem.activation = activation;
  problem.dtype = like_.scalar_type();
  problem.outer = outer_;
  problem.channels = channels_;
  problem.inner = inner_;
  problem.number = number;
  int k = 0;
  for (const Tensor& t : inputs) problem.inputs[k++] = t.const_data_ptr();
  k = 0;
  for (const Tensor& t : outputs) problem.outputs[k++] = t.defined() ? t.mutable_data_ptr() : nullptr;
  k = 0;
  for (const Tensor& t : params) {
    TORCH_INTERNAL_ASSERT(t.is_contiguous(), op_, ": a parameter is strided");
    problem.params[k] = t.const_data_ptr();
    problem.param_strides[k++] = t.numel() == 1 ? 0 : 1;
  }
  problem.sums = sums.defined() ? sums.mutable_data_ptr() : nullptr;
  backend_of(op_, like_).channelwise(problem);
}

std::pair<Tensor, Tensor> ChannelCall::stats(const Tensor& input) const {
  const auto options = like_.options().dtype(opmath_type(like_.scalar_type()));
  if (like_.numel() == 0) {
    // The statistics of nothing, as at::var_mean gives them.
    const Tensor nan = at::full({channels_}, std::numeric_limits<double>::quiet_NaN(), options);
    return {nan, nan.clone()};
  }
  const Tensor mean = at::empty({channels_}, options), var = at::empty({channels_}, options);
  const c10::DeviceGuard guard(like_.device());
  backend_of(op_, like_)
      .channel_stats({like_.scalar_type(), outer_, channels_, inner_, input.const_data_ptr(), mean.mutable_data_ptr(),
                      var.mutable_data_ptr()});
  return {mean, var};
}

std::tuple<Tensor, Tensor> parameter_backward(const char* op, math::ChannelFormula formula, const Tensor& grad,
                                              const Tensor& self, const char* argument, const Tensor& parameter,
                                              int64_t dim, std::array<bool, 2> mask) {
  const SymInt channels = check_channels(op, self, argument, parameter, dim);
  check_like(op, "grad_output", grad, self);
  if (self.is_meta()) {
    return {mask[0] ? output_like(self) : Tensor(), mask[1] ? at::empty_like(parameter) : Tensor()};
  }
  const ChannelCall call(op, self, dim, channels.expect_int());
  const Tensor by_self = mask[0] ? call.new_output() : Tensor(), sums = mask[1] ? call.new_sums(1) : Tensor();
  if (mask[0] || mask[1]) {
    call.run(formula, {call.dense(grad), call.dense(self)}, {by_self}, {call.parameter(parameter)}, sums);
  }
  return {by_self, mask[1] ? sums.view(parameter.sizes()).to(parameter.scalar_type()) : Tensor()};
}

}  // namespace actinium::ops
