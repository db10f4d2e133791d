"""The error of the operators of several values: gated units, bias and activation, PReLU, softmax and the losses.

Their inputs cannot be gone through one by one: it is a sample of random ones, against formulas in 80 bits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from markdown_table import markdown
from ulp import numbers, spacing

ours = torch.ops.actinium
Long = np.ndarray  # of longdouble

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
ROWS, COLUMNS = 1024, 1024
SIDES = ("ours", "builtin")


@dataclass(frozen=True)
class Case:
    """A function of `inputs`, whose gradients for an output of ones are taken by those that are named."""

    name: str
    inputs: Callable[[torch.Generator, int], dict[str, Tensor]]  # of so many rows
    ours: Callable[..., Tensor]
    builtin: Callable[..., Tensor]
    # By "f" and the names of inputs: the exact value, and where its ULP are counted (terms of opposite sign)
    exact: Callable[..., dict[str, tuple[Long, Long | float]]]


def _sigmoid(x: Long) -> Long:
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _normal(random: torch.Generator, *shape: int, scale: float = 3.0) -> Tensor:
    return torch.randn(shape, generator=random, dtype=torch.float64) * scale


def _two(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return {"gate": _normal(random, rows, COLUMNS), "up": _normal(random, rows, COLUMNS)}


def _one(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return {"x": _normal(random, rows, COLUMNS)}


# ---------------------------------------------------------------------------------------------------------- formulas


def _prelu(x: Long, weight: Long) -> dict:
    return {"f": (np.where(x > 0, x, weight * x), 0), "x": (np.where(x > 0, 1, weight + 0 * x), 0)}


def _swiglu(gate: Long, up: Long) -> dict:
    s = _sigmoid(gate)
    slope = s * (1 + gate * _sigmoid(-gate))
    return {"f": (gate * s * up, 0), "gate": (up * slope, up / 4), "up": (gate * s, 0)}


def _swiglu_clamped(gate: Long, up: Long) -> dict:
    a, b = np.minimum(gate, 7), np.clip(up, -7, 7)
    alpha = np.longdouble("1.702")
    s = _sigmoid(alpha * a)
    slope = s * (1 + alpha * a * _sigmoid(-alpha * a))
    return {
        "f": (a * s * (b + 1), a * s),
        "gate": (np.where(gate > 7, 0, (b + 1) * slope), (abs(b) + 1) / 4),
        "up": (np.where(abs(up) > 7, 0, a * s), 0),
    }


def _bias_tanh(x: Long, bias: Long) -> dict:
    z = x + bias
    slope = 1 / np.cosh(z) ** 2
    # The rounding of x + b, as a change of tanh, and of its slope
    moved = slope * (abs(x) + abs(bias))
    return {"f": (np.tanh(z), moved), "x": (slope, 2 * moved)}


def _log_sum(x: Long) -> Long:
    top = x.max(1, keepdims=True)
    return top + np.log(np.exp(x - top).sum(1, keepdims=True))


def _softmax(x: Long) -> dict:
    return {"f": (np.exp(x - _log_sum(x)), 0)}


def _log_softmax(x: Long) -> dict:
    lse = _log_sum(x)
    return {"f": (x - lse, 0), "x": (1 - x.shape[1] * np.exp(x - lse), 1)}


def _cross_entropy(x: Long, target: np.ndarray) -> dict:
    lse, rows = _log_sum(x), np.arange(len(x))
    gradient = np.exp(x - lse)
    gradient[rows, target] -= 1
    return {"f": (lse[:, 0] - x[rows, target], abs(lse[:, 0])), "x": (gradient, 0)}


def _binary_cross_entropy(x: Long, target: Long) -> dict:
    loss = np.maximum(x, 0) - x * target + np.log1p(np.exp(-abs(x)))
    return {"f": (loss, abs(x * target)), "x": (_sigmoid(x) - target, abs(target))}


def _logits_and_classes(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return _one(random, rows) | {"target": torch.randint(COLUMNS, (rows,), generator=random)}


def _logits_and_parts(random: torch.Generator, rows: int) -> dict[str, Tensor]:
    return _one(random, rows) | {"target": torch.rand(rows, COLUMNS, generator=random, dtype=torch.float64)}


def _clamped(gate: Tensor, up: Tensor) -> Tensor:
    gate = gate.clamp(max=7)
    return gate * torch.sigmoid(1.702 * gate) * (up.clamp(-7, 7) + 1)


def cases() -> tuple[Case, ...]:
    """Where the operators are loaded."""
    return (
        Case(
            "prelu",
            lambda random, rows: _one(random, rows) | {"weight": _normal(random, COLUMNS, scale=0.5)},
            ours.prelu.default,
            F.prelu,
            _prelu,
        ),
        Case("gated, swish", _two, lambda a, b: ours.gated.default(a, b, "swish"), lambda a, b: F.silu(a) * b, _swiglu),
        Case("swiglu_clamped", _two, ours.swiglu_clamped.default, _clamped, _swiglu_clamped),
        Case(
            "bias_act, tanh",
            lambda random, rows: _one(random, rows) | {"bias": _normal(random, COLUMNS, scale=1.0)},
            lambda x, b: ours.bias_act.default(x, b, "tanh"),
            lambda x, b: torch.tanh(x + b),
            _bias_tanh,
        ),
        Case("softmax", _one, ours.softmax.default, lambda x: x.softmax(-1), _softmax),
        Case("log_softmax", _one, ours.log_softmax.default, lambda x: x.log_softmax(-1), _log_softmax),
        Case(
            "softmax_cross_entropy",
            _logits_and_classes,
            lambda x, y: ours.softmax_cross_entropy.default(x, y, reduction="none"),
            lambda x, y: F.cross_entropy(x, y, reduction="none"),
            _cross_entropy,
        ),
        Case(
            "sigmoid_binary_cross_entropy",
            _logits_and_parts,
            lambda x, y: ours.sigmoid_binary_cross_entropy.default(x, y, reduction="none"),
            lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),
            _binary_cross_entropy,
        ),
    )


# ---------------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Figure:
    case: str
    output: str  # "f" or "d<input>"
    dtype: torch.dtype
    count: int
    ours: float  # ULP
    builtin: float

    @property
    def bound(self) -> float:
        return bound(self.output, self.dtype)

    @property
    def met(self) -> bool:
        return self.ours <= self.bound


def bound(output: str, dtype: torch.dtype) -> float:
    return 0.501 if dtype.itemsize == 2 else 2 if output == "f" and dtype == torch.float32 else 4


def _ulps(got: Tensor, want: Long, size: Long | float) -> Long:
    error = abs(numbers(got) - want)
    if got.dtype.itemsize == 2:
        # What float32 is off before it is rounded.
        error = np.maximum(0, error - 4 * spacing(np.abs(size), torch.float32) * (np.abs(size) > 0))
        size = 0
    return error / spacing(np.maximum(abs(want), size), got.dtype)


Outputs = dict[str, Tensor]  # the value under "f", and gradients for an output of ones under "d<input>"


def _outputs(call: Callable[..., Tensor], inputs: dict[str, Tensor], named: list[str]) -> Outputs:
    leaves = {name: t.detach().requires_grad_(t.is_floating_point()) for name, t in inputs.items()}
    y = call(*leaves.values())
    gradients = torch.autograd.grad(y, [leaves[name] for name in named], torch.ones_like(y)) if named else ()
    return {"f": y.detach(), **{f"d{name}": g for name, g in zip(named, gradients, strict=True)}}


def errors(
    case: Case, dtype: torch.dtype, devices: tuple[str, ...] = ("cpu",), rows: int = ROWS
) -> Iterator[tuple[str, dict[tuple[str, str], Tensor], dict[tuple[str, str], Long]]]:
    """Of every output of a case its name and, by side, one of SIDES, and device, what it is and how many ULP it
    is off."""
    given = case.inputs(torch.Generator().manual_seed(0), rows)
    inputs = {name: t.to(dtype) if t.is_floating_point() else t for name, t in given.items()}
    wanted = case.exact(*(numbers(t) if t.is_floating_point() else t.numpy() for t in inputs.values()))
    named = [name for name in wanted if name != "f"]
    found = {
        (side, device): _outputs(getattr(case, side), {name: t.to(device) for name, t in inputs.items()}, named)
        for side, device in product(SIDES, devices)
    }
    for name, (want, size) in wanted.items():
        output = name if name == "f" else f"d{name}"
        absolute = 0.25 if name != "f" and dtype.itemsize > 2 else 0.0
        got = {side: outputs[output].cpu() for side, outputs in found.items()}
        yield output, got, {side: _ulps(y, want, np.maximum(abs(size), absolute)) for side, y in got.items()}


def measure(library: Path) -> list[Figure]:
    """Of every case and dtype, by the kernels that torch would choose."""
    torch.ops.load_library(library)
    return [
        Figure(case.name, output, dtype, ulps["ours", "cpu"].size, *(float(ulps[side, "cpu"].max()) for side in SIDES))
        for case in cases()
        for dtype in DTYPES
        for output, _, ulps in errors(case, dtype)
    ]


TEXT = """\
Random inputs, normal with a standard deviation of 3, against formulas in 80 bits: values, and gradients for an output
of ones. ULP are counted at the exact value or, where terms of opposite signs are added, at the largest of them (for
16-bit types 4 units of float32 there are taken off first); those of gradients in float32 and float64 at 1/4 or more, as
the absolute bound above allows. softmax and the losses have rows of {columns:,}. A builtin that is composed of several
rounds a 16-bit result more than once.
"""


def section(figures: list[Figure]) -> list[str]:
    lines = [
        [
            figure.case,
            figure.output,
            str(figure.dtype).removeprefix("torch."),
            f"{figure.count:,}",
            f"{figure.bound:g}",
            f"{figure.ours:.3f}" + ("" if figure.met else " **NOT MET**"),
            f"{figure.builtin:,.3f}",
        ]
        for figure in figures
    ]
    header = ("", "", "dtype", "outputs", "bound, ULP", "ours, ULP", "builtin, ULP")
    return ["## Functions of several values\n", TEXT.format(columns=COLUMNS), "\n".join(markdown(header, lines))]
