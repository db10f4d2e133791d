#pragma once
// Loops that only load and store, compiled for every capability as the kernels are: the limit of each kernel.
#include <cstdint>

namespace actinium::benchmarks {

// Operands as those of a PointwiseLoop, outputs first, all dense. Writes the exclusive or of the inputs to each output.
using StreamLoop = void (*)(char* const* data, int64_t bytes);

#define ACTINIUM_DECLARE_STREAMS(CAPABILITY)       \
  namespace CAPABILITY {                           \
  StreamLoop stream_loop(int outputs, int inputs); \
  }
ACTINIUM_DECLARE_STREAMS(DEFAULT)
ACTINIUM_DECLARE_STREAMS(AVX2)
ACTINIUM_DECLARE_STREAMS(AVX512)
#undef ACTINIUM_DECLARE_STREAMS

}  // namespace actinium::benchmarks
