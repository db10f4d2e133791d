// The CPU's loops alone, of every capability that this machine has, through Google Benchmark: time per element (1000 ps
// are a nanosecond) and bytes per second, beside loops that only load and store as many operands.
//
// Names are <capability>/<what>/<pass>/<dtype>/<elements>; --benchmark_filter takes a regular expression.
#include <benchmark/benchmark.h>
#include <c10/core/ScalarType.h>

#include <cstdlib>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/streams.h"
#include "csrc/cpu/kernels.h"
#include "csrc/math/activations.h"
#include "tests/cpp/processor.h"

namespace actinium::benchmarks {
namespace {

using c10::ScalarType;

struct Capability {
  const char* name;
  const cpu::Kernels* kernels;
  StreamLoop (*stream)(int outputs, int inputs);
};

std::vector<Capability> available() {
  std::vector<Capability> here{{"DEFAULT", &cpu::DEFAULT::kKernels, DEFAULT::stream_loop}};
#if defined(__x86_64__)
  if (test::has_avx2()) here.push_back({"AVX2", &cpu::AVX2::kKernels, AVX2::stream_loop});
  if (test::has_avx512()) here.push_back({"AVX512", &cpu::AVX512::kKernels, AVX512::stream_loop});
#endif
  return here;
}

constexpr ScalarType kDtypes[] = {ScalarType::Float, ScalarType::Double, ScalarType::BFloat16, ScalarType::Half};
constexpr int64_t kSizes[] = {1 << 13, 1 << 16};  // operands in the first-level cache of most machines; in the second

// ------------------------------------------------------------------------------------------------------------ operands

// Normal numbers times 2, on a page's boundary.
class Buffer {
 public:
  Buffer(ScalarType dtype, int64_t n, unsigned seed)
      : data_(std::aligned_alloc(4096, (n * c10::elementSize(dtype) + 4095) / 4096 * 4096)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 2);
    for (int64_t i = 0; i < n; ++i) {
      const float value = normal(random);
      switch (dtype) {
        case ScalarType::Double:
          static_cast<double*>(data_)[i] = value;
          break;
        case ScalarType::BFloat16:
          static_cast<c10::BFloat16*>(data_)[i] = value;
          break;
        case ScalarType::Half:
          static_cast<c10::Half*>(data_)[i] = value;
          break;
        default:
          static_cast<float*>(data_)[i] = value;
      }
    }
  }
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  ~Buffer() { std::free(data_); }
  void* get() const { return data_; }

 private:
  void* data_;
};

std::vector<Buffer> buffers(ScalarType dtype, int64_t n, int count) {
  std::vector<Buffer> all;
  for (int k = 0; k < count; ++k) all.emplace_back(dtype, n, k + 1);
  return all;
}

// One value per channel, in the dtype that per-channel values are kept in.
ScalarType opmath(ScalarType dtype) { return dtype == ScalarType::Double ? dtype : ScalarType::Float; }

// ------------------------------------------------------------------------------------------------------------- running

template <class F>
void run(benchmark::State& state, int64_t elements, int64_t bytes, F call) {
  for (auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const double all = static_cast<double>(elements) * static_cast<double>(state.iterations());
  state.counters["element"] = Counter(all, Counter::kIsRate | Counter::kInvert);  // seconds for each
  state.SetBytesProcessed(state.iterations() * bytes);
}

template <class F>
void add(const Capability& capability, const std::string& what, ScalarType dtype, int64_t n, F body) {
  const std::string name =
      std::string(capability.name) + "/" + what + "/" + c10::toString(dtype) + "/" + std::to_string(n);
  benchmark::RegisterBenchmark(name.c_str(), body);
}

// ----------------------------------------------------------------------------------------------------------- pointwise

constexpr const char* kActivations[] = {
#define ACTINIUM_NAME(Name) #Name,
    ACTINIUM_ACTIVATIONS(ACTINIUM_NAME)};

struct Shape {
  Pass pass;
  const char* name;
  int outputs, inputs;
};
constexpr Shape kPasses[] = {{Pass::kForward, "forward", 1, 1},
                             {Pass::kBackward, "backward", 1, 2},
                             {Pass::kDoubleBackward, "double_backward", 2, 3}};

void add_pointwise(const Capability& capability, const Shape& shape, ScalarType dtype, int64_t n) {
  const int operands = shape.outputs + shape.inputs;
  const int64_t size = c10::elementSize(dtype), bytes = operands * n * size;
  const std::string pass = shape.name;
  add(capability, "load_store/" + pass, dtype, n, [=](benchmark::State& state) {
    const auto all = buffers(dtype, n, operands);
    std::vector<char*> data;
    for (const Buffer& buffer : all) data.push_back(static_cast<char*>(buffer.get()));
    const StreamLoop loop = capability.stream(shape.outputs, shape.inputs);
    run(state, n, bytes, [&] { loop(data.data(), n * size); });
  });
  for (size_t activation = 0; activation < std::size(kActivations); ++activation) {
    add(capability, kActivations[activation] + ("/" + pass), dtype, n, [=](benchmark::State& state) {
      const auto all = buffers(dtype, n, operands);
      cpu::Block block{};
      for (int k = 0; k < operands; ++k) {
        block.data[k] = static_cast<char*>(all[k].get());
        block.strides[k] = size;
      }
      block.n = n, block.rows = 1;
      const double params[] = {1.0};
      Pointwise problem{};
      problem.activation = static_cast<int>(activation);
      problem.pass = shape.pass;
      problem.dtype = dtype;
      problem.params = params;
      const cpu::PointwiseLoop loop = capability.kernels->pointwise(problem);
      run(state, n, bytes, [&] { loop(params, block); });
    });
  }
}

// -------------------------------------------------------------------------------------------------------- per channel

struct ChannelCase {
  const char* name;
  int inputs, outputs, params, sums;
};
constexpr ChannelCase kFormulas[] = {
#define ACTINIUM_CASE(Name)                                                                       \
  {#Name, math::Name<double>::kInputs, math::Name<double>::kOutputs, math::Name<double>::kParams, \
   math::Name<double>::kSums},
    ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_CASE)};

constexpr int64_t kChannels = 256;

// Channels as the fastest dim ("last"), and slower than a row of an image's channel ("rows").
struct Geometry {
  const char* name;
  int64_t outer, channels, inner;
};
std::vector<Geometry> geometries(int64_t n) { return {{"last", n / kChannels, kChannels, 1}, {"rows", 1, 8, n / 8}}; }

void add_channelwise(const Capability& capability, ScalarType dtype, int64_t n) {
  const int64_t size = c10::elementSize(dtype);
  for (const Geometry& g : geometries(n)) {
    for (size_t formula = 0; formula < std::size(kFormulas); ++formula) {
      const ChannelCase& c = kFormulas[formula];
      add(capability, std::string(c.name) + "/" + g.name, dtype, n, [=](benchmark::State& state) {
        const auto all = buffers(dtype, n, c.inputs + c.outputs);
        const auto params = buffers(opmath(dtype), g.channels, c.params);
        std::vector<double> sums(c.sums * g.channels);
        Channelwise problem{};
        problem.formula = static_cast<int>(formula);
        problem.dtype = dtype;
        problem.outer = g.outer, problem.channels = g.channels, problem.inner = g.inner;
        for (int k = 0; k < c.inputs; ++k) problem.inputs[k] = all[k].get();
        for (int k = 0; k < c.outputs; ++k) problem.outputs[k] = all[c.inputs + k].get();
        for (int k = 0; k < c.params; ++k) problem.params[k] = params[k].get(), problem.param_strides[k] = 1;
        problem.number = 100;  // above every variance's magnitude, so that the root is a number
        problem.sums = sums.data();
        const cpu::ChannelUnits units(g.outer, g.channels, g.inner);
        const cpu::ChannelLoop loop = capability.kernels->channelwise(problem);
        run(state, n, (c.inputs + c.outputs) * n * size, [&] { loop(problem, units, 0, units.count, sums.data()); });
      });
    }
    add(capability, std::string("channel_stats/") + g.name, dtype, n, [=](benchmark::State& state) {
      const Buffer x(dtype, n, 1);
      const ChannelStats problem{dtype, g.outer, g.channels, g.inner, x.get(), nullptr, nullptr};
      const cpu::ChannelUnits units(g.outer, g.channels, g.inner);
      const cpu::StatsLoop loop = capability.kernels->channel_stats(problem);
      std::vector<cpu::Moments> moments(g.channels);
      run(state, n, n * size, [&] { loop(problem, units, 0, units.count, moments.data()); });
    });
  }
}

// -------------------------------------------------------------------------------------------------------------- maxout

// n elements of the input, pieces side by side ("unit") or rows of 64 elements apart ("rows").
void add_maxout(const Capability& capability, ScalarType dtype, int64_t n) {
  struct Kind {
    const char* name;
    Maxout::Pass pass;
  };
  for (const Kind& kind : {Kind{"forward", Maxout::Pass::kForward}, Kind{"backward", Maxout::Pass::kBackward},
                           Kind{"gather", Maxout::Pass::kGather}}) {
    for (const int64_t pieces : {2, 4}) {
      for (const int64_t inner : {1, 64}) {
        const std::string what = "Maxout" + std::to_string(pieces) + (inner == 1 ? "/unit/" : "/rows/") + kind.name;
        const Maxout::Pass pass = kind.pass;
        add(capability, what, dtype, n, [=](benchmark::State& state) {
          const int64_t units = n / pieces;
          const Buffer input(dtype, n, 1), values(dtype, units, 2);
          std::vector<uint8_t> indices(units);
          Maxout problem{Maxout::Pass::kForward, dtype,         units / inner, pieces, inner, input.get(),
                         values.get(),           indices.data()};
          capability.kernels->maxout(problem)(problem, 0, units);  // the indices that the other passes read
          problem.pass = pass;
          const cpu::MaxoutLoop loop = capability.kernels->maxout(problem);
          const int64_t size = c10::elementSize(dtype);
          run(state, n, (n + units) * size + units, [&] { loop(problem, 0, units); });
        });
      }
    }
  }
}

void add_all() {
  for (const Capability& capability : available()) {
    for (const ScalarType dtype : kDtypes) {
      for (const int64_t n : kSizes) {
        for (const Shape& shape : kPasses) add_pointwise(capability, shape, dtype, n);
        add_channelwise(capability, dtype, n);
        add_maxout(capability, dtype, n);
      }
    }
  }
}

}  // namespace
}  // namespace actinium::benchmarks

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  actinium::benchmarks::add_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
