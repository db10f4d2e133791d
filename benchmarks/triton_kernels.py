"""The pointwise functions as Triton kernels, one element a lane, as public libraries have them.

The formulas are those of FlagGems (github.com/flagos-ai/FlagGems, src/flag_gems/ops: mish.py, silu.py, gelu.py), with
tanh written by exp, and the others' those of the papers; float32 is computed in for 16-bit types. They are measured,
not used.
"""

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


@triton.jit
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def _tanh(x):
    return 2 * _sigmoid(2 * x) - 1


@triton.jit
def _mish(x, beta):
    return x * _tanh(tl.log(1 + tl.exp(x)))


@triton.jit
def _mish_slope(x, beta):
    t = _tanh(tl.log(1 + tl.exp(x)))
    return t + x * (1 - t * t) * _sigmoid(x)


@triton.jit
def _swish(x, beta):
    return x * _sigmoid(beta * x)


@triton.jit
def _swish_slope(x, beta):
    s = _sigmoid(beta * x)
    return s * (1 + beta * x * (1 - s))


@triton.jit
def _gelu_tanh(x, beta):
    return 0.5 * x * (1 + _tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x)))


@triton.jit
def _gelu_tanh_slope(x, beta):
    t = _tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x))
    return 0.5 * (x * (1 - t * t) * (0.7978845608028654 + 0.1070322243 * x * x) + 1 + t)


@triton.jit
def _selu(x, beta):
    return 1.0507009873554805 * tl.where(x > 0, x, 1.6732632423543772 * (tl.exp(x) - 1))


@triton.jit
def _selu_slope(x, beta):
    return 1.0507009873554805 * tl.where(x > 0, 1, 1.6732632423543772 * tl.exp(x))


@triton.jit
def _gelu(x, beta):
    return 0.5 * x * (1 + tl.erf(x * 0.7071067811865476))


@triton.jit
def _gelu_slope(x, beta):
    return 0.5 * (1 + tl.erf(x * 0.7071067811865476)) + 0.3989422804014327 * x * tl.exp(-0.5 * x * x)


@triton.jit
def _elu(x, beta):
    return tl.where(x > 0, x, tl.exp(x) - 1)


@triton.jit
def _elu_slope(x, beta):
    return tl.where(x > 0, 1, tl.exp(x))


@triton.jit
def _relu(x, beta):
    return tl.where(x > 0, x, 0)


@triton.jit
def _relu_slope(x, beta):
    return tl.where(x > 0, 1, 0)


@triton.jit
def _leaky_relu(x, beta):
    return tl.where(x > 0, x, beta * x)


@triton.jit
def _leaky_relu_slope(x, beta):
    return tl.where(x > 0, 1, beta)


@triton.jit
def _logistic(x, beta):
    return _sigmoid(x)


@triton.jit
def _logistic_slope(x, beta):
    s = _sigmoid(x)
    return s * (1 - s)


@triton.jit
def _tangent(x, beta):
    return _tanh(x)


@triton.jit
def _tangent_slope(x, beta):
    t = _tanh(x)
    return 1 - t * t


FORMULAS = {
    "mish": (_mish, _mish_slope),
    "swish": (_swish, _swish_slope),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_slope),
    "selu": (_selu, _selu_slope),
    "gelu": (_gelu, _gelu_slope),
    "quick_gelu": (_swish, _swish_slope),
    "elu": (_elu, _elu_slope),
    "relu": (_relu, _relu_slope),
    "leaky_relu": (_leaky_relu, _leaky_relu_slope),
    "sigmoid": (_logistic, _logistic_slope),
    "tanh": (_tangent, _tangent_slope),
}


@triton.jit
def forward_kernel(x, y, n, formula: tl.constexpr, beta: tl.constexpr, number: tl.constexpr, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    value = tl.load(x + at, at < n).to(number)
    tl.store(y + at, formula(value, beta), at < n)


@triton.jit
def backward_kernel(g, x, y, n, formula: tl.constexpr, beta: tl.constexpr, number: tl.constexpr, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    grad = tl.load(g + at, at < n).to(number)
    value = tl.load(x + at, at < n).to(number)
    tl.store(y + at, grad * formula(value, beta), at < n)


def _number(t: Tensor) -> tl.dtype:
    return tl.float64 if t.element_size() == 8 else tl.float32


def forward(base: str, beta: float, x: Tensor, out: Tensor) -> Tensor:
    n = x.numel()
    forward_kernel[(triton.cdiv(n, BLOCK),)](x, out, n, FORMULAS[base][0], beta, _number(x), BLOCK)
    return out


def backward(base: str, beta: float, g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    n = x.numel()
    backward_kernel[(triton.cdiv(n, BLOCK),)](g, x, out, n, FORMULAS[base][1], beta, _number(x), BLOCK)
    return out
