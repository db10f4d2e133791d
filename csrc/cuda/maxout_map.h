#pragma once
// Which thread of a maxout launch handles which of the [outer, inner] outputs and their pieces in [outer, pieces,
// inner]. Plain code, shared by the kernels and by tests that walk it on the CPU.
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "csrc/cuda/divider.h"

namespace actinium::cuda {

constexpr int kMaxoutThreads = 256;

// Pieces apart (inner > 1, or any inner with W == 1): a thread has W adjacent outputs and walks down their pieces.
template <int W>
struct Columns {
  int64_t pieces, inner;
  int64_t threads;
  Divider<uint64_t> across;  // threads beside each other

  Columns(int64_t outer, int64_t pieces_, int64_t inner_)
      : pieces(pieces_), inner(inner_), threads(outer * (inner_ / W)), across(static_cast<uint64_t>(inner_ / W)) {}

  // Of a thread's first output; the pieces of output e are at input + e + j * inner.
  ACTINIUM_HD int64_t output(int64_t thread) const { return thread * W; }
  ACTINIUM_HD int64_t input(int64_t thread) const {
    uint64_t column = static_cast<uint64_t>(thread);
    const auto row = static_cast<int64_t>(across.divmod(column));
    return row * pieces * inner + static_cast<int64_t>(column) * W;
  }
  // Of a thread's first output within inner.
  ACTINIUM_HD int64_t column(int64_t thread) const {
    uint64_t column = static_cast<uint64_t>(thread);
    across.divmod(column);
    return static_cast<int64_t>(column) * W;
  }
};

// Few pieces side by side (inner == 1): a thread has as many outputs as together take whole vectors of V elements.
template <int V, int kPieces>
struct Units {
  static constexpr int kOutputs = V / std::gcd(V, kPieces);
  static constexpr int kElements = kOutputs * kPieces;

  int64_t outputs;

  ACTINIUM_HD int64_t threads() const { return ceil_div<int64_t>(outputs, kOutputs); }
  ACTINIUM_HD int64_t output(int64_t thread) const { return thread * kOutputs; }
  ACTINIUM_HD int64_t input(int64_t thread) const { return thread * kElements; }
  // Outputs that the thread really has: all but in the last thread.
  ACTINIUM_HD int present(int64_t thread) const {
    const int64_t left = outputs - output(thread);
    return left < kOutputs ? static_cast<int>(left) : kOutputs;
  }
};

// Any number of pieces side by side (inner == 1): adjacent threads, within a warp, share an output; each has every
// lanes-th piece.
struct Lanes {
  int64_t outputs, pieces;
  int log_lanes = 0;

  Lanes(int64_t outputs_, int64_t pieces_) : outputs(outputs_), pieces(pieces_) {
    while (log_lanes < 5 && (int64_t{4} << log_lanes) < pieces) ++log_lanes;
  }
  ACTINIUM_HD int64_t threads() const { return outputs << log_lanes; }
  ACTINIUM_HD int lanes() const { return 1 << log_lanes; }
  ACTINIUM_HD int64_t output(int64_t thread) const { return thread >> log_lanes; }
  ACTINIUM_HD int lane(int64_t thread) const { return static_cast<int>(thread & (lanes() - 1)); }
};

}  // namespace actinium::cuda
