#pragma once
// Third and higher derivatives: the gradient of a double backward.
//
// Kernels end with the second derivative. What comes after is rare (the loss of a physics-informed network, a Hessian
// in a gradient) and is left to autograd on the op's formula in ATen's own ops, which can be differentiated for ever.
#include <torch/csrc/autograd/autograd.h>

#include "csrc/ops/node.h"

namespace actinium::ops {

// D(gg, grad, inputs) = the gradients of <gg, gradients of <grad, f(inputs)> by inputs> by (grad, inputs...), as the
// double backward ops are defined. Given the gradients of D's outputs, returns those of gg..., grad, inputs...
// Undefined tensors stand for zeros.
template <class F>
variable_list differentiate_double_backward(F f, const variable_list& gg, const Tensor& grad,
                                            const variable_list& inputs, const variable_list& grads) {
  const bool create_graph = at::GradMode::is_enabled();
  at::AutoGradMode enable(true);
  // A tensor of its own for each argument, so that one that is passed twice is not two variables at once.
  const auto variable = [](const Tensor& t) {
    return !t.defined() ? t : t.requires_grad() ? t.view_as(t) : t.detach().requires_grad_();
  };
  // Where both are defined and depend on something: d<of, weights> / d by.
  const auto gradient = [](const variable_list& of, const variable_list& weights, const variable_list& by,
                           bool graph) -> variable_list {
    variable_list outputs, with, wanted;
    for (size_t i = 0; i < of.size(); ++i) {
      if (of[i].defined() && of[i].requires_grad() && weights[i].defined()) {
        outputs.push_back(of[i]);
        with.push_back(weights[i]);
      }
    }
    variable_list result(by.size());
    if (outputs.empty()) return result;
    for (const Tensor& t : by) {
      if (t.defined()) wanted.push_back(t);
    }
    const variable_list found =
        torch::autograd::grad(outputs, wanted, with, /*retain_graph=*/true, graph, /*allow_unused=*/true);
    size_t next = 0;
    for (size_t i = 0; i < by.size(); ++i) {
      if (by[i].defined()) result[i] = found[next++];
    }
    return result;
  };

  variable_list all, x, a;
  for (const Tensor& t : gg) a.push_back(variable(t));
  const Tensor g = variable(grad);
  for (const Tensor& t : inputs) x.push_back(variable(t));
  all = a;
  all.push_back(g);
  all.insert(all.end(), x.begin(), x.end());

  const variable_list first = gradient({f(x)}, {g}, x, true);
  variable_list by(1, g);
  by.insert(by.end(), x.begin(), x.end());
  const variable_list second = gradient(first, a, by, true);
  return gradient(second, grads, all, create_graph);
}

inline void refuse_tangents(const std::string& op, std::initializer_list<Tensor> inputs) {
  for (const Tensor& t : inputs) {
    TORCH_CHECK_NOT_IMPLEMENTED(!has_tangent(t), op,
                                ": forward mode through a double backward is not supported; take the outer derivative "
                                "in reverse mode");
  }
}

}  // namespace actinium::ops
