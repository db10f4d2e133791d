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
      {"actinium::nn::LinearAct(in_features=6, out_features=5, bias=true, activation=mish)",
       AnyModule(nn::LinearAct(nn::LinearActOptions(6, 5, "mish"))),
       {"weight", "bias"}},
      {"", AnyModule(nn::LinearAct(nn::LinearActOptions(6, 5, "elu").params({1.5}).bias(false))), {"weight"}},
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
    m.module.forward(batch());
    torch::nn::AnyModule copy = m.module.clone();
    EXPECT_TRUE(torch::equal(copy.forward(batch()), m.module.forward(batch())));
    for (const auto& p : copy.ptr()->named_parameters()) {
      EXPECT_NE(p.value().data_ptr(), m.module.ptr()->named_parameters()[p.key()].data_ptr());
    }
  }
}

TEST(Modules, AreSavedAndLoaded) {
  for (Module& m : modules()) {
    m.module.forward(batch());
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
    EXPECT_TRUE(torch::equal(fresh.forward(batch()), m.module.forward(batch())));
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
