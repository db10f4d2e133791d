#pragma once
// The rows of the C++ tests: every op in every form, beside the same function made of torch's own. A new op is a new
// row in op_table.cpp.
#include <torch/autograd.h>
#include <torch/types.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace actinium::tests {

using torch::Tensor;
using Tensors = std::vector<Tensor>;

struct Row {
  std::string name, op;
  std::function<Tensor(const Tensors&)> ours, reference;
  Tensors inputs;      // float64: x, and what else has a gradient
  std::string script;  // the call in TorchScript, of x and p
  std::function<Tensor&(Tensor& self, const Tensors& inputs)> in_place = nullptr;  // null where the op has none
  std::function<Tensor&(Tensor& out, const Tensors& inputs)> out = nullptr;
};

const std::vector<Row>& rows();
inline std::ostream& operator<<(std::ostream& stream, const Row& row) { return stream << row.name; }

// The gradients of f, and the gradients of those, beside f's values along a line.
void expect_gradients(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs);

inline void expect_close(const Tensor& got, const Tensor& want, double tolerance = 1e-12) {
  ASSERT_EQ(got.sizes(), want.sizes());
  ASSERT_EQ(got.scalar_type(), want.scalar_type());
  EXPECT_TRUE(torch::allclose(got, want, tolerance, tolerance)) << got << want;
}

}  // namespace actinium::tests
