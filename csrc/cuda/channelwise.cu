// Formulas with a parameter per channel, their sums over channels, and the statistics of channels.
//
// Sums are the same in every run: every thread adds up what the map gives it in a fixed order, the threads of a block
// are added as a tree, and a second small kernel adds up the blocks.
#include <utility>

#include "csrc/cuda/channelwise_map.h"
#include "csrc/cuda/device.h"
#include "csrc/cuda/kernels.h"
#include "csrc/cuda/launch.h"
#include "csrc/math/activations.h"

namespace actinium::cuda {
namespace {

constexpr int kThreads = kChannelThreads;
// Blocks that a multiprocessor must have the registers for: enough threads to hide the memory's latency.
template <class S>
constexpr int kMinBlocks = sizeof(S) > 4 ? 2 : 3;

constexpr int at_least_one(int n) { return n > 0 ? n : 1; }

// ------------------------------------------------------------------------------------------------------- reducing

// A sum that gives the next term what rounding took from the last (Kahan), so that its error does not grow with its
// length.
template <class T>
struct Compensated {
  T sum = 0, lost = 0;

  __device__ __forceinline__ void add(T x) {
    const T term = x + lost, total = sum + term;
    // An infinite sum has lost nothing that could be told.
    lost = isfinite(total) ? term - (total - sum) : T(0);
    sum = total;
  }
};

template <class T, int N>
struct Sums {
  T at[N];
  __device__ __forceinline__ void merge(const Sums& other) {
#pragma unroll
    for (int i = 0; i < N; ++i) at[i] += other.at[i];
  }
};

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

// Merges the lanes of a block into lane 0. shared: one value per thread.
template <class Value>
__device__ __forceinline__ void reduce(Value* shared, Value& mine, int lane, int lanes, int distance) {
  shared[threadIdx.x] = mine;
  for (int half = lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) {
      mine.merge(shared[threadIdx.x + half * distance]);
      shared[threadIdx.x] = mine;
    }
  }
}

// Merges the blocks' results [chunks][count] and calls write(i, merged). Some threads, 2^log_lanes, share a result.
template <class Value, class Partial, class Write>
__global__ void __launch_bounds__(kThreads) fold_kernel(const Partial* partial, const int64_t count,
                                                        const int64_t chunks, const int log_lanes, const Write write) {
  __shared__ Value shared[kThreads];
  const int lanes = 1 << log_lanes, width = kThreads >> log_lanes;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * width + (threadIdx.x & (width - 1));
  const int lane = threadIdx.x / width;
  Value value{};
  if (i < count) {
#pragma unroll 4
    for (int64_t chunk = lane; chunk < chunks; chunk += lanes) value.merge(Value{partial[chunk * count + i]});
  }
  reduce(shared, value, lane, lanes, width);
  if (lane == 0 && i < count) write(i, value);
}

template <class Value, class Partial, class Write>
void fold(const Partial* partial, int64_t count, int64_t chunks, const Write& write) {
  int log_lanes = 0;
  while ((4 << log_lanes) < chunks && (1 << log_lanes) < kThreads) ++log_lanes;
  launch(fold_kernel<Value, Partial, Write>, ceil_div<int64_t>(count, kThreads >> log_lanes), kThreads, partial, count,
         chunks, log_lanes, write);
}

template <class T>
struct WriteSum {
  T* sums;
  __device__ void operator()(int64_t i, const Sums<double, 1>& sum) const { sums[i] = static_cast<T>(sum.at[0]); }
};

template <class T>
struct WriteMoments {
  T *mean, *var;
  __device__ void operator()(int64_t i, const Moments& moments) const {
    mean[i] = static_cast<T>(moments.mean);
    var[i] = static_cast<T>(moments.m2 / moments.n);
  }
};

inline int64_t device_blocks() { return device_threads() / kThreads; }

// ---------------------------------------------------------------------------------------------------- elements in

// The elements of a thread in the step from item `from` on: where they are, and bit by bit whether they are there. Of a
// vector, whose elements all are or all are not, only the first is looked at.
template <bool kLast, int W>
struct Step {
  bool vector;
  unsigned valid = 0;
  int64_t address[W];

  __device__ __forceinline__ Step(const ChannelMap<kLast, W>& map, const ChannelThread& thread, int64_t from)
      : vector(map.vector) {
#pragma unroll
    for (int e = 0; e < W; ++e) {
      const int64_t channel = thread.channel + e * thread.channel_step;
      const int64_t item = from + thread.item + e * thread.item_step;
      if (channel < map.channels && item < thread.end) {
        valid |= 1u << e;
        if (e == 0 || !vector) address[e] = map.address(channel, item);
      }
    }
  }
  __device__ __forceinline__ bool has(int e) const { return valid >> e & 1; }

  template <class S>
  __device__ __forceinline__ Vector<S, W> load(const S* p) const {
    if (vector && valid) return cuda::load<Vector<S, W>>(p + address[0]);
    Vector<S, W> v;
#pragma unroll
    for (int e = 0; e < W; ++e) v.at[e] = has(e) ? p[address[e]] : narrow<S>(0);
    return v;
  }
  template <class S>
  __device__ __forceinline__ void store(S* p, const Vector<S, W>& v) const {
    if (vector) {
      if (valid) cuda::store(p + address[0], v);
      return;
    }
#pragma unroll
    for (int e = 0; e < W; ++e) {
      if (has(e)) p[address[e]] = v.at[e];
    }
  }
};

// Elements of a step: what the registers allow. Where channels are the fastest dimension, a thread keeps the parameters
// and sums of each of its channels.
template <class S, bool kLast, int kPerChannel>
constexpr int kWidth = sizeof(S) > 4 || (kLast && kPerChannel > 3) ? 2 : 4;
// Steps that a thread reads before it computes any.
template <class S, int W>
constexpr int kSteps = sizeof(S) * W < 8 ? 2 : 1;

// ------------------------------------------------------------------------------------------------------- formulas

template <class F, class S>
struct ChannelArguments {
  using T = opmath_t<S>;
  const S* inputs[at_least_one(F::kInputs)];
  S* outputs[at_least_one(F::kOutputs)];
  const T* params[at_least_one(F::kParams)];
  int64_t param_strides[at_least_one(F::kParams)];
  double eps;
  T* sums;  // [chunks][kSums][channels]
};

// One formula for every channel of a thread.
template <class F, class T, class Channels>
struct Formulas;
template <class F, class T, size_t... kIndex>
struct Formulas<F, T, std::index_sequence<kIndex...>> {
  F at[sizeof...(kIndex)];
  __device__ __forceinline__ Formulas(const T (&params)[sizeof...(kIndex)][at_least_one(F::kParams)], double eps)
      : at{F(params[kIndex], eps)...} {}
};

// kWrite and kSum say at compile time what is wanted, so that the work for the rest is not done.
template <class F, class S, bool kLast, int W, bool kWrite, bool kSum>
__global__ void __launch_bounds__(kThreads, kMinBlocks<S>)
    channel_kernel(const __grid_constant__ ChannelMap<kLast, W> map,
                   const __grid_constant__ ChannelArguments<F, S> arguments) {
  using T = opmath_t<S>;
  constexpr int kChannels = kLast ? W : 1, kUnroll = kSteps<S, W>, kSums = kSum ? F::kSums : 0;

  const ChannelThread thread = map.thread(blockIdx.x, threadIdx.x);
  T params[kChannels][at_least_one(F::kParams)];
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
    const int64_t channel = thread.channel + c * thread.channel_step;
#pragma unroll
    for (int k = 0; k < F::kParams; ++k) {
      params[c][k] = channel < map.channels ? arguments.params[k][channel * arguments.param_strides[k]] : T(1);
    }
  }
  const Formulas<F, T, std::make_index_sequence<kChannels>> formulas(params, arguments.eps);
  Compensated<T> totals[at_least_one(kSums)][kChannels];

  for (int64_t from = thread.begin; from < thread.end; from += kUnroll * map.stride()) {
    Vector<S, W> in[kUnroll][at_least_one(F::kInputs)];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const Step<kLast, W> step(map, thread, from + u * map.stride());
#pragma unroll
      for (int k = 0; k < F::kInputs; ++k) in[u][k] = step.load(arguments.inputs[k]);
    }
    T batch[at_least_one(kSums)][kChannels] = {};
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const Step<kLast, W> step(map, thread, from + u * map.stride());
      T y[at_least_one(F::kOutputs)][W];
#pragma unroll
      for (int e = 0; e < W; ++e) {
        constexpr int last = kLast ? 1 : 0;
        T x[at_least_one(F::kInputs)], out[at_least_one(F::kOutputs)], terms[at_least_one(F::kSums)];
#pragma unroll
        for (int k = 0; k < F::kInputs; ++k) x[k] = widen(in[u][k].at[e]);
        formulas.at[last * e](x, out, terms);
#pragma unroll
        for (int k = 0; k < F::kOutputs; ++k) y[k][e] = out[k];
#pragma unroll
        for (int k = 0; k < kSums; ++k) batch[k][last * e] += step.has(e) ? terms[k] : T(0);
      }
      if constexpr (kWrite) {
#pragma unroll
        for (int k = 0; k < F::kOutputs; ++k) {
          if (F::kOutputs > 1 && arguments.outputs[k] == nullptr) continue;
          step.store(arguments.outputs[k], narrow<S, W>(y[k]));
        }
      }
    }
#pragma unroll
    for (int k = 0; k < kSums; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) totals[k][c].add(batch[k][c]);
    }
  }

  if constexpr (kSums > 0) {
    using Total = Sums<T, kSums * kChannels>;
    __shared__ Total shared[kThreads];
    Total total;
#pragma unroll
    for (int k = 0; k < kSums; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) total.at[k * kChannels + c] = totals[k][c].sum;
    }
    reduce(shared, total, thread.lane, map.lanes(), map.lane_distance());
    if (thread.lane != 0) return;
    T* const sums = arguments.sums + thread.chunk * kSums * map.channels;
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
      const int64_t channel = thread.channel + c * thread.channel_step;
#pragma unroll
      for (int k = 0; k < kSums; ++k) {
        if (channel < map.channels) sums[k * map.channels + channel] = total.at[k * kChannels + c];
      }
    }
  }
}

template <class F, class S, bool kLast, bool kWrite, bool kSum>
void run(const Channelwise& problem) {
  using T = opmath_t<S>;
  constexpr int W = kWidth<S, kLast, F::kParams + 2 * F::kSums>;
  ChannelArguments<F, S> arguments{};
  uintptr_t pointers = 0;  // their lowest bits, together
  for (int k = 0; k < F::kInputs; ++k) {
    arguments.inputs[k] = static_cast<const S*>(problem.inputs[k]);
    pointers |= reinterpret_cast<uintptr_t>(problem.inputs[k]);
  }
  for (int k = 0; k < F::kOutputs; ++k) {
    arguments.outputs[k] = static_cast<S*>(problem.outputs[k]);
    pointers |= reinterpret_cast<uintptr_t>(problem.outputs[k]);
  }
  for (int k = 0; k < F::kParams; ++k) {
    arguments.params[k] = static_cast<const T*>(problem.params[k]);
    arguments.param_strides[k] = problem.param_strides[k];
  }
  arguments.eps = problem.eps;
  const ChannelMap<kLast, W> map(problem.outer, problem.channels, problem.inner, pointers % (W * sizeof(S)) == 0,
                                 device_blocks());
  const auto start = [&](T* sums) {
    arguments.sums = sums;
    launch(channel_kernel<F, S, kLast, W, kWrite, kSum>, map.blocks(), kThreads, map, arguments);
  };
  if (!kSum || map.chunks == 1) {
    start(static_cast<T*>(problem.sums));
  } else {
    const int64_t count = F::kSums * problem.channels;
    const Scratch<T> partial(map.chunks * count);
    start(partial.data());
    fold<Sums<double, 1>>(partial.data(), count, map.chunks, WriteSum<T>{static_cast<T*>(problem.sums)});
  }
}

template <class F, class S, bool kWrite, bool kSum>
void run(const Channelwise& problem) {
  if (problem.inner == 1) {
    run<F, S, true, kWrite, kSum>(problem);
  } else {
    run<F, S, false, kWrite, kSum>(problem);
  }
}

template <template <class> class Formula>
void run(const Channelwise& problem) {
  with_dtype(problem.dtype, [&](auto zero) {
    using S = decltype(zero);
    using F = Formula<opmath_t<S>>;
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

template <class S, bool kLast, int W>
__global__ void __launch_bounds__(kThreads, kMinBlocks<S>)
    stats_kernel(const __grid_constant__ ChannelMap<kLast, W> map, const S* input, Moments* partial) {
  using T = opmath_t<S>;
  // What a thread reads before it computes: of every channel, a few values whose mean and deviations are found by two
  // passes over registers.
  constexpr int kUnroll = 16 / W, kChannels = kLast ? W : 1, kValues = kUnroll * W / kChannels;
  const ChannelThread thread = map.thread(blockIdx.x, threadIdx.x);
  Moments totals[kChannels] = {};
  for (int64_t from = thread.begin; from < thread.end; from += kUnroll * map.stride()) {
    Vector<S, W> in[kUnroll];
    unsigned valid = 0;  // bit i: the i-th value of a channel is one; the same for all channels of a thread that exist
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const Step<kLast, W> step(map, thread, from + u * map.stride());
      in[u] = step.load(input);
      valid |= (kLast ? step.valid & 1 : step.valid) << (u * map.kItems);
    }
    const int count = __popc(valid);
    if (count == 0) continue;
    const T share = T(1) / static_cast<T>(count);
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
      T x[kValues], sum = 0;
#pragma unroll
      for (int i = 0; i < kValues; ++i) {
        x[i] = widen(kLast ? in[i].at[c] : in[i / W].at[i % W]);
        if (valid >> i & 1) sum += x[i];
      }
      // The second pass also sums the deviations, which tells how far the rounded mean is off.
      const T mean = sum * share;
      T off = 0, squares = 0;
#pragma unroll
      for (int i = 0; i < kValues; ++i) {
        const T d = valid >> i & 1 ? x[i] - mean : T(0);
        off += d;
        squares += d * d;
      }
      const double n = count, correction = static_cast<double>(off) * static_cast<double>(share);
      totals[c].merge({n, mean + correction, squares - off * correction},
                      static_cast<T>(n) / static_cast<T>(totals[c].n + n));
    }
  }

  __shared__ Moments shared[kThreads];
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
    if (c > 0) __syncthreads();
    reduce(shared, totals[c], thread.lane, map.lanes(), map.lane_distance());
    const int64_t channel = thread.channel + c * thread.channel_step;
    if (thread.lane == 0 && channel < map.channels) partial[thread.chunk * map.channels + channel] = totals[c];
  }
}

template <class S, bool kLast>
void run(const ChannelStats& problem) {
  using T = opmath_t<S>;
  constexpr int W = kWidth<S, kLast, 0>;
  const bool aligned = reinterpret_cast<uintptr_t>(problem.input) % (W * sizeof(S)) == 0;
  const ChannelMap<kLast, W> map(problem.outer, problem.channels, problem.inner, aligned, device_blocks());
  const Scratch<Moments> partial(map.chunks * problem.channels);
  launch(stats_kernel<S, kLast, W>, map.blocks(), kThreads, map, static_cast<const S*>(problem.input), partial.data());
  fold<Moments>(partial.data(), problem.channels, map.chunks,
                WriteMoments<T>{static_cast<T*>(problem.mean), static_cast<T*>(problem.var)});
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
