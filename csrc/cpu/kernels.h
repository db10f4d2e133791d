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

// n elements at data[k] + i * strides[k], outputs first; data[k] of an output may be null.
using PointwiseLoop = void (*)(const double* params, char* const* data, const int64_t* strides, int64_t n);

// Channelwise problems are cut into units, small enough to stay in the first-level cache and to bound the length of a
// sum in opmath, after which it goes on in double. Channel last (inner == 1): a tile of rows x channels. Otherwise: a
// piece of one row of `inner` elements.
struct ChannelUnits {
  static constexpr int64_t kRows = 64;
  static constexpr int64_t kColumns = 1024;
  static constexpr int64_t kPiece = 2048;

  ChannelUnits(int64_t outer_, int64_t channels_, int64_t inner_)
      : outer(outer_), channels(channels_), inner(inner_), last(inner_ == 1) {
    across = last ? ceil_div(channels, kColumns) : ceil_div(inner, kPiece);
    count = (last ? ceil_div(outer, kRows) : outer * channels) * across;
    elements = last ? kRows * std::min(channels, kColumns) : std::min(inner, kPiece);
  }

  static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

  int64_t outer, channels, inner;
  bool last;         // channels are the fastest dimension
  int64_t across;    // units beside each other within a row of tiles, or within a row of inner elements
  int64_t count;     // of all units
  int64_t elements;  // in a unit, about
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

struct Kernels {
  PointwiseLoop (*pointwise)(const Pointwise&);
  ChannelLoop (*channelwise)(const Channelwise&);
  StatsLoop (*channel_stats)(const ChannelStats&);
  MaxoutLoop (*maxout)(const Maxout&);
};

#define ACTINIUM_DECLARE_KERNELS(CAPABILITY)                                         \
  namespace CAPABILITY {                                                             \
  PointwiseLoop pointwise_loop(const Pointwise& problem);                            \
  ChannelLoop channel_loop(const Channelwise& problem);                              \
  StatsLoop stats_loop(const ChannelStats& problem);                                 \
  MaxoutLoop maxout_loop(const Maxout& problem);                                     \
  constexpr Kernels kKernels{pointwise_loop, channel_loop, stats_loop, maxout_loop}; \
  }
ACTINIUM_DECLARE_KERNELS(DEFAULT)
ACTINIUM_DECLARE_KERNELS(AVX2)
ACTINIUM_DECLARE_KERNELS(AVX512)
#undef ACTINIUM_DECLARE_KERNELS

}  // namespace actinium::cpu
