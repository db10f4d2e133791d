#pragma once
// Which thread of a pointwise launch handles which element. Plain code, shared by the kernels and by tests that walk
// it on the CPU.
//
// Memory is read and written in vectors of 16 bytes that start at multiples of 16. Vector j of a run of elements holds
// elements [j V - lead, (j + 1) V - lead), where lead is how far the run starts after such a multiple: the first and
// the last vector may reach beyond the run and are then handled element by element. So no head or tail stands apart.
#include <algorithm>
#include <cstdint>

#include "csrc/cuda/divider.h"

namespace actinium::cuda {

constexpr int kVectorBytes = 16;
constexpr int kPointwiseThreads = 128;

// Bytes by which an address stands after a multiple of 16.
ACTINIUM_HD int misalignment(const void* p) { return static_cast<int>(reinterpret_cast<uintptr_t>(p) % kVectorBytes); }

// What of the vector at element `begin` of a run of `count` elements lies in the run.
template <int V>
struct Clip {
  int64_t begin, count;

  ACTINIUM_HD bool contains(int e) const { return begin + e >= 0 && begin + e < count; }
  ACTINIUM_HD bool whole() const { return begin >= 0 && begin + V <= count; }
  // The vectors before and after lie in the run too, so that an operand that stands off the multiples of 16 may be put
  // together from the two aligned vectors around it.
  ACTINIUM_HD bool inner() const { return begin >= V && begin + 2 * V <= count; }
};

// A contiguous problem. Vectors well inside it come in tiles, which the blocks take in turns; no element of a tile
// needs a test. The others go one to a thread, and so do all of them if there are not enough to fill the device.
template <int V, int kPerThread_>
struct Flat {
  static constexpr int kThreads = kPointwiseThreads;
  static constexpr int kPerThread = kPerThread_;  // vectors of a tile, all of which a thread reads before it computes
  static constexpr int64_t kTile = kThreads * kPerThread;

  int64_t count;         // elements
  int lead;              // of the output
  int64_t first, tiles;  // the first vector of the tiles, how many there are
  int64_t rest;          // vectors outside of them
  int64_t blocks;

  // shifted: some operand stands elsewhere than the output. resident: blocks that run at once.
  Flat(int64_t count_, int lead_, bool shifted, int64_t resident)
      : count(count_), lead(lead_), first(shifted ? ceil_div(V + lead, V) : lead > 0), tiles(0) {
    const int64_t vectors = ceil_div<int64_t>(count + lead, V);
    const int64_t last = (count + lead) / V - (shifted ? 1 : 0);
    if (vectors / kThreads > resident) tiles = std::max<int64_t>(last - first, 0) / kTile;
    rest = vectors - tiles * kTile;
    blocks = tiles > 0 ? std::min(tiles, resident) : ceil_div<int64_t>(vectors, kThreads);
  }

  // The first element of a vector.
  ACTINIUM_HD int64_t begin(int64_t vector) const { return vector * V - lead; }
  // Vectors, by their number among those of a tile and among those outside of the tiles.
  ACTINIUM_HD int64_t in_tile(int64_t tile, int k, int thread) const {
    return first + tile * kTile + k * kThreads + thread;
  }
  // A thread's first vector outside of the tiles; its others are blocks * kThreads further on. The last blocks begin,
  // as they have the fewest tiles.
  ACTINIUM_HD int64_t rest_begin(int64_t block, int64_t blocks_, int thread) const {
    return (blocks_ - 1 - block) * kThreads + thread;
  }
  ACTINIUM_HD int64_t in_rest(int64_t i) const { return i < first ? i : i + tiles * kTile; }
};

// Sizes and strides of a problem with any strides, fastest dimension first; strides in bytes.
template <int kOperands>
struct Geometry {
  static constexpr int kMaxDims = 64;
  int ndim;
  int64_t sizes[kMaxDims];
  int64_t strides[kOperands][kMaxDims];

  int64_t numel() const {
    int64_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= sizes[d];
    return n;
  }

  // Drops dimensions of size 1 and joins those that are one stretch of memory for every operand.
  void coalesce() {
    int last = -1;
    for (int d = 0; d < ndim; ++d) {
      if (sizes[d] == 1) continue;
      bool joins = last >= 0;
      for (int k = 0; joins && k < kOperands; ++k) joins = strides[k][d] == strides[k][last] * sizes[last];
      if (joins) {
        sizes[last] *= sizes[d];
      } else {
        ++last;
        sizes[last] = sizes[d];
        for (int k = 0; k < kOperands; ++k) strides[k][last] = strides[k][d];
      }
    }
    if (last < 0) {  // one element: any stride will do
      last = 0;
      sizes[0] = 1;
      for (int k = 0; k < kOperands; ++k) strides[k][0] = 0;
    }
    ndim = last + 1;
  }

  // Elements and, for every operand, bytes are counted in 31 bits, and there are few enough dimensions for a kernel.
  bool fits(int max_dims) const {
    constexpr int64_t kLimit = int64_t{1} << 31;
    if (ndim > max_dims || numel() >= kLimit) return false;
    for (int k = 0; k < kOperands; ++k) {
      int64_t extent = 0;
      for (int d = 0; d < ndim; ++d) extent += (sizes[d] - 1) * strides[k][d];
      if (extent >= kLimit) return false;
    }
    return true;
  }

  // The dimension to halve in a problem that does not fit: the one that spans most bytes, or most elements if strides
  // are 0; with too many dimensions the slowest, until it is gone.
  int widest(int max_dims) const {
    if (ndim > max_dims) return ndim - 1;
    int at = 0;
    int64_t most = -1;
    for (int d = 0; d < ndim; ++d) {
      int64_t span = sizes[d] - 1;
      for (int k = 0; k < kOperands; ++k) span = std::max(span, (sizes[d] - 1) * strides[k][d]);
      if (span > most) most = span, at = d;
    }
    return at;
  }
};

// Calls body(geometry, offsets) for pieces that fit and together cover the problem; offsets are those of the piece's
// first element in every operand.
template <int kOperands, class Body>
void for_fitting(Geometry<kOperands> geometry, int max_dims, const int64_t (&offsets)[kOperands], const Body& body) {
  geometry.coalesce();
  if (geometry.fits(max_dims)) {
    body(geometry, offsets);
    return;
  }
  const int d = geometry.widest(max_dims);
  const int64_t size = geometry.sizes[d], half = size / 2;
  int64_t rest[kOperands];
  for (int k = 0; k < kOperands; ++k) rest[k] = offsets[k] + half * geometry.strides[k][d];
  geometry.sizes[d] = half;
  for_fitting(geometry, max_dims, offsets, body);
  geometry.sizes[d] = size - half;
  for_fitting(geometry, max_dims, rest, body);
}

// Byte offsets of an element in every operand, from its number.
template <int kOperands>
struct Offsets {
  static constexpr int kMaxDims = 16;

  int ndim = 0;
  Divider<uint32_t> sizes[kMaxDims];
  uint32_t strides[kMaxDims][kOperands];

  Offsets() = default;
  // Of dimensions [first_dim, ndim) of a geometry that fits.
  Offsets(const Geometry<kOperands>& geometry, int first_dim) : ndim(geometry.ndim - first_dim) {
    for (int d = 0; d < ndim; ++d) {
      sizes[d] = Divider<uint32_t>(static_cast<uint32_t>(geometry.sizes[first_dim + d]));
      for (int k = 0; k < kOperands; ++k) strides[d][k] = static_cast<uint32_t>(geometry.strides[k][first_dim + d]);
    }
  }

  // For kCount elements at once, so that their divisions overlap. `index` is used up.
  template <int kCount>
  ACTINIUM_HD void of(uint32_t (&index)[kCount], uint32_t (&offset)[kCount][kOperands]) const {
    for (int u = 0; u < kCount; ++u) {
      for (int k = 0; k < kOperands; ++k) offset[u][k] = 0;
    }
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
    for (int d = 0; d < ndim; ++d) {
      for (int u = 0; u < kCount; ++u) {
        uint32_t within = index[u];
        // The slowest dimension has no remainder to take.
        index[u] = d + 1 < ndim ? sizes[d].divmod(within) : 0;
        for (int k = 0; k < kOperands; ++k) offset[u][k] += within * strides[d][k];
      }
    }
  }
};

// A problem whose fastest dimension is contiguous in every operand, or one value for all of it (stride 0) in some
// inputs: rows, each cut into vectors as a run of its own, `across` of them to a row; where rows start at different
// distances from a multiple of 16, the last may hold nothing.
template <int V, int kOperands>
struct Rows {
  uint32_t inner;            // elements of a row
  uint32_t vectors;          // of all rows
  Divider<uint32_t> across;  // vectors of a row
  Offsets<kOperands> offsets;

  Rows(const Geometry<kOperands>& geometry, bool aligned)
      : inner(static_cast<uint32_t>(geometry.sizes[0])),
        across(aligned ? ceil_div<uint32_t>(inner, V) : (inner + 2 * V - 2) / V),
        offsets(geometry, 1) {
    vectors = static_cast<uint32_t>(geometry.numel() / inner) * across.divisor();
  }

  // Shorter rows leave too many vectors partly empty.
  static bool worthwhile(int64_t inner, bool aligned) { return inner >= (aligned ? V : 8 * V); }
};

}  // namespace actinium::cuda
