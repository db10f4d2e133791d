// The loops of every formula with per-channel parameters: elements out and per-channel sums in one pass, for channels
// that are the fastest dimension (a column of vectors, down a tile of rows) and for those that are not (along a row).
#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"
#include "csrc/math/activations.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

// At least one, for arrays of what a formula may have none of.
constexpr int at_least_one(int n) { return n > 0 ? n : 1; }

// Takes units apart into columns of vectors (channels last) or pieces of a row.
template <class Body>
void for_units(const Body& body, const ChannelUnits& units, int64_t begin, int64_t end) {
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t down = unit / units.across, across = unit % units.across;
    if (units.last) {
      const int64_t row = down * units.kRows, row_end = std::min(row + units.kRows, units.outer);
      int64_t channel = across * units.kColumns;
      const int64_t channel_end = std::min(channel + units.kColumns, units.channels);
      for (; channel + Body::kStep <= channel_end; channel += Body::kStep) {
        body.template column<false>(channel, Body::kStep, row, row_end);
      }
      if (channel < channel_end) body.template column<true>(channel, channel_end - channel, row, row_end);
    } else {
      const int64_t from = across * units.kPiece;
      body.piece(down % units.channels, down * units.inner + from, std::min(units.kPiece, units.inner - from));
    }
  }
}

// kWrite and kSum say at compile time what is wanted, so that the work for the rest is not done.
template <template <class> class Formula, class scalar_t, bool kWrite, bool kSum>
struct Channels {
  using T = compute_t<scalar_t>;
  using F = Formula<T>;
  using param_t = opmath_t<scalar_t>;
  static constexpr int64_t kStep = kLanes<T>;
  static constexpr int kSums = kSum ? F::kSums : 0;

  const Channelwise& problem;
  double* sums;

  ACTINIUM_HD const scalar_t* input(int k) const { return static_cast<const scalar_t*>(problem.inputs[k]); }
  ACTINIUM_HD scalar_t* output(int k) const { return static_cast<scalar_t*>(problem.outputs[k]); }
  ACTINIUM_HD const param_t* param(int k) const { return static_cast<const param_t*>(problem.params[k]); }

  // One vector of elements at `at`, its first n of them if kPartial.
  template <bool kPartial>
  ACTINIUM_HD void step(const F& formula, int64_t at, int64_t n, T* totals) const {
    T in[at_least_one(F::kInputs)], out[at_least_one(F::kOutputs)], terms[at_least_one(F::kSums)];
    for (int k = 0; k < F::kInputs; ++k) in[k] = kPartial ? load_some<T>(input(k) + at, n) : load<T>(input(k) + at);
    formula(in, out, terms);
    if constexpr (kWrite) {
      for (int k = 0; k < F::kOutputs; ++k) {
        if (F::kOutputs > 1 && output(k) == nullptr) continue;
        kPartial ? store_some(output(k) + at, n, out[k]) : store(output(k) + at, out[k]);
      }
    }
    for (int k = 0; k < kSums; ++k) totals[k] = totals[k] + terms[k];
  }

  // Rows [row, row_end) of a vector of n channels from `channel` on.
  template <bool kPartial>
  ACTINIUM_HD void column(int64_t channel, int64_t n, int64_t row, int64_t row_end) const {
    T params[at_least_one(F::kParams)];
    for (int k = 0; k < F::kParams; ++k) {
      const param_t* const p = param(k) + channel * problem.param_strides[k];
      if (problem.param_strides[k] == 0) {
        params[k] = broadcast<T>(*p);
      } else {
        params[k] = kPartial ? load_some<T>(p, n) : load<T>(p);
      }
    }
    const F formula(params, problem.eps);
    T totals[at_least_one(kSums)];
    for (int k = 0; k < kSums; ++k) totals[k] = broadcast<T>(0);
    for (; row < row_end; ++row) step<kPartial>(formula, row * problem.channels + channel, n, totals);
    for (int k = 0; k < kSums; ++k) {
      lane_t<T> lanes[kStep];
      store(lanes, totals[k]);
      for (int64_t i = 0; i < n; ++i) sums[k * problem.channels + channel + i] += lanes[i];
    }
  }

  // n elements from `at` on, all of one channel.
  void piece(int64_t channel, int64_t at, int64_t n) const {
    T params[at_least_one(F::kParams)];
    for (int k = 0; k < F::kParams; ++k) params[k] = broadcast<T>(param(k)[channel * problem.param_strides[k]]);
    const F formula(params, problem.eps);
    T totals[at_least_one(kSums)];
    for (int k = 0; k < kSums; ++k) totals[k] = broadcast<T>(0);
    int64_t i = 0;
    for (; i + kStep <= n; i += kStep) step<false>(formula, at + i, kStep, totals);
    double rest[at_least_one(kSums)] = {};
    if (i < n) {
      // Lanes past the end hold f(0), which need not be 0: their terms are left out by adding lane by lane.
      T last[at_least_one(kSums)];
      for (int k = 0; k < kSums; ++k) last[k] = broadcast<T>(0);
      step<true>(formula, at + i, n - i, last);
      for (int k = 0; k < kSums; ++k) {
        lane_t<T> lanes[kStep];
        store(lanes, last[k]);
        for (int64_t j = 0; j < n - i; ++j) rest[k] += lanes[j];
      }
    }
    for (int k = 0; k < kSums; ++k) sums[k * problem.channels + channel] += lane_sum(totals[k]) + rest[k];
  }
};

template <template <class> class Formula, class scalar_t, bool kWrite, bool kSum>
void loop(const Channelwise& problem, const ChannelUnits& units, int64_t begin, int64_t end, double* sums) {
  for_units(Channels<Formula, scalar_t, kWrite, kSum>{problem, sums}, units, begin, end);
}

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

// A unit's mean and sum of squared deviations, by two passes over what the first-level cache holds. The second also
// sums the deviations themselves, which corrects the first mean's rounding.
template <class scalar_t>
struct Stats {
  using T = compute_t<scalar_t>;
  static constexpr int64_t kStep = kLanes<T>;

  const ChannelStats& problem;
  Moments* moments;

  ACTINIUM_HD const scalar_t* input() const { return static_cast<const scalar_t*>(problem.input); }

  ACTINIUM_HD void merge(int64_t channel, double n, double mean, double deviations, double squares) const {
    moments[channel].merge({n, mean + deviations / n, squares - deviations * deviations / n});
  }

  template <bool kPartial>
  ACTINIUM_HD void column(int64_t channel, int64_t n, int64_t row, int64_t row_end) const {
    const auto at = [&](int64_t r) {
      const scalar_t* const p = input() + r * problem.channels + channel;
      return kPartial ? load_some<T>(p, n) : load<T>(p);
    };
    const double count = static_cast<double>(row_end - row);
    T sum = broadcast<T>(0);
    for (int64_t r = row; r < row_end; ++r) sum = sum + at(r);
    const T mean = sum * broadcast<T>(static_cast<lane_t<T>>(1 / count));
    T deviations = broadcast<T>(0), squares = broadcast<T>(0);
    for (int64_t r = row; r < row_end; ++r) {
      const T d = at(r) - mean;
      deviations = deviations + d;
      squares = squares + d * d;
    }
    lane_t<T> means[kStep], firsts[kStep], seconds[kStep];
    store(means, mean);
    store(firsts, deviations);
    store(seconds, squares);
    for (int64_t i = 0; i < n; ++i) merge(channel + i, count, means[i], firsts[i], seconds[i]);
  }

  void piece(int64_t channel, int64_t at, int64_t n) const {
    const scalar_t* const p = input() + at;
    const int64_t whole = n / kStep * kStep;
    T sum = broadcast<T>(0);
    for (int64_t i = 0; i < whole; i += kStep) sum = sum + load<T>(p + i);
    double total = lane_sum(sum);
    for (int64_t i = whole; i < n; ++i) total += static_cast<double>(p[i]);
    const lane_t<T> mean = static_cast<lane_t<T>>(total / static_cast<double>(n));
    T deviations = broadcast<T>(0), squares = broadcast<T>(0);
    for (int64_t i = 0; i < whole; i += kStep) {
      const T d = load<T>(p + i) - broadcast<T>(mean);
      deviations = deviations + d;
      squares = squares + d * d;
    }
    double first = lane_sum(deviations), second = lane_sum(squares);
    for (int64_t i = whole; i < n; ++i) {
      const double d = static_cast<double>(p[i]) - static_cast<double>(mean);
      first += d;
      second += d * d;
    }
    merge(channel, static_cast<double>(n), mean, first, second);
  }
};

template <class scalar_t>
void stats(const ChannelStats& problem, const ChannelUnits& units, int64_t begin, int64_t end, Moments* moments) {
  for_units(Stats<scalar_t>{problem, moments}, units, begin, end);
}

}  // namespace

ChannelLoop channel_loop(const Channelwise& problem) {
  switch (static_cast<math::ChannelFormula>(problem.formula)) {
#define ACTINIUM_CASE(Name)           \
  case math::ChannelFormula::k##Name: \
    return select<math::Name>(problem);
    ACTINIUM_CHANNEL_FORMULAS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
  }
  return nullptr;
}

StatsLoop stats_loop(const ChannelStats& problem) {
  return with_dtype(problem.dtype, [](auto zero) -> StatsLoop { return stats<decltype(zero)>; });
}

}  // namespace actinium::cpu::CPU_CAPABILITY
