#pragma once
// Third and higher derivatives, and forward mode over second ones: what a double backward is differentiated by.
//
// Kernels end with the second derivative. What comes after is rare (the loss of a physics-informed network, a Hessian
// in a gradient) and is left to autograd on the op's formula in ATen's own ops, which can be differentiated for ever.
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "csrc/ops/node.h"

namespace actinium::ops {

// d<of, weights> / d by, where both are defined and depend on something.
inline variable_list gradients(const variable_list& of, const variable_list& weights, const variable_list& by,
                               bool graph) {
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
}

// A double backward in ATen's ops, D(gg, grad, inputs) = the gradients of <gg, gradients of <grad, f(inputs)> by
// inputs> by (grad, inputs...), as the double backward ops are defined. Undefined tensors stand for zeros.
struct DoubleBackward {
  variable_list variables;  // gg..., grad, inputs...
  variable_list outputs;
  bool wanted = false;  // whether anything but these variables may need a gradient

  template <class F>
  DoubleBackward(F f, const variable_list& gg, const Tensor& grad, const variable_list& inputs) {
    const at::AutoGradMode enable(true);
    // A tensor of its own for each argument, so that one that is passed twice is not two variables at once. A view,
    // since detach() would cut the graphs and tangents of outer function transforms, too. The view is asked whether it
    // needs a gradient: what a transform that has ended left in a node says yes, but the tensor in it may not.
    const auto variable = [&](const Tensor& t) {
      Tensor v = t.defined() ? t.view_as(t) : t;
      if (v.defined()) {
        wanted |= torch::autograd::compute_requires_grad(v, tangent(v));
        if (!v.requires_grad()) v.requires_grad_();
      }
      variables.push_back(v);
      return v;
    };
    variable_list a, x;
    for (const Tensor& t : gg) a.push_back(variable(t));
    const Tensor g = variable(grad);
    for (const Tensor& t : inputs) x.push_back(variable(t));
    variable_list by(1, g);
    by.insert(by.end(), x.begin(), x.end());
    const Tensor y = f(x);
    // Inside vmap a batch may not tell its tensors that they are variables; the result would be zeros.
    TORCH_CHECK_NOT_IMPLEMENTED(
        y.requires_grad(),
        "the derivative of a double backward, taken by torch.func.vjp or jacrev inside vmap, is "
        "not supported; put vmap inside, or take it by torch.func.grad");
    outputs = gradients(gradients({y}, {g}, x, true), a, by, true);
    // Inside a function transform, what is not wanted by it may be wanted by an outer one.
    wanted |= c10::impl::tls_is_dispatch_key_included(c10::DispatchKey::FuncTorchDynamicLayerBackMode);
  }
};

// Given the gradients of D's outputs, returns those of gg..., grad, inputs...
template <class F>
variable_list differentiate_double_backward(F f, const variable_list& gg, const Tensor& grad,
                                            const variable_list& inputs, const variable_list& grads) {
  const DoubleBackward d(f, gg, grad, inputs);
  const bool wanted = d.wanted || torch::autograd::compute_requires_grad(at::TensorList(grads));
  return gradients(d.outputs, grads, d.variables, at::GradMode::is_enabled() && wanted);
}

// Gives `outputs` of D the tangents that those of its inputs make, if there are any.
template <class F>
void set_double_backward_tangents(F f, const variable_list& gg, const Tensor& grad, const variable_list& inputs,
                                  const variable_list& outputs) {
  const auto any = [](const variable_list& ts) { return std::any_of(ts.begin(), ts.end(), has_tangent); };
  if (!any(gg) && !has_tangent(grad) && !any(inputs)) return;
  const DoubleBackward d(f, gg, grad, inputs);
  const at::AutoGradMode mode(at::GradMode::is_enabled() && d.wanted);
  for (size_t i = 0; i < outputs.size(); ++i) {
    // A view: made without grad mode, it is free of the graph.
    if (const Tensor t = tangent(d.outputs[i]); t.defined()) set_tangent(outputs[i], t.view_as(t));
  }
}

}  // namespace actinium::ops
