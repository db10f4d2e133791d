#pragma once
// The loops that are compiled once per instruction set (csrc/cpu/kernels) and chosen at run time
// (csrc/cpu/backend.cpp).
//
// Every loop runs on one thread over a range of work. A selector takes the problem and returns the loop for its
// formula and dtype, so that the choice is made once per problem and not once per row.
#include <algorithm>

#include "csrc/backend.h"
#include "csrc/math/target.h"

namespace actinium::cpu {

// Rows of elements at data[k] + i * strides[k] + row * row_strides[k], outputs first; data[k] of an output may be null.
struct Block {
  char* data[Pointwise::kMaxOperands];
  int64_t strides[Pointwise::kMaxOperands], row_strides[Pointwise::kMaxOperands];
  int64_t n, rows;
  bool stream;  // past the caches: outputs that are no inputs and have no room there
};
using PointwiseLoop = void (*)(const double* params, const Block& block);

// Channelwise problems are cut into units: work for one thread that bounds the length of a sum in opmath, after which
// it goes on in double. There are two ways to go through the memory of [outer, channels, inner].
//
// Pieces of a channel: stretches of `inner`, for which the channel's parameters are the same.
//
// Columns: where inner is short, memory is seen as rows of `width` elements, a multiple of channels * inner, so that a
// column is of one channel. A unit is a tile; it goes from row to row with one set of parameters for each of its
// columns. The last row may be short. Units that follow each other lie below each other.
struct ChannelUnits {
  static constexpr int64_t kPiece = 4096;
  static constexpr int64_t kRows = 64;
  static constexpr int64_t kColumns = 512;

  ChannelUnits(int64_t outer, int64_t channels_, int64_t inner_)
      : channels(channels_), inner(inner_), numel(outer * channels * inner) {
    // In vectors for a channel and row, with two for the set-up of its parameters.
    const double vectors = static_cast<double>(inner) / 16;
    const double by_pieces = 2.5 + static_cast<double>(ceil_div(inner, 16));
    const double by_columns = 1.1 * vectors * (1 + 2.0 / static_cast<double>(std::min(outer, kRows)));
    columns = by_columns < by_pieces;
    if (columns) {
      // Rows together make up whole vectors, where there are enough of them.
      width = channels * inner;
      int64_t together = 32;
      while (together > 1 && (width * together / 2 % 32 == 0 || outer < 8 * together)) together /= 2;
      width *= together;
      down = ceil_div(ceil_div(numel, width), kRows);
      across = ceil_div(width, kColumns);
      count = down * across;
      elements = std::min(numel, kRows * std::min(width, kColumns));
    } else {
      across = ceil_div(inner, kPiece);
      count = outer * channels * across;
      elements = std::min(inner, kPiece);
    }
  }

  static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
  // The channel of each of n columns.
  void channels_of(int64_t column, int64_t n, int64_t* to) const {
    int64_t channel = column / inner % channels, left = inner - column % inner;
    for (int64_t i = 0; i < n; ++i) {
      to[i] = channel;
      if (--left == 0) {
        left = inner;
        channel = channel + 1 == channels ? 0 : channel + 1;
      }
    }
  }

  int64_t channels, inner, numel;
  bool columns;
  int64_t width = 0, down = 0;  // of columns: elements in a row, tiles below each other
  int64_t across;               // tiles beside each other, or pieces of a channel
  int64_t count;                // of all units
  int64_t elements;             // in a unit, about
};

// Units [begin, end); adds to sums[formula's sums][channels] unless it is null.
using ChannelLoop = void (*)(const Channelwise& problem, const ChannelUnits& units, int64_t begin, int64_t end,
                             double* sums);

// Count, mean and sum of squared deviations; two of them merge exactly as if their data had been one (Chan, Golub,
// LeVeque 1983).
struct Moments {
  double n, mean, m2;

  ACTINIUM_HD void merge(const Moments& other) {
    if (other.n == 0) return;
    const double total = n + other.n, delta = other.mean - mean;
    mean += delta * (other.n / total);
    m2 += other.m2 + delta * delta * (n * other.n / total);
    n = total;
  }
};
using StatsLoop = void (*)(const ChannelStats& problem, const ChannelUnits& units, int64_t begin, int64_t end,
                           Moments* moments);

// Positions [begin, end) of [outer, inner].
using MaxoutLoop = void (*)(const Maxout& problem, int64_t begin, int64_t end);

// Units [begin, end) of rows. A row is the middle of [outer, n, inner]; a unit is one where inner is 1, else as many
// beside each other as SoftmaxUnits says.
struct SoftmaxUnits {
  // Bytes of a vector of rows, in whatever dtype they are computed.
  static constexpr int64_t kBytes = 128;

  SoftmaxUnits(c10::ScalarType dtype, int64_t outer, int64_t inner_)
      : inner(inner_),
        width(inner_ == 1 ? 1 : kBytes / std::max<int64_t>(4, c10::elementSize(dtype))),
        across((inner + width - 1) / width),
        count(outer * across) {}

  int64_t inner, width, across, count;
};
using SoftmaxLoop = void (*)(const Softmax& problem, const SoftmaxUnits& units, int64_t begin, int64_t end,
                             bool stream);
using CrossEntropyLoop = void (*)(const CrossEntropy& problem, const SoftmaxUnits& units, int64_t begin, int64_t end,
                                  bool stream);

struct Kernels {
  PointwiseLoop (*pointwise)(const Pointwise&);
  ChannelLoop (*channelwise)(const Channelwise&);
  StatsLoop (*channel_stats)(const ChannelStats&);
  MaxoutLoop (*maxout)(const Maxout&);
  SoftmaxLoop (*softmax)(const Softmax&);
  CrossEntropyLoop (*cross_entropy)(const CrossEntropy&);
};

// gated_loop and bias_loop are the parts of pointwise_loop and channel_loop that have files of their own.
#define ACTINIUM_DECLARE_KERNELS(CAPABILITY)                                                                           \
  namespace CAPABILITY {                                                                                               \
  PointwiseLoop pointwise_loop(const Pointwise& problem);                                                              \
  PointwiseLoop gated_loop(const Pointwise& problem);                                                                  \
  ChannelLoop channel_loop(const Channelwise& problem);                                                                \
  ChannelLoop bias_loop(const Channelwise& problem);                                                                   \
  StatsLoop stats_loop(const ChannelStats& problem);                                                                   \
  MaxoutLoop maxout_loop(const Maxout& problem);                                                                       \
  SoftmaxLoop softmax_loop(const Softmax& problem);                                                                    \
  CrossEntropyLoop cross_entropy_loop(const CrossEntropy& problem);                                                    \
  constexpr Kernels kKernels{pointwise_loop, channel_loop, stats_loop, maxout_loop, softmax_loop, cross_entropy_loop}; \
  }
ACTINIUM_DECLARE_KERNELS(DEFAULT)
ACTINIUM_DECLARE_KERNELS(AVX2)
ACTINIUM_DECLARE_KERNELS(AVX512)
#undef ACTINIUM_DECLARE_KERNELS

}  // namespace actinium::cpu
