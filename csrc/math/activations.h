#pragma once
// The list of what Actinium computes. A pointwise activation is one header here, one line in the list, one row in the
// table of tests and one in the docs; the loops of every device, the schemas and the gradients are made from the list.
#include "csrc/math/dice.h"
#include "csrc/math/elu.h"
#include "csrc/math/gelu_tanh.h"
#include "csrc/math/mish.h"
#include "csrc/math/relu.h"
#include "csrc/math/selu.h"
#include "csrc/math/sigmoid.h"
#include "csrc/math/swish.h"
#include "csrc/math/tanh.h"

// f, f' and f'' of one value. `_(Name)`: math::Name<T>.
#define ACTINIUM_ACTIVATIONS(_) \
  _(Mish)                       \
  _(Swish)                      \
  _(GeluTanh)                   \
  _(Selu)                       \
  _(QuickGelu)                  \
  _(Sigmoid)                    \
  _(Tanh)                       \
  _(Relu)                       \
  _(LeakyRelu)                  \
  _(Elu)

// Formulas with per-channel parameters and sums. `_(Name)`: math::Name<T>.
#define ACTINIUM_CHANNEL_FORMULAS(_) \
  _(SwishForward)                    \
  _(SwishBackward)                   \
  _(SwishDoubleBackward)             \
  _(DiceForward)                     \
  _(DiceBackward)                    \
  _(DiceCenter)                      \
  _(DiceMoments)                     \
  _(DiceDoubleBackward)              \
  _(DiceGateForward)                 \
  _(DiceGateBackward)                \
  _(ChannelStatsBackward)

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// Calls f(Formula<Activation>) with the formula that is the fastest for these parameters.
template <template <class> class Activation>
struct Formula {
  template <class T>
  using type = Activation<T>;
};
template <template <class> class Activation, class F>
auto with_formula(const double* params, F f) {
  if constexpr (std::is_same_v<Activation<float>, Swish<float>>) {
    if (params[0] == 1) return f(Formula<Silu>());
  }
  return f(Formula<Activation>());
}

}  // namespace ACTINIUM_TARGET

// Position of a formula in its list, as Pointwise::activation and Channelwise::formula carry it.
enum class Activation : int {
#define ACTINIUM_ENUM(Name) k##Name,
  ACTINIUM_ACTIVATIONS(ACTINIUM_ENUM)
};
enum class ChannelFormula : int {
  ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_ENUM)
#undef ACTINIUM_ENUM
};

}  // namespace actinium::math
