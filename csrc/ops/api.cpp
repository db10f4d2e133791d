// The public functions of actinium/ops.h: cached, typed calls into the dispatcher.
#include <actinium/ops.h>

#include "csrc/ops/common.h"

namespace actinium {

namespace {
using at::Scalar;
using at::Tensor;
using ops::find_op;

c10::string_view text(std::string_view t) { return {t.data(), t.size()}; }
}  // namespace

#define ACTINIUM_PLAIN(name)                                                       \
  Tensor name(const Tensor& self) {                                                \
    static const auto op = find_op<Tensor(const Tensor&)>(#name);                  \
    return op.call(self);                                                          \
  }                                                                                \
  Tensor& name##_(Tensor& self) {                                                  \
    static const auto op = find_op<Tensor&(Tensor&)>(#name "_");                   \
    return op.call(self);                                                          \
  }                                                                                \
  Tensor& name##_out(Tensor& out, const Tensor& self) {                            \
    static const auto op = find_op<Tensor&(const Tensor&, Tensor&)>(#name, "out"); \
    return op.call(self, out);                                                     \
  }
ACTINIUM_PLAIN(mish)
ACTINIUM_PLAIN(gelu)
ACTINIUM_PLAIN(gelu_tanh)
ACTINIUM_PLAIN(selu)
ACTINIUM_PLAIN(quick_gelu)
ACTINIUM_PLAIN(sigmoid)
ACTINIUM_PLAIN(tanh)
ACTINIUM_PLAIN(relu)
#undef ACTINIUM_PLAIN

// With one number.
#define ACTINIUM_NUMBER(name)                                                                     \
  Tensor name(const Tensor& self, const Scalar& number) {                                         \
    static const auto op = find_op<Tensor(const Tensor&, const Scalar&)>(#name);                  \
    return op.call(self, number);                                                                 \
  }                                                                                               \
  Tensor& name##_(Tensor& self, const Scalar& number) {                                           \
    static const auto op = find_op<Tensor&(Tensor&, const Scalar&)>(#name "_");                   \
    return op.call(self, number);                                                                 \
  }                                                                                               \
  Tensor& name##_out(Tensor& out, const Tensor& self, const Scalar& number) {                     \
    static const auto op = find_op<Tensor&(const Tensor&, const Scalar&, Tensor&)>(#name, "out"); \
    return op.call(self, number, out);                                                            \
  }
ACTINIUM_NUMBER(swish)
ACTINIUM_NUMBER(leaky_relu)
ACTINIUM_NUMBER(elu)
#undef ACTINIUM_NUMBER

Tensor swish(const Tensor& self, const Tensor& beta, int64_t dim) {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, int64_t)>("swish", "Tensor");
  return op.call(self, beta, dim);
}
Tensor& swish_(Tensor& self, const Tensor& beta, int64_t dim) {
  static const auto op = find_op<Tensor&(Tensor&, const Tensor&, int64_t)>("swish_", "Tensor");
  return op.call(self, beta, dim);
}
Tensor& swish_out(Tensor& out, const Tensor& self, const Tensor& beta, int64_t dim) {
  static const auto op = find_op<Tensor&(const Tensor&, const Tensor&, int64_t, Tensor&)>("swish", "Tensor_out");
  return op.call(self, beta, dim, out);
}

Tensor prelu(const Tensor& self, const Tensor& weight, int64_t dim) {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, int64_t)>("prelu");
  return op.call(self, weight, dim);
}

Tensor dice(const Tensor& self, const Tensor& alpha, const std::optional<Tensor>& running_mean,
            const std::optional<Tensor>& running_var, bool training, double momentum, double eps, int64_t dim,
            const std::optional<Tensor>& mask, const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
            std::string_view eps_mode, bool unbiased) {
  using Optional = const std::optional<Tensor>&;
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, Optional, Optional, bool, double, double, int64_t,
                                        Optional, Optional, Optional, c10::string_view, bool)>("dice");
  return op.call(self, alpha, running_mean, running_var, training, momentum, eps, dim, mask, weight, bias,
                 c10::string_view(eps_mode.data(), eps_mode.size()), unbiased);
}

Tensor maxout(const Tensor& self, int64_t pieces, int64_t dim, std::string_view layout) {
  static const auto op = find_op<Tensor(const Tensor&, c10::SymInt, int64_t, c10::string_view)>("maxout");
  return op.call(self, pieces, dim, text(layout));
}

Tensor linear_maxout(const Tensor& self, const Tensor& weight, const std::optional<Tensor>& bias) {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&)>("linear_maxout");
  return op.call(self, weight, bias);
}

Tensor gated(const Tensor& gate, const Tensor& up, std::string_view activation, at::ArrayRef<double> params) {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, c10::string_view, at::ArrayRef<double>)>("gated");
  return op.call(gate, up, text(activation), params);
}
Tensor gated(const Tensor& self, std::string_view activation, at::ArrayRef<double> params, int64_t dim,
             std::string_view layout) {
  static const auto op =
      find_op<Tensor(const Tensor&, c10::string_view, at::ArrayRef<double>, int64_t, c10::string_view)>("gated",
                                                                                                        "packed");
  return op.call(self, text(activation), params, dim, text(layout));
}

#define ACTINIUM_GATED(name)                                                                           \
  Tensor name(const Tensor& gate, const Tensor& up) {                                                  \
    static const auto op = find_op<Tensor(const Tensor&, const Tensor&)>(#name);                       \
    return op.call(gate, up);                                                                          \
  }                                                                                                    \
  Tensor name(const Tensor& self, int64_t dim, std::string_view layout) {                              \
    static const auto op = find_op<Tensor(const Tensor&, int64_t, c10::string_view)>(#name, "packed"); \
    return op.call(self, dim, text(layout));                                                           \
  }
ACTINIUM_GATED(swiglu)
ACTINIUM_GATED(reglu)
#undef ACTINIUM_GATED

Tensor geglu(const Tensor& gate, const Tensor& up, std::string_view approximate) {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, c10::string_view)>("geglu");
  return op.call(gate, up, text(approximate));
}
Tensor geglu(const Tensor& self, std::string_view approximate, int64_t dim, std::string_view layout) {
  static const auto op = find_op<Tensor(const Tensor&, c10::string_view, int64_t, c10::string_view)>("geglu", "packed");
  return op.call(self, text(approximate), dim, text(layout));
}

Tensor swiglu_clamped(const Tensor& gate, const Tensor& up, double limit, double alpha) {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, double, double)>("swiglu_clamped");
  return op.call(gate, up, limit, alpha);
}
Tensor swiglu_clamped(const Tensor& self, double limit, double alpha, int64_t dim, std::string_view layout) {
  static const auto op =
      find_op<Tensor(const Tensor&, double, double, int64_t, c10::string_view)>("swiglu_clamped", "packed");
  return op.call(self, limit, alpha, dim, text(layout));
}

Tensor bias_act(const Tensor& self, const Tensor& bias, std::string_view activation, at::ArrayRef<double> params,
                int64_t dim) {
  static const auto op =
      find_op<Tensor(const Tensor&, const Tensor&, c10::string_view, at::ArrayRef<double>, int64_t)>("bias_act");
  return op.call(self, bias, text(activation), params, dim);
}
Tensor activate(const Tensor& self, std::string_view activation, at::ArrayRef<double> params) {
  static const auto op = find_op<Tensor(const Tensor&, c10::string_view, at::ArrayRef<double>)>("activate");
  return op.call(self, text(activation), params);
}

#define ACTINIUM_ALONG_DIM(name)                                                                          \
  Tensor name(const Tensor& self, int64_t dim, std::optional<at::ScalarType> dtype) {                     \
    static const auto op = find_op<Tensor(const Tensor&, int64_t, std::optional<at::ScalarType>)>(#name); \
    return op.call(self, dim, dtype);                                                                     \
  }                                                                                                       \
  Tensor& name##_out(Tensor& out, const Tensor& self, int64_t dim, std::optional<at::ScalarType> dtype) { \
    static const auto op =                                                                                \
        find_op<Tensor&(const Tensor&, int64_t, std::optional<at::ScalarType>, Tensor&)>(#name, "out");   \
    return op.call(self, dim, dtype, out);                                                                \
  }
ACTINIUM_ALONG_DIM(softmax)
ACTINIUM_ALONG_DIM(log_softmax)
#undef ACTINIUM_ALONG_DIM

Tensor softmax_cross_entropy(const Tensor& self, const Tensor& target, const std::optional<Tensor>& weight,
                             std::string_view reduction, int64_t ignore_index, double label_smoothing) {
  static const auto op =
      find_op<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, c10::string_view, int64_t, double)>(
          "softmax_cross_entropy");
  return op.call(self, target, weight, text(reduction), ignore_index, label_smoothing);
}

Tensor sigmoid_binary_cross_entropy(const Tensor& self, const Tensor& target, const std::optional<Tensor>& weight,
                                    const std::optional<Tensor>& pos_weight, std::string_view reduction) {
  static const auto op =
      find_op<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, const std::optional<Tensor>&,
                     c10::string_view)>("sigmoid_binary_cross_entropy");
  return op.call(self, target, weight, pos_weight, text(reduction));
}

}  // namespace actinium
