#pragma once
// From tensors to the backend's pointwise loops.
#include <initializer_list>

#include "csrc/ops/common.h"

namespace actinium::ops {

// Runs one pass. Operands as listed at actinium::Pass, of any strides; an undefined output is not wanted. `activation`
// is a math::Activation, or for the gated passes a math::Gate.
void launch(const char* op, int activation, Pass pass, const double* params,
            std::initializer_list<const Tensor*> outputs, std::initializer_list<const Tensor*> inputs);

}  // namespace actinium::ops
