#pragma once
// Division by a number known when a kernel is launched: a multiplication and a shift instead of some 20 (32-bit) or 70
// (64-bit) instructions. Plain code: the index maps built on it are tested on the CPU.
#include <cstdint>

#include "csrc/math/target.h"

namespace actinium::cuda {

template <class T>
ACTINIUM_HD constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

// The smallest power of two that is not less than n.
inline int64_t power_of_two(int64_t n) {
  int64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

// n / d as (mulhi(n, m) + n) >> s with s = ceil(log2 d), m = floor(2^b (2^s - d) / d) + 1 (Granlund, Montgomery 1994),
// b the bits of UInt: exact for every n < 2^(b-1), where the sum cannot overflow.
template <class UInt>
class Divider {
 public:
  Divider() = default;
  explicit Divider(UInt divisor) : divisor_(divisor) {
    while ((Wide{1} << shift_) < divisor) ++shift_;
    magic_ = static_cast<UInt>((((Wide{1} << shift_) - divisor) << kBits) / divisor + 1);
  }

  ACTINIUM_HD UInt divisor() const { return divisor_; }
  ACTINIUM_HD UInt div(UInt n) const { return (mulhi(n) + n) >> shift_; }
  // Returns the quotient and leaves the remainder in n.
  ACTINIUM_HD UInt divmod(UInt& n) const {
    const UInt q = div(n);
    n -= q * divisor_;
    return q;
  }

 private:
  using Wide = unsigned __int128;
  static constexpr int kBits = 8 * sizeof(UInt);

  ACTINIUM_HD UInt mulhi(UInt n) const {
#if defined(__CUDA_ARCH__)
    if constexpr (kBits == 32) {
      return __umulhi(n, magic_);
    } else {
      return __umul64hi(n, magic_);
    }
#else
    return static_cast<UInt>(static_cast<Wide>(n) * magic_ >> kBits);
#endif
  }

  UInt divisor_ = 1, magic_ = 1;
  int shift_ = 0;
};

}  // namespace actinium::cuda
