#pragma once
// The few operations that formulas are made of, for one value.
//
// A formula is written once, as a template over T: float or double here, a vector of either in csrc/cpu/vec_prim.h.
// The operations are static members of Prim<T>, and not overloads, because an overload declared after a formula is not
// found by it. Every operation is one IEEE operation or a fused multiply-add, so that the scalar, AVX2, AVX-512 and
// CUDA copies of a formula give the same bits.
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "csrc/math/target.h"

namespace actinium::math {
inline namespace ACTINIUM_TARGET {

// Numbers that belong to a floating-point format.
template <class Real>
struct Format;

template <>
struct Format<float> {
  using Bits = int32_t;
  static constexpr int kMantissa = 23;
  static constexpr float kMax = 0x1.fffffep127f;
  // Adding it to |v| < 2^22 rounds v to an integer, which then stands in the lowest bits of the sum.
  static constexpr float kRound = 0x1.8p23f;
  static constexpr float kBias = 127.f;
  // From here to twice as much, numbers are integers, which stand in their lowest bits.
  static constexpr float kPerUnit = 0x1p23f;
  // exp(-kTail) stays 0 whatever a formula multiplies it with.
  static constexpr float kTail = 110.f;
  // Results below the normal numbers are computed 2^kLift too large and scaled down by the last multiplication, which
  // is then the only one that rounds.
  static constexpr float kLift = 64.f;
  static constexpr float kUp = 0x1p64f;
  static constexpr float kDown = 0x1p-64f;
};

template <>
struct Format<double> {
  using Bits = int64_t;
  static constexpr int kMantissa = 52;
  static constexpr double kMax = 0x1.fffffffffffffp1023;
  static constexpr double kRound = 0x1.8p52;
  static constexpr double kBias = 1023.;
  static constexpr double kPerUnit = 0x1p52;
  static constexpr double kTail = 760.;
  static constexpr double kLift = 512.;
  static constexpr double kUp = 0x1p512;
  static constexpr double kDown = 0x1p-512;
};

template <class T>
struct Prim;

template <class R>
struct ScalarPrim {
  using Real = R;
  using Mask = bool;
  using Bits = typename Format<R>::Bits;

  // a b + c. Where there is no instruction for it (CPU capability DEFAULT), it rounds twice: what needs the fused
  // operation for its exactness says fma_exact.
  static ACTINIUM_HD R fma(R a, R b, R c) {
#if defined(__CUDA_ARCH__)
    return fused(a, b, c);
#elif defined(CPU_CAPABILITY_DEFAULT) && defined(__x86_64__) && !defined(__FMA__)
    return a * b + c;
#else
    return fused(a, b, c);
#endif
  }
  // c - a b
  static ACTINIUM_HD R fnma(R a, R b, R c) { return fma(-a, b, c); }

  // a b + c where c is close to -a b: the rounding of the product does not show.
  static ACTINIUM_HD R fma_exact(R a, R b, R c) {
#if !defined(__CUDA_ARCH__) && defined(CPU_CAPABILITY_DEFAULT) && defined(__x86_64__) && !defined(__FMA__)
    const R a1 = upper_half(a), a2 = a - a1;
    const R b1 = upper_half(b), b2 = b - b1;
    return (((a1 * b1 + c) + a1 * b2) + a2 * b1) + a2 * b2;
#else
    return fused(a, b, c);
#endif
  }

  // a / b, where b and 1 / b are normal numbers, and a is 0 or large enough that a rounding of it is one (float:
  // 2^-102; double: 2^-969), or else its last digit does not matter: formulas see to that.
  static ACTINIUM_HD R div(R a, R b) {
#if defined(__CUDA_ARCH__) || defined(ACTINIUM_DEVICE_DIVISION)
    return div_from(a, b, approximate_reciprocal(b));
#else
    return a / b;
#endif
  }
  // From an approximation y of 1 / b (float: 1 unit in the last place; double: 2^-19). The bits are those of a / b; it
  // is what nvcc makes of a / b, without its test for other operands and the call that it keeps for them. The rest is
  // taken with its sign changed, b q - a, which keeps the sign of a zero.
  static ACTINIUM_HD R div_from(R a, R b, R y) {
    R e = fused(-b, y, R(1));
    if constexpr (sizeof(R) == 8) {
      y = fused(fused(e, e, e), y, y);
      e = fused(-b, y, R(1));
    }
    y = fused(y, e, y);
    R q = a * y;
    if constexpr (sizeof(R) == 4) q = fused(fused(b, q, -a), -y, q);
    return fused(fused(b, q, -a), -y, q);
  }

  // What div_from starts from: the device's instruction, or on the host, for tests, an approximation that is off by
  // `error` times as much as the instruction's may be.
  static ACTINIUM_HD R approximate_reciprocal(R a, [[maybe_unused]] R error = -1) {
#if defined(__CUDA_ARCH__)
    R r;
    if constexpr (sizeof(R) == 4) {
      asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a));
    } else {
      asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(r) : "d"(a));
      // The instruction gives the upper half. From exactly 1/2 the refinement would miss 1 / (2 - 2^-52), so it starts
      // beside it, as nvcc's own does.
      r = __hiloint2double(__double2hiint(r), 1);
    }
    return r;
#else
    // Just below a power of two the steps of div_from would miss the quotient from an approximation that is too low;
    // nvcc's are the same, and exact, so that there it is not.
    if constexpr (sizeof(R) == 4) {
      return (bits(a) & 0x7fff00) == 0x7fff00 ? 1 / a : (1 / a) * (1 + error * 0x1p-23f);
    } else {
      const R y = (bits(a) >> 32 & 0xfffff) == 0xfffff ? 1 / a : (1 / a) * (1 + error * 0x1p-20);
      return value((bits(y) & ~Bits{0xffffffff}) | 1);
    }
#endif
  }

  // The smaller and the larger; b if either is not a number.
  static ACTINIUM_HD R min(R a, R b) { return a < b ? a : b; }
  static ACTINIUM_HD R max(R a, R b) { return a > b ? a : b; }

  static ACTINIUM_HD R neg(R a) { return -a; }
  static ACTINIUM_HD R abs(R a) { return value(bits(a) & ~sign_bit()); }
  // a with its sign changed where s is negative.
  static ACTINIUM_HD R flip(R a, R s) { return value(bits(a) ^ (bits(s) & sign_bit())); }
  // y, which is +0 or has the sign of x, with the sign of x.
  static ACTINIUM_HD R with_sign(R y, R x) { return value(bits(y) | (bits(x) & sign_bit())); }

  static ACTINIUM_HD Mask gt(R a, R b) { return a > b; }
  static ACTINIUM_HD Mask eq(R a, R b) { return a == b; }
  // Whether a takes the place of the maximum b: it is larger, or the first that is not a number.
  static ACTINIUM_HD Mask beats(R a, R b) { return !(a <= b) && b == b; }
  static ACTINIUM_HD R select(Mask m, R yes, R no) { return m ? yes : no; }

  // 2^i for the integer i + bias in the lowest bits of u, as adding Format::kRound + bias leaves it.
  static ACTINIUM_HD R exp2i(R u) {
    using Unsigned = std::make_unsigned_t<Bits>;
    return value(static_cast<Bits>(static_cast<Unsigned>(bits(u)) << Format<R>::kMantissa));
  }
  // n, where 2^n <= a < 2^(n + 1) is a normal number.
  static ACTINIUM_HD R exponent(R a) {
    constexpr R kShift = Format<R>::kPerUnit;
    return value((bits(a) >> Format<R>::kMantissa) | bits(kShift)) - (kShift + Format<R>::kBias);
  }
  static ACTINIUM_HD R sqrt(R a) {
#if defined(__CUDA_ARCH__)
    return ::sqrt(a);
#else
    if constexpr (sizeof(R) == 4) {
      return __builtin_sqrtf(a);
    } else {
      return __builtin_sqrt(a);
    }
#endif
  }

 private:
  static ACTINIUM_HD R fused(R a, R b, R c) {
    if constexpr (sizeof(R) == 4) {
#if defined(__CUDA_ARCH__)
      return __fmaf_rn(a, b, c);
#else
      return __builtin_fmaf(a, b, c);
#endif
    } else {
#if defined(__CUDA_ARCH__)
      return __fma_rn(a, b, c);
#else
      return __builtin_fma(a, b, c);
#endif
    }
  }
  static constexpr ACTINIUM_HD Bits sign_bit() { return Bits(1) << (8 * sizeof(R) - 1); }
  static ACTINIUM_HD Bits bits(R a) {
    Bits i;
    memcpy(&i, &a, sizeof(i));
    return i;
  }
  static ACTINIUM_HD R value(Bits i) {
    R a;
    memcpy(&a, &i, sizeof(a));
    return a;
  }
  // The upper half of the digits; products of halves are exact.
  static ACTINIUM_HD R upper_half(R a) { return value(bits(a) & ~((Bits(1) << (Format<R>::kMantissa / 2 + 1)) - 1)); }
};

template <>
struct Prim<float> : ScalarPrim<float> {};
template <>
struct Prim<double> : ScalarPrim<double> {};

}  // namespace ACTINIUM_TARGET
}  // namespace actinium::math
