#pragma once
// The one loop of every pass of every pointwise activation and gate, over rows of any stride.
#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"
#include "csrc/math/coarse.h"
#include "csrc/passes.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

// How many vectors are computed side by side: as many as the registers hold the formula of.
template <Pass pass, class T>
using Several = std::conditional_t<!ACTINIUM_VECTORIZED, T,
                                   std::conditional_t<outputs_of(pass) == 2, math::Pair<T>, math::Pair<math::Pair<T>>>>;

// What a formula computes in, in vectors W: the 8 digits of bfloat16 hide what Coarse leaves out. They do for every
// input of an activation; among the products of a gate, which are 65,536 times as many, there are some that show it.
template <Pass pass, class scalar_t, class W>
using number_t = std::conditional_t<ACTINIUM_VECTORIZED && !is_gated(pass) && std::is_same_v<scalar_t, c10::BFloat16>,
                                    math::Coarse<true, W>, W>;

// The formula of a pass, for vectors of elements of scalar_t.
template <template <class> class Activation, Pass pass, class scalar_t, class W>
struct Body {
  using Number = number_t<pass, scalar_t, W>;
  using Formula = PassFormula<Activation, pass, Number>;
  static constexpr int kOutputs = Formula::kOutputs, kInputs = Formula::kInputs;

  explicit ACTINIUM_HD Body(const double* params) : formula{Activation<Number>(params)} {}

  ACTINIUM_HD void operator()(const W* in, W* out) const {
    Number x[kInputs], y[kOutputs];
    for (int k = 0; k < kInputs; ++k) x[k] = Number(in[k]);
    formula(x, y);
    for (int k = 0; k < kOutputs; ++k) out[k] = static_cast<W>(y[k]);
  }

  Formula formula;
};

template <template <class> class Activation, Pass pass, class scalar_t>
struct Row {
  using T = compute_t<scalar_t>;
  template <class W>
  using Body = Body<Activation, pass, scalar_t, W>;
  static constexpr int kOutputs = Body<T>::kOutputs, kInputs = Body<T>::kInputs;

  char* out[kOutputs];
  const char* in[kInputs];
  int64_t out_strides[kOutputs], in_strides[kInputs];
  int64_t n;
  // A gate and its up have a loop for elements that take turns. Without vectors every element is taken alone anyway.
  static constexpr bool kTwoInTurns = ACTINIUM_VECTORIZED && is_gated(pass);

  ACTINIUM_HD Row(const Block& block, int64_t row) : n(block.n) {
    for (int k = 0; k < kOutputs; ++k) {
      out[k] = block.data[k] ? block.data[k] + row * block.row_strides[k] : nullptr;
      out_strides[k] = block.strides[k];
    }
    for (int k = 0; k < kInputs; ++k) {
      in[k] = block.data[kOutputs + k] + row * block.row_strides[kOutputs + k];
      in_strides[k] = block.strides[kOutputs + k];
    }
  }

  // Outputs contiguous, inputs contiguous or one value for all.
  ACTINIUM_HD bool dense() const {
    bool result = true;
    for (int k = 0; k < kOutputs; ++k) result &= out[k] == nullptr || out_strides[k] == sizeof(scalar_t);
    for (int k = 0; k < kInputs; ++k) result &= in_strides[k] == sizeof(scalar_t) || in_strides[k] == 0;
    return result;
  }

  // Whether gate and up lie as those of an interleaved tensor: each gate beside its up, and the gradients, too, or
  // dense. The gradient of the output is dense.
  ACTINIUM_HD bool interleaved() const {
    if constexpr (!kTwoInTurns) return false;
    constexpr int kGate = kInputs - 2;
    bool result = in_turns(in[kGate], in[kGate + 1], in_strides[kGate], in_strides[kGate + 1]);
    for (int k = 0; k < kGate; ++k) result &= in_strides[k] == sizeof(scalar_t) || in_strides[k] == 0;
    bool dense = true;
    for (int k = 0; k < kOutputs; ++k) dense &= out[k] == nullptr || out_strides[k] == sizeof(scalar_t);
    return result && (dense || outputs_in_turns());
  }
  ACTINIUM_HD bool outputs_in_turns() const {
    return kTwoInTurns && kOutputs == 2 && out[0] &&
           in_turns(out[0], out[kOutputs - 1], out_strides[0], out_strides[kOutputs - 1]);
  }

  // As many whole steps of W as there are; of a dense or, if kInterleaved, an interleaved row only.
  template <class W, bool kInterleaved = false>
  ACTINIUM_HD void whole(const Body<W>& body, bool stream = false) {
    constexpr int64_t kStep = kLanes<W>;
    // Operands that lie alone.
    constexpr int kAlone = kInterleaved ? kInputs - 2 : kInputs;
    if (n < kStep) return;
    scalar_t same[kInputs][kStep];  // the inputs that are one value for all
    char* to[kOutputs];
    const char* from[kInputs];
    std::copy(out, out + kOutputs, to);
    std::copy(in, in + kInputs, from);
    for (int k = 0; k < kAlone; ++k) {
      if (in_strides[k] == 0) {
        scalar_t value;
        std::memcpy(&value, in[k], sizeof(value));
        std::fill(same[k], same[k] + kStep, value);
        from[k] = reinterpret_cast<const char*>(same[k]);
      }
    }
    [[maybe_unused]] const bool together = outputs_in_turns();
    int64_t i = 0;
    for (; i + kStep <= n; i += kStep) {
      W x[kInputs], y[kOutputs];
      for (int k = 0; k < kAlone; ++k) {
        x[k] = Lanes<W, kInterleaved>::load(reinterpret_cast<const scalar_t*>(from[k] + i * in_strides[k]));
      }
      if constexpr (kInterleaved) {
        load_in_turns(reinterpret_cast<const scalar_t*>(from[kAlone]) + 2 * i, x[kAlone], x[kAlone + 1]);
      }
      body(x, y);
#if ACTINIUM_VECTORIZED
      if constexpr (kInterleaved && kOutputs == 2) {
        if (together) {
          scalar_t* const p = reinterpret_cast<scalar_t*>(to[0]) + 2 * i;
          stream ? store_in_turns<true>(p, y[0], y[1]) : store_in_turns(p, y[0], y[1]);
          continue;
        }
      }
#endif
      for (int k = 0; k < kOutputs; ++k) {
        if (kOutputs > 1 && to[k] == nullptr) continue;
        scalar_t* const p = reinterpret_cast<scalar_t*>(to[k]) + i;
        stream ? Lanes<W, kInterleaved>::template store<true>(p, y[k]) : Lanes<W, kInterleaved>::store(p, y[k]);
      }
    }
    skip(i);
  }

  // What is left. Compiled once, not wherever it is called.
  __attribute__((noinline)) void rest(const Body<T>& body, bool is_dense) {
    if (is_dense) whole<T>(body);
    if constexpr (kTwoInTurns) {
      if (interleaved()) whole<T, true>(body);
    }
    parts(body, n, is_dense);
  }

  // `count` elements, a vector at a time.
  __attribute__((noinline)) void parts(const Body<T>& body, int64_t count, bool is_dense) {
    constexpr int64_t kStep = kLanes<T>;
    if (is_dense) {
      for (; count > 0; count -= kStep) part<true>(body, std::min(kStep, count));
    } else {
      for (; count >= kStep; count -= kStep) part<false>(body, kStep);
      if (count > 0) part<false>(body, count);
    }
  }

 private:
  static ACTINIUM_HD bool in_turns(const char* a, const char* b, int64_t a_stride, int64_t b_stride) {
    return b == a + sizeof(scalar_t) && a_stride == 2 * sizeof(scalar_t) && b_stride == a_stride;
  }

  template <bool kDense>
  ACTINIUM_HD void part(const Body<T>& body, int64_t m) {
    T x[kInputs], y[kOutputs];
    for (int k = 0; k < kInputs; ++k) {
      x[k] = kDense && in_strides[k] != 0 ? load_some<T>(reinterpret_cast<const scalar_t*>(in[k]), m)
                                          : load_some<T, scalar_t>(in[k], in_strides[k], m);
    }
    body(x, y);
    for (int k = 0; k < kOutputs; ++k) {
      if (kOutputs > 1 && out[k] == nullptr) continue;
      kDense ? store_some(reinterpret_cast<scalar_t*>(out[k]), m, y[k])
             : store_some<scalar_t>(out[k], out_strides[k], m, y[k]);
    }
    skip(m);
  }

  ACTINIUM_HD void skip(int64_t count) {
    for (int k = 0; k < kOutputs; ++k) out[k] = out[k] ? out[k] + count * out_strides[k] : nullptr;
    for (int k = 0; k < kInputs; ++k) in[k] += count * in_strides[k];
    n -= count;
  }
};

template <template <class> class Activation, Pass pass, class scalar_t>
void loop(const double* params, const Block& block) {
  using T = compute_t<scalar_t>;
  using W = Several<pass, T>;
  using Row = Row<Activation, pass, scalar_t>;
  const typename Row::template Body<T> narrow(params);
  const Row first(block, 0);
  const bool dense = first.dense();
  if (!(dense || first.interleaved()) || block.n < kLanes<W>) {
    for (int64_t r = 0; r < block.rows; ++r) {
      Row row(block, r);
      row.rest(narrow, dense);
    }
    return;
  }
  const typename Row::template Body<W> wide(params);
  for (int64_t r = 0; r < block.rows; ++r) {
    Row row(block, r);
    bool stream = block.stream;
    if (stream) {
      // Up to a cache line of the first output; the second must come to one as well, unless it lies in the first.
      constexpr uintptr_t kLine = 64;
      const auto past_line = [](const char* p) { return reinterpret_cast<uintptr_t>(p) % kLine; };
      const int64_t to_line = (kLine - past_line(row.out[0])) % kLine / row.out_strides[0];
      row.parts(narrow, std::min(row.n, to_line), dense);
      stream = past_line(row.out[0]) == 0 && (row.outputs_in_turns() || past_line(row.out[outputs_of(pass) - 1]) == 0);
    }
    if constexpr (Row::kTwoInTurns) {
      if (row.interleaved()) row.template whole<W, true>(wide, stream);
    }
    if (dense) row.template whole<W>(wide, stream);
    row.rest(narrow, dense);
  }
  if (block.stream) end_of_stream();
}

}  // namespace
}  // namespace actinium::cpu::CPU_CAPABILITY
