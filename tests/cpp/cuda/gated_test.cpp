// The kernels of gates, run by the emulator: those of pointwise activations with other formulas.
#include <gtest/gtest.h>

#include "emulator.h"

#include "csrc/cuda/gated.cu"

#include "tests/cpp/cuda/pointwise_problem.h"

namespace actinium::cuda {
namespace {

template <class S>
class GatedKernels : public ::testing::Test {};
TYPED_TEST_SUITE(GatedKernels, Stored);

// Two tensors, at any offset; the halves of rows; elements that take turns; a transposed tensor.
template <class P>
void check_layouts(P problem, int outputs, int operands) {
  problem.contiguous(301, std::vector<int64_t>(operands, 1));
  std::vector<int64_t> offsets;
  for (int k = 0; k < operands; ++k) offsets.push_back(k);
  problem.contiguous(301, offsets);
  // The gradient of the output, or the output, is dense, all others are halves of rows of 80, or turns.
  std::vector<std::vector<int64_t>> halves(operands, {1, 80}), turns(operands, {2, 80});
  halves[outputs == 1 ? 0 : 2] = turns[outputs == 1 ? 0 : 2] = {1, 40};
  problem.run({40, 3}, halves, std::vector<int64_t>(operands, 0));
  problem.run({40, 3}, halves, offsets);
  problem.run({40, 3}, turns, offsets);
  problem.run({5, 7}, std::vector<std::vector<int64_t>>(operands, {7, 1}), offsets);
}

TYPED_TEST(GatedKernels, EveryGateAndPass) {
  using S = TypeParam;
#define ACTINIUM_CHECK(Name)                                                      \
  check_layouts(Problem<math::Gated<math::Name>::type, Pass::kGated, S>{}, 1, 3); \
  check_layouts(Problem<math::Gated<math::Name>::type, Pass::kGatedBackward, S>{}, 2, 5);
  ACTINIUM_ACTIVATIONS(ACTINIUM_CHECK)
#undef ACTINIUM_CHECK
#define ACTINIUM_CHECK(Name)                                   \
  check_layouts(Problem<math::Name, Pass::kGated, S>{}, 1, 3); \
  check_layouts(Problem<math::Name, Pass::kGatedBackward, S>{}, 2, 5);
  ACTINIUM_GATES(ACTINIUM_CHECK)
#undef ACTINIUM_CHECK
}

TYPED_TEST(GatedKernels, OutputsThatAreNotWanted) {
  Problem<math::SwigluClamped, Pass::kGatedBackward, TypeParam> problem;
  for (unsigned unwanted = 0; unwanted < 4; ++unwanted) {
    problem.contiguous(77, {1, 0, 1, 1, 0}, unwanted);
    problem.run({64, 3}, std::vector<std::vector<int64_t>>(5, {1, 80}), {0, 1, 2, 3, 4}, unwanted);
    problem.run({6, 3}, std::vector<std::vector<int64_t>>(5, {3, 1}), {0, 1, 2, 3, 4}, unwanted);
  }
}

// As the backend is called: by the gate's number, with both parts of a packed tensor.
TYPED_TEST(GatedKernels, PartsOfOneTensor) {
  using S = TypeParam;
  using T = compute_t<S>;
  constexpr int64_t kRows = 3, kHalf = 40;
  const math::Gated<math::Mish>::type<T> gate(nullptr);
  for (bool interleaved : {false, true}) {
    std::mt19937 random(5);
    Buffer<S> x(kRows * 2 * kHalf, 0, random), g(kRows * kHalf, 0, random), dx(x.size());
    const int64_t step = interleaved ? 2 : 1, up = interleaved ? 1 : kHalf;
    Pointwise problem{};
    problem.activation = static_cast<int>(math::Gate::kMish);
    problem.pass = Pass::kGatedBackward;
    problem.dtype = kDtype<S>;
    problem.ndim = 2;
    problem.sizes[0] = kHalf, problem.sizes[1] = kRows;
    S* const data[] = {dx.data(), dx.data() + up, g.data(), x.data(), x.data() + up};
    for (int k = 0; k < 5; ++k) {
      problem.data[k] = reinterpret_cast<char*>(data[k]);
      problem.strides[k][0] = static_cast<int64_t>(sizeof(S)) * (k == 2 ? 1 : step);
      problem.strides[k][1] = static_cast<int64_t>(sizeof(S)) * (k == 2 ? kHalf : 2 * kHalf);
    }
    pointwise(problem);
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t i = 0; i < kHalf; ++i) {
        const int64_t at = row * 2 * kHalf + i * step;
        T by_gate, by_up;
        gate.df(T(g.at(row * kHalf + i)), T(x.at(at)), T(x.at(at + up)), by_gate, by_up);
        ASSERT_TRUE(same(dx[at], narrow<S>(static_cast<opmath_t<S>>(by_gate))));
        ASSERT_TRUE(same(dx[at + up], narrow<S>(static_cast<opmath_t<S>>(by_up))));
      }
    }
    ASSERT_TRUE(dx.intact());
  }
}

}  // namespace
}  // namespace actinium::cuda
