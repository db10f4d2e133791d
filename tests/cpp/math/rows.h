#pragma once
// What the tests of pointwise formulas run over: every activation, and Swish with more than one beta.
#include <vector>

#include "csrc/math/activations.h"
#include "tests/cpp/math/reference.h"

namespace actinium::test {

struct Row {
  const char* name;
  math::Activation activation;
  double beta;
  // where a formula changes its form, or its result the way it is rounded
  std::vector<float> boundaries;
};

inline std::vector<Row> rows() {
  return {
      {"mish", math::Activation::kMish, 1, {-0.6f, 20, -87.3f, -103.97f, -108, -110}},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, {7, -9.7f, -10.1f, -10.4f, -11.25f, 11.25f}},
      {"selu", math::Activation::kSelu, 1, {-0.3466f, -50, -87.9f, -104, -110}},
      {"swish", math::Activation::kSwish, 1, {40, -88.7f, -103.97f, -108, -130, -131, 131}},
      {"swish(1.702)", math::Activation::kSwish, 1.702f, {23.5f, -52, -61, -64, -76.4f}},
      {"swish(-1.5)", math::Activation::kSwish, -1.5f, {-26.7f, 60, 70, 73, 86.7f}},
      {"swish(0.01)", math::Activation::kSwish, 0.01f, {4000, -8900, -11000, -13000}},
      {"swish(1e6)", math::Activation::kSwish, 1e6f, {4e-5f, -9e-5f, -1.3e-4f}},
      {"swish(2^-30)", math::Activation::kSwish, 0x1p-30f, {0x1.4p35f, -0x1p36f, -0x1.04p37f}},
  };
}

template <class R>
R exact(const Row& row, int pass, R x) {
  switch (row.activation) {
    case math::Activation::kMish:
      return reference::mish(pass, x);
    case math::Activation::kSwish:
      return reference::swish(pass, x, R(row.beta));
    case math::Activation::kGeluTanh:
      return reference::gelu_tanh(pass, x);
    case math::Activation::kSelu:
      return reference::selu(pass, x);
  }
  return 0;
}

}  // namespace actinium::test
