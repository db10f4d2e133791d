// Uses the networks that the Python example has trained and saved, without Python:
//   digits <folder>
// For each <name>.pt it predicts the test images and compares with Python's predictions; with each <name>-training.pt
// it takes one step of gradient descent and compares gradients and losses with Python's. Writes results.csv into the
// folder. Nothing of Actinium is included: the program is linked with it for the operators that the files name.
#include <ATen/Parallel.h>
#include <torch/optim/sgd.h>
#include <torch/script.h>
#include <torch/serialize.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

using torch::Tensor;

namespace {

// What Python's torch.save has written.
c10::impl::GenericDict read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  TORCH_CHECK(file, "cannot read ", path);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  return torch::pickle_load(bytes).toGenericDict();
}

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

double largest_difference(const std::vector<Tensor>& a, const c10::List<c10::IValue>& b) {
  TORCH_CHECK(a.size() == b.size(), "Python has ", b.size(), " gradients, here are ", a.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, difference(a[i], b.get(i).toTensor()));
  return largest;
}

struct Step {
  double before, after;
  std::vector<Tensor> gradients;
};

// The same as one_step in training.py.
Step one_step(torch::jit::Module net, const Tensor& images, const Tensor& labels, double rate, int64_t seed) {
  net.train();
  std::vector<Tensor> parameters, gradients;
  for (const Tensor& parameter : net.parameters()) parameters.push_back(parameter);
  torch::optim::SGD optimizer(parameters, rate);

  torch::manual_seed(seed);
  const Tensor before = torch::cross_entropy_loss(net.forward({images}).toTensor(), labels);
  before.backward();
  for (const Tensor& parameter : parameters) gradients.push_back(parameter.grad().clone());
  optimizer.step();

  torch::manual_seed(seed);
  torch::NoGradGuard no_grad;
  const Tensor after = torch::cross_entropy_loss(net.forward({images}).toTensor(), labels);
  return {before.item<double>(), after.item<double>(), gradients};
}

void run(const std::string& folder) {
  const c10::impl::GenericDict data = read(folder + "/digits.pt");
  const Tensor images = data.at("test_images").toTensor();
  const Tensor batch_images = data.at("batch_images").toTensor(), batch_labels = data.at("batch_labels").toTensor();
  const double rate = data.at("rate").toDouble();
  const int64_t seed = data.at("seed").toInt();

  std::ofstream results(folder + "/results.csv");
  results.precision(17);
  results << "activation,prediction_difference,gradient_difference,loss_before,loss_after,python_before,python_after\n";
  std::printf("%-13s %14s %14s %22s %22s\n", "", "predictions,", "gradients,", "loss before, after", "in Python");
  std::printf("%-13s %14s %14s\n", "", "difference", "difference");

  for (const c10::IValue& entry : data.at("names").toListRef()) {
    const std::string name = entry.toStringRef();
    const c10::impl::GenericDict python = data.at(name).toGenericDict();

    torch::jit::Module frozen = torch::jit::load(folder + "/" + name + ".pt");
    Tensor predictions;
    {
      torch::NoGradGuard no_grad;
      predictions = frozen.forward({images}).toTensor();
    }
    const double of_predictions = difference(predictions, python.at("predictions").toTensor());

    const torch::jit::Module net = torch::jit::load(folder + "/" + name + "-training.pt");
    const Step step = one_step(net, batch_images, batch_labels, rate, seed);
    const double of_gradients = largest_difference(step.gradients, python.at("gradients").toList());
    const double before = python.at("before").toTensor().item<double>();
    const double after = python.at("after").toTensor().item<double>();

    std::printf("%-13s %14.3g %14.3g %11.6f %10.6f %11.6f %10.6f\n", name.c_str(), of_predictions, of_gradients,
                step.before, step.after, before, after);
    results << name << ',' << of_predictions << ',' << of_gradients << ',' << step.before << ',' << step.after << ','
            << before << ',' << after << '\n';
    TORCH_CHECK(step.after < step.before, name, ": the step did not lower the loss");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "digits <folder>\n";
    return 2;
  }
  try {
    at::set_num_threads(1);  // as in Python: a sum over several threads is rounded in another order
    run(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
