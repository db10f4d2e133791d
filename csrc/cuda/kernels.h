#pragma once
// The six functions of the CUDA backend, on the current device and stream. They only launch: nothing waits for the
// device, so that they can be captured in a graph.
#include "csrc/backend.h"

namespace actinium::cuda {

void pointwise(const Pointwise& problem);
void gated(const Pointwise& problem);  // the part of pointwise that has a file of its own
void channelwise(const Channelwise& problem);
void bias(const Channelwise& problem);  // the part of channelwise that has a file of its own
void channel_stats(const ChannelStats& problem);
void maxout(const Maxout& problem);
void softmax(const Softmax& problem);
void cross_entropy(const CrossEntropy& problem);

}  // namespace actinium::cuda
