#include "csrc/ops/named.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

namespace actinium::ops {
namespace {

struct Entry {
  c10::string_view name;
  at::ArrayRef<math::Parameter> params;
};
template <template <class> class Formula>
Entry entry() {
  static constexpr const auto& params = Formula<float>::kParams;
  return {Formula<float>::kName, {params.data(), params.size()}};
}

// In the order of math::Gate, which begins as math::Activation.
const std::vector<Entry>& entries() {
#define ACTINIUM_ENTRY(Name) entry<math::Name>(),
  static const std::vector<Entry> all{ACTINIUM_ACTIVATIONS(ACTINIUM_ENTRY) ACTINIUM_GATES(ACTINIUM_ENTRY)};
#undef ACTINIUM_ENTRY
  return all;
}
constexpr int kActivations = 0
#define ACTINIUM_COUNT(Name) +1
    ACTINIUM_ACTIVATIONS(ACTINIUM_COUNT);
#undef ACTINIUM_COUNT

std::string names(int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += (i ? ", " : "") + std::string(entries()[i].name);
  return all;
}

// "negative_slope=0.01", or "no numbers"
std::string numbers_of(const Entry& entry) {
  if (entry.params.empty()) return "no numbers";
  std::ostringstream text;
  for (const math::Parameter& p : entry.params) {
    text << (&p == entry.params.begin() ? "" : ", ") << p.name << '=' << p.default_value;
  }
  return text.str();
}

Named find(const char* op, c10::string_view name, at::ArrayRef<double> params, c10::ScalarType dtype, int count) {
  int index = 0;
  while (index < count && entries()[index].name != name) ++index;
  TORCH_CHECK_VALUE(index < count, op, ": activation='", name, "', expected one of ", names(count));
  const Entry& entry = entries()[index];
  TORCH_CHECK_VALUE(params.size() <= entry.params.size(), op, ": params has ", params.size(), " numbers, but ",
                    entry.name, " takes ", numbers_of(entry));
  Named found{index, {}};
  for (size_t i = 0; i < entry.params.size(); ++i) {
    const double value = i < params.size() ? params[i] : entry.params[i].default_value;
    found.params[i] = index < kActivations && dtype != at::kDouble ? static_cast<float>(value) : value;
  }
  return found;
}

template <template <class> class Activation, size_t... I>
Tensor call(const Tensor& x, const double* params, std::index_sequence<I...>) {
  static const auto op =
      find_op<Tensor(const Tensor&, decltype((void)I, std::declval<const Scalar&>())...)>(Activation<float>::kName);
  return op.call(x, Scalar(params[I])...);
}

// The gates that are no activation's.
template <math::Gate gate>
using Is = std::integral_constant<math::Gate, gate>;
Tensor formula(Is<math::Gate::kSwigluClamped>, const Tensor& a, const Tensor& b, const double* params) {
  const double limit = params[0];
  return call<math::Swish>(a.clamp_max(limit), params + 1, std::make_index_sequence<1>()) *
         (b.clamp(-limit, limit) + 1);
}

}  // namespace

Named named_activation(const char* op, c10::string_view name, at::ArrayRef<double> params, c10::ScalarType dtype) {
  return find(op, name, params, dtype, kActivations);
}
Named named_gate(const char* op, c10::string_view name, at::ArrayRef<double> params, c10::ScalarType dtype) {
  const Named gate = find(op, name, params, dtype, static_cast<int>(entries().size()));
  if (gate.index == static_cast<int>(math::Gate::kSwigluClamped)) {
    TORCH_CHECK_VALUE(gate.params[0] >= 0, op, ": limit=", gate.params[0], ", expected a number that is not negative");
  }
  return gate;
}

Tensor apply_activation(const Named& activation, const Tensor& x) {
  switch (static_cast<math::Activation>(activation.index)) {
#define ACTINIUM_CASE(Name)       \
  case math::Activation::k##Name: \
    return call<math::Name>(x, activation.params.data(), std::make_index_sequence<math::Name<float>::kParams.size()>());
    ACTINIUM_ACTIVATIONS(ACTINIUM_CASE)
#undef ACTINIUM_CASE
  }
  return {};
}

Tensor apply_gate(const Named& gate, const Tensor& a, const Tensor& b) {
  switch (static_cast<math::Gate>(gate.index)) {
#define ACTINIUM_CASE(Name) \
  case math::Gate::k##Name: \
    return formula(Is<math::Gate::k##Name>(), a, b, gate.params.data());
    ACTINIUM_GATES(ACTINIUM_CASE)
#undef ACTINIUM_CASE
    default:
      return apply_activation(gate, a) * b;
  }
}

}  // namespace actinium::ops
