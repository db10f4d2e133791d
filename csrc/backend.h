#pragma once
// What a device must be able to do: six functions over raw pointers, strides in bytes and plain numbers.
//
// csrc/ops fills these descriptions in, csrc/cpu and csrc/cuda carry them out. Nothing here knows of tensors, of the
// dispatcher or of autograd. "opmath" is the type in which a dtype is computed: float for float32, bfloat16 and
// float16, double for float64.
#include <actinium/export.h>
#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <cstdint>

namespace actinium {

// ---------------------------------------------------------------------------------------------------- pointwise

// What a pointwise problem evaluates, of an activation's f, f' and f'' or of a gate, with the operands in the order of
// Pointwise::data.
enum class Pass : int {
  kForward,         // out          | x           out = f(x)
  kBackward,        // dx           | g, x        dx = g f'(x)
  kDoubleBackward,  // dg, dx       | a, g, x     dg = a f'(x),  dx = a g f''(x);  a is the gradient of dx
  kGated,           // out          | a, b        out = f(a, b), with a gate f
  kGatedBackward,   // da, db       | g, a, b     da = g df/da,  db = g df/db
};
constexpr bool is_gated(Pass pass) { return pass == Pass::kGated || pass == Pass::kGatedBackward; }
constexpr int outputs_of(Pass pass) { return pass == Pass::kDoubleBackward || pass == Pass::kGatedBackward ? 2 : 1; }

// One elementwise problem. Outputs come first, then inputs. A null output is not wanted and not written. An output may
// be the same memory as an input (in-place), element for element.
struct Pointwise {
  static constexpr int kMaxOperands = 5;
  static constexpr int kMaxDims = 64;

  int activation;  // math::Activation of math/activations.h, or math::Gate
  Pass pass;
  c10::ScalarType dtype;  // of every operand
  const double* params;   // the activation's or gate's numbers, such as beta
  int ndim;               // at least 1; fastest dimension first
  int64_t sizes[kMaxDims];
  char* data[kMaxOperands];
  int64_t strides[kMaxOperands][kMaxDims];  // in bytes; 0 for an expanded input
};

// --------------------------------------------------------------------------------------------------- channelwise

// One problem over dense operands that share one memory order, seen as [outer, channels, inner]. The formula (a struct
// listed in math/activations.h) has per-channel parameters, writes elements, and may add up per-channel sums. A null
// output is not written, null sums are not computed.
struct Channelwise {
  static constexpr int kMaxInputs = 3;
  static constexpr int kMaxOutputs = 2;
  static constexpr int kMaxParams = 12;

  int formula;            // math::ChannelFormula of math/activations.h
  int activation;         // math::Activation, of the formulas with a bias
  c10::ScalarType dtype;  // of inputs and outputs
  int64_t outer, channels, inner;
  const void* inputs[kMaxInputs];
  void* outputs[kMaxOutputs];
  const void* params[kMaxParams];     // opmath arrays
  int64_t param_strides[kMaxParams];  // in elements: 1, one value per channel; 0, one value for all
  double number;                      // the one that is not a parameter of a channel: Dice's eps, an activation's
  void* sums;                         // opmath [formula's sums][channels]
};

// Mean and biased variance over outer and inner of every channel, by a numerically stable single pass.
struct ChannelStats {
  c10::ScalarType dtype;
  int64_t outer, channels, inner;
  const void* input;
  void* mean;  // opmath [channels]
  void* var;   // opmath [channels]
};

// -------------------------------------------------------------------------------------------------------- maxout

// Both layouts of maxout, for any dim and memory format, are a maximum over the middle of [outer, pieces, inner].
// Indices are uint8 [outer, inner]: the first of equal pieces, the first NaN if there is one. One that is not below
// pieces, which only a caller can bring, selects nothing: its gradient goes nowhere, its value is 0.
struct Maxout {
  enum class Pass : int {
    kForward,   // values, indices (or null) <- input
    kBackward,  // input-shaped gradient <- values-shaped gradient, indices; pieces that did not win get 0
    kGather,    // values <- input, indices
  };
  Pass pass;
  c10::ScalarType dtype;
  int64_t outer, pieces, inner;
  void* input;                 // [outer, pieces, inner]: read, and written by kBackward
  void* values;                // [outer, inner]: written, and read by kBackward
  uint8_t* indices;            // [outer, inner]: written by kForward, else read
  const void* bias = nullptr;  // [pieces, inner], added to every row of the input by kForward before it compares
};

// ------------------------------------------------------------------------------------------------------- softmax

// Softmax and its logarithm over the middle of [outer, n, inner], forward and backward. The backward knows the output.
struct Softmax {
  bool log, backward;
  c10::ScalarType dtype;
  int64_t outer, n, inner;
  const void* input;  // x, or the gradient of the output
  const void* known;  // the output, for the backward
  void* output;       // the output, or the gradient of x
};

// Cross-entropy of the softmax over the middle of [outer, classes, inner], one loss for each of the rows [outer,
// inner]:
//   loss = sum_j c_j (lse - x_j),  lse = log sum_j exp(x_j)
// where c_j, with the weights w, n classes and the smoothing e, is
//   (1 - e) w_y [j = y] + e / n w_j      for the index y of a class; 0 for one to be ignored
//   w_j ((1 - e) t_j + e / n)            for probabilities t
// The gradients, for the gradient g of a row's loss, are g (sum c  exp(x_j - lse) - c_j) and g w_j (1 - e) (lse - x_j).
// A row whose index is neither that of a class nor ignored is NaN.
struct CrossEntropy {
  bool backward;
  c10::ScalarType dtype;  // of logits, probabilities and their gradients
  int64_t outer, classes, inner;
  const void* input;
  const int64_t* indices;     // [outer, inner], or null
  const void* probabilities;  // [outer, classes, inner], where there are no indices
  const void* weight;         // opmath [classes], or null
  const void* weight_sum;     // opmath, with weight
  int64_t ignore_index;
  double label_smoothing;
  double* lse;  // [outer, inner]: written forward, read backward
  // Forward, opmath [outer, inner]: the loss; w_y of indices, or 0 for those ignored.
  void *loss, *row_weight;
  // Backward, opmath: g of a row is grad[row * grad_stride]. A null output is not wanted.
  const void* grad;
  int64_t grad_stride;
  void *grad_input, *grad_probabilities;
};

// ------------------------------------------------------------------------------------------------------- backend

struct Backend {
  void (*pointwise)(const Pointwise&);
  void (*channelwise)(const Channelwise&);
  void (*channel_stats)(const ChannelStats&);
  void (*maxout)(const Maxout&);
  void (*softmax)(const Softmax&);
  void (*cross_entropy)(const CrossEntropy&);
};

// A device library calls this while it is loaded; the pointer must live as long as the process.
ACTINIUM_API void register_backend(c10::DeviceType device, const Backend* backend);
// Null when no library for the device was loaded.
const Backend* backend(c10::DeviceType device);

}  // namespace actinium
