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
    wide = _typed(op.Cast(x, to=ir.DataType.FLOAT), x, x.shape)
    wide.dtype = ir.DataType.FLOAT
    return wide


def _rounded(op, y, x):
    """y with the type and the dims of x."""
    if len(x.shape) == 0:
        y = op.Reshape(y, [])
    return op.Cast(y, to=x.dtype) if x.dtype.bitwidth == 16 else y


def _typed(value, x, shape):
    """A value that was made of x, with the type and the dims that the next step asks for."""
    value.dtype, value.shape = x.dtype, shape
    return value


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


def prelu(self, weight, dim=1):
    op = _opset()
    x = _wide(op, self)
    (zero,) = _constants(op, x, 0.0)
    return _rounded(op, op.Where(op.Greater(x, zero), x, _along(op, weight, x, dim) * x), self)


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


def _moments(op, x, dim):
    rank = len(x.shape)
    others = [i for i in range(rank) if i != dim % rank]
    center = op.ReduceMean(x, others, keepdims=1, noop_with_empty_axes=1)
    return center, op.ReduceMean((x - center) * (x - center), others, keepdims=1, noop_with_empty_axes=1)


def channel_stats(self, dim):
    op = _opset()
    return tuple(op.Reshape(t, [-1]) for t in _moments(op, _wide(op, self), dim))


def dice_gate(self, alpha, mean, scale, bias, dim):
    op = _opset()
    x = _wide(op, self)
    slope, mean, scale, bias = (_along(op, t, x, dim) for t in (alpha, mean, scale, bias))
    (one,) = _constants(op, x, 1.0)
    gate = op.Sigmoid((x - mean) * scale + bias)
    return _rounded(op, x * (slope + (one - slope) * gate), self)


def dice_forward(self, alpha, mean, var, eps, dim):
    op = _opset()
    x = _wide(op, self)
    one, eps = _constants(op, x, 1.0, eps)
    if mean is None:
        center, spread = _moments(op, x, dim)
        statistics = [op.Reshape(t, [-1]) for t in (center, spread)]
    else:
        center, spread = (_along(op, t, x, dim) for t in (mean, var))
        # None come back where they were given.
        statistics = [op.Constant(value=ir.tensor(np.empty(0, x.dtype.numpy()))) for _ in range(2)]
    gate = op.Sigmoid((x - center) / op.Sqrt(spread + eps))
    slope = _along(op, alpha, x, dim)
    return _rounded(op, x * (slope + (one - slope) * gate), self), *statistics


def bias_act(self, bias, activation, params=(), dim=1):
    op = _opset()
    x = _wide(op, self)
    return _rounded(op, activate(_typed(x + _along(op, bias, x, dim), x, x.shape), activation, params), self)


# ---------------------------------------------------------------------------------------------------- gated units


def activate(self, activation, params=()):
    return globals()[activation](self, *params)


def gated(gate, up, activation, params=()):
    op = _opset()
    a, b = _wide(op, gate), _wide(op, up)
    if activation == "swiglu_clamped":
        limit, alpha = [*params, *(7.0, 1.702)[len(params) :]]
        low, most, one = _constants(op, a, -limit, limit, 1.0)
        y = swish(_typed(op.Min(a, most), a, a.shape), alpha) * (op.Max(low, op.Min(b, most)) + one)
    else:
        y = activate(a, activation, params) * b
    return _rounded(op, y, gate)


def gated_packed(self, activation, params=(), dim=-1, layout="gate_first"):
    op = _opset()
    if layout == "interleaved":
        parts = [op.Slice(self, [first], [sys.maxsize], [dim], [2]) for first in range(2)]
    else:
        parts = op.Split(self, axis=dim, num_outputs=2)
    half = list(self.shape)
    half[dim] = half[dim] // 2 if isinstance(half[dim], int) else None
    first, second = (_typed(part, self, ir.Shape(half)) for part in parts)
    gate, up = (second, first) if layout == "gate_second" else (first, second)
    return gated(gate, up, activation, params)


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


def maxout_bias(self, bias):
    op = _opset()
    sums = _wide(op, self) + op.Reshape(_wide(op, bias), [-1])
    pieces, units = bias.shape
    values = _rounded(op, maxout(sums, pieces, -1, "piece"), self)
    winners = op.ArgMax(op.Reshape(sums, [*([0] * (len(self.shape) - 1)), pieces, units]), axis=-2, keepdims=0)
    return values, op.Cast(winners, to=ir.DataType.UINT8)


# ------------------------------------------------------------------------------------------- softmax and the losses


def _along_rows(op, name, self, dim):
    if len(self.shape) == 0:
        return op.Reshape(op[name](op.Reshape(self, [1]), axis=0), [])
    return op[name](self, axis=dim)


def softmax(self, dim):
    return _along_rows(_opset(), "Softmax", self, dim)


def log_softmax(self, dim):
    return _along_rows(_opset(), "LogSoftmax", self, dim)


def cross_entropy_forward(self, target, weight, reduce, ignore_index, label_smoothing):
    op = _opset()
    x, y, is_row = _wide(op, self), target, len(self.shape) == 1
    if is_row:
        x, y = (_typed(op.Unsqueeze(t, [0]), t, ir.Shape([1, *t.shape])) for t in (x, y))
    w = None if weight is None else _along(op, weight, x, 1)
    zero, one, sharp, smooth = _constants(op, x, 0.0, 1.0, 1 - label_smoothing, label_smoothing)

    def output(t):
        """Of rows, with a dim of one class."""
        if reduce:
            return op.ReduceSum(t, keepdims=0)
        return op.Reshape(t, []) if is_row else op.Squeeze(t, [1])

    # What a row counts in a mean, and the term of its target.
    log_p = op.LogSoftmax(x, axis=1)
    weighted = log_p if w is None else log_p * w
    lse = op.ReduceLogSumExp(op.Cast(x, to=ir.DataType.DOUBLE), [0, 1] if is_row else [1], keepdims=0)
    if target.dtype == ir.DataType.INT64:
        ignored, first = (op.Constant(value=ir.tensor(np.array([n]))) for n in (ignore_index, 0))
        index = op.Unsqueeze(y, [1])
        counts = op.Not(op.Equal(index, ignored))
        index = op.Where(counts, index, first)
        count = op.Where(counts, one if w is None else op.Gather(op.Reshape(w, [-1]), index), zero)
        if not label_smoothing:
            weights = () if w is None else (op.Reshape(w, [-1]),)
            reduction = "sum" if reduce else "none"
            loss, _ = op.SoftmaxCrossEntropyLoss(x, y, *weights, ignore_index=ignore_index, reduction=reduction)
            return op.Reshape(loss, []) if is_row else loss, output(count), lse
        chosen = op.Where(counts, op.GatherElements(weighted, index, axis=1), zero)
        even = op.Where(counts, op.ReduceMean(weighted, [1]), zero)
    else:
        chosen, even = op.ReduceSum(_wide(op, y) * weighted, [1]), op.ReduceMean(weighted, [1])
        count = op.Expand(one, op.Shape(chosen))
    if label_smoothing:
        chosen = sharp * chosen + smooth * even
    return output(op.Neg(chosen)), output(count), lse


def _softplus(op, x):
    if x.dtype != ir.DataType.DOUBLE:
        return op.Softplus(x)
    # onnxruntime has no Softplus for it. log(1 + e) = e log(u) / (u - 1), where u = 1 + e is rounded.
    zero, one = _constants(op, x, 0.0, 1.0)
    e = op.Exp(op.Neg(op.Abs(x)))
    u = one + e
    return op.Max(x, zero) + op.Where(op.Equal(u, one), e, e * op.Log(u) / (u - one))


def binary_cross_entropy(self, target, weight, pos_weight, reduce):
    op = _opset()
    x, y = _wide(op, self), _wide(op, target)
    (one,) = _constants(op, x, 1.0)
    # -log sigmoid(x) = softplus(-x)
    positive = y * _softplus(op, _typed(op.Neg(x), x, x.shape))
    if pos_weight is not None:
        positive = positive * op.Cast(pos_weight, to=x.dtype)
    loss = positive + (one - y) * _softplus(op, x)
    if weight is not None:
        loss = loss * op.Cast(weight, to=x.dtype)
    return op.ReduceSum(loss, keepdims=0) if reduce else _rounded(op, loss, self)


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
    ops._channel_stats.default: channel_stats,
    ops._dice_forward.default: dice_forward,
    ops._dice_gate.default: dice_gate,
    ops.bias_act.default: bias_act,
    ops.gated.default: gated,
    ops.gated.packed: gated_packed,
    ops.maxout.default: maxout,
    ops._maxout_bias.default: maxout_bias,
    ops.prelu.default: prelu,
    ops._softmax.default: softmax,
    ops._log_softmax.default: log_softmax,
    ops._softmax_cross_entropy_forward.default: cross_entropy_forward,
    ops._sigmoid_binary_cross_entropy.default: binary_cross_entropy,
}
