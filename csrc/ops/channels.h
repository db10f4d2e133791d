#pragma once
// Tensors seen as [outer, channels, inner] in the order of their memory, for the ops with one parameter per channel.
#include <ATen/ops/empty.h>

#include <array>
#include <initializer_list>
#include <tuple>

#include "csrc/math/activations.h"
#include "csrc/ops/common.h"

namespace actinium::ops {

// dim, counted from the end if negative; a 0-dim tensor has one channel.
int64_t wrap_dim(const char* op, const Tensor& self, int64_t dim);
SymInt channels_of(const Tensor& self, int64_t dim);

// A parameter of self's dtype, or float32 beside a 16-bit self.
void check_beside(const char* op, const char* argument, const Tensor& parameter, const Tensor& self);
// And of 1 or C elements.
void check_parameter(const char* op, const char* argument, const Tensor& parameter, const Tensor& self,
                     const SymInt& channels, int64_t dim, bool one_allowed);

// Checks self and a parameter of one element, for which dim does not matter, or one per channel; returns their number,
// and dim counted from the front.
SymInt check_channels(const char* op, const Tensor& self, const char* argument, const Tensor& parameter, int64_t& dim);

// A parameter of 1 or C elements as a tensor that broadcasts against self along dim.
Tensor along_dim(const Tensor& parameter, const Tensor& self, int64_t dim);

// Calls one formula over operands of one shape. The first input is copied where it does not lie densely in memory,
// the others where they do not lie as it does; new outputs lie as it does.
class ChannelCall {
 public:
  ChannelCall(const char* op, const Tensor& self, int64_t dim, int64_t channels);
  // With self seen as [.., channels, inner] in the order of its memory, where it is dense.
  ChannelCall(const char* op, const Tensor& self, std::pair<int64_t, int64_t> channels_and_inner);

  // self or a gradient, in self's layout.
  Tensor dense(const Tensor& t) const;
  Tensor new_output() const;
  // [rows, channels] of opmath.
  Tensor new_sums(int64_t rows) const;
  // The parameter in opmath, one number or one per channel.
  Tensor parameter(const Tensor& t) const;
  // Elements in a channel.
  int64_t per_channel() const { return outer_ * inner_; }

  // Undefined outputs and sums are not wanted. The activation is that of a formula with a bias.
  void run(math::ChannelFormula formula, std::initializer_list<Tensor> inputs, std::initializer_list<Tensor> outputs,
           std::initializer_list<Tensor> params, const Tensor& sums, double number = 0, int activation = 0) const;
  // Mean and biased variance of every channel.
  std::pair<Tensor, Tensor> stats(const Tensor& input) const;

 private:
  const char* op_;
  Tensor self_;
  Tensor like_;  // self, or a copy of it that is dense
  int64_t outer_, channels_, inner_;
};

// The backward kernel of an op with one parameter, for the device and Meta: the gradients by self and by the parameter,
// those that mask asks for, of a formula with one sum.
std::tuple<Tensor, Tensor> parameter_backward(const char* op, math::ChannelFormula formula, const Tensor& grad,
                                              const Tensor& self, const char* argument, const Tensor& parameter,
                                              int64_t dim, std::array<bool, 2> mask);

}  // namespace actinium::ops
