#include "csrc/ops/accelerate.h"

#include <ATen/ops/elu_backward_cuda_dispatch.h>
#include <ATen/ops/elu_cuda_dispatch.h>
#include <ATen/ops/gelu_backward_cuda_dispatch.h>
#include <ATen/ops/gelu_cuda_dispatch.h>
#include <ATen/ops/mish_backward_cuda_dispatch.h>
#include <ATen/ops/mish_cuda_dispatch.h>
#include <ATen/ops/sigmoid_cuda_dispatch.h>
#include <ATen/ops/silu_backward_cuda_dispatch.h>
#include <ATen/ops/silu_cuda_dispatch.h>
#include <ATen/ops/tanh_cuda_dispatch.h>

namespace actinium::ops {
namespace {

ACTINIUM_DEFINE_ACCELERATION(accelerate_cuda, cuda, c10::DispatchKey::CUDA)

[[maybe_unused]] const bool registered = (register_acceleration(c10::DispatchKey::CUDA, accelerate_cuda), true);

}  // namespace
}  // namespace actinium::ops
