// The index maps of the CUDA kernels, walked on the CPU: every element is some thread's, and no other's.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <vector>

#include "csrc/cuda/channelwise_map.h"
#include "csrc/cuda/divider.h"
#include "csrc/cuda/maxout_map.h"
#include "csrc/cuda/pointwise_map.h"

namespace actinium::cuda {
namespace {

template <class UInt>
void divides() {
  constexpr UInt kMax = std::numeric_limits<UInt>::max() / 2;  // numerators are below half of the range
  std::vector<UInt> numbers;
  for (UInt i = 1; i < 70; ++i) numbers.push_back(i);
  for (int bit = 6; bit < static_cast<int>(8 * sizeof(UInt)) - 1; ++bit) {
    for (int off = -1; off <= 1; ++off) numbers.push_back((UInt{1} << bit) + off);
  }
  for (UInt i = 0; i < 5; ++i) numbers.push_back(kMax - i);
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) numbers.push_back(std::max<UInt>(1, (random() & kMax) >> random() % 30));
  for (UInt d : numbers) {
    const Divider<UInt> divider(d);
    for (UInt n : numbers) {
      for (UInt m : {n, n / d * d, n / d * d - 1}) {
        if (m > kMax) continue;
        UInt rest = m;
        ASSERT_EQ(divider.divmod(rest), m / d) << m << " / " << d;
        ASSERT_EQ(rest, m % d) << m << " % " << d;
      }
    }
  }
}

TEST(Divider, EqualsDivision) {
  divides<uint32_t>();
  divides<uint64_t>();
}

// Counts how often each element is visited.
class Visits {
 public:
  explicit Visits(int64_t count) : visits_(count) {}
  void add(int64_t i) {
    if (i < 0 || i >= static_cast<int64_t>(visits_.size())) {
      ++outside_;
    } else {
      ++visits_[i];
    }
  }
  bool once() const {
    return outside_ == 0 && std::all_of(visits_.begin(), visits_.end(), [](int n) { return n == 1; });
  }

 private:
  std::vector<int> visits_;
  int64_t outside_ = 0;
};

template <int V, int kPerThread>
void flat(int64_t count, int lead, bool shifted, int64_t resident) {
  using Map = Flat<V, kPerThread>;
  const Map map(count, lead, shifted, resident);
  ASSERT_GE(map.blocks, 1);
  ASSERT_TRUE(map.tiles == 0 || map.blocks <= resident);
  Visits visits(count);
  for (int64_t block = 0; block < map.blocks; ++block) {
    for (int thread = 0; thread < Map::kThreads; ++thread) {
      for (int64_t tile = block; tile < map.tiles; tile += map.blocks) {
        for (int k = 0; k < Map::kPerThread; ++k) {
          const Clip<V> clip{map.begin(map.in_tile(tile, k, thread)), count};
          ASSERT_EQ((clip.begin + lead) % V, 0);  // on a multiple of 16 bytes
          ASSERT_TRUE(shifted ? clip.inner() : clip.whole());
          for (int e = 0; e < V; ++e) visits.add(clip.begin + e);
        }
      }
      for (int64_t i = map.rest_begin(block, map.blocks, thread); i < map.rest; i += map.blocks * Map::kThreads) {
        const Clip<V> clip{map.begin(map.in_rest(i)), count};
        ASSERT_EQ((clip.begin + lead) % V, 0);
        bool all = true, none = true;
        for (int e = 0; e < V; ++e) {
          if (clip.contains(e)) visits.add(clip.begin + e);
          (clip.contains(e) ? none : all) = false;
        }
        ASSERT_EQ(clip.whole(), all);
        ASSERT_FALSE(none);
        // Where an operand is put together from two vectors, neither may reach out of it.
        ASSERT_TRUE(!clip.inner() || (clip.begin >= V && clip.begin + 2 * V <= count));
      }
    }
  }
  ASSERT_TRUE(visits.once()) << "V=" << V << " count=" << count << " lead=" << lead << " shifted=" << shifted
                             << " resident=" << resident;
}

TEST(Flat, VisitsEveryElementOnce) {
  std::vector<int64_t> counts;
  for (int64_t count = 1; count < 70; ++count) counts.push_back(count);
  for (int64_t vectors : {128, 256, 257, 384, 512, 1024}) {
    for (int64_t off = -9; off < 10; ++off) {
      for (int64_t lanes : {2, 4, 8}) counts.push_back(vectors * lanes + off);
    }
  }
  counts.push_back(30001);
  for (int64_t resident : {1, 3, 1000}) {
    for (int64_t count : counts) {
      for (int lead = 0; lead < 8; ++lead) {
        for (bool shifted : {false, true}) {
          if (lead < 2) flat<2, 4>(count, lead, shifted, resident);
          if (lead < 4) flat<4, 2>(count, lead, shifted, resident);
          flat<8, 2>(count, lead, shifted, resident);
        }
      }
    }
  }
}

TEST(Flat, SpreadsOverTheDevice) {
  using Map = Flat<4, 2>;
  // Few elements: one vector to a thread, whatever the device. Many: no more blocks than run at once, and only what is
  // less than a tile, or at an end, outside of the tiles.
  const Map few(1 << 16, 0, false, 2112), many((1 << 28) + 3, 1, true, 2112);
  EXPECT_EQ(few.blocks, (1 << 14) / Map::kThreads);
  EXPECT_EQ(few.tiles, 0);
  EXPECT_EQ(many.blocks, 2112);
  EXPECT_LE(many.rest, Map::kTile + 4);
  // More than 2^32 elements.
  const Map huge((int64_t{1} << 33) + 5, 0, false, 2112);
  EXPECT_EQ((huge.tiles * Map::kTile + huge.rest) * 4, (int64_t{1} << 33) + 8);
}

constexpr int kOperands = 3;
using Offset = std::array<int64_t, kOperands>;

// The offsets of all elements, one dimension after the other.
std::vector<Offset> naive(const Geometry<kOperands>& g) {
  std::vector<Offset> all{Offset{}};
  for (int d = 0; d < g.ndim; ++d) {
    std::vector<Offset> next;
    for (int64_t i = 0; i < g.sizes[d]; ++i) {
      for (Offset o : all) {
        for (int k = 0; k < kOperands; ++k) o[k] += i * g.strides[k][d];
        next.push_back(o);
      }
    }
    all = std::move(next);
  }
  return all;
}

void fitting(const Geometry<kOperands>& geometry, int max_dims) {
  std::vector<Offset> got;
  const int64_t start[kOperands] = {};
  for_fitting(geometry, max_dims, start, [&](const Geometry<kOperands>& piece, const int64_t(&at)[kOperands]) {
    ASSERT_LE(piece.ndim, max_dims);
    const Offsets<kOperands> offsets(piece, 0);
    const auto count = static_cast<uint32_t>(piece.numel());
    for (uint32_t i = 0; i < count; i += 2) {
      uint32_t index[2] = {i, std::min(i + 1, count - 1)}, offset[2][kOperands];
      offsets.of(index, offset);
      for (uint32_t u = 0; u < 2 && i + u < count; ++u) {
        got.push_back({at[0] + offset[u][0], at[1] + offset[u][1], at[2] + offset[u][2]});
      }
    }
  });
  std::vector<Offset> want = naive(geometry);
  std::sort(got.begin(), got.end());
  std::sort(want.begin(), want.end());
  ASSERT_EQ(got, want);
}

TEST(Offsets, EqualNaive) {
  std::mt19937 random(2);
  for (int trial = 0; trial < 300; ++trial) {
    Geometry<kOperands> g{};
    g.ndim = 1 + random() % 6;
    int64_t dense[kOperands] = {4, 4, 4};
    for (int d = 0; d < g.ndim; ++d) {
      g.sizes[d] = 1 + random() % 6;
      for (int k = 0; k < kOperands; ++k) {
        // Dense, padded or expanded.
        g.strides[k][d] = random() % 8 == 0 && k > 0 ? 0 : dense[k];
        dense[k] *= g.sizes[d] + (random() % 4 == 0);
      }
    }
    fitting(g, 16);
  }
}

TEST(Offsets, JoinsDimensions) {
  Geometry<1> g{};
  g.ndim = 4;
  const int64_t sizes[] = {4, 1, 3, 5}, strides[] = {2, 77, 8, 24};
  for (int d = 0; d < 4; ++d) g.sizes[d] = sizes[d], g.strides[0][d] = strides[d];
  g.coalesce();
  EXPECT_EQ(g.ndim, 1);
  EXPECT_EQ(g.sizes[0], 60);
  EXPECT_EQ(g.strides[0][0], 2);
}

TEST(Offsets, SplitsWhatDoesNotFit) {
  Geometry<kOperands> g{};
  g.ndim = 3;
  const int64_t sizes[] = {3, 7, 5}, strides[] = {4, int64_t{1} << 30, int64_t{1} << 34};
  for (int d = 0; d < 3; ++d) {
    g.sizes[d] = sizes[d];
    for (int k = 0; k < kOperands; ++k) g.strides[k][d] = k == 2 ? 0 : strides[d];
  }
  fitting(g, 16);

  // More dimensions than a kernel takes.
  g.ndim = 9;
  for (int d = 0; d < 9; ++d) {
    g.sizes[d] = 2 + d % 2;
    for (int k = 0; k < kOperands; ++k) g.strides[k][d] = int64_t{1} << (2 * d + k);
  }
  fitting(g, 4);

  // More elements than 31 bits count: pieces of the right size, and not too many.
  Geometry<1> large{};
  large.ndim = 2;
  large.sizes[0] = 3000, large.sizes[1] = int64_t{1} << 22;
  large.strides[0][0] = 2, large.strides[0][1] = 8192;
  int64_t elements = 0, pieces = 0;
  const int64_t start[1] = {};
  for_fitting(large, 16, start, [&](const Geometry<1>& piece, const int64_t(&at)[1]) {
    EXPECT_EQ(at[0], elements / 3000 * 8192);
    elements += piece.numel(), ++pieces;
    EXPECT_TRUE(piece.fits(16));
  });
  EXPECT_EQ(elements, 3000 * (int64_t{1} << 22));
  EXPECT_LE(pieces, 32);
}

TEST(Rows, VisitEveryElementOnce) {
  constexpr int V = 8;
  for (int64_t inner : {8, 9, 16, 63, 64, 65, 71, 72, 200}) {
    for (int64_t rows : {1, 2, 5}) {
      for (int64_t pitch = inner; pitch < inner + 9; ++pitch) {
        for (int first = 0; first < V; ++first) {
          Geometry<1> g{};
          g.ndim = 2;
          g.sizes[0] = inner, g.sizes[1] = rows;
          g.strides[0][0] = 2, g.strides[0][1] = 2 * pitch;
          const bool aligned = first == 0 && pitch % V == 0;
          const Rows<V, 1> map(g, aligned);
          Visits visits(rows * inner);
          for (uint32_t i = 0; i < map.vectors; ++i) {
            uint32_t index = i;
            uint32_t row[1] = {map.across.divmod(index)}, offset[1][1];
            const uint32_t r = row[0];
            map.offsets.of(row, offset);
            ASSERT_EQ(offset[0][0], 2 * pitch * r);
            const int lead = (first + offset[0][0] / 2) % V;
            const Clip<V> clip{static_cast<int64_t>(index) * V - lead, inner};
            for (int e = 0; e < V; ++e) {
              if (clip.contains(e)) visits.add(r * inner + clip.begin + e);
            }
          }
          ASSERT_TRUE(visits.once()) << inner << " " << rows << " " << pitch << " " << first;
        }
      }
    }
  }
}

template <bool kLast, int W>
void channels(int64_t outer, int64_t count, int64_t inner, int64_t resident) {
  using Map = ChannelMap<kLast, W>;
  if (!Map::fits(count, inner)) return;
  const Map map(outer, count, inner, resident);
  ASSERT_EQ(map.groups() * map.lanes(), kChannelThreads);
  Visits visits(outer * count * inner), sums(map.chunks * count);
  for (int64_t block = 0; block < map.blocks(); ++block) {
    for (int thread = 0; thread < kChannelThreads; ++thread) {
      const ChannelThread t = map.thread(static_cast<uint32_t>(block), thread);
      if (t.lane + 1 < map.lanes()) {
        const ChannelThread next = map.thread(static_cast<uint32_t>(block), thread + map.lane_distance());
        ASSERT_EQ(next.lane, t.lane + 1);
        ASSERT_EQ(next.channel, t.channel);
      }
      if (t.lane == 0 && t.channel < count) {
        for (int c = 0; c < map.kChannels; ++c) sums.add(t.chunk * count + t.channel + c);
      }
      for (auto at = map.walk(t); at.left > 0; map.advance(at)) {
        ASSERT_EQ(at.address % W, 0);
        for (int e = 0; e < W; ++e) {
          ASSERT_EQ((at.address + e) / inner % count, t.channel + (kLast ? e : 0));
          visits.add(at.address + e);
        }
      }
    }
  }
  ASSERT_TRUE(visits.once()) << kLast << " " << W << ": " << outer << " " << count << " " << inner;
  ASSERT_TRUE(sums.once());
}

TEST(ChannelMap, VisitsEveryElementOnce) {
  for (int64_t resident : {1, 7, 1000}) {
    for (int64_t outer : {1, 2, 9, 300}) {
      for (int64_t count : {1, 2, 3, 4, 8, 10, 64, 130, 516}) {
        channels<true, 1>(outer, count, 1, resident);
        channels<true, 2>(outer, count, 1, resident);
        channels<true, 4>(outer, count, 1, resident);
      }
    }
    for (int64_t outer : {1, 2, 9}) {
      for (int64_t count : {1, 3, 70}) {
        for (int64_t inner : {2, 3, 4, 8, 49, 64, 1000, 1024, 5000}) {
          channels<false, 1>(outer, count, inner, resident);
          channels<false, 2>(outer, count, inner, resident);
          channels<false, 4>(outer, count, inner, resident);
          channels<false, 8>(outer, count, inner, resident);
        }
      }
    }
  }
}

TEST(ChannelMap, SpreadsOverTheDevice) {
  // 2048 x 256: enough blocks for a large device, and threads side by side on adjacent channels.
  const ChannelMap<true, 4> map(2048, 256, 1, 1000);
  EXPECT_GE(map.blocks(), 500);
  EXPECT_EQ(map.groups(), 32);
  // One channel: all threads on it.
  const ChannelMap<false, 4> one(1, 1, 1 << 24, 1000);
  EXPECT_GE(one.blocks(), 900);
  EXPECT_LE(one.blocks(), 1000);
  EXPECT_EQ(one.lanes(), kChannelThreads);
}

template <int W>
void columns(int64_t outer, int64_t pieces, int64_t inner) {
  const Columns<W> map(outer, pieces, inner);
  Visits outputs(outer * inner), inputs(outer * pieces * inner);
  for (int64_t thread = 0; thread < map.threads; ++thread) {
    for (int e = 0; e < W; ++e) {
      outputs.add(map.output(thread) + e);
      for (int64_t j = 0; j < pieces; ++j) {
        const int64_t at = map.input(thread) + e + j * inner, out = map.output(thread) + e;
        ASSERT_EQ(at, (out / inner * pieces + j) * inner + out % inner);
        inputs.add(at);
      }
    }
  }
  ASSERT_TRUE(outputs.once() && inputs.once());
}

template <int V, int K>
void units(int64_t outputs) {
  const Units<V, K> map{outputs};
  static_assert(map.kElements % V == 0);
  Visits out(outputs), in(outputs * K);
  for (int64_t thread = 0; thread < map.threads(); ++thread) {
    ASSERT_EQ(map.input(thread), map.output(thread) * K);
    for (int r = 0; r < map.present(thread); ++r) {
      out.add(map.output(thread) + r);
      for (int j = 0; j < K; ++j) in.add(map.input(thread) + r * K + j);
    }
  }
  ASSERT_TRUE(out.once() && in.once());
}

TEST(Maxout, VisitsEveryElementOnce) {
  for (int64_t outer : {1, 2, 7}) {
    for (int64_t pieces : {1, 2, 3, 7, 256}) {
      for (int64_t inner : {1, 3, 8, 24}) columns<1>(outer, pieces, inner);
      for (int64_t inner : {8, 16, 40}) columns<8>(outer, pieces, inner);
    }
  }
  for (int64_t outputs : {1, 2, 3, 7, 8, 9, 100}) {
    units<2, 3>(outputs);
    units<4, 2>(outputs);
    units<4, 3>(outputs);
    units<4, 8>(outputs);
    units<8, 2>(outputs);
    units<8, 3>(outputs);
    units<8, 6>(outputs);
    for (int64_t pieces : {1, 4, 5, 7, 9, 33, 128, 129, 256}) {
      const Lanes map(outputs, pieces);
      ASSERT_LE(map.lanes(), std::min<int64_t>(32, pieces));
      Visits in(outputs * pieces);
      for (int64_t thread = 0; thread < map.threads(); ++thread) {
        for (int64_t j = map.lane(thread); j < pieces; j += map.lanes()) in.add(map.output(thread) * pieces + j);
      }
      ASSERT_TRUE(in.once());
    }
  }
}

}  // namespace
}  // namespace actinium::cuda
