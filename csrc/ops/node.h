#pragma once
// Recording a call in the graph, as the kernels that torch generates for its own ops do.
//
// torch::autograd::Function would be shorter, but an op made with it has no forward mode, no torch.func and no
// compile with fullgraph. Here a kernel under the Autograd key makes a node of the graph, redispatches below autograd,
// hands the output to the node, and sets the output's tangent where an input has one.
//
// This header also hides what differs between versions of torch: a node is held by shared_ptr with `deleteNode` in
// 2.11 and by c10::intrusive_ptr in 2.15.
#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/VariableTypeUtils.h>
#include <torch/csrc/dynamo/compiled_autograd.h>

#include <array>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "csrc/ops/common.h"

namespace actinium::ops {

using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

template <class N>
using NodePtr = std::conditional_t<std::is_same_v<decltype(torch::autograd::Edge::function), std::shared_ptr<Node>>,
                                   std::shared_ptr<N>, c10::intrusive_ptr<N>>;

// A node that saves kSaved tensors and the numbers of the call. Grad has
//   static std::string name();                 what grad_fn prints
//   static constexpr int kSaved;
//   std::tuple<...> numbers;                   what else the call was given
//   variable_list operator()(const variable_list& grads, const std::array<Tensor, kSaved>& saved,
//                            Wanted wanted) const;
// where wanted(i) tells whether the gradient of the i-th recorded input is needed.
struct Wanted {
  std::vector<bool> inputs;
  bool operator()(size_t i) const { return inputs[i]; }
};

template <class Grad>
class GradNode final : public Node {
 public:
  explicit GradNode(Grad grad) : grad_(std::move(grad)) {}

  template <class... Tensors>
  void save(const Tensors&... tensors) {
    static_assert(sizeof...(Tensors) == Grad::kSaved);
    saved_ = {SavedVariable(tensors, /*is_output=*/false)...};
  }
  // The output of the call, whose source this node has been made, or of which it is, for a view, a part: it must not
  // own itself.
  void save_output(const Tensor& output) {
    static_assert(Grad::kSaved == 1);
    saved_ = {SavedVariable(output, /*is_output=*/true, /*is_inplace_on_view=*/output.is_view())};
    saved_output_ = true;
  }

  variable_list apply(variable_list&& grads) override {
    std::lock_guard<std::mutex> lock(mutex_);
    std::array<Tensor, Grad::kSaved> tensors;
    for (size_t i = 0; i < tensors.size(); ++i) tensors[i] = saved_[i].unpack(getptr());
    Wanted wanted;
    for (size_t i = 0; i < num_outputs(); ++i) wanted.inputs.push_back(task_should_compute_output(i));
    return differentiate(grad_, grads, tensors, wanted);
  }

  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    for (SavedVariable& saved : saved_) saved.reset_data();
  }

  std::string name() const override { return Grad::name(); }

  // Compiled autograd: what the node depends on, and a call with stand-ins for it, which Python records as a call of
  // apply_packed.
  void compiled_args(torch::dynamo::autograd::CompiledNodeArgs& args) const override {
    args.collect(Grad::name());
    for (const SavedVariable& saved : saved_) args.collect(saved, saved_output_);
    std::apply([&](const auto&... number) { (args.collect(number), ...); }, grad_.numbers);
  }
  variable_list apply_with_saved(const variable_list& grads,
                                 torch::dynamo::autograd::SwapSavedVariables& swap) override {
    for (SavedVariable& saved : saved_) swap.before(saved);
    std::apply([&](auto&... number) { (swap.before(number), ...); }, grad_.numbers);

    namespace dynamo = torch::dynamo::autograd;
    dynamo::PackedArgs packed;
    for (const SavedVariable& saved : saved_) packed.pack(saved.unpack(getptr()));
    std::apply([&](const auto&... number) { (packed.pack(number), ...); }, grad_.numbers);
    std::vector<bool> wanted;
    for (size_t i = 0; i < num_outputs(); ++i) wanted.push_back(task_should_compute_output(i));
    packed.pack(wanted);
    const auto metadata = dynamo::IValuePacker<std::vector<std::optional<torch::autograd::InputMetadata>>>::pack(
        dynamo::get_input_metadata(next_edges()));
    const auto& python = dynamo::getPyCompilerInterface();
    static const std::string bound =
        python->bind_function(swap.get_py_compiler(), "actinium::" + Grad::name(), apply_packed, packed_types());
    variable_list result =
        python->call_function(swap.get_py_compiler(), "apply_functional", bound, grads, packed.vec(), metadata);

    for (SavedVariable& saved : saved_) swap.after(saved);
    std::apply([&](auto&... number) { (swap.after(number), ...); }, grad_.numbers);
    return result;
  }

 private:
  static variable_list differentiate(const Grad& grad, const variable_list& grads,
                                     const std::array<Tensor, Grad::kSaved>& saved, const Wanted& wanted) {
    for (const Tensor& g : grads) {
      if (g.defined()) return grad(grads, saved, wanted);
    }
    return variable_list(wanted.inputs.size());
  }

  static variable_list apply_packed(const variable_list& grads, const std::vector<c10::IValue>& args) {
    torch::dynamo::autograd::PackedArgs packed(args);
    std::array<Tensor, Grad::kSaved> saved;
    for (Tensor& t : saved) t = packed.unpack<Tensor>();
    Grad grad{};
    std::apply([&](auto&... number) { ((number = packed.unpack<std::remove_reference_t<decltype(number)>>()), ...); },
               grad.numbers);
    return differentiate(grad, grads, saved, Wanted{packed.unpack<std::vector<bool>>()});
  }
  static std::vector<at::TypePtr> packed_types() {
    using torch::dynamo::autograd::IValuePacker;
    std::vector<at::TypePtr> types(Grad::kSaved, IValuePacker<Tensor>::packed_type());
    std::apply(
        [&](const auto&... number) {
          (types.push_back(IValuePacker<std::decay_t<decltype(number)>>::packed_type()), ...);
        },
        decltype(Grad::numbers){});
    types.push_back(IValuePacker<std::vector<bool>>::packed_type());
    return types;
  }

  Grad grad_;
  std::array<SavedVariable, Grad::kSaved> saved_;
  bool saved_output_ = false;
};

// A node for a call with these inputs, or null where none of them needs a gradient. An edge for each input, in order.
template <class Grad, class... Inputs>
NodePtr<GradNode<Grad>> record(Grad grad, const Inputs&... inputs) {
  if (!torch::autograd::compute_requires_grad(inputs...)) return nullptr;
  NodePtr<GradNode<Grad>> node;
  if constexpr (std::is_same_v<NodePtr<Node>, std::shared_ptr<Node>>) {
    // Found by its argument, since torch versions with intrusive nodes do not declare it.
    node = NodePtr<GradNode<Grad>>(new GradNode<Grad>(std::move(grad)), [](GradNode<Grad>* n) { deleteNode(n); });
  } else {
    node = c10::make_intrusive<GradNode<Grad>>(std::move(grad));
  }
  node->set_next_edges(torch::autograd::collect_next_edges(inputs...));
  return node;
}

// The output of the next backend, below autograd and in-place bookkeeping.
template <class F>
auto below_autograd(F f) {
  at::AutoDispatchBelowADInplaceOrView guard;
  return f();
}

// Makes node, unless it is null, the source of output's gradient.
template <class Pointer>
void attach(const Tensor& output, const Pointer& node) {
  if (node) torch::autograd::set_history(output, node);
}

// Forward mode. Level 0 is the only one; torch.func's levels are wrappers of their own.
inline bool has_tangent(const Tensor& t) { return t.defined() && t._fw_grad(/*level=*/0).defined(); }
inline Tensor tangent(const Tensor& t) { return t.defined() ? t._fw_grad(/*level=*/0) : Tensor(); }
inline Tensor primal(const Tensor& t) { return t.defined() ? t._fw_primal(/*level=*/0) : t; }
inline void set_tangent(const Tensor& t, const Tensor& tangent) {
  if (t.defined() && tangent.defined()) t._set_fw_grad(tangent, /*level=*/0, /*is_inplace_op=*/false);
}
inline std::optional<Tensor> optional(const Tensor& t) { return t.defined() ? std::optional<Tensor>(t) : std::nullopt; }
inline Tensor defined(const std::optional<Tensor>& t) { return t ? *t : Tensor(); }
// a + b, where either may be absent.
inline Tensor add_defined(const Tensor& a, const Tensor& b) { return !a.defined() ? b : !b.defined() ? a : a + b; }

}  // namespace actinium::ops
