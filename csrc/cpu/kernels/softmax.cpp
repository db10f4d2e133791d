// Softmax, its logarithm and cross-entropy: over rows that lie in memory as they are (Along), and over rows that lie
// side by side, one in each lane (Down). What is computed is written once, for both.
#include "csrc/math/softmax.h"

#include <array>

#include "csrc/cpu/io.h"
#include "csrc/cpu/kernels.h"

namespace actinium::cpu::CPU_CAPABILITY {
namespace {

using math::ExactSum;
using math::RowExp;
using math::RowTotal;

// Of the functions that a pass is made of, which are called for every vector.
#define ACTINIUM_INLINE __attribute__((always_inline))

template <class V_>
struct Tag {
  using V = V_;
};

// What a row has one of, a number or, with a row in each lane, a vector, beside elements in V.
template <class V, class Value>
ACTINIUM_HD V spread(const Value& value) {
  if constexpr (std::is_same_v<V, Value>) {
    return value;
  } else {
    return broadcast<V>(value);
  }
}

// Elements of rows: of row 0 the first is at p, and those that follow are stride apart.
template <class S>
struct Elements {
  S* p;
  int64_t stride;
  bool padded = false;  // there are whole vectors, even where there are fewer rows than lanes
};

// A pass over elements [begin, end) makes `make(Tag<V>)` for each kind of vectors V that it takes them in, a function
// of a place. A place loads and stores a vector of elements.

// ------------------------------------------------------------------------------------------------- rows in memory

template <class scalar_t>
class Along {
  using T = compute_t<scalar_t>;
  using W = pair_t<scalar_t>;

 public:
  using Value = lane_t<T>;
  static constexpr int64_t kBlock = 2048;  // what a maximum is known of before exponentials are taken

  Along(int64_t n, int64_t row, bool stream) : row_(row), n_(n), stream_(stream) {}

  int64_t row() const { return row_; }
  int64_t rows() const { return 1; }
  template <class S>
  Elements<S> of(S* base) const {
    return {base + row_ * n_, 1};
  }
  Elements<const scalar_t> copy(const scalar_t* base, scalar_t* /*scratch*/) const { return of(base); }

  // f(i) for the i-th of the rows, and back.
  template <class F>
  ACTINIUM_HD Value values(F f) const {
    return f(0);
  }
  static ACTINIUM_HD void lanes(Value value, Value* to) { *to = value; }
  static constexpr int64_t kRows = 1;

  template <class V, bool kPart>
  struct Place {
    using P = math::Prim<V>;
    int64_t i, count;
    bool stream;
    ACTINIUM_HD V load(Elements<const scalar_t> from) const {
      if constexpr (kPart) {
        return load_some<V>(from.p + i, count);
      } else {
        return cpu::CPU_CAPABILITY::load<V>(from.p + i);
      }
    }
    ACTINIUM_HD void store(Elements<scalar_t> to, const V& value) const {
      if constexpr (kPart) {
        store_some(to.p + i, count, value);
      } else {
        stream ? cpu::CPU_CAPABILITY::store<true>(to.p + i, value) : cpu::CPU_CAPABILITY::store(to.p + i, value);
      }
    }
    // f(i) for the i-th element of the row
    template <class F>
    ACTINIUM_HD V numbers(F f) const {
      return cpu::CPU_CAPABILITY::numbers<scalar_t, V>(
          [&](int64_t lane) { return !kPart || lane < count ? f(i + lane) : 0; });
    }
    // value, or `other` in lanes past the end
    ACTINIUM_HD V only(const V& value, Value other) const {
      if constexpr (kPart) {
        return P::select(first<scalar_t, V>(count), value, broadcast<V>(other));
      } else {
        return value;
      }
    }
  };

  template <class Make>
  ACTINIUM_HD void each(int64_t begin, int64_t end, Make make) const {
    visit(begin, end, false, make, [](auto tag, const auto& at, auto& body) { body(at); });
  }
  // The same, and writes first of all to `to`.
  template <class Make>
  ACTINIUM_HD void each_into(Elements<scalar_t> to, int64_t begin, int64_t end, Make make) const {
    if (stream_) {
      constexpr uintptr_t kLine = 64;
      const uintptr_t past_line = reinterpret_cast<uintptr_t>(to.p + begin) % kLine;
      const int64_t to_line = static_cast<int64_t>((kLine - past_line) % kLine / sizeof(scalar_t));
      const int64_t aligned = std::min(end, begin + to_line);
      each(begin, aligned, make);
      begin = aligned;
    }
    visit(begin, end, stream_, make, [](auto tag, const auto& at, auto& body) { body(at); });
  }

  // The sum of the lanes: of float32 in double, of float64 one after the other, with what that loses.
  static ACTINIUM_HD ExactSum<Value> across(const ExactSum<T>& lanes) {
    if constexpr (sizeof(Value) == sizeof(float)) {
      const double total = ExactSum<double>{lane_sum(lanes.sum), lane_sum(lanes.lost)}.value();
      const Value sum = static_cast<Value>(total);
      return {sum, static_cast<Value>(total - static_cast<double>(sum))};
    } else {
      Value each[kLanes<T>];
      Memory<T>::store(each, lanes.sum);
      ExactSum<Value> all{0, lane_sum(lanes.lost)};
      for (const Value lane : each) all.add(lane);
      return all;
    }
  }

  // The sums of the terms that body(place, terms) gives. All but the first are counts, whose sums are exact as they
  // are.
  template <int kTerms, class Make>
  ACTINIUM_HD std::array<ExactSum<Value>, kTerms> sums(int64_t begin, int64_t end, Make make) const {
    constexpr int64_t kFew = 4;  // added up before what their roundings lose is taken care of
    W few[kTerms];
    ExactSum<W> wide{broadcast<W>(0), broadcast<W>(0)};
    T narrow[kTerms];
    for (int k = 0; k < kTerms; ++k) {
      few[k] = broadcast<W>(0);
      narrow[k] = broadcast<T>(0);
    }
    int64_t steps = 0;
    visit(begin, end, false, make, [&](auto tag, const auto& at, auto& body) ACTINIUM_INLINE {
      using V = typename decltype(tag)::V;
      V terms[kTerms];
      body(at, terms);
      if constexpr (std::is_same_v<V, W>) {
        for (int k = 0; k < kTerms; ++k) few[k] = few[k] + terms[k];
        if (++steps % kFew != 0) return;
        wide.add(few[0]);
        few[0] = broadcast<W>(0);
      } else {
        for (int k = 0; k < kTerms; ++k) narrow[k] = narrow[k] + at.only(terms[k], 0);
      }
    });
    std::array<ExactSum<Value>, kTerms> result;
    for (int k = 0; k < kTerms; ++k) {
      ExactSum<T> lanes{narrow[k] + fold(few[k]), broadcast<T>(0)};
      if (k == 0 && steps >= kFew) {
        lanes.lost = fold(wide.lost);
        fold(wide.sum, lanes);
      }
      result[k] = across(lanes);
    }
    return result;
  }

  ACTINIUM_HD Value max(Elements<const scalar_t> x, int64_t begin, int64_t end) const {
    constexpr Value kNone = -__builtin_huge_val();
    W wide = broadcast<W>(kNone);
    T narrow = broadcast<T>(kNone);
    visit(
        begin, end, false, [](auto tag) { return tag; },
        [&](auto tag, const auto& at, auto& /*body*/) {
          using V = typename decltype(tag)::V;
          // What is not a number is not taken.
          const V value = at.only(at.load(x), kNone);
          if constexpr (std::is_same_v<V, W>) {
            wide = math::Prim<V>::max(value, wide);
          } else {
            narrow = math::Prim<V>::max(value, narrow);
          }
        });
    if constexpr (kTwo) {
      narrow = math::Prim<T>::max(math::Prim<T>::max(wide.a, wide.b), narrow);
    } else {
      narrow = math::Prim<T>::max(wide, narrow);
    }
    return lane_max(narrow);
  }

 private:
  // Whether W is two T.
  static constexpr bool kTwo = !std::is_same_v<T, W>;
  static ACTINIUM_HD T fold(const W& wide) {
    if constexpr (kTwo) {
      return wide.a + wide.b;
    } else {
      return wide;
    }
  }
  static ACTINIUM_HD void fold(const W& wide, ExactSum<T>& to) {
    if constexpr (kTwo) {
      to.add(wide.a);
      to.add(wide.b);
    } else {
      to.add(wide);
    }
  }

  template <class Make, class Use>
  ACTINIUM_HD static void visit(int64_t i, int64_t end, bool stream, Make make, Use use) {
    if (end - i >= kLanes<W>) {
      auto body = make(Tag<W>());
      for (; i + kLanes<W> <= end; i += kLanes<W>) use(Tag<W>(), Place<W, false>{i, 0, stream}, body);
    }
    if (i == end) return;
    auto body = make(Tag<T>());
    for (; i + kLanes<T> <= end; i += kLanes<T>) use(Tag<T>(), Place<T, false>{i, 0, false}, body);
    if (i < end) use(Tag<T>(), Place<T, true>{i, end - i, false}, body);
  }

  int64_t row_, n_;
  bool stream_;
};

// ------------------------------------------------------------------------------------------------- rows side by side

template <class scalar_t, class V, bool kPart>
class Down {
 public:
  using Value = V;
  using Real = lane_t<V>;
  static constexpr int64_t kBlock = 128;
  static constexpr int64_t kRows = kLanes<V>;

  // `rows` rows from column on; fewer than lanes only if kPart.
  Down(int64_t n, int64_t inner, int64_t outer, int64_t column, int64_t rows)
      : n_(n), inner_(inner), outer_(outer), column_(column), rows_(rows) {}

  int64_t row() const { return outer_ * inner_ + column_; }
  int64_t rows() const { return kPart ? rows_ : kLanes<V>; }
  template <class S>
  Elements<S> of(S* base) const {
    return {base + outer_ * n_ * inner_ + column_, inner_};
  }
  // Several passes go over a copy: where elements of a row are a power of two apart, few of them stay in the caches.
  Elements<const scalar_t> copy(const scalar_t* base, scalar_t* scratch) const {
    const auto from = of(base);
    if (scratch == nullptr) return from;
    const Elements<scalar_t> to{scratch, kLanes<V>, true};
    for (int64_t i = 0; i < n_; ++i) {
      const Place at{i, rows_};
      cpu::CPU_CAPABILITY::store(to.p + i * to.stride, at.load(from));
    }
    return {to.p, to.stride, to.padded};
  }

  template <class F>
  ACTINIUM_HD V values(F f) const {
    return numbers<scalar_t, V>([&](int64_t lane) { return lane < rows() ? f(lane) : 0; });
  }
  static ACTINIUM_HD void lanes(const V& value, Real* to) { Numbers<scalar_t, V>::store(to, value); }

  struct Place {
    int64_t i, rows;
    ACTINIUM_HD V load(Elements<const scalar_t> from) const {
      const scalar_t* const p = from.p + i * from.stride;
      return kPart && !from.padded ? load_some<V>(p, rows) : cpu::CPU_CAPABILITY::load<V>(p);
    }
    ACTINIUM_HD void store(Elements<scalar_t> to, const V& value) const {
      scalar_t* const p = to.p + i * to.stride;
      kPart ? store_some(p, rows, value) : cpu::CPU_CAPABILITY::store(p, value);
    }
    template <class F>
    ACTINIUM_HD V numbers(F f) const {
      return broadcast<V>(static_cast<Real>(f(i)));
    }
  };

  template <class Make>
  ACTINIUM_HD void each(int64_t begin, int64_t end, Make make) const {
    auto body = make(Tag<V>());
    for (int64_t i = begin; i < end; ++i) body(Place{i, rows_});
  }
  template <class Make>
  ACTINIUM_HD void each_into(Elements<scalar_t> /*to*/, int64_t begin, int64_t end, Make make) const {
    each(begin, end, make);
  }

  template <int kTerms, class Make>
  ACTINIUM_HD std::array<ExactSum<V>, kTerms> sums(int64_t begin, int64_t end, Make make) const {
    constexpr int64_t kFew = 2;  // added up before what their roundings lose is taken care of
    std::array<ExactSum<V>, kTerms> result;
    for (auto& total : result) total = {broadcast<V>(0), broadcast<V>(0)};
    auto body = make(Tag<V>());
    for (int64_t i = begin; i < end;) {
      V few[kTerms];
      body(Place{i++, rows_}, few);
      for (const int64_t last = std::min(i + kFew - 1, end); i < last; ++i) {
        V terms[kTerms];
        body(Place{i, rows_}, terms);
        for (int k = 0; k < kTerms; ++k) few[k] = few[k] + terms[k];
      }
      result[0].add(few[0]);
      for (int k = 1; k < kTerms; ++k) result[k].sum = result[k].sum + few[k];
    }
    return result;
  }

  ACTINIUM_HD V max(Elements<const scalar_t> x, int64_t begin, int64_t end) const {
    V largest = broadcast<V>(-__builtin_huge_val());
    for (int64_t i = begin; i < end; ++i) largest = math::Prim<V>::max(Place{i, rows_}.load(x), largest);
    return largest;
  }

 private:
  int64_t n_, inner_, outer_, column_, rows_;
};

// ------------------------------------------------------------------------------------------------- what is computed

template <bool kApart, class View, class scalar_t>
ACTINIUM_HD RowTotal<typename View::Value, kApart> total_of(const View& view, Elements<const scalar_t> x, int64_t n) {
  constexpr int kTerms = kApart ? 2 : 1;
  RowTotal<typename View::Value, kApart> total(view.max(x, 0, std::min(View::kBlock, n)));
  for (int64_t begin = 0; begin < n; begin += View::kBlock) {
    const int64_t end = std::min(begin + View::kBlock, n);
    if (begin > 0) total.extend(view.max(x, begin, end));
    const auto sums = view.template sums<kTerms>(begin, end, [&](auto tag) {
      using V = typename decltype(tag)::V;
      using P = math::Prim<V>;
      const RowExp<V> exp(spread<V>(total.reference()));
      const V max = spread<V>(total.max());
      return [=](const auto& at, V* terms) ACTINIUM_INLINE {
        const V value = at.load(x);
        const V e = exp(value).value();
        if constexpr (kApart) {
          const auto tie = P::eq(value, max);
          terms[0] = P::select(tie, broadcast<V>(0), e);
          terms[1] = P::select(tie, broadcast<V>(1), broadcast<V>(0));
        } else {
          terms[0] = e;
        }
      };
    });
    total.add(sums[0], kApart ? sums[kTerms - 1].sum : spread<typename View::Value>(lane_t<typename View::Value>(0)));
  }
  return total;
}

// What turns a row into its softmax, or its logarithm, in which log S is the head.
template <bool kLog, class Value>
ACTINIUM_HD math::Inverse<Value> scale_of(const RowTotal<Value, kLog>& total) {
  if constexpr (kLog) {
    return {total.log().value(), Value()};
  } else {
    return total.inverse();
  }
}

template <bool kLog, class View, class scalar_t, class Value>
ACTINIUM_HD void write(const View& view, Elements<const scalar_t> x, Elements<scalar_t> y, int64_t n, const Value& top,
                       const math::Inverse<Value>& scale) {
  view.each_into(y, 0, n, [&](auto tag) {
    using V = typename decltype(tag)::V;
    const V max = spread<V>(top);
    const RowExp<V> exp(RowTotal<V, kLog>::reference_of(max));
    const math::Inverse<V> over{spread<V>(scale.head), spread<V>(scale.tail)};
    return [=](const auto& at) ACTINIUM_INLINE {
      if constexpr (kLog) {
        at.store(y, (at.load(x) - max) - over.head);
      } else {
        at.store(y, over.times(exp(at.load(x)).value()));
      }
    };
  });
}

template <bool kLog, class View, class scalar_t>
ACTINIUM_HD void forward(const Softmax& problem, const View& view, scalar_t* scratch) {
  const auto x = view.copy(static_cast<const scalar_t*>(problem.input), scratch);
  const auto total = total_of<kLog>(view, x, problem.n);
  write<kLog>(view, x, view.of(static_cast<scalar_t*>(problem.output)), problem.n, total.max(), scale_of(total));
}

// Short rows in memory, as many as a vector has lanes: what a row needs one of is computed for all of them at once.
template <bool kLog, class scalar_t>
void forward_rows(const Softmax& problem, int64_t begin, int64_t end, bool stream) {
  using T = compute_t<scalar_t>;
  using Real = lane_t<T>;
  constexpr int64_t kRows = kLanes<T>;
  const auto* const input = static_cast<const scalar_t*>(problem.input);
  auto* const output = static_cast<scalar_t*>(problem.output);
  for (int64_t first = begin; first < end; first += kRows) {
    const int64_t rows = std::min(kRows, end - first);
    Real max[kRows] = {}, sum[kRows] = {}, lost[kRows] = {}, ties[kRows] = {}, head[kRows], tail[kRows];
    for (int64_t i = 0; i < rows; ++i) {
      const Along<scalar_t> view(problem.n, first + i, stream);
      const auto total = total_of<kLog>(view, view.of(input), problem.n);
      max[i] = total.max(), sum[i] = total.sum().sum, lost[i] = total.sum().lost, ties[i] = total.ties();
    }
    RowTotal<T, kLog> totals(load<T>(max));
    totals.add({load<T>(sum), load<T>(lost)}, load<T>(ties));
    const auto scales = scale_of(totals);
    store(head, scales.head);
    store(tail, scales.tail);
    for (int64_t i = 0; i < rows; ++i) {
      const Along<scalar_t> view(problem.n, first + i, stream);
      write<kLog>(view, view.of(input), view.of(output), problem.n, max[i], math::Inverse<Real>{head[i], tail[i]});
    }
  }
  if (stream) end_of_stream();
}

// dx = y (g - sum g y), or g - exp(y) sum g
template <bool kLog, class scalar_t, class View>
ACTINIUM_HD void backward(const Softmax& problem, const View& view) {
  const auto g = view.of(static_cast<const scalar_t*>(problem.input));
  const auto y = view.of(static_cast<const scalar_t*>(problem.known));
  const auto dx = view.of(static_cast<scalar_t*>(problem.output));
  const auto sum = view.template sums<1>(0, problem.n,
                                         [&](auto tag) {
                                           using V = typename decltype(tag)::V;
                                           return [=](const auto& at, V* terms) ACTINIUM_INLINE {
                                             terms[0] = kLog ? at.load(g) : at.load(g) * at.load(y);
                                           };
                                         })[0]
                       .value();
  view.each_into(dx, 0, problem.n, [&](auto tag) {
    using V = typename decltype(tag)::V;
    const V total = spread<V>(sum);
    return [=](const auto& at) ACTINIUM_INLINE {
      if constexpr (kLog) {
        at.store(dx, math::Prim<V>::fnma(math::exp_of_log(at.load(y)), total, at.load(g)));
      } else {
        at.store(dx, at.load(y) * (at.load(g) - total));
      }
    };
  });
}

// ---------------------------------------------------------------------------------------------------- cross-entropy

// The coefficients of a vector of elements.
template <class scalar_t>
struct Coefficients : math::Classes<lane_t<compute_t<scalar_t>>, opmath_t<scalar_t>> {
  using param_t = opmath_t<scalar_t>;

  explicit Coefficients(const CrossEntropy& problem)
      : math::Classes<lane_t<compute_t<scalar_t>>, param_t>(
            problem.indices, problem.classes, static_cast<const param_t*>(problem.weight),
            static_cast<const param_t*>(problem.weight_sum), problem.ignore_index, problem.label_smoothing) {}

  template <class V, class Place>
  ACTINIUM_HD V weights(const Place& at) const {
    return this->weight ? at.numbers([&](int64_t j) { return this->weight[j]; }) : broadcast<V>(1);
  }
  // For probabilities.
  template <class V, class Place>
  ACTINIUM_HD V of(const Place& at, Elements<const scalar_t> t) const {
    return weights<V>(at) * math::Prim<V>::fma(at.load(t), broadcast<V>(this->sharp), broadcast<V>(this->smooth));
  }
};

template <bool kIndex, class View, class scalar_t>
ACTINIUM_HD void loss(const CrossEntropy& problem, const View& view, scalar_t* scratch) {
  using Value = typename View::Value;
  using Real = lane_t<Value>;
  using param_t = opmath_t<scalar_t>;
  const Coefficients<scalar_t> c(problem);
  const auto x = view.copy(static_cast<const scalar_t*>(problem.input), scratch);
  const auto total = total_of<true>(view, x, problem.classes);
  const auto log = total.log();

  // sum_j c_j (lse - x_j), but for the class of an index
  Value all = spread<Value>(Real(0));
  if (!kIndex || c.smooth != 0) {
    const auto t = view.of(static_cast<const scalar_t*>(problem.probabilities));
    all = view.template sums<1>(0, problem.classes,
                                [&](auto tag) {
                                  using V = typename decltype(tag)::V;
                                  const V max = spread<V>(total.max()), more = spread<V>(log.value());
                                  return [=, &c](const auto& at, V* terms) ACTINIUM_INLINE {
                                    const V coefficient = kIndex ? c.template weights<V>(at) : c.template of<V>(at, t);
                                    terms[0] = coefficient * ((max - at.load(x)) + more);
                                  };
                                })[0]
              .value();
  }

  Real maxima[View::kRows], heads[View::kRows], tails[View::kRows], sums[View::kRows];
  View::lanes(total.max(), maxima);
  View::lanes(log.head, heads);
  View::lanes(log.tail, tails);
  View::lanes(all, sums);
  for (int64_t i = 0; i < view.rows(); ++i) {
    const int64_t row = view.row() + i;
    problem.lse[row] = static_cast<double>(maxima[i]) + static_cast<double>(heads[i]) + static_cast<double>(tails[i]);
    Real value = sums[i];
    if constexpr (kIndex) {
      const auto index = c.index(row);
      const Real logit = static_cast<Real>(x.p[index.y * x.stride + i]);
      value = c.loss(index, (maxima[i] - logit) + (heads[i] + tails[i]), value);
      static_cast<param_t*>(problem.row_weight)[row] = static_cast<param_t>(index.weight);
    }
    static_cast<param_t*>(problem.loss)[row] = static_cast<param_t>(value);
  }
}

template <bool kIndex, class scalar_t, class View>
ACTINIUM_HD void loss_backward(const CrossEntropy& problem, const View& view) {
  using Value = typename View::Value;
  using Real = lane_t<Value>;
  using param_t = opmath_t<scalar_t>;
  const Coefficients<scalar_t> c(problem);
  const auto x = view.of(static_cast<const scalar_t*>(problem.input));
  const int64_t n = problem.classes, row = view.row();
  // lse in two parts
  const Value head = view.values([&](int64_t i) { return static_cast<Real>(problem.lse[row + i]); });
  const Value tail = view.values([&](int64_t i) {
    const double lse = problem.lse[row + i];
    return lse - static_cast<double>(static_cast<Real>(lse));
  });
  const Value g = view.values([&](int64_t i) {
    const Real given = static_cast<const param_t*>(problem.grad)[(row + i) * problem.grad_stride];
    return kIndex ? c.gradient(c.index(row + i), given) : given;
  });
  const Value inverse = RowExp<Value>(head).over(head, tail);

  if constexpr (kIndex) {
    // g sum c, and what of g c all elements have, but for their weight
    const Value scale = g * view.values([&](int64_t i) { return c.total(c.index(row + i)); });
    const Value even = g * view.values([&](int64_t i) { return c.even(c.index(row + i)); });
    const auto dx = view.of(static_cast<scalar_t*>(problem.grad_input));
    view.each_into(dx, 0, n, [&](auto tag) {
      using V = typename decltype(tag)::V;
      const RowExp<V> exp(spread<V>(head));
      const V over = spread<V>(inverse), scales = spread<V>(scale), less = math::Prim<V>::neg(spread<V>(even));
      return [=, &c](const auto& at) ACTINIUM_INLINE {
        const V p = exp(at.load(x)).times(over);
        at.store(dx, math::Prim<V>::fma(p, scales, less * c.template weights<V>(at)));
      };
    });
    // The element of the class once more, with all that it has.
    Real heads[View::kRows], overs[View::kRows], scales[View::kRows], gs[View::kRows];
    View::lanes(head, heads);
    View::lanes(inverse, overs);
    View::lanes(scale, scales);
    View::lanes(g, gs);
    for (int64_t i = 0; i < view.rows(); ++i) {
      const auto index = c.index(row + i);
      if (!index.counts) continue;
      const Real p = RowExp<Real>(heads[i])(static_cast<Real>(x.p[index.y * x.stride + i])).times(overs[i]);
      const Real own = gs[i] * c.own(index);
      dx.p[index.y * dx.stride + i] =
          static_cast<scalar_t>(static_cast<param_t>(math::Prim<Real>::fma(p, scales[i], -own)));
    }
  } else {
    const auto t = view.of(static_cast<const scalar_t*>(problem.probabilities));
    if (problem.grad_input) {
      const Value sum = view.template sums<1>(0, n,
                                              [&](auto tag) {
                                                using V = typename decltype(tag)::V;
                                                return [=, &c](const auto& at, V* terms)
                                                           ACTINIUM_INLINE { terms[0] = c.template of<V>(at, t); };
                                              })[0]
                            .value();
      const auto dx = view.of(static_cast<scalar_t*>(problem.grad_input));
      view.each_into(dx, 0, n, [&](auto tag) {
        using V = typename decltype(tag)::V;
        const RowExp<V> exp(spread<V>(head));
        const V over = spread<V>(inverse), total = spread<V>(sum), gs = spread<V>(g);
        return [=, &c](const auto& at) ACTINIUM_INLINE {
          const V p = exp(at.load(x)).times(over);
          at.store(dx, gs * math::Prim<V>::fma(p, total, math::Prim<V>::neg(c.template of<V>(at, t))));
        };
      });
    }
    if (problem.grad_probabilities) {
      const auto dt = view.of(static_cast<scalar_t*>(problem.grad_probabilities));
      view.each_into(dt, 0, n, [&](auto tag) {
        using V = typename decltype(tag)::V;
        const V heads = spread<V>(head), tails = spread<V>(tail), gs = spread<V>(g) * broadcast<V>(c.sharp);
        return [=, &c](const auto& at)
                   ACTINIUM_INLINE { at.store(dt, gs * (c.template weights<V>(at) * ((heads - at.load(x)) + tails))); };
      });
    }
  }
}

// --------------------------------------------------------------------------------------------------------------- loops

// Calls body(view, scratch) for every row, or rows side by side, of units [begin, end).
template <class scalar_t, class Body>
ACTINIUM_HD void for_views(int64_t n, const SoftmaxUnits& units, int64_t begin, int64_t end, bool stream, Body body) {
  if (units.inner == 1) {
    for (int64_t row = begin; row < end; ++row) body(Along<scalar_t>(n, row, stream), static_cast<scalar_t*>(nullptr));
    if (stream) end_of_stream();
    return;
  }
  using T = compute_t<scalar_t>;
  using W = pair_t<scalar_t>;
  constexpr int64_t kScratch = int64_t{64} << 10;
  alignas(64) char memory[kScratch];
  scalar_t* const scratch = n * units.width * static_cast<int64_t>(sizeof(scalar_t)) <= kScratch
                                ? reinterpret_cast<scalar_t*>(memory)
                                : nullptr;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t outer = unit / units.across, last = std::min((unit % units.across + 1) * units.width, units.inner);
    int64_t column = unit % units.across * units.width;
    for (; column + kLanes<W> <= last; column += kLanes<W>) {
      body(Down<scalar_t, W, false>(n, units.inner, outer, column, kLanes<W>), scratch);
    }
    if constexpr (!std::is_same_v<T, W>) {
      for (; column + kLanes<T> <= last; column += kLanes<T>) {
        body(Down<scalar_t, T, false>(n, units.inner, outer, column, kLanes<T>), scratch);
      }
      if (column < last) body(Down<scalar_t, T, true>(n, units.inner, outer, column, last - column), scratch);
    }
  }
}

template <class scalar_t, bool kLog, bool kBackward>
void softmax(const Softmax& problem, const SoftmaxUnits& units, int64_t begin, int64_t end, bool stream) {
  if (!kBackward && units.inner == 1 && problem.n <= Along<scalar_t>::kBlock) {
    return forward_rows<kLog, scalar_t>(problem, begin, end, stream);
  }
  for_views<scalar_t>(problem.n, units, begin, end, stream, [&](const auto& view, scalar_t* scratch) {
    if constexpr (kBackward) {
      backward<kLog, scalar_t>(problem, view);
    } else {
      forward<kLog>(problem, view, scratch);
    }
  });
}

template <class scalar_t, bool kIndex, bool kBackward>
void cross_entropy(const CrossEntropy& problem, const SoftmaxUnits& units, int64_t begin, int64_t end, bool stream) {
  for_views<scalar_t>(problem.classes, units, begin, end, stream, [&](const auto& view, scalar_t* scratch) {
    if constexpr (kBackward) {
      loss_backward<kIndex, scalar_t>(problem, view);
    } else {
      loss<kIndex>(problem, view, scratch);
    }
  });
}

}  // namespace

SoftmaxLoop softmax_loop(const Softmax& problem) {
  return with_dtype(problem.dtype, [&](auto zero) -> SoftmaxLoop {
    using scalar_t = decltype(zero);
    if (problem.backward) return problem.log ? softmax<scalar_t, true, true> : softmax<scalar_t, false, true>;
    return problem.log ? softmax<scalar_t, true, false> : softmax<scalar_t, false, false>;
  });
}

CrossEntropyLoop cross_entropy_loop(const CrossEntropy& problem) {
  return with_dtype(problem.dtype, [&](auto zero) -> CrossEntropyLoop {
    using scalar_t = decltype(zero);
    if (problem.indices) {
      return problem.backward ? cross_entropy<scalar_t, true, true> : cross_entropy<scalar_t, true, false>;
    }
    return problem.backward ? cross_entropy<scalar_t, false, true> : cross_entropy<scalar_t, false, false>;
  });
}

#undef ACTINIUM_INLINE

}  // namespace actinium::cpu::CPU_CAPABILITY
