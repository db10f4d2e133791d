"""Measures how far f, f' and f'' are from the exact values on a device, in ULP: all bfloat16 and float16 inputs, dense
samples of float32 and float64; the builtin beside them, and how many results differ in any bit from those of the CPU
kernels. The same of random inputs of functions of several values. Bounds and ways of counting are those of
docs/accuracy.md. gpu_check.py starts it.

Prints one JSON object a line, one for each dtype, function and pass.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

import family_accuracy
from cuda_ops import FUNCTIONS, Function
from formulas import erfc
from ulp import spacing

DTYPES = ("bfloat16", "float16", "float64", "float32")
PASSES = ("f", "f'", "f''")
CHUNK = 1 << 20  # inputs measured at a time
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


# ---------------------------------------------------------------------------------------------------------- references


def _logistic(m, y):
    """sigmoid(y) and sigmoid(-y)"""
    e = m.exp(-abs(y))
    small, large = e / (1 + e), 1 / (1 + e)
    return m.where(y < 0, small, large), m.where(y < 0, large, small)


def _mish(m, number, x, beta):
    right = x > 0
    e = m.exp(-abs(x))
    n = m.where(right, 1 + 2 * e, e * (e + 2))
    d = n + m.where(right, 2 * e * e, 2 + 0 * e)
    t = n / d  # tanh(log(1 + exp(x)))
    s, c = _logistic(m, x)
    slope = s * m.where(right, 4 * e * e, 4 + 0 * e) * (1 + e) * (1 + e) / (d * d)
    return x * t, t + x * slope, slope * (2 + x * (c - 2 * t * s))


def _swish(m, number, x, beta):
    y = beta * x
    s, c = _logistic(m, y)
    return x * s, s * (1 + y * c), beta * s * c * (2 + y * (c - s))


def _gelu_tanh(m, number, x, beta):
    # From there on it is 0 or x, and nothing overflows.
    near = m.clip(x, -1000, 1000)
    a = number("1.59576912160573071175978423973752747390343452466")  # 2 sqrt(2 / pi)
    b = number("0.044715") * a
    s, c = _logistic(m, a * near + b * near * near * near)
    v1, v2 = a + 3 * b * near * near, 6 * b * near
    return x * s, s * (1 + near * c * v1), s * c * (2 * v1 + near * v2 + near * v1 * v1 * (c - s))


def _selu(m, number, x, beta):
    scale = number("1.0507009873554804934193349852946")
    left = scale * number("1.6732632423543772848170429916717")
    below, right = m.clip(x, -math.inf, 0), x > 0
    e = left * m.exp(below)
    return m.where(right, scale * x, left * m.expm1(below)), m.where(right, scale + 0 * e, e), m.where(right, 0 * e, e)


def _gelu(m, number, x, beta):
    # From there on it is 0 or x.
    near = m.clip(x, -1000, 1000)
    cdf = (torch.erfc if m is torch else erfc)(near * -number("0.70710678118654752440084436210484904")) / 2
    density = m.exp(near * near / -2) * number("0.39894228040143267793994605993438187")
    return x * cdf, cdf + near * density, density * (2 - near * near)


def _quick_gelu(m, number, x, beta):
    return _swish(m, number, x, number("1.702"))


def _elu(m, number, x, beta):
    below, right = m.clip(x, -math.inf, 0), x > 0
    e = m.exp(below)
    return m.where(right, x, m.expm1(below)), m.where(right, 1 + 0 * e, e), m.where(right, 0 * e, e)


def _leaky_relu(m, number, x, slope):
    zero, right = 0 * x, x > 0
    return m.where(right, x, slope * x), m.where(right, 1 + zero, slope + zero), zero


def _relu(m, number, x, beta):
    return _leaky_relu(m, number, x, 0)


def _sigmoid(m, number, x, beta):
    s, c = _logistic(m, x)
    return s, s * c, -s * c * m.tanh(x / 2)


def _tanh(m, number, x, beta):
    s, c = _logistic(m, 2 * x)
    t = m.tanh(x)
    return t, 4 * s * c, -8 * t * s * c


REFERENCES = {
    "mish": _mish,
    "swish": _swish,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "selu": _selu,
    "elu": _elu,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
}


def exact(function: Function, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """f, f' and f'', each the sum of two float64: with twice the digits of float32, eleven bits more than float64."""
    reference = REFERENCES[function.base]
    if x.dtype != torch.float64:
        beta = float(torch.tensor(function.beta, dtype=torch.float32))  # as the kernels have it
        return [(y, torch.zeros_like(y)) for y in reference(torch, float, x.double(), beta)]
    pairs = []
    with np.errstate(under="ignore"):
        for y in reference(np, np.longdouble, x.numpy().astype(np.longdouble), np.longdouble(function.beta)):
            high = y.astype(np.float64)
            pairs.append((torch.from_numpy(high), torch.from_numpy((y - high).astype(np.float64))))
    return pairs


# -------------------------------------------------------------------------------------------------------------- inputs


def _roots(function: Function) -> list[float]:
    """Where f, f' or f'' changes its sign."""
    grid = torch.linspace(-12.01, 12, 4001, dtype=torch.float64)
    found = []
    for at in range(3):
        y = exact(function, grid.float())[at][0]
        for i in (y[1:].sign() * y[:-1].sign() < 0).nonzero().flatten().tolist():
            low, high = grid[i : i + 2].clone()
            for _ in range(60):
                middle = (low + high) / 2
                same = REFERENCES[function.base](torch, float, middle, function.beta)[at].sign() == y[i].sign()
                low, high = (middle, high) if same else (low, middle)
            found.append(float(low))
    return found


def inputs(function: Function, dtype: torch.dtype, count: int) -> Tensor:
    """All numbers of a 16-bit type. Of the others about `count`: every exponent alike, as many again where functions
    bend, and the neighbours of roots."""
    integer = INTEGERS[dtype.itemsize]
    if dtype.itemsize == 2:
        x = torch.arange(1 << 16).to(integer).view(dtype)
    else:
        random = torch.Generator().manual_seed(1)
        bits = torch.randint(-(1 << 31), 1 << 31, (count // 2,), generator=random)
        if dtype == torch.float64:
            bits = (bits << 32) | torch.randint(1 << 32, bits.shape, generator=random)
        near = torch.empty(count // 2, dtype=dtype).uniform_(-20, 20, generator=random)
        roots = torch.tensor(_roots(function), dtype=dtype).view(integer)
        beside = roots.unsqueeze(1) + torch.arange(-count // 1024, count // 1024, dtype=integer)
        x = torch.cat([bits.to(integer).view(dtype), near, beside.flatten().view(dtype)])
    return x[x.isfinite()]


# ------------------------------------------------------------------------------------------------------------ measuring


def _shares(got: Tensor, want: tuple[Tensor, Tensor], x: Tensor, at: int, function: Function) -> tuple[Tensor, Tensor]:
    """Errors in ULP, and as shares of the bound."""
    high, low = want
    unit = torch.from_numpy(spacing(high.numpy(), got.dtype).astype(np.float64))
    error = ((got.double() - high) - low).abs()
    overflow = got.isinf() & (got == high.to(got.dtype))  # where rounding puts it
    ulps = torch.where(overflow, 0.0, (error / unit).nan_to_num(nan=math.inf))
    share = ulps / (0.501 if got.itemsize == 2 else 4 if at or got.itemsize == 8 else 2)
    if at:
        # Derivatives within |beta x| <= 8 may be off by a unit in the last place of 1, in the type that they are
        # computed in (f'': of beta); 16 bits are then rounded.
        least = (2**-52 if got.dtype == torch.float64 else 2**-23) * (abs(function.beta) if at == 2 else 1)
        rounding = ((high.to(got.dtype).double() - high) - low).abs() if got.itemsize == 2 else 0
        absolute = (error / (rounding + least)).nan_to_num(nan=math.inf)
        share = torch.where((function.beta * x).abs() <= 8, share.minimum(absolute), share)
    return ulps, share


class Worst:
    """The input whose error is the largest share of the bound."""

    def __init__(self) -> None:
        self.figures = {"ulp": 0.0, "share": -1.0, "x": 0.0, "got": 0.0, "want": 0.0}
        self.beyond = 0

    def add(self, got: Tensor, want: tuple[Tensor, Tensor], x: Tensor, at: int, function: Function) -> None:
        ulps, share = _shares(got, want, x, at, function)
        self.beyond += int((share > 1).sum())
        i = int(share.argmax())
        if float(share[i]) > self.figures["share"]:
            values = {"ulp": ulps, "share": share, "x": x, "got": got, "want": want[0]}
            self.figures = {name: float(value[i]) for name, value in values.items()}

    def json(self) -> dict:
        return {name: value if math.isfinite(value) else str(value) for name, value in self.figures.items()} | {
            "beyond": self.beyond
        }


def measure(function: Function, dtype: torch.dtype, device: str, count: int) -> Iterator[dict]:
    x = inputs(function, dtype, count)
    sides = ("ours", "cpu", "builtin")
    worst = [{side: Worst() for side in sides} for _ in PASSES]
    different = [0] * len(PASSES)
    integer = INTEGERS[dtype.itemsize]
    for chunk in x.split(CHUNK):
        there = chunk.to(device)
        want = exact(function, chunk)
        got = {
            "ours": [y.cpu() for y in function.derivatives(there)],
            "cpu": function.derivatives(chunk),
            "builtin": [y.cpu() for y in function.plain_derivatives(there)],
        }
        for at in range(len(PASSES)):
            for side in sides:
                worst[at][side].add(got[side][at], want[at], chunk, at, function)
            different[at] += int((got["ours"][at].view(integer) != got["cpu"][at].view(integer)).sum())
    for at, name in enumerate(PASSES):
        yield {
            "dtype": str(dtype).removeprefix("torch."),
            "function": function.name,
            "pass": name,
            "inputs": x.numel(),
            "different": different[at],
            **{side: worst[at][side].json() for side in sides},
        }


def measure_family(case: family_accuracy.Case, dtype: torch.dtype, device: str, rows: int) -> Iterator[dict]:
    """The same of a function of several values, counted as docs/accuracy.md does."""
    for name, found in family_accuracy.errors(case, dtype, (device, "cpu"), rows):
        bound = case.bounds[name].of(dtype)
        mine, cpu = (found["ours", where][0] for where in (device, "cpu"))
        integer = INTEGERS[mine.itemsize]
        yield {
            "dtype": str(dtype).removeprefix("torch."),
            "function": case.name,
            "pass": family_accuracy.title(name),
            "inputs": mine.numel(),
            "different": int((mine.view(integer) != cpu.view(integer)).sum()),
            **{
                side: {
                    "ulp": float(ulps.max()),
                    "share": float(ulps.max()) / bound,
                    "beyond": int((ulps > bound).sum()),
                }
                for side, (_, ulps) in (
                    ("ours", found["ours", device]),
                    ("cpu", found["ours", "cpu"]),
                    ("builtin", found["builtin", device]),
                )
            },
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--float32", type=int, default=1 << 24, metavar="N", help="inputs, about")
    parser.add_argument("--float64", type=int, default=100_000, metavar="N")
    parser.add_argument("--rows", type=int, default=family_accuracy.ROWS, metavar="N", help="of functions of several "
                        "values")  # fmt: skip
    given = parser.parse_args()
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is not a result
    for dtype in DTYPES:
        for function in FUNCTIONS.values():
            for result in measure(function, getattr(torch, dtype), given.device, getattr(given, dtype, 0)):
                print(json.dumps(result), file=results, flush=True)
    for case in family_accuracy.cases():
        for dtype in DTYPES:
            for result in measure_family(case, getattr(torch, dtype), given.device, given.rows):
                print(json.dumps(result), file=results, flush=True)


if __name__ == "__main__":
    main()
