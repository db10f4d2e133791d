// Trains a network that is written in C++, with Actinium's modules between those of torch::nn, on the handwritten
// digits that the Python example has put into a folder:
//   train <folder> [epochs]
#include <actinium/actinium.h>
#include <torch/torch.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

namespace nn = torch::nn;
using torch::Tensor;

namespace {

void run(const std::string& folder, int epochs) {
  std::ifstream file(folder + "/digits.pt", std::ios::binary);
  TORCH_CHECK(file, "cannot read ", folder, "/digits.pt");
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const auto data = torch::pickle_load(bytes).toGenericDict();
  const auto tensor = [&](const char* name) { return data.at(name).toTensor(); };
  const Tensor images = tensor("train_images"), labels = tensor("train_labels");

  torch::manual_seed(0);
  nn::Sequential net(nn::Conv2d(nn::Conv2dOptions(1, 16, 3).padding(1)), actinium::nn::Mish(), nn::MaxPool2d(2),
                     nn::Flatten(), nn::Linear(256, 64), actinium::nn::Dice(64), nn::Linear(64, 128),
                     actinium::nn::Maxout(4), nn::Linear(32, 10));
  actinium::nn::CrossEntropyLoss criterion;
  torch::optim::Adam optimizer(net->parameters(), 2e-3);

  net->train();
  double loss = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (const Tensor& batch : torch::randperm(images.size(0)).split(64)) {
      optimizer.zero_grad();
      const Tensor error = criterion(net->forward(images.index({batch})), labels.index({batch}));
      error.backward();
      optimizer.step();
      loss = error.item<double>();
    }
  }

  net->eval();
  torch::NoGradGuard no_grad;
  const Tensor right = net->forward(tensor("test_images")).argmax(1).eq(tensor("test_labels"));
  std::printf("A network of C++ modules, %d epochs: last loss %.4f, test accuracy %.1f %%\n", epochs, loss,
              100 * right.to(torch::kDouble).mean().item<double>());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "train <folder> [epochs]\n";
    return 2;
  }
  try {
    torch::set_num_threads(1);  // for a small network a second thread costs more than it brings
    run(argv[1], argc > 2 ? std::stoi(argv[2]) : 10);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
