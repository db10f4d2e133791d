#pragma once
// act(x + b) with a b for every channel. The sum is not rounded to the stored type.
#include "csrc/math/target.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

template <template <class> class Activation>
struct Bias {
  // in: x; out: act(x + b); params: b; number: the activation's
  template <class T>
  struct Forward {
    static constexpr int kInputs = 1, kOutputs = 1, kParams = 1, kSums = 0;
    ACTINIUM_HD Forward(const T* params, double number) : activation(&number), b(params[0]) {}
    ACTINIUM_HD void operator()(const T* in, T* out, T* /*sums*/) const { out[0] = activation.f(in[0] + b); }
    Activation<T> activation;
    T b;
  };

  // in: g, x; out: dx; sums: db; params: b; number: the activation's
  template <class T>
  struct Backward {
    static constexpr int kInputs = 2, kOutputs = 1, kParams = 1, kSums = 1;
    ACTINIUM_HD Backward(const T* params, double number) : activation(&number), b(params[0]) {}
    ACTINIUM_HD void operator()(const T* in, T* out, T* sums) const {
      out[0] = sums[0] = in[0] * activation.df(in[1] + b);
    }
    Activation<T> activation;
    T b;
  };
};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
