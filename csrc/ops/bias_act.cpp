// bias_act: act(x + b) with one b for each channel along dim, and `activate`, an activation by its name.
#include "csrc/ops/channels.h"
#include "csrc/ops/differentiable.h"
#include "csrc/ops/named.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using at::ArrayRef;
using c10::string_view;
using math::ChannelFormula;

struct BiasAct {
  static std::string name() { return "bias_act"; }
  static constexpr const char* kOverload = "";
  static constexpr int kInputs = 2;
  using Numbers = std::tuple<std::string, std::vector<double>, int64_t>;

  // The number of channels. A dim that is counted from the end becomes one that is not.
  static SymInt check(const char* op, const Tensor& self, const Tensor& bias, int64_t& dim) {
    check_input(op, "self", self);
    check_given(op, "bias", bias);
    dim = wrap_dim(op, self, dim);
    const SymInt channels = channels_of(self, dim);
    check_parameter(op, "bias", bias, self, channels, dim, /*one_allowed=*/false);
    return channels;
  }

  static Tensor forward(const Tensor& self, const Tensor& bias, string_view activation, ArrayRef<double> params,
                        int64_t dim) {
    const SymInt channels = check("bias_act", self, bias, dim);
    const Named named = named_activation("bias_act", activation, params, self.scalar_type());
    if (self.is_meta()) return output_like(self);
    const ChannelCall call("bias_act", self, dim, channels.expect_int());
    const Tensor out = call.new_output();
    call.run(ChannelFormula::kBiasForward, {call.dense(self)}, {out}, {call.parameter(bias)}, {}, named.params[0],
             named.index);
    return out;
  }

  static std::tuple<Tensor, Tensor> backward(const Tensor& grad, const Tensor& self, const Tensor& bias,
                                             string_view activation, ArrayRef<double> params, int64_t dim,
                                             std::array<bool, 2> mask) {
    const char* const op = "bias_act_backward";
    const SymInt channels = check(op, self, bias, dim);
    check_like(op, "grad_output", grad, self);
    const Named named = named_activation(op, activation, params, self.scalar_type());
    if (self.is_meta()) {
      return {mask[0] ? output_like(self) : Tensor(), mask[1] ? at::empty_like(bias) : Tensor()};
    }
    if (!mask[0] && !mask[1]) return {};
    // One loop for both: elements that are not wanted are written all the same, sums are taken.
    const ChannelCall call(op, self, dim, channels.expect_int());
    const Tensor by_self = call.new_output(), sums = call.new_sums(1);
    call.run(ChannelFormula::kBiasBackward, {call.dense(grad), call.dense(self)}, {by_self}, {call.parameter(bias)},
             sums, named.params[0], named.index);
    return {mask[0] ? by_self : Tensor(), mask[1] ? sums.view(bias.sizes()).to(bias.scalar_type()) : Tensor()};
  }

  static Tensor formula(const variable_list& inputs, string_view activation, ArrayRef<double> params, int64_t dim) {
    const Tensor &x = inputs[0], &bias = inputs[1];
    const auto wide = opmath_type(x.scalar_type());
    const Named named = named_activation("bias_act", activation, params, x.scalar_type());
    return apply_activation(named, x.to(wide) + along_dim(bias.to(wide), x, dim)).to(x.scalar_type());
  }
};

Tensor activate(const Tensor& self, string_view activation, ArrayRef<double> params) {
  if (!self.is_nested()) check_input("activate", "self", self);
  return apply_activation(named_activation("activate", activation, params, self.scalar_type()), self);
}

using Op = Differentiable<BiasAct>;

}  // namespace

void define_bias_act(torch::Library& m) {
  const std::string named = ", str activation, float[] params=[]";
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  Op::define(m, "Tensor self, Tensor bias", named + ", int dim=1", tags);
  m.def(("activate(Tensor self" + named + ") -> Tensor").c_str(), tags);
}

namespace {

TORCH_LIBRARY_IMPL(actinium, CPU, m) { Op::device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { Op::device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { Op::device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) { Op::autograd(m); }
TORCH_LIBRARY_IMPL(actinium, CompositeImplicitAutograd, m) { m.impl("activate", TORCH_FN(activate)); }
TORCH_LIBRARY_IMPL(actinium, FuncTorchBatchedDecomposition, m) { m.impl("activate", TORCH_FN(activate)); }

}  // namespace
}  // namespace actinium::ops
