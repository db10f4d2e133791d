// The maxout kernels, run by the emulator.
#include <gtest/gtest.h>

#include "emulator.h"

#include "csrc/cuda/maxout.cu"

#include "tests/cpp/cuda/kernels_test.h"

namespace actinium::cuda {
namespace {

template <class S>
class MaxoutKernels : public ::testing::Test {};
TYPED_TEST_SUITE(MaxoutKernels, Stored);

TYPED_TEST(MaxoutKernels, AllPasses) {
  using S = TypeParam;
  std::mt19937 random(13);
  for (int64_t pieces : {1, 2, 3, 4, 5, 6, 7, 8, 9, 33, 130, 256}) {
    for (int64_t inner : {1, 2, 7, 8, 16}) {
      for (int64_t outer : {0, 1, 3, 67}) {
        // A block at a time, which then has several turns, or all at once.
        emulator::device_threads = outer % 2 == 0 || outer == 67 ? 256 : 1 << 20;
        for (int64_t offset : {0, 1}) {
          Buffer<S> x(outer * pieces * inner, offset, random, 2), values(outer * inner, offset), bare = values;
          Buffer<uint8_t> indices(outer * inner, offset), want(outer * inner);
          // Few different values, so that pieces are equal, and a NaN here and there.
          for (int64_t i = 0; i < x.size(); ++i) {
            x[i] = narrow<S>(random() % 40 ? std::round(x.at(i)) : opmath_t<S>(NAN));
          }
          const auto input_of = [&](int64_t out, int64_t j) {
            return (out / inner * pieces + j) * inner + out % inner;
          };
          for (int64_t out = 0; out < want.size(); ++out) {
            int64_t best = 0;
            for (int64_t j = 1; j < pieces && !std::isnan(x.at(input_of(out, best))); ++j) {
              const auto v = x.at(input_of(out, j));
              if (std::isnan(v) || v > x.at(input_of(out, best))) best = j;
            }
            want[out] = static_cast<uint8_t>(best);
          }

          Maxout problem{Maxout::Pass::kForward, kDtype<S>, outer, pieces, inner, x.data(), bare.data(), nullptr};
          maxout(problem);
          problem.values = values.data(), problem.indices = indices.data();
          maxout(problem);
          ASSERT_TRUE(x.intact() && values.intact() && bare.intact() && indices.intact());
          for (int64_t out = 0; out < want.size(); ++out) {
            ASSERT_EQ(indices[out], want[out]) << outer << " " << pieces << " " << inner << ": " << out;
            const auto winner = x.at(input_of(out, want[out]));
            ASSERT_TRUE(std::isnan(winner) ? std::isnan(values.at(out)) : values.at(out) == winner);
            ASSERT_TRUE(same(values[out], bare[out]));
          }

          Buffer<S> bias(pieces * inner, offset, random);
          problem.bias = bias.data();
          maxout(problem);
          ASSERT_TRUE(values.intact() && indices.intact());
          for (int64_t out = 0; out < want.size(); ++out) {
            const auto sum = [&](int64_t j) { return x.at(input_of(out, j)) + bias.at(out % inner + j * inner); };
            int64_t best = 0;
            for (int64_t j = 1; j < pieces && !std::isnan(sum(best)); ++j) {
              if (std::isnan(sum(j)) || sum(j) > sum(best)) best = j;
            }
            ASSERT_EQ(indices[out], best) << outer << " " << pieces << " " << inner << ": " << out;
            ASSERT_TRUE(std::isnan(sum(best)) ? std::isnan(values.at(out)) : same(values[out], narrow<S>(sum(best))));
          }

          Buffer<S> grad(outer * inner, offset, random), grad_input(x.size(), offset);
          problem = {Maxout::Pass::kBackward, kDtype<S>,   outer,      pieces, inner,
                     grad_input.data(),       grad.data(), want.data()};
          maxout(problem);
          ASSERT_TRUE(grad_input.intact());
          for (int64_t out = 0; out < want.size(); ++out) {
            for (int64_t j = 0; j < pieces; ++j) {
              ASSERT_TRUE(same(grad_input[input_of(out, j)], want[out] == j ? grad[out] : narrow<S>(0)));
            }
          }

          problem = {Maxout::Pass::kGather, kDtype<S>, outer, pieces, inner, x.data(), values.data(), want.data()};
          maxout(problem);
          ASSERT_TRUE(values.intact());
          for (int64_t out = 0; out < want.size(); ++out) {
            ASSERT_TRUE(same(values[out], x[input_of(out, want[out])]));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace actinium::cuda
