// The formulas with per-channel parameters, and the statistics of channels.
#include "csrc/cpu/channels.h"
#include "csrc/math/activations.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

template <template <class> class Formula>
ChannelLoop select(const Channelwise& problem) {
  using F = Formula<double>;
  const bool write = std::any_of(problem.outputs, problem.outputs + F::kOutputs, [](void* p) { return p != nullptr; });
  return with_dtype(problem.dtype, [&](auto zero) -> ChannelLoop {
    using scalar_t = decltype(zero);
    if constexpr (F::kSums == 0) {
      return loop<Formula, scalar_t, true, false>;
    } else if constexpr (F::kOutputs == 0) {
      return loop<Formula, scalar_t, false, true>;
    } else {
      if (problem.sums == nullptr) return loop<Formula, scalar_t, true, false>;
      return write ? loop<Formula, scalar_t, true, true> : loop<Formula, scalar_t, false, true>;
    }
  });
}

// Means and sums of squared deviations, by two passes over what the first-level cache holds. The second also sums the
// deviations themselves, which corrects the first mean's rounding.
template <class scalar_t>
class Stats {
  using W = pair_t<scalar_t>;
  static constexpr int64_t kStep = kLanes<W>;
  // As many rows at a time as stay in cache, and as the processor reads side by side.
  static constexpr int64_t kBlock = 16;

 public:
  Stats(const ChannelStats& problem, const ChannelUnits& units_, Moments* moments_)
      : units(units_), input(static_cast<const scalar_t*>(problem.input)), moments(moments_) {}
  ~Stats() { flush(); }

  void tile(int64_t column, int64_t columns, int64_t row, int64_t rows) {
    if (column != column_) {
      flush();
      column_ = column;
      columns_ = columns;
      units.channels_of(column, columns, channels_);
      std::fill(count_, count_ + kMaxSteps, 0);
      std::fill(mean_, mean_ + kColumns, 0);
      std::fill(m2_, m2_ + kColumns, 0);
    }
    for (int64_t first = row; first < row + rows; first += kBlock) {
      const int64_t last = std::min(first + kBlock, row + rows);
      for (int64_t i = 0; i * kStep < columns; ++i) {
        const int64_t at = column + i * kStep, n = std::min(kStep, columns - i * kStep);
        // The last row may be short: it is taken alone, so that a vector's lanes count the same rows.
        int64_t whole = last;
        if ((last - 1) * units.width + at + n > units.numel) --whole;
        if (n == kStep) {
          block<false>(i, at, n, first, whole);
        } else {
          block<true>(i, at, n, first, whole);
        }
        if (whole < last) short_row(i, at, std::max<int64_t>(0, units.numel - whole * units.width - at), whole);
      }
    }
  }

  void piece(int64_t channel, int64_t at, int64_t n) {
    const scalar_t* const p = input + at;
    const double count = static_cast<double>(n);
    const int64_t whole = n / kStep * kStep;
    W sum = broadcast<W>(0);
    for (int64_t i = 0; i < whole; i += kStep) sum = sum + load<W>(p + i);
    double total = lane_sum(sum);
    for (int64_t i = whole; i < n; ++i) total += static_cast<double>(p[i]);
    const lane_t<W> mean = static_cast<lane_t<W>>(total / count);
    W deviations = broadcast<W>(0), squares = broadcast<W>(0);
    for (int64_t i = 0; i < whole; i += kStep) {
      const W d = load<W>(p + i) - broadcast<W>(mean);
      deviations = deviations + d;
      squares = squares + d * d;
    }
    double first = lane_sum(deviations), second = lane_sum(squares);
    for (int64_t i = whole; i < n; ++i) {
      const double d = static_cast<double>(p[i]) - static_cast<double>(mean);
      first += d;
      second += d * d;
    }
    moments[channel].merge({count, mean + first / count, second - first * first / count});
  }

 private:
  static constexpr int64_t kColumns = ChannelUnits::kColumns;
  static constexpr int64_t kMaxSteps = kColumns / kStep;

  // Rows [row, row_end) of the n columns from `at` on; vector i of the tile.
  template <bool kPartial>
  ACTINIUM_HD void block(int64_t i, int64_t at, int64_t n, int64_t row, int64_t row_end) {
    if (row == row_end) return;
    const auto element = [&](int64_t r) {
      const scalar_t* const p = input + r * units.width + at;
      return kPartial ? load_some<W>(p, n) : load<W>(p);
    };
    const double count = static_cast<double>(row_end - row);
    W sum = broadcast<W>(0);
    for (int64_t r = row; r < row_end; ++r) {
      prefetch<W>(input, (r + kBlock) * units.width + at);
      sum = sum + element(r);
    }
    const W mean = sum * broadcast<W>(static_cast<lane_t<W>>(1 / count));
    W deviations = broadcast<W>(0), squares = broadcast<W>(0);
    for (int64_t r = row; r < row_end; ++r) {
      const W d = element(r) - mean;
      deviations = deviations + d;
      squares = squares + d * d;
    }
    lane_t<W> means[kStep], firsts[kStep], seconds[kStep];
    Numbers<scalar_t, W>::store(means, mean);
    Numbers<scalar_t, W>::store(firsts, deviations);
    Numbers<scalar_t, W>::store(seconds, squares);
    // Moments::merge, for all lanes at once.
    const double total = count_[i] + count, share = count / total, weight = count_[i] * share, inverse = 1 / count;
    double* const to_mean = mean_ + i * kStep;
    double* const to_m2 = m2_ + i * kStep;
    for (int64_t lane = 0; lane < kStep; ++lane) {
      const double first = firsts[lane], delta = means[lane] + first * inverse - to_mean[lane];
      to_mean[lane] += delta * share;
      to_m2[lane] += seconds[lane] - first * first * inverse + delta * delta * weight;
    }
    count_[i] = total;
  }

  void short_row(int64_t i, int64_t at, int64_t n, int64_t row) {
    for (int64_t lane = 0; lane < std::min(kStep, n); ++lane) {
      const double value = static_cast<double>(input[row * units.width + at + lane]);
      moments[channels_[i * kStep + lane]].merge({1, value, 0});
    }
  }

  // The moments of the columns to those of their channels.
  void flush() {
    for (int64_t c = 0; c < columns_; ++c) {
      moments[channels_[c]].merge({count_[c / kStep], mean_[c], m2_[c]});
    }
  }

  const ChannelUnits& units;
  const scalar_t* const input;
  Moments* const moments;
  // Of the columns of the present tile and those above it.
  int64_t column_ = -1, columns_ = 0, channels_[kColumns];
  double count_[kMaxSteps], mean_[kColumns], m2_[kColumns];
};

template <class scalar_t>
void stats(const ChannelStats& problem, const ChannelUnits& units, int64_t begin, int64_t end, Moments* moments) {
  Stats<scalar_t> body(problem, units, moments);
  for_units</*kFromLast=*/false>(body, units, begin, end);
}

}  // namespace

ChannelLoop channel_loop(const Channelwise& problem) {
  switch (static_cast<math::ChannelFormula>(problem.formula)) {
#define ACTINIUM_CASE(Name)           \
  case math::ChannelFormula::k##Name: \
    return select<math::Name>(problem);
    ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
    case math::ChannelFormula::kBiasForward:
    case math::ChannelFormula::kBiasBackward:
      return bias_loop(problem);
  }
  return nullptr;
}

StatsLoop stats_loop(const ChannelStats& problem) {
  return with_dtype(problem.dtype, [](auto zero) -> StatsLoop { return stats<decltype(zero)>; });
}

}  // namespace actinium::cpu::CPU_CAPABILITY
