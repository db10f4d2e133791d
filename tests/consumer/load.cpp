// A program that includes nothing of Actinium: it is linked for its operators alone, which a TorchScript file names.
#include <torch/script.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  torch::jit::Module model = torch::jit::load(argv[1]);
  const torch::Tensor x = torch::randn({4, 6}, torch::requires_grad());
  const torch::Tensor y = model.forward({x}).toTensor();
  y.sum().backward();
  const torch::Tensor wanted = std::get<0>(torch::silu(torch::mish(x)).view({4, 3, 2}).max(2));
  const bool good = torch::allclose(y, wanted) && x.grad().defined();
  std::cout << (good ? "ok" : "FAILS") << '\n';
  return good ? 0 : 1;
}
