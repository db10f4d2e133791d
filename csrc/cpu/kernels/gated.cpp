// Forward and backward of every gate.
#include "csrc/cpu/rows.h"
#include "csrc/math/activations.h"

namespace actinium::cpu::CPU_CAPABILITY {

PointwiseLoop gated_loop(const Pointwise& problem) {
  return math::with_gate(problem.activation, problem.params, [&](auto formula) {
    return with_dtype(problem.dtype, [&](auto zero) -> PointwiseLoop {
      using Formula = decltype(formula);
      using scalar_t = decltype(zero);
      return problem.pass == Pass::kGated ? loop<Formula::template type, Pass::kGated, scalar_t>
                                          : loop<Formula::template type, Pass::kGatedBackward, scalar_t>;
    });
  });
}

}  // namespace actinium::cpu::CPU_CAPABILITY
