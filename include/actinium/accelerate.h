#pragma once
/// \file
/// Actinium's kernels in the place of torch's own, so that programs, modules and TorchScript files that know nothing of
/// Actinium run on them.
#include <actinium/export.h>

namespace actinium {

/// Puts Actinium's CPU kernels, and its CUDA kernels where libactinium_cuda is loaded, over those of aten::mish, silu,
/// gelu, elu (and so selu), sigmoid and tanh, with their in-place, out= and backward forms; or takes them away again,
/// which restores torch's own. What Actinium does not compute goes on to torch's own kernels: a backward from the result
/// (sigmoid, tanh, in-place elu), CELU, complex and integer dtypes, mixed dtypes.
///
/// It holds for the whole process. Not to be called while other threads run these ops. Loading the library with
/// ACTINIUM_ACCELERATE=1 in the environment does it at once. What torch.compile has taken apart into its own code is
/// not affected.
///
/// \return whether it was on before.
ACTINIUM_API bool accelerate(bool enabled = true);

/// Whether it is on.
ACTINIUM_API bool accelerated();

/// accelerate(enabled) for a scope.
class AccelerateGuard {
 public:
  explicit AccelerateGuard(bool enabled = true) : before_(accelerate(enabled)) {}
  ~AccelerateGuard() { accelerate(before_); }
  AccelerateGuard(const AccelerateGuard&) = delete;
  AccelerateGuard& operator=(const AccelerateGuard&) = delete;

 private:
  bool before_;
};

}  // namespace actinium
