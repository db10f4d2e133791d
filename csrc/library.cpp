// The library as a whole: its namespace in the dispatcher, its version and how it was built.
#include <ATen/Version.h>
#include <actinium/accelerate.h>
#include <actinium/version.h>
#include <torch/library.h>
#include <torch/version.h>

#include <string>

#include "csrc/ops/schemas.h"

#define ACTINIUM_STRING_(x) #x
#define ACTINIUM_STRING(x) ACTINIUM_STRING_(x)
#define ACTINIUM_VERSION                  \
  ACTINIUM_STRING(ACTINIUM_VERSION_MAJOR) \
  "." ACTINIUM_STRING(ACTINIUM_VERSION_MINOR) "." ACTINIUM_STRING(ACTINIUM_VERSION_PATCH)

namespace actinium {

const char* version() { return ACTINIUM_VERSION; }

const char* build_info() {
  static const std::string info =
      std::string("Actinium " ACTINIUM_VERSION ", built for torch " TORCH_VERSION ", CPU kernels: ") +
      at::get_cpu_capability();
  return info.c_str();
}

}  // namespace actinium

// The one owner of the namespace: a second copy of the library in a process is an error that says so.
TORCH_LIBRARY(actinium, m) {
  m.def("_build_info() -> str", []() -> std::string { return actinium::build_info(); });
  m.def("_accelerate(bool enabled) -> bool", [](bool enabled) { return actinium::accelerate(enabled); });
  m.def("_accelerated() -> bool", [] { return actinium::accelerated(); });
  // Python tries the overloads of a name in the order of their definition, and puts what a failed one was given into
  // its error: a tensor beta must not be tried as a number first, its values would be printed at every call.
  actinium::ops::define_swish_tensor(m);
  actinium::ops::define_pointwise(m);
  actinium::ops::define_prelu(m);
  actinium::ops::define_dice(m);
  actinium::ops::define_dice_gate(m);
  actinium::ops::define_maxout(m);
  actinium::ops::define_gated(m);
  actinium::ops::define_bias_act(m);
  actinium::ops::define_softmax(m);
  actinium::ops::define_cross_entropy(m);
  actinium::ops::define_binary_cross_entropy(m);
}
