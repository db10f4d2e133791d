// The kernels of act(x + b), run by the emulator: those of other formulas with a parameter per channel.
#include <gtest/gtest.h>

#include "emulator.h"

#include "csrc/cuda/bias.cu"

#include "tests/cpp/cuda/channel_problem.h"

namespace actinium::cuda {
namespace {

template <class S>
class BiasKernels : public ::testing::Test {};
TYPED_TEST_SUITE(BiasKernels, Stored);

TYPED_TEST(BiasKernels, EveryActivation) {
  for (const Shape& shape : kShapes) {
    if (shape.outer * shape.channels * shape.inner == 0) continue;  // no problem for a backend
#define ACTINIUM_CHECK(Name)                                                                                       \
  formula<math::Bias<math::Name>::Forward, TypeParam>(math::ChannelFormula::kBiasForward, shape, false, 1, false,  \
                                                      math::Activation::k##Name);                                  \
  formula<math::Bias<math::Name>::Backward, TypeParam>(math::ChannelFormula::kBiasBackward, shape, false, 1, true, \
                                                       math::Activation::k##Name);                                 \
  if (this->HasFatalFailure()) FAIL() << #Name << " " << shape.outer << " " << shape.channels << " " << shape.inner;
    ACTINIUM_ACTIVATIONS(ACTINIUM_CHECK)
#undef ACTINIUM_CHECK
  }
}

}  // namespace
}  // namespace actinium::cuda
