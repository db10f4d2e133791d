// One instruction set's copy of the formulas; see targets.h.
#include "tests/cpp/math/targets.h"

#if defined(CPU_CAPABILITY_AVX2) || defined(CPU_CAPABILITY_AVX512)
#include "csrc/cpu/vec_prim.h"
#define ACTINIUM_TEST_VECTORIZED 1
#else
#define ACTINIUM_TEST_VECTORIZED 0
#endif
#include "csrc/math/activations.h"

namespace actinium::test {
namespace {

#if ACTINIUM_TEST_VECTORIZED
template <class Real>
using Compute = at::vec::Vectorized<Real>;
template <class Real>
constexpr int kLanes = Compute<Real>::size();
template <class Real>
ACTINIUM_HD Compute<Real> load(const Real* lanes) {
  return Compute<Real>::loadu(lanes);
}
template <class Real>
ACTINIUM_HD void store(Real* lanes, Compute<Real> value) {
  value.store(lanes);
}
#else
#if defined(CPU_CAPABILITY_DEFAULT)
template <class Real>
using Compute = double;
#else
template <class Real>
using Compute = Real;
#endif
template <class Real>
constexpr int kLanes = 1;
template <class Real>
ACTINIUM_HD Compute<Real> load(const Real* lanes) {
  return *lanes;
}
template <class Real>
ACTINIUM_HD void store(Real* lanes, Compute<Real> value) {
  *lanes = static_cast<Real>(value);
}
#endif

// Calls body(lanes in, lanes out) with every group of lanes, the last one filled up with zeros.
template <class Real, int kIn, int kOut, class F>
ACTINIUM_HD void each(const Real* const* in, Real* const* out, int64_t n, F body) {
  constexpr int kWidth = kLanes<Real>;
  using T = Compute<Real>;
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t m = n - i < kWidth ? n - i : kWidth;
    T x[kIn], y[kOut];
    Real lanes[kWidth];
    for (int k = 0; k < kIn; ++k) {
      for (int j = 0; j < kWidth; ++j) lanes[j] = j < m ? in[k][i + j] : Real(0);
      x[k] = load<Real>(lanes);
    }
    body(x, y);
    for (int k = 0; k < kOut; ++k) {
      store<Real>(lanes, y[k]);
      for (int j = 0; j < m; ++j) out[k][i + j] = lanes[j];
    }
  }
}

template <template <class> class Activation, class Real>
void pointwise_of(int pass, const double* params, const Real* x, Real* y, int64_t n) {
  using T = Compute<Real>;
  const Activation<T> activation(params);
  each<Real, 1, 1>(&x, &y, n, [&](const T* in, T* out) {
    out[0] = pass == 0 ? activation.f(in[0]) : pass == 1 ? activation.df(in[0]) : activation.d2f(in[0]);
  });
}

template <class Real>
void pointwise(int activation, int pass, const double* params, const Real* x, Real* y, int64_t n) {
  switch (static_cast<math::Activation>(activation)) {
#define ACTINIUM_CASE(Name)       \
  case math::Activation::k##Name: \
    return pointwise_of<math::Name>(pass, params, x, y, n);
    ACTINIUM_ACTIVATIONS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
  }
}

template <template <class> class Formula, class Real>
void channel_of(const Real* params, double eps, const Real* const* in, Real* const* out, Real* const* sums, int64_t n) {
  using T = Compute<Real>;
  using F = Formula<T>;
  T values[F::kParams];
  for (int k = 0; k < F::kParams; ++k) values[k] = T(params[k]);
  const F formula(values, eps);
  Real* all[F::kOutputs + F::kSums];
  for (int k = 0; k < F::kOutputs; ++k) all[k] = out[k];
  for (int k = 0; k < F::kSums; ++k) all[F::kOutputs + k] = sums[k];
  each<Real, F::kInputs, F::kOutputs + F::kSums>(in, all, n, [&](const T* x, T* y) { formula(x, y, y + F::kOutputs); });
}

template <class Real>
void channel(int formula, const Real* params, double eps, const Real* const* in, Real* const* out, Real* const* sums,
             int64_t n) {
  switch (static_cast<math::ChannelFormula>(formula)) {
#define ACTINIUM_CASE(Name)           \
  case math::ChannelFormula::k##Name: \
    return channel_of<math::Name>(params, eps, in, out, sums, n);
    ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
    case math::ChannelFormula::kBiasForward:  // the activations' own formulas
    case math::ChannelFormula::kBiasBackward:
      return;
  }
}

}  // namespace

#define ACTINIUM_JOIN(a, b) a##b
#define ACTINIUM_EXPAND(a, b) ACTINIUM_JOIN(a, b)
#define ACTINIUM_STRING(a) #a
#define ACTINIUM_NAME(a) ACTINIUM_STRING(a)
#if defined(CPU_CAPABILITY)
#define ACTINIUM_TEST_TARGET CPU_CAPABILITY
#elif defined(ACTINIUM_DEVICE_DIVISION)
#define ACTINIUM_TEST_TARGET device
#else
#define ACTINIUM_TEST_TARGET host
#endif
extern const Target ACTINIUM_EXPAND(kTarget_, ACTINIUM_TEST_TARGET);
const Target ACTINIUM_EXPAND(kTarget_, ACTINIUM_TEST_TARGET){ACTINIUM_NAME(ACTINIUM_TEST_TARGET), pointwise<float>,
                                                             pointwise<double>, channel<float>, channel<double>};

}  // namespace actinium::test
