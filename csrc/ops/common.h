#pragma once
// What every op needs: its handle, the checks of its arguments, the layout of its output.
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <string>

#include "csrc/backend.h"

namespace actinium::ops {

using at::Scalar;
using at::Tensor;
using c10::DispatchKeySet;
using c10::SymInt;

// The dispatcher's typed entry of `actinium::name.overload`.
template <class Signature>
c10::TypedOperatorHandle<Signature> find_op(const std::string& name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(("actinium::" + name).c_str(), overload).typed<Signature>();
}

// "name.overload", or the name where there is none.
inline std::string full_name(const std::string& name, const std::string& overload) {
  return overload.empty() ? name : name + "." + overload;
}

// An argument that is no tensor, as Python's None, arrives as an undefined one.
void check_given(const char* op, const char* argument, const Tensor& t);
// ops compute float32, float64, bfloat16 and float16, dense.
void check_input(const char* op, const char* argument, const Tensor& t);
// `t` has the dtype, or is on the device, of `self`, an argument called `like`.
void check_dtype(const char* op, const char* argument, const Tensor& t, const Tensor& self, const char* like = "self");
void check_device(const char* op, const char* argument, const Tensor& t, const Tensor& self, const char* like = "self");
// `t` goes with `self`, an argument called `like`: same shape, dtype and device.
void check_like(const char* op, const char* argument, const Tensor& t, const Tensor& self, const char* like = "self");
// The op's kernels for the device of self, or an error that says what to load.
const Backend& backend_of(const char* op, const Tensor& self);

// "none", "mean" or "sum".
void check_reduction(const char* op, c10::string_view reduction);

// float32 for the 16-bit types, else the dtype itself: what parameters and sums are computed in.
c10::ScalarType opmath_type(c10::ScalarType dtype);

// A new tensor of the sizes and the layout that a builtin's output would have: contiguous if self is, else
// channels_last if self is, else self's strides if it is dense, else dense in the order of self's strides.
Tensor output_like(const Tensor& self);

// out= as a builtin takes it: resized to self's shape, of self's dtype, and not overlapping self but for self itself.
void prepare_out(const char* op, const Tensor& out, const Tensor& self);

// Whether a and b lie in memory alike, so that one flat index serves both.
bool same_layout(const Tensor& a, const Tensor& b);

// "[2, 3]" of a shape, for messages.
std::string shape_of(const Tensor& t);

// "gelu_tanh" -> "GeluTanh", for what grad_fn prints.
std::string camel_case(const std::string& name);

}  // namespace actinium::ops
