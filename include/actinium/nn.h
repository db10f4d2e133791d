#pragma once
/// \file
/// The activations as modules, made as torch::nn's are: options, a registered name, clone, save and load. Their
/// parameters and buffers have the names of the Python modules (actinium.nn), so a state dict fits both. Formulas,
/// errors and sources stand in actinium/ops.h.
#include <actinium/export.h>
#include <torch/arg.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/any_value.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace actinium::nn {

// ------------------------------------------------------------------------------------------------------------- Mish

struct MishOptions {
  /* implicit */ MishOptions(bool inplace = false) : inplace_(inplace) {}
  /// Whether the result is written into the input.
  TORCH_ARG(bool, inplace);
};

/// Mish, x tanh(ln(1 + e^x)). Any shape.
///
///     actinium::nn::Mish mish(actinium::nn::MishOptions().inplace(true));
class ACTINIUM_API MishImpl : public torch::nn::Cloneable<MishImpl> {
 public:
  explicit MishImpl(const MishOptions& options_ = {});
  torch::Tensor forward(torch::Tensor input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  MishOptions options;
};
TORCH_MODULE(Mish);

// ------------------------------------------------------------------------------------------------------------ Swish

struct SwishOptions {
  /* implicit */ SwishOptions(double beta = 1.0) : beta_(beta) {}
  /// The number, or the value that a trainable beta starts from.
  TORCH_ARG(double, beta);
  /// Whether beta is a parameter.
  TORCH_ARG(bool, trainable) = false;
  /// Of a trainable beta: 1, or the number of channels.
  TORCH_ARG(int64_t, num_parameters) = 1;
  /// The dim of the channels.
  TORCH_ARG(int64_t, dim) = 1;
  /// Whether the result is written into the input.
  TORCH_ARG(bool, inplace) = false;
};

/// Swish, x sigmoid(beta x). Any shape; a trainable beta of more than one element has one for each channel along dim.
///
///     actinium::nn::Swish swish(actinium::nn::SwishOptions(1.5).trainable(true).num_parameters(64));
class ACTINIUM_API SwishImpl : public torch::nn::Cloneable<SwishImpl> {
 public:
  explicit SwishImpl(const SwishOptions& options_ = {});
  torch::Tensor forward(torch::Tensor input);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  SwishOptions options;
  /// Of shape [num_parameters]; defined if trainable.
  torch::Tensor beta;
};
TORCH_MODULE(Swish);

// ------------------------------------------------------------------------------------------------ GELU and GELUTanh

struct GELUOptions {
  /// "none": the exact form; "tanh": that of GELUTanh.
  TORCH_ARG(std::string, approximate) = "none";
};

/// GELU, x Phi(x) with the normal distribution Phi. Any shape.
class ACTINIUM_API GELUImpl : public torch::nn::Cloneable<GELUImpl> {
 public:
  explicit GELUImpl(const GELUOptions& options_ = {});
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  GELUOptions options;
};
TORCH_MODULE(GELU);

/// GELU by its tanh form, x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Any shape.
class ACTINIUM_API GELUTanhImpl : public torch::nn::Cloneable<GELUTanhImpl> {
 public:
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
};
TORCH_MODULE(GELUTanh);

// ------------------------------------------------------------------------------------------------------------- SELU

struct SELUOptions {
  /* implicit */ SELUOptions(bool inplace = false) : inplace_(inplace) {}
  /// Whether the result is written into the input.
  TORCH_ARG(bool, inplace);
};

/// SELU, lambda x for x > 0, else lambda alpha (e^x - 1). Any shape.
class ACTINIUM_API SELUImpl : public torch::nn::Cloneable<SELUImpl> {
 public:
  explicit SELUImpl(const SELUOptions& options_ = {});
  torch::Tensor forward(torch::Tensor input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  SELUOptions options;
};
TORCH_MODULE(SELU);

// -------------------------------------------------------------------------------------- QuickGELU, Sigmoid and Tanh

/// x sigmoid(1.702 x), an approximation of GELU. Any shape.
class ACTINIUM_API QuickGELUImpl : public torch::nn::Cloneable<QuickGELUImpl> {
 public:
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
};
TORCH_MODULE(QuickGELU);

/// Sigmoid, 1 / (1 + e^-x). Any shape.
class ACTINIUM_API SigmoidImpl : public torch::nn::Cloneable<SigmoidImpl> {
 public:
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
};
TORCH_MODULE(Sigmoid);

/// Tanh. Any shape.
class ACTINIUM_API TanhImpl : public torch::nn::Cloneable<TanhImpl> {
 public:
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
};
TORCH_MODULE(Tanh);

// ----------------------------------------------------------------------------------------- ReLU, LeakyReLU and ELU

struct ReLUOptions {
  /* implicit */ ReLUOptions(bool inplace = false) : inplace_(inplace) {}
  /// Whether the result is written into the input.
  TORCH_ARG(bool, inplace);
};

/// ReLU, max(0, x). Any shape.
class ACTINIUM_API ReLUImpl : public torch::nn::Cloneable<ReLUImpl> {
 public:
  explicit ReLUImpl(const ReLUOptions& options_ = {});
  torch::Tensor forward(torch::Tensor input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  ReLUOptions options;
};
TORCH_MODULE(ReLU);

struct LeakyReLUOptions {
  /// What x < 0 is multiplied with.
  TORCH_ARG(double, negative_slope) = 0.01;
  /// Whether the result is written into the input.
  TORCH_ARG(bool, inplace) = false;
};

/// LeakyReLU, x for x > 0, else negative_slope x. Any shape.
class ACTINIUM_API LeakyReLUImpl : public torch::nn::Cloneable<LeakyReLUImpl> {
 public:
  explicit LeakyReLUImpl(const LeakyReLUOptions& options_ = {});
  torch::Tensor forward(torch::Tensor input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  LeakyReLUOptions options;
};
TORCH_MODULE(LeakyReLU);

struct ELUOptions {
  /// Minus the limit on the left.
  TORCH_ARG(double, alpha) = 1.0;
  /// Whether the result is written into the input.
  TORCH_ARG(bool, inplace) = false;
};

/// ELU, x for x > 0, else alpha (e^x - 1). Any shape.
class ACTINIUM_API ELUImpl : public torch::nn::Cloneable<ELUImpl> {
 public:
  explicit ELUImpl(const ELUOptions& options_ = {});
  torch::Tensor forward(torch::Tensor input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  ELUOptions options;
};
TORCH_MODULE(ELU);

// ------------------------------------------------------------------------------------------------------------ PReLU

struct PReLUOptions {
  /// 1, or the number of channels.
  TORCH_ARG(int64_t, num_parameters) = 1;
  /// The value that the slopes start from.
  TORCH_ARG(double, init) = 0.25;
  /// The dim of the channels.
  TORCH_ARG(int64_t, dim) = 1;
};

/// PReLU, x for x > 0, else weight x with a weight that is learned. Any shape, with num_parameters channels along dim.
class ACTINIUM_API PReLUImpl : public torch::nn::Cloneable<PReLUImpl> {
 public:
  explicit PReLUImpl(const PReLUOptions& options_ = {});
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  PReLUOptions options;
  /// Of shape [num_parameters].
  torch::Tensor weight;
};
TORCH_MODULE(PReLU);

// ------------------------------------------------------------------------------------------------------------- Dice

struct DiceOptions {
  /* implicit */ DiceOptions(int64_t num_features) : num_features_(num_features) {}
  /// The number of channels.
  TORCH_ARG(int64_t, num_features);
  /// Added to the variance.
  TORCH_ARG(double, eps) = 1e-8;
  /// Weight of a batch in the running statistics; none for the average over all batches.
  TORCH_ARG(std::optional<double>, momentum) = 0.1;
  /// The value that the slopes start from.
  TORCH_ARG(double, alpha) = 0.0;
  /// Whether all channels have one slope.
  TORCH_ARG(bool, shared_alpha) = false;
  /// Whether running statistics are kept; without, the batch's are used in evaluation, too.
  TORCH_ARG(bool, track_running_stats) = true;
  /// The dim of the channels.
  TORCH_ARG(int64_t, dim) = -1;
  /// The value that the factors of the standardised input start from; none for 1, which stays.
  TORCH_ARG(std::optional<double>, weight) = std::nullopt;
  /// The value that what is added to it starts from; none for 0, which stays.
  TORCH_ARG(std::optional<double>, bias) = std::nullopt;
  /// What divides: sqrt(var + eps) ("inside"), sqrt(var) + eps ("outside") or sqrt(var + eps) + eps ("both").
  TORCH_ARG(std::string, eps_mode) = "inside";
  /// Whether the running variance takes the unbiased variance of a batch.
  TORCH_ARG(bool, unbiased) = true;
  /// Whose mean and variance make the gate: "batch", those of the channel, in evaluation the running ones; "running",
  /// these in training, too, where nothing updates them; "row", those of the values along dim, for each place of the
  /// other dims, with one slope, no weight, no bias and nothing to keep running; "row_norm", the same with the sum of
  /// the squared deviations in the place of their mean.
  TORCH_ARG(std::string, statistics) = "batch";
};

/// Dice, p x + (1 - p) alpha x with p = sigmoid((x - E[x]) / sqrt(Var[x] + eps)), statistics per channel: of the batch
/// in training, running ones in evaluation, as torch::nn::BatchNorm1d keeps them. [N, *, C] with the channels along
/// dim. A mask of the input's shape without dim says which values are in the statistics.
///
///     actinium::nn::Dice dice(actinium::nn::DiceOptions(64).alpha(0.25));
class ACTINIUM_API DiceImpl : public torch::nn::Cloneable<DiceImpl> {
 public:
  explicit DiceImpl(const DiceOptions& options_);
  torch::Tensor forward(const torch::Tensor& input, const std::optional<torch::Tensor>& mask = std::nullopt);
  void reset() override;
  void reset_running_stats();
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  DiceOptions options;
  /// Of shape [num_features], or [1] if shared.
  torch::Tensor alpha;
  /// Of shape [num_features] where the options have a value for them to start from.
  torch::Tensor weight, bias;
  /// Defined if track_running_stats.
  torch::Tensor running_mean, running_var, num_batches_tracked;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})

 private:
  bool by_row() const;
  torch::Tensor forward_by_row(const torch::Tensor& input) const;
};
TORCH_MODULE(Dice);

// ----------------------------------------------------------------------------------------------------------- Maxout

struct MaxoutOptions {
  /* implicit */ MaxoutOptions(int64_t pieces) : pieces_(pieces) {}
  /// How many channels make a unit, 1 to 256.
  TORCH_ARG(int64_t, pieces);
  /// The dim of the channels.
  TORCH_ARG(int64_t, dim) = 1;
  /// "unit": the pieces of a unit lie together; "piece": the units of a piece do.
  TORCH_ARG(std::string, layout) = "unit";
};

/// Maxout, the largest of each `pieces` channels. [N, pieces U, *] to [N, U, *], with the channels along dim.
///
///     actinium::nn::Maxout maxout(actinium::nn::MaxoutOptions(4).layout("piece"));
class ACTINIUM_API MaxoutImpl : public torch::nn::Cloneable<MaxoutImpl> {
 public:
  explicit MaxoutImpl(const MaxoutOptions& options_);
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  MaxoutOptions options;
};
TORCH_MODULE(Maxout);

struct MaxoutLinearOptions {
  MaxoutLinearOptions(int64_t in_features, int64_t out_features, int64_t pieces)
      : in_features_(in_features), out_features_(out_features), pieces_(pieces) {}
  /// The sizes of an input and of an output.
  TORCH_ARG(int64_t, in_features);
  TORCH_ARG(int64_t, out_features);
  /// How many affine functions a unit is the largest of, 1 to 256.
  TORCH_ARG(int64_t, pieces);
  /// Whether there is an additive bias.
  TORCH_ARG(bool, bias) = true;
};

/// A fully connected Maxout layer, max_j (W_j x + b_j). [*, in_features] to [*, out_features].
///
///     actinium::nn::MaxoutLinear layer(64, 32, 4);
class ACTINIUM_API MaxoutLinearImpl : public torch::nn::Cloneable<MaxoutLinearImpl> {
 public:
  MaxoutLinearImpl(int64_t in_features, int64_t out_features, int64_t pieces);
  explicit MaxoutLinearImpl(const MaxoutLinearOptions& options_);
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  MaxoutLinearOptions options;
  /// Of shapes [pieces, out_features, in_features] and [pieces, out_features]; as torch::nn::Linear initializes its
  /// own.
  torch::Tensor weight, bias;
};
TORCH_MODULE(MaxoutLinear);

// ------------------------------------------------------------------------------------------ Softmax and LogSoftmax

struct SoftmaxOptions {
  /* implicit */ SoftmaxOptions(int64_t dim = -1) : dim_(dim) {}
  /// The dim along which softmax sums to 1.
  TORCH_ARG(int64_t, dim);
};
using LogSoftmaxOptions = SoftmaxOptions;

/// Softmax, exp(x_i) / sum_j exp(x_j) along dim. Any shape.
///
///     actinium::nn::Softmax softmax(actinium::nn::SoftmaxOptions(1));
class ACTINIUM_API SoftmaxImpl : public torch::nn::Cloneable<SoftmaxImpl> {
 public:
  explicit SoftmaxImpl(const SoftmaxOptions& options_ = {});
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  SoftmaxOptions options;
};
TORCH_MODULE(Softmax);

/// The logarithm of softmax, x_i - log sum_j exp(x_j) along dim. Any shape.
class ACTINIUM_API LogSoftmaxImpl : public torch::nn::Cloneable<LogSoftmaxImpl> {
 public:
  explicit LogSoftmaxImpl(const LogSoftmaxOptions& options_ = {});
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  LogSoftmaxOptions options;
};
TORCH_MODULE(LogSoftmax);

// --------------------------------------------------------------------------- CrossEntropyLoss and BCEWithLogitsLoss

struct CrossEntropyLossOptions {
  /// Of the classes, of shape [C]; undefined for 1.
  TORCH_ARG(torch::Tensor, weight) = {};
  /// The index of rows that do not count.
  TORCH_ARG(int64_t, ignore_index) = -100;
  /// "none", "mean" or "sum".
  TORCH_ARG(std::string, reduction) = "mean";
  /// The share of the target, 0 to 1, that is given to all classes evenly.
  TORCH_ARG(double, label_smoothing) = 0.0;
};

/// Cross-entropy of the softmax of logits, without the probabilities. Logits [C], [N, C] or [N, C, *], and indices of
/// that shape without C, or probabilities of that shape, to a number, or the shape of indices.
///
///     actinium::nn::CrossEntropyLoss loss(actinium::nn::CrossEntropyLossOptions().label_smoothing(0.1));
class ACTINIUM_API CrossEntropyLossImpl : public torch::nn::Cloneable<CrossEntropyLossImpl> {
 public:
  explicit CrossEntropyLossImpl(const CrossEntropyLossOptions& options_ = {});
  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& target);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  CrossEntropyLossOptions options;
  /// A buffer over the memory of the options' weight, or undefined.
  torch::Tensor weight;
};
TORCH_MODULE(CrossEntropyLoss);

struct BCEWithLogitsLossOptions {
  /// Of the elements, of any shape that broadcasts to that of the logits; undefined for 1.
  TORCH_ARG(torch::Tensor, weight) = {};
  /// "none", "mean" or "sum".
  TORCH_ARG(std::string, reduction) = "mean";
  /// Of the term of the target, of any shape that broadcasts to that of the logits; undefined for 1.
  TORCH_ARG(torch::Tensor, pos_weight) = {};
};

/// Binary cross-entropy of the sigmoid of logits, without the probabilities. Logits and target of any one shape, to a
/// number, or that shape.
///
///     actinium::nn::BCEWithLogitsLoss loss(actinium::nn::BCEWithLogitsLossOptions().reduction("sum"));
class ACTINIUM_API BCEWithLogitsLossImpl : public torch::nn::Cloneable<BCEWithLogitsLossImpl> {
 public:
  explicit BCEWithLogitsLossImpl(const BCEWithLogitsLossOptions& options_ = {});
  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& target);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  BCEWithLogitsLossOptions options;
  /// Buffers over the memory of the options' weights, or undefined.
  torch::Tensor weight, pos_weight;
};
TORCH_MODULE(BCEWithLogitsLoss);

// ------------------------------------------------------------------------------------------------------ gated units

struct GatedOptions {
  /* implicit */ GatedOptions(std::string activation) : activation_(std::move(activation)) {}
  /// The name of an activation of one number, or "swiglu_clamped".
  TORCH_ARG(std::string, activation);
  /// Its numbers in their order; those that are left out have their defaults.
  TORCH_ARG(std::vector<double>, params);
  /// The dim along which gate and up are packed.
  TORCH_ARG(int64_t, dim) = -1;
  /// "gate_first", "gate_second" or "interleaved".
  TORCH_ARG(std::string, layout) = "gate_first";
};

/// A gated unit, act(gate) up. [*, 2 H, *], with gate and up along dim, to [*, H, *].
///
///     actinium::nn::Gated gated(actinium::nn::GatedOptions("sigmoid").dim(1));
class ACTINIUM_API GatedImpl : public torch::nn::Cloneable<GatedImpl> {
 public:
  explicit GatedImpl(const GatedOptions& options_);
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  GatedOptions options;
};
TORCH_MODULE(Gated);

struct GatedLinearOptions {
  GatedLinearOptions(int64_t in_features, int64_t hidden_features)
      : in_features_(in_features), hidden_features_(hidden_features) {}
  /// The size of the input.
  TORCH_ARG(int64_t, in_features);
  /// The size of gate and of up.
  TORCH_ARG(int64_t, hidden_features);
  /// The size of the output; none for in_features.
  TORCH_ARG(std::optional<int64_t>, out_features);
  /// The name of an activation of one number, or "swiglu_clamped". Of GatedLinear alone.
  TORCH_ARG(std::string, activation) = "swish";
  /// Its numbers in their order; those that are left out have their defaults. Of GatedLinear alone.
  TORCH_ARG(std::vector<double>, params);
  /// "none" (erf) or "tanh". Of GEGLU alone.
  TORCH_ARG(std::string, approximate) = "none";
  /// Whether the projections have biases.
  TORCH_ARG(bool, bias) = false;
  /// "gate_first", "gate_second" or "interleaved", so that weights of either order fit.
  TORCH_ARG(std::string, layout) = "gate_first";
};

/// What the feed-forward layers with a gated unit have in common.
template <class Derived>
class ACTINIUM_API GatedLinearBase : public torch::nn::Cloneable<Derived> {
 public:
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  GatedLinearOptions options;
  /// From in_features to twice hidden_features, and from hidden_features to out_features.
  torch::nn::Linear gate_up_proj{nullptr}, down_proj{nullptr};

 protected:
  explicit GatedLinearBase(GatedLinearOptions options_);
};

/// A feed-forward layer with a gated unit, (act(x Wg) * (x Wu)) Wd. [*, in_features] to [*, out_features].
///
///     actinium::nn::GatedLinear layer(actinium::nn::GatedLinearOptions(64, 256).activation("mish"));
class ACTINIUM_API GatedLinearImpl : public GatedLinearBase<GatedLinearImpl> {
 public:
  static constexpr const char* kName = "GatedLinear";
  explicit GatedLinearImpl(GatedLinearOptions options_) : GatedLinearBase(std::move(options_)) {}
};
TORCH_MODULE(GatedLinear);

/// GatedLinear with SiLU.
class ACTINIUM_API SwiGLUImpl : public GatedLinearBase<SwiGLUImpl> {
 public:
  static constexpr const char* kName = "SwiGLU";
  explicit SwiGLUImpl(GatedLinearOptions options_)
      : GatedLinearBase(std::move(options_.activation("swish").params({}))) {}
};
TORCH_MODULE(SwiGLU);

/// GatedLinear with GELU, with erf or by its tanh form.
class ACTINIUM_API GEGLUImpl : public GatedLinearBase<GEGLUImpl> {
 public:
  static constexpr const char* kName = "GEGLU";
  explicit GEGLUImpl(GatedLinearOptions options_)
      : GatedLinearBase(
            std::move(options_.activation(options_.approximate() == "none" ? "gelu" : "gelu_" + options_.approximate())
                          .params({}))) {}
};
TORCH_MODULE(GEGLU);

/// GatedLinear with ReLU.
class ACTINIUM_API ReGLUImpl : public GatedLinearBase<ReGLUImpl> {
 public:
  static constexpr const char* kName = "ReGLU";
  explicit ReGLUImpl(GatedLinearOptions options_)
      : GatedLinearBase(std::move(options_.activation("relu").params({}))) {}
};
TORCH_MODULE(ReGLU);

struct SwiGLUClampedOptions {
  SwiGLUClampedOptions(int64_t in_features, int64_t hidden_features)
      : in_features_(in_features), hidden_features_(hidden_features) {}
  /// The size of the input.
  TORCH_ARG(int64_t, in_features);
  /// The size of gate and of up.
  TORCH_ARG(int64_t, hidden_features);
  /// The size of the output; none for in_features.
  TORCH_ARG(std::optional<int64_t>, out_features);
  /// Where the gate is cut off above, and up at both ends; not negative.
  TORCH_ARG(double, limit) = 7;
  /// The slope of the sigmoid.
  TORCH_ARG(double, alpha) = 1.702;
  /// Whether the projections have biases.
  TORCH_ARG(bool, bias) = true;
  /// "gate_first", "gate_second" or "interleaved", so that weights of either order fit.
  TORCH_ARG(std::string, layout) = "interleaved";
};

/// The feed-forward layer of gpt-oss, GatedLinear with swiglu_clamped. Its defaults are those of the published models.
class ACTINIUM_API SwiGLUClampedImpl : public GatedLinearBase<SwiGLUClampedImpl> {
 public:
  static constexpr const char* kName = "SwiGLUClamped";
  explicit SwiGLUClampedImpl(const SwiGLUClampedOptions& options_)
      : GatedLinearBase(GatedLinearOptions(options_.in_features(), options_.hidden_features())
                            .out_features(options_.out_features())
                            .activation("swiglu_clamped")
                            .params({options_.limit(), options_.alpha()})
                            .bias(options_.bias())
                            .layout(options_.layout())) {}
  SwiGLUClampedImpl(int64_t in_features, int64_t hidden_features)
      : SwiGLUClampedImpl(SwiGLUClampedOptions(in_features, hidden_features)) {}
};
TORCH_MODULE(SwiGLUClamped);

// ------------------------------------------------------------------------------------- layers with bias and activation

struct LinearActOptions {
  LinearActOptions(int64_t in_features, int64_t out_features, std::string activation)
      : in_features_(in_features), out_features_(out_features), activation_(std::move(activation)) {}
  /// The size of the input.
  TORCH_ARG(int64_t, in_features);
  /// The size of the output.
  TORCH_ARG(int64_t, out_features);
  /// The name of an activation of one number.
  TORCH_ARG(std::string, activation);
  /// Its numbers in their order; those that are left out have their defaults.
  TORCH_ARG(std::vector<double>, params);
  /// Whether there is a bias.
  TORCH_ARG(bool, bias) = true;
};

/// act(x W^T + b), with the state of torch::nn::Linear. [*, in_features] to [*, out_features].
///
///     actinium::nn::LinearAct layer(actinium::nn::LinearActOptions(64, 128, "mish"));
class ACTINIUM_API LinearActImpl : public torch::nn::Cloneable<LinearActImpl> {
 public:
  explicit LinearActImpl(const LinearActOptions& options_);
  torch::Tensor forward(const torch::Tensor& input);
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  LinearActOptions options;
  /// Of shape [out_features, in_features], and [out_features] or undefined.
  torch::Tensor weight, bias;
};
TORCH_MODULE(LinearAct);

struct Conv2dActOptions {
  Conv2dActOptions(torch::nn::Conv2dOptions conv, std::string activation)
      : conv_(std::move(conv)), activation_(std::move(activation)) {}
  /// The convolution and its bias.
  TORCH_ARG(torch::nn::Conv2dOptions, conv);
  /// The name of an activation of one number.
  TORCH_ARG(std::string, activation);
  /// Its numbers in their order; those that are left out have their defaults.
  TORCH_ARG(std::vector<double>, params);
};

/// act(w * x + b), with the state of torch::nn::Conv2d. [N, C_in, H, W] to [N, C_out, H_out, W_out].
///
///     actinium::nn::Conv2dAct layer(actinium::nn::Conv2dActOptions({3, 64, 3}, "mish"));
class ACTINIUM_API Conv2dActImpl : public torch::nn::ConvNdImpl<2, Conv2dActImpl> {
 public:
  explicit Conv2dActImpl(const Conv2dActOptions& options_);
  torch::Tensor forward(const torch::Tensor& input);
  void pretty_print(std::ostream& stream) const override;
  /// Of the activation.
  std::string activation;
  std::vector<double> params;
};
TORCH_MODULE(Conv2dAct);

}  // namespace actinium::nn
