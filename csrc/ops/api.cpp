// The public functions of actinium/ops.h: cached, typed calls into the dispatcher.
#include <actinium/ops.h>

#include "csrc/ops/common.h"

namespace actinium {

namespace {
using at::Scalar;
using at::Tensor;
using ops::find_op;
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
ACTINIUM_PLAIN(gelu_tanh)
ACTINIUM_PLAIN(selu)
#undef ACTINIUM_PLAIN

Tensor swish(const Tensor& self, const Scalar& beta) {
  static const auto op = find_op<Tensor(const Tensor&, const Scalar&)>("swish");
  return op.call(self, beta);
}
Tensor& swish_(Tensor& self, const Scalar& beta) {
  static const auto op = find_op<Tensor&(Tensor&, const Scalar&)>("swish_");
  return op.call(self, beta);
}
Tensor& swish_out(Tensor& out, const Tensor& self, const Scalar& beta) {
  static const auto op = find_op<Tensor&(const Tensor&, const Scalar&, Tensor&)>("swish", "out");
  return op.call(self, beta, out);
}

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

Tensor dice(const Tensor& self, const Tensor& alpha, const std::optional<Tensor>& running_mean,
            const std::optional<Tensor>& running_var, bool training, double momentum, double eps, int64_t dim) {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                                        const std::optional<Tensor>&, bool, double, double, int64_t)>("dice");
  return op.call(self, alpha, running_mean, running_var, training, momentum, eps, dim);
}

Tensor maxout(const Tensor& self, int64_t pieces, int64_t dim, std::string_view layout) {
  static const auto op = find_op<Tensor(const Tensor&, c10::SymInt, int64_t, c10::string_view)>("maxout");
  return op.call(self, pieces, dim, c10::string_view(layout.data(), layout.size()));
}

}  // namespace actinium
