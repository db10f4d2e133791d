#pragma once
// The formulas as each instruction set computes them, behind plain functions, so that a test compiled for any machine
// can compare them. targets.cpp is compiled once per capability, once for none (`host`), and once with
// CUDA's division (`device`).
#include <cstdint>
#include <vector>

#include "tests/cpp/processor.h"

namespace actinium::test {

struct Target {
  const char* name;
  // y[i] = f, f' or f'' (pass 0, 1, 2) of x[i]; `activation` is a math::Activation.
  void (*pointwise_f32)(int activation, int pass, const double* params, const float* x, float* y, int64_t n);
  void (*pointwise_f64)(int activation, int pass, const double* params, const double* x, double* y, int64_t n);
  // One channel: the formula (a math::ChannelFormula) of n elements, in[k][i] to out[k][i] and sums[k][i].
  void (*channel_f32)(int formula, const float* params, double eps, const float* const* in, float* const* out,
                      float* const* sums, int64_t n);
  void (*channel_f64)(int formula, const double* params, double eps, const double* const* in, double* const* out,
                      double* const* sums, int64_t n);
};

extern const Target kTarget_host, kTarget_device, kTarget_DEFAULT;
#if defined(__x86_64__)
extern const Target kTarget_AVX2, kTarget_AVX512;
#endif

// Those that this machine can run.
inline std::vector<const Target*> targets() {
  std::vector<const Target*> all{&kTarget_host, &kTarget_device, &kTarget_DEFAULT};
#if defined(__x86_64__)
  if (has_avx2()) all.push_back(&kTarget_AVX2);
  if (has_avx512()) all.push_back(&kTarget_AVX512);
#endif
  return all;
}

}  // namespace actinium::test
