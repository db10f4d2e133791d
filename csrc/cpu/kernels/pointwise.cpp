// The one loop of every pointwise activation: f, f' and f'' over rows of any stride.
#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"
#include "csrc/math/activations.h"
#include "csrc/passes.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

template <template <class> class Activation, Pass pass, class scalar_t>
void loop(const double* params, char* const* data, const int64_t* strides, int64_t n) {
  using T = compute_t<scalar_t>;
  using B = PassFormula<Activation, pass, T>;
  constexpr int kOutputs = B::kOutputs, kInputs = B::kInputs;
  constexpr int64_t kStep = kLanes<T>;
  const B body{Activation<T>(params)};

  char* out[kOutputs];
  const char* in[kInputs];
  bool dense = true;  // outputs contiguous, inputs contiguous or one value for all
  for (int k = 0; k < kOutputs; ++k) {
    out[k] = data[k];
    dense &= out[k] == nullptr || strides[k] == sizeof(scalar_t);
  }
  const int64_t* const in_strides = strides + kOutputs;
  for (int k = 0; k < kInputs; ++k) {
    in[k] = data[kOutputs + k];
    dense &= in_strides[k] == sizeof(scalar_t) || in_strides[k] == 0;
  }

  T x[kInputs], y[kOutputs];
  scalar_t same[kInputs][kStep];  // vectors of the inputs that are one value for all
  int64_t i = 0;
  if (dense) {
    int64_t advance[kInputs];
    for (int k = 0; k < kInputs; ++k) {
      advance[k] = kStep * in_strides[k];
      if (in_strides[k] == 0) {
        scalar_t value;
        std::memcpy(&value, in[k], sizeof(value));
        for (scalar_t& lane : same[k]) lane = value;
        in[k] = reinterpret_cast<const char*>(same[k]);
      }
    }
    for (; i + kStep <= n; i += kStep) {
      for (int k = 0; k < kInputs; ++k) {
        x[k] = load<T>(reinterpret_cast<const scalar_t*>(in[k]));
        in[k] += advance[k];
      }
      body(x, y);
      for (int k = 0; k < kOutputs; ++k) {
        if (kOutputs == 1 || out[k]) {
          store(reinterpret_cast<scalar_t*>(out[k]), y[k]);
          out[k] += kStep * sizeof(scalar_t);
        }
      }
    }
  }
  for (; i < n; i += kStep) {
    const int64_t m = std::min(kStep, n - i);
    for (int k = 0; k < kInputs; ++k) {
      x[k] = load_some<T, scalar_t>(in[k], in_strides[k], m);
      in[k] += m * in_strides[k];
    }
    body(x, y);
    for (int k = 0; k < kOutputs; ++k) {
      if (kOutputs == 1 || out[k]) {
        store_some<scalar_t>(out[k], strides[k], m, y[k]);
        out[k] += m * strides[k];
      }
    }
  }
}

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
  switch (static_cast<math::Activation>(problem.activation)) {
#define ACTINIUM_CASE(Name)       \
  case math::Activation::k##Name: \
    return select<math::Name>(problem.pass, problem.dtype);
    ACTINIUM_ACTIVATIONS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
  }
  return nullptr;
}
}  // namespace actinium::cpu::CPU_CAPABILITY
