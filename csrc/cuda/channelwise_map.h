#pragma once
// Which thread of a channelwise launch handles which element of [outer, channels, inner]. Plain code, shared by the
// kernels and by tests that walk it on the CPU.
//
// A channel has `items`: rows if channels are the fastest dimension (kLast, inner == 1), else its outer * inner
// elements. A block takes a chunk of the items of some adjacent channels; its threads stand `groups` side by side
// across channels and `lanes` down the items, whichever is fastest in memory being fastest in thread numbers. A step of
// a thread is W elements of memory: adjacent ones (`vector`), or where that cannot be aligned, ones as far apart as
// neighbouring threads are many, so that the threads' accesses lie side by side.
#include <algorithm>
#include <cstdint>

#include "csrc/cuda/divider.h"

namespace actinium::cuda {

constexpr int kChannelThreads = 256;

// What a thread does: the e-th element of its step from item `from` on has channel + e * channel_step as its channel
// and from + item + e * item_step as its item, if that channel and, before `end`, that item exist.
struct ChannelThread {
  int64_t chunk, begin, end;  // the block's chunk, its items
  int64_t channel;
  int channel_step;
  int item, item_step;
  int lane;
};

template <bool kLast, int W>
struct ChannelMap {
  static constexpr int kChannels = kLast ? W : 1;  // of a thread
  static constexpr int kItems = kLast ? 1 : W;     // of a thread in a step

  int64_t channels, items;
  Divider<uint64_t> inner;
  bool vector;
  int log_groups, log_lanes;
  int64_t chunk;  // items of a block
  int64_t chunks;
  Divider<uint32_t> channel_blocks;  // blocks side by side

  // `aligned`: vectors of W elements from the start of every operand are. device_blocks: what runs at once.
  ChannelMap(int64_t outer, int64_t channels_, int64_t inner_, bool aligned, int64_t device_blocks)
      : channels(channels_),
        items(kLast ? outer : outer * inner_),
        inner(static_cast<uint64_t>(std::max<int64_t>(inner_, 1))),
        vector(aligned && (kLast ? channels : inner_) % W == 0) {
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
    const int64_t across = ceil_div<int64_t>(channels, int64_t{kChannels} << log_groups);
    const int64_t steps = std::max<int64_t>(ceil_div(items, stride()), 1);
    const int64_t wanted = std::clamp<int64_t>(device_blocks / across, 1, steps);
    chunk = ceil_div(steps, wanted) * stride();
    chunks = std::max<int64_t>(ceil_div(items, chunk), 1);
    channel_blocks = Divider<uint32_t>(static_cast<uint32_t>(across));
  }

  int64_t blocks() const { return static_cast<int64_t>(channel_blocks.divisor()) * chunks; }

  ACTINIUM_HD int groups() const { return 1 << log_groups; }
  ACTINIUM_HD int lanes() const { return 1 << log_lanes; }
  // From a thread to the one of the next lane.
  ACTINIUM_HD int lane_distance() const { return kLast ? groups() : 1; }
  // Items that the lanes take in one step.
  ACTINIUM_HD int64_t stride() const { return int64_t{kItems} << log_lanes; }

  ACTINIUM_HD ChannelThread thread(uint32_t block, int thread) const {
    ChannelThread t;
    t.chunk = channel_blocks.divmod(block);
    t.begin = t.chunk * chunk;
    t.end = t.begin + chunk < items ? t.begin + chunk : items;
    const int group = kLast ? thread & (groups() - 1) : thread >> log_lanes;
    t.lane = kLast ? thread >> log_groups : thread & (lanes() - 1);
    t.channel = (static_cast<int64_t>(block) * kChannels << log_groups) + (kLast && vector ? group * W : group);
    t.channel_step = !kLast ? 0 : vector ? 1 : groups();
    t.item = !kLast && vector ? t.lane * W : t.lane;
    t.item_step = kLast ? 0 : vector ? 1 : lanes();
    return t;
  }

  ACTINIUM_HD int64_t address(int64_t channel, int64_t item) const {
    if (kLast) return item * channels + channel;
    uint64_t within = static_cast<uint64_t>(item);
    const uint64_t row = inner.divmod(within);
    return (static_cast<int64_t>(row) * channels + channel) * static_cast<int64_t>(inner.divisor()) +
           static_cast<int64_t>(within);
  }

 private:
  // log2 of the smallest power of two that holds n, but of `most` at most.
  static int log2_of(int64_t n, int64_t most) {
    int log = 0;
    while ((int64_t{1} << log) < n && (int64_t{2} << log) <= most) ++log;
    return log;
  }
};

}  // namespace actinium::cuda
