#pragma once
// The kernels of formulas with a parameter per channel, and their sums over channels.
//
// Sums are the same in every run: every thread adds up what the map gives it in a fixed order, the threads of a block
// are added as a tree, and a second small kernel adds up the blocks.
#include <utility>

#include "csrc/backend.h"
#include "csrc/cuda/channelwise_map.h"
#include "csrc/cuda/device.h"
#include "csrc/cuda/launch.h"

namespace actinium::cuda {
namespace {

constexpr int kThreads = kChannelThreads;
constexpr int at_least_one(int n) { return n > 0 ? n : 1; }

// ------------------------------------------------------------------------------------------------------- reducing

template <int N>
struct Sums {
  double at[N];
  __device__ __forceinline__ void merge(const Sums& other) {
#pragma unroll
    for (int i = 0; i < N; ++i) at[i] += other.at[i];
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
__global__ void __launch_bounds__(kThreads, 1)
    fold_kernel(const Partial* partial, const int64_t count, const int64_t chunks, const int log_lanes,
                const Write write) {
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
  __device__ void operator()(int64_t i, const Sums<1>& sum) const { sums[i] = static_cast<T>(sum.at[0]); }
};

// ------------------------------------------------------------------------------------------------------- formulas

template <class F, class S>
struct ChannelArguments {
  using T = opmath_t<S>;
  const S* inputs[at_least_one(F::kInputs)];
  S* outputs[at_least_one(F::kOutputs)];
  const T* params[at_least_one(F::kParams)];
  int64_t param_strides[at_least_one(F::kParams)];
  double number;
  // Of every chunk, or if there is but one, what is wanted: [kSums][channels].
  double* partial;  // [chunks][kSums][channels]
  T* sums;
};

// One formula for every channel of a thread.
template <class F, class T, class Channels>
struct Formulas;
template <class F, class T, size_t... kIndex>
struct Formulas<F, T, std::index_sequence<kIndex...>> {
  F at[sizeof...(kIndex)];
  __device__ __forceinline__ Formulas(const T (&params)[sizeof...(kIndex)][at_least_one(F::kParams)], double number)
      : at{F(params[kIndex], number)...} {}
};

// Elements of a step: 16 bytes, or what the registers allow where a thread keeps the parameters and sums of several
// channels.
template <class S, bool kLast, int kPerChannel>
constexpr int kWidth = std::min<int>(16 / sizeof(S), !kLast            ? 8
                                                     : kPerChannel > 3 ? 2
                                                                       : 4);
// Steps that a thread reads before it computes any: 64 bytes, which keep the memory busy (see pointwise_kernels.h), but
// half of that in float64, whose formulas take the registers.
template <int kBytes, int kSize>
constexpr int kSteps = kBytes >= 64                 ? 1
                       : kBytes >= 32 || kSize == 8 ? 2
                                                    : 4;
// Blocks that a multiprocessor must have the registers for. Left to itself, the compiler would spill to have more; the
// other kernels of this file say 1.
template <class F, class S>
constexpr int kMinBlocks = F::kInputs == 1 && sizeof(S)<8 ? 3 : F::kInputs> 2 && sizeof(S) == 8 ? 1 : 2;
// Terms that are added up in float before they go into a sum in double.
constexpr int kBatch = 32;

// kWrite and kSum say at compile time what is wanted, so that the work for the rest is not done.
template <class F, class S, bool kLast, int W, bool kWrite, bool kSum>
__global__ void __launch_bounds__(kThreads, kMinBlocks<F, S>)
    channel_kernel(const __grid_constant__ ChannelMap<kLast, W> map,
                   const __grid_constant__ ChannelArguments<F, S> arguments) {
  using T = compute_t<S>;
  using Real = opmath_t<S>;
  constexpr int kChannels = kLast ? W : 1, kSums = kSum ? F::kSums : 0;
  constexpr int kMost = kSteps<F::kInputs * W * sizeof(S), sizeof(S)>, kBatchSteps = kBatch / map.kItems;

  const ChannelThread thread = map.thread(blockIdx.x, threadIdx.x);
  T params[kChannels][at_least_one(F::kParams)];
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
#pragma unroll
    for (int k = 0; k < F::kParams; ++k) {
      const int64_t channel = thread.channel + c;
      params[c][k] = T(channel < map.channels ? arguments.params[k][channel * arguments.param_strides[k]] : Real(1));
    }
  }
  const Formulas<F, T, std::make_index_sequence<kChannels>> formulas(params, arguments.number);

  auto at = map.walk(thread);
  Real batch[at_least_one(kSums)][kChannels];
  const auto step = [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    Vector<S, W> in[kCount][at_least_one(F::kInputs)];
    int64_t address[kCount];
#pragma unroll
    for (int u = 0; u < kCount; ++u) {
      address[u] = at.address;
      map.advance(at);
#pragma unroll
      for (int k = 0; k < F::kInputs; ++k) in[u][k] = load<Vector<S, W>>(arguments.inputs[k] + address[u]);
    }
#pragma unroll
    for (int u = 0; u < kCount; ++u) {
      Real y[at_least_one(F::kOutputs)][W];
#pragma unroll
      for (int e = 0; e < W; ++e) {
        constexpr int last = kLast ? 1 : 0;
        T x[at_least_one(F::kInputs)], out[at_least_one(F::kOutputs)], terms[at_least_one(F::kSums)];
#pragma unroll
        for (int k = 0; k < F::kInputs; ++k) x[k] = T(widen(in[u][k].at[e]));
        formulas.at[last * e](x, out, terms);
#pragma unroll
        for (int k = 0; k < F::kOutputs; ++k) y[k][e] = static_cast<Real>(out[k]);
#pragma unroll
        for (int k = 0; k < kSums; ++k) batch[k][last * e] += static_cast<Real>(terms[k]);
      }
      if constexpr (kWrite) {
#pragma unroll
        for (int k = 0; k < F::kOutputs; ++k) {
          if (F::kOutputs > 1 && arguments.outputs[k] == nullptr) continue;
          store(arguments.outputs[k] + address[u], narrow<S, W>(y[k]));
        }
      }
    }
  };

  double totals[at_least_one(kSums)][kChannels] = {};
  while (at.left > 0) {
#pragma unroll
    for (int k = 0; k < kSums; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) batch[k][c] = 0;
    }
    int n = 0;
    for (; at.left > (kMost - 1) * map.stride && (kSums == 0 || n < kBatchSteps); n += kMost) {
      step(std::integral_constant<int, kMost>());
    }
    if constexpr (kMost > 1) {
      for (; at.left > 0 && (kSums == 0 || n < kBatchSteps); ++n) step(std::integral_constant<int, 1>());
    }
#pragma unroll
    for (int k = 0; k < kSums; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) totals[k][c] += batch[k][c];
    }
  }

  if constexpr (kSums > 0) {
    using Total = Sums<kSums * kChannels>;
    __shared__ Total shared[kThreads];
    Total total;
#pragma unroll
    for (int k = 0; k < kSums; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) total.at[k * kChannels + c] = totals[k][c];
    }
    reduce(shared, total, thread.lane, map.lanes(), map.lane_distance());
    if (thread.lane != 0 || thread.channel >= map.channels) return;
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
#pragma unroll
      for (int k = 0; k < kSums; ++k) {
        const double sum = total.at[k * kChannels + c];
        const int64_t to = k * map.channels + thread.channel + c;
        if (arguments.partial == nullptr) {
          arguments.sums[to] = static_cast<Real>(sum);
        } else {
          arguments.partial[thread.chunk * kSums * map.channels + to] = sum;
        }
      }
    }
  }
}

template <class F, class S, bool kLast, int W, bool kWrite, bool kSum>
void run(const Channelwise& problem, ChannelArguments<F, S>& arguments) {
  constexpr auto kKernel = channel_kernel<F, S, kLast, W, kWrite, kSum>;
  const ChannelMap<kLast, W> map(problem.outer, problem.channels, problem.inner, resident_blocks<kKernel>(kThreads));
  const auto start = [&] { launch(kKernel, map.blocks(), kThreads, map, arguments); };
  if (!kSum || map.chunks == 1) return start();
  const int64_t count = F::kSums * problem.channels;
  const Scratch<double> partial(map.chunks * count);
  arguments.partial = partial.data();
  start();
  fold<Sums<1>>(partial.data(), count, map.chunks, WriteSum<opmath_t<S>>{arguments.sums});
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
  arguments.number = problem.number;
  arguments.sums = static_cast<T*>(problem.sums);
  if (pointers % (W * sizeof(S)) == 0 && ChannelMap<kLast, W>::fits(problem.channels, problem.inner)) {
    run<F, S, kLast, W, kWrite, kSum>(problem, arguments);
  } else {
    run<F, S, kLast, 1, kWrite, kSum>(problem, arguments);
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

}  // namespace
}  // namespace actinium::cuda
