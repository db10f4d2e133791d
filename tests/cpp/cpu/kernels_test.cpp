// The loops of every instruction set that this machine has, called directly: the same value gives the same bits
// wherever it lies, AVX2 and AVX-512 agree to the bit, nothing is written where nothing belongs, and sums, statistics
// and maxima agree with the plainest code that computes them.
#include "csrc/cpu/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "csrc/math/activations.h"
#include "tests/cpp/processor.h"

namespace actinium::cpu {
namespace {

struct Capability {
  const char* name;
  const Kernels* kernels;
};

std::vector<Capability> available() {
  std::vector<Capability> here{{"DEFAULT", &DEFAULT::kKernels}};
#if defined(__x86_64__)
  if (test::has_avx2()) here.push_back({"AVX2", &AVX2::kKernels});
  if (test::has_avx512()) here.push_back({"AVX512", &AVX512::kKernels});
#endif
  return here;
}

TEST(Cpu, HasTheExpectedInstructionSets) {
  const char* expected = std::getenv("ACTINIUM_TEST_CAPABILITY");
  if (expected == nullptr) GTEST_SKIP() << "ctest says what to expect";
  EXPECT_EQ(available().back().name, std::string(expected));
}

class Loops : public testing::TestWithParam<Capability> {
 protected:
  const Kernels& kernels() const { return *GetParam().kernels; }
};
INSTANTIATE_TEST_SUITE_P(Cpu, Loops, testing::ValuesIn(available()),
                         [](const auto& info) { return std::string(info.param.name); });

// ------------------------------------------------------------------------------------------------------ pointwise

#define ACTINIUM_COUNT(Name) +1
constexpr int kActivations = 0 ACTINIUM_ACTIVATIONS(ACTINIUM_COUNT);
constexpr int kGates = kActivations ACTINIUM_GATES(ACTINIUM_COUNT);
#undef ACTINIUM_COUNT

struct Shape {
  Pass pass;
  int outputs, inputs;
};
constexpr Shape kPasses[] = {{Pass::kForward, 1, 1},
                             {Pass::kBackward, 1, 2},
                             {Pass::kDoubleBackward, 2, 3},
                             {Pass::kGated, 1, 2},
                             {Pass::kGatedBackward, 2, 3}};
constexpr double kParams[] = {1.25, 1.25};

// Every activation or gate and what it has a pass for.
std::vector<std::pair<int, Shape>> formulas() {
  std::vector<std::pair<int, Shape>> all;
  for (const Shape& shape : kPasses) {
    for (int i = 0; i < (is_gated(shape.pass) ? kGates : kActivations); ++i) all.emplace_back(i, shape);
  }
  return all;
}

template <class scalar_t>
constexpr c10::ScalarType kDtype = c10::CppTypeToScalarType<scalar_t>::value;

// Ordinary numbers, both tails and what is special.
template <class scalar_t>
std::vector<scalar_t> samples(int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 3);
  std::uniform_real_distribution<double> wide(-120, 120);
  const double inf = std::numeric_limits<double>::infinity();
  const double special[] = {0.0, -0.0, inf, -inf, std::nan(""), 1e-40, -1e-40, 88.8, -88.8, -103.9, 1e30, -1e30};
  std::vector<scalar_t> x(n);
  for (int64_t i = 0; i < n; ++i) {
    x[i] = static_cast<scalar_t>(i % 7 == 3 ? special[i / 7 % std::size(special)]
                                 : i % 2    ? normal(random)
                                            : wide(random));
  }
  return x;
}

template <class scalar_t>
bool same_bits(const scalar_t& a, const scalar_t& b) {
  if (a != a && b != b) return true;  // any NaN is a NaN
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// Runs a loop over one row.
void run_row(const Kernels& kernels, Pointwise& problem, char* const* data, const int64_t* strides, int64_t n,
             bool stream = false) {
  problem.params = kParams;
  Block block{};
  std::copy(data, data + Pointwise::kMaxOperands, block.data);
  std::copy(strides, strides + Pointwise::kMaxOperands, block.strides);
  block.n = n;
  block.rows = 1;
  block.stream = stream;
  kernels.pointwise(problem)(kParams, block);
}

// The outputs of one pass over n elements; operand k starts `offset` elements into its buffer, `step` apart.
template <class scalar_t>
std::vector<std::vector<scalar_t>> run(const Kernels& kernels, int activation, const Shape& shape,
                                       const std::vector<std::vector<scalar_t>>& inputs, int64_t n, int64_t offset,
                                       int64_t step, bool stream = false) {
  Pointwise problem{};
  problem.activation = activation;
  problem.pass = shape.pass;
  problem.dtype = kDtype<scalar_t>;
  const scalar_t guard = static_cast<scalar_t>(-77.0);
  const size_t room = static_cast<size_t>(offset + n * step + 8);
  std::vector<std::vector<scalar_t>> buffers(shape.outputs + shape.inputs, std::vector<scalar_t>(room, guard));
  char* data[Pointwise::kMaxOperands] = {};
  int64_t strides[Pointwise::kMaxOperands] = {};
  for (int k = 0; k < shape.outputs + shape.inputs; ++k) {
    if (k >= shape.outputs) {
      for (int64_t i = 0; i < n; ++i) buffers[k][offset + i * step] = inputs[k - shape.outputs][i];
    }
    data[k] = reinterpret_cast<char*>(buffers[k].data() + offset);
    strides[k] = step * static_cast<int64_t>(sizeof(scalar_t));
  }
  run_row(kernels, problem, data, strides, n, stream);

  std::vector<std::vector<scalar_t>> outputs(shape.outputs);
  for (int k = 0; k < shape.outputs; ++k) {
    for (int64_t i = 0; i < static_cast<int64_t>(room); ++i) {
      const bool written = i >= offset && i < offset + n * step && (i - offset) % step == 0;
      if (written) {
        outputs[k].push_back(buffers[k][i]);
      } else {
        EXPECT_TRUE(same_bits(buffers[k][i], guard)) << "element " << i << " was written";
      }
    }
  }
  return outputs;
}

template <class scalar_t>
void expect_bits(const std::vector<std::vector<scalar_t>>& a, const std::vector<std::vector<scalar_t>>& b,
                 const std::string& what) {
  for (size_t k = 0; k < a.size(); ++k) {
    ASSERT_EQ(a[k].size(), b[k].size());
    for (size_t i = 0; i < a[k].size(); ++i) {
      ASSERT_TRUE(same_bits(a[k][i], b[k][i]))
          << what << ": output " << k << ", element " << i << ": " << static_cast<double>(a[k][i]) << " and "
          << static_cast<double>(b[k][i]);
    }
  }
}

template <class scalar_t>
void position_does_not_matter(const Kernels& kernels) {
  const int64_t n = 257;
  const std::vector<std::vector<scalar_t>> inputs{samples<scalar_t>(n, 1), samples<scalar_t>(n, 2),
                                                  samples<scalar_t>(n, 3)};
  for (const auto& [activation, shape] : formulas()) {
    const auto whole = run(kernels, activation, shape, inputs, n, 0, 1);
    for (int64_t length : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 127, 129, 256}) {
      for (int64_t step : {1, 3}) {
        auto expected = whole;
        for (auto& output : expected) output.resize(length);
        for (bool stream : {false, true}) {
          const auto part = run(kernels, activation, shape, inputs, length, 1, step, stream);
          expect_bits(part, expected, "length " + std::to_string(length) + ", step " + std::to_string(step));
        }
      }
    }
  }
}
TEST_P(Loops, PositionDoesNotMatter) {
  position_does_not_matter<float>(kernels());
  position_does_not_matter<double>(kernels());
  position_does_not_matter<c10::BFloat16>(kernels());
  position_does_not_matter<c10::Half>(kernels());
}

// Gate and up, and their gradients, at even and odd places of one tensor, from any place on.
template <class scalar_t>
void gate_and_up_in_turns(const Kernels& kernels) {
  const int64_t most = 300, size = sizeof(scalar_t);
  const std::vector<std::vector<scalar_t>> inputs{samples<scalar_t>(most, 1), samples<scalar_t>(most, 2),
                                                  samples<scalar_t>(most, 3)};
  const scalar_t guard = static_cast<scalar_t>(-77.0);
  for (const auto& [activation, shape] : formulas()) {
    if (!is_gated(shape.pass)) continue;
    const int gate = shape.inputs - 2;
    const auto expected = run(kernels, activation, shape, inputs, most, 0, 1);
    for (int64_t n : {1, 7, 16, 33, 64, 129, 300}) {
      for (int64_t offset : {0, 1, 32}) {
        for (bool stream : {false, true}) {
          std::vector<scalar_t> x(2 * n + offset), dx(2 * n + offset + 8, guard), out(n + 8, guard);
          for (int64_t i = 0; i < n; ++i) {
            x[offset + 2 * i] = inputs[gate][i];
            x[offset + 2 * i + 1] = inputs[gate + 1][i];
          }
          Pointwise problem{};
          problem.activation = activation;
          problem.pass = shape.pass;
          problem.dtype = kDtype<scalar_t>;
          const bool forward = shape.outputs == 1;
          scalar_t* const operands[] = {forward ? out.data() : dx.data() + offset,
                                        forward ? x.data() + offset : dx.data() + offset + 1,
                                        forward ? x.data() + offset + 1 : const_cast<scalar_t*>(inputs[0].data()),
                                        x.data() + offset, x.data() + offset + 1};
          char* data[Pointwise::kMaxOperands];
          for (int k = 0; k < Pointwise::kMaxOperands; ++k) data[k] = reinterpret_cast<char*>(operands[k]);
          const int64_t forward_strides[] = {size, 2 * size, 2 * size, 0, 0};
          const int64_t backward_strides[] = {2 * size, 2 * size, size, 2 * size, 2 * size};
          run_row(kernels, problem, data, forward ? forward_strides : backward_strides, n, stream);
          for (int k = 0; k < shape.outputs; ++k) {
            for (int64_t i = 0; i < n; ++i) {
              ASSERT_TRUE(same_bits(forward ? out[i] : dx[offset + 2 * i + k], expected[k][i])) << i << " of " << n;
            }
          }
          for (int64_t i = 0; i < 8; ++i) {
            ASSERT_TRUE(same_bits(dx[offset + 2 * n + i], guard) && same_bits(out[n + i], guard)) << "overrun";
          }
        }
      }
    }
  }
}
TEST_P(Loops, GateAndUpInTurns) {
  gate_and_up_in_turns<float>(kernels());
  gate_and_up_in_turns<double>(kernels());
  gate_and_up_in_turns<c10::BFloat16>(kernels());
  gate_and_up_in_turns<c10::Half>(kernels());
}

TEST_P(Loops, OneGradientForAllElements) {
  const int64_t n = 37;
  const auto x = samples<float>(n, 1);
  std::vector<float> expected(n), actual(n), grad(n, 1.5f);
  Pointwise problem{};
  problem.pass = Pass::kBackward;
  problem.dtype = c10::ScalarType::Float;
  for (problem.activation = 0; problem.activation < kActivations; ++problem.activation) {
    const auto call = [&](std::vector<float>& out, int64_t stride) {
      char* data[Pointwise::kMaxOperands] = {reinterpret_cast<char*>(out.data()), reinterpret_cast<char*>(grad.data()),
                                             reinterpret_cast<char*>(const_cast<float*>(x.data()))};
      const int64_t strides[Pointwise::kMaxOperands] = {4, stride, 4};
      run_row(kernels(), problem, data, strides, n);
    };
    call(expected, 4);
    call(actual, 0);
    for (int64_t i = 0; i < n; ++i) ASSERT_TRUE(same_bits(expected[i], actual[i])) << i;
  }
}

TEST_P(Loops, AnOutputThatIsNotWantedIsLeftOut) {
  const int64_t n = 37;
  const auto a = samples<float>(n, 1), g = samples<float>(n, 2), x = samples<float>(n, 3);
  Pointwise problem{};
  problem.pass = Pass::kDoubleBackward;
  problem.dtype = c10::ScalarType::Float;
  const int64_t strides[] = {4, 4, 4, 4, 4};
  const auto bytes = [](const std::vector<float>& v) { return reinterpret_cast<char*>(const_cast<float*>(v.data())); };
  std::vector<float> first(n), second(n), alone(n);
  char* both[] = {bytes(first), bytes(second), bytes(a), bytes(g), bytes(x)};
  run_row(kernels(), problem, both, strides, n);
  char* one[] = {nullptr, bytes(alone), bytes(a), bytes(g), bytes(x)};
  run_row(kernels(), problem, one, strides, n);
  for (int64_t i = 0; i < n; ++i) ASSERT_TRUE(same_bits(second[i], alone[i])) << i;
}

template <class scalar_t>
void instruction_sets_agree(const Capability& a, const Capability& b) {
  const int64_t n = 4096;
  const std::vector<std::vector<scalar_t>> inputs{samples<scalar_t>(n, 1), samples<scalar_t>(n, 2),
                                                  samples<scalar_t>(n, 3)};
  for (const auto& [activation, shape] : formulas()) {
    expect_bits(run(*a.kernels, activation, shape, inputs, n, 0, 1),
                run(*b.kernels, activation, shape, inputs, n, 0, 1), std::string(a.name) + " and " + b.name);
  }
}
TEST(Cpu, InstructionSetsAgreeToTheBit) {
  const auto here = available();
  for (size_t i = 2; i < here.size(); ++i) {  // DEFAULT computes in double and is its own
    instruction_sets_agree<float>(here[1], here[i]);
    instruction_sets_agree<double>(here[1], here[i]);
    instruction_sets_agree<c10::BFloat16>(here[1], here[i]);
    instruction_sets_agree<c10::Half>(here[1], here[i]);
  }
}

// ---------------------------------------------------------------------------------------------------- channelwise

struct Geometry {
  int64_t outer, channels, inner;
};
// Columns and pieces; around the vector widths, the rows of a tile, its columns, the length of a piece, and where rows
// are taken together.
constexpr Geometry kGeometries[] = {{1, 1, 1},    {5, 3, 1},    {64, 8, 1},   {65, 17, 1},  {200, 33, 1}, {2, 1030, 1},
                                    {1, 5, 7},    {3, 4, 16},   {2, 3, 65},   {1, 1, 5000}, {2, 2, 2049}, {7, 1, 64},
                                    {130, 16, 1}, {4, 9, 4},    {1000, 3, 1}, {999, 1, 1},  {400, 17, 1}, {2100, 2, 3},
                                    {70, 20, 49}, {1, 2, 4100}, {515, 5, 2}};

template <class scalar_t>
struct Channel {
  using Param = std::conditional_t<std::is_same_v<scalar_t, double>, double, float>;
  int64_t n, c, inner;
  explicit Channel(const Geometry& g) : n(g.outer * g.channels * g.inner), c(g.channels), inner(g.inner) {}
  int64_t of(int64_t i) const { return i / inner % c; }

  std::vector<scalar_t> values(unsigned seed, double offset = 0) const {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(offset, 1);
    std::vector<scalar_t> v(n);
    for (auto& x : v) x = static_cast<scalar_t>(normal(random));
    return v;
  }
  std::vector<Param> params(unsigned seed) const {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(0.5, 1.5);
    std::vector<Param> v(c);
    for (auto& x : v) x = static_cast<Param>(uniform(random));
    return v;
  }
};

// Runs the units in `ranges` parts, as threads would, and adds their sums up.
template <class scalar_t>
std::vector<double> run_channels(const Kernels& kernels, const Channelwise& problem, int sums, int ranges) {
  const ChannelUnits units(problem.outer, problem.channels, problem.inner);
  std::vector<double> totals(sums * problem.channels);
  const ChannelLoop loop = kernels.channelwise(problem);
  for (int r = 0; r < ranges; ++r) {
    loop(problem, units, units.count * r / ranges, units.count * (r + 1) / ranges, totals.data());
  }
  return totals;
}

template <class scalar_t>
void channel_sums_and_elements(const Kernels& kernels, double tolerance) {
  for (const Geometry& g : kGeometries) {
    const Channel<scalar_t> channel(g);
    const auto grad = channel.values(1), x = channel.values(2);
    const auto beta = channel.params(3);
    std::vector<scalar_t> dx(channel.n + 8, static_cast<scalar_t>(-77.0));
    std::vector<double> expected(channel.c), magnitude(channel.c);
    Channelwise problem{};
    problem.formula = static_cast<int>(math::ChannelFormula::kSwishBackward);
    problem.dtype = kDtype<scalar_t>;
    problem.outer = g.outer, problem.channels = g.channels, problem.inner = g.inner;
    problem.inputs[0] = grad.data(), problem.inputs[1] = x.data();
    problem.outputs[0] = dx.data();
    problem.params[0] = beta.data(), problem.param_strides[0] = 1;
    problem.sums = &expected;  // only whether it is null matters to a loop
    const auto sums = run_channels<scalar_t>(kernels, problem, 1, 1);
    for (int64_t i = 0; i < channel.n; ++i) {
      const double b = beta[channel.of(i)], v = static_cast<double>(x[i]), s = 1 / (1 + std::exp(-b * v));
      const double df = s + b * v * s * (1 - s), term = static_cast<double>(grad[i]) * v * v * s * (1 - s);
      ASSERT_NEAR(static_cast<double>(dx[i]), static_cast<double>(grad[i]) * df, tolerance * 8) << i;
      expected[channel.of(i)] += term;
      magnitude[channel.of(i)] += std::abs(term);
    }
    for (int64_t i = channel.n; i < channel.n + 8; ++i) ASSERT_EQ(static_cast<double>(dx[i]), -77.0) << "overrun";
    for (int64_t c = 0; c < channel.c; ++c) {
      ASSERT_NEAR(sums[c], expected[c], 1e-6 * magnitude[c] + 1e-12) << "channel " << c;
    }

    // Sums alone, elements alone, and cut into ranges.
    problem.outputs[0] = nullptr;
    EXPECT_EQ(run_channels<scalar_t>(kernels, problem, 1, 1), sums);
    const auto cut = run_channels<scalar_t>(kernels, problem, 1, 3);
    for (int64_t c = 0; c < channel.c; ++c) ASSERT_NEAR(cut[c], sums[c], 1e-9 * magnitude[c] + 1e-15);
    std::vector<scalar_t> again(channel.n);
    problem.outputs[0] = again.data();
    problem.sums = nullptr;
    run_channels<scalar_t>(kernels, problem, 1, 3);
    EXPECT_EQ(std::memcmp(again.data(), dx.data(), channel.n * sizeof(scalar_t)), 0);
  }
}
TEST_P(Loops, ChannelSumsAndElements) {
  channel_sums_and_elements<float>(kernels(), 1e-6);
  channel_sums_and_elements<double>(kernels(), 1e-14);
  channel_sums_and_elements<c10::BFloat16>(kernels(), 8e-3);
  channel_sums_and_elements<c10::Half>(kernels(), 1e-3);
}

// act(x + b) is the activation's own loop over the sums, and the gradient of b the sum of that of x.
TEST_P(Loops, Biases) {
  for (const Geometry& g : kGeometries) {
    const Channel<float> channel(g);
    const auto grad = channel.values(1), x = channel.values(2);
    const auto bias = channel.params(3);
    std::vector<std::vector<float>> in{grad, x};
    for (int64_t i = 0; i < channel.n; ++i) in[1][i] += bias[channel.of(i)];
    for (int activation = 0; activation < kActivations; ++activation) {
      Channelwise problem{};
      problem.activation = activation;
      problem.number = kParams[0];
      problem.dtype = c10::ScalarType::Float;
      problem.outer = g.outer, problem.channels = g.channels, problem.inner = g.inner;
      problem.params[0] = bias.data(), problem.param_strides[0] = 1;
      std::vector<float> out(channel.n), dx(channel.n);
      problem.formula = static_cast<int>(math::ChannelFormula::kBiasForward);
      problem.inputs[0] = x.data(), problem.outputs[0] = out.data();
      run_channels<float>(kernels(), problem, 0, 2);
      problem.formula = static_cast<int>(math::ChannelFormula::kBiasBackward);
      problem.inputs[0] = grad.data(), problem.inputs[1] = x.data(), problem.outputs[0] = dx.data();
      const auto sums = run_channels<float>(kernels(), problem, 1, 2);

      // Where sums of floats are rounded to floats: DEFAULT computes in double.
      const bool rounded = GetParam().name != std::string("DEFAULT");
      const auto want = run<float>(kernels(), activation, kPasses[0], {in[1]}, channel.n, 0, 1);
      const auto slope = run<float>(kernels(), activation, kPasses[1], in, channel.n, 0, 1);
      std::vector<double> totals(channel.c), magnitude(channel.c);
      for (int64_t i = 0; i < channel.n; ++i) {
        ASSERT_TRUE(rounded ? same_bits(out[i], want[0][i])
                            : std::abs(out[i] - want[0][i]) < 1e-6 * (1 + std::abs(out[i])));
        ASSERT_TRUE(rounded ? same_bits(dx[i], slope[0][i]) : std::abs(dx[i] - slope[0][i]) < 1e-5) << i;
        totals[channel.of(i)] += dx[i];
        magnitude[channel.of(i)] += std::abs(dx[i]);
      }
      for (int64_t c = 0; c < channel.c; ++c) ASSERT_NEAR(sums[c], totals[c], 1e-6 * magnitude[c] + 1e-12);
    }
  }
}

TEST_P(Loops, OneParameterForAllChannels) {
  const Geometry g{65, 17, 1};
  const Channel<float> channel(g);
  const auto x = channel.values(1);
  const std::vector<float> one{0.75f}, all(channel.c, 0.75f);
  std::vector<float> a(channel.n), b(channel.n);
  Channelwise problem{};
  problem.formula = static_cast<int>(math::ChannelFormula::kSwishForward);
  problem.dtype = c10::ScalarType::Float;
  problem.outer = g.outer, problem.channels = g.channels, problem.inner = g.inner;
  problem.inputs[0] = x.data();
  problem.outputs[0] = a.data(), problem.params[0] = one.data(), problem.param_strides[0] = 0;
  run_channels<float>(kernels(), problem, 0, 1);
  problem.outputs[0] = b.data(), problem.params[0] = all.data(), problem.param_strides[0] = 1;
  run_channels<float>(kernels(), problem, 0, 1);
  EXPECT_EQ(a, b);
}

// A mean that dwarfs the deviations is what E[x^2] - E[x]^2 fails at.
template <class scalar_t>
void statistics(const Kernels& kernels, double offset, double tolerance) {
  for (const Geometry& g : kGeometries) {
    const Channel<scalar_t> channel(g);
    const auto x = channel.values(5, offset);
    const ChannelStats problem{kDtype<scalar_t>, g.outer, g.channels, g.inner, x.data(), nullptr, nullptr};
    const ChannelUnits units(g.outer, g.channels, g.inner);
    const StatsLoop loop = kernels.channel_stats(problem);
    for (int ranges : {1, 3}) {
      std::vector<Moments> total(channel.c, Moments{0, 0, 0});
      for (int r = 0; r < ranges; ++r) {
        std::vector<Moments> part(channel.c, Moments{0, 0, 0});
        loop(problem, units, units.count * r / ranges, units.count * (r + 1) / ranges, part.data());
        for (int64_t c = 0; c < channel.c; ++c) total[c].merge(part[c]);
      }
      std::vector<long double> mean(channel.c), m2(channel.c);
      const long double count = static_cast<long double>(channel.n / channel.c);
      for (int64_t i = 0; i < channel.n; ++i) mean[channel.of(i)] += static_cast<double>(x[i]) / count;
      for (int64_t i = 0; i < channel.n; ++i) {
        const long double d = static_cast<double>(x[i]) - mean[channel.of(i)];
        m2[channel.of(i)] += d * d;
      }
      for (int64_t c = 0; c < channel.c; ++c) {
        ASSERT_EQ(total[c].n, static_cast<double>(count));
        ASSERT_NEAR(total[c].mean, static_cast<double>(mean[c]), tolerance * (1 + std::abs(offset))) << c;
        // The error grows with mean / deviation, not with its square.
        ASSERT_NEAR(total[c].m2, static_cast<double>(m2[c]),
                    (20 * tolerance + 1e-15 * offset) * static_cast<double>(m2[c]) + 1e-12)
            << c;
      }
    }
  }
}
TEST_P(Loops, Statistics) {
  statistics<float>(kernels(), 0, 1e-6);
  statistics<float>(kernels(), 1000, 1e-6);
  statistics<double>(kernels(), 1e6, 1e-14);
  statistics<c10::BFloat16>(kernels(), 0, 1e-6);
  statistics<c10::Half>(kernels(), 10, 1e-6);
}

// --------------------------------------------------------------------------------------------------------- maxout

template <class scalar_t>
void maxout(const Kernels& kernels) {
  for (const auto& [outer, pieces, inner] : std::vector<std::array<int64_t, 3>>{{1, 1, 1},
                                                                                {37, 2, 1},
                                                                                {20, 3, 1},
                                                                                {19, 8, 1},
                                                                                {5, 2, 4},
                                                                                {3, 4, 16},
                                                                                {2, 5, 33},
                                                                                {1, 256, 17},
                                                                                {2, 256, 1}}) {
    const int64_t n = outer * inner;
    auto x = samples<scalar_t>(n * pieces, 11);
    for (int64_t i = 0; i + 1 < n * pieces; i += 5) x[i + 1] = x[i];  // ties
    std::vector<scalar_t> values(n + 4, static_cast<scalar_t>(-77.0)), gathered(n), alone(n);
    std::vector<uint8_t> indices(n + 4, 99);
    Maxout problem{Maxout::Pass::kForward, kDtype<scalar_t>, outer, pieces, inner, x.data(),
                   values.data(),          indices.data()};
    const auto cut = [&](const Maxout& p) {  // two ranges, as two threads would
      const MaxoutLoop loop = kernels.maxout(p);
      loop(p, 0, n / 3);
      loop(p, n / 3, n);
    };
    cut(problem);
    for (int64_t p = 0; p < n; ++p) {
      const auto at = [&](int64_t j) { return x[(p / inner * pieces + j) * inner + p % inner]; };
      int64_t best = 0;
      for (int64_t j = 1; j < pieces; ++j) {
        if (at(best) == at(best) && (at(j) > at(best) || at(j) != at(j))) best = j;
      }
      ASSERT_EQ(indices[p], best) << outer << " " << pieces << " " << inner << " at " << p;
      ASSERT_TRUE(same_bits(values[p], at(best)));
    }
    ASSERT_EQ(indices[n], 99) << "overrun";
    ASSERT_EQ(static_cast<double>(values[n]), -77.0) << "overrun";

    problem.indices = nullptr, problem.values = alone.data();
    cut(problem);
    for (int64_t p = 0; p < n; ++p) ASSERT_TRUE(same_bits(alone[p], values[p]));

    // With a bias for every column of a row, in the type that is computed in; the winners are those of the sums.
    const auto bias = samples<scalar_t>(pieces * inner, 13);
    std::vector<uint8_t> winners(n);
    problem.bias = bias.data(), problem.indices = winners.data();
    cut(problem);
    for (int64_t p = 0; p < n; ++p) {
      using opmath_t = std::conditional_t<std::is_same_v<scalar_t, double>, double, float>;
      const auto sum = [&](int64_t j) {
        return static_cast<opmath_t>(x[(p / inner * pieces + j) * inner + p % inner]) +
               static_cast<opmath_t>(bias[j * inner + p % inner]);
      };
      int64_t best = 0;
      for (int64_t j = 1; j < pieces; ++j) {
        if (sum(best) == sum(best) && (sum(j) > sum(best) || sum(j) != sum(j))) best = j;
      }
      // The copy without vectors compares float32 as double.
      if (winners[p] != best) ASSERT_EQ(static_cast<float>(sum(winners[p])), static_cast<float>(sum(best)));
      ASSERT_TRUE(same_bits(alone[p], static_cast<scalar_t>(sum(best)))) << outer << " " << pieces << " " << inner;
    }
    problem.bias = nullptr;

    problem.pass = Maxout::Pass::kGather, problem.indices = indices.data(), problem.values = gathered.data();
    cut(problem);
    for (int64_t p = 0; p < n; ++p) ASSERT_TRUE(same_bits(gathered[p], values[p]));

    if (pieces < 255) {  // an index that selects nothing
      indices[n - 1] = 255;
      cut(problem);
      ASSERT_EQ(static_cast<double>(gathered[n - 1]), 0);
    }
    const auto grad = samples<scalar_t>(n, 12);
    std::vector<scalar_t> dx(n * pieces, static_cast<scalar_t>(-77.0));
    problem.pass = Maxout::Pass::kBackward;
    problem.values = const_cast<scalar_t*>(grad.data()), problem.input = dx.data();
    cut(problem);
    for (int64_t p = 0; p < n; ++p) {
      for (int64_t j = 0; j < pieces; ++j) {
        const scalar_t expected = indices[p] == j ? grad[p] : static_cast<scalar_t>(0.0);
        ASSERT_TRUE(same_bits(dx[(p / inner * pieces + j) * inner + p % inner], expected));
      }
    }
  }
}
TEST_P(Loops, Maxout) {
  maxout<float>(kernels());
  maxout<double>(kernels());
  maxout<c10::BFloat16>(kernels());
  maxout<c10::Half>(kernels());
}

}  // namespace
}  // namespace actinium::cpu
