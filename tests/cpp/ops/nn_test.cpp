// The modules of a C++ program: registered names, copies, saved state, containers.
#include <actinium/actinium.h>
#include <gtest/gtest.h>
#include <torch/nn.h>
#include <torch/optim.h>

#include <sstream>

#include "op_table.h"

namespace actinium::tests {
namespace {

struct Module {
  std::string text;
  torch::nn::AnyModule module;
  std::vector<std::string> state;
  Tensor target = {};  // of a loss
  Tensor operator()(torch::nn::AnyModule& any, const Tensor& x) const {
    return target.defined() ? any.forward(x, target) : any.forward(x);
  }
};

std::vector<Module> modules() {
  using torch::nn::AnyModule;
  return {
      {"actinium::nn::Mish()", AnyModule(nn::Mish()), {}},
      {"actinium::nn::SELU()", AnyModule(nn::SELU()), {}},
      {"actinium::nn::GELU(approximate=none)", AnyModule(nn::GELU()), {}},
      {"actinium::nn::GELU(approximate=tanh)", AnyModule(nn::GELU(nn::GELUOptions().approximate("tanh"))), {}},
      {"actinium::nn::GELUTanh()", AnyModule(nn::GELUTanh()), {}},
      {"actinium::nn::QuickGELU()", AnyModule(nn::QuickGELU()), {}},
      {"actinium::nn::Sigmoid()", AnyModule(nn::Sigmoid()), {}},
      {"actinium::nn::Tanh()", AnyModule(nn::Tanh()), {}},
      {"actinium::nn::ReLU()", AnyModule(nn::ReLU()), {}},
      {"actinium::nn::LeakyReLU(negative_slope=0.2)",
       AnyModule(nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(0.2))),
       {}},
      {"actinium::nn::ELU(alpha=1)", AnyModule(nn::ELU()), {}},
      {"actinium::nn::Swish(beta=1.5)", AnyModule(nn::Swish(1.5)), {}},
      {"", AnyModule(nn::Swish(nn::SwishOptions(0.5).trainable(true).num_parameters(6))), {"beta"}},
      {"", AnyModule(nn::Dice(6)), {"alpha", "running_mean", "running_var", "num_batches_tracked"}},
      {"", AnyModule(nn::Dice(nn::DiceOptions(6).shared_alpha(true).track_running_stats(false))), {"alpha"}},
      {"actinium::nn::Dice(6, eps=0.001, momentum=0.1, alpha=0, shared_alpha=false, track_running_stats=true, dim=-1, "
       "weight=1, bias=0.5, eps_mode=both, unbiased=false)",
       AnyModule(nn::Dice(nn::DiceOptions(6).eps(1e-3).weight(1.0).bias(0.5).eps_mode("both").unbiased(false))),
       {"alpha", "weight", "bias", "running_mean", "running_var", "num_batches_tracked"}},
      {"actinium::nn::Dice(6, eps=1e-08, momentum=0.1, alpha=0, shared_alpha=true, track_running_stats=false, dim=-1, "
       "statistics=row_norm)",
       AnyModule(nn::Dice(nn::DiceOptions(6).shared_alpha(true).statistics("row_norm"))),
       {"alpha"}},
      {"", AnyModule(nn::Maxout(2)), {}},
      {"actinium::nn::PReLU(num_parameters=1)", AnyModule(nn::PReLU()), {"weight"}},
      {"", AnyModule(nn::PReLU(nn::PReLUOptions().num_parameters(6))), {"weight"}},
      {"actinium::nn::MaxoutLinear(in_features=6, out_features=4, pieces=3, bias=true)",
       AnyModule(nn::MaxoutLinear(6, 4, 3)),
       {"weight", "bias"}},
      {"", AnyModule(nn::MaxoutLinear(nn::MaxoutLinearOptions(6, 4, 3).bias(false))), {"weight"}},
      {"actinium::nn::Gated(elu, params=[1.5], dim=-1, layout=gate_second)",
       AnyModule(nn::Gated(nn::GatedOptions("elu").params({1.5}).layout("gate_second"))),
       {}},
      {"actinium::nn::GatedLinear(6, 10, activation=mish, layout=gate_first)",
       AnyModule(nn::GatedLinear(nn::GatedLinearOptions(6, 10).activation("mish"))),
       {"gate_up_proj.weight", "down_proj.weight"}},
      {"actinium::nn::SwiGLU(6, 10, activation=swish, layout=gate_first)",
       AnyModule(nn::SwiGLU(nn::GatedLinearOptions(6, 10).bias(true))),
       {"gate_up_proj.weight", "gate_up_proj.bias", "down_proj.weight", "down_proj.bias"}},
      {"actinium::nn::GEGLU(6, 10, activation=gelu_tanh, layout=gate_first)",
       AnyModule(nn::GEGLU(nn::GatedLinearOptions(6, 10).approximate("tanh"))),
       {"gate_up_proj.weight", "down_proj.weight"}},
      {"actinium::nn::ReGLU(6, 10, activation=relu, layout=interleaved)",
       AnyModule(nn::ReGLU(nn::GatedLinearOptions(6, 10).out_features(4).layout("interleaved"))),
       {"gate_up_proj.weight", "down_proj.weight"}},
      {"actinium::nn::SwiGLUClamped(6, 10, activation=swiglu_clamped, params=[7, 1.702], layout=interleaved)",
       AnyModule(nn::SwiGLUClamped(6, 10)),
       {"gate_up_proj.weight", "gate_up_proj.bias", "down_proj.weight", "down_proj.bias"}},
      {"actinium::nn::LinearAct(in_features=6, out_features=5, bias=true, activation=mish)",
       AnyModule(nn::LinearAct(nn::LinearActOptions(6, 5, "mish"))),
       {"weight", "bias"}},
      {"", AnyModule(nn::LinearAct(nn::LinearActOptions(6, 5, "elu").params({1.5}).bias(false))), {"weight"}},
      {"actinium::nn::Softmax(dim=-1)", AnyModule(nn::Softmax()), {}},
      {"actinium::nn::LogSoftmax(dim=1)", AnyModule(nn::LogSoftmax(1)), {}},
      {"actinium::nn::CrossEntropyLoss()", AnyModule(nn::CrossEntropyLoss()), {}, torch::arange(8).remainder(6)},
      {"",
       AnyModule(nn::CrossEntropyLoss(nn::CrossEntropyLossOptions().weight(torch::rand(6)).label_smoothing(0.1))),
       {"weight"},
       torch::rand({8, 6})},
      {"actinium::nn::BCEWithLogitsLoss()", AnyModule(nn::BCEWithLogitsLoss()), {}, torch::rand({8, 6})},
      {"",
       AnyModule(nn::BCEWithLogitsLoss(
           nn::BCEWithLogitsLossOptions().weight(torch::rand({8, 1})).pos_weight(torch::rand(6)).reduction("none"))),
       {"weight", "pos_weight"},
       torch::rand({8, 6})},
  };
}

Tensor batch() { return torch::linspace(-3, 3, 48).mul(17).sin().view({8, 6}); }

std::vector<std::string> state_of(const torch::nn::Module& module) {
  auto keys = module.named_parameters().keys();
  for (const auto& key : module.named_buffers().keys()) keys.push_back(key);
  return keys;
}

TEST(Modules, HaveTheStateOfThePythonModules) {
  for (Module& m : modules()) EXPECT_EQ(state_of(*m.module.ptr()), m.state);
}

TEST(Modules, Print) {
  for (Module& m : modules()) {
    std::ostringstream text;
    text << *m.module.ptr();
    EXPECT_FALSE(text.str().empty());
    if (!m.text.empty()) {
      EXPECT_EQ(text.str().substr(0, m.text.size()), m.text);  // then those inside
    }
  }
}

TEST(Modules, AreCopied) {
  for (Module& m : modules()) {
    m(m.module, batch());
    torch::nn::AnyModule copy = m.module.clone();
    EXPECT_TRUE(torch::equal(m(copy, batch()), m(m.module, batch())));
    for (const auto& p : copy.ptr()->named_parameters()) {
      EXPECT_NE(p.value().data_ptr(), m.module.ptr()->named_parameters()[p.key()].data_ptr());
    }
    for (const auto& b : copy.ptr()->named_buffers()) {
      EXPECT_NE(b.value().data_ptr(), m.module.ptr()->named_buffers()[b.key()].data_ptr());
    }
  }
}

TEST(Modules, AreSavedAndLoaded) {
  for (Module& m : modules()) {
    m(m.module, batch());
    std::stringstream file;
    torch::serialize::OutputArchive out;
    m.module.ptr()->save(out);
    out.save_to(file);
    torch::nn::AnyModule fresh = m.module.clone();
    for (auto& p : fresh.ptr()->parameters()) p.detach().add_(1);
    for (auto& b : fresh.ptr()->buffers()) b.zero_();
    torch::serialize::InputArchive in;
    in.load_from(file);
    fresh.ptr()->load(in);
    fresh.ptr()->eval();
    m.module.ptr()->eval();
    EXPECT_TRUE(torch::equal(m(fresh, batch()), m(m.module, batch())));
  }
}

TEST(Modules, LearnInASequential) {
  torch::manual_seed(0);  // a network that starts near the target could not halve its loss
  torch::nn::Sequential network(torch::nn::Linear(6, 6), nn::Mish(), nn::Swish(nn::SwishOptions().trainable(true)),
                                nn::Dice(6), nn::Maxout(2), torch::nn::Linear(3, 1));
  torch::optim::SGD optimizer(network->parameters(), 0.1);
  const Tensor target = batch().sum(1, /*keepdim=*/true);
  double first = 0, last = 0;
  for (int step = 0; step < 40; ++step) {
    optimizer.zero_grad();
    const Tensor loss = (network->forward(batch()) - target).square().mean();
    loss.backward();
    optimizer.step();
    (step ? last : first) = loss.item<double>();
  }
  EXPECT_LT(last, 0.5 * first);
  for (const auto& p : network->named_parameters()) {
    if (p.key() != "3.alpha") {
      EXPECT_TRUE(p.value().grad().defined() && p.value().grad().any().item<bool>()) << p.key();
    }
  }
}

TEST(Modules, DiceTakesAMask) {
  nn::Dice masked(nn::DiceOptions(6).weight(1.0)), shorter(nn::DiceOptions(6).weight(1.0));
  const Tensor x = torch::randn({32, 6}), mask = torch::arange(32) < 20;
  expect_close(masked(x, mask).slice(0, 0, 20), shorter(x.slice(0, 0, 20)), 1e-6);
  expect_close(masked->running_var, shorter->running_var, 1e-6);
}

TEST(Modules, DiceAveragesOverAllBatchesWithoutMomentum) {
  nn::Dice dice(nn::DiceOptions(6).momentum(std::nullopt));
  Tensor sum = torch::zeros(6);
  for (int i = 0; i < 4; ++i) {
    const Tensor x = torch::randn({32, 6});
    sum += x.mean(0);
    dice(x);
  }
  expect_close(dice->running_mean, sum / 4, 1e-6);
  EXPECT_EQ(dice->num_batches_tracked.item<int64_t>(), 4);
}

// The mean and the variance of the gate, as the formula has them.
TEST(Modules, DiceTakesOtherStatistics) {
  const Tensor x = batch().to(torch::kDouble).view({2, 4, 6}), center = x - x.mean(1, true);
  const auto dice = [](nn::DiceOptions options) {
    nn::Dice module(options.eps(1e-3).alpha(0.25));
    module->to(torch::kDouble);
    return module;
  };
  const auto expected = [&](const Tensor& z) { return x * (0.25 + 0.75 * torch::sigmoid(z)); };
  const auto by_row = nn::DiceOptions(4).shared_alpha(true).dim(1);
  for (const bool norm : {false, true}) {
    const Tensor square = center.square(), spread = norm ? square.sum(1, true) : square.mean(1, true);
    expect_close(dice(nn::DiceOptions(by_row).statistics(norm ? "row_norm" : "row"))(x),
                 expected(center / (norm ? (spread + 4e-3).sqrt() : (spread + 1e-3).sqrt())));
  }
  nn::Dice running = dice(nn::DiceOptions(6).statistics("running"));
  expect_close(running(x), expected(x / std::sqrt(1 + 1e-3)));
  EXPECT_EQ(running->num_batches_tracked.item<int64_t>(), 0);

  EXPECT_THROW(nn::Dice(nn::DiceOptions(6).statistics("rows")), c10::ValueError);
  EXPECT_THROW(nn::Dice(nn::DiceOptions(6).statistics("row")), c10::ValueError);
  EXPECT_THROW(nn::Dice(nn::DiceOptions(6).statistics("running").track_running_stats(false)), c10::ValueError);
  EXPECT_THROW(dice(nn::DiceOptions(by_row).statistics("row"))(x, x.select(1, 0) > 0), c10::ValueError);
}

TEST(Modules, LossesAreThoseOfTorch) {
  const Tensor x = batch(), index = torch::arange(8).remainder(6), soft = torch::rand({8, 6}), weight = torch::rand(6);
  nn::CrossEntropyLoss ours(nn::CrossEntropyLossOptions().weight(weight).ignore_index(2).reduction("sum"));
  torch::nn::CrossEntropyLoss theirs(
      torch::nn::CrossEntropyLossOptions().weight(weight).ignore_index(2).reduction(torch::kSum));
  expect_close(ours(x, index), theirs(x, index), 1e-5);
  nn::CrossEntropyLoss smooth(nn::CrossEntropyLossOptions().label_smoothing(0.2));
  expect_close(smooth(x, index),
               torch::nn::CrossEntropyLoss(torch::nn::CrossEntropyLossOptions().label_smoothing(0.2))(x, index), 1e-6);
  nn::BCEWithLogitsLoss binary(nn::BCEWithLogitsLossOptions().weight(x.abs()).pos_weight(weight).reduction("none"));
  expect_close(
      binary(x, soft),
      torch::nn::BCEWithLogitsLoss(
          torch::nn::BCEWithLogitsLossOptions().weight(x.abs()).pos_weight(weight).reduction(torch::kNone))(x, soft),
      1e-6);
  expect_close(nn::Softmax(0)(x), x.softmax(0), 1e-6);
  expect_close(nn::LogSoftmax(0)(x), x.log_softmax(0), 1e-6);

  // A copy has weights of its own, and those of the first stay where they were given.
  EXPECT_EQ(ours->weight.data_ptr(), weight.data_ptr());
  const auto copy = std::dynamic_pointer_cast<nn::CrossEntropyLossImpl>(ours->clone());
  copy->weight.zero_();
  EXPECT_EQ(ours->weight.data_ptr(), weight.data_ptr());
  EXPECT_TRUE(weight.all().item<bool>());
}

TEST(Modules, LayersAreThoseOfTorchWithAnActivation) {
  torch::manual_seed(0);
  const nn::LinearAct linear(nn::LinearActOptions(6, 5, "mish"));
  torch::manual_seed(0);
  const torch::nn::Linear plain(6, 5);
  EXPECT_TRUE(torch::equal(linear->weight, plain->weight) && torch::equal(linear->bias, plain->bias));
  expect_close(nn::LinearAct(linear)->forward(batch()), torch::mish(torch::nn::Linear(plain)->forward(batch())), 1e-5);

  const Tensor image = batch().view({1, 2, 4, 6});
  for (const bool bias : {true, false}) {
    for (const bool reflect : {false, true}) {
      auto options = torch::nn::Conv2dOptions(2, 4, 3).padding(1).bias(bias);
      if (reflect) options.padding_mode(torch::kReflect);
      torch::manual_seed(0);
      nn::Conv2dAct ours(nn::Conv2dActOptions(options, "elu").params({1.5}));
      torch::manual_seed(0);
      torch::nn::Conv2d theirs(options);
      expect_close(ours->forward(image), torch::elu(theirs->forward(image), 1.5), 1e-5);
      const auto copy = std::dynamic_pointer_cast<nn::Conv2dActImpl>(ours->clone());
      ASSERT_TRUE(copy);
      EXPECT_TRUE(torch::equal(copy->forward(image), ours->forward(image)));
    }
  }
}

}  // namespace
}  // namespace actinium::tests
