// act(x + b) of every activation, and its backward, which gives the gradients of x and of b together.
#include "csrc/cpu/channels.h"
#include "csrc/math/activations.h"

namespace actinium::cpu::CPU_CAPABILITY {

ChannelLoop bias_loop(const Channelwise& problem) {
  return math::with_activation(problem.activation, &problem.number, [&](auto formula) {
    return with_dtype(problem.dtype, [&](auto zero) -> ChannelLoop {
      using Bias = math::Bias<decltype(formula)::template type>;
      using scalar_t = decltype(zero);
      return static_cast<math::ChannelFormula>(problem.formula) == math::ChannelFormula::kBiasForward
                 ? loop<Bias::template Forward, scalar_t, true, false>
                 : loop<Bias::template Backward, scalar_t, true, true>;
    });
  });
}

}  // namespace actinium::cpu::CPU_CAPABILITY
