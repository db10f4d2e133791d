#pragma once
// What each pass of a pointwise activation, or of a gate, computes from one element's inputs; the loops of every device
// carry it out. Operands as listed at actinium::Pass.
#include "csrc/backend.h"
#include "csrc/math/target.h"

namespace actinium {
inline namespace ACTINIUM_TARGET {

template <template <class> class Activation, Pass kPass, class T>
struct PassFormula;

template <template <class> class Activation, class T>
struct PassFormula<Activation, Pass::kForward, T> {
  static constexpr int kOutputs = 1, kInputs = 1;
  Activation<T> activation;
  ACTINIUM_HD void operator()(const T* in, T* out) const { out[0] = activation.f(in[0]); }
};

template <template <class> class Activation, class T>
struct PassFormula<Activation, Pass::kBackward, T> {
  static constexpr int kOutputs = 1, kInputs = 2;
  Activation<T> activation;
  ACTINIUM_HD void operator()(const T* in, T* out) const { out[0] = in[0] * activation.df(in[1]); }
};

template <template <class> class Activation, class T>
struct PassFormula<Activation, Pass::kDoubleBackward, T> {
  static constexpr int kOutputs = 2, kInputs = 3;
  Activation<T> activation;
  ACTINIUM_HD void operator()(const T* in, T* out) const {
    out[0] = in[0] * activation.df(in[2]);
    out[1] = in[0] * in[1] * activation.d2f(in[2]);
  }
};

template <template <class> class Gate, class T>
struct PassFormula<Gate, Pass::kGated, T> {
  static constexpr int kOutputs = 1, kInputs = 2;
  Gate<T> gate;
  ACTINIUM_HD void operator()(const T* in, T* out) const { out[0] = gate.f(in[0], in[1]); }
};

template <template <class> class Gate, class T>
struct PassFormula<Gate, Pass::kGatedBackward, T> {
  static constexpr int kOutputs = 2, kInputs = 3;
  Gate<T> gate;
  ACTINIUM_HD void operator()(const T* in, T* out) const { gate.df(in[0], in[1], in[2], out[0], out[1]); }
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium
