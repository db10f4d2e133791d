// What a program without Python does with the installed package: values, gradients, second gradients, modules,
// in-place. Writes the TorchScript model that load.cpp reads.
#include <actinium/actinium.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <cstdlib>
#include <functional>
#include <iostream>

namespace nn = actinium::nn;
using torch::Tensor;

namespace {

void check(bool good, const std::string& what) {
  std::cout << (good ? "ok    " : "FAILS ") << what << '\n';
  if (!good) std::exit(1);
}

bool close(const Tensor& a, const Tensor& b) { return torch::allclose(a, b, 1e-9, 1e-10); }

using Function = std::function<Tensor(const Tensor&)>;

// Value, gradient and second gradient of f beside those of operations that torch has.
void compare(const std::string& name, const Function& f, const Function& reference) {
  torch::manual_seed(0);
  const Tensor x = torch::randn({4, 6, 3}, torch::kDouble).requires_grad_();
  const Tensor y = f(x), wanted = reference(x);
  check(close(y, wanted), name + ": value");

  const Tensor g = torch::randn_like(y).requires_grad_();
  const Tensor dx = torch::autograd::grad({y}, {x}, {g}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  const Tensor wanted_dx = torch::autograd::grad({wanted}, {x}, {g}, true, true)[0];
  check(close(dx, wanted_dx), name + ": gradient");

  const Tensor a = torch::randn_like(dx);
  const auto second = torch::autograd::grad({dx}, {g, x}, {a}, {}, {}, /*allow_unused=*/true);
  const auto wanted_second = torch::autograd::grad({wanted_dx}, {g, x}, {a}, {}, {}, true);
  check(close(second[0], wanted_second[0]), name + ": second gradient, of the gradient");
  const auto or_zero = [&](const Tensor& t) { return t.defined() ? t : torch::zeros_like(x); };
  check(close(or_zero(second[1]), or_zero(wanted_second[1])), name + ": second gradient, of the input");
}

Tensor dice(const Tensor& x, const Tensor& alpha) {
  const int64_t dims[] = {0, 1};
  const Tensor mean = x.mean(at::IntArrayRef(dims)), var = x.var(at::IntArrayRef(dims), /*unbiased=*/false);
  const Tensor p = torch::sigmoid((x - mean) / torch::sqrt(var + 1e-8));
  return p * x + (1 - p) * alpha * x;
}

void functions() {
  compare(
      "mish", [](const Tensor& x) { return actinium::mish(x); }, [](const Tensor& x) { return torch::mish(x); });
  compare(
      "swish", [](const Tensor& x) { return actinium::swish(x, 1.5); },
      [](const Tensor& x) { return x * torch::sigmoid(1.5 * x); });
  const Tensor beta = torch::linspace(0.5, 2, 6, torch::kDouble);
  compare(
      "swish, beta a tensor", [&](const Tensor& x) { return actinium::swish(x, beta, 1); },
      [&](const Tensor& x) {
        return x * torch::sigmoid(beta.view({6, 1}) * x);
      });
  compare(
      "gelu_tanh", [](const Tensor& x) { return actinium::gelu_tanh(x); },
      [](const Tensor& x) { return torch::gelu(x, "tanh"); });
  compare(
      "selu", [](const Tensor& x) { return actinium::selu(x); }, [](const Tensor& x) { return torch::selu(x); });
  const Tensor alpha = torch::linspace(-1, 1, 3, torch::kDouble);
  compare(
      "dice", [&](const Tensor& x) { return actinium::dice(x, alpha, {}, {}, /*training=*/true); },
      [&](const Tensor& x) { return dice(x, alpha); });
  compare(
      "maxout", [](const Tensor& x) { return actinium::maxout(x, 2); },
      [](const Tensor& x) {
        return std::get<0>(x.view({4, 3, 2, 3}).max(2));
      });
}

void in_place() {
  const Tensor x = torch::randn({3, 5});
  Tensor y = x.clone(), out = torch::empty({3, 5});
  actinium::mish_(y);
  actinium::mish_out(out, x);
  check(torch::equal(y, actinium::mish(x)) && torch::equal(out, y), "in-place and out= give the same");

  const Tensor leaf = torch::randn({3, 5}).requires_grad_();
  Tensor z = leaf.exp();
  actinium::selu_(z);
  bool refused = false;
  try {
    z.sum().backward();
  } catch (const c10::Error&) {
    refused = true;
  }
  check(refused, "a value that was overwritten is not taken for a gradient");
}

template <class T>
std::string printed(const T& module) {
  std::ostringstream stream;
  stream << module;
  return stream.str();
}

void modules() {
  check(printed(nn::Mish()) == "actinium::nn::Mish()", "a module prints its name");
  check(printed(nn::Swish(nn::SwishOptions(2).inplace(true))) == "actinium::nn::Swish(beta=2, inplace=true)",
        "a module prints its options");
  check(nn::GELUTanh()(torch::zeros({2})).sum().item<float>() == 0, "GELUTanh runs");
  nn::SELU selu(nn::SELUOptions().inplace(true));
  Tensor x = -torch::ones({2});
  selu(x);
  check(x[0].item<float>() < -1, "SELU in place");

  // One network with the modules that learn or keep something.
  torch::manual_seed(0);
  torch::nn::Sequential net(torch::nn::Linear(8, 16), nn::Dice(nn::DiceOptions(16).alpha(0.25)),
                            torch::nn::Linear(16, 16), nn::Maxout(2),
                            nn::Swish(nn::SwishOptions().trainable(true).num_parameters(8)), torch::nn::Linear(8, 1));
  check(net->named_parameters().contains("1.alpha") && net->named_buffers().contains("1.running_var"),
        "parameters and buffers have names");
  const Tensor inputs = torch::randn({64, 8}), targets = inputs.pow(2).sum(1, true);
  torch::optim::Adam optimizer(net->parameters(), 0.02);
  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    optimizer.zero_grad();
    const Tensor loss = torch::mse_loss(net->forward(inputs), targets);
    loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  check(last < first / 2, "training lowers the loss");

  net->eval();
  std::stringstream file;
  torch::save(net, file);
  torch::nn::Sequential copy(torch::nn::Linear(8, 16), nn::Dice(16), torch::nn::Linear(16, 16), nn::Maxout(2),
                             nn::Swish(nn::SwishOptions().trainable(true).num_parameters(8)), torch::nn::Linear(8, 1));
  torch::load(copy, file);
  copy->eval();
  check(torch::equal(net->forward(inputs), copy->forward(inputs)), "save and load");
  const auto cloned = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(net->clone());
  check(torch::equal(net->forward(inputs), cloned->forward(inputs)), "clone");
}

// forward(x) = maxout(swish(mish(x)), 2), as torch.jit.script of a module would save it.
void write_model(const std::string& path) {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module model("__torch__.Model", unit);
  auto graph = std::make_shared<torch::jit::Graph>();
  graph->addInput("self")->setType(model.type());
  torch::jit::Value* x = graph->addInput("x");
  for (const char* name : {"actinium::mish", "actinium::swish"})
    x = graph->insert(c10::Symbol::fromQualString(name), {x});
  x = graph->insert(c10::Symbol::fromQualString("actinium::maxout"), {x, int64_t{2}});
  graph->registerOutput(x);
  model.type()->addMethod(unit->create_function({"__torch__.Model.forward"}, graph));
  model.save(path);
}

}  // namespace

int main(int argc, char** argv) {
  functions();
  in_place();
  modules();
  if (argc > 1) write_model(argv[1]);
}
