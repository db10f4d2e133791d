#pragma once
// What the tests of the emulated kernels share: stored types, and memory that notices a write beside it.
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "csrc/cuda/device.h"

namespace actinium::cuda {
namespace {

template <class S>
constexpr c10::ScalarType kDtype = c10::ScalarType::Undefined;
template <>
constexpr c10::ScalarType kDtype<float> = c10::ScalarType::Float;
template <>
constexpr c10::ScalarType kDtype<double> = c10::ScalarType::Double;
template <>
constexpr c10::ScalarType kDtype<__half> = c10::ScalarType::Half;
template <>
constexpr c10::ScalarType kDtype<__nv_bfloat16> = c10::ScalarType::BFloat16;

using Stored = ::testing::Types<float, double, __half, __nv_bfloat16>;

// `count` elements that start `offset` elements after a multiple of 16 bytes, with canaries around them, which are NaNs
// if they are read.
template <class S>
class Buffer {
 public:
  explicit Buffer(int64_t count, int64_t offset = 0)
      : count_(count), memory_((count + offset) * sizeof(S) + 96, kCanary) {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    first_ = 32 + (16 - address % 16) % 16 + offset * sizeof(S);
  }
  // Normally distributed.
  Buffer(int64_t count, int64_t offset, std::mt19937& random, double scale = 3) : Buffer(count, offset) {
    std::normal_distribution<double> normal(0, scale);
    for (int64_t i = 0; i < count; ++i) (*this)[i] = narrow<S>(static_cast<opmath_t<S>>(normal(random)));
  }

  S* data() { return reinterpret_cast<S*>(memory_.data() + first_); }
  S& operator[](int64_t i) { return data()[i]; }
  auto at(int64_t i) { return widen(data()[i]); }
  int64_t size() const { return count_; }

  // Nothing beside the elements was written.
  bool intact() const {
    const size_t last = first_ + count_ * sizeof(S);
    for (size_t i = 0; i < memory_.size(); ++i) {
      if ((i < first_ || i >= last) && memory_[i] != kCanary) return false;
    }
    return true;
  }

 private:
  static constexpr unsigned char kCanary = 0xff;
  int64_t count_;
  std::vector<unsigned char> memory_;
  size_t first_;
};

// The same bits.
template <class S>
bool same(const S& a, const S& b) {
  return std::memcmp(&a, &b, sizeof(S)) == 0;
}

}  // namespace
}  // namespace actinium::cuda
