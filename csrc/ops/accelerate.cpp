#include "csrc/ops/accelerate.h"

#include <ATen/ops/elu_backward_cpu_dispatch.h>
#include <ATen/ops/elu_cpu_dispatch.h>
#include <ATen/ops/gelu_backward_cpu_dispatch.h>
#include <ATen/ops/gelu_cpu_dispatch.h>
#include <ATen/ops/mish_backward_cpu_dispatch.h>
#include <ATen/ops/mish_cpu_dispatch.h>
#include <ATen/ops/sigmoid_cpu_dispatch.h>
#include <ATen/ops/silu_backward_cpu_dispatch.h>
#include <ATen/ops/silu_cpu_dispatch.h>
#include <ATen/ops/tanh_cpu_dispatch.h>
#include <actinium/accelerate.h>
#include <c10/util/Exception.h>
#include <c10/util/env.h>

#include <map>
#include <memory>
#include <mutex>

namespace actinium {
namespace ops {
namespace {

ACTINIUM_DEFINE_ACCELERATION(accelerate_cpu, cpu, c10::DispatchKey::CPU)

// Torch warns, once in a process, of a kernel that takes another's place. Here it is what was asked for, and a later
// one, which was perhaps not, shall still be told of.
class NoWarning final : public c10::WarningHandler {
 public:
  void process(const c10::Warning&) override {}
};

class Acceleration {
 public:
  // Made at the first use, which may be another library's, and never unmade: torch's dispatcher may be gone by then.
  static Acceleration& get() {
    static Acceleration& one = *new Acceleration;
    return one;
  }

  void add(c10::DispatchKey key, Accelerate accelerate) {
    const std::lock_guard<std::mutex> lock(mutex_);
    devices_[key].accelerate = accelerate;
    if (enabled_) put(key, devices_[key]);
  }

  bool enabled() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return enabled_;
  }

  bool enable(bool enabled) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool before = enabled_;
    for (auto& [key, device] : devices_) {
      if (!enabled) {
        device.library.reset();
      } else if (!device.library) {
        put(key, device);
      }
    }
    enabled_ = enabled;
    return before;
  }

 private:
  struct Device {
    Accelerate accelerate = nullptr;
    std::unique_ptr<torch::Library> library;  // while it is on
  };

  Acceleration() {
    devices_[c10::DispatchKey::CPU].accelerate = accelerate_cpu;
    if (c10::utils::check_env("ACTINIUM_ACCELERATE").value_or(false)) enable(true);
  }

  static void put(c10::DispatchKey key, Device& device) {
    NoWarning none;
    const c10::WarningUtils::WarningHandlerGuard guard(&none);
    // As often as it happens, so that the one warning of torch is not used up.
    const bool always = c10::WarningUtils::get_warnAlways();
    c10::WarningUtils::set_warnAlways(true);
    device.library = std::make_unique<torch::Library>(torch::Library::IMPL, "aten", key, __FILE__, __LINE__);
    device.accelerate(*device.library);
    c10::WarningUtils::set_warnAlways(always);
  }

  std::mutex mutex_;
  bool enabled_ = false;
  std::map<c10::DispatchKey, Device> devices_;
};

// The environment counts from the moment that the library is loaded.
[[maybe_unused]] const Acceleration& loaded = Acceleration::get();

}  // namespace

void register_acceleration(c10::DispatchKey key, Accelerate accelerate) { Acceleration::get().add(key, accelerate); }

}  // namespace ops

bool accelerate(bool enabled) { return ops::Acceleration::get().enable(enabled); }
bool accelerated() { return ops::Acceleration::get().enabled(); }

}  // namespace actinium
