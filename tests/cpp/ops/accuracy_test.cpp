// Every bfloat16 and float16 there is, through the operators with their 16-bit loads and stores. (scripts/accuracy does
// it for every float32.)
#include <ATen/ATen.h>
#include <actinium/actinium.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <numeric>
#include <vector>

#include "tests/cpp/math/reference.h"

namespace actinium::test {
namespace {

using at::Tensor;

struct Row {
  const char* name;
  std::function<Tensor(const Tensor&)> function;
  std::function<double(int pass, double x)> exact;
};
const Row kRows[] = {
    {"mish", [](const Tensor& x) { return actinium::mish(x); },
     [](int pass, double x) { return reference::mish(pass, x); }},
    {"gelu", [](const Tensor& x) { return actinium::gelu(x); },
     [](int pass, double x) { return reference::gelu(pass, x); }},
    {"gelu_tanh", [](const Tensor& x) { return actinium::gelu_tanh(x); },
     [](int pass, double x) { return reference::gelu_tanh(pass, x); }},
    {"selu", [](const Tensor& x) { return actinium::selu(x); },
     [](int pass, double x) { return reference::selu(pass, x); }},
    {"quick_gelu", [](const Tensor& x) { return actinium::quick_gelu(x); },
     [](int pass, double x) { return reference::swish(pass, x, 1.702); }},
    {"sigmoid", [](const Tensor& x) { return actinium::sigmoid(x); },
     [](int pass, double x) { return reference::sigmoid(pass, x); }},
    {"tanh", [](const Tensor& x) { return actinium::tanh(x); },
     [](int pass, double x) { return reference::tanh(pass, x); }},
    {"relu", [](const Tensor& x) { return actinium::relu(x); },
     [](int pass, double x) { return reference::leaky_relu(pass, x, 0.); }},
    {"leaky_relu", [](const Tensor& x) { return actinium::leaky_relu(x); },
     [](int pass, double x) { return reference::leaky_relu(pass, x, double(0.01f)); }},
    {"elu", [](const Tensor& x) { return actinium::elu(x); },
     [](int pass, double x) { return reference::elu(pass, x, 1.); }},
    {"swish", [](const Tensor& x) { return actinium::swish(x); },
     [](int pass, double x) { return reference::swish(pass, x, 1.); }},
    {"swish(-1.5)", [](const Tensor& x) { return actinium::swish(x, -1.5); },
     [](int pass, double x) { return reference::swish(pass, x, -1.5); }},
};

struct Format {
  at::ScalarType dtype;
  int mantissa, min_exponent;
  double max;
};
constexpr Format kFormats[] = {{at::kBFloat16, 7, -126, 0x1.fep127}, {at::kHalf, 10, -14, 65504}};

// Computed in float32 and rounded once, beside the roots of f' too: there no term of size one is rounded.
TEST(Accuracy, EveryHalfIsRoundedOnce) {
  std::vector<int16_t> bits(1 << 16);
  std::iota(bits.begin(), bits.end(), std::numeric_limits<int16_t>::min());
  for (const Format& format : kFormats) {
    const Tensor x = at::tensor(bits, at::kShort).view(format.dtype).requires_grad_();
    const Tensor ones = at::ones_like(x);
    const Tensor wide = x.detach().to(at::kDouble);
    for (const Row& row : kRows) {
      Tensor y = row.function(x);
      for (int pass = 0; pass < 3; ++pass) {
        if (pass > 0) y = torch::autograd::grad({y}, {x}, {ones}, true, true)[0];
        const Tensor values = y.detach().to(at::kDouble);
        for (int64_t i = 0; i < wide.numel(); ++i) {
          const double in = wide.const_data_ptr<double>()[i], got = values.const_data_ptr<double>()[i];
          const double want = row.exact(pass, in);
          const double ulp = reference::ulp(got, want, format.mantissa, format.min_exponent, format.max);
          EXPECT_LE(ulp, 0.501) << row.name << " pass " << pass << " " << format.dtype << ": x = " << std::hexfloat
                                << in << ", got " << got << ", want " << want;
        }
      }
    }
  }
}

}  // namespace
}  // namespace actinium::test
