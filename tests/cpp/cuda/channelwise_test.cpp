// The channelwise kernels, run by the emulator: elements are the formula's, bit for bit; sums are close to sums in
// double, and the same again when the device is another.
#include <gtest/gtest.h>

#include "emulator.h"

#include "csrc/cuda/channelwise.cu"

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
void formula(math::ChannelFormula name, const Shape& shape, bool one_value, unsigned outputs, bool with_sums) {
  using Real = opmath_t<S>;
  using T = compute_t<S>;
  using F = Formula<T>;
  std::mt19937 random(7);
  const int64_t count = shape.outer * shape.channels * shape.inner;
  std::vector<Buffer<S>> in, out;
  std::vector<Buffer<Real>> params;
  Channelwise problem{};
  problem.formula = static_cast<int>(name);
  problem.dtype = kDtype<S>;
  problem.outer = shape.outer, problem.channels = shape.channels, problem.inner = shape.inner;
  problem.eps = 0.125;
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
    F(p, problem.eps)(x, y, terms);
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

template <class S>
class ChannelKernels : public ::testing::Test {};
TYPED_TEST_SUITE(ChannelKernels, Stored);

TYPED_TEST(ChannelKernels, EveryFormula) {
  const auto check = [&](auto call, int outputs, int sums) {
    for (const Shape& shape : kShapes) {
      for (unsigned mask = 0; mask < 1u << outputs; ++mask) {
        for (bool with_sums : {false, true}) {
          if (with_sums && sums == 0) continue;
          call(shape, shape.outer % 2 == 0 && shape.channels > 0, mask, with_sums);
          if (this->HasFatalFailure()) {
            FAIL() << shape.outer << " " << shape.channels << " " << shape.inner << " outputs " << mask;
          }
        }
      }
    }
  };
#define ACTINIUM_CHECK(Name)                                                                      \
  check([](auto... of) { formula<math::Name, TypeParam>(math::ChannelFormula::k##Name, of...); }, \
        math::Name<float>::kOutputs, math::Name<float>::kSums);
  ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_CHECK)
#undef ACTINIUM_CHECK
}

TYPED_TEST(ChannelKernels, MeanAndVariance) {
  using S = TypeParam;
  using T = opmath_t<S>;
  for (const Shape& shape : kShapes) {
    for (double far : {0.0, 1000.0}) {
      std::mt19937 random(11);
      const int64_t count = shape.outer * shape.channels * shape.inner;
      Buffer<S> x(count, shape.offset, random, 1);
      for (int64_t i = 0; i < count; ++i) x[i] = narrow<S>(static_cast<T>(x.at(i) + far));
      std::vector<long double> n(shape.channels), mean(shape.channels), var(shape.channels);
      const auto channel = [&](int64_t i) { return i / shape.inner % shape.channels; };
      for (int64_t i = 0; i < count; ++i) n[channel(i)] += 1, mean[channel(i)] += x.at(i);
      for (int64_t c = 0; c < shape.channels; ++c) mean[c] /= n[c];
      for (int64_t i = 0; i < count; ++i) {
        var[channel(i)] += (x.at(i) - mean[channel(i)]) * (x.at(i) - mean[channel(i)]) / n[channel(i)];
      }
      for (int64_t device : kDevices) {
        emulator::device_threads = device;
        Buffer<T> got_mean(shape.channels), got_var(shape.channels);
        channel_stats({kDtype<S>, shape.outer, shape.channels, shape.inner, x.data(), got_mean.data(), got_var.data()});
        ASSERT_TRUE(got_mean.intact() && got_var.intact());
        const long double eps = std::numeric_limits<T>::epsilon();
        for (int64_t c = 0; c < shape.channels; ++c) {
          if (n[c] == 0) {
            ASSERT_TRUE(std::isnan(got_var[c]));
            continue;
          }
          ASSERT_NEAR(got_mean[c], mean[c], eps * (4 * std::abs(mean[c]) + 1)) << c;
          ASSERT_NEAR(got_var[c], var[c], 64 * eps * var[c] + 1e-15 * far) << c;
        }
      }
    }
  }
}

// With a block for all of it, a plain sum in float is off by 1e-4 of itself.
TEST(ChannelSums, DoNotDriftWithLength) {
  constexpr int64_t kCount = 3000000;
  emulator::device_threads = kChannelThreads;
  std::vector<float> a(kCount, 0.1f), zero(kCount);
  const float params[] = {0, 0, 1};
  float sums[5];
  Channelwise problem{};
  problem.formula = static_cast<int>(math::ChannelFormula::kDiceMoments);
  problem.dtype = c10::ScalarType::Float;
  problem.outer = 1, problem.channels = 1, problem.inner = kCount;
  problem.inputs[0] = a.data(), problem.inputs[1] = problem.inputs[2] = zero.data();
  for (int k = 0; k < 3; ++k) problem.params[k] = params + k;
  problem.sums = sums;
  channelwise(problem);
  EXPECT_NEAR(sums[0], kCount * static_cast<double>(0.1f), 0x1p-21 * sums[0]);
  a[5] = std::numeric_limits<float>::infinity();
  channelwise(problem);
  EXPECT_EQ(sums[0], std::numeric_limits<float>::infinity());
}

}  // namespace
}  // namespace actinium::cuda
