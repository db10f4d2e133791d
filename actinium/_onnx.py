"""Translations: what ``torch.onnx.export`` makes of the operators. Each takes its operator's arguments, of which the
tensors are values of an ONNX graph, and adds nodes to it.

Where ONNX has the activation it is used, because runtimes have kernels for it. Everything else is composed of
arithmetic, which is done as the operators do it: on 16-bit values in float32, rounded once."""

import math
import sys

import numpy as np
import torch
from onnxscript import evaluator, ir

ops = torch.ops.actinium


def _opset():
    """The opset that is exported to, which the exporter's recorder of nodes knows; its operators become nodes."""
    return evaluator.default().opset


def _has(op, name, x):
    """Whether the opset has an activation for the type of x. float64 is composed: attributes are float32."""
    activation = op[name]
    if activation is None or x.dtype == ir.DataType.DOUBLE:
        return False
    return f"tensor({x.dtype.name.lower()})" in activation.op_schema.type_constraints[0].allowed_type_strs


def _wide(op, x):
    """x in the type that it is computed in."""
    if x.dtype.bitwidth != 16:
        return x
    wide = op.Cast(x, to=ir.DataType.FLOAT)
    wide.dtype, wide.shape = ir.DataType.FLOAT, x.shape
    return wide


def _rounded(op, y, x):
    """y with the type and the dims of x."""
    if len(x.shape) == 0:
        y = op.Reshape(y, [])
    return op.Cast(y, to=x.dtype) if x.dtype.bitwidth == 16 else y


def _constants(op, x, *numbers):
    """Numbers in the type of x. They have dims, since the exporter's optimizer takes a scalar 1e-8 for 0."""
    shape = (1,) * max(len(x.shape), 1)
    return (op.Constant(value=ir.tensor(np.full(shape, number, x.dtype.numpy()))) for number in numbers)


def _along(op, p, x, dim):
    """p of one element or one per channel in the type of x, shaped to broadcast along dim."""
    shape = [1] * len(x.shape)
    if any(size != 1 for size in p.shape):
        shape[dim] = -1
    if p.dtype != x.dtype:
        p = op.Cast(p, to=x.dtype)
    return op.Reshape(p, shape)


# -------------------------------------------------------------------------------------------------------- pointwise


def mish(self):
    op = _opset()
    if _has(op, "Mish", self):
        return op.Mish(self)
    x = _wide(op, self)
    two, twenty = _constants(op, x, 2.0, 20.0)
    # tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2), and 1 from 20 on.
    e = op.Exp(op.Min(x, twenty))
    n = e * (e + two)
    return _rounded(op, x * (n / (n + two)), self)


def gelu(self):
    op = _opset()
    if _has(op, "Gelu", self):
        return op.Gelu(self, approximate="none")
    x = _wide(op, self)
    half, one, scale = _constants(op, x, 0.5, 1.0, math.sqrt(0.5))
    if x.dtype != ir.DataType.DOUBLE:
        return _rounded(op, half * x * (one + op.Erf(scale * x)), self)
    # onnxruntime has no Erf for it. The normal distribution at -|x| is an integral, which the midpoint rule with steps
    # of 1/2, and the residue of its integrand, give to 2^-53.
    t = op.Abs(scale * x)
    square, total = t * t, None
    for k in range(14):
        node = (k + 0.5) ** 2 / 4
        at, weight = _constants(op, x, node, math.exp(-node) / (2 * math.pi))
        total = weight / (square + at) if total is None else total + weight / (square + at)
    (steep,) = _constants(op, x, -4 * math.pi)
    below = op.Exp(op.Neg(square)) * t * total + op.Sigmoid(steep * t)
    return _rounded(op, x * op.Where(op.Greater(x, half - half), one - below, below), self)


def gelu_tanh(self):
    op = _opset()
    if _has(op, "Gelu", self):
        return op.Gelu(self, approximate="tanh")
    x = _wide(op, self)
    # (1 + tanh(u)) / 2 is the sigmoid of 2u.
    scale = math.sqrt(8 / math.pi)
    linear, cubic = _constants(op, x, scale, 0.044715 * scale)
    return _rounded(op, x * op.Sigmoid(x * (linear + cubic * (x * x))), self)


def _scaled_elu(op, self, alpha, scale):
    x = _wide(op, self)
    zero, half, one, right, left = _constants(op, x, 0.0, 0.5, 1.0, scale, 2 * scale * alpha)
    # ONNX has no expm1; it is 2t / (1 - t) with t = tanh(x / 2).
    t = op.Tanh(half * x)
    return _rounded(op, op.Where(op.Greater(x, zero), right * x, left * t / (one - t)), self)


def selu(self):
    op = _opset()
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    if _has(op, "Selu", self):
        return op.Selu(self, alpha=alpha, gamma=scale)
    return _scaled_elu(op, self, alpha, scale)


def elu(self, alpha=1.0):
    op = _opset()
    if _has(op, "Elu", self):
        return op.Elu(self, alpha=float(alpha))
    return _scaled_elu(op, self, alpha, 1.0)


def leaky_relu(self, negative_slope=0.01):
    op = _opset()
    if _has(op, "LeakyRelu", self):
        return op.LeakyRelu(self, alpha=float(negative_slope))
    x = _wide(op, self)
    zero, slope = _constants(op, x, 0.0, negative_slope)
    return _rounded(op, op.Where(op.Greater(x, zero), x, slope * x), self)


# These three have no attributes and are there for every dtype.
def relu(self):
    return _opset().Relu(self)


def sigmoid(self):
    return _opset().Sigmoid(self)


def tanh(self):
    return _opset().Tanh(self)


def swish(self, beta=1.0):
    op = _opset()
    if isinstance(beta, ir.Value):  # a number that depends on sizes
        return swish_tensor(self, beta)
    if _has(op, "Swish", self):
        return op.Swish(self, alpha=float(beta))
    x = _wide(op, self)
    (slope,) = _constants(op, x, beta)
    return _rounded(op, x * op.Sigmoid(x if beta == 1 else slope * x), self)


def quick_gelu(self):
    return swish(self, 1.702)


# ----------------------------------------------------------------------------------------------------- channelwise


def swish_tensor(self, beta, dim=1):
    op = _opset()
    x = _wide(op, self)
    return _rounded(op, x * op.Sigmoid(_along(op, beta, x, dim) * x), self)


def dice_forward(self, alpha, mean, var, eps, dim):
    op = _opset()
    x = _wide(op, self)
    one, eps = _constants(op, x, 1.0, eps)
    if mean is None:
        rank = len(self.shape)
        others = [i for i in range(rank) if i != dim % rank]
        center = op.ReduceMean(x, others, keepdims=1, noop_with_empty_axes=1)
        spread = op.ReduceMean((x - center) * (x - center), others, keepdims=1, noop_with_empty_axes=1)
        statistics = [op.Reshape(t, [-1]) for t in (center, spread)]
    else:
        center, spread = (_along(op, t, x, dim) for t in (mean, var))
        # None come back where they were given.
        statistics = [op.Constant(value=ir.tensor(np.empty(0, x.dtype.numpy()))) for _ in range(2)]
    gate = op.Sigmoid((x - center) / op.Sqrt(spread + eps))
    slope = _along(op, alpha, x, dim)
    return _rounded(op, x * (slope + (one - slope) * gate), self), *statistics


# ---------------------------------------------------------------------------------------------------------- maxout


def maxout(self, pieces, dim=1, layout="unit"):
    op = _opset()
    if pieces == 1:
        return op.Identity(self)
    if layout == "piece":
        candidates = op.Split(self, axis=dim, num_outputs=pieces)
    else:
        candidates = [op.Slice(self, [piece], [sys.maxsize], [dim], [pieces]) for piece in range(pieces)]
    # Not ReduceMax, which loses NaN in onnxruntime.
    return op.Max(*candidates)


TABLE = {
    ops.mish.default: mish,
    ops.gelu.default: gelu,
    ops.gelu_tanh.default: gelu_tanh,
    ops.selu.default: selu,
    ops.elu.default: elu,
    ops.relu.default: relu,
    ops.leaky_relu.default: leaky_relu,
    ops.sigmoid.default: sigmoid,
    ops.tanh.default: tanh,
    ops.quick_gelu.default: quick_gelu,
    ops.swish.default: swish,
    ops.swish.Tensor: swish_tensor,
    ops._dice_forward.default: dice_forward,
    ops.maxout.default: maxout,
}
