// What a call costs in C++ at one element: ours and the builtin's in turn, in nanoseconds, medians, and their ratio.
// "call" is forward without a graph; "step" is forward and backward through autograd.
#include <actinium/ops.h>
#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace {

using Function = std::function<at::Tensor(const at::Tensor&)>;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void add(const std::string& name, const std::function<void()>& ours, const std::function<void()>& builtin) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    constexpr int kCalls = 200;
    const auto time = [](const std::function<void()>& call) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < kCalls; ++i) call();
      return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kCalls;
    };
    std::vector<double> mine, theirs, ratio;
    bool first = true;
    for (auto _ : state) {
      const double a = first ? time(ours) : 0, b = time(builtin), c = first ? a : time(ours);
      mine.push_back(c);
      theirs.push_back(b);
      ratio.push_back(c / b);
      first = !first;
    }
    state.counters["ours_ns"] = median(mine);
    state.counters["builtin_ns"] = median(theirs);
    state.counters["ours/builtin"] = median(ratio);
  });
}

void add(const std::string& name, const Function& ours, const Function& builtin) {
  const auto call = [](const Function& f, const at::Tensor& x) {
    return [=] {
      const at::NoGradGuard guard;
      benchmark::DoNotOptimize(f(x));
    };
  };
  const auto step = [](const Function& f, const at::Tensor& x) {
    return [=] { benchmark::DoNotOptimize(torch::autograd::grad({f(x)}, {x})); };
  };
  const at::Tensor x = torch::full({1}, 0.5), leaf = torch::full({1}, 0.5, torch::requires_grad());
  add(name + "/call", call(ours, x), call(builtin, x));
  add(name + "/step", step(ours, leaf), step(builtin, leaf));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  at::set_num_threads(1);
  add(
      "mish", [](const at::Tensor& x) { return actinium::mish(x); }, [](const at::Tensor& x) { return at::mish(x); });
  add(
      "swish", [](const at::Tensor& x) { return actinium::swish(x); }, [](const at::Tensor& x) { return at::silu(x); });
  add(
      "gelu_tanh", [](const at::Tensor& x) { return actinium::gelu_tanh(x); },
      [](const at::Tensor& x) { return at::gelu(x, "tanh"); });
  add(
      "gelu", [](const at::Tensor& x) { return actinium::gelu(x); }, [](const at::Tensor& x) { return at::gelu(x); });
  add(
      "elu", [](const at::Tensor& x) { return actinium::elu(x); }, [](const at::Tensor& x) { return at::elu(x); });
  add(
      "relu", [](const at::Tensor& x) { return actinium::relu(x); }, [](const at::Tensor& x) { return at::relu(x); });
  add(
      "leaky_relu", [](const at::Tensor& x) { return actinium::leaky_relu(x); },
      [](const at::Tensor& x) { return at::leaky_relu(x); });
  add(
      "sigmoid", [](const at::Tensor& x) { return actinium::sigmoid(x); },
      [](const at::Tensor& x) { return at::sigmoid(x); });
  add(
      "tanh", [](const at::Tensor& x) { return actinium::tanh(x); }, [](const at::Tensor& x) { return at::tanh(x); });
  add(
      "selu", [](const at::Tensor& x) { return actinium::selu(x); }, [](const at::Tensor& x) { return at::selu(x); });
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
