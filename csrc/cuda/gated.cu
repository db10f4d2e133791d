// Forward and backward of every gate.
#include "csrc/cuda/kernels.h"
#include "csrc/cuda/pointwise_kernels.h"
#include "csrc/math/activations.h"

namespace actinium::cuda {

void gated(const Pointwise& problem) {
  math::with_gate(problem.activation, problem.params, [&](auto formula) {
    run_pass<decltype(formula)::template type, Pass::kGated, Pass::kGatedBackward>(problem);
  });
}

}  // namespace actinium::cuda
