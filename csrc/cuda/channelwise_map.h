#pragma once
// Which thread of a channelwise launch handles which element of [outer, channels, inner]. Plain code, shared by the
// kernels and by tests that walk it on the CPU.
//
// A channel has `items`: rows if channels are the fastest dimension (kLast, inner == 1), else its outer * inner
// elements. A block takes a chunk of the items of some adjacent channels; its threads stand `groups` side by side
// across channels and `lanes` down the items, whichever is fastest in memory being fastest in thread numbers. A step of
// a thread is W adjacent elements of memory: W channels of an item (kLast), or W items of a channel.
#include <algorithm>
#include <cstdint>

#include "csrc/cuda/divider.h"

namespace actinium::cuda {

constexpr int kChannelThreads = 256;

// What a thread does: of its channels from `channel` on, the items from `item` to before `end`, a stride apart.
struct ChannelThread {
  int64_t chunk;
  int64_t channel;
  int64_t item, end;
  int lane;
};

template <bool kLast, int W>
struct ChannelMap {
  static constexpr int kChannels = kLast ? W : 1;  // of a thread
  static constexpr int kItems = kLast ? 1 : W;     // of a thread in a step

  int64_t channels, items;
  Divider<uint64_t> inner;
  int log_groups, log_lanes;
  int64_t stride;  // items that the lanes take in one step
  int64_t chunk;   // items of a block
  int64_t chunks;
  Divider<uint32_t> channel_blocks;  // blocks side by side

  // resident: blocks that run at once.
  ChannelMap(int64_t outer, int64_t channels_, int64_t inner_, int64_t resident)
      : channels(channels_),
        items(kLast ? outer : outer * inner_),
        inner(static_cast<uint64_t>(std::max<int64_t>(inner_, 1))) {
    // Across memory first, as far as it goes or, for channels, as whole cache lines need it; threads that are left go
    // the other way.
    if (kLast) {
      log_groups = log2_of(ceil_div<int64_t>(channels, W), 32);
      log_lanes = log2_of(items, kChannelThreads >> log_groups);
      log_groups = log2_of(kChannelThreads >> log_lanes, kChannelThreads);
    } else {
      log_lanes = log2_of(ceil_div<int64_t>(items, W), kChannelThreads);
      log_groups = log2_of(kChannelThreads >> log_lanes, kChannelThreads);
    }
    stride = int64_t{kItems} << log_lanes;
    const int64_t across = ceil_div<int64_t>(channels, int64_t{kChannels} << log_groups);
    const int64_t steps = std::max<int64_t>(ceil_div(items, stride), 1);
    const int64_t wanted = std::clamp<int64_t>(resident / across, 1, steps);
    chunk = ceil_div(steps, wanted) * stride;
    chunks = std::max<int64_t>(ceil_div(items, chunk), 1);
    channel_blocks = Divider<uint32_t>(static_cast<uint32_t>(across));

    const int64_t rows = stride / inner_of();
    jump_ = kLast ? stride * channels : rows * channels * inner_of() + stride % inner_of();
    jump_within_ = stride % inner_of();
    wrap_ = (channels - 1) * inner_of();
  }

  // Whether the W elements of every step are one channel's, or one item's, and stand at a multiple of W.
  static bool fits(int64_t channels, int64_t inner) { return (kLast ? channels : inner) % W == 0; }

  int64_t blocks() const { return static_cast<int64_t>(channel_blocks.divisor()) * chunks; }

  ACTINIUM_HD int groups() const { return 1 << log_groups; }
  ACTINIUM_HD int lanes() const { return 1 << log_lanes; }
  // From a thread to the one of the next lane.
  ACTINIUM_HD int lane_distance() const { return kLast ? groups() : 1; }
  ACTINIUM_HD ChannelThread thread(uint32_t block, int thread) const {
    ChannelThread t;
    t.chunk = channel_blocks.divmod(block);
    const int group = kLast ? thread & (groups() - 1) : thread >> log_lanes;
    t.lane = kLast ? thread >> log_groups : thread & (lanes() - 1);
    t.channel = ((static_cast<int64_t>(block) << log_groups) + group) * kChannels;
    const int64_t begin = t.chunk * chunk;
    t.end = begin + chunk < items ? begin + chunk : items;
    t.item = t.channel < channels ? begin + int64_t{t.lane} * kItems : t.end;
    return t;
  }

  // Where a thread is: `left` items before its end, at an element of memory, `within` so many of a row of inner.
  struct Walk {
    int64_t left, address, within;
  };
  ACTINIUM_HD Walk walk(const ChannelThread& t) const {
    if (kLast) return {t.end - t.item, t.item * channels + t.channel, 0};
    uint64_t within = static_cast<uint64_t>(t.item);
    const auto row = static_cast<int64_t>(inner.divmod(within));
    return {t.end - t.item, (row * channels + t.channel) * inner_of() + static_cast<int64_t>(within),
            static_cast<int64_t>(within)};
  }
  ACTINIUM_HD void advance(Walk& at) const {
    at.left -= stride;
    at.address += jump_;
    if (kLast) return;
    at.within += jump_within_;
    if (at.within >= inner_of()) {
      at.within -= inner_of();
      at.address += wrap_;
    }
  }

 private:
  // A stride further in memory, unless a row ends in between.
  int64_t jump_, jump_within_, wrap_;

  ACTINIUM_HD int64_t inner_of() const { return static_cast<int64_t>(inner.divisor()); }
  // log2 of the smallest power of two that holds n, but of `most` at most.
  static int log2_of(int64_t n, int64_t most) {
    int log = 0;
    while ((int64_t{1} << log) < n && (int64_t{2} << log) <= most) ++log;
    return log;
  }
};

}  // namespace actinium::cuda
