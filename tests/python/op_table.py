"""The table of operators. Every property in this folder is asked of every row; a new activation is a new row.

A row is one operator in one form of its arguments; calling it runs Actinium's operator. Beside it stands the same
function in operations that torch has (`composite`), the builtin that users call today where there is one (`builtin`),
and for pointwise rows a formula (see formulas.py) that is right in any precision.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

import actinium  # noqa: F401  registers torch.ops.actinium
import formulas
from formulas import LONG, TORCH
from ulp import numbers

ops = torch.ops.actinium

WIDE = (torch.float32, torch.float64)
HALVES = (torch.bfloat16, torch.float16)
FLOATS = WIDE + HALVES

# Divisible by every number of pieces in the table along dims 0, 1 and -1.
SHAPE = (2, 6, 3, 6)


def opmath(dtype):
    """The type that a dtype is computed in."""
    return torch.float32 if dtype in HALVES else dtype


@dataclass(frozen=True)
class Row:
    name: str
    base: str  # torch.ops.actinium.<base>, and <base>_ and <base>.out where it is pointwise
    composite: Callable  # (x, *learned), accurate in float64 and differentiable
    exact: Callable  # the same, as numbers of more precision than a dtype has
    arguments: Callable = lambda x, *learned: ()  # what the operator takes after x
    learned: Callable = lambda x: ()  # the other differentiable inputs that fit x
    builtin: Callable | None = None
    span: float = 100.0  # |x| of the samples; beyond it the gradient of the composite overflows
    accelerated: bool = False  # accelerate() has the builtin computed by the operator
    formula: Callable | None = None  # (m, x), for a function of one number
    limits: dict | None = None  # f, f' and f'' of that at the infinities
    dim: int | None = None  # the dim that has a meaning of its own
    group: int = 3  # channels of the samples, or a divisor of them
    batch_stats: bool = False
    saved: Callable = lambda y, x, *learned: [x, *learned]  # as many bytes as the backward keeps
    ulp: float = 2.0  # the bound of float32
    size: Callable | None = None  # (x, *learned): where the ULP of sums of opposite signs are counted

    def __call__(self, x, *learned):
        return getattr(ops, self.base)(x, *self.arguments(x, *learned))

    def inplace(self, x, *learned):
        return getattr(ops, self.base + "_")(x, *self.arguments(x, *learned))

    def out(self, x, *learned, out):
        return getattr(ops, self.base)(x, *self.arguments(x, *learned), out=out)

    def bound(self, dtype):
        """ULP by which a value may be off."""
        if dtype in HALVES and self.ulp:
            return 0.501
        # float64 has twice the bound of float32, and statistics that are summed without bits to spare.
        return self.ulp if dtype != torch.float64 else 8 * self.ulp if self.batch_stats else 2 * self.ulp

    @property
    def pointwise(self):
        return self.base not in ("prelu", "dice", "_dice_gate", "maxout")

    @property
    def reference(self):
        return self.builtin or self.composite

    def sample(self, shape=SHAPE, dtype=torch.float64, seed=0):
        """Values around zero, every thirteenth of a pointwise row far out; the same at every call."""
        with torch.device("cpu"):  # the same on every device, too
            random = torch.Generator().manual_seed(seed)
            x = torch.randn(shape, generator=random, dtype=torch.float64) * 2
            far = (torch.rand(shape, generator=random, dtype=torch.float64) * 2 - 1) * self.span
            place = torch.arange(x.numel()).reshape(shape) % 13 == 12
            x = (torch.where(place, far, x) if self.pointwise else x).to(dtype)
        return x.to(torch.get_default_device())

    def inputs(self, layout=lambda x: x, shape=SHAPE, dtype=torch.float64):
        """x and the learned inputs as leaves that want gradients; near zero, where finite differences see something."""
        x = layout(replace(self, span=3.0).sample(shape, dtype))
        return tuple(t.detach().requires_grad_() for t in (x, *self.learned(x)))

    def accepts(self, shape):
        """Whether the dim is there and, for batch statistics, more than one value per channel."""
        if self.dim is None:
            return True
        rank = len(shape)
        return -rank <= self.dim < rank and not (self.batch_stats and shape[self.dim] == torch.Size(shape).numel())

    def shapes(self, n):
        """Shapes in which n is the number of elements, of rows, of inner elements or of channels."""
        if self.dim is None:
            return [(n,)]
        shape = [2, 2, 2]
        shape[self.dim] = self.group
        return [tuple(size * n if place == i else size for i, size in enumerate(shape)) for place in range(3)]

    def many(self):
        """A shape of more elements than one thread takes."""
        return self.shapes(70_001 if self.dim is None else 6_001)[0]


# -------------------------------------------------------------------------------------------------------- pointwise

INF = float("inf")
TO_X = {INF: (INF, 1.0, 0.0), -INF: (0.0, 0.0, 0.0)}


def pointwise(base, builtin, *arguments, **row):
    def formula(m, x):
        return getattr(formulas, base)(m, x, *arguments)

    return Row(
        name=base + "".join(f"({a})" for a in arguments),
        base=base,
        arguments=lambda x: arguments,
        builtin=builtin,
        formula=formula,
        composite=partial(formula, TORCH),
        exact=lambda x: formula(LONG, numbers(x)),
        **{"limits": TO_X} | row,
    )


# ---------------------------------------------------------------------------------------------- swish, beta a tensor


def along(p, x, dim):
    """p of one element or one per channel, shaped to broadcast along dim of x."""
    return p.reshape([-1 if i == dim % x.dim() else 1 for i in range(x.dim())]) if p.numel() != 1 else p.reshape(())


def channels(x, dim):
    """One different number per channel, away from 0 and 1."""
    return torch.linspace(0.5, 1.75, x.size(dim), dtype=torch.float64, device=x.device).to(x.dtype)


def swish_tensor(name, beta, dim):
    return Row(
        name=f"swish({name},dim={dim})",
        base="swish",
        arguments=lambda x, beta: (beta, dim),
        learned=beta,
        exact=lambda x, beta: formulas.swish(LONG, numbers(x), numbers(along(beta, x, dim))),
        composite=lambda x, beta: formulas.swish(TORCH, x, along(beta, x, dim)),
        span=50.0,
        dim=dim,
    )


def prelu(weight, dim):
    def composite(x, w):
        return torch.where(x > 0, x, along(w, x, dim) * x)

    return Row(
        name=f"prelu({weight},dim={dim})",
        base="prelu",
        arguments=lambda x, w: (w, dim),
        learned=(lambda x: (channels(x, dim) - 1,)) if weight == "C" else lambda x: (x.new_full((1,), 0.25),),
        composite=composite,
        exact=lambda x, w: np.where(numbers(x) > 0, numbers(x), numbers(along(w, x, dim)) * numbers(x)),
        dim=dim,
    )


# ------------------------------------------------------------------------------------------------------------- dice


def dice_composite(x, alpha, mean, var, training, momentum, eps, dim):
    """Written out: the third derivative of torch's batch_norm is wrong."""
    if training or mean is None:
        others = [i for i in range(x.dim()) if i != dim % x.dim()]
        mean = x.mean(others, keepdim=True)
        var = (x - mean).square().mean(others, keepdim=True)
    else:
        mean, var = along(mean, x, dim), along(var, x, dim)
    p = torch.sigmoid((x - mean) / (var + eps).sqrt())
    return p * x + (1 - p) * along(alpha, x, dim) * x


def running(x, dim):
    """A running mean and variance that fit x, new at every call (from x, so that vmap batches them with it)."""
    stats = x.new_zeros(x.size(dim), dtype=opmath(x.dtype)) + torch.linspace(0.5, 2.0, x.size(dim), device=x.device)
    return stats - 1, stats


def dice(mode, alpha, dim, training, stats):
    def arguments(x, alpha):
        return (alpha, *(running(x, dim) if stats else (None, None)), training, 0.1, 1e-8, dim)

    def statistics(x):
        if not training and stats:
            return [numbers(along(t, x, dim)) for t in running(x, dim)]
        others = tuple(i for i in range(x.dim()) if i != dim % x.dim())
        return numbers(x).mean(others, keepdims=True), numbers(x).var(others, keepdims=True)

    def size(x, alpha):
        """x, and how much the rounding of the mean moves the gate."""
        mean, var = statistics(x)
        return numbers(x) * (1 + abs(mean) / (var + 1e-8) ** 0.5)

    return Row(
        name=f"dice({mode},alpha={alpha},dim={dim})",
        base="dice",
        arguments=arguments,
        learned=(lambda x: (channels(x, dim) - 1,)) if alpha == "C" else lambda x: (x.new_full((1,), 0.25),),
        composite=lambda x, alpha: dice_composite(x, *arguments(x, alpha)),
        exact=lambda x, alpha: formulas.dice(LONG, numbers(x), numbers(along(alpha, x, dim)), *statistics(x)),
        dim=dim,
        batch_stats=training or not stats,
        saved=lambda y, x, alpha: [x, alpha, *running(x, dim)],
        ulp=4.0,
        size=size,
    )


def dice_gate(dim):
    """What the variants of Dice are made of: the mean and the scale are inputs with gradients."""

    def composite(x, *learned):
        alpha, mean, scale, bias = (along(t, x, dim) for t in learned)
        p = torch.sigmoid((x - mean) * scale + bias)
        return p * x + (1 - p) * alpha * x

    def exact(x, *learned):
        alpha, mean, scale, bias = (numbers(along(t, x, dim)) for t in learned)
        p = 1 / (1 + LONG.exp((mean - numbers(x)) * scale - bias))
        return p * numbers(x) + (1 - p) * alpha * numbers(x)

    def size(x, *learned):
        """x, and how much the rounding of what the sigmoid is taken of moves the gate."""
        _, mean, scale, bias = (abs(numbers(along(t, x, dim))) for t in learned)
        return numbers(x) * (1 + mean * scale + bias)

    return Row(
        name=f"dice_gate(dim={dim})",
        base="_dice_gate",
        arguments=lambda x, *learned: (*learned, dim),
        learned=lambda x: (channels(x, dim) - 1, *(t.to(x.dtype) for t in running(x, dim)), channels(x, dim) - 0.875),
        composite=composite,
        exact=exact,
        dim=dim,
        ulp=4.0,
        size=size,
    )


# ----------------------------------------------------------------------------------------------------------- maxout


def maxout(pieces, dim, layout):
    def composite(x):
        unit = layout == "unit"
        sizes = (-1, pieces) if unit else (pieces, -1)
        return x.unflatten(dim, sizes).max(dim % x.dim() + unit).values

    return Row(
        name=f"maxout({pieces},dim={dim},{layout})",
        base="maxout",
        arguments=lambda x: (pieces, dim, layout),
        composite=composite,
        exact=lambda x: numbers(composite(x)),
        dim=dim,
        group=pieces,
        saved=lambda y, x: [y.to(torch.uint8)],
        ulp=0.0,
    )


# ------------------------------------------------------------------------------------------------------------ table

ROWS = (
    pointwise("mish", F.mish, accelerated=True),
    pointwise("gelu", F.gelu, accelerated=True, span=15.0),
    pointwise("gelu_tanh", partial(F.gelu, approximate="tanh"), accelerated=True, span=12.0),
    pointwise("quick_gelu", None),
    pointwise(
        "selu",
        F.selu,
        accelerated=True,
        limits={INF: (INF, 1.0507009873554805, 0.0), -INF: (-1.7580993408473769, 0.0, 0.0)},
    ),
    pointwise("elu", F.elu, accelerated=True, limits=TO_X | {-INF: (-1.0, 0.0, 0.0)}),
    pointwise("elu", None, 1.5, limits=TO_X | {-INF: (-1.5, 0.0, 0.0)}),
    pointwise("relu", F.relu),
    pointwise("leaky_relu", F.leaky_relu, limits=TO_X | {-INF: (-INF, 0.01, 0.0)}),
    pointwise("leaky_relu", None, -0.5, limits=TO_X | {-INF: (INF, -0.5, 0.0)}),
    pointwise("leaky_relu", None, 0.0),
    pointwise("sigmoid", torch.sigmoid, accelerated=True, limits={INF: (1.0, 0.0, 0.0), -INF: (0.0, 0.0, 0.0)}),
    pointwise("tanh", torch.tanh, accelerated=True, limits={INF: (1.0, 0.0, 0.0), -INF: (-1.0, 0.0, 0.0)}),
    pointwise("swish", F.silu, accelerated=True),
    pointwise("swish", None, 1.5),
    pointwise("swish", None, 0.0, limits={INF: (INF, 0.5, 0.0), -INF: (0.0, 0.5, 0.0)}),
    pointwise("swish", None, -2.0, span=40.0, limits={INF: (0.0, 0.0, 0.0), -INF: (-INF, 1.0, 0.0)}),
    swish_tensor("one", lambda x: (x.new_full((1,), 1.25),), 1),
    swish_tensor("scalar", lambda x: (x.new_full((), -0.75),), 1),
    swish_tensor("channels", lambda x: (channels(x, 1),), 1),
    swish_tensor("channels", lambda x: (channels(x, -1),), -1),
    swish_tensor("channels", lambda x: (channels(x, 0),), 0),
    prelu("1", 1),
    prelu("C", 1),
    prelu("C", -1),
    dice("train", "C", -1, training=True, stats=True),
    dice("train", "1", 1, training=True, stats=True),
    dice("train without stats", "C", 0, training=True, stats=False),
    dice("eval", "C", -1, training=False, stats=True),
    dice("eval", "1", 1, training=False, stats=True),
    dice("eval without stats", "C", 1, training=False, stats=False),
    dice_gate(1),
    dice_gate(-1),
    maxout(2, 1, "unit"),
    maxout(3, -1, "unit"),
    maxout(2, 0, "piece"),
    maxout(3, 1, "piece"),
    maxout(1, 1, "unit"),
)
POINTWISE = tuple(row for row in ROWS if row.pointwise)
LIMITS = tuple(row for row in ROWS if row.limits)  # functions of one number
BUILTINS = tuple(row for row in ROWS if row.builtin)
