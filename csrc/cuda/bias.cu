// act(x + b) of every activation, and its backward, which gives the gradients of x and of b together.
#include "csrc/cuda/channelwise_kernels.h"
#include "csrc/cuda/kernels.h"
#include "csrc/math/activations.h"

namespace actinium::cuda {

void bias(const Channelwise& problem) {
  if (problem.outer * problem.inner == 0) return;  // csrc/ops asks for no sums of nothing
  math::with_activation(problem.activation, &problem.number, [&](auto formula) {
    with_dtype(problem.dtype, [&](auto zero) {
      using S = decltype(zero);
      using Bias = math::Bias<decltype(formula)::template type>;
      if (static_cast<math::ChannelFormula>(problem.formula) == math::ChannelFormula::kBiasForward) {
        run<typename Bias::template Forward<compute_t<S>>, S, true, false>(problem);
      } else {
        run<typename Bias::template Backward<compute_t<S>>, S, true, true>(problem);
      }
    });
  });
}

}  // namespace actinium::cuda
