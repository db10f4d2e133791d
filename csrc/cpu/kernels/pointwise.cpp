// The one loop of every pointwise activation: f, f' and f'' over rows of any stride.
#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"
#include "csrc/math/activations.h"
#include "csrc/passes.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

// How many vectors are computed side by side: as many as the registers hold the formula of.
template <Pass pass, class T>
using Several =
    std::conditional_t<!ACTINIUM_VECTORIZED, T,
                       std::conditional_t<pass == Pass::kDoubleBackward, math::Pair<T>, math::Pair<math::Pair<T>>>>;

template <template <class> class Activation, Pass pass, class scalar_t>
struct Row {
  using T = compute_t<scalar_t>;
  static constexpr int kOutputs = PassFormula<Activation, pass, T>::kOutputs;
  static constexpr int kInputs = PassFormula<Activation, pass, T>::kInputs;
  template <class W>
  using Body = PassFormula<Activation, pass, W>;

  char* out[kOutputs];
  const char* in[kInputs];
  int64_t out_strides[kOutputs], in_strides[kInputs];
  int64_t n;

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

  // As many whole steps of W as there are; of a dense row only.
  template <class W>
  ACTINIUM_HD void whole(const Body<W>& body, bool stream = false) {
    constexpr int64_t kStep = kLanes<W>;
    if (n < kStep) return;
    scalar_t same[kInputs][kStep];  // the inputs that are one value for all
    char* to[kOutputs];
    const char* from[kInputs];
    std::copy(out, out + kOutputs, to);
    for (int k = 0; k < kInputs; ++k) {
      from[k] = in[k];
      if (in_strides[k] == 0) {
        scalar_t value;
        std::memcpy(&value, in[k], sizeof(value));
        std::fill(same[k], same[k] + kStep, value);
        from[k] = reinterpret_cast<const char*>(same[k]);
      }
    }
    int64_t i = 0;
    for (; i + kStep <= n; i += kStep) {
      W x[kInputs], y[kOutputs];
      for (int k = 0; k < kInputs; ++k) x[k] = load<W>(reinterpret_cast<const scalar_t*>(from[k] + i * in_strides[k]));
      body(x, y);
      for (int k = 0; k < kOutputs; ++k) {
        if (kOutputs > 1 && to[k] == nullptr) continue;
        scalar_t* const p = reinterpret_cast<scalar_t*>(to[k]) + i;
        stream ? store<true>(p, y[k]) : store(p, y[k]);
      }
    }
    skip(i);
  }

  // What is left. Compiled once, not wherever it is called.
  __attribute__((noinline)) void rest(const Body<T>& body, bool is_dense) {
    if (is_dense) whole<T>(body);
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
  const PassFormula<Activation, pass, T> narrow{Activation<T>(params)};
  const bool dense = Row(block, 0).dense();
  if (!dense || block.n < kLanes<W>) {
    for (int64_t r = 0; r < block.rows; ++r) {
      Row row(block, r);
      row.rest(narrow, dense);
    }
    return;
  }
  const PassFormula<Activation, pass, W> wide{Activation<W>(params)};
  for (int64_t r = 0; r < block.rows; ++r) {
    Row row(block, r);
    bool stream = block.stream;
    if (stream) {
      // Up to a cache line of the first output; the second must come to one as well.
      constexpr uintptr_t kLine = 64;
      const auto past_line = [](const char* p) { return reinterpret_cast<uintptr_t>(p) % kLine; };
      const int64_t to_line = (kLine - past_line(row.out[0])) % kLine / sizeof(scalar_t);
      row.parts(narrow, std::min(row.n, to_line), dense);
      for (const char* out : row.out) stream &= past_line(out) == 0;
    }
    row.template whole<W>(wide, stream);
    row.rest(narrow, dense);
  }
  if (block.stream) end_of_stream();
}

template <template <class> class Activation>
PointwiseLoop select(Pass pass, c10::ScalarType dtype) {
  return with_dtype(dtype, [&](auto zero) -> PointwiseLoop {
    using scalar_t = decltype(zero);
    switch (pass) {
      case Pass::kForward:
        return loop<Activation, Pass::kForward, scalar_t>;
      case Pass::kBackward:
        return loop<Activation, Pass::kBackward, scalar_t>;
      default:
        return loop<Activation, Pass::kDoubleBackward, scalar_t>;
    }
  });
}

}  // namespace

PointwiseLoop pointwise_loop(const Pointwise& problem) {
  switch (static_cast<math::Activation>(problem.activation)) {
#define ACTINIUM_CASE(Name)                                                         \
  case math::Activation::k##Name:                                                   \
    return math::with_formula<math::Name>(problem.params, [&](auto formula) {       \
      return select<decltype(formula)::template type>(problem.pass, problem.dtype); \
    });
    ACTINIUM_ACTIVATIONS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
  }
  return nullptr;
}
}  // namespace actinium::cpu::CPU_CAPABILITY
