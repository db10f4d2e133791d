// Softmax, its logarithm and cross-entropy over the middle of [outer, n, inner]: a row to a block where it is long, to
// a warp where it is short, or, where rows lie side by side, to a thread.
//
// A row is read twice, the second time from the caches if it finds room there: its maximum and its sum are taken at the
// same time, each thread for itself and then merged.
#include "csrc/cuda/device.h"
#include "csrc/cuda/divider.h"
#include "csrc/cuda/kernels.h"
#include "csrc/cuda/launch.h"
#include "csrc/math/softmax.h"

namespace actinium::cuda {
namespace {

using math::RowExp;
using math::RowTotal;

constexpr int kThreads = 256;
constexpr int kWarp = 32;
// Elements that a thread reads before it computes.
constexpr int kChunk = 8;

// The threads of a group have a row together.
template <int kGroup_>
struct Rows {
  static constexpr int kGroup = kGroup_;
  static constexpr int kBlockRows = kThreads / kGroup;  // rows of a block at a time

  int64_t count, n, inner;
  Divider<uint64_t> across;

  Rows(int64_t outer, int64_t n_, int64_t inner_)
      : count(outer * inner_), n(n_), inner(inner_), across(static_cast<uint64_t>(inner_)) {}

  // Where element 0 of a row is; element j is j * inner further.
  ACTINIUM_HD int64_t first(int64_t row) const {
    uint64_t column = static_cast<uint64_t>(row);
    const auto outer = static_cast<int64_t>(across.divmod(column));
    return outer * n * inner + static_cast<int64_t>(column);
  }
};

// Calls body(row, whether there is one) for the rows of a group, the same number of times for all groups of a block:
// they wait for each other.
template <int kGroup, class Body>
__device__ __forceinline__ void for_rows(const Rows<kGroup>& rows, const Body& body) {
  constexpr int64_t kStep = Rows<kGroup>::kBlockRows;
  for (int64_t first = blockIdx.x * kStep; first < rows.count; first += gridDim.x * kStep) {
    const int64_t row = first + threadIdx.x / kGroup;
    body(row < rows.count ? row : rows.count - 1, row < rows.count);
  }
}

// The value of merge(a, b) over all threads of a group, in all of them, and in the same order in every run.
template <int kGroup, class T, class Merge>
__device__ __forceinline__ T over_group(T value, const Merge& merge) {
#pragma unroll
  for (int distance = (kGroup < kWarp ? kGroup : kWarp) / 2; distance > 0; distance /= 2) {
    value = merge(value, __shfl_xor_sync(~0u, value, distance));
  }
  if constexpr (kGroup > kWarp) {
    __shared__ T warps[kThreads / kWarp];
    if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = warps[0];
#pragma unroll
    for (int w = 1; w < kThreads / kWarp; ++w) value = merge(value, warps[w]);
    __syncthreads();
  }
  return value;
}
template <int kGroup, class T>
__device__ __forceinline__ T group_max(T value) {
  return over_group<kGroup>(value, [](T a, T b) { return a > b ? a : b; });
}
template <int kGroup>
__device__ __forceinline__ double group_sum(double value) {
  return over_group<kGroup>(value, [](double a, double b) { return a + b; });
}

// f(j) for the elements j of the row that are this thread's.
template <int kGroup, class F>
__device__ __forceinline__ void each(const Rows<kGroup>& rows, bool present, const F& f) {
  if (!present) return;
#pragma unroll 4
  for (int64_t j = threadIdx.x % kGroup; j < rows.n; j += kGroup) f(j);
}
template <int kGroup, class F>
__device__ __forceinline__ double sum_of(const Rows<kGroup>& rows, bool present, const F& term) {
  double sum = 0;
  each(rows, present, [&](int64_t j) { sum += static_cast<double>(term(j)); });
  return group_sum<kGroup>(sum);
}

template <bool kApart, int kGroup, class S>
__device__ __forceinline__ RowTotal<opmath_t<S>, kApart> total_of(const Rows<kGroup>& rows, const S* x) {
  using T = opmath_t<S>;
  using P = math::Prim<T>;
  constexpr T kNone = -__builtin_huge_val();
  RowTotal<T, kApart> mine(kNone);
  for (int64_t j = threadIdx.x % kGroup; j < rows.n; j += kGroup * kChunk) {
    T values[kChunk], max = kNone;
#pragma unroll
    for (int c = 0; c < kChunk; ++c) {
      const int64_t at = j + c * kGroup;
      values[c] = at < rows.n ? widen(x[at * rows.inner]) : kNone;
      max = P::max(values[c], max);  // what is not a number is not taken
    }
    mine.extend(max);
    T sum = 0, ties = 0;
#pragma unroll
    for (int c = 0; c < kChunk; ++c) {
      const T e = mine.exp()(values[c]).value();
      const bool tie = kApart && values[c] == mine.max();
      sum = sum + (tie ? T(0) : e);
      ties = ties + (tie ? T(1) : T(0));
    }
    mine.add({sum, T(0)}, ties);
  }
  RowTotal<T, kApart> total(group_max<kGroup>(mine.max()));
  mine.extend(total.max());
  const double sum = group_sum<kGroup>(static_cast<double>(mine.sum().sum) + static_cast<double>(mine.sum().lost));
  const T head = static_cast<T>(sum);
  total.add({head, static_cast<T>(sum - static_cast<double>(head))},
            kApart ? static_cast<T>(group_sum<kGroup>(static_cast<double>(mine.ties()))) : T(0));
  return total;
}

// --------------------------------------------------------------------------------------------------------- softmax

template <class S, int kGroup, bool kLog>
__global__ void __launch_bounds__(kThreads, 1) softmax_forward(const Rows<kGroup> rows, const S* input, S* output) {
  using T = opmath_t<S>;
  for_rows(rows, [&](int64_t row, bool present) {
    const S* const x = input + rows.first(row);
    S* const y = output + rows.first(row);
    const auto total = total_of<kLog>(rows, x);
    if constexpr (kLog) {
      const T less = total.log().value();
      each(rows, present,
           [&](int64_t j) { y[j * rows.inner] = narrow<S>((widen(x[j * rows.inner]) - total.max()) - less); });
    } else {
      const auto over = total.inverse();
      each(rows, present, [&](int64_t j) {
        y[j * rows.inner] = narrow<S>(over.times(total.exp()(widen(x[j * rows.inner])).value()));
      });
    }
  });
}

template <class S, int kGroup, bool kLog>
__global__ void __launch_bounds__(kThreads, 1)
    softmax_backward(const Rows<kGroup> rows, const S* grad, const S* output, S* grad_input) {
  using T = opmath_t<S>;
  for_rows(rows, [&](int64_t row, bool present) {
    const int64_t first = rows.first(row);
    const auto at = [&](const S* p, int64_t j) { return widen(p[first + j * rows.inner]); };
    const T sum = static_cast<T>(
        sum_of(rows, present, [&](int64_t j) { return kLog ? at(grad, j) : at(grad, j) * at(output, j); }));
    each(rows, present, [&](int64_t j) {
      const T g = at(grad, j), y = at(output, j);
      const T dx = kLog ? math::Prim<T>::fnma(math::exp_of_log(y), sum, g) : y * (g - sum);
      grad_input[first + j * rows.inner] = narrow<S>(dx);
    });
  });
}

// --------------------------------------------------------------------------------------------------- cross-entropy

template <class S>
__device__ __forceinline__ math::Classes<opmath_t<S>, opmath_t<S>> classes_of(const CrossEntropy& p) {
  using T = opmath_t<S>;
  return {p.indices,      p.classes,        static_cast<const T*>(p.weight), static_cast<const T*>(p.weight_sum),
          p.ignore_index, p.label_smoothing};
}

template <class S, int kGroup, bool kIndex>
__global__ void __launch_bounds__(kThreads, 1) loss_forward(const Rows<kGroup> rows, const CrossEntropy p) {
  using T = opmath_t<S>;
  const auto classes = classes_of<S>(p);
  for_rows(rows, [&](int64_t row, bool present) {
    const S* const x = static_cast<const S*>(p.input) + rows.first(row);
    const S* const t = static_cast<const S*>(p.probabilities) + (kIndex ? 0 : rows.first(row));
    const auto total = total_of<true>(rows, x);
    const auto log = total.log();
    // sum_j c_j (lse - x_j), but for the class of an index
    T value = 0;
    if (!kIndex || classes.smooth != 0) {
      value = static_cast<T>(sum_of(rows, present, [&](int64_t j) {
        const T w = classes.weight ? classes.weight[j] : T(1);
        const T c = kIndex ? w : w * math::Prim<T>::fma(widen(t[j * rows.inner]), classes.sharp, classes.smooth);
        return c * ((total.max() - widen(x[j * rows.inner])) + log.value());
      }));
    }
    if (!present || threadIdx.x % kGroup != 0) return;
    p.lse[row] = static_cast<double>(total.max()) + static_cast<double>(log.head) + static_cast<double>(log.tail);
    if constexpr (kIndex) {
      const auto index = classes.index(row);
      value = classes.loss(index, (total.max() - widen(x[index.y * rows.inner])) + log.value(), value);
      static_cast<T*>(p.row_weight)[row] = index.weight;
    }
    static_cast<T*>(p.loss)[row] = value;
  });
}

template <class S, int kGroup, bool kIndex>
__global__ void __launch_bounds__(kThreads, 1) loss_backward(const Rows<kGroup> rows, const CrossEntropy p) {
  using T = opmath_t<S>;
  using P = math::Prim<T>;
  const auto classes = classes_of<S>(p);
  for_rows(rows, [&](int64_t row, bool present) {
    const int64_t first = rows.first(row);
    const S* const x = static_cast<const S*>(p.input) + first;
    const double lse = p.lse[row];
    const T head = static_cast<T>(lse), tail = static_cast<T>(lse - static_cast<double>(head));
    const T g = static_cast<const T*>(p.grad)[row * p.grad_stride];
    const RowExp<T> exp(head);
    const T over = exp.over(head, tail);
    const auto weight = [&](int64_t j) { return classes.weight ? classes.weight[j] : T(1); };
    const auto probability = [&](int64_t j) { return exp(widen(x[j * rows.inner])).times(over); };
    if constexpr (kIndex) {
      S* const dx = static_cast<S*>(p.grad_input) + first;
      const auto index = classes.index(row);
      const T scale = g * classes.total(index), even = g * classes.even(index), own = g * classes.own(index);
      each(rows, present, [&](int64_t j) {
        const T less = index.counts && j == index.y ? own : even * weight(j);
        dx[j * rows.inner] = narrow<S>(P::fma(probability(j), scale, -less));
      });
    } else {
      const S* const t = static_cast<const S*>(p.probabilities) + first;
      const auto coefficient = [&](int64_t j) {
        return weight(j) * P::fma(widen(t[j * rows.inner]), classes.sharp, classes.smooth);
      };
      const T sum = static_cast<T>(sum_of(rows, present, coefficient));
      each(rows, present, [&](int64_t j) {
        if (p.grad_input) {
          S* const dx = static_cast<S*>(p.grad_input) + first;
          dx[j * rows.inner] = narrow<S>(g * P::fma(probability(j), sum, -coefficient(j)));
        }
        if (p.grad_probabilities) {
          S* const dt = static_cast<S*>(p.grad_probabilities) + first;
          dt[j * rows.inner] = narrow<S>(g * classes.sharp * (weight(j) * ((head - widen(x[j * rows.inner])) + tail)));
        }
      });
    }
  });
}

// ------------------------------------------------------------------------------------------------------- launching

template <auto kKernel, int kGroup, class... Args>
void start(const Rows<kGroup>& rows, const Args&... args) {
  const int64_t blocks = std::min(ceil_div<int64_t>(rows.count, rows.kBlockRows), resident_blocks<kKernel>(kThreads));
  launch(kKernel, blocks, kThreads, rows, args...);
}

// Calls f with the rows in groups of the size for them.
template <class F>
void with_rows(int64_t outer, int64_t n, int64_t inner, const F& f) {
  if (inner > 1) return f(Rows<1>(outer, n, inner));
  if (n <= kWarp * kChunk * 4) return f(Rows<kWarp>(outer, n, inner));
  return f(Rows<kThreads>(outer, n, inner));
}

template <bool kLog>
void run(const Softmax& problem) {
  with_dtype(problem.dtype, [&](auto zero) {
    using S = decltype(zero);
    const auto* const input = static_cast<const S*>(problem.input);
    const auto* const known = static_cast<const S*>(problem.known);
    auto* const output = static_cast<S*>(problem.output);
    with_rows(problem.outer, problem.n, problem.inner, [&](const auto& rows) {
      constexpr int kGroup = std::decay_t<decltype(rows)>::kGroup;
      if (problem.backward) {
        start<softmax_backward<S, kGroup, kLog>>(rows, input, known, output);
      } else {
        start<softmax_forward<S, kGroup, kLog>>(rows, input, output);
      }
    });
  });
}

template <bool kIndex>
void run(const CrossEntropy& problem) {
  with_dtype(problem.dtype, [&](auto zero) {
    using S = decltype(zero);
    with_rows(problem.outer, problem.classes, problem.inner, [&](const auto& rows) {
      constexpr int kGroup = std::decay_t<decltype(rows)>::kGroup;
      if (problem.backward) {
        start<loss_backward<S, kGroup, kIndex>>(rows, problem);
      } else {
        start<loss_forward<S, kGroup, kIndex>>(rows, problem);
      }
    });
  });
}

}  // namespace

void softmax(const Softmax& problem) {
  if (problem.outer * problem.n * problem.inner == 0) return;
  problem.log ? run<true>(problem) : run<false>(problem);
}

void cross_entropy(const CrossEntropy& problem) {
  if (problem.outer * problem.classes * problem.inner == 0) return;
  problem.indices ? run<true>(problem) : run<false>(problem);
}

}  // namespace actinium::cuda
