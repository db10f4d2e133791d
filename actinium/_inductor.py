"""What Inductor, the backend of torch.compile, makes of the pointwise operators, of softmax and of the binary loss.

An operator that it does not know ends a fused loop: its input and its output go through memory. So Inductor is given
the formulas, which it fuses with what stands around them. They are stable as those of the kernels are: no zero,
infinity or NaN where the exact value is none. What has sums in its backward (a tensor beta, Dice), Maxout and
softmax_cross_entropy stay kernels.
"""

import sys
from functools import partial

import torch
from torch import Tensor

from actinium import _build_info
from actinium._lazy import when_imported

ops = torch.ops.actinium


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _finite(x: Tensor) -> Tensor:
    """So that a gate of 0 closes on it."""
    return x.clamp(torch.finfo(x.dtype).min, torch.finfo(x.dtype).max)


def _gate(x: Tensor, z: Tensor) -> Tensor:
    """x sigmoid(z)"""
    e = torch.exp(-z.abs())
    return torch.where(z >= 0, x, _finite(x) * e) / (1 + e)


def _gate_slope(z: Tensor, y: Tensor) -> Tensor:
    """The derivative of x sigmoid(z(x)), with y = |x z'|."""
    e = torch.exp(-z.abs())
    below = e * (1 + e - y) / ((1 + e) * (1 + e))
    return torch.where(z > 0, 1 - below, below)


def _bell(z: Tensor) -> Tensor:
    """The derivative of sigmoid(z)."""
    e = torch.exp(-z.abs())
    return e / ((1 + e) * (1 + e))


def _tanh_slope(x: Tensor) -> Tensor:
    return 4 * _bell(2 * x)


def _mish(x: Tensor) -> Tensor:
    e = torch.exp(-x.abs())
    n = torch.where(x > 0, 1 + 2 * e, e * (e + 2))
    return torch.where(x > 0, x, _finite(x)) * (n / (n + torch.where(x > 0, 2 * e * e, 2)))


def _mish_slope(x: Tensor) -> Tensor:
    # From 20 (float64: 30) on it is 1, and e^4 is still far from overflow.
    x = _finite(x).clamp(max=20 if x.dtype == torch.float32 else 30)
    e = torch.exp(x)
    m = x * e + x
    d = 1 + e * (2 + e * (2 + e * (1 + 0.25 * e)))
    left = e * (1 + m + e * (1.5 + e * (1 + 0.25 * e)))
    return torch.where(x < 0, left / d, 1 - (1 + e * (1 + 0.5 * e - m)) / d)


def _swish(x: Tensor, beta: float = 1) -> Tensor:
    return _gate(x, _finite(beta * _finite(x)))


def _swish_slope(x: Tensor, beta: float = 1) -> Tensor:
    z = _finite(beta * _finite(x))
    return _gate_slope(z, z.abs())


def _normal_tail(a: Tensor) -> tuple[Tensor, Tensor]:
    """Of the normal distribution, in two factors, of which the second is exp(-a^2/2)."""
    return 0.5 * torch.special.erfcx(a * 0.7071067811865476), torch.exp(-0.5 * a * a)


def _gelu(x: Tensor) -> Tensor:
    a = x.abs().clamp(max=40)  # 0 and x from there on
    tail, bell = _normal_tail(a)
    return torch.relu(x) - a * tail * bell


def _gelu_slope(x: Tensor) -> Tensor:
    a = x.abs().clamp(max=40)
    tail, bell = _normal_tail(a)
    below = (tail - 0.3989422804014327 * a) * bell
    return torch.where(x > 0, 1 - below, below)


_GELU_TANH = (1.5957691216057308, 0.07135481627260025)  # of x and x^3, in twice what tanh is taken of


def _gelu_tanh(x: Tensor) -> Tensor:
    return _gate(x, _finite(x * (_GELU_TANH[0] + _GELU_TANH[1] * x * x)))


def _gelu_tanh_slope(x: Tensor) -> Tensor:
    x = x.clamp(-40, 40)  # 0 and 1 from there on
    square = x * x
    return _gate_slope(
        x * (_GELU_TANH[0] + _GELU_TANH[1] * square), x.abs() * (_GELU_TANH[0] + 3 * _GELU_TANH[1] * square)
    )


_LAMBDA, _LAMBDA_ALPHA = 1.0507009873554805, 1.7580993408473766


def _expm1(x: Tensor) -> Tensor:
    """For x below 0; Inductor's own is exp(x) - 1, without digits near 0."""
    series = 1
    for k in range(18 if x.dtype == torch.float64 else 10, 1, -1):
        series = 1 + x * (series * (1 / k))
    return torch.where(x > -0.5, x * series, torch.exp(x) - 1)


def _selu(x: Tensor) -> Tensor:
    return torch.where(x > 0, _LAMBDA * x, _LAMBDA_ALPHA * _expm1(x))


def _selu_slope(x: Tensor) -> Tensor:
    return torch.where(x > 0, _LAMBDA, _LAMBDA_ALPHA * torch.exp(x))


def _elu(x: Tensor, alpha: float = 1) -> Tensor:
    return torch.where(x > 0, x, alpha * _expm1(x))


def _elu_slope(x: Tensor, alpha: float = 1) -> Tensor:
    return torch.where(x > 0, 1, alpha * torch.exp(x))


def _leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    # 0 times -inf would not be a number.
    return torch.where(x > 0, x, negative_slope * (x if negative_slope else _finite(x)))


def _leaky_relu_slope(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    return torch.where(x > 0, 1, torch.where(x <= 0, negative_slope, x))  # NaN stays NaN


_FORMULAS = {
    "mish": (_mish, _mish_slope),
    "swish": (_swish, _swish_slope),
    "gelu": (_gelu, _gelu_slope),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_slope),
    "selu": (_selu, _selu_slope),
    "sigmoid": (torch.sigmoid, _bell),
    "tanh": (torch.tanh, _tanh_slope),
    "relu": (torch.relu, partial(_leaky_relu_slope, negative_slope=0)),
    "leaky_relu": (_leaky_relu, _leaky_relu_slope),
    "elu": (_elu, _elu_slope),
    "quick_gelu": (partial(_swish, beta=1.702), partial(_swish_slope, beta=1.702)),
}


def _softmax(self: Tensor, dim: int) -> Tensor:
    return torch.softmax(_wide(self), dim).to(self.dtype)


def _softmax_backward(grad: Tensor, output: Tensor, dim: int = -1) -> Tensor:
    g, y = _wide(grad), _wide(output)
    return (y * (g - (g * y).sum(dim, keepdim=True))).to(output.dtype)


def _log_softmax(self: Tensor, dim: int) -> Tensor:
    return torch.log_softmax(_wide(self), dim).to(self.dtype)


def _log_softmax_backward(grad: Tensor, output: Tensor, dim: int = -1) -> Tensor:
    g = _wide(grad)
    return (g - torch.exp(_wide(output)) * g.sum(dim, keepdim=True)).to(output.dtype)


def _softplus(x: Tensor) -> Tensor:
    return torch.relu(x) + torch.log1p(torch.exp(-x.abs()))


def _times(x: Tensor, weight: Tensor | None) -> Tensor:
    return x if weight is None else x * weight.to(x.dtype)


def _binary_cross_entropy(
    self: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None, reduce: bool
) -> Tensor:
    x, y = _wide(self), _wide(target)
    loss = _times((1 - y) * _softplus(x) + _times(y * _softplus(-x), pos_weight), weight)
    return loss.sum() if reduce else loss.to(self.dtype)


def _binary_cross_entropy_backward(
    grad: Tensor,
    self: Tensor,
    target: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    reduce: bool,
    mask: tuple[bool, bool] = (True, True),
) -> tuple[Tensor | None, Tensor | None]:
    x, y = _wide(self), _wide(target)
    g = _times(_wide(grad), weight)
    e = torch.exp(-x.abs())
    large, small = 1 / (1 + e), e / (1 + e)
    s, rest = torch.where(x > 0, large, small), torch.where(x > 0, small, large)
    by_self = g * ((1 - y) * s - _times(y * rest, pos_weight))
    by_target = g * (_times(_softplus(-x), pos_weight) - _softplus(x))
    return tuple(t.to(self.dtype) if wanted else None for t, wanted in zip((by_self, by_target), mask, strict=True))


_fused = False  # docs/fusion.md: on the CPU the kernels are faster


class fuse:
    """Whether ``torch.compile`` fuses the pointwise operators, softmax, its logarithm and
    ``sigmoid_binary_cross_entropy`` with what stands around them, or calls Actinium's kernels for them (as it does from
    the start).

    Called as a function it holds until it is called again; as a context manager, for what is compiled in the block.
    Fused, an operator costs no memory traffic of its own and is computed with Inductor's elementary functions; a kernel
    is faster where nothing can be fused with it, and exact to the bounds in docs/accuracy.md.

    Args:
        enabled: False calls the kernels.
    """

    def __init__(self, enabled: bool = True) -> None:
        self._before = _fused
        _set(enabled)

    def __enter__(self) -> "fuse":
        return self

    def __exit__(self, *exception) -> None:
        _set(self._before)


def _set(enabled: bool) -> None:
    global _fused
    _fused = enabled
    # Torch keeps what it compiled on the disk, by what was to be compiled and not by these formulas.
    config = torch.compiler.config
    others = [tag for tag in config.cache_key_tag.split(";") if tag and not tag.startswith("actinium ")]
    config.cache_key_tag = ";".join([*others, f"actinium {_build_info.version} {'fused' if enabled else 'kernels'}"])
    if _TABLE in sys.modules:
        _fill_table()


def _decomposition(formula, grads):
    def decompose(*arguments, **numbers):
        self = arguments[grads]
        value = formula(_wide(self), *arguments[grads + 1 :], **numbers)
        for grad in arguments[:grads]:
            value = _wide(grad) * value
        return value.to(self.dtype)

    return decompose


def _decompositions() -> dict:
    table = {}
    for name, (f, df) in _FORMULAS.items():
        table[getattr(ops, name).default] = _decomposition(f, grads=0)
        table[getattr(ops, name + "_backward").default] = _decomposition(df, grads=1)
    return table | {
        ops._softmax.default: _softmax,
        ops.softmax_backward.default: _softmax_backward,
        ops._log_softmax.default: _log_softmax,
        ops.log_softmax_backward.default: _log_softmax_backward,
        ops._sigmoid_binary_cross_entropy.default: _binary_cross_entropy,
        ops._sigmoid_binary_cross_entropy_backward.default: _binary_cross_entropy_backward,
    }


_TABLE = "torch._inductor.decomposition"


def _fill_table() -> None:
    inductor = sys.modules[_TABLE]
    for op, decomposition in _decompositions().items():
        if _fused:
            inductor.decompositions[op] = decomposition
        else:
            inductor.decompositions.pop(op, None)
    inductor.fast_random_decomps.cache_clear()


def register() -> None:
    _set(_fused)
    when_imported(_TABLE, _fill_table)
