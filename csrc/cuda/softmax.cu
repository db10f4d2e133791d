// Softmax, its logarithm and cross-entropy over the middle of [outer, n, inner]: a row to a block where it is long, to
// a warp where it is short, or, where rows lie side by side, to a thread.
//
// A contiguous row is read and written in aligned vectors, several of which a thread reads before it computes; what is
// before the first and after the last one is taken element by element. Maximum and sum are found in one pass, by each
// thread for its own elements, and merged. What needs them passes through the row again, from its end: what was read
// last is still in registers, which is all of a row that is not longer, and what was read before that in the caches.
#include <initializer_list>

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
constexpr int kVectorBytes = 16;
// Of every operand, what a thread reads before it computes: vectors, or single elements.
constexpr int kVectors = 4, kSingles = 8;
// The longest row of a warp: a half of it is in registers.
constexpr int64_t kWarpBytes = 2 * kWarp * kVectors * kVectorBytes;
// Blocks that a multiprocessor must have the registers for.
constexpr int kBlocks = 2;

ACTINIUM_HD int misalignment(const void* p) { return static_cast<int>(reinterpret_cast<uintptr_t>(p) % kVectorBytes); }

// The threads of a group have a row together.
template <int kGroup_>
struct Rows {
  static constexpr int kGroup = kGroup_;
  static constexpr int kBlockRows = kThreads / kGroup;  // rows of a block at a time

  int64_t count, n, inner;
  bool vectors;  // all operands stand equally far from a multiple of 16 bytes, and rows are contiguous
  Divider<uint64_t> across;

  Rows(int64_t outer, int64_t n_, int64_t inner_, bool vectors_)
      : count(outer * inner_), n(n_), inner(inner_), vectors(vectors_), across(static_cast<uint64_t>(inner_)) {}

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

// How a row of n elements is read: `vectors` of V elements from element `head` on, and one by one what is beside them.
template <int V>
struct Span {
  int64_t n, head, vectors;

  // Pieces of W elements, V or 1, and the element that one starts at.
  template <int W>
  ACTINIUM_HD int64_t pieces() const {
    return W > 1 ? vectors : n - vectors * V;
  }
  template <int W>
  ACTINIUM_HD int64_t element(int64_t piece) const {
    if (W > 1) return head + piece * W;
    return V == 1 || piece < head ? piece : piece + vectors * V;
  }
};

// W adjacent elements of kInputs operands.
template <class S, int W_, int kInputs>
struct Piece {
  static constexpr int W = W_;
  const Vector<S, W> (&in)[kInputs];
  int64_t element;  // the first one

  __device__ __forceinline__ opmath_t<S> operator()(int input, int e) const { return widen(in[input].at[e]); }
};

// A row as one thread of its group sees it. Of its operands kFirst are read by a first pass, and all by a second one.
// kHeld: vectors of each, in registers.
template <class S, int kGroup, int kInputs, int kFirst = kInputs, int kHeld = kVectors>
class Row {
 public:
  __device__ Row(const Rows<kGroup>& rows, int64_t row, bool present, const S* const* operands)
      : inner_(rows.inner), span_{present ? rows.n : 0, 0, 0} {
    const int64_t first = rows.first(row);
    for (int k = 0; k < kInputs; ++k) in_[k] = operands[k] + first;
    if (!rows.vectors) return;
    const int64_t head = (kVectorBytes - misalignment(in_[0])) % kVectorBytes / static_cast<int>(sizeof(S));
    span_.head = head < span_.n ? head : span_.n;
    span_.vectors = (span_.n - span_.head) / V;
  }

  // A first pass, or the only one: f(chunk) for all that is this thread's.
  template <class F>
  __device__ __forceinline__ void pass(const F& f) {
    if constexpr (V > 1) held_.template pass<kFirst>(*this, f);
    Chunk<1, kSingles>().template pass<kFirst>(*this, f);
  }
  // A second pass.
  template <class F>
  __device__ __forceinline__ void pass_back(const F& f) {
    if constexpr (V > 1) held_.pass_back(*this, f);
    Chunk<1, kSingles>().template pass<kInputs>(*this, f);
  }
  // Writes f(piece, e) for every element of a chunk, to an operand that lies as the others do.
  template <class C, class F>
  __device__ __forceinline__ void write(S* output, const C& chunk, const F& f) const {
    chunk([&](const auto& piece) {
      constexpr int W = std::decay_t<decltype(piece)>::W;
      opmath_t<S> y[W];
#pragma unroll
      for (int e = 0; e < W; ++e) y[e] = f(piece, e);
      store(output + piece.element * inner_, narrow<S, W>(y));
    });
  }

 private:
  static constexpr int V = kGroup > 1 ? kVectorBytes / static_cast<int>(sizeof(S)) : 1;

  // What the thread reads before it computes: of the pieces that the group has side by side, one each; at the end of
  // the row not all of them.
  template <int W, int kPieces>
  struct Chunk {
    template <bool kWhole>
    struct View {
      // f(piece) for all.
      template <class F>
      __device__ __forceinline__ void operator()(const F& f) const {
        chunk.template each<kWhole>(span, [&](int u, int64_t element) {
          f(Piece<S, W, kInputs>{chunk.in[u], element});
        });
      }
      const Chunk& chunk;
      const Span<V>& span;
    };

    template <int kRead, class F>
    __device__ __forceinline__ void pass(const Row& row, const F& f) {
      int64_t next = threadIdx.x % kGroup;
      for (; whole(row.span_, next); next += kGroup * kPieces) {
        first = next;
        read<true, 0, kRead>(row);
        f(View<true>{*this, row.span_});
      }
      if (next >= row.span_.template pieces<W>()) return;
      first = next;
      read<false, 0, kRead>(row);
      f(View<false>{*this, row.span_});
    }
    template <class F>
    __device__ __forceinline__ void pass_back(const Row& row, const F& f) {
      if (first < 0) return;
      if (!whole(row.span_, first)) {
        read<false, kFirst, kInputs>(row);
        f(View<false>{*this, row.span_});
        first -= kGroup * kPieces;
        if (first < 0) return;
        read<true, 0, kFirst>(row);
      }
      read<true, kFirst, kInputs>(row);
      for (;;) {
        f(View<true>{*this, row.span_});
        first -= kGroup * kPieces;
        if (first < 0) return;
        read<true, 0, kInputs>(row);
      }
    }

   private:
    static __device__ __forceinline__ bool whole(const Span<V>& span, int64_t piece) {
      return piece + kGroup * (kPieces - 1) < span.template pieces<W>();
    }
    template <bool kWhole, int kFrom, int kTo>
    __device__ __forceinline__ void read(const Row& row) {
      each<kWhole>(row.span_, [&](int u, int64_t element) {
#pragma unroll
        for (int k = kFrom; k < kTo; ++k) in[u][k] = load<Vector<S, W>>(row.in_[k] + element * row.inner_);
      });
    }
    template <bool kWhole, class F>
    __device__ __forceinline__ void each(const Span<V>& span, const F& f) const {
#pragma unroll
      for (int u = 0; u < kPieces; ++u) {
        const int64_t piece = first + u * kGroup;
        if (kWhole || piece < span.template pieces<W>()) f(u, span.template element<W>(piece));
      }
    }

    Vector<S, W> in[kPieces][kInputs];
    int64_t first = -1;  // piece
  };

  const S* in_[kInputs];
  int64_t inner_;
  Span<V> span_;
  Chunk<V, kHeld> held_;
};

// The sum of term(piece, e) over a row, of which it may be the second pass.
template <bool kSecond, class S, int kGroup, int kInputs, int kFirst, int kHeld, class F>
__device__ __forceinline__ double sum_of(Row<S, kGroup, kInputs, kFirst, kHeld>& row, const F& term) {
  double sum = 0;
  const auto add = [&](const auto& chunk) {
    chunk([&](const auto& piece) {
#pragma unroll
      for (int e = 0; e < piece.W; ++e) sum += static_cast<double>(term(piece, e));
    });
  };
  kSecond ? row.pass_back(add) : row.pass(add);
  return group_sum<kGroup>(sum);
}

// Of the first operand.
template <bool kApart, class S, int kGroup, int kInputs, int kFirst, int kHeld>
__device__ __forceinline__ RowTotal<opmath_t<S>, kApart> total_of(Row<S, kGroup, kInputs, kFirst, kHeld>& row) {
  using T = opmath_t<S>;
  using P = math::Prim<T>;
  constexpr T kNone = -__builtin_huge_val();
  RowTotal<T, kApart> mine(kNone);
  row.pass([&](const auto& chunk) {
    T max = kNone;
    chunk([&](const auto& piece) {
#pragma unroll
      for (int e = 0; e < piece.W; ++e) max = P::max(piece(0, e), max);  // what is not a number is not taken
    });
    mine.extend(max);
    T sum = 0, ties = 0;
    chunk([&](const auto& piece) {
      T of_piece = 0;
#pragma unroll
      for (int e = 0; e < piece.W; ++e) {
        const T x = piece(0, e);
        const bool tie = kApart && x == mine.max();
        of_piece = of_piece + (tie ? T(0) : mine.exp()(x).value());
        ties = ties + (tie ? T(1) : T(0));
      }
      sum = sum + of_piece;
    });
    mine.add({sum, T(0)}, ties);
  });
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
__global__ void __launch_bounds__(kThreads, kBlocks)
    softmax_forward(const Rows<kGroup> rows, const S* input, S* output) {
  using T = opmath_t<S>;
  for_rows(rows, [&](int64_t at, bool present) {
    Row<S, kGroup, 1> row(rows, at, present, &input);
    S* const y = output + rows.first(at);
    const auto total = total_of<kLog>(row);
    if constexpr (kLog) {
      const T less = total.log().value();
      row.pass_back([&](const auto& chunk) {
        row.write(y, chunk, [&](const auto& piece, int e) { return (piece(0, e) - total.max()) - less; });
      });
    } else {
      const auto over = total.inverse();
      row.pass_back([&](const auto& chunk) {
        row.write(y, chunk, [&](const auto& piece, int e) { return over.times(total.exp()(piece(0, e)).value()); });
      });
    }
  });
}

template <class S, int kGroup, bool kLog>
__global__ void __launch_bounds__(kThreads, kBlocks)
    softmax_backward(const Rows<kGroup> rows, const S* grad, const S* output, S* grad_input) {
  using T = opmath_t<S>;
  for_rows(rows, [&](int64_t at, bool present) {
    const S* const operands[] = {grad, output};
    Row<S, kGroup, 2, kLog ? 1 : 2, sizeof(S) == 2 ? kVectors / 2 : kVectors> row(rows, at, present, operands);
    const T sum = static_cast<T>(
        sum_of<false>(row, [](const auto& piece, int e) { return kLog ? piece(0, e) : piece(0, e) * piece(1, e); }));
    S* const dx = grad_input + rows.first(at);
    row.pass_back([&](const auto& chunk) {
      row.write(dx, chunk, [&](const auto& piece, int e) {
        const T g = piece(0, e), y = piece(1, e);
        return kLog ? math::Prim<T>::fnma(math::exp_of_log(y), sum, g) : y * (g - sum);
      });
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
template <class T>
__device__ __forceinline__ T weight_of(const math::Classes<T, T>& classes, int64_t j) {
  return classes.weight ? classes.weight[j] : T(1);
}
// What a class counts for that has the probability t.
template <class T>
__device__ __forceinline__ T coefficient_of(const math::Classes<T, T>& classes, int64_t j, T t) {
  return weight_of(classes, j) * math::Prim<T>::fma(t, classes.sharp, classes.smooth);
}

template <class S, int kGroup, bool kIndex>
__global__ void __launch_bounds__(kThreads, kBlocks) loss_forward(const Rows<kGroup> rows, const CrossEntropy p) {
  using T = opmath_t<S>;
  const auto classes = classes_of<S>(p);
  const auto* const input = static_cast<const S*>(p.input);
  for_rows(rows, [&](int64_t at, bool present) {
    const S* const operands[] = {input, static_cast<const S*>(p.probabilities)};
    Row<S, kGroup, kIndex ? 1 : 2, 1, kIndex ? kVectors : kVectors / 2> row(rows, at, present, operands);
    const auto total = total_of<true>(row);
    const auto log = total.log();
    // sum_j c_j (lse - x_j), but for the class of an index
    T value = 0;
    if (!kIndex || classes.smooth != 0) {
      value = static_cast<T>(sum_of<true>(row, [&](const auto& piece, int e) {
        const int64_t j = piece.element + e;
        const T c = kIndex ? weight_of(classes, j) : coefficient_of(classes, j, piece(kIndex ? 0 : 1, e));
        return c * ((total.max() - piece(0, e)) + log.value());
      }));
    }
    if (!present || threadIdx.x % kGroup != 0) return;
    p.lse[at] = static_cast<double>(total.max()) + static_cast<double>(log.head) + static_cast<double>(log.tail);
    if constexpr (kIndex) {
      const auto index = classes.index(at);
      const T x = widen(input[rows.first(at) + index.y * rows.inner]);
      value = classes.loss(index, (total.max() - x) + log.value(), value);
      static_cast<T*>(p.row_weight)[at] = index.weight;
    }
    static_cast<T*>(p.loss)[at] = value;
  });
}

template <class S, int kGroup, bool kIndex>
__global__ void __launch_bounds__(kThreads, !kIndex && sizeof(S) == 8 ? 1 : kBlocks)
    loss_backward(const Rows<kGroup> rows, const CrossEntropy p) {
  using T = opmath_t<S>;
  using P = math::Prim<T>;
  const auto classes = classes_of<S>(p);
  for_rows(rows, [&](int64_t at, bool present) {
    S* const dx = p.grad_input ? static_cast<S*>(p.grad_input) + rows.first(at) : nullptr;
    const double lse = p.lse[at];
    const T head = static_cast<T>(lse), tail = static_cast<T>(lse - static_cast<double>(head));
    const T given = static_cast<const T*>(p.grad)[at * p.grad_stride];
    const T g = kIndex ? classes.gradient(classes.index(at), given) : given;
    const RowExp<T> exp(head);
    const T over = exp.over(head, tail);
    const auto* const input = static_cast<const S*>(p.input);
    if constexpr (kIndex) {
      Row<S, kGroup, 1> row(rows, at, present, &input);
      const auto index = classes.index(at);
      const T scale = g * classes.total(index), even = g * classes.even(index), own = g * classes.own(index);
      row.pass([&](const auto& chunk) {
        row.write(dx, chunk, [&](const auto& piece, int e) {
          const int64_t j = piece.element + e;
          const T less = index.counts && j == index.y ? own : even * weight_of(classes, j);
          return P::fma(exp(piece(0, e)).times(over), scale, -less);
        });
      });
    } else {
      const S* const operands[] = {static_cast<const S*>(p.probabilities), input};
      Row<S, kGroup, 2, 1, kVectors / 2> row(rows, at, present, operands);
      const auto coefficient = [&](const auto& piece, int e) {
        return coefficient_of(classes, piece.element + e, piece(0, e));
      };
      const T sum = static_cast<T>(sum_of<false>(row, coefficient));
      S* const dt = p.grad_probabilities ? static_cast<S*>(p.grad_probabilities) + rows.first(at) : nullptr;
      row.pass_back([&](const auto& chunk) {
        if (dx) {
          row.write(dx, chunk, [&](const auto& piece, int e) {
            return g * P::fma(exp(piece(1, e)).times(over), sum, -coefficient(piece, e));
          });
        }
        if (dt) {
          row.write(dt, chunk, [&](const auto& piece, int e) {
            return g * classes.sharp * (weight_of(classes, piece.element + e) * ((head - piece(1, e)) + tail));
          });
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

// Calls f with the rows in groups of the size for them. operands: null where there is none.
template <class S, class F>
void with_rows(int64_t outer, int64_t n, int64_t inner, std::initializer_list<const void*> operands, const F& f) {
  if (inner > 1) return f(Rows<1>(outer, n, inner, false));
  const int lead = misalignment(*operands.begin());
  bool alike = true;
  for (const void* const p : operands) alike = alike && (p == nullptr || misalignment(p) == lead);
  if (n * static_cast<int64_t>(sizeof(S)) <= kWarpBytes) return f(Rows<kWarp>(outer, n, inner, alike));
  return f(Rows<kThreads>(outer, n, inner, alike));
}

template <bool kLog>
void run(const Softmax& problem) {
  with_dtype(problem.dtype, [&](auto zero) {
    using S = decltype(zero);
    const auto* const input = static_cast<const S*>(problem.input);
    const auto* const known = static_cast<const S*>(problem.known);
    auto* const output = static_cast<S*>(problem.output);
    with_rows<S>(problem.outer, problem.n, problem.inner, {input, known, output}, [&](const auto& rows) {
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
    const auto operands = {problem.input, problem.probabilities, static_cast<const void*>(problem.grad_input),
                           static_cast<const void*>(problem.grad_probabilities)};
    with_rows<S>(problem.outer, problem.classes, problem.inner, operands, [&](const auto& rows) {
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
