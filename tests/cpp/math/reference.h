#pragma once
// The activations and their derivatives in higher precision, to measure the formulas against: R is double for float32
// and half types, __float128 for float64. Written from the definitions, through the logistic function and tanh, and not
// as csrc/math has them; what the two share is only that nothing small is computed as a difference.
#include <quadmath.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace actinium::reference {

inline double exp(double x) { return std::exp(x); }
inline double expm1(double x) { return std::expm1(x); }
inline double erfc(double x) { return std::erfc(x); }
inline double sqrt(double x) { return std::sqrt(x); }
inline __float128 exp(__float128 x) { return expq(x); }
inline __float128 expm1(__float128 x) { return expm1q(x); }
inline __float128 erfc(__float128 x) { return erfcq(x); }
inline __float128 sqrt(__float128 x) { return sqrtq(x); }

template <class R>
struct Logistic {
  R s, c;  // sigmoid(y) and sigmoid(-y)
  explicit Logistic(R y) {
    const R e = exp(y < 0 ? y : -y);
    s = (y < 0 ? e : 1) / (1 + e);
    c = (y < 0 ? 1 : e) / (1 + e);
  }
};

// f, f' and f'' for pass 0, 1, 2. Infinite x gives the limit.
template <class R>
R swish(int pass, R x, R beta) {
  const R y = beta * x;
  const Logistic<R> l(y);
  if (std::isinf(static_cast<double>(x)) && beta != 0) {
    const bool on = y > 0;
    return pass == 0 ? (on ? x : 0) : pass == 1 ? R(on) : R(0);
  }
  if (pass == 0) return x * l.s;
  if (pass == 1) return l.s * (1 + y * l.c);
  return beta * l.s * l.c * (2 + y * (l.c - l.s));
}

template <class R>
R gelu(int pass, R x) {
  const double near = static_cast<double>(x);
  if (near > 1e3 || near < -1e3) return pass == 0 ? (near > 0 ? x : 0) : pass == 1 ? R(near > 0) : R(0);
  const R pi = R(3.14159265358979323846264338327950288Q);
  const R cdf = erfc(-x / sqrt(R(2))) / 2;           // Phi
  const R density = exp(-x * x / 2) / sqrt(2 * pi);  // Phi'
  return pass == 0 ? x * cdf : pass == 1 ? cdf + x * density : density * (2 - x * x);
}

template <class R>
R gelu_tanh(int pass, R x) {
  if (std::isinf(static_cast<double>(x))) return pass == 0 ? (x > 0 ? x : 0) : pass == 1 ? R(x > 0) : R(0);
  const R k = R(2) * sqrt(R(2) / R(3.14159265358979323846264338327950288Q));
  const R b = R(0.044715Q);
  if (x > 1e3 || x < -1e3) return pass == 0 ? (x > 0 ? x : 0) : pass == 1 ? R(x > 0) : R(0);
  const R v = k * x * (1 + b * x * x);
  const R v1 = k * (1 + 3 * b * x * x);
  const R v2 = 6 * k * b * x;
  const Logistic<R> l(v);
  if (pass == 0) return x * l.s;
  if (pass == 1) return l.s * (1 + x * l.c * v1);
  return l.s * l.c * (2 * v1 + x * v2 + x * v1 * v1 * (l.c - l.s));
}

template <class R>
R mish(int pass, R x) {
  // tanh(log(1 + E)) = ((1 + E)^2 - 1) / ((1 + E)^2 + 1), E = exp(x); through 1 / E where E is large
  const bool right = x > 0;
  if (std::isinf(static_cast<double>(x))) return pass == 0 ? (right ? x : 0) : pass == 1 ? R(right) : R(0);
  const R e = exp(right ? -x : x);
  const R n = right ? 1 + 2 * e : e * (e + 2);
  const R d = right ? 1 + 2 * e + 2 * e * e : e * e + 2 * e + 2;
  const R t = n / d;
  if (pass == 0) return x * t;
  const R w = (right ? 1 : e) / (1 + e);                                  // log(1 + E)' = sigmoid(x)
  const R sech2 = (right ? 4 * e * e : 4) * (1 + e) * (1 + e) / (d * d);  // 1 - t^2
  const R t1 = sech2 * w;
  if (pass == 1) return t + x * t1;
  const R c = (right ? e : 1) / (1 + e);  // w' = w c
  const R t2 = sech2 * w * (c - 2 * t * w);
  return 2 * t1 + x * t2;
}

template <class R>
R sigmoid(int pass, R x) {
  const Logistic<R> l(x);
  if (std::isinf(static_cast<double>(x))) return pass == 0 ? l.s : R(0);
  if (pass == 0) return l.s;
  // s' (1 - 2s), where 1 - 2s = -expm1(x) / (1 + e^x)
  return l.s * l.c * (pass == 1 ? R(1) : x < 0 ? -expm1(x) * l.c : expm1(-x) * l.s);
}

template <class R>
R tanh(int pass, R x) {
  // 2 sigmoid(2x) - 1
  const Logistic<R> l(2 * x);
  const R t = x < 0 ? expm1(2 * x) * l.c : -expm1(-2 * x) * l.s;
  if (pass == 0) return x == 0 ? x : t;
  return 4 * l.s * l.c * (pass == 1 ? R(1) : -2 * t);
}

template <class R>
R leaky_relu(int pass, R x, R slope) {
  if (x != x) return x;
  if (pass == 2) return 0;
  if (pass == 1) return x > 0 ? R(1) : slope;
  return x > 0 ? x : slope == 0 ? R(0) : slope * x;
}

template <class R>
R elu(int pass, R x, R alpha) {
  if (x > 0) return pass == 0 ? x : pass == 1 ? R(1) : R(0);
  return alpha * (pass == 0 ? expm1(x) : exp(x));
}

template <class R>
R selu(int pass, R x) {
  const R lambda = R(1.0507009873554804934193349852946Q);
  const R alpha = R(1.6732632423543772848170429916717Q);
  if (x > 0) return pass == 0 ? lambda * x : pass == 1 ? lambda : R(0);
  return lambda * elu(pass, x, alpha);
}

// Distance in units of the last place that `want` has in the format of `got`. Overflow is where rounding puts it.
template <class Result, class R>
double ulp(Result got, R want, int mantissa = std::numeric_limits<Result>::digits - 1,
           int min_exponent = std::numeric_limits<Result>::min_exponent - 1,
           R max = R(std::numeric_limits<Result>::max())) {
  const double near = static_cast<double>(want);
  if (std::isnan(near) || std::isnan(got)) return std::isnan(near) && std::isnan(got) ? 0 : INFINITY;
  int exponent = min_exponent;
  if (std::isfinite(near) && near != 0) exponent = std::max(min_exponent, std::ilogb(near));
  if (std::isinf(got)) {
    const R unit = R(std::ldexp(1.0, std::ilogb(static_cast<double>(max)) - mantissa));
    return (got > 0 ? want : -want) >= max + unit / 2 ? 0 : INFINITY;
  }
  R error = R(got) - want;
  if (error < 0) error = -error;
  // the unit itself may be below what a double holds
  return static_cast<double>(error * R(std::ldexp(1.0, mantissa - exponent > 1000 ? 1000 : mantissa - exponent)) *
                             R(std::ldexp(1.0, mantissa - exponent > 1000 ? mantissa - exponent - 1000 : 0)));
}

}  // namespace actinium::reference
