// f, f' and f'' of every pointwise activation.
#include "csrc/cuda/kernels.h"
#include "csrc/cuda/pointwise_kernels.h"
#include "csrc/math/activations.h"

namespace actinium::cuda {

void pointwise(const Pointwise& problem) {
  if (is_gated(problem.pass)) return gated(problem);
  math::with_activation(problem.activation, problem.params, [&](auto formula) {
    run_pass<decltype(formula)::template type, Pass::kForward, Pass::kBackward, Pass::kDoubleBackward>(problem);
  });
}

}  // namespace actinium::cuda
