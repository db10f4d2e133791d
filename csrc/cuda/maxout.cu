// Maxout: the maximum over the middle of [outer, pieces, inner], its gradient, and the gather of what won.
#include "csrc/cuda/device.h"
#include "csrc/cuda/kernels.h"
#include "csrc/cuda/launch.h"
#include "csrc/cuda/maxout_map.h"

namespace actinium::cuda {
namespace {

constexpr int kThreads = kMaxoutThreads;

template <class S>
constexpr int kLanes = 16 / static_cast<int>(sizeof(S));

// The threads that run at once take those of a map in turns: from one, all_threads() apart.
__device__ __forceinline__ int64_t global_thread() { return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; }
__device__ __forceinline__ int64_t all_threads() { return static_cast<int64_t>(gridDim.x) * kThreads; }

// The pieces so far, in their order: the first of equal ones wins, a NaN wins over all and is never replaced.
template <class T>
struct Best {
  T value;
  int piece;

  __device__ __forceinline__ void next(T candidate, int j) {
    const bool wins = !(candidate <= value) && value == value;
    value = wins ? candidate : value;
    piece = wins ? j : piece;
  }
  // With a result over other pieces, which may come before or after.
  __device__ __forceinline__ void merge(const Best& other) {
    const bool nan = value != value, other_nan = other.value != other.value;
    const bool earlier = other.piece < piece;
    const bool better = other_nan || other.value > value || (other.value == value && earlier);
    const bool wins = nan ? other_nan && earlier : better;
    if (wins) *this = other;
  }
};

// ------------------------------------------------------------------------------------------------- pieces apart

template <class S, int W, bool kBias>
__global__ void __launch_bounds__(kThreads, 1)
    columns_forward(const Columns<W> map, const S* input, const S* bias, S* values, uint8_t* indices) {
  using T = opmath_t<S>;
  // The pieces of a vector of outputs, with their bias.
  const auto read = [&](int64_t thread, int j, T* x) {
    widen(load<Vector<S, W>>(input + map.input(thread) + j * map.inner), x);
    if constexpr (kBias) {
      T b[W];
      widen(load<Vector<S, W>>(bias + map.column(thread) + j * map.inner), b);
#pragma unroll
      for (int e = 0; e < W; ++e) x[e] += b[e];
    }
  };
  for (int64_t thread = global_thread(); thread < map.threads; thread += all_threads()) {
    T x[W];
    Best<T> best[W];
    read(thread, 0, x);
#pragma unroll
    for (int e = 0; e < W; ++e) best[e] = {x[e], 0};
#pragma unroll 4
    for (int j = 1; j < map.pieces; ++j) {
      read(thread, j, x);
#pragma unroll
      for (int e = 0; e < W; ++e) best[e].next(x[e], j);
    }
#pragma unroll
    for (int e = 0; e < W; ++e) x[e] = best[e].value;
    store(values + map.output(thread), narrow<S, W>(x));
    if (indices == nullptr) continue;
    Vector<uint8_t, W> winners;
#pragma unroll
    for (int e = 0; e < W; ++e) winners.at[e] = static_cast<uint8_t>(best[e].piece);
    store(indices + map.output(thread), winners);
  }
}

// The passes that only move elements do so by their size: S is an unsigned integer.
template <class S, int W>
__global__ void __launch_bounds__(kThreads, 1)
    columns_backward(const Columns<W> map, S* grad_input, const S* grad, const uint8_t* indices) {
  for (int64_t thread = global_thread(); thread < map.threads; thread += all_threads()) {
    const auto g = load<Vector<S, W>>(grad + map.output(thread));
    const auto winners = load<Vector<uint8_t, W>>(indices + map.output(thread));
    S* const piece = grad_input + map.input(thread);
    for (int j = 0; j < map.pieces; ++j) {
      Vector<S, W> out;
#pragma unroll
      for (int e = 0; e < W; ++e) out.at[e] = winners.at[e] == j ? g.at[e] : S{0};
      store(piece + j * map.inner, out);
    }
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads, 1)
    gather(const Columns<1> map, const S* input, S* values, const uint8_t* indices) {
  for (int64_t thread = global_thread(); thread < map.threads; thread += all_threads()) {
    const int64_t output = map.output(thread);
    const int64_t index = indices[output];
    values[output] = index < map.pieces ? input[map.input(thread) + index * map.inner] : S{0};
  }
}

// ------------------------------------------------------------------------------------------ few pieces side by side

template <class S, int K>
__global__ void __launch_bounds__(kThreads, 1)
    units_forward(const Units<kLanes<S>, K> map, const S* input, S* values, uint8_t* indices) {
  using T = opmath_t<S>;
  constexpr int V = kLanes<S>, R = map.kOutputs, N = map.kElements;
  for (int64_t thread = global_thread(); thread < map.threads(); thread += all_threads()) {
    const int present = map.present(thread);
    const S* const pieces = input + map.input(thread);
    const int64_t to = map.output(thread);
    T x[N], y[R];
    if (present == R) {
#pragma unroll
      for (int i = 0; i < N; i += V) widen(load<Vector<S, V>>(pieces + i), x + i);
    } else {
#pragma unroll
      for (int i = 0; i < N; ++i) x[i] = i < present * K ? widen(pieces[i]) : T(0);
    }
    Vector<uint8_t, R> winners;
#pragma unroll
    for (int r = 0; r < R; ++r) {
      Best<T> best{x[r * K], 0};
#pragma unroll
      for (int j = 1; j < K; ++j) best.next(x[r * K + j], j);
      y[r] = best.value;
      winners.at[r] = static_cast<uint8_t>(best.piece);
    }
    const auto out = narrow<S, R>(y);
    if (present == R) {
      store(values + to, out);
      if (indices) store(indices + to, winners);
    } else {
#pragma unroll
      for (int r = 0; r < R; ++r) {
        if (r >= present) break;
        values[to + r] = out.at[r];
        if (indices) indices[to + r] = winners.at[r];
      }
    }
  }
}

template <class S, int K>
__global__ void __launch_bounds__(kThreads, 1)
    units_backward(const Units<kLanes<S>, K> map, S* grad_input, const S* grad, const uint8_t* indices) {
  constexpr int V = kLanes<S>, R = map.kOutputs, N = map.kElements;
  for (int64_t thread = global_thread(); thread < map.threads(); thread += all_threads()) {
    const int present = map.present(thread);
    S* const pieces = grad_input + map.input(thread);
    const int64_t from = map.output(thread);
    Vector<S, R> g;
    Vector<uint8_t, R> winners;
    if (present == R) {
      g = load<Vector<S, R>>(grad + from);
      winners = load<Vector<uint8_t, R>>(indices + from);
    } else {
#pragma unroll
      for (int r = 0; r < R; ++r) {
        g.at[r] = r < present ? grad[from + r] : S{0};
        winners.at[r] = r < present ? indices[from + r] : uint8_t{0};
      }
    }
#pragma unroll
    for (int i = 0; i < N; i += V) {
      Vector<S, V> out;
#pragma unroll
      for (int e = 0; e < V; ++e) out.at[e] = winners.at[(i + e) / K] == (i + e) % K ? g.at[(i + e) / K] : S{0};
      if (present == R) {
        store(pieces + i, out);
      } else {
#pragma unroll
        for (int e = 0; e < V; ++e) {
          if (i + e < present * K) pieces[i + e] = out.at[e];
        }
      }
    }
  }
}

// ------------------------------------------------------------------------------------------ any pieces side by side

template <class S>
__global__ void __launch_bounds__(kThreads, 1)
    lanes_forward(const Lanes map, const S* input, S* values, uint8_t* indices) {
  using T = opmath_t<S>;
  // The threads of a warp, 32, stay together: those without an output take part in the exchange.
  for (int64_t thread = global_thread(); thread - threadIdx.x % 32 < map.threads(); thread += all_threads()) {
    const bool present = thread < map.threads();
    const int64_t output = map.output(thread);
    const int lane = map.lane(thread);
    Best<T> best{T(0), 0};
    if (present) {
      const S* const pieces = input + output * map.pieces;
      best = {widen(pieces[lane]), lane};
#pragma unroll 4
      for (int j = lane + map.lanes(); j < map.pieces; j += map.lanes()) best.next(widen(pieces[j]), j);
    }
    for (int distance = map.lanes() / 2; distance > 0; distance /= 2) {
      const T value = __shfl_xor_sync(~0u, best.value, distance);
      best.merge({value, __shfl_xor_sync(~0u, best.piece, distance)});
    }
    if (!present || lane != 0) continue;
    values[output] = narrow<S>(best.value);
    if (indices) indices[output] = static_cast<uint8_t>(best.piece);
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads, 1)
    lanes_backward(const Lanes map, S* grad_input, const S* grad, const uint8_t* indices) {
  for (int64_t thread = global_thread(); thread < map.threads(); thread += all_threads()) {
    const int64_t output = map.output(thread);
    const S g = grad[output];
    const int winner = indices[output];
    S* const pieces = grad_input + output * map.pieces;
    for (int j = map.lane(thread); j < map.pieces; j += map.lanes()) pieces[j] = winner == j ? g : S{0};
  }
}

// ------------------------------------------------------------------------------------------------------- launching

template <auto kKernel, class... Args>
void start(int64_t threads, const Args&... args) {
  const int64_t blocks = std::min(ceil_div<int64_t>(threads, kThreads), resident_blocks<kKernel>(kThreads));
  launch(kKernel, blocks, kThreads, args...);
}

// A problem with its pointers typed; S is the dtype in the forward pass, else the unsigned integer of its size.
template <class S>
struct Typed {
  const Maxout& problem;
  S* input = static_cast<S*>(problem.input);
  S* values = static_cast<S*>(problem.values);
  uint8_t* indices = problem.indices;
  const S* bias = static_cast<const S*>(problem.bias);
  bool forward = problem.pass == Maxout::Pass::kForward;

  // Vectors of some elements of the input, and of R outputs.
  bool aligned(int elements, int outputs) const {
    const auto on = [](const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; };
    return on(input, elements * sizeof(S)) && on(values, outputs * sizeof(S)) && on(indices, outputs) &&
           on(bias, elements * sizeof(S));
  }
};

template <class S, int W, bool kForward>
void columns(const Typed<S>& p) {
  const Columns<W> map(p.problem.outer, p.problem.pieces, p.problem.inner);
  if constexpr (kForward) {
    const auto start_with = [&](auto bias) {
      start<columns_forward<S, W, decltype(bias)::value>>(map.threads, map, p.input, p.bias, p.values, p.indices);
    };
    p.bias ? start_with(std::true_type()) : start_with(std::false_type());
  } else {
    start<columns_backward<S, W>>(map.threads, map, p.input, p.values, p.indices);
  }
}

// True if there is a kernel for this number of pieces and they are aligned.
template <class S, int K, bool kForward>
bool units(const Typed<S>& p) {
  using Map = Units<kLanes<S>, K>;
  if (p.problem.pieces != K || !p.aligned(kLanes<S>, Map::kOutputs)) return false;
  const Map map{p.problem.outer};
  if constexpr (kForward) {
    start<units_forward<S, K>>(map.threads(), map, p.input, p.values, p.indices);
  } else {
    start<units_backward<S, K>>(map.threads(), map, p.input, p.values, p.indices);
  }
  return true;
}

template <class S, bool kForward>
void run(const Maxout& problem) {
  const Typed<S> p{problem};
  if (problem.inner > 1 || problem.bias) {
    constexpr int W = kLanes<S>;
    if (problem.inner % W == 0 && p.aligned(W, W)) {
      columns<S, W, kForward>(p);
    } else {
      columns<S, 1, kForward>(p);
    }
  } else if (!(units<S, 2, kForward>(p) || units<S, 3, kForward>(p) || units<S, 4, kForward>(p) ||
               units<S, 5, kForward>(p) || units<S, 6, kForward>(p) || units<S, 8, kForward>(p))) {
    const Lanes map(problem.outer, problem.pieces);
    if constexpr (kForward) {
      start<lanes_forward<S>>(map.threads(), map, p.input, p.values, p.indices);
    } else {
      start<lanes_backward<S>>(map.threads(), map, p.input, p.values, p.indices);
    }
  }
}

template <class S>
void move(const Maxout& problem) {
  if (problem.pass == Maxout::Pass::kBackward) {
    run<S, false>(problem);
  } else {
    const Columns<1> map(problem.outer, problem.pieces, problem.inner);
    const Typed<S> p{problem};
    start<gather<S>>(map.threads, map, p.input, p.values, p.indices);
  }
}

}  // namespace

void maxout(const Maxout& problem) {
  if (problem.outer * problem.inner == 0) return;
  if (problem.pass == Maxout::Pass::kForward) {
    with_dtype(problem.dtype, [&](auto zero) { run<decltype(zero), true>(problem); });
    return;
  }
  switch (c10::elementSize(problem.dtype)) {
    case 2:
      return move<uint16_t>(problem);
    case 4:
      return move<uint32_t>(problem);
    case 8:
      return move<uint64_t>(problem);
    default:
      TORCH_CHECK(false, "actinium: no CUDA kernel for ", problem.dtype);
  }
}

}  // namespace actinium::cuda
