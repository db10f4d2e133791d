// The instruction set that the library computes with is torch's choice.
#include <ATen/Version.h>
#include <actinium/actinium.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "op_table.h"

namespace actinium::tests {
namespace {

TEST(Capability, IsTheExpectedOne) {
  const char* expected = std::getenv("ACTINIUM_TEST_CAPABILITY");
  if (expected == nullptr) GTEST_SKIP() << "ctest says what to expect";
  EXPECT_EQ(at::get_cpu_capability(), std::string(expected));
}

// Without fused multiply-adds float32 is computed in float64, and only then.
TEST(Capability, IsTheOneOfTheKernels) {
  const Tensor x = torch::linspace(-8, 8, 4001);
  const bool in_double = torch::equal(actinium::mish(x), actinium::mish(x.to(torch::kFloat64)).to(torch::kFloat32));
  EXPECT_EQ(in_double, at::get_cpu_capability() == std::string("DEFAULT"));
}

}  // namespace
}  // namespace actinium::tests
