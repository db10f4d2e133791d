#pragma once
// Third and higher derivatives: the gradient of a double backward.
//
// Kernels end with the second derivative. What comes after is rare (the loss of a physics-informed network, a Hessian
// in a gradient) and is left to autograd on the op's formula in ATen's own ops, which can be differentiated for ever.
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <vector>

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
  // Whether anything that the result is made of has a graph that it can be part of.
  bool connected =
      std::any_of(grads.begin(), grads.end(), [](const Tensor& t) { return t.defined() && t.requires_grad(); });
  // A tensor of its own for each argument, so that one that is passed twice is not two variables at once. What was
  // saved under a transform of torch.func that has returned still says that it requires a gradient, but its view does
  // not.
  const auto variable = [&](const Tensor& t) {
    if (!t.defined()) return t;
    const Tensor view = t.view_as(t);
    connected |= view.requires_grad();
    return view.requires_grad() ? view : view.detach().requires_grad_();
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
  return gradient(second, grads, all, create_graph && connected);
}

// Sets the tangents of a double backward's outputs, whose Grad takes them back to the inputs, saved in that order. That
// is linear in what it takes back, and its own gradient is the way forward.
template <class Grad, class... Outputs>
void set_tangents(const Grad& grad, const std::array<Tensor, Grad::kSaved>& inputs, const Outputs&... outputs) {
  if (std::none_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return has_tangent(t); })) return;
  const bool create_graph = at::GradMode::is_enabled();
  at::AutoGradMode enable(true);
  std::array<Tensor, Grad::kSaved> primals;
  for (size_t i = 0; i < inputs.size(); ++i) primals[i] = primal(inputs[i]);
  const variable_list back{(outputs.defined() ? at::zeros_like(outputs.detach()).requires_grad_() : Tensor())...};
  const variable_list taken = grad(back, primals, Wanted{std::vector<bool>(inputs.size(), true)});
  variable_list along, by, wanted;
  for (size_t i = 0; i < taken.size(); ++i) {
    const Tensor t = tangent(inputs[i]);
    if (!t.defined() || !taken[i].defined() || !taken[i].requires_grad()) continue;
    along.push_back(taken[i]);
    by.push_back(t);
  }
  for (const Tensor& t : back) {
    if (t.defined()) wanted.push_back(t);
  }
  if (along.empty()) return;
  const variable_list found =
      torch::autograd::grad(along, wanted, by, /*retain_graph=*/create_graph, create_graph, /*allow_unused=*/true);
  size_t next = 0;
  ((outputs.defined() ? set_tangent(outputs, found[next++]) : void()), ...);
}

}  // namespace actinium::ops
