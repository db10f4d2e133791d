#include "csrc/ops/launch.h"

#include <ATen/TensorIterator.h>

#include <algorithm>

namespace actinium::ops {

void launch(const char* op, int activation, Pass pass, const double* params,
            std::initializer_list<const Tensor*> outputs, std::initializer_list<const Tensor*> inputs) {
  const Tensor& self = **(inputs.end() - 1);
  if (self.is_meta() || self.numel() == 0) return;
  Pointwise problem;
  problem.activation = activation;
  problem.pass = pass;
  problem.dtype = self.scalar_type();
  problem.params = params;

  const c10::DeviceGuard guard(self.device());
  const Backend& backend = backend_of(op, self);
  const auto alike = [&](const Tensor* t) { return !t->defined() || same_layout(*t, self); };
  const bool flat =
      std::all_of(outputs.begin(), outputs.end(), alike) && std::all_of(inputs.begin(), inputs.end(), alike);
  int k = 0;
  if (flat) {
    // Alike in memory: one row.
    problem.ndim = 1;
    problem.sizes[0] = self.numel();
    const auto add = [&](void* data) {
      problem.data[k] = static_cast<char*>(data);
      problem.strides[k++][0] = static_cast<int64_t>(self.element_size());
    };
    for (const Tensor* t : outputs) add(t->defined() ? t->mutable_data_ptr() : nullptr);
    for (const Tensor* t : inputs) add(const_cast<void*>(t->const_data_ptr()));
  } else {
    // TensorIterator orders and merges the dimensions.
    at::TensorIteratorConfig config;
    config.check_all_same_dtype(true).resize_outputs(false).set_check_mem_overlap(true);
    for (const Tensor* t : outputs) {
      if (t->defined()) config.add_output(*t);
    }
    for (const Tensor* t : inputs) config.add_const_input(*t);
    const auto iter = config.build();
    problem.ndim = std::max(iter.ndim(), 1);
    for (int d = 0; d < problem.ndim; ++d) problem.sizes[d] = iter.ndim() == 0 ? 1 : iter.shape()[d];
    int operand = 0;
    const auto add = [&](const Tensor* t) {
      problem.data[k] = t->defined() ? static_cast<char*>(iter.data_ptr(operand)) : nullptr;
      for (int d = 0; d < problem.ndim; ++d) {
        problem.strides[k][d] =
            t->defined() && iter.ndim() > 0 ? iter.strides(operand)[d] : static_cast<int64_t>(self.element_size());
      }
      operand += t->defined();
      ++k;
    };
    for (const Tensor* t : outputs) add(t);
    for (const Tensor* t : inputs) add(t);
  }
  for (; k < Pointwise::kMaxOperands; ++k) problem.data[k] = nullptr;
  backend.pointwise(problem);
}

}  // namespace actinium::ops
