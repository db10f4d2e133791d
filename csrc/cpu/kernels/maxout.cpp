// Maximum over the middle of [outer, pieces, inner] with the winner's index, its gradient and its gather.
#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

#if ACTINIUM_VECTORIZED
// Where `value` takes the place of `best`: it is larger, or the first NaN.
template <class T>
ACTINIUM_HD T wins(const T& value, const T& best) {
  return (value > best) | ((value != value) & (best == best));
}
template <class T>
ACTINIUM_HD T pick(const T& mask, const T& yes, const T& no) {
  return T::blendv(no, yes, mask);
}
#else
ACTINIUM_HD bool wins(double value, double best) { return value > best || (value != value && best == best); }
ACTINIUM_HD double pick(bool mask, double yes, double no) { return mask ? yes : no; }
#endif

// Calls f(position of the first piece, distance between positions, position in [outer, inner], n) for stretches of
// positions that lie at a constant distance: a row of inner elements, or, with inner == 1, the whole range at once.
template <class F>
ACTINIUM_HD void for_stretches(const Maxout& problem, int64_t begin, int64_t end, F f) {
  if (problem.inner == 1) {
    f(begin * problem.pieces, problem.pieces, begin, end - begin);
    return;
  }
  while (begin < end) {
    const int64_t row = begin / problem.inner, column = begin % problem.inner;
    const int64_t n = std::min(problem.inner - column, end - begin);
    f(row * problem.pieces * problem.inner + column, int64_t{1}, begin, n);
    begin += n;
  }
}

template <class scalar_t>
void forward(const Maxout& problem, int64_t begin, int64_t end) {
  using T = compute_t<scalar_t>;
  constexpr int64_t kStep = kLanes<T>;
  const auto* const input = static_cast<const scalar_t*>(problem.input);
  auto* const values = static_cast<scalar_t*>(problem.values);
  for_stretches(problem, begin, end, [&](int64_t from, int64_t distance, int64_t to, int64_t count) {
    for (int64_t i = 0; i < count; i += kStep) {
      const int64_t n = std::min(kStep, count - i);
      const auto piece = [&](int64_t j) {
        const scalar_t* const p = input + from + i * distance + j * problem.inner;
        if (distance == 1 && n == kStep) return load<T>(p);
        return load_some<T, scalar_t>(reinterpret_cast<const char*>(p), distance * sizeof(scalar_t), n);
      };
      T best = piece(0), winner = broadcast<T>(0);
      for (int64_t j = 1; j < problem.pieces; ++j) {
        const T value = piece(j);
        const auto mask = wins(value, best);
        best = pick(mask, value, best);
        winner = pick(mask, broadcast<T>(static_cast<lane_t<T>>(j)), winner);
      }
      store_some(values + to + i, n, best);
      if (problem.indices) {
        lane_t<T> lanes[kStep];
        store(lanes, winner);
        for (int64_t l = 0; l < n; ++l) problem.indices[to + i + l] = static_cast<uint8_t>(lanes[l]);
      }
    }
  });
}

// The two that only move elements do so by their size. An index that is not below pieces selects nothing.
template <class bits_t>
void backward(const Maxout& problem, int64_t begin, int64_t end) {
  auto* const grad_input = static_cast<bits_t*>(problem.input);
  const auto* const grad = static_cast<const bits_t*>(problem.values);
  const uint8_t* const indices = problem.indices;
  for_stretches(problem, begin, end, [&](int64_t from, int64_t distance, int64_t to, int64_t n) {
    if (distance == 1) {
      for (int64_t j = 0; j < problem.pieces; ++j) {
        bits_t* const out = grad_input + from + j * problem.inner;
        for (int64_t i = 0; i < n; ++i) out[i] = indices[to + i] == j ? grad[to + i] : bits_t{0};
      }
      return;
    }
    // Units side by side: zeros, a few kilobytes at a time, and the winners into them. A choice per element would be
    // one that the processor cannot foresee.
    constexpr int64_t kBlock = 256;
    for (int64_t first = 0; first < n; first += kBlock) {
      const int64_t last = std::min(first + kBlock, n);
      bits_t* const out = grad_input + from;
      std::memset(out + first * distance, 0, (last - first) * distance * sizeof(bits_t));
      for (int64_t i = first; i < last; ++i) {
        if (indices[to + i] < problem.pieces) out[i * distance + indices[to + i]] = grad[to + i];
      }
    }
  });
}

template <class bits_t>
void gather(const Maxout& problem, int64_t begin, int64_t end) {
  const auto* const input = static_cast<const bits_t*>(problem.input);
  auto* const values = static_cast<bits_t*>(problem.values);
  for_stretches(problem, begin, end, [&](int64_t from, int64_t distance, int64_t to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t index = problem.indices[to + i];
      values[to + i] = index < problem.pieces ? input[from + i * distance + index * problem.inner] : bits_t{0};
    }
  });
}

template <class bits_t>
MaxoutLoop move(Maxout::Pass pass) {
  return pass == Maxout::Pass::kBackward ? backward<bits_t> : gather<bits_t>;
}

}  // namespace

MaxoutLoop maxout_loop(const Maxout& problem) {
  if (problem.pass == Maxout::Pass::kForward) {
    return with_dtype(problem.dtype, [](auto zero) -> MaxoutLoop { return forward<decltype(zero)>; });
  }
  switch (c10::elementSize(problem.dtype)) {
    case 2:
      return move<uint16_t>(problem.pass);
    case 4:
      return move<uint32_t>(problem.pass);
    default:
      return move<uint64_t>(problem.pass);
  }
}

}  // namespace actinium::cpu::CPU_CAPABILITY
