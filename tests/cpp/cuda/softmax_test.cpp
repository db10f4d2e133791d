// The kernels of softmax and cross-entropy, run by the emulator.
#include <gtest/gtest.h>

#include <array>

#include "emulator.h"

#include "csrc/cuda/softmax.cu"

#include "tests/cpp/cuda/kernels_test.h"

namespace actinium::cuda {
namespace {

using Wide = long double;

template <class S>
class SoftmaxKernels : public ::testing::Test {};
TYPED_TEST_SUITE(SoftmaxKernels, Stored);

// The distance between neighbours at a value of this size.
template <class S>
double unit(Wide value) {
  const double digits = std::is_same_v<S, double>   ? 0x1p-52
                        : std::is_same_v<S, float>  ? 0x1p-23
                        : std::is_same_v<S, __half> ? 0x1p-10
                                                    : 0x1p-7;
  return std::max<double>(std::exp2(std::floor(std::log2(std::fabs(static_cast<double>(value)) + 1e-300))) * digits,
                          std::is_same_v<S, __half> ? 0x1p-24 : 0x1p-140);
}
// float64 is summed without bits to spare.
template <class S>
constexpr double kBound = sizeof(S) == 2   ? 0.51
                          : sizeof(S) == 4 ? 4
                                           : 32;

struct Shape {
  int64_t outer, n, inner;
};
// Of a warp and of a block, of vectors alone and with elements beside them, of less than what threads read at once, of
// that several times, and of some more; and rows side by side.
const Shape kShapes[] = {{0, 3, 1},    {5, 1, 1},    {9, 10, 1},    {7, 64, 1}, {3, 257, 1},   {2, 768, 1},
                         {2, 1025, 1}, {2, 5000, 1}, {2, 20480, 1}, {2, 7, 5},  {2, 17003, 1}, {3, 40, 67}};
// Elements by which operands start after a multiple of 16 bytes: none, all alike, not alike.
const std::array<int, 4> kOffsets[] = {{0, 0, 0, 0}, {1, 1, 1, 1}, {1, 0, 0, 1}};

// Of a row: its elements' logarithms of probabilities.
template <class S>
std::vector<Wide> log_softmax(Buffer<S>& x, int64_t first, int64_t n, int64_t stride) {
  std::vector<Wide> y(n);
  for (int64_t j = 0; j < n; ++j) y[j] = x.at(first + j * stride);
  const auto largest = std::max_element(y.begin(), y.end()) - y.begin();
  const Wide max = y[largest];
  Wide rest = 0;
  for (int64_t j = 0; j < n; ++j) rest += j == largest ? 0 : std::exp(y[j] - max);
  for (Wide& v : y) v = (v - max) - std::log1p(rest);
  return y;
}

template <class Body>
void for_rows_of(const Shape& shape, const Body& body) {
  for (int64_t row = 0; row < shape.outer * shape.inner; ++row) {
    body(row, row / shape.inner * shape.n * shape.inner + row % shape.inner);
  }
}

TYPED_TEST(SoftmaxKernels, AllPasses) {
  using S = TypeParam;
  std::mt19937 random(13);
  for (const Shape& shape : kShapes) {
    for (const auto& offset : kOffsets) {
      // A block at a time, which then has several turns, or all at once.
      emulator::device_threads = offset[0] == offset[1] ? 256 : 1 << 20;
      const int64_t count = shape.outer * shape.n * shape.inner;
      Buffer<S> x(count, offset[0], random, 4), g(count, offset[1], random);
      Buffer<S> y(count, offset[2]), log(count, offset[2]), dx(count, offset[3]), dlog(count, offset[3]);
      const auto run = [&](bool is_log, bool backward, Buffer<S>& in, Buffer<S>* known, Buffer<S>& out) {
        softmax({is_log, backward, kDtype<S>, shape.outer, shape.n, shape.inner, in.data(),
                 known ? known->data() : nullptr, out.data()});
        ASSERT_TRUE(out.intact());
      };
      run(false, false, x, nullptr, y);
      run(true, false, x, nullptr, log);
      run(false, true, g, &y, dx);
      run(true, true, g, &log, dlog);
      for_rows_of(shape, [&](int64_t row, int64_t first) {
        const auto want = log_softmax(x, first, shape.n, shape.inner);
        Wide dot = 0, dots = 0, sum = 0;
        for (int64_t j = 0; j < shape.n; ++j) {
          const int64_t at = first + j * shape.inner;
          dot += static_cast<Wide>(g.at(at)) * y.at(at);
          dots += std::fabs(static_cast<Wide>(g.at(at)) * y.at(at));
          sum += g.at(at);
        }
        for (int64_t j = 0; j < shape.n; ++j) {
          const int64_t at = first + j * shape.inner;
          EXPECT_NEAR(log.at(at), static_cast<double>(want[j]), kBound<S> * unit<S>(want[j])) << row << " " << j;
          const Wide p = std::exp(want[j]);
          EXPECT_NEAR(y.at(at), static_cast<double>(p), kBound<S> * unit<S>(p)) << row << " " << j;
          const Wide by = static_cast<Wide>(y.at(at)) * (g.at(at) - dot);
          EXPECT_NEAR(dx.at(at), static_cast<double>(by), kBound<S> * unit<S>(y.at(at) * (std::fabs(g.at(at)) + dots)));
          const Wide e = std::exp(static_cast<Wide>(log.at(at)));
          EXPECT_NEAR(dlog.at(at), static_cast<double>(g.at(at) - e * sum),
                      kBound<S> * unit<S>(std::fabs(g.at(at)) + std::fabs(e * sum)));
        }
      });
    }
  }
}

TYPED_TEST(SoftmaxKernels, CrossEntropy) {
  using S = TypeParam;
  using T = opmath_t<S>;
  std::mt19937 random(14);
  for (const Shape& shape : kShapes) {
    const auto [outer, n, inner] = shape;
    const int64_t rows = outer * inner, count = rows * n;
    if (n > 8192) continue;  // longer rows are read as those of softmax are
    for (const bool index : {true, false}) {
      for (const bool weighted : {false, true}) {
        for (const double smoothing : {0., 0.25}) {
          emulator::device_threads = weighted ? 256 : 1 << 20;
          const auto& offset = kOffsets[random() % std::size(kOffsets)];
          Buffer<S> x(count, offset[0], random, 4), t(count, offset[1], random);
          Buffer<S> dx(count, offset[2]), dt(count, offset[3]);
          Buffer<T> w(n, 0, random), loss(rows), row_weight(rows), g(rows, 0, random);
          Buffer<double> lse(rows);
          std::vector<int64_t> y(rows);
          T w_sum = 0;
          for (int64_t j = 0; j < n; ++j) w_sum += w[j] = weighted ? std::fabs(w[j]) : 1;
          for (int64_t r = 0; r < rows; ++r) y[r] = r == 1 ? -7 : r == 2 ? n : static_cast<int64_t>(random() % n);

          CrossEntropy problem{};
          problem.dtype = kDtype<S>;
          problem.outer = outer, problem.classes = n, problem.inner = inner;
          problem.input = x.data();
          problem.indices = index ? y.data() : nullptr;
          problem.probabilities = index ? nullptr : t.data();
          problem.weight = weighted ? w.data() : nullptr;
          problem.weight_sum = &w_sum;
          problem.ignore_index = -7;
          problem.label_smoothing = smoothing;
          problem.lse = lse.data(), problem.loss = loss.data(), problem.row_weight = row_weight.data();
          cross_entropy(problem);
          problem.backward = true;
          problem.grad = g.data(), problem.grad_stride = 1;
          problem.grad_input = dx.data();
          problem.grad_probabilities = index ? nullptr : dt.data();
          cross_entropy(problem);
          ASSERT_TRUE(lse.intact() && loss.intact() && row_weight.intact() && dx.intact() && dt.intact());

          for_rows_of(shape, [&, n = n, inner = inner](int64_t row, int64_t first) {
            if (index && y[row] == n) {  // not the index of a class
              EXPECT_TRUE(std::isnan(loss[row]) && std::isnan(dx.at(first)));
              return;
            }
            const bool ignored = index && y[row] == -7;
            const auto logs = log_softmax(x, first, n, inner);
            std::vector<Wide> c(n);
            Wide want = 0, size = 0, sum = 0, magnitude = 0;
            for (int64_t j = 0; j < n; ++j) {
              const Wide of = index ? (y[row] == j) : static_cast<Wide>(t.at(first + j * inner));
              c[j] = ignored ? 0 : w[j] * ((1 - smoothing) * of + smoothing / n);
              want -= c[j] * logs[j];
              size += std::fabs(c[j] * logs[j]);
              sum += c[j];
              magnitude += std::fabs(c[j]);
            }
            const double bound = 2 * kBound<T> * unit<T>(size);
            EXPECT_NEAR(loss[row], static_cast<double>(want), bound);
            if (index) EXPECT_EQ(row_weight[row], ignored ? 0 : w[y[row]]);
            for (int64_t j = 0; j < n; ++j) {
              const int64_t at = first + j * inner;
              const Wide p = std::exp(logs[j]), by = g[row] * (sum * p - c[j]);
              const double scale = static_cast<double>(std::fabs(g[row]) * (magnitude * p + std::fabs(c[j])));
              EXPECT_NEAR(dx.at(at), static_cast<double>(by), 4 * kBound<T> * unit<T>(scale) + kBound<S> * unit<S>(by))
                  << row << " " << j;
              if (!index) {
                const Wide dy = g[row] * w[j] * (1 - smoothing) * -logs[j];
                // The one number that is kept of a row is rounded, and x may be nearly as large.
                const Wide kept = g[row] * w[j] * (1 - smoothing) * (x.at(at) - logs[j]);
                EXPECT_NEAR(dt.at(at), static_cast<double>(dy),
                            2 * kBound<T> * unit<T>(dy) + kBound<S> * unit<S>(dy) + unit<double>(kept));
              }
            }
          });
        }
      }
    }
  }
}

TYPED_TEST(SoftmaxKernels, InfiniteAndUndefined) {
  using S = TypeParam;
  using T = opmath_t<S>;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T rows[][3] = {{0, -inf, 0}, {-inf, -inf, -inf}, {inf, 0, 1}, {1, nan, 0}};
  Buffer<S> x(12), y(12), log(12);
  for (int i = 0; i < 12; ++i) x[i] = narrow<S>(rows[i / 3][i % 3]);
  softmax({false, false, kDtype<S>, 4, 3, 1, x.data(), nullptr, y.data()});
  softmax({true, false, kDtype<S>, 4, 3, 1, x.data(), nullptr, log.data()});
  EXPECT_EQ(y.at(0), 0.5);
  EXPECT_EQ(y.at(1), 0);
  EXPECT_EQ(log.at(1), -inf);
  for (int i = 3; i < 12; ++i) EXPECT_TRUE(std::isnan(y.at(i)) || i == 7 || i == 8) << i;
  for (int i = 3; i < 12; ++i) EXPECT_TRUE(std::isnan(log.at(i))) << i;
}

}  // namespace
}  // namespace actinium::cuda
