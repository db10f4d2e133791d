// prelu: LeakyReLU with a slope of its own for every channel along dim, or one for all, and its gradient.
#include <ATen/ops/where.h>

#include "csrc/ops/channels.h"
#include "csrc/ops/differentiable.h"
#include "csrc/ops/schemas.h"

namespace actinium::ops {
namespace {

using math::ChannelFormula;

struct Prelu {
  static std::string name() { return "prelu"; }
  static constexpr const char* kOverload = "";
  static constexpr int kInputs = 2;
  using Numbers = std::tuple<int64_t>;
  using Gradients = std::tuple<Tensor, Tensor>;

  static Tensor forward(const Tensor& self, const Tensor& weight, int64_t dim) {
    const SymInt channels = check_channels("prelu", self, "weight", weight, dim);
    if (self.is_meta()) return output_like(self);
    const ChannelCall call("prelu", self, dim, channels.expect_int());
    const Tensor out = call.new_output();
    call.run(ChannelFormula::kPreluForward, {call.dense(self)}, {out}, {call.parameter(weight)}, {});
    return out;
  }

  static Gradients backward(const Tensor& grad, const Tensor& self, const Tensor& weight, int64_t dim,
                            std::array<bool, 2> mask) {
    return parameter_backward("prelu_backward", ChannelFormula::kPreluBackward, grad, self, "weight", weight, dim,
                              mask);
  }

  static Tensor formula(const variable_list& inputs, int64_t dim) {
    const Tensor& x = inputs[0];
    return at::where(x > 0, x, x * along_dim(inputs[1], x, dim)).to(x.scalar_type());
  }
};

using Forms = Differentiable<Prelu>;

}  // namespace

void define_prelu(torch::Library& m) {
  Forms::define(m, "Tensor self, Tensor weight", ", int dim=1", {at::Tag::pt2_compliant_tag});
}

namespace {

TORCH_LIBRARY_IMPL(actinium, CPU, m) { Forms::device(m); }
TORCH_LIBRARY_IMPL(actinium, CUDA, m) { Forms::device(m); }
TORCH_LIBRARY_IMPL(actinium, Meta, m) { Forms::device(m); }
TORCH_LIBRARY_IMPL(actinium, Autograd, m) { Forms::autograd(m); }

}  // namespace
}  // namespace actinium::ops
