// The formulas with a parameter per channel, and the statistics of channels.
#include "csrc/cuda/channelwise_kernels.h"
#include "csrc/cuda/kernels.h"
#include "csrc/math/activations.h"

namespace actinium::cuda {
namespace {

template <template <class> class Formula>
void run(const Channelwise& problem) {
  with_dtype(problem.dtype, [&](auto zero) {
    using S = decltype(zero);
    using F = Formula<compute_t<S>>;
    bool write = false;
    for (int k = 0; k < F::kOutputs; ++k) write = write || problem.outputs[k] != nullptr;
    if constexpr (F::kSums > 0) {
      if (problem.sums != nullptr) {
        if constexpr (F::kOutputs > 0) {
          if (write) return run<F, S, true, true>(problem);
        }
        return run<F, S, false, true>(problem);
      }
    }
    if constexpr (F::kOutputs > 0) {
      if (write && problem.outer * problem.inner > 0) return run<F, S, true, false>(problem);
    }
  });
}

// ----------------------------------------------------------------------------------------------------- statistics

// Count, mean and sum of squared deviations; two of them merge as if their data had been one (Chan, Golub, LeVeque
// 1983). In double: a mean in float would be off by more than the deviations of data far from zero.
struct Moments {
  double n, mean, m2;

  // part: other's share of both counts.
  __device__ __forceinline__ void merge(const Moments& other, double part) {
    const double delta = other.mean - mean;
    mean += delta * part;
    m2 += other.m2 + delta * delta * (n * part);
    n += other.n;
  }
  __device__ __forceinline__ void merge(const Moments& other) {
    if (other.n != 0) merge(other, other.n / (n + other.n));
  }
};

template <class T>
struct WriteMoments {
  T *mean, *var;
  __device__ void operator()(int64_t i, const Moments& moments) const {
    mean[i] = static_cast<T>(moments.mean);
    var[i] = static_cast<T>(moments.m2 / moments.n);
  }
};

template <class S, bool kLast, int W>
__global__ void __launch_bounds__(kThreads, 1)
    stats_kernel(const __grid_constant__ ChannelMap<kLast, W> map, const S* input, Moments* partial) {
  using T = opmath_t<S>;
  // What a thread reads before it computes: of every channel, a few values whose mean and deviations are found by two
  // passes over registers.
  constexpr int kCount = W < 16 ? 16 / W : 1, kChannels = kLast ? W : 1, kItems = kLast ? 1 : W;
  constexpr int kValues = kCount * kItems;
  const ChannelThread thread = map.thread(blockIdx.x, threadIdx.x);
  Moments totals[kChannels] = {};
  auto at = map.walk(thread);
  const auto add = [&](auto full) {
    constexpr bool kFull = decltype(full)::value;
    Vector<S, W> in[kCount] = {};
    int count = kFull ? kValues : 0;  // values of a channel
#pragma unroll
    for (int u = 0; u < kCount; ++u) {
      if (!kFull && at.left <= 0) break;
      in[u] = load<Vector<S, W>>(input + at.address);
      map.advance(at);
      if (!kFull) count += kItems;
    }
    const T share = kFull ? T(1) / kValues : T(1) / static_cast<T>(count);
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
      T x[kValues], sum = 0;
#pragma unroll
      for (int i = 0; i < kValues; ++i) {
        x[i] = widen(kLast ? in[i].at[c] : in[i / W].at[i % W]);
        if (kFull || i < count) sum += x[i];
      }
      // The second pass also sums the deviations, which tells how far the rounded mean is off.
      const T mean = sum * share;
      T off = 0, squares = 0;
#pragma unroll
      for (int i = 0; i < kValues; ++i) {
        const T d = kFull || i < count ? x[i] - mean : T(0);
        off += d;
        squares += d * d;
      }
      const double n = count, correction = static_cast<double>(off) * static_cast<double>(share);
      totals[c].merge({n, mean + correction, squares - off * correction},
                      static_cast<T>(n) / static_cast<T>(totals[c].n + n));
    }
  };
  while (at.left > (kCount - 1) * map.stride) add(std::true_type());
  if (kCount > 1 && at.left > 0) add(std::false_type());

  __shared__ Moments shared[kThreads];
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
    if (c > 0) __syncthreads();
    reduce(shared, totals[c], thread.lane, map.lanes(), map.lane_distance());
    const int64_t channel = thread.channel + c;
    if (thread.lane == 0 && channel < map.channels) partial[thread.chunk * map.channels + channel] = totals[c];
  }
}

template <class S, bool kLast, int W>
void run(const ChannelStats& problem) {
  using T = opmath_t<S>;
  constexpr auto kKernel = stats_kernel<S, kLast, W>;
  const ChannelMap<kLast, W> map(problem.outer, problem.channels, problem.inner, resident_blocks<kKernel>(kThreads));
  const Scratch<Moments> partial(map.chunks * problem.channels);
  launch(kKernel, map.blocks(), kThreads, map, static_cast<const S*>(problem.input), partial.data());
  fold<Moments>(partial.data(), problem.channels, map.chunks,
                WriteMoments<T>{static_cast<T*>(problem.mean), static_cast<T*>(problem.var)});
}

template <class S, bool kLast>
void run(const ChannelStats& problem) {
  constexpr int W = kWidth<S, kLast, 0>;
  const bool aligned = reinterpret_cast<uintptr_t>(problem.input) % (W * sizeof(S)) == 0;
  if (aligned && ChannelMap<kLast, W>::fits(problem.channels, problem.inner)) {
    run<S, kLast, W>(problem);
  } else {
    run<S, kLast, 1>(problem);
  }
}

}  // namespace

void channelwise(const Channelwise& problem) {
  if (problem.channels == 0) return;
  switch (static_cast<math::ChannelFormula>(problem.formula)) {
#define ACTINIUM_CASE(Name)           \
  case math::ChannelFormula::k##Name: \
    return run<math::Name>(problem);
    ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
    case math::ChannelFormula::kBiasForward:
    case math::ChannelFormula::kBiasBackward:
      return bias(problem);
  }
}

void channel_stats(const ChannelStats& problem) {
  if (problem.channels == 0) return;
  with_dtype(problem.dtype, [&](auto zero) {
    using S = decltype(zero);
    if (problem.inner == 1) {
      run<S, true>(problem);
    } else {
      run<S, false>(problem);
    }
  });
}

}  // namespace actinium::cuda
