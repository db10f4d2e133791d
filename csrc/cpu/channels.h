#pragma once
// The loops of every formula with per-channel parameters, elements out and per-channel sums in one pass: over tiles of
// columns and over pieces of a channel (see ChannelUnits).
#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

// At least one, for arrays of what a formula may have none of.
constexpr int at_least_one(int n) { return n > 0 ? n : 1; }

// Calls body.tile(first column, columns, first row, rows) or body.piece(channel, first element, elements) for each
// unit. What is computed with statistics goes from the last unit to the first: it begins with what these, which go from
// the first to the last, have left in the caches.
template <bool kFromLast, class Body>
void for_units(Body& body, const ChannelUnits& units, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t unit = kFromLast ? begin + end - 1 - i : i;
    if (units.columns) {
      const int64_t column = unit / units.down * units.kColumns, row = unit % units.down * units.kRows;
      const int64_t rows = ChannelUnits::ceil_div(units.numel - column, units.width);  // with this column
      if (row < rows) {
        body.tile(column, std::min(units.kColumns, units.width - column), row, std::min(units.kRows, rows - row));
      }
    } else {
      const int64_t down = unit / units.across, from = unit % units.across * units.kPiece;
      body.piece(down % units.channels, down * units.inner + from, std::min(units.kPiece, units.inner - from));
    }
  }
}

// Of the parameters of Dice's formulas three are alpha, a mean and a scale; no other has as many.
template <class F>
constexpr bool kAfterStatistics = F::kParams > 2;

// kWrite and kSum say at compile time what is wanted, so that the work for the rest is not done.
template <template <class> class Formula, class scalar_t, bool kWrite, bool kSum>
class Channels {
  // Two vectors side by side, unless what a formula keeps for them fills the registers, of which AVX2 has 16.
  static constexpr bool kTwo = kManyRegisters || Formula<double>::kParams + Formula<double>::kSums <= 4;
  using W = std::conditional_t<kTwo, pair_t<scalar_t>, compute_t<scalar_t>>;
  using P = math::Prim<W>;
  using F = Formula<W>;
  using param_t = opmath_t<scalar_t>;
  static constexpr int64_t kStep = kLanes<W>;
  static constexpr int kSums = kSum ? F::kSums : 0;
  static constexpr int64_t kBlock = 8, kAhead = 8;   // rows
  static constexpr int64_t kFar = int64_t{8} << 20;  // bytes of an operand that caches near the processor cannot hold

 public:
  Channels(const Channelwise& problem_, const ChannelUnits& units_, double* sums_)
      : problem(problem_), units(units_), sums(sums_) {}

  void tile(int64_t column, int64_t columns, int64_t row, int64_t rows) {
    const int64_t steps = ChannelUnits::ceil_div(columns, kStep);
    if (column != column_) {
      column_ = column;
      units.channels_of(column, columns, channels_);
      // Lanes past the end belong to no one.
      std::fill(channels_ + columns, channels_ + steps * kStep, channels_[columns - 1]);
      for (int64_t i = 0; i < steps; ++i) {
        new (formulas() + i) F(formula([&](const param_t* p, int64_t stride) {
          return numbers<scalar_t, W>([&](int64_t lane) { return p[channels_[i * kStep + lane] * stride]; });
        }));
      }
    }
    Totals totals[kSum ? kMaxSteps : 1];
    // Some rows at a time, so that formulas and totals stay in registers for a while.
    const bool short_row = (row + rows) * units.width - units.width + column + columns > units.numel;
    const int64_t whole = row + rows - short_row;
    for (int64_t first = row; first < whole; first += kBlock) {
      const int64_t last = std::min(first + kBlock, whole);
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t n = std::min(kStep, columns - i * kStep);
        Totals& total = totals[kSum ? i : 0];
        if (n == kStep) {
          down<false>(formulas()[i], first * units.width + column + i * kStep, n, last - first, total);
        } else {
          part_down(formulas()[i], first * units.width + column + i * kStep, n, last - first, total);
        }
      }
    }
    if (short_row) {
      const int64_t at = whole * units.width + column;
      for (int64_t i = 0; at + i * kStep < units.numel; ++i) {
        const int64_t n = std::min(kStep, units.numel - at - i * kStep);
        part_down(formulas()[i], at + i * kStep, n, 1, totals[kSum ? i : 0]);
      }
    }
    for (int k = 0; k < kSums; ++k) {
      for (int64_t i = 0; i < steps; ++i) {
        lane_t<W> lanes[kStep];
        Numbers<scalar_t, W>::store(lanes, totals[i].terms[k]);
        const int64_t n = std::min(kStep, columns - i * kStep);
        for (int64_t l = 0; l < n; ++l) sums[k * units.channels + channels_[i * kStep + l]] += lanes[l];
      }
    }
  }

  void piece(int64_t channel, int64_t at, int64_t n) {
    const F same = formula([&](const param_t* p, int64_t stride) { return broadcast<W>(p[channel * stride]); });
    Totals totals;
    int64_t i = 0;
    for (; i + kStep <= n; i += kStep) step<false>(same, at + i, kStep, totals);
    if (i < n) part_down(same, at + i, n - i, 1, totals);
    for (int k = 0; k < kSums; ++k) sums[k * units.channels + channel] += lane_sum(totals.terms[k]);
  }

 private:
  struct Totals {
    W terms[at_least_one(kSums)];
    ACTINIUM_HD Totals() {
      for (W& term : terms) term = broadcast<W>(0);
    }
  };

  ACTINIUM_HD const scalar_t* input(int k) const { return static_cast<const scalar_t*>(problem.inputs[k]); }
  ACTINIUM_HD scalar_t* output(int k) const { return static_cast<scalar_t*>(problem.outputs[k]); }

  // With lanes(p, stride) of each parameter, of which that of channel c is p[c * stride].
  template <class Lanes>
  F formula(Lanes lanes) const {
    W params[at_least_one(F::kParams)];
    for (int k = 0; k < F::kParams; ++k) {
      params[k] = lanes(static_cast<const param_t*>(problem.params[k]), problem.param_strides[k]);
    }
    return F(params, problem.number);
  }

  // A vector of columns through some rows.
  template <bool kPartial>
  ACTINIUM_HD void down(const F& in_memory, int64_t at, int64_t n, int64_t rows, Totals& total) const {
    const F f = in_memory;
    Totals totals = total;
    const bool is_far = units.numel * static_cast<int64_t>(sizeof(scalar_t)) > kFar;
    for (int64_t r = 0; r < rows; ++r) {
      // Several rows side by side are no stream that a processor would see.
      if (is_far) {
        const int64_t ahead = at + (r + kAhead) * units.width;
        for (int k = 0; k < F::kInputs; ++k) prefetch<W>(input(k), ahead);
        for (int k = 0; k < (kWrite ? F::kOutputs : 0); ++k) prefetch<W, true>(output(k), ahead);
      }
      step<kPartial>(f, at + r * units.width, n, totals);
    }
    total = totals;
  }

  // The same for a part of a vector; compiled once, not wherever it is called.
  __attribute__((noinline)) void part_down(const F& f, int64_t at, int64_t n, int64_t rows, Totals& total) const {
    down<true>(f, at, n, rows, total);
  }

  // One vector of elements at `at`, its first n of them if kPartial.
  template <bool kPartial>
  ACTINIUM_HD void step(const F& f, int64_t at, int64_t n, Totals& totals) const {
    W in[at_least_one(F::kInputs)], out[at_least_one(F::kOutputs)], terms[at_least_one(F::kSums)];
    for (int k = 0; k < F::kInputs; ++k) in[k] = kPartial ? load_some<W>(input(k) + at, n) : load<W>(input(k) + at);
    f(in, out, terms);
    if constexpr (kWrite) {
      for (int k = 0; k < F::kOutputs; ++k) {
        if (F::kOutputs > 1 && output(k) == nullptr) continue;
        kPartial ? store_some(output(k) + at, n, out[k]) : store(output(k) + at, out[k]);
      }
    }
    for (int k = 0; k < kSums; ++k) {
      // Lanes past the end hold f(0), which need not be 0.
      const W term = kPartial ? P::select(first<scalar_t, W>(n), terms[k], broadcast<W>(0)) : terms[k];
      totals.terms[k] = totals.terms[k] + term;
    }
  }

  static constexpr int64_t kMaxSteps = ChannelUnits::kColumns / kStep;
  F* formulas() { return reinterpret_cast<F*>(formulas_); }

  const Channelwise& problem;
  const ChannelUnits& units;
  double* const sums;
  // Of the columns from column_ on.
  int64_t column_ = -1;
  alignas(F) char formulas_[kMaxSteps * sizeof(F)];
  int64_t channels_[ChannelUnits::kColumns];
};

template <template <class> class Formula, class scalar_t, bool kWrite, bool kSum>
void loop(const Channelwise& problem, const ChannelUnits& units, int64_t begin, int64_t end, double* sums) {
  Channels<Formula, scalar_t, kWrite, kSum> channels(problem, units, sums);
  for_units<!kSum && kAfterStatistics<Formula<double>>>(channels, units, begin, end);
}

}  // namespace
}  // namespace actinium::cpu::CPU_CAPABILITY
