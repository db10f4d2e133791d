"""The error of the operators of several values: gated units, bias and activation, PReLU, a layer of Maxout, softmax and
the losses.

Their inputs cannot be gone through one by one: it is a sample of random ones, against formulas in 80 bits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product as pairs
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import formulas
from formulas import LONG
from markdown_table import markdown, ulps
from ulp import numbers, spacing

ours = torch.ops.actinium
Long = np.ndarray  # of longdouble
long = np.longdouble

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
ROWS, COLUMNS = 1024, 1024
FEATURES, UNITS, PIECES = 64, 64, 4
SIDES = ("ours", "builtin")


@dataclass(frozen=True)
class Bound:
    """In ULP of the result or, where it is larger, of the size that is given beside it."""

    float32: float
    float64: float
    half: float = 0.501  # of the result, beside what float32 may be off; from 1 on counted as the others

    def of(self, dtype: torch.dtype) -> float:
        return {torch.float32: self.float32, torch.float64: self.float64}.get(dtype, self.half)


ONE_ROUNDING = Bound(0.5, 0.5, 0.5)
VALUE, SLOPE = Bound(2, 4), Bound(4, 4)  # of the functions of one number
QUARTER = 0.25  # 4 ULP here are the absolute bound of a slope, 2^-23 and 2^-52


def product(of: Bound, rounded_factor: bool = False) -> Bound:
    """Of a value times a factor: as many units are twice as many of the product, which is rounded itself."""
    more = 0.5 if rounded_factor else 0.0
    return Bound(2 * (of.float32 + more) + 0.5, 2 * (of.float64 + more) + 0.5)


# An exponential is within 1.1 ULP (tests/cpp/math). Softmax is one over a sum of them; of the sum a logarithm is taken;
# cross-entropy's gradient has exp(x) exp(-tail) / exp(head), log Σ exp being head + tail.
EXP = 1.1
QUOTIENT = Bound(2 * (EXP + EXP) + 0.5, 2 * (EXP + EXP) + 0.5)
LOGARITHM = Bound(QUOTIENT.float32 + 1, QUOTIENT.float64 + 1)
# log Σ exp of a row is kept in float64: half a unit of a number up to 32 is as many of exp of it.
KEPT = 16
THREE = 2 * (3 * EXP + 0.5) + 0.5


def moved(of: Bound) -> Bound:
    """Of a value of x + b: the rounding of the sum is one unit at most of by how much x + b moves the value."""
    return Bound(of.float32 + 1, of.float64 + 1)


@dataclass(frozen=True)
class Case:
    """A function of `inputs`, whose gradients are taken by those that are named, for the output's gradient "grad" among
    them or ones."""

    name: str
    inputs: Callable[[torch.Generator, int], dict[str, Tensor]]  # of so many rows
    ours: Callable[..., Tensor]
    builtin: Callable[..., Tensor]
    # By "f" and the names of inputs: the exact value, and where its ULP are counted (terms of opposite sign)
    exact: Callable[..., dict[str, tuple[Long, Long | float]]]
    bounds: dict[str, Bound]  # of the same
    from_output: bool = False  # the backward is given the output, and so is `exact`, as its last argument


def _normal(random: torch.Generator, *shape: int, scale: float = 3.0) -> Tensor:
    return torch.randn(shape, generator=random, dtype=torch.float64) * scale


def _two(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return {"gate": _normal(random, rows, COLUMNS), "up": _normal(random, rows, COLUMNS)}


def _one(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return {"x": _normal(random, rows, COLUMNS)}


def _with_grad(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return _one(random, rows) | {"grad": _normal(random, rows, COLUMNS, scale=1.0)}


# ---------------------------------------------------------------------------------------------------------- formulas


def _sigmoid(x: Long) -> Long:
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _swish_slope(x: Long, beta: Long | float = 1) -> Long:
    s = _sigmoid(beta * x)
    return s * (1 + beta * x * _sigmoid(-beta * x))


def _gelu_slope(x: Long) -> Long:
    return formulas.erfc(-x / np.sqrt(long(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(8 * np.arctan(long(1)))


def _gelu_tanh_slope(x: Long) -> Long:
    root, cubic = np.sqrt(1 / (2 * np.arctan(long(1)))), long("0.044715")
    u, du = root * (x + cubic * x**3), root * (1 + 3 * cubic * x * x)
    s = _sigmoid(2 * u)
    return s * (1 + 2 * du * x * _sigmoid(-2 * u))


_SLOPES = {
    "swish": _swish_slope,
    "gelu": _gelu_slope,
    "gelu_tanh": _gelu_tanh_slope,
    "sigmoid": lambda x: _sigmoid(x) * _sigmoid(-x),
    "relu": lambda x: np.where(x > 0, long(1), long(0)),
}


def _gated(activation: str, gate: Long, up: Long) -> dict:
    value = getattr(formulas, activation)(LONG, gate)
    return {"f": (value * up, 0), "gate": (up * _SLOPES[activation](gate), abs(up) * QUARTER), "up": (value, 0)}


def _swiglu_clamped(gate: Long, up: Long) -> dict:
    a, b = np.minimum(gate, 7), np.clip(up, -7, 7)
    alpha = long(1.702)  # the float64, as the operator has it
    value = a * _sigmoid(alpha * a)
    return {
        "f": (value * (b + 1), 0),
        "gate": (np.where(gate > 7, 0, (b + 1) * _swish_slope(a, alpha)), abs(b + 1) * QUARTER),
        "up": (np.where(abs(up) > 7, 0, value), 0),
    }


def _prelu(x: Long, weight: Long) -> dict:
    return {"f": (np.where(x > 0, x, weight * x), 0), "x": (np.where(x > 0, 1, weight + 0 * x), 0)}


def _bias_tanh(x: Long, bias: Long) -> dict:
    z = x + bias
    value, slope = np.tanh(z), 1 / np.cosh(z) ** 2
    size = slope * abs(z)
    return {"f": (value, size), "x": (slope, np.maximum(2 * abs(value) * size, QUARTER))}


def _linear_maxout(x: Long, weight: Long, bias: Long) -> dict:
    pieces = np.stack([x @ w.T + b for w, b in zip(weight, bias, strict=True)])
    terms = np.stack([abs(x) @ abs(w).T + abs(b) for w, b in zip(weight, bias, strict=True)])
    return {"f": (pieces.max(0), terms.max(0))}


def _log_softmax(x: Long) -> Long:
    """The largest element stays out of the sum, so that the logarithm of a probability near 1 keeps its digits."""
    largest = x.argmax(1)[:, None]
    below = x - np.take_along_axis(x, largest, 1)
    rest = np.exp(below)
    np.put_along_axis(rest, largest, 0, 1)
    return below - np.log1p(rest.sum(1, keepdims=True))


def _softmax(x: Long, grad: Long, output: Long) -> dict:
    mean, size = ((g * output).sum(1, keepdims=True) for g in (grad, abs(grad)))
    return {"f": (np.exp(_log_softmax(x)), 0), "x": (output * (grad - mean), output * (abs(grad) + size))}


def _log_softmax_and_gradient(x: Long, grad: Long, output: Long) -> dict:
    total, size = (g.sum(1, keepdims=True) for g in (grad, abs(grad)))
    y = np.exp(output)
    return {"f": (_log_softmax(x), 0), "x": (grad - y * total, np.maximum(abs(grad), y * size))}


def _cross_entropy(x: Long, target: np.ndarray) -> dict:
    y, rows = _log_softmax(x), np.arange(len(x))
    gradient, size = np.exp(y), np.zeros_like(y)
    gradient[rows, target] = np.expm1(y[rows, target])
    size[rows, target] = QUARTER
    return {"f": (-y[rows, target], 0), "x": (gradient, size)}


def _binary_cross_entropy(x: Long, target: Long) -> dict:
    softplus = np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))
    loss = target * (softplus - x) + (1 - target) * softplus
    return {"f": (loss, 0), "x": ((1 - target) * _sigmoid(x) - target * _sigmoid(-x), QUARTER)}


def _logits_and_classes(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return _one(random, rows) | {"target": torch.randint(COLUMNS, (rows,), generator=random)}


def _logits_and_parts(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return _one(random, rows) | {"target": torch.rand(rows, COLUMNS, generator=random, dtype=torch.float64)}


def _clamped(gate: Tensor, up: Tensor) -> Tensor:
    gate = gate.clamp(max=7)
    return gate * torch.sigmoid(1.702 * gate) * (up.clamp(-7, 7) + 1)


def _layer(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return {
        "x": _normal(random, rows, FEATURES),
        "weight": _normal(random, PIECES, UNITS, FEATURES, scale=FEATURES**-0.5),
        "bias": _normal(random, PIECES, UNITS, scale=1.0),
    }


def _two_operators(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight.flatten(0, 1), bias.flatten()).unflatten(1, (PIECES, -1)).max(1).values


def _gated_case(activation: str, builtin: Callable[[Tensor], Tensor], most: int = ROWS) -> Case:
    # ReLU rounds nothing
    value, slope = (ONE_ROUNDING, ONE_ROUNDING) if activation == "relu" else (product(VALUE), product(SLOPE))
    return Case(
        f"gated, {activation}",
        lambda random, rows: _two(random, min(rows, most)),
        lambda a, b: ours.gated.default(a, b, activation),
        lambda a, b: builtin(a) * b,
        partial(_gated, activation),
        {"f": value, "gate": slope, "up": ONE_ROUNDING if activation == "relu" else VALUE},
    )


def cases() -> tuple[Case, ...]:
    """Where the operators are loaded."""
    return (
        Case(
            "prelu",
            lambda random, rows: _one(random, rows) | {"weight": _normal(random, COLUMNS, scale=0.5)},
            ours.prelu.default,
            F.prelu,
            _prelu,
            {"f": ONE_ROUNDING, "x": ONE_ROUNDING},
        ),
        _gated_case("swish", F.silu),
        _gated_case("gelu", F.gelu, most=128),  # the formula is slow
        _gated_case("gelu_tanh", partial(F.gelu, approximate="tanh")),
        _gated_case("relu", F.relu),
        _gated_case("sigmoid", torch.sigmoid),
        Case(
            "swiglu_clamped",
            _two,
            ours.swiglu_clamped.default,
            _clamped,
            _swiglu_clamped,
            {"f": product(VALUE, rounded_factor=True), "gate": product(SLOPE, rounded_factor=True), "up": VALUE},
        ),
        Case(
            "bias_act, tanh",
            lambda random, rows: _one(random, rows) | {"bias": _normal(random, COLUMNS, scale=1.0)},
            lambda x, b: ours.bias_act.default(x, b, "tanh"),
            lambda x, b: torch.tanh(x + b),
            _bias_tanh,
            {"f": moved(VALUE), "x": moved(SLOPE)},
        ),
        Case(
            "linear_maxout",
            _layer,
            ours.linear_maxout.default,
            _two_operators,
            _linear_maxout,
            {"f": Bound(FEATURES, FEATURES, 1.001)},
        ),
        Case(
            "softmax",
            _with_grad,
            ours.softmax.default,
            lambda x: x.softmax(-1),
            _softmax,
            {"f": QUOTIENT, "x": SLOPE},
            from_output=True,
        ),
        Case(
            "log_softmax",
            _with_grad,
            ours.log_softmax.default,
            lambda x: x.log_softmax(-1),
            _log_softmax_and_gradient,
            {"f": LOGARITHM, "x": SLOPE},
            from_output=True,
        ),
        Case(
            "softmax_cross_entropy",
            _logits_and_classes,
            lambda x, y: ours.softmax_cross_entropy.default(x, y, reduction="none"),
            lambda x, y: F.cross_entropy(x, y, reduction="none"),
            _cross_entropy,
            {"f": LOGARITHM, "x": Bound(THREE, THREE + KEPT)},
        ),
        Case(
            "sigmoid_binary_cross_entropy",
            _logits_and_parts,
            lambda x, y: ours.sigmoid_binary_cross_entropy.default(x, y, reduction="none"),
            lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),
            _binary_cross_entropy,
            {"f": product(VALUE, rounded_factor=True), "x": SLOPE},
        ),
    )


# ---------------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Figure:
    case: str
    output: str  # "f" or "d<input>"
    dtype: torch.dtype
    count: int
    bound: float  # ULP
    ours: float
    builtin: float

    @property
    def met(self) -> bool:
        return self.ours <= self.bound

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{self.case} {self.output}, {dtype}: {ulps(self.ours)} ULP, bound {self.bound:g}"


def _ulps(got: Tensor, want: Long, size: Long | float, bound: Bound) -> Long:
    error = abs(numbers(got) - want)
    if got.dtype.itemsize == 2 and bound.half < 1:
        # What float32 may be off before it is rounded.
        allowed = bound.float32 * spacing(np.abs(size), torch.float32)
        error, size = np.maximum(0, error - np.where(np.abs(size) > 0, allowed, 0)), 0
    return error / spacing(np.maximum(abs(want), size), got.dtype)


Output = tuple[Tensor, Long]  # the numbers, and how many ULP each is off


def errors(
    case: Case, dtype: torch.dtype, devices: tuple[str, ...] = ("cpu",), rows: int = ROWS
) -> Iterator[tuple[str, dict[tuple[str, str], Output]]]:
    """The outputs of a case, by their names in its bounds; each by side, one of SIDES, and device."""
    given = case.inputs(torch.Generator().manual_seed(0), rows)
    given = {name: t.to(dtype) if t.is_floating_point() else t for name, t in given.items()}
    exact = partial(case.exact, *(numbers(t) if t.is_floating_point() else t.numpy() for t in given.values()))
    wanted = {} if case.from_output else exact()
    grad = given.pop("grad", None)
    names = [name for name in case.bounds if name != "f"]

    def run(function: Callable[..., Tensor], device: str) -> dict[str, Output]:
        leaves = {name: t.to(device).detach().requires_grad_(t.is_floating_point()) for name, t in given.items()}
        y = function(*leaves.values())
        g = torch.ones_like(y) if grad is None else grad.to(device)
        gradients = torch.autograd.grad(y, [leaves[name] for name in names], g) if names else ()
        want = wanted or exact(numbers(y))
        got = {"f": y.detach()} | dict(zip(names, gradients, strict=True))
        return {name: (t.cpu(), _ulps(t, *want[name], case.bounds[name])) for name, t in got.items()}

    found = {(side, device): run(getattr(case, side), device) for side, device in pairs(SIDES, devices)}
    for name in case.bounds:
        yield name, {where: outputs[name] for where, outputs in found.items()}


def measure(library: Path) -> list[Figure]:
    """Of every case and dtype, by the kernels that torch would choose."""
    torch.ops.load_library(library)
    return [figure for case in cases() for dtype in DTYPES for figure in measure_case(case, dtype)]


def measure_case(case: Case, dtype: torch.dtype, rows: int = ROWS) -> list[Figure]:
    return [
        Figure(
            case.name,
            title(name),
            dtype,
            found["ours", "cpu"][0].numel(),
            case.bounds[name].of(dtype),
            *(float(found[side, "cpu"][1].max()) for side in SIDES),
        )
        for name, found in errors(case, dtype, rows=rows)
    ]


def title(name: str) -> str:
    """What a report calls the output that a case's bounds know by this name."""
    return name if name == "f" else f"d{name}"


TEXT = f"""\
Random inputs, normal with a standard deviation of 3, against formulas in 80 bits: values, and gradients for an output
of ones (of softmax and its logarithm, a random one), by the kernels of the best instruction set. The bounds follow from
those of the functions of one number:

- Where an activation is multiplied with a factor, its units may be twice as many of the product, whose rounding is half
  a unit more: 2 · 2 + 0.5 in float32 where 2 are the activation's. A slope may be off by its absolute bound times the
  factor. `b + 1` of `swiglu_clamped` is a rounded factor.
- The rounding of x + b moves `tanh(x + b)` by a unit at most of |x + b| times the slope; ULP are counted there where
  that is larger than the value. In 16-bit types the sum is not rounded to them.
- `linear_maxout`: ULP of the sum of the magnitudes of its terms, {FEATURES} products and the bias. A matrix product may
  be off by as many units; in 16-bit types the product is rounded, and so is the result.
- Softmax and its losses, rows of {COLUMNS:,}: an exponential is within {EXP} ULP. Softmax is one over a sum of them,
  2 · ({EXP} + {EXP}) + 0.5; the logarithm of the sum is a unit more; the gradient of cross-entropy multiplies three,
  2 · (3 · {EXP} + 0.5) + 0.5, and in float64 the log Σ exp that is kept, below 32 here, is rounded, {KEPT} units more.
- The gradients of softmax, y·(g - Σ g·y), and of its logarithm, g - exp(y)·Σ g, are those of the output y, rounded as
  it is; ULP are counted at the sum or the largest of the magnitudes of their terms.
- The binary loss is a sum of two logarithms times a factor. A gradient of a loss may be off by the absolute bound of a
  slope where a target is subtracted from a probability.

In 16-bit types what float32 may be off is taken off first where terms of opposite signs are added. A builtin that is
composed of several operators rounds a 16-bit result more than once.
"""


def section(figures: list[Figure]) -> list[str]:
    lines = [
        [
            figure.case,
            figure.output,
            str(figure.dtype).removeprefix("torch."),
            f"{figure.count:,}",
            f"{figure.bound:g}",
            ulps(figure.ours) + ("" if figure.met else " **NOT MET**"),
            ulps(figure.builtin),
        ]
        for figure in figures
    ]
    header = ("", "", "dtype", "outputs", "bound, ULP", "ours, ULP", "builtin, ULP")
    return ["## Functions of several values\n", TEXT, "\n".join(markdown(header, lines))]
