#include <actinium/nn.h>

#include <actinium/ops.h>
#include <torch/nn/init.h>

namespace actinium::nn {
namespace {

// "actinium::nn::Mish()" or "actinium::nn::Mish(inplace=true)", as torch::nn prints its own.
void print_inplace(std::ostream& stream, const char* name, bool inplace) {
  stream << "actinium::nn::" << name << '(' << (inplace ? "inplace=true" : "") << ')';
}

void print_dim(std::ostream& stream, const char* name, int64_t dim) {
  stream << "actinium::nn::" << name << "(dim=" << dim << ')';
}

// What is registered as a buffer: the weight of the options by another handle, so that a copy of the module, which has
// the same options, does not move the buffer of the first.
torch::Tensor buffer_of(const torch::Tensor& weight) { return weight.defined() ? weight.detach() : weight; }

std::optional<torch::Tensor> given(const torch::Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; }

}  // namespace

// ------------------------------------------------------------------------------------------------------------- Mish

MishImpl::MishImpl(const MishOptions& options_) : options(options_) {}
void MishImpl::reset() {}
void MishImpl::pretty_print(std::ostream& stream) const { print_inplace(stream, "Mish", options.inplace()); }

torch::Tensor MishImpl::forward(torch::Tensor input) {
  return options.inplace() ? actinium::mish_(input) : actinium::mish(input);
}

// ------------------------------------------------------------------------------------------------------------ Swish

SwishImpl::SwishImpl(const SwishOptions& options_) : options(options_) { reset(); }

void SwishImpl::reset() {
  TORCH_CHECK_VALUE(options.trainable() || options.num_parameters() == 1,
                    "Swish: num_parameters=", options.num_parameters(), " needs trainable(true)");
  if (!options.trainable()) return;
  beta = register_parameter("beta", torch::empty({options.num_parameters()}));
  reset_parameters();
}

void SwishImpl::reset_parameters() {
  if (options.trainable()) torch::nn::init::constant_(beta, options.beta());
}

torch::Tensor SwishImpl::forward(torch::Tensor input) {
  if (options.trainable()) {
    return options.inplace() ? actinium::swish_(input, beta, options.dim())
                             : actinium::swish(input, beta, options.dim());
  }
  const at::Scalar number = options.beta();
  return options.inplace() ? actinium::swish_(input, number) : actinium::swish(input, number);
}

void SwishImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::Swish(beta=" << options.beta();
  if (options.trainable()) {
    stream << ", trainable=true, num_parameters=" << options.num_parameters() << ", dim=" << options.dim();
  }
  stream << (options.inplace() ? ", inplace=true)" : ")");
}

// ------------------------------------------------------------------------------------------------ GELU and GELUTanh

GELUImpl::GELUImpl(const GELUOptions& options_) : options(options_) { reset(); }
void GELUImpl::reset() {
  const std::string& form = options.approximate();
  TORCH_CHECK_VALUE(form == "none" || form == "tanh", "GELU: approximate='", form, "', expected 'none' or 'tanh'");
}
void GELUImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::GELU(approximate=" << options.approximate() << ')';
}
torch::Tensor GELUImpl::forward(const torch::Tensor& input) {
  return options.approximate() == "tanh" ? actinium::gelu_tanh(input) : actinium::gelu(input);
}

void GELUTanhImpl::reset() {}
void GELUTanhImpl::pretty_print(std::ostream& stream) const { stream << "actinium::nn::GELUTanh()"; }
torch::Tensor GELUTanhImpl::forward(const torch::Tensor& input) { return actinium::gelu_tanh(input); }

// ------------------------------------------------------------------------------------------------------------- SELU

SELUImpl::SELUImpl(const SELUOptions& options_) : options(options_) {}
void SELUImpl::reset() {}
void SELUImpl::pretty_print(std::ostream& stream) const { print_inplace(stream, "SELU", options.inplace()); }

torch::Tensor SELUImpl::forward(torch::Tensor input) {
  return options.inplace() ? actinium::selu_(input) : actinium::selu(input);
}

// -------------------------------------------------------------------------------------- QuickGELU, Sigmoid and Tanh

void QuickGELUImpl::reset() {}
void QuickGELUImpl::pretty_print(std::ostream& stream) const { stream << "actinium::nn::QuickGELU()"; }
torch::Tensor QuickGELUImpl::forward(const torch::Tensor& input) { return actinium::quick_gelu(input); }

void SigmoidImpl::reset() {}
void SigmoidImpl::pretty_print(std::ostream& stream) const { stream << "actinium::nn::Sigmoid()"; }
torch::Tensor SigmoidImpl::forward(const torch::Tensor& input) { return actinium::sigmoid(input); }

void TanhImpl::reset() {}
void TanhImpl::pretty_print(std::ostream& stream) const { stream << "actinium::nn::Tanh()"; }
torch::Tensor TanhImpl::forward(const torch::Tensor& input) { return actinium::tanh(input); }

// ----------------------------------------------------------------------------------------- ReLU, LeakyReLU and ELU

ReLUImpl::ReLUImpl(const ReLUOptions& options_) : options(options_) {}
void ReLUImpl::reset() {}
void ReLUImpl::pretty_print(std::ostream& stream) const { print_inplace(stream, "ReLU", options.inplace()); }

torch::Tensor ReLUImpl::forward(torch::Tensor input) {
  return options.inplace() ? actinium::relu_(input) : actinium::relu(input);
}

LeakyReLUImpl::LeakyReLUImpl(const LeakyReLUOptions& options_) : options(options_) {}
void LeakyReLUImpl::reset() {}
void LeakyReLUImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::LeakyReLU(negative_slope=" << options.negative_slope()
         << (options.inplace() ? ", inplace=true)" : ")");
}

torch::Tensor LeakyReLUImpl::forward(torch::Tensor input) {
  const double slope = options.negative_slope();
  return options.inplace() ? actinium::leaky_relu_(input, slope) : actinium::leaky_relu(input, slope);
}

ELUImpl::ELUImpl(const ELUOptions& options_) : options(options_) {}
void ELUImpl::reset() {}
void ELUImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::ELU(alpha=" << options.alpha() << (options.inplace() ? ", inplace=true)" : ")");
}

torch::Tensor ELUImpl::forward(torch::Tensor input) {
  const double alpha = options.alpha();
  return options.inplace() ? actinium::elu_(input, alpha) : actinium::elu(input, alpha);
}

// ------------------------------------------------------------------------------------------------------------ PReLU

PReLUImpl::PReLUImpl(const PReLUOptions& options_) : options(options_) { reset(); }

void PReLUImpl::reset() {
  weight = register_parameter("weight", torch::empty({options.num_parameters()}));
  reset_parameters();
}

void PReLUImpl::reset_parameters() { torch::nn::init::constant_(weight, options.init()); }

torch::Tensor PReLUImpl::forward(const torch::Tensor& input) { return actinium::prelu(input, weight, options.dim()); }

void PReLUImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::PReLU(num_parameters=" << options.num_parameters();
  if (options.dim() != 1) stream << ", dim=" << options.dim();
  stream << ')';
}

// ------------------------------------------------------------------------------------------------------------- Dice

DiceImpl::DiceImpl(const DiceOptions& options_) : options(options_) { reset(); }

bool DiceImpl::by_row() const { return options.statistics() == "row" || options.statistics() == "row_norm"; }

void DiceImpl::reset() {
  const std::string& statistics = options.statistics();
  TORCH_CHECK_VALUE(statistics == "batch" || statistics == "running" || by_row(), "Dice: statistics='", statistics,
                    "', expected 'batch', 'running', 'row' or 'row_norm'");
  TORCH_CHECK_VALUE(!by_row() || (options.shared_alpha() && !options.weight() && !options.bias()), "Dice: statistics='",
                    statistics, "' takes one slope (shared_alpha(true)), no weight and no bias");
  TORCH_CHECK_VALUE(statistics != "running" || options.track_running_stats(),
                    "Dice: statistics='running' takes track_running_stats(true)");
  const std::string& eps_mode = options.eps_mode();
  TORCH_CHECK_VALUE(eps_mode == "inside" || eps_mode == "outside" || eps_mode == "both", "Dice: eps_mode='", eps_mode,
                    "', expected 'inside', 'outside' or 'both'");
  TORCH_CHECK_VALUE(options.eps() >= 0, "Dice: eps=", options.eps(), ", expected a number that is not negative");
  const double momentum = options.momentum().value_or(0.0);
  TORCH_CHECK_VALUE(momentum >= 0 && momentum <= 1, "Dice: momentum=", momentum,
                    ", expected 0 to 1, or none for the average of all batches");
  if (by_row()) options.track_running_stats(false);
  const int64_t channels = options.num_features();
  alpha = register_parameter("alpha", torch::empty({options.shared_alpha() ? 1 : channels}));
  const auto learned = [&](const std::string& name, bool wanted) {
    return register_parameter(name, wanted ? torch::empty({channels}) : torch::Tensor(), /*requires_grad=*/wanted);
  };
  weight = learned("weight", options.weight().has_value());
  bias = learned("bias", options.bias().has_value());
  const bool track = options.track_running_stats();
  running_mean = register_buffer("running_mean", track ? torch::zeros({channels}) : torch::Tensor());
  running_var = register_buffer("running_var", track ? torch::ones({channels}) : torch::Tensor());
  num_batches_tracked =
      register_buffer("num_batches_tracked", track ? torch::tensor(0, torch::kLong) : torch::Tensor());
  reset_parameters();
}

void DiceImpl::reset_running_stats() {
  if (!options.track_running_stats()) return;
  running_mean.zero_();
  running_var.fill_(1);
  num_batches_tracked.zero_();
}

void DiceImpl::reset_parameters() {
  reset_running_stats();
  torch::nn::init::constant_(alpha, options.alpha());
  if (weight.defined()) torch::nn::init::constant_(weight, *options.weight());
  if (bias.defined()) torch::nn::init::constant_(bias, *options.bias());
}

torch::Tensor DiceImpl::forward(const torch::Tensor& input, const std::optional<torch::Tensor>& mask) {
  if (by_row()) {
    TORCH_CHECK_VALUE(!mask, "Dice: statistics of rows take no mask");
    return forward_by_row(input);
  }
  const bool training = is_training() && options.statistics() == "batch";
  double momentum = options.momentum().value_or(0.0);
  std::optional<torch::Tensor> mean, var;
  if (options.track_running_stats()) {
    mean = running_mean;
    var = running_var;
    if (training) {
      num_batches_tracked += 1;
      if (!options.momentum()) momentum = 1.0 / num_batches_tracked.item<double>();
    }
  }
  return actinium::dice(input, alpha, mean, var, training, momentum, options.eps(), options.dim(), mask, given(weight),
                        given(bias), options.eps_mode(), options.unbiased());
}

// Rows are channels along dim 0 of a matrix.
torch::Tensor DiceImpl::forward_by_row(const torch::Tensor& input) const {
  const int64_t dim = options.dim();
  TORCH_CHECK_INDEX(dim >= -input.dim() && dim < input.dim(), "Dice: dim=", dim, " is out of range for input with ",
                    input.dim(), " dimensions");
  TORCH_CHECK_VALUE(input.size(dim) == options.num_features(), "Dice: input has ", input.size(dim),
                    " values along dim=", dim, ", expected num_features=", options.num_features());
  const torch::Tensor rows = input.movedim(dim, -1);
  std::optional<torch::Tensor> scale;
  if (options.statistics() == "row_norm") {
    // In float32 for a 16-bit input, to which its digits would be rounded.
    const auto type = input.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
    scale = torch::full({1}, 1 / std::sqrt(static_cast<double>(rows.size(-1))), input.options().dtype(type));
  }
  const torch::Tensor output =
      actinium::dice(rows.unsqueeze(0).flatten(0, -2), alpha, std::nullopt, std::nullopt, /*training=*/false,
                     /*momentum=*/0.0, options.eps(), /*dim=*/0, /*mask=*/std::nullopt, scale, /*bias=*/std::nullopt,
                     options.eps_mode());
  return output.reshape(rows.sizes()).movedim(-1, dim);
}

void DiceImpl::pretty_print(std::ostream& stream) const {
  stream << std::boolalpha << "actinium::nn::Dice(" << options.num_features() << ", eps=" << options.eps()
         << ", momentum=";
  if (options.momentum()) {
    stream << *options.momentum();
  } else {
    stream << "None";
  }
  stream << ", alpha=" << options.alpha() << ", shared_alpha=" << options.shared_alpha()
         << ", track_running_stats=" << options.track_running_stats() << ", dim=" << options.dim();
  if (options.weight()) stream << ", weight=" << *options.weight();
  if (options.bias()) stream << ", bias=" << *options.bias();
  if (options.eps_mode() != "inside") stream << ", eps_mode=" << options.eps_mode();
  if (!options.unbiased()) stream << ", unbiased=false";
  if (options.statistics() != "batch") stream << ", statistics=" << options.statistics();
  stream << ')';
}

// ----------------------------------------------------------------------------------------------------------- Maxout

MaxoutImpl::MaxoutImpl(const MaxoutOptions& options_) : options(options_) { reset(); }
// A wrong argument is named here.
void MaxoutImpl::reset() { actinium::maxout(torch::empty({0}), options.pieces(), /*dim=*/0, options.layout()); }

torch::Tensor MaxoutImpl::forward(const torch::Tensor& input) {
  return actinium::maxout(input, options.pieces(), options.dim(), options.layout());
}

void MaxoutImpl::pretty_print(std::ostream& stream) const {
  stream << "actinium::nn::Maxout(pieces=" << options.pieces() << ", dim=" << options.dim();
  stream << (options.layout() == "unit" ? "" : ", layout=" + options.layout()) << ')';
}

MaxoutLinearImpl::MaxoutLinearImpl(int64_t in_features, int64_t out_features, int64_t pieces)
    : MaxoutLinearImpl(MaxoutLinearOptions(in_features, out_features, pieces)) {}
MaxoutLinearImpl::MaxoutLinearImpl(const MaxoutLinearOptions& options_) : options(options_) { reset(); }

void MaxoutLinearImpl::reset() {
  const int64_t pieces = options.pieces(), units = options.out_features();
  actinium::maxout(torch::empty({0}), pieces, /*dim=*/0);
  weight = register_parameter("weight", torch::empty({pieces, units, options.in_features()}));
  bias = register_parameter("bias", options.bias() ? torch::empty({pieces, units}) : torch::Tensor(),
                            /*requires_grad=*/options.bias());
  reset_parameters();
}

void MaxoutLinearImpl::reset_parameters() {
  const int64_t features = options.in_features();
  const double bound = features > 0 ? 1 / std::sqrt(static_cast<double>(features)) : 0;
  torch::nn::init::uniform_(weight, -bound, bound);
  if (bias.defined()) torch::nn::init::uniform_(bias, -bound, bound);
}

torch::Tensor MaxoutLinearImpl::forward(const torch::Tensor& input) {
  return actinium::linear_maxout(input, weight, given(bias));
}

void MaxoutLinearImpl::pretty_print(std::ostream& stream) const {
  stream << std::boolalpha << "actinium::nn::MaxoutLinear(in_features=" << options.in_features()
         << ", out_features=" << options.out_features() << ", pieces=" << options.pieces()
         << ", bias=" << options.bias() << ')';
}

// ------------------------------------------------------------------------------------------ Softmax and LogSoftmax

SoftmaxImpl::SoftmaxImpl(const SoftmaxOptions& options_) : options(options_) {}
void SoftmaxImpl::reset() {}
void SoftmaxImpl::pretty_print(std::ostream& stream) const { print_dim(stream, "Softmax", options.dim()); }
torch::Tensor SoftmaxImpl::forward(const torch::Tensor& input) { return actinium::softmax(input, options.dim()); }

LogSoftmaxImpl::LogSoftmaxImpl(const LogSoftmaxOptions& options_) : options(options_) {}
void LogSoftmaxImpl::reset() {}
void LogSoftmaxImpl::pretty_print(std::ostream& stream) const { print_dim(stream, "LogSoftmax", options.dim()); }
torch::Tensor LogSoftmaxImpl::forward(const torch::Tensor& input) {
  return actinium::log_softmax(input, options.dim());
}

// --------------------------------------------------------------------------- CrossEntropyLoss and BCEWithLogitsLoss

// As torch::nn's, the losses print no options.

CrossEntropyLossImpl::CrossEntropyLossImpl(const CrossEntropyLossOptions& options_) : options(options_) { reset(); }
void CrossEntropyLossImpl::reset() { weight = register_buffer("weight", buffer_of(options.weight())); }
void CrossEntropyLossImpl::pretty_print(std::ostream& stream) const { stream << "actinium::nn::CrossEntropyLoss()"; }
torch::Tensor CrossEntropyLossImpl::forward(const torch::Tensor& input, const torch::Tensor& target) {
  return actinium::softmax_cross_entropy(input, target, given(weight), options.reduction(), options.ignore_index(),
                                         options.label_smoothing());
}

BCEWithLogitsLossImpl::BCEWithLogitsLossImpl(const BCEWithLogitsLossOptions& options_) : options(options_) { reset(); }
void BCEWithLogitsLossImpl::reset() {
  weight = register_buffer("weight", buffer_of(options.weight()));
  pos_weight = register_buffer("pos_weight", buffer_of(options.pos_weight()));
}
void BCEWithLogitsLossImpl::pretty_print(std::ostream& stream) const { stream << "actinium::nn::BCEWithLogitsLoss()"; }
torch::Tensor BCEWithLogitsLossImpl::forward(const torch::Tensor& input, const torch::Tensor& target) {
  return actinium::sigmoid_binary_cross_entropy(input, target, given(weight), given(pos_weight), options.reduction());
}

}  // namespace actinium::nn
