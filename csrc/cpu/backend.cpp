// The CPU's backend: chooses the instruction set once, cuts a problem into work for the threads, adds up their sums.
#include "csrc/backend.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/util/Exception.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "csrc/cpu/kernels.h"
#include "csrc/math/activations.h"

namespace actinium::cpu {
namespace {

// Elements below which a second thread costs more than it brings, as at::internal::GRAIN_SIZE.
constexpr int64_t kGrain = 32768;

// Follows torch's own choice, and so ATEN_CPU_CAPABILITY.
const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
#if defined(__x86_64__)
    const std::string capability = at::get_cpu_capability();
    if (capability == "AVX512") return AVX512::kKernels;
    if (capability == "AVX2") return AVX2::kKernels;
#endif
    return DEFAULT::kKernels;
  }();
  return chosen;
}

// Bytes that the largest cache holds.
int64_t cache_size() {
#if defined(_SC_LEVEL3_CACHE_SIZE)
  static const int64_t size = std::max(sysconf(_SC_LEVEL3_CACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE));
  if (size > 0) return size;
#endif
  return int64_t{32} << 20;
}

// Whether outputs are to be written past the caches: they would only drive out what is there. Not where an output is
// an input as well, whose lines have been read into the caches.
bool worth_streaming(const Pointwise& problem, int outputs, int64_t bytes) {
  if (bytes * outputs <= cache_size()) return false;
  for (int k = 0; k < outputs; ++k) {
    if (problem.data[k] == nullptr) return false;
    for (int i = outputs; i < Pointwise::kMaxOperands; ++i) {
      if (problem.data[i] == problem.data[k]) return false;
    }
  }
  return true;
}

// Elements [begin, end) of a problem, counted in its own order, as rows along the fastest dimension. The first and the
// last row may be parts; those between them are handed on together, as far as one stride leads from each to the next.
void pointwise_range(const Pointwise& problem, const PointwiseLoop loop, Block block, int64_t begin, int64_t end) {
  constexpr int kOperands = Pointwise::kMaxOperands;
  const int64_t width = problem.sizes[0];
  const bool one_row = problem.ndim == 1;
  for (int k = 0; k < kOperands; ++k) {
    const bool there = problem.data[k] != nullptr;
    block.strides[k] = there ? problem.strides[k][0] : 0;
    block.row_strides[k] = there && !one_row ? problem.strides[k][1] : 0;
  }
  while (begin < end) {
    int64_t index[Pointwise::kMaxDims], rest = begin;
    for (int d = 0; d < problem.ndim; ++d) {
      index[d] = rest % problem.sizes[d];
      rest /= problem.sizes[d];
    }
    for (int k = 0; k < kOperands; ++k) {
      block.data[k] = problem.data[k];
      if (block.data[k] == nullptr) continue;
      for (int d = 0; d < problem.ndim; ++d) block.data[k] += index[d] * problem.strides[k][d];
    }
    block.n = std::min(width - index[0], end - begin);
    block.rows = block.n < width || one_row ? 1 : std::min(problem.sizes[1] - index[1], (end - begin) / width);
    loop(problem.params, block);
    begin += block.n * block.rows;
  }
}

void pointwise(const Pointwise& problem) {
  const PointwiseLoop loop = kernels().pointwise(problem);
  int64_t numel = 1;
  for (int d = 0; d < problem.ndim; ++d) numel *= problem.sizes[d];
  Block block;
  block.stream = worth_streaming(problem, outputs_of(problem.pass), numel * c10::elementSize(problem.dtype));
  at::parallel_for(0, numel, kGrain,
                   [&](int64_t begin, int64_t end) { pointwise_range(problem, loop, block, begin, end); });
}

// Cuts units into one range per thread, so that sums depend on the number of threads alone, and calls
// f(range's number, begin, end).
template <class F>
void for_ranges(const ChannelUnits& units, int64_t ranges, F f) {
  at::parallel_for(0, ranges, 1, [&](int64_t first, int64_t last) {
    for (int64_t range = first; range < last; ++range) {
      f(range, units.count * range / ranges, units.count * (range + 1) / ranges);
    }
  });
}

int64_t count_ranges(const ChannelUnits& units) {
  const int64_t worth = std::max<int64_t>(1, units.count * units.elements / kGrain);
  return std::min<int64_t>({at::get_num_threads(), worth, std::max<int64_t>(1, units.count)});
}

int channel_sums(int formula) {
  switch (static_cast<math::ChannelFormula>(formula)) {
#define ACTINIUM_CASE(Name)           \
  case math::ChannelFormula::k##Name: \
    return math::Name<double>::kSums;
    ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
    case math::ChannelFormula::kBiasForward:
      return 0;
    case math::ChannelFormula::kBiasBackward:
      return 1;
  }
  return 0;
}

// Writes numbers as float or double, whichever the dtype's opmath is.
template <class F>
void write_opmath(c10::ScalarType dtype, void* to, int64_t n, F value) {
  if (dtype == c10::ScalarType::Double) {
    for (int64_t i = 0; i < n; ++i) static_cast<double*>(to)[i] = value(i);
  } else {
    for (int64_t i = 0; i < n; ++i) static_cast<float*>(to)[i] = static_cast<float>(value(i));
  }
}

void channelwise(const Channelwise& problem) {
  const ChannelLoop loop = kernels().channelwise(problem);
  const ChannelUnits units(problem.outer, problem.channels, problem.inner);
  const int64_t ranges = count_ranges(units);
  const int64_t width = problem.sums ? channel_sums(problem.formula) * problem.channels : 0;
  std::vector<double> sums(ranges * width);
  for_ranges(units, ranges, [&](int64_t range, int64_t begin, int64_t end) {
    loop(problem, units, begin, end, width ? sums.data() + range * width : nullptr);
  });
  if (width == 0) return;
  write_opmath(problem.dtype, problem.sums, width, [&](int64_t i) {
    double sum = 0;
    for (int64_t range = 0; range < ranges; ++range) sum += sums[range * width + i];
    return sum;
  });
}

void channel_stats(const ChannelStats& problem) {
  const StatsLoop loop = kernels().channel_stats(problem);
  const ChannelUnits units(problem.outer, problem.channels, problem.inner);
  const int64_t ranges = count_ranges(units);
  std::vector<Moments> moments(ranges * problem.channels, Moments{0, 0, 0});
  for_ranges(units, ranges, [&](int64_t range, int64_t begin, int64_t end) {
    loop(problem, units, begin, end, moments.data() + range * problem.channels);
  });
  for (int64_t range = 1; range < ranges; ++range) {
    for (int64_t c = 0; c < problem.channels; ++c) moments[c].merge(moments[range * problem.channels + c]);
  }
  // The statistics of nothing are NaN (0 / 0), as those of at::var_mean are.
  write_opmath(problem.dtype, problem.mean, problem.channels,
               [&](int64_t c) { return moments[c].mean + 0 / moments[c].n; });
  write_opmath(problem.dtype, problem.var, problem.channels, [&](int64_t c) { return moments[c].m2 / moments[c].n; });
}

void maxout(const Maxout& problem) {
  const MaxoutLoop loop = kernels().maxout(problem);
  const int64_t grain = std::max<int64_t>(1, kGrain / problem.pieces);
  at::parallel_for(0, problem.outer * problem.inner, grain,
                   [&](int64_t begin, int64_t end) { loop(problem, begin, end); });
}

// Rows are independent of each other. Outputs that find no room in the caches go past them.
template <class Problem, class Loop>
void rows(const Problem& problem, const Loop loop, int64_t n, int outputs) {
  const SoftmaxUnits units(problem.dtype, problem.outer, problem.inner);
  const int64_t row = n * units.width;
  const bool stream =
      units.count * row * static_cast<int64_t>(c10::elementSize(problem.dtype)) * outputs > cache_size();
  at::parallel_for(0, units.count, std::max<int64_t>(1, kGrain / row),
                   [&](int64_t begin, int64_t end) { loop(problem, units, begin, end, stream); });
}
void softmax(const Softmax& problem) { rows(problem, kernels().softmax(problem), problem.n, 1); }
void cross_entropy(const CrossEntropy& problem) {
  rows(problem, kernels().cross_entropy(problem), problem.classes,
       (problem.grad_input != nullptr) + (problem.grad_probabilities != nullptr));
}

constexpr Backend kBackend{pointwise, channelwise, channel_stats, maxout, softmax, cross_entropy};
[[maybe_unused]] const bool kRegistered = (register_backend(c10::DeviceType::CPU, &kBackend), true);

}  // namespace
}  // namespace actinium::cpu
