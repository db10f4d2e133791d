#include "csrc/ops/common.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>

#include <array>
#include <cctype>
#include <sstream>

namespace actinium {

namespace {
std::array<const Backend*, static_cast<size_t>(c10::DeviceType::COMPILE_TIME_MAX_DEVICE_TYPES)> backends;
}  // namespace

void register_backend(c10::DeviceType device, const Backend* backend) {
  backends[static_cast<size_t>(device)] = backend;
}
const Backend* backend(c10::DeviceType device) { return backends[static_cast<size_t>(device)]; }

namespace ops {

void check_given(const char* op, const char* argument, const Tensor& t) {
  TORCH_CHECK_TYPE(t.defined(), op, ": ", argument, " is None, expected a Tensor");
}

void check_input(const char* op, const char* argument, const Tensor& t) {
  check_given(op, argument, t);
  const auto dtype = t.scalar_type();
  TORCH_CHECK_TYPE(dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16 || dtype == at::kHalf, op,
                   ": ", argument, " has dtype ", dtype, ", expected Float, Double, BFloat16 or Half");
  TORCH_CHECK_NOT_IMPLEMENTED(!t.is_nested(), op, ": ", argument, " is a nested tensor, which has no kernel here");
}

void check_dtype(const char* op, const char* argument, const Tensor& t, const Tensor& self, const char* like) {
  TORCH_CHECK_TYPE(t.scalar_type() == self.scalar_type(), op, ": ", argument, " has dtype ", t.scalar_type(), ", but ",
                   like, " has ", self.scalar_type());
}

void check_device(const char* op, const char* argument, const Tensor& t, const Tensor& self, const char* like) {
  TORCH_CHECK(t.device() == self.device(), op, ": ", argument, " is on ", t.device(), ", but ", like, " is on ",
              self.device());
}

void check_like(const char* op, const char* argument, const Tensor& t, const Tensor& self, const char* like) {
  check_given(op, argument, t);
  check_dtype(op, argument, t, self, like);
  check_device(op, argument, t, self, like);
  TORCH_CHECK_VALUE(t.sym_sizes() == self.sym_sizes(), op, ": ", argument, " has shape ", shape_of(t), ", but ", like,
                    " has ", shape_of(self));
}

const Backend& backend_of(const char* op, const Tensor& self) {
  const Backend* const found = backend(self.device().type());
  TORCH_CHECK_NOT_IMPLEMENTED(found != nullptr, op, ": self is on ", self.device(),
                              ", but no Actinium library for that device is loaded",
                              self.is_cuda() ? " (libactinium_cuda.so; was Actinium built with CUDA?)" : "");
  return *found;
}

void check_reduction(const char* op, c10::string_view reduction) {
  TORCH_CHECK_VALUE(reduction == "none" || reduction == "mean" || reduction == "sum", op, ": reduction='", reduction,
                    "', expected 'none', 'mean' or 'sum'");
}

c10::ScalarType opmath_type(c10::ScalarType dtype) { return dtype == at::kDouble ? at::kDouble : at::kFloat; }

Tensor output_like(const Tensor& self) {
  // TensorIterator's own order of preference. A compiler may not know a size; what depends on it counts as false.
  if (self.is_contiguous_or_false()) return at::empty_like(self, self.options(), at::MemoryFormat::Contiguous);
  if (self.is_contiguous_or_false(at::MemoryFormat::ChannelsLast)) {
    return at::empty_like(self, self.options(), at::MemoryFormat::ChannelsLast);
  }
  if (self.unsafeGetTensorImpl()->is_non_overlapping_and_dense_or_false()) {
    return at::empty_strided_symint(self.sym_sizes(), self.sym_strides(), self.options());
  }
  return at::empty_like(self, self.options(), at::MemoryFormat::Preserve);
}

void prepare_out(const char* op, const Tensor& out, const Tensor& self) {
  check_given(op, "out", out);
  const bool symbolic = out.unsafeGetTensorImpl()->has_symbolic_sizes_strides() ||
                        self.unsafeGetTensorImpl()->has_symbolic_sizes_strides();
  if (out.is_same(self)) {
    if (!symbolic) at::assert_no_internal_overlap(out);
    return;
  }
  check_dtype(op, "out", out, self);
  check_device(op, "out", out, self);
  if (symbolic) {  // sizes that a compiler does not know yet; TensorIterator wants numbers
    if (out.sym_sizes() != self.sym_sizes()) out.resize__symint(self.sym_sizes());
    return;
  }
  at::TensorIteratorConfig().set_check_mem_overlap(true).add_output(out).add_const_input(self).build();
}

bool same_layout(const Tensor& a, const Tensor& b) {
  if (a.is_contiguous() && b.is_contiguous()) return true;
  return a.is_non_overlapping_and_dense() && a.sym_strides() == b.sym_strides();
}

std::string shape_of(const Tensor& t) {
  std::ostringstream out;
  out << t.sym_sizes();
  return out.str();
}

std::string camel_case(const std::string& name) {
  std::string out;
  bool up = true;
  for (const char c : name) {
    if (c == '_') {
      up = true;
      continue;
    }
    out += up ? static_cast<char>(std::toupper(c)) : c;
    up = false;
  }
  return out;
}

}  // namespace ops
}  // namespace actinium
