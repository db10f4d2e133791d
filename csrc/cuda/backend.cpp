#include "csrc/cuda/kernels.h"

namespace actinium::cuda {
namespace {

constexpr Backend kBackend{pointwise, channelwise, channel_stats, maxout, softmax, cross_entropy};

// Loading the library is what makes the device work.
[[maybe_unused]] const bool registered = (register_backend(c10::DeviceType::CUDA, &kBackend), true);

}  // namespace
}  // namespace actinium::cuda
