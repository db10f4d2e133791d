// Gated units, f(gate, up) of two tensors or of one that holds both: act(gate) up for every activation, the other gates
// of math/activations.h, and those that have names of their own.
#include "csrc/ops/channels.h"
#include "csrc/ops/differentiable.h"
#include "csrc/ops/launch.h"
#include "csrc/ops/named.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using at::ArrayRef;
using c10::string_view;

void check_two(const char* op, const Tensor& gate, const Tensor& up) {
  check_input(op, "gate", gate);
  check_like(op, "up", up, gate, "gate");
}

void check_packed(const char* op, const Tensor& self, int64_t dim, string_view layout) {
  check_input(op, "self", self);
  TORCH_CHECK_VALUE(self.dim() > 0, op, ": self has no dimensions, expected gate and up along one");
  const SymInt size = self.sym_size(wrap_dim(op, self, dim));
  TORCH_CHECK_VALUE(size % 2 == 0, op, ": self has size ", size, " along dim ", dim,
                    ", expected an even number: gate and up (shape ", shape_of(self), ")");
  TORCH_CHECK_VALUE(layout == "gate_first" || layout == "gate_second" || layout == "interleaved", op, ": layout='",
                    layout, "', expected 'gate_first', 'gate_second' or 'interleaved'");
}

// Gate and up as views of a packed tensor.
std::pair<Tensor, Tensor> parts(const Tensor& self, int64_t dim, string_view layout) {
  const SymInt size = self.sym_size(dim), half = size / 2;
  if (layout == "interleaved") return {self.slice_symint(dim, 0, size, 2), self.slice_symint(dim, 1, size, 2)};
  const Tensor first = self.slice_symint(dim, 0, half), second = self.slice_symint(dim, half, size);
  return layout == "gate_first" ? std::pair(first, second) : std::pair(second, first);
}

// In the type that a 16-bit one is computed in.
Tensor widened_formula(const Tensor& gate, const Tensor& up, const Named& named) {
  const auto wide = opmath_type(gate.scalar_type());
  return apply_gate(named, gate.to(wide), up.to(wide)).to(gate.scalar_type());
}

struct GatedTwo {
  static std::string name() { return "gated"; }
  static constexpr const char* kOverload = "";
  static constexpr int kInputs = 2;
  using Numbers = std::tuple<std::string, std::vector<double>>;

  static Tensor forward(const Tensor& gate, const Tensor& up, string_view activation, ArrayRef<double> params) {
    check_two("gated", gate, up);
    const Named named = named_gate("gated", activation, params, gate.scalar_type());
    const Tensor out = output_like(gate);
    launch("gated", named.index, Pass::kGated, named.params.data(), {&out}, {&gate, &up});
    return out;
  }

  static std::tuple<Tensor, Tensor> backward(const Tensor& grad, const Tensor& gate, const Tensor& up,
                                             string_view activation, ArrayRef<double> params,
                                             std::array<bool, 2> mask) {
    check_two("gated_backward", gate, up);
    check_like("gated_backward", "grad_output", grad, gate, "gate");
    const Named named = named_gate("gated_backward", activation, params, gate.scalar_type());
    const Tensor by_gate = mask[0] ? output_like(gate) : Tensor(), by_up = mask[1] ? output_like(up) : Tensor();
    if (mask[0] || mask[1]) {
      launch("gated_backward", named.index, Pass::kGatedBackward, named.params.data(), {&by_gate, &by_up},
             {&grad, &gate, &up});
    }
    return {by_gate, by_up};
  }

  static Tensor formula(const variable_list& inputs, string_view activation, ArrayRef<double> params) {
    return widened_formula(inputs[0], inputs[1], named_gate("gated", activation, params, inputs[0].scalar_type()));
  }
};

struct GatedPacked {
  static std::string name() { return "gated"; }
  static constexpr const char* kOverload = "packed";
  static constexpr int kInputs = 1;
  using Numbers = std::tuple<std::string, std::vector<double>, int64_t, std::string>;

  static Tensor forward(const Tensor& self, string_view activation, ArrayRef<double> params, int64_t dim,
                        string_view layout) {
    check_packed("gated", self, dim, layout);
    const Named named = named_gate("gated", activation, params, self.scalar_type());
    const auto [gate, up] = parts(self, dim, layout);
    const Tensor out = output_like(gate);
    launch("gated", named.index, Pass::kGated, named.params.data(), {&out}, {&gate, &up});
    return out;
  }

  static std::tuple<Tensor> backward(const Tensor& grad, const Tensor& self, string_view activation,
                                     ArrayRef<double> params, int64_t dim, string_view layout,
                                     std::array<bool, 1> mask) {
    check_packed("gated_backward", self, dim, layout);
    const auto [gate, up] = parts(self, dim, layout);
    check_like("gated_backward", "grad_output", grad, gate, "a half of self");
    const Named named = named_gate("gated_backward", activation, params, self.scalar_type());
    if (!mask[0]) return {Tensor()};
    const Tensor by_self = output_like(self);
    const auto [by_gate, by_up] = parts(by_self, dim, layout);
    launch("gated_backward", named.index, Pass::kGatedBackward, named.params.data(), {&by_gate, &by_up},
           {&grad, &gate, &up});
    return {by_self};
  }

  static Tensor formula(const variable_list& inputs, string_view activation, ArrayRef<double> params, int64_t dim,
                        string_view layout) {
    const auto [gate, up] = parts(inputs[0], dim, layout);
    return widened_formula(gate, up, named_gate("gated", activation, params, gate.scalar_type()));
  }
};

using Two = Differentiable<GatedTwo>;
using Packed = Differentiable<GatedPacked>;

// --------------------------------------------------------------------------------------------- by names of their own

Tensor two(const char* op, const Tensor& gate, const Tensor& up, string_view activation, ArrayRef<double> params = {}) {
  if (!gate.is_nested()) check_two(op, gate, up);
  // Numbers of the caller are named by its own name.
  if (!params.empty()) named_gate(op, activation, params, gate.scalar_type());
  return Two::forward_op().call(gate, up, activation, params);
}
Tensor packed(const char* op, const Tensor& self, string_view activation, int64_t dim, string_view layout,
              ArrayRef<double> params = {}) {
  check_packed(op, self, dim, layout);
  // Numbers of the caller are named by its own name.
  if (!params.empty()) named_gate(op, activation, params, self.scalar_type());
  return Packed::forward_op().call(self, activation, params, dim, layout);
}

Tensor swiglu(const Tensor& gate, const Tensor& up) { return two("swiglu", gate, up, "swish"); }
Tensor swiglu_packed(const Tensor& self, int64_t dim, string_view layout) {
  return packed("swiglu", self, "swish", dim, layout);
}

string_view gelu_of(string_view approximate) {
  TORCH_CHECK_VALUE(approximate == "none" || approximate == "tanh", "geglu: approximate='", approximate,
                    "', expected 'none' or 'tanh'");
  return approximate == "none" ? "gelu" : "gelu_tanh";
}
Tensor geglu(const Tensor& gate, const Tensor& up, string_view approximate) {
  return two("geglu", gate, up, gelu_of(approximate));
}
Tensor geglu_packed(const Tensor& self, string_view approximate, int64_t dim, string_view layout) {
  return packed("geglu", self, gelu_of(approximate), dim, layout);
}

Tensor reglu(const Tensor& gate, const Tensor& up) { return two("reglu", gate, up, "relu"); }
Tensor reglu_packed(const Tensor& self, int64_t dim, string_view layout) {
  return packed("reglu", self, "relu", dim, layout);
}

Tensor swiglu_clamped(const Tensor& gate, const Tensor& up, double limit, double alpha) {
  return two("swiglu_clamped", gate, up, "swiglu_clamped", {limit, alpha});
}
Tensor swiglu_clamped_packed(const Tensor& self, double limit, double alpha, int64_t dim, string_view layout) {
  return packed("swiglu_clamped", self, "swiglu_clamped", dim, layout, {limit, alpha});
}

}  // namespace

void define_gated(torch::Library& m) {
  const std::string named = ", str activation, float[] params=[]", along = ", int dim=-1, str layout=\"gate_first\"";
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  Two::define(m, "Tensor gate, Tensor up", named, {at::Tag::pointwise, at::Tag::pt2_compliant_tag});
  Packed::define(m, "Tensor self", named + along, tags);
  const auto define = [&](const std::string& schema) { m.def((schema + ") -> Tensor").c_str(), tags); };
  define("swiglu(Tensor gate, Tensor up");
  define("swiglu.packed(Tensor self" + along);
  define("geglu(Tensor gate, Tensor up, str approximate=\"none\"");
  define("geglu.packed(Tensor self, str approximate=\"none\"" + along);
  define("reglu(Tensor gate, Tensor up");
  define("reglu.packed(Tensor self" + along);
  define("swiglu_clamped(Tensor gate, Tensor up, float limit=7.0, float alpha=1.702");
  define(
      "swiglu_clamped.packed(Tensor self, float limit=7.0, float alpha=1.702, int dim=-1, "
      "str layout=\"interleaved\"");
}

namespace {

void device(torch::Library& m) {
  Two::device(m);
  Packed::device(m);
}
void composite(torch::Library& m) {
  m.impl("swiglu", TORCH_FN(swiglu));
  m.impl("swiglu.packed", TORCH_FN(swiglu_packed));
  m.impl("geglu", TORCH_FN(geglu));
  m.impl("geglu.packed", TORCH_FN(geglu_packed));
  m.impl("reglu", TORCH_FN(reglu));
  m.impl("reglu.packed", TORCH_FN(reglu_packed));
  m.impl("swiglu_clamped", TORCH_FN(swiglu_clamped));
  m.impl("swiglu_clamped.packed", TORCH_FN(swiglu_clamped_packed));
}
TORCH_LIBRARY_IMPL(actinium, CPU, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) {
  Two::autograd(m);
  Packed::autograd(m);
}
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) { composite(m); }
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) { composite(m); }

}  // namespace
}  // namespace actinium::ops
