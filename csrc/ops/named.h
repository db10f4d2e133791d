#pragma once
// Activations and gates by their names, for the ops that are given one.
#include <c10/util/ArrayRef.h>
#include <c10/util/string_view.h>

#include "csrc/math/activations.h"
#include "csrc/ops/common.h"

namespace actinium::ops {

// What a caller named, with all of its numbers: the given ones, and the defaults of those that were left out. Those of
// an activation are rounded to the type that `dtype` is computed in, as its own op does it.
struct Named {
  int index;  // a math::Activation, or a math::Gate
  std::array<double, 2> params;
};
Named named_activation(const char* op, c10::string_view name, at::ArrayRef<double> params, c10::ScalarType dtype);
// An activation stands for the gate act(a) b.
Named named_gate(const char* op, c10::string_view name, at::ArrayRef<double> params, c10::ScalarType dtype);

// f(x) and f(a, b) in ops that can be differentiated for ever.
Tensor apply_activation(const Named& activation, const Tensor& x);
Tensor apply_gate(const Named& gate, const Tensor& a, const Tensor& b);

}  // namespace actinium::ops
