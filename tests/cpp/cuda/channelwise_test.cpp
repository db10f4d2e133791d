// The channelwise kernels, run by the emulator: elements are the formula's, bit for bit; sums are close to sums in
// double, and the same again when the device is another.
#include <gtest/gtest.h>

#include "emulator.h"

#include "csrc/cuda/channelwise.cu"

#include "tests/cpp/cuda/channel_problem.h"

namespace actinium::cuda {
namespace {

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
