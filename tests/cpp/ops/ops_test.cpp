// Every row of the table through every property, in a program without Python.
#include <actinium/actinium.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/script.h>

#include <sstream>

#include "op_table.h"

namespace actinium::tests {
namespace {

class Op : public testing::TestWithParam<Row> {
 protected:
  const Row& row = GetParam();
  Tensors inputs() const {
    Tensors copies;
    for (const Tensor& t : row.inputs) copies.push_back(t.detach().clone().requires_grad_());
    return copies;
  }
  Tensors to(torch::ScalarType dtype) const {
    Tensors copies;
    for (const Tensor& t : row.inputs) copies.push_back(t.detach().to(dtype));
    return copies;
  }
};

TEST_P(Op, HasTheValuesOfTheReference) { expect_close(row.ours(inputs()), row.reference(inputs())); }

TEST_P(Op, KeepsTheDtype) {
  for (const auto dtype : {torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
    const Tensor got = row.ours(to(dtype));
    EXPECT_EQ(got.scalar_type(), dtype);
    Tensors exact = to(dtype);
    for (Tensor& t : exact) t = t.to(torch::kFloat64);
    const double rounding = dtype == torch::kFloat32 ? 1e-6 : dtype == torch::kFloat16 ? 0x1p-10 : 0x1p-7;
    expect_close(got.to(torch::kFloat64), row.reference(exact), rounding);
  }
}

TEST_P(Op, HasTheGradientsOfTheReference) {
  const auto gradients = [&](const auto& f) {
    const Tensors leaves = inputs();
    const Tensor y = f(leaves);
    Tensors all = torch::autograd::grad({(y * y).sum()}, leaves, {}, std::nullopt, /*create_graph=*/true);
    Tensor second = torch::zeros({}, torch::kFloat64);
    for (const Tensor& t : all) second = second + t.square().sum();
    for (const Tensor& t : torch::autograd::grad({second}, leaves)) all.push_back(t);
    return all;
  };
  const Tensors got = gradients(row.ours), want = gradients(row.reference);
  for (size_t i = 0; i < got.size(); ++i) expect_close(got[i], want[i], 1e-10);
}

TEST_P(Op, HasTheGradientsOfItsValues) { expect_gradients(row.ours, inputs()); }

TEST_P(Op, HasAForwardGradient) {
  const Tensors leaves = to(torch::kFloat64);
  const Tensor by_number = [&] {
    const double h = 1e-6;
    Tensors up = leaves, down = leaves;
    up[0] = leaves[0] + h;
    down[0] = leaves[0] - h;
    return (row.ours(up) - row.ours(down)) / (2 * h);
  }();
  const uint64_t level = torch::autograd::forward_ad::enter_dual_level();
  Tensors dual = leaves;
  dual[0] = torch::_make_dual(leaves[0], torch::ones_like(leaves[0]), level);
  const auto [primal, tangent] = torch::_unpack_dual(row.ours(dual), level);
  torch::autograd::forward_ad::exit_dual_level(level);
  expect_close(tangent, by_number, 1e-8);
}

TEST_P(Op, MakesNoGraphWhereNoneIsWanted) {
  {
    torch::NoGradGuard guard;
    EXPECT_FALSE(row.ours(inputs()).requires_grad());
  }
  torch::InferenceMode guard;
  EXPECT_TRUE(row.ours(to(torch::kFloat64)).is_inference());
}

TEST_P(Op, GivesTheSameForEveryLayout) {
  const Tensors leaves = to(torch::kFloat64);
  const Tensor want = row.ours(leaves);
  const Tensor wide = torch::full({2, 6, 8}, 7.0, torch::kFloat64);
  wide.slice(2, 0, 8, 2).copy_(leaves[0]);
  for (const Tensor& x :
       {leaves[0].transpose(0, 2).contiguous().transpose(0, 2), wide.slice(2, 0, 8, 2),
        torch::cat({torch::zeros(1, torch::kFloat64), leaves[0].flatten()}).slice(0, 1).view({2, 6, 4})}) {
    Tensors same = leaves;
    same[0] = x;
    expect_close(row.ours(same), want);
  }
}

TEST_P(Op, KeepsChannelsLast) {
  Tensors leaves = to(torch::kFloat32);
  leaves[0] = leaves[0].unsqueeze(2).repeat({1, 1, 3, 1}).contiguous(torch::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(row.ours(leaves).is_contiguous(torch::MemoryFormat::ChannelsLast));
}

TEST_P(Op, WorksInPlace) {
  if (!row.in_place) return;
  Tensors leaves = inputs();
  const Tensor want = row.ours(leaves);

  Tensor self = leaves[0].detach().clone();
  const auto version = self._version();
  EXPECT_TRUE(row.in_place(self, to(torch::kFloat64)).is_same(self));
  EXPECT_TRUE(torch::equal(self, want));
  EXPECT_EQ(self._version(), version + 1);

  Tensor copy = leaves[0] * 1;
  row.in_place(copy, leaves);
  const Tensors got = torch::autograd::grad({copy.sum()}, leaves),
                expected = torch::autograd::grad({want.sum()}, leaves);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(torch::equal(got[i], expected[i]));

  Tensor leaf = leaves[0];
  EXPECT_THROW(row.in_place(leaf, leaves), c10::Error);
  Tensor saved = leaves[0].exp();
  row.in_place(saved, leaves);
  EXPECT_THROW(saved.sum().backward(), c10::Error);
}

TEST_P(Op, WritesIntoOut) {
  if (!row.out) return;
  const Tensors leaves = to(torch::kFloat64);
  Tensor out = torch::empty({0}, torch::kFloat64);
  EXPECT_TRUE(row.out(out, leaves).is_same(out));
  EXPECT_TRUE(torch::equal(out, row.ours(leaves)));
  EXPECT_THROW(row.out(out, inputs()), c10::Error);
}

TEST_P(Op, ComputesShapesOnMeta) {
  Tensors leaves = to(torch::kFloat64);
  const Tensor want = row.ours(leaves);
  for (Tensor& t : leaves) t = t.to(torch::kMeta);
  const Tensor got = row.ours(leaves);
  EXPECT_TRUE(got.is_meta());
  EXPECT_EQ(got.sizes(), want.sizes());
  EXPECT_EQ(got.strides(), want.strides());
}

// Tells the compiler of TorchScript what `actinium` is, as torch.ops.actinium is in Python.
struct Resolver : torch::jit::Resolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name, torch::jit::GraphFunction& function,
                                                         const torch::jit::SourceRange& where) override {
    if (name == "actinium") return std::make_shared<torch::jit::BuiltinModule>(name);
    return torch::jit::nativeResolver()->resolveValue(name, function, where);
  }
};

// A module made, saved and loaded here, with gradients.
TEST_P(Op, RunsInTorchScript) {
  if (row.script.empty()) return;
  torch::jit::Module module("activation");
  const bool second = row.inputs.size() > 1;
  module.define("def forward(self, x" + std::string(second ? ", p" : "") + "):\n  return " + row.script + "\n",
                std::make_shared<Resolver>());
  std::stringstream file;
  module.save(file);
  torch::jit::Module loaded = torch::jit::load(file);
  const Tensors leaves = inputs();
  const Tensor want = row.ours(leaves);
  const Tensors gradients = torch::autograd::grad({want.sum()}, leaves);
  for (int run = 0; run < 3; ++run) {
    const Tensor got = loaded.forward({leaves.begin(), leaves.end()}).toTensor();
    expect_close(got, want);
    const Tensors mine = torch::autograd::grad({got.sum()}, leaves);
    for (size_t i = 0; i < mine.size(); ++i) expect_close(mine[i], gradients[i]);
  }
}

TEST_P(Op, RefusesIntegers) {
  Tensors wrong = to(torch::kFloat32);
  wrong[0] = wrong[0].to(torch::kInt64);
  try {
    row.ours(wrong);
    FAIL() << "nothing was thrown";
  } catch (const c10::TypeError& error) {
    EXPECT_NE(std::string(error.what()).find(row.op + ": self has dtype Long"), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(, Op, testing::ValuesIn(rows()), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace actinium::tests
