#pragma once
// The list of what Actinium computes. A pointwise activation is one header here, one line in the list, one row in the
// table of tests and one in the docs; the loops of every device, the schemas and the gradients are made from the list.
#include "csrc/math/bias.h"
#include "csrc/math/binary_cross_entropy.h"
#include "csrc/math/dice.h"
#include "csrc/math/elu.h"
#include "csrc/math/gated.h"
#include "csrc/math/gelu.h"
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
  _(Elu)                        \
  _(Gelu)

// Gated units beside act(a) b, which there is of every activation. `_(Name)`: math::Name<T>.
#define ACTINIUM_GATES(_) _(SwigluClamped)

// Formulas with per-channel parameters and sums, beside those of a bias, which there are of every activation.
// `_(Name)`: math::Name<T>.
#define ACTINIUM_CHANNEL_FORMULAS(_)  \
  _(SwishForward)                     \
  _(SwishBackward)                    \
  _(SwishDoubleBackward)              \
  _(PreluForward)                     \
  _(PreluBackward)                    \
  _(DiceForward)                      \
  _(DiceBackward)                     \
  _(DiceCenter)                       \
  _(DiceMoments)                      \
  _(DiceDoubleBackward)               \
  _(DiceGateForward)                  \
  _(DiceGateBackward)                 \
  _(ChannelStatsBackward)             \
  _(BinaryCrossEntropyForward)        \
  _(BinaryCrossEntropyBackward)       \
  _(BinaryCrossEntropyTargetBackward) \
  _(BinaryCrossEntropyEachBackward)   \
  _(BinaryCrossEntropyEachTargetBackward)

namespace actinium::math {

// Position of a formula in its list, as Pointwise::activation and Channelwise::formula carry it.
enum class Activation : int {
#define ACTINIUM_ENUM(Name) k##Name,
  ACTINIUM_ACTIVATIONS(ACTINIUM_ENUM)
};
// The gate of an activation has the activation's number.
enum class Gate : int { ACTINIUM_ACTIVATIONS(ACTINIUM_ENUM) ACTINIUM_GATES(ACTINIUM_ENUM) };
enum class ChannelFormula : int {
  kBiasForward,  // of Channelwise::activation, as the next one
  kBiasBackward,
  ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_ENUM)
#undef ACTINIUM_ENUM
};

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
// The same for the activation of a problem.
template <class F>
auto with_activation(int activation, const double* params, F f) {
  switch (static_cast<math::Activation>(activation)) {
#define ACTINIUM_CASE(Name) \
  case Activation::k##Name: \
    return with_formula<Name>(params, f);
    ACTINIUM_ACTIVATIONS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
  }
  __builtin_unreachable();
}
// And for the gate of one.
template <class F>
auto with_gate(int gate, const double* params, F f) {
  switch (static_cast<Gate>(gate)) {
#define ACTINIUM_CASE(Name) \
  case Gate::k##Name:       \
    return f(Formula<Name>());
    ACTINIUM_GATES(ACTINIUM_CASE)
#undef ACTINIUM_CASE
    default:
      return with_activation(gate, params, [&](auto formula) {
        return f(Formula<Gated<decltype(formula)::template type>::template type>());
      });
  }
}

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
