"""The picture: f and f' of six of the activations, and the error of the pointwise ones over their left tail."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor

import actinium

COLOURS = dict(
    zip(("mish", "swish", "gelu_tanh", "selu", "dice", "maxout"), plt.get_cmap("tab10").colors, strict=False)
)
OURS, BUILTIN = "tab:blue", "tab:red"


# ------------------------------------------------------------------------------------------------------------ f and f'


def _dice(x: Tensor) -> Tensor:
    """In evaluation, with mean 0 and variance 1: a function of x alone."""
    return actinium.functional.dice(x.unsqueeze(1), torch.full((1,), 0.25), torch.zeros(1), torch.ones(1)).squeeze(1)


def _maxout(x: Tensor) -> Tensor:
    """Of three lines."""
    slopes, offsets = torch.tensor([-0.5, 0.25, 1.25]), torch.tensor([-1.0, 0.0, -1.5])
    return actinium.functional.maxout(x.unsqueeze(1) * slopes + offsets, 3).squeeze(1)


CURVES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "mish": ("mish", actinium.functional.mish),
    "swish": ("swish", actinium.functional.swish),
    "gelu_tanh": ("gelu_tanh", actinium.functional.gelu_tanh),
    "selu": ("selu", actinium.functional.selu),
    "dice": ("dice (mean 0, var 1, alpha 1/4)", _dice),
    "maxout": ("maxout (three lines)", _maxout),
}


def _draw_curves(values: plt.Axes, derivatives: plt.Axes) -> None:
    for name, (label, function) in CURVES.items():
        x = torch.linspace(-5, 3, 1601, requires_grad=True)
        y = function(x)
        (dy,) = torch.autograd.grad(y.sum(), x)
        dy = dy.clone()
        dy[1:][dy.diff().abs() > 0.2] = torch.nan  # no line through a jump
        values.plot(x.detach(), y.detach(), label=label, color=COLOURS[name])
        derivatives.plot(x.detach(), dy, color=COLOURS[name])
    for axes, title in ((values, "f(x)"), (derivatives, "f'(x), by autograd")):
        axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.set(title=title, xlabel="x", xlim=(-5, 3))
        axes.grid(alpha=0.25)
    values.set_ylim(-2, 3.2)
    values.legend(fontsize=9, loc="upper left")


# --------------------------------------------------------------------------------------------------------------- errors


def _mish(x: Tensor) -> Tensor:
    e = x.exp()
    n = e * (e + 2)
    return x * n / (n + 2)


def _swish(x: Tensor) -> Tensor:
    e = x.exp()
    return x * e / (1 + e)


def _gelu_tanh(x: Tensor) -> Tensor:
    e = (2 * (2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)).exp()
    return x * e / (1 + e)


def _selu(x: Tensor) -> Tensor:
    return 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717 * torch.expm1(x)


@dataclass(frozen=True)
class Tail:
    """Over x in [low, 0): our function, the builtin, and a form that is stable in float64."""

    low: float
    ours: Callable[[Tensor], Tensor]
    builtin: Callable[[Tensor], Tensor]
    builtin_name: str
    exact: Callable[[Tensor], Tensor]


TAILS = {
    "mish": Tail(-110, actinium.functional.mish, F.mish, "nn.Mish", _mish),
    "swish": Tail(-110, actinium.functional.swish, F.silu, "nn.SiLU", _swish),
    "gelu_tanh": Tail(
        -12, actinium.functional.gelu_tanh, lambda x: F.gelu(x, approximate="tanh"), 'nn.GELU("tanh")', _gelu_tanh
    ),
    "selu": Tail(-20, actinium.functional.selu, F.selu, "nn.SELU", _selu),
}


def ulp(got: Tensor, exact: Tensor) -> Tensor:
    """The error of float32 values in units in the last place of the exact float64 values; NaN counts as infinite."""
    exponent = torch.frexp(exact.abs()).exponent.clamp(min=-125)  # exact = m 2^exponent, 1/2 <= m < 1
    error = torch.ldexp((got.double() - exact).abs(), 24 - exponent)
    return error.nan_to_num(nan=torch.inf, posinf=torch.inf)


@dataclass(frozen=True)
class Error:
    """The largest error in each bin, by the bins' centres."""

    x: Tensor
    ours: Tensor
    builtin: Tensor


def errors(tail: Tail, bins: int = 240, each: int = 4000) -> Error:
    x = torch.linspace(tail.low, 0, bins * each + 1, dtype=torch.float64)[:-1].float()
    exact = tail.exact(x.double())
    largest = [ulp(f(x), exact).view(bins, each).amax(1) for f in (tail.ours, tail.builtin)]
    return Error(x.view(bins, each).mean(1), *largest)


def _draw_error(axes: plt.Axes, name: str, tail: Tail, found: Error) -> None:
    least, lost = 0.1, 2.0**24  # the bottom of the scale; every digit is wrong
    for error, label, colour in ((found.builtin, "builtin", BUILTIN), (found.ours, "actinium", OURS)):
        axes.plot(found.x, error.clamp(least, lost), label=label, color=colour, drawstyle="steps-mid")
    axes.axhline(2, color="0.4", linewidth=0.9, linestyle=":", label="2 ULP")
    axes.set_yscale("log")
    axes.set(title=f"{name} and {tail.builtin_name}", xlabel="x", xlim=(tail.low, 0), ylim=(0.7 * least, 2.5 * lost))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=9, loc="upper right")


def draw(path: Path) -> dict[str, Error]:
    """Writes the picture and returns the errors in it."""
    figure = plt.figure(figsize=(14, 8.5), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    _draw_curves(*top.subplots(1, 2))
    found = {name: errors(tail) for name, tail in TAILS.items()}
    panels = bottom.subplots(1, len(TAILS), sharey=True)
    for axes, (name, tail) in zip(panels, TAILS.items(), strict=True):
        _draw_error(axes, name, tail, found[name])
    panels[0].set_ylabel("largest error, ULP")
    bottom.suptitle("Error over the left tail, float32, against float64. At the top no digit is right.")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return found
