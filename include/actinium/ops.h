#pragma once
/// \file
/// The ops as plain functions. Each goes through torch's dispatcher, so gradients, forward mode, inference mode, and
/// the devices work as for torch's own.
///
/// What holds for all of them:
/// - self: dense, of dtype float32, float64, bfloat16 or float16, on the CPU or on CUDA. 16-bit values are computed in
///   float32 and rounded once.
/// - The result has self's dtype and the memory layout that a builtin's would have.
/// - Wrong arguments throw c10::TypeError (dtype), c10::ValueError (shape, value), c10::IndexError (dim) or c10::Error
///   (device), with a message that names the op, the argument and its value.
/// - `op_` works in place and returns self; `op_out` writes into out, which is resized if its shape differs.
#include <ATen/core/Tensor.h>
#include <actinium/export.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace actinium {

/// Mish: x tanh(softplus(x)), for self of any shape. (Misra 2019, arXiv:1908.08681.)
ACTINIUM_API at::Tensor mish(const at::Tensor& self);
ACTINIUM_API at::Tensor& mish_(at::Tensor& self);
ACTINIUM_API at::Tensor& mish_out(at::Tensor& out, const at::Tensor& self);

/// Swish: x sigmoid(beta x), for self of any shape. beta = 1 is SiLU. For 16-bit and float32 self, beta is rounded to
/// float32. (Ramachandran et al. 2017, arXiv:1710.05941, section 4.)
ACTINIUM_API at::Tensor swish(const at::Tensor& self, const at::Scalar& beta = 1);
ACTINIUM_API at::Tensor& swish_(at::Tensor& self, const at::Scalar& beta = 1);
ACTINIUM_API at::Tensor& swish_out(at::Tensor& out, const at::Tensor& self, const at::Scalar& beta = 1);

/// Swish with a trainable beta: one element (dim is ignored), or [C] for the C channels of self along dim. beta has
/// self's dtype, or float32 beside a 16-bit self, and receives a gradient.
ACTINIUM_API at::Tensor swish(const at::Tensor& self, const at::Tensor& beta, int64_t dim = 1);
ACTINIUM_API at::Tensor& swish_(at::Tensor& self, const at::Tensor& beta, int64_t dim = 1);
ACTINIUM_API at::Tensor& swish_out(at::Tensor& out, const at::Tensor& self, const at::Tensor& beta, int64_t dim = 1);

/// GELU: x Phi(x) = x/2 (1 + erf(x / sqrt(2))), for self of any shape. (Hendrycks & Gimpel 2016, arXiv:1606.08415,
/// section 2.)
ACTINIUM_API at::Tensor gelu(const at::Tensor& self);
ACTINIUM_API at::Tensor& gelu_(at::Tensor& self);
ACTINIUM_API at::Tensor& gelu_out(at::Tensor& out, const at::Tensor& self);

/// GELU by its tanh approximation: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), for self of any shape.
/// (Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2.)
ACTINIUM_API at::Tensor gelu_tanh(const at::Tensor& self);
ACTINIUM_API at::Tensor& gelu_tanh_(at::Tensor& self);
ACTINIUM_API at::Tensor& gelu_tanh_out(at::Tensor& out, const at::Tensor& self);

/// SELU: lambda x for x > 0, lambda alpha (exp(x) - 1) else, with lambda = 1.0507..., alpha = 1.6732..., for self of
/// any shape. (Klambauer et al. 2017, arXiv:1706.02515, eq. 2.)
ACTINIUM_API at::Tensor selu(const at::Tensor& self);
ACTINIUM_API at::Tensor& selu_(at::Tensor& self);
ACTINIUM_API at::Tensor& selu_out(at::Tensor& out, const at::Tensor& self);

/// x sigmoid(1.702 x), an approximation of GELU, for self of any shape. (Hendrycks & Gimpel 2016, arXiv:1606.08415,
/// section 2.)
ACTINIUM_API at::Tensor quick_gelu(const at::Tensor& self);
ACTINIUM_API at::Tensor& quick_gelu_(at::Tensor& self);
ACTINIUM_API at::Tensor& quick_gelu_out(at::Tensor& out, const at::Tensor& self);

/// Sigmoid: 1 / (1 + exp(-x)), for self of any shape. The backward keeps self.
ACTINIUM_API at::Tensor sigmoid(const at::Tensor& self);
ACTINIUM_API at::Tensor& sigmoid_(at::Tensor& self);
ACTINIUM_API at::Tensor& sigmoid_out(at::Tensor& out, const at::Tensor& self);

/// Tanh: (exp(2x) - 1) / (exp(2x) + 1), for self of any shape. The backward keeps self.
ACTINIUM_API at::Tensor tanh(const at::Tensor& self);
ACTINIUM_API at::Tensor& tanh_(at::Tensor& self);
ACTINIUM_API at::Tensor& tanh_out(at::Tensor& out, const at::Tensor& self);

/// ReLU: max(0, x), for self of any shape; its derivative at 0 is 0. (Nair & Hinton 2010, section 2.)
ACTINIUM_API at::Tensor relu(const at::Tensor& self);
ACTINIUM_API at::Tensor& relu_(at::Tensor& self);
ACTINIUM_API at::Tensor& relu_out(at::Tensor& out, const at::Tensor& self);

/// LeakyReLU: x for x > 0, negative_slope x else, for self of any shape; its derivative at 0 is negative_slope. (Maas,
/// Hannun & Ng 2013, section 2.)
ACTINIUM_API at::Tensor leaky_relu(const at::Tensor& self, const at::Scalar& negative_slope = 0.01);
ACTINIUM_API at::Tensor& leaky_relu_(at::Tensor& self, const at::Scalar& negative_slope = 0.01);
ACTINIUM_API at::Tensor& leaky_relu_out(at::Tensor& out, const at::Tensor& self,
                                        const at::Scalar& negative_slope = 0.01);

/// ELU: x for x > 0, alpha (exp(x) - 1) else, for self of any shape; its derivative at 0 is alpha. (Clevert,
/// Unterthiner & Hochreiter 2015, arXiv:1511.07289, eq. 15.)
ACTINIUM_API at::Tensor elu(const at::Tensor& self, const at::Scalar& alpha = 1);
ACTINIUM_API at::Tensor& elu_(at::Tensor& self, const at::Scalar& alpha = 1);
ACTINIUM_API at::Tensor& elu_out(at::Tensor& out, const at::Tensor& self, const at::Scalar& alpha = 1);

/// PReLU: x for x > 0, weight x else, with a learned weight; dx and dweight are made in one pass. (He, Zhang, Ren & Sun
/// 2015, arXiv:1502.01852, eq. 1.)
///
/// \param self  any shape.
/// \param weight  one element, or [C] with C = self.size(dim); of self's dtype, or float32 beside a 16-bit self.
/// \param dim  the dim of the channels, for a weight of more than one element.
ACTINIUM_API at::Tensor prelu(const at::Tensor& self, const at::Tensor& weight, int64_t dim = 1);

/// Dice: p x + (1 - p) alpha x with p = sigmoid((x - mean) / sqrt(var + eps)), mean and (biased) variance over every
/// dim but `dim`. (Zhou et al. 2018, arXiv:1706.06978, section 5.2.)
///
/// \param self  any shape with C channels along dim.
/// \param alpha  one element or [C], of self's dtype, or float32 beside a 16-bit self; receives a gradient.
/// \param running_mean,running_var  [C], or both absent. In training they are updated in place; in evaluation they take
///   the place of the batch's statistics. Absent, the batch's are used in both.
/// \param training  the gradient goes through the batch's mean and variance. More than one value per channel, or it
///   throws c10::ValueError.
/// \param momentum  0 to 1: the share of the batch in the new running statistics.
/// \param eps  not negative; added to the variance.
/// \param mask  bool, of self's shape without dim; the values where it is false stay out of the statistics. Absent: all
///   are in them.
/// \param weight,bias  one element or [C], receive gradients; p is sigmoid(weight z + bias) of the standardised z.
///   Absent: 1 and 0.
/// \param eps_mode  z is divided by sqrt(var + eps) ("inside"), sqrt(var) + eps ("outside") or sqrt(var + eps) + eps
///   ("both").
/// \param unbiased  running_var takes the unbiased variance of the batch; else the biased one.
ACTINIUM_API at::Tensor dice(const at::Tensor& self, const at::Tensor& alpha,
                             const std::optional<at::Tensor>& running_mean = std::nullopt,
                             const std::optional<at::Tensor>& running_var = std::nullopt, bool training = false,
                             double momentum = 0.1, double eps = 1e-8, int64_t dim = -1,
                             const std::optional<at::Tensor>& mask = std::nullopt,
                             const std::optional<at::Tensor>& weight = std::nullopt,
                             const std::optional<at::Tensor>& bias = std::nullopt, std::string_view eps_mode = "inside",
                             bool unbiased = true);

/// Maxout: the largest of `pieces` values, along dim. (Goodfellow et al. 2013, arXiv:1302.4389, section 3.)
///
/// \param self  any shape with at least one dim; the size along dim is a multiple of pieces, and is divided by it.
/// \param pieces  1 to 256.
/// \param layout  "unit": the pieces of a unit lie together, out[c] = max_j x[c pieces + j]. "piece": each piece is a
///   block of all U units, out[u] = max_j x[j U + u].
///
/// The first of equal pieces wins and receives the gradient; NaN wins over all. The backward keeps one byte per output.
ACTINIUM_API at::Tensor maxout(const at::Tensor& self, int64_t pieces, int64_t dim = 1,
                               std::string_view layout = "unit");

/// A Maxout layer, max_j (W_j x + b_j): one matrix product for all pieces; the bias is added where they are compared.
///
/// \param self  [*, d].
/// \param weight  [k, m, d]: k pieces, 1 to 256, of each of m units.
/// \param bias  [k, m], or absent.
/// \returns [*, m].
ACTINIUM_API at::Tensor linear_maxout(const at::Tensor& self, const at::Tensor& weight,
                                      const std::optional<at::Tensor>& bias = std::nullopt);

/// A gated unit: act(gate) up, for two tensors of one shape, or for one that packs both along dim. (Dauphin et al.
/// 2017, arXiv:1612.08083, eq. 1; Shazeer 2020, arXiv:2002.05202, eq. 5.)
///
/// \param activation  the name of an activation of one number ("swish", "gelu_tanh", "relu", "sigmoid", ...), or
///   "swiglu_clamped".
/// \param params  the activation's numbers in their order (swish: beta; leaky_relu: negative_slope; elu: alpha); those
///   that are left out have their defaults.
/// \param dim  an even size, which is halved.
/// \param layout  "gate_first" or "gate_second": the first half is the gate, or the second. "interleaved": the gate is
///   at even places and up at odd ones.
///
/// The backward keeps its inputs alone, and gives both gradients in one pass.
ACTINIUM_API at::Tensor gated(const at::Tensor& gate, const at::Tensor& up, std::string_view activation,
                              at::ArrayRef<double> params = {});
ACTINIUM_API at::Tensor gated(const at::Tensor& self, std::string_view activation, at::ArrayRef<double> params = {},
                              int64_t dim = -1, std::string_view layout = "gate_first");

/// SwiGLU: gated with "swish", x sigmoid(x) of the gate. (Shazeer 2020, arXiv:2002.05202, eq. 5.)
ACTINIUM_API at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);
ACTINIUM_API at::Tensor swiglu(const at::Tensor& self, int64_t dim = -1, std::string_view layout = "gate_first");

/// GEGLU: gated with GELU; approximate is "none" (erf) or "tanh". (Shazeer 2020, arXiv:2002.05202, eq. 5.)
ACTINIUM_API at::Tensor geglu(const at::Tensor& gate, const at::Tensor& up, std::string_view approximate = "none");
ACTINIUM_API at::Tensor geglu(const at::Tensor& self, std::string_view approximate = "none", int64_t dim = -1,
                              std::string_view layout = "gate_first");

/// ReGLU: gated with "relu". (Shazeer 2020, arXiv:2002.05202, eq. 5.)
ACTINIUM_API at::Tensor reglu(const at::Tensor& gate, const at::Tensor& up);
ACTINIUM_API at::Tensor reglu(const at::Tensor& self, int64_t dim = -1, std::string_view layout = "gate_first");

/// The gated unit of gpt-oss: a sigmoid(alpha a) (b + 1) with a = min(gate, limit) and b = up within +-limit. What is
/// cut off has no gradient. (OpenAI 2025, arXiv:2508.10925.)
ACTINIUM_API at::Tensor swiglu_clamped(const at::Tensor& gate, const at::Tensor& up, double limit = 7.0,
                                       double alpha = 1.702);
ACTINIUM_API at::Tensor swiglu_clamped(const at::Tensor& self, double limit = 7.0, double alpha = 1.702,
                                       int64_t dim = -1, std::string_view layout = "interleaved");

/// act(x + b) with one b for each of the C channels of self along dim; the sum of 16-bit values is not rounded. bias is
/// [C], of self's dtype, or float32 beside a 16-bit self, and receives its gradient in the same pass as self.
/// activation and params are those of gated().
ACTINIUM_API at::Tensor bias_act(const at::Tensor& self, const at::Tensor& bias, std::string_view activation,
                                 at::ArrayRef<double> params = {}, int64_t dim = 1);

/// An activation by its name, for self of any shape. activation and params are those of gated().
ACTINIUM_API at::Tensor activate(const at::Tensor& self, std::string_view activation, at::ArrayRef<double> params = {});

/// Softmax: exp(x_i) / sum_j exp(x_j) along dim, for self of any shape, converted to dtype first if there is one. The
/// backward keeps the result. (Bridle 1990, eq. 10.)
ACTINIUM_API at::Tensor softmax(const at::Tensor& self, int64_t dim = -1,
                                std::optional<at::ScalarType> dtype = std::nullopt);
ACTINIUM_API at::Tensor& softmax_out(at::Tensor& out, const at::Tensor& self, int64_t dim = -1,
                                     std::optional<at::ScalarType> dtype = std::nullopt);

/// The logarithm of softmax: x_i - log sum_j exp(x_j), accurate near 0 as well. The backward keeps the result.
ACTINIUM_API at::Tensor log_softmax(const at::Tensor& self, int64_t dim = -1,
                                    std::optional<at::ScalarType> dtype = std::nullopt);
ACTINIUM_API at::Tensor& log_softmax_out(at::Tensor& out, const at::Tensor& self, int64_t dim = -1,
                                         std::optional<at::ScalarType> dtype = std::nullopt);

/// Cross-entropy of the softmax of self, as torch::nn::functional::cross_entropy, without the probabilities: the
/// backward keeps self, target and one number for each row.
///
/// \param self  [C], [N, C] or [N, C, *].
/// \param target  int64 or uint8 indices of classes, of self's shape without C; or probabilities of self's shape, which
///   receive a gradient. An index that is not one of a class throws c10::IndexError on the CPU; on CUDA its row is NaN.
/// \param weight  [C], of self's dtype, or float32 beside a 16-bit self; of any dtype beside probabilities.
/// \param reduction  "none", "sum", or "mean": over the weights of the rows for indices, over the rows for
///   probabilities.
/// \param ignore_index  the index of rows that do not count.
/// \param label_smoothing  0 to 1: the share of the target that all classes have evenly.
ACTINIUM_API at::Tensor softmax_cross_entropy(const at::Tensor& self, const at::Tensor& target,
                                              const std::optional<at::Tensor>& weight = std::nullopt,
                                              std::string_view reduction = "mean", int64_t ignore_index = -100,
                                              double label_smoothing = 0.0);

/// Binary cross-entropy of the sigmoid of self, as torch::nn::functional::binary_cross_entropy_with_logits, without the
/// probabilities and, where it is reduced, without the losses of the elements. The backward keeps self and target.
///
/// \param target  of self's shape, 0 to 1; receives a gradient.
/// \param weight,pos_weight  of any shape that broadcasts to self's: of the element, and of the term of its target.
/// \param reduction  "none", "sum", or "mean" over all elements.
ACTINIUM_API at::Tensor sigmoid_binary_cross_entropy(const at::Tensor& self, const at::Tensor& target,
                                                     const std::optional<at::Tensor>& weight = std::nullopt,
                                                     const std::optional<at::Tensor>& pos_weight = std::nullopt,
                                                     std::string_view reduction = "mean");

}  // namespace actinium
