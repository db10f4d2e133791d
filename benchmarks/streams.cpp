#include "benchmarks/streams.h"

#include <cstring>

namespace actinium::benchmarks::CPU_CAPABILITY {
namespace {

// GCC's vectors of the capability's width.
#if defined(CPU_CAPABILITY_AVX512)
constexpr int kWidth = 64;
#elif defined(CPU_CAPABILITY_AVX2)
constexpr int kWidth = 32;
#else
constexpr int kWidth = 16;
#endif
using Vector __attribute__((vector_size(kWidth))) = int64_t;

template <int kOutputs, int kInputs>
void stream(char* const* data, int64_t bytes) {
  for (int64_t i = 0; i + kWidth <= bytes; i += kWidth) {
    Vector value;
    std::memcpy(&value, data[kOutputs] + i, kWidth);
    for (int k = 1; k < kInputs; ++k) {
      Vector next;
      std::memcpy(&next, data[kOutputs + k] + i, kWidth);
      value ^= next;
    }
    for (int k = 0; k < kOutputs; ++k) std::memcpy(data[k] + i, &value, kWidth);
  }
}

}  // namespace

StreamLoop stream_loop(int outputs, int inputs) {
  if (outputs == 2) return stream<2, 3>;
  return inputs == 2 ? stream<1, 2> : stream<1, 1>;
}

}  // namespace actinium::benchmarks::CPU_CAPABILITY
