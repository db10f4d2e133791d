#pragma once
// A pointwise problem for the emulated kernels. Included after csrc/cuda/pointwise_kernels.h.
#include "tests/cpp/cuda/kernels_test.h"

namespace actinium::cuda {
namespace {

constexpr double kBeta = 1.375;

// Operands of any layout over one problem; kOutputs of them are written and compared with the formula. `Activation` may
// be a gate.
template <template <class> class Activation, Pass kPass, class S>
class Problem {
 public:
  using T = compute_t<S>;
  using F = PassFormula<Activation, kPass, T>;
  static constexpr int kAll = kOperands<F>;

  // strides in elements; offset: of each operand from a multiple of 16 bytes, in elements
  void run(const std::vector<int64_t>& sizes, const std::vector<std::vector<int64_t>>& strides,
           const std::vector<int64_t>& offsets, unsigned unwanted = 0) {
    Pointwise problem{};
    const double params[] = {kBeta, kBeta};
    problem.pass = kPass;
    problem.dtype = kDtype<S>;
    problem.params = params;
    problem.ndim = static_cast<int>(sizes.size());
    int64_t count = 1;
    std::vector<Buffer<S>> buffers;
    for (int k = 0; k < kAll; ++k) {
      int64_t extent = 1;
      for (size_t d = 0; d < sizes.size(); ++d) {
        problem.sizes[d] = sizes[d];
        problem.strides[k][d] = strides[k][d] * static_cast<int64_t>(sizeof(S));
        extent += (sizes[d] - 1) * strides[k][d];
      }
      buffers.emplace_back(extent, offsets[k], random_);
    }
    for (int64_t size : sizes) count *= size;
    std::vector<Buffer<S>> before = buffers;
    for (int k = 0; k < kAll; ++k) problem.data[k] = reinterpret_cast<char*>(buffers[k].data());
    for (int k = 0; k < F::kOutputs; ++k) {
      if (unwanted >> k & 1) problem.data[k] = nullptr;
    }
    run_pass<Activation, kPass>(problem);

    const F formula{Activation<T>(params)};
    std::vector<std::vector<bool>> written(F::kOutputs);
    for (int o = 0; o < F::kOutputs; ++o) written[o].resize(buffers[o].size());
    for (int64_t i = 0; i < count; ++i) {
      int64_t at[kAll] = {}, rest = i;
      for (size_t d = 0; d < sizes.size(); ++d) {
        for (int k = 0; k < kAll; ++k) at[k] += rest % sizes[d] * strides[k][d];
        rest /= sizes[d];
      }
      T in[F::kInputs], out[F::kOutputs];
      for (int k = 0; k < F::kInputs; ++k) in[k] = T(before[F::kOutputs + k].at(at[F::kOutputs + k]));
      formula(in, out);
      for (int o = 0; o < F::kOutputs; ++o) {
        if (unwanted >> o & 1) continue;
        written[o][at[o]] = true;
        ASSERT_TRUE(same(buffers[o][at[o]], narrow<S>(static_cast<opmath_t<S>>(out[o]))))
            << "element " << i << " of output " << o;
      }
    }
    for (int k = 0; k < kAll; ++k) {
      ASSERT_TRUE(buffers[k].intact());
      for (int64_t i = 0; i < buffers[k].size(); ++i) {
        if (k < F::kOutputs && written[k][i]) continue;
        ASSERT_TRUE(same(buffers[k][i], before[k][i])) << "operand " << k << " was written beside the problem";
      }
    }
  }

  void contiguous(int64_t count, const std::vector<int64_t>& offsets, unsigned unwanted = 0) {
    run({count}, std::vector<std::vector<int64_t>>(kAll, {1}), offsets, unwanted);
  }

 private:
  std::mt19937 random_{3};
};

}  // namespace
}  // namespace actinium::cuda
