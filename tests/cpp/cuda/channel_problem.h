#pragma once
// A formula with a parameter per channel for the emulated kernels. Included after csrc/cuda/channelwise_kernels.h.
#include "csrc/cuda/kernels.h"
#include "csrc/math/activations.h"
#include "tests/cpp/cuda/kernels_test.h"

namespace actinium::cuda {
namespace {

struct Shape {
  int64_t outer, channels, inner, offset;
};
// Channels last with vectors and without, few and many of them; channels first likewise; one channel; nothing to sum.
const Shape kShapes[] = {{1, 1, 1, 0},    {7, 5, 1, 0},    {300, 8, 1, 0}, {300, 8, 1, 1}, {40, 30, 1, 0},
                         {9, 136, 1, 0},  {3, 4, 49, 0},   {3, 4, 64, 0},  {3, 4, 64, 1},  {2, 20, 2, 0},
                         {1, 1, 4099, 0}, {1, 2, 4096, 0}, {0, 3, 1, 0},   {2, 3, 0, 0},   {5, 0, 2, 0}};
const int64_t kDevices[] = {256, 256 * 12};

template <template <class> class Formula, class S>
void formula(math::ChannelFormula name, const Shape& shape, bool one_value, unsigned outputs, bool with_sums,
             math::Activation activation = {}) {
  using Real = opmath_t<S>;
  using T = compute_t<S>;
  using F = Formula<T>;
  std::mt19937 random(7);
  const int64_t count = shape.outer * shape.channels * shape.inner;
  std::vector<Buffer<S>> in, out;
  std::vector<Buffer<Real>> params;
  Channelwise problem{};
  problem.formula = static_cast<int>(name);
  problem.activation = static_cast<int>(activation);
  problem.dtype = kDtype<S>;
  problem.outer = shape.outer, problem.channels = shape.channels, problem.inner = shape.inner;
  problem.number = 0.125;
  for (int k = 0; k < F::kInputs; ++k) in.emplace_back(count, shape.offset, random);
  for (int k = 0; k < F::kOutputs; ++k) out.emplace_back(count, shape.offset);
  for (int k = 0; k < F::kParams; ++k) {
    params.emplace_back(shape.channels, 0, random, 0.5);
    // A variance is not negative.
    for (int64_t c = 0; c < shape.channels; ++c) params[k][c] = std::abs(params[k][c]);
  }
  for (int k = 0; k < F::kInputs; ++k) problem.inputs[k] = in[k].data();
  for (int k = 0; k < F::kOutputs; ++k) problem.outputs[k] = outputs >> k & 1 ? out[k].data() : nullptr;
  for (int k = 0; k < F::kParams; ++k) problem.params[k] = params[k].data();
  for (int k = 0; k < F::kParams; ++k) problem.param_strides[k] = one_value ? 0 : 1;

  Buffer<S> want_out[2] = {Buffer<S>(count), Buffer<S>(count)};
  std::vector<double> want(F::kSums * shape.channels), magnitude(want.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t c = i / shape.inner % shape.channels;
    T p[at_least_one(F::kParams)], x[at_least_one(F::kInputs)];
    T y[at_least_one(F::kOutputs)], terms[at_least_one(F::kSums)];
    for (int k = 0; k < F::kParams; ++k) p[k] = T(params[k][one_value ? 0 : c]);
    for (int k = 0; k < F::kInputs; ++k) x[k] = T(in[k].at(i));
    F(p, problem.number)(x, y, terms);
    for (int k = 0; k < F::kOutputs; ++k) want_out[k][i] = narrow<S>(static_cast<Real>(y[k]));
    for (int k = 0; k < F::kSums; ++k) {
      want[k * shape.channels + c] += static_cast<Real>(terms[k]);
      magnitude[k * shape.channels + c] += std::abs(static_cast<Real>(terms[k]));
    }
  }

  for (int64_t device : kDevices) {
    emulator::device_threads = device;
    Buffer<Real> sums(F::kSums * shape.channels);
    problem.sums = with_sums ? sums.data() : nullptr;
    auto before = out;
    channelwise(problem);
    for (int k = 0; k < F::kOutputs; ++k) {
      ASSERT_TRUE(out[k].intact());
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_TRUE(same(out[k][i], outputs >> k & 1 ? want_out[k][i] : before[k][i])) << "output " << k;
      }
    }
    ASSERT_TRUE(sums.intact());
    for (int64_t i = 0; with_sums && i < sums.size(); ++i) {
      ASSERT_NEAR(sums[i], want[i], 8 * std::numeric_limits<Real>::epsilon() * magnitude[i]) << "sum " << i;
    }
  }
}

}  // namespace
}  // namespace actinium::cuda
