// f, f' and f'' of every pointwise activation.
#include "csrc/cpu/rows.h"
#include "csrc/math/activations.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

template <template <class> class Activation>
PointwiseLoop select(Pass pass, c10::ScalarType dtype) {
  return with_dtype(dtype, [&](auto zero) -> PointwiseLoop {
    using scalar_t = decltype(zero);
    switch (pass) {
      case Pass::kForward:
        return loop<Activation, Pass::kForward, scalar_t>;
      case Pass::kBackward:
        return loop<Activation, Pass::kBackward, scalar_t>;
      default:
        return loop<Activation, Pass::kDoubleBackward, scalar_t>;
    }
  });
}

}  // namespace

PointwiseLoop pointwise_loop(const Pointwise& problem) {
  if (is_gated(problem.pass)) return gated_loop(problem);
  return math::with_activation(problem.activation, problem.params, [&](auto formula) {
    return select<decltype(formula)::template type>(problem.pass, problem.dtype);
  });
}
}  // namespace actinium::cpu::CPU_CAPABILITY
