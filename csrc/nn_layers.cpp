// The modules of actinium/nn.h that are gated units or layers with an activation.
#include <actinium/nn.h>
#include <actinium/ops.h>
#include <c10/util/overloaded.h>
#include <torch/nn/functional/conv.h>
#include <torch/nn/functional/padding.h>

#include <sstream>

namespace actinium::nn {
namespace {

// ", params=[1.5]", or nothing where there are none.
std::string with_params(const std::vector<double>& params) {
  std::ostringstream text;
  for (const double& p : params) text << (&p == params.data() ? ", params=[" : ", ") << p;
  return params.empty() ? "" : text.str() + "]";
}

torch::Tensor biased(const torch::Tensor& x, const torch::Tensor& bias, const std::string& activation,
                     const std::vector<double>& params, int64_t dim) {
  return bias.defined() ? actinium::bias_act(x, bias, activation, params, dim)
                        : actinium::activate(x, activation, params);
}

// A wrong argument is named where a module is made, by the operator that it is for.
void check_activation(const std::string& activation, const std::vector<double>& params) {
  actinium::activate(torch::empty({0}), activation, params);
}
void check_gated(const std::string& activation, const std::vector<double>& params, const std::string& layout) {
  actinium::gated(torch::empty({0}), activation, params, /*dim=*/-1, layout);
}

}  // namespace

// ------------------------------------------------------------------------------------------------------ gated units

GatedImpl::GatedImpl(const GatedOptions& options_) : options(options_) { reset(); }
void GatedImpl::reset() { check_gated(options.activation(), options.params(), options.layout()); }

torch::Tensor GatedImpl::forward(const torch::Tensor& input) {
  return actinium::gated(input, options.activation(), options.params(), options.dim(), options.layout());
}

void GatedImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::Gated(" << options.activation() << with_params(options.params()) << ", dim=" << options.dim()
         << ", layout=" << options.layout() << ')';
}

template <class Derived>
GatedLinearBase<Derived>::GatedLinearBase(GatedLinearOptions options_) : options(std::move(options_)) {
  reset();
}

template <class Derived>
void GatedLinearBase<Derived>::reset() {
  check_gated(options.activation(), options.params(), options.layout());
  const auto linear = [&](const char* name, int64_t in, int64_t out) {
    return this->register_module(name, torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(options.bias())));
  };
  const int64_t hidden = options.hidden_features();
  gate_up_proj = linear("gate_up_proj", options.in_features(), 2 * hidden);
  down_proj = linear("down_proj", hidden, options.out_features().value_or(options.in_features()));
}

template <class Derived>
torch::Tensor GatedLinearBase<Derived>::forward(const torch::Tensor& input) {
  return down_proj(
      actinium::gated(gate_up_proj(input), options.activation(), options.params(), /*dim=*/-1, options.layout()));
}

template <class Derived>
void GatedLinearBase<Derived>::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::" << Derived::kName << '(' << options.in_features() << ", " << options.hidden_features()
         << ", activation=" << options.activation() << with_params(options.params()) << ", layout=" << options.layout()
         << ')';
}

template class GatedLinearBase<GatedLinearImpl>;
template class GatedLinearBase<SwiGLUImpl>;
template class GatedLinearBase<GEGLUImpl>;
template class GatedLinearBase<ReGLUImpl>;
template class GatedLinearBase<SwiGLUClampedImpl>;

// ------------------------------------------------------------------------------------- layers with bias and activation

LinearActImpl::LinearActImpl(const LinearActOptions& options_) : options(options_) { reset(); }

void LinearActImpl::reset() {
  check_activation(options.activation(), options.params());
  // Initialized as torch::nn::Linear is.
  const torch::nn::Linear linear(
      torch::nn::LinearOptions(options.in_features(), options.out_features()).bias(options.bias()));
  weight = register_parameter("weight", linear->weight);
  bias = register_parameter("bias", linear->bias, /*requires_grad=*/options.bias());
}

torch::Tensor LinearActImpl::forward(const torch::Tensor& input) {
  return biased(torch::linear(input, weight), bias, options.activation(), options.params(), /*dim=*/-1);
}

void LinearActImpl::pretty_print(std::ostream& stream) const {
  stream << std::boolalpha << "actinium::nn::LinearAct(in_features=" << options.in_features()
         << ", out_features=" << options.out_features() << ", bias=" << options.bias()
         << ", activation=" << options.activation() << with_params(options.params()) << ')';
}

Conv2dActImpl::Conv2dActImpl(const Conv2dActOptions& options_)
    : ConvNdImpl(torch::nn::detail::ConvNdOptions<2>(options_.conv().in_channels(), options_.conv().out_channels(),
                                                     options_.conv().kernel_size())
                     .stride(options_.conv().stride())
                     .padding(options_.conv().padding())
                     .dilation(options_.conv().dilation())
                     .groups(options_.conv().groups())
                     .bias(options_.conv().bias())
                     .padding_mode(options_.conv().padding_mode())),
      activation(options_.activation()),
      params(options_.params()) {
  check_activation(activation, params);
}

torch::Tensor Conv2dActImpl::forward(const torch::Tensor& input) {
  namespace F = torch::nn::functional;
  torch::Tensor padded = input;
  auto padding = options.padding();
  if (!std::holds_alternative<torch::enumtype::kZeros>(options.padding_mode())) {
    F::PadFuncOptions pad(_reversed_padding_repeated_twice);
    std::visit(c10::overloaded([](torch::enumtype::kZeros) {}, [&](auto mode) { pad.mode(mode); }),
               options.padding_mode());
    padded = F::pad(input, pad);
    padding = torch::ExpandingArray<2>(0);
  }
  const torch::Tensor convolved =
      F::detail::conv2d(padded, weight, /*bias=*/{}, options.stride(), padding, options.dilation(), options.groups());
  return biased(convolved, bias, activation, params, /*dim=*/-3);
}

void Conv2dActImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::Conv2dAct(";
  ConvNdImpl::pretty_print(stream);
  stream << ", activation=" << activation << with_params(params) << ')';
}

}  // namespace actinium::nn
