// The pointwise kernels, run by the emulator: wherever an element lies, its result is the formula's, bit for bit.
#include <gtest/gtest.h>

#include "emulator.h"

#include "csrc/cuda/pointwise.cu"

#include "tests/cpp/cuda/pointwise_problem.h"

namespace actinium::cuda {
namespace {

template <class S>
class PointwiseKernels : public ::testing::Test {};
TYPED_TEST_SUITE(PointwiseKernels, Stored);

TYPED_TEST(PointwiseKernels, ContiguousAtEveryOffset) {
  constexpr int64_t V = kLanes<TypeParam>;
  Problem<math::Swish, Pass::kBackward, TypeParam> problem;
  // One block at a time, which then has several tiles; a device that takes all at once.
  for (int64_t device : {1, 100000}) {
    emulator::device_threads = device;
    for (int64_t count : {int64_t{1}, V - 1, V, V + 1, 2 * V, 3 * V + 1, 5 * V - 1, 1000 + V, 600 * V + 3}) {
      if (count == 0) continue;
      for (int64_t out = 0; out < V; ++out) {
        problem.contiguous(count, {out, out, out});
        problem.contiguous(count, {out, (out + 1) % V, (out + 3) % V});
        problem.contiguous(count, {out, out, 0});
        if (this->HasFatalFailure()) FAIL() << count << " elements at " << out;
      }
    }
  }
}

TYPED_TEST(PointwiseKernels, EveryActivationAndPass) {
  const auto check = [](auto problem, int operands) {
    problem.contiguous(301, std::vector<int64_t>(operands, 1));
    std::vector<int64_t> offsets;
    for (int k = 0; k < operands; ++k) offsets.push_back(k);
    problem.contiguous(301, offsets);
    problem.run({40, 3}, std::vector<std::vector<int64_t>>(operands, {1, 48}), offsets);
    problem.run({5, 7}, std::vector<std::vector<int64_t>>(operands, {7, 1}), offsets);
  };
  using S = TypeParam;
#define ACTINIUM_CHECK(Name)                           \
  check(Problem<math::Name, Pass::kForward, S>{}, 2);  \
  check(Problem<math::Name, Pass::kBackward, S>{}, 3); \
  check(Problem<math::Name, Pass::kDoubleBackward, S>{}, 5);
  ACTINIUM_ACTIVATIONS(ACTINIUM_CHECK)
#undef ACTINIUM_CHECK
}

TYPED_TEST(PointwiseKernels, OutputsThatAreNotWanted) {
  Problem<math::Mish, Pass::kDoubleBackward, TypeParam> problem;
  for (unsigned unwanted = 0; unwanted < 4; ++unwanted) {
    problem.contiguous(77, {1, 0, 1, 1, 0}, unwanted);
    problem.run({64, 3}, std::vector<std::vector<int64_t>>(5, {1, 80}), {0, 1, 2, 3, 4}, unwanted);
    problem.run({6, 3}, std::vector<std::vector<int64_t>>(5, {3, 1}), {0, 1, 2, 3, 4}, unwanted);
    if (this->HasFatalFailure()) FAIL() << "unwanted: " << unwanted;
  }
}

TYPED_TEST(PointwiseKernels, AnyStrides) {
  Problem<math::Swish, Pass::kBackward, TypeParam> problem;
  const std::vector<int64_t> none(3, 0);
  // Every second element; a transposed input; rows of a wider tensor, aligned and not; one gradient for all elements,
  // for a row, and for a column; a single element; nothing.
  problem.run({101}, {{2}, {2}, {2}}, none);
  problem.run({33, 21}, {{1, 33}, {21, 1}, {1, 33}}, none);
  problem.run({64, 9}, {{1, 128}, {1, 64}, {1, 96}}, none);
  problem.run({131, 9}, {{1, 131}, {1, 132}, {1, 140}}, {0, 1, 3});
  problem.run({200}, {{1}, {0}, {1}}, none);
  problem.run({128, 5}, {{1, 128}, {0, 0}, {1, 128}}, {1, 1, 1});
  problem.run({128, 5}, {{1, 128}, {0, 1}, {1, 128}}, none);
  problem.run({128, 5}, {{1, 128}, {1, 0}, {1, 128}}, none);
  problem.run({1, 1}, {{5, 9}, {0, 0}, {7, 1}}, none);
  problem.run({7, 0, 3}, {{1, 7, 7}, {1, 7, 7}, {1, 7, 7}}, none);
  problem.run({3, 4, 5, 2, 3}, {{1, 3, 12, 60, 120}, {1, 6, 24, 240, 480}, {40, 1, 4, 20, 0}}, none);
  const std::vector<int64_t> padded = {1, 3, 9, 27, 81, 243, 729, 2187};
  problem.run(std::vector<int64_t>(8, 2), {padded, padded, padded}, none);
}

TYPED_TEST(PointwiseKernels, InPlace) {
  using S = TypeParam;
  constexpr int64_t kCount = 300;
  std::mt19937 random(5);
  for (int64_t offset : {0, 1}) {
    for (int64_t stride : {1, 2}) {
      Buffer<S> x(kCount * stride, offset, random), before = x;
      Pointwise problem{};
      problem.activation = static_cast<int>(math::Activation::kMish);
      problem.dtype = kDtype<S>;
      problem.ndim = 1;
      problem.sizes[0] = kCount;
      problem.strides[0][0] = problem.strides[1][0] = stride * static_cast<int64_t>(sizeof(S));
      problem.data[0] = problem.data[1] = reinterpret_cast<char*>(x.data());
      pointwise(problem);
      using T = compute_t<S>;
      const math::Mish<T> mish(nullptr);
      for (int64_t i = 0; i < x.size(); ++i) {
        const auto y = static_cast<opmath_t<S>>(mish.f(T(before.at(i))));
        ASSERT_TRUE(same(x[i], i % stride ? before[i] : narrow<S>(y)));
      }
      ASSERT_TRUE(x.intact());
    }
  }
}

}  // namespace
}  // namespace actinium::cuda
