// Maximum over the middle of [outer, pieces, inner] with the winner's index, its gradient and its gather.
#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

// Units whose pieces lie side by side, kLanes of them at a time: they fill as many vectors as a unit has pieces, and a
// permutation of each vector with a choice between them takes the pieces apart or puts them together.
template <class T>
struct Units {
  using P = math::Prim<T>;
  using Real = typename P::Real;
  static constexpr int64_t kStep = kLanes<T>;
  static constexpr int64_t kMaxPieces = 16;

  explicit Units(int64_t pieces) {
    for (int64_t j = 0; j < pieces; ++j) {
      piece_lane[j] = permutation<T>([&](int64_t lane) { return (j + lane * pieces) % kStep; });
      unit_lane[j] = permutation<T>([&](int64_t lane) { return (j * kStep + lane) / pieces; });
      piece_number[j] = numbers<Real, T>([&](int64_t lane) { return (j * kStep + lane) % pieces; });
      for (int64_t vector = 0; vector < pieces; ++vector) {
        in_vector[j][vector] =
            P::gt(numbers<Real, T>([&](int64_t lane) { return (j + lane * pieces) / kStep == vector; }), T(0));
      }
    }
  }

  // Piece j of every unit: which lane it has in its vector, and which vector that is.
  Permutation piece_lane[kMaxPieces];
  typename P::Mask in_vector[kMaxPieces][kMaxPieces];
  // Vector j: which units its lanes belong to, and which of their pieces they are.
  Permutation unit_lane[kMaxPieces];
  T piece_number[kMaxPieces];
};

// Calls f(constant) with the number of pieces where it is one that people use, or with 0.
template <class F>
ACTINIUM_HD void with_pieces(int64_t pieces, F f) {
  switch (pieces) {
    case 2:
      return f(std::integral_constant<int, 2>());
    case 3:
      return f(std::integral_constant<int, 3>());
    case 4:
      return f(std::integral_constant<int, 4>());
    case 5:
      return f(std::integral_constant<int, 5>());
    case 8:
      return f(std::integral_constant<int, 8>());
    default:
      return f(std::integral_constant<int, 0>());
  }
}

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

// The largest of a vector of units, whose piece j is piece(j), and, if kIndices, which it is.
template <class T, bool kIndices>
struct Largest {
  using P = math::Prim<T>;
  T best, winner;

  template <class F>
  ACTINIUM_HD Largest(int64_t pieces, F piece) : best(piece(0)), winner(broadcast<T>(0)) {
    for (int64_t j = 1; j < pieces; ++j) {
      const T value = piece(j);
      const auto mask = P::beats(value, best);
      best = P::select(mask, value, best);
      if constexpr (kIndices) winner = P::select(mask, broadcast<T>(static_cast<typename P::Real>(j)), winner);
    }
  }
};

template <class scalar_t, bool kIndices, bool kBias>
void forward(const Maxout& problem, int64_t begin, int64_t end) {
  using T = compute_t<scalar_t>;
  constexpr int64_t kStep = kLanes<T>;
  const auto* const input = static_cast<const scalar_t*>(problem.input);
  const auto* const bias = static_cast<const scalar_t*>(problem.bias);
  auto* const values = static_cast<scalar_t*>(problem.values);
  const auto write = [&](int64_t to, const Largest<T, kIndices>& largest) {
    store(values + to, largest.best);
    if constexpr (kIndices) store_bytes(problem.indices + to, largest.winner);
  };
  for_stretches(problem, begin, end, [&](int64_t from, int64_t distance, int64_t to, int64_t count) {
    int64_t i = 0;
    // One piece of one unit: positions are side by side, too, but share one bias.
    const bool one_bias = kBias && problem.inner == 1;
    if (distance == 1 && !one_bias) {
      for (; i + kStep <= count; i += kStep) {
        write(to + i, {problem.pieces, [&](int64_t j) {
                         const T piece = load<T>(input + from + i + j * problem.inner);
                         return kBias ? piece + load<T>(bias + (to + i) % problem.inner + j * problem.inner) : piece;
                       }});
      }
    } else if (!kBias && problem.pieces <= Units<T>::kMaxPieces && count >= kStep) {
      const Units<T> units(problem.pieces);
      with_pieces(problem.pieces, [&](auto constant) {
        const int64_t pieces = constant ? constant : problem.pieces;
        for (; i + kStep <= count; i += kStep) {
          T vectors[constant ? constant : Units<T>::kMaxPieces];
          for (int64_t j = 0; j < pieces; ++j) vectors[j] = load<T>(input + from + i * pieces + j * kStep);
          write(to + i, {pieces, [&](int64_t j) {
                           T piece = permute(vectors[0], units.piece_lane[j]);
                           for (int64_t v = 1; v < pieces; ++v) {
                             piece = math::Prim<T>::select(units.in_vector[j][v],
                                                           permute(vectors[v], units.piece_lane[j]), piece);
                           }
                           return piece;
                         }});
        }
      });
    }
    for (; i < count; i += kStep) {
      const int64_t n = std::min(kStep, count - i);
      const Largest<T, kIndices> largest(problem.pieces, [&](int64_t j) {
        const T piece =
            load_some<T, scalar_t>(reinterpret_cast<const char*>(input + from + i * distance + j * problem.inner),
                                   distance * sizeof(scalar_t), n);
        if constexpr (!kBias) return piece;
        const auto* const added = bias + (to + i) % problem.inner + j * problem.inner;
        return piece + load_some<T, scalar_t>(reinterpret_cast<const char*>(added), one_bias ? 0 : sizeof(scalar_t), n);
      });
      store_some(values + to + i, n, largest.best);
      if constexpr (kIndices) {
        uint8_t lanes[kStep];
        store_bytes(lanes, largest.winner);
        std::memcpy(problem.indices + to + i, lanes, n);
      }
    }
  });
}

// An index that is not below pieces selects nothing.
template <class scalar_t>
void backward(const Maxout& problem, int64_t begin, int64_t end) {
  using T = compute_t<scalar_t>;
  using P = math::Prim<T>;
  constexpr int64_t kStep = kLanes<T>;
  auto* const grad_input = static_cast<scalar_t*>(problem.input);
  const auto* const grad = static_cast<const scalar_t*>(problem.values);
  const uint8_t* const indices = problem.indices;
  for_stretches(problem, begin, end, [&](int64_t from, int64_t distance, int64_t to, int64_t n) {
    if (distance == 1) {
      // As many positions at a time as stay in the first-level cache while the pieces are gone through.
      constexpr int64_t kBlock = 1024;
      for (int64_t first = 0; first < n; first += kBlock) {
        const int64_t last = std::min(first + kBlock, n);
        for (int64_t j = 0; j < problem.pieces; ++j) {
          scalar_t* const out = grad_input + from + j * problem.inner;
          const T piece = broadcast<T>(static_cast<lane_t<T>>(j));
          int64_t i = first;
          for (; i + kStep <= last; i += kStep) {
            const auto won = P::eq(load_bytes<T>(indices + to + i), piece);
            store(out + i, P::select(won, load<T>(grad + to + i), broadcast<T>(0)));
          }
          for (; i < last; ++i) out[i] = indices[to + i] == j ? grad[to + i] : scalar_t(0);
        }
      }
      return;
    }
    int64_t i = 0;
    if (problem.pieces <= Units<T>::kMaxPieces && n >= kStep) {
      const Units<T> units(problem.pieces);
      with_pieces(problem.pieces, [&](auto constant) {
        const int64_t pieces = constant ? constant : problem.pieces;
        for (; i + kStep <= n; i += kStep) {
          const T g = load<T>(grad + to + i), index = load_bytes<T>(indices + to + i);
          for (int64_t v = 0; v < pieces; ++v) {
            const auto won = P::eq(permute(index, units.unit_lane[v]), units.piece_number[v]);
            store(grad_input + from + i * pieces + v * kStep,
                  P::select(won, permute(g, units.unit_lane[v]), broadcast<T>(0)));
          }
        }
      });
    }
    for (; i < n; ++i) {
      scalar_t* const out = grad_input + from + i * distance;
      std::fill(out, out + problem.pieces, scalar_t(0));
      if (indices[to + i] < problem.pieces) out[indices[to + i]] = grad[to + i];
    }
  });
}

template <class scalar_t>
void gather(const Maxout& problem, int64_t begin, int64_t end) {
  const auto* const input = static_cast<const scalar_t*>(problem.input);
  auto* const values = static_cast<scalar_t*>(problem.values);
  for_stretches(problem, begin, end, [&](int64_t from, int64_t distance, int64_t to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t index = problem.indices[to + i];
      values[to + i] = index < problem.pieces ? input[from + i * distance + index * problem.inner] : scalar_t(0);
    }
  });
}

}  // namespace

MaxoutLoop maxout_loop(const Maxout& problem) {
  return with_dtype(problem.dtype, [&](auto zero) -> MaxoutLoop {
    using scalar_t = decltype(zero);
    switch (problem.pass) {
      case Maxout::Pass::kForward:
        if (problem.bias) return problem.indices ? forward<scalar_t, true, true> : forward<scalar_t, false, true>;
        return problem.indices ? forward<scalar_t, true, false> : forward<scalar_t, false, false>;
      case Maxout::Pass::kBackward:
        return backward<scalar_t>;
      default:
        return gather<scalar_t>;
    }
  });
}

}  // namespace actinium::cpu::CPU_CAPABILITY
