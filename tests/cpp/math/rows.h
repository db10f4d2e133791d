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
      {"gelu", math::Activation::kGelu, 1, {0.91f, -0.91f, -0.7518f, 1.4142f, -13.1f, -14.2f, -14.5f, -15, 15}},
      {"gelu_tanh", math::Activation::kGeluTanh, 1, {7, -9.7f, -10.1f, -10.4f, -11.25f, 11.25f}},
      {"selu", math::Activation::kSelu, 1, {-0.3466f, -50, -87.9f, -104, -110}},
      {"quick_gelu", math::Activation::kQuickGelu, 1.702, {23.5f, -52, -61, -64, -76.4f}},
      {"sigmoid", math::Activation::kSigmoid, 1, {40, -40, -87.3f, -88.7f, -103.97f, -110, 110, -130}},
      {"tanh", math::Activation::kTanh, 1, {0.2f, -0.55f, 9, 20, -20, 44, 52, -55, 55}},
      {"relu", math::Activation::kRelu, 1, {}},
      {"leaky_relu", math::Activation::kLeakyRelu, 0.01f, {}},
      {"elu", math::Activation::kElu, 1, {-0.3466f, -50, -87.3f, -103.97f, -110}},
      {"elu(1.5)", math::Activation::kElu, 1.5, {-0.3466f, -50, -87.3f, -104, -110}},
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
    case math::Activation::kGelu:
      return reference::gelu(pass, x);
    case math::Activation::kGeluTanh:
      return reference::gelu_tanh(pass, x);
    case math::Activation::kSelu:
      return reference::selu(pass, x);
    case math::Activation::kQuickGelu:
      return reference::swish(pass, x, R(1.702Q));
    case math::Activation::kSigmoid:
      return reference::sigmoid(pass, x);
    case math::Activation::kTanh:
      return reference::tanh(pass, x);
    case math::Activation::kRelu:
      return reference::leaky_relu(pass, x, R(0));
    case math::Activation::kLeakyRelu:
      return reference::leaky_relu(pass, x, R(row.beta));
    case math::Activation::kElu:
      return reference::elu(pass, x, R(row.beta));
  }
  return 0;
}

}  // namespace actinium::test
