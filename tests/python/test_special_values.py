"""NaN, infinities, signed zeros, subnormal and largest numbers, in f and in its derivatives."""

import math

import numpy as np
import torch

from op_table import INF
from ulp import assert_ulps

LENGTHS = (1, 40)  # a tail alone, and full vectors


def derivatives(function, value, dtype, n):
    """f, f' and f'' at one value."""
    x = torch.full((n,), value, dtype=dtype).requires_grad_()
    y = function(x)
    (df,) = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)
    (d2f,) = torch.autograd.grad(df, x, torch.ones_like(y))
    return y, df, d2f


def test_infinity(function, dtype):
    """The limits, never NaN."""
    for n in LENGTHS:
        for value, wanted in function.limits.items():
            for got, want in zip(derivatives(function, value, dtype, n), wanted, strict=True):
                assert torch.equal(got, torch.full((n,), want, dtype=torch.float64).to(dtype)), value


def test_nan(row, dtype):
    x = row.sample(dtype=dtype)
    x[0, 0, 0, 0] = torch.nan
    y = row(x, *row.learned(x))
    want = row.composite(x, *row.learned(x))
    assert torch.equal(y.isnan(), want.isnan()) and y.isnan().any()


def test_nan_in_derivatives(function, dtype):
    for n in LENGTHS:
        assert all(t.isnan().all() for t in derivatives(function, torch.nan, dtype, n))


def test_zero_keeps_its_sign(function, dtype):
    """f'(0) x, to the bit; sigmoid alone is not 0 there."""
    for n in LENGTHS:
        for zero in (0.0, -0.0):
            y, slope, _ = derivatives(function, zero, dtype, n)
            want = torch.full_like(y, 0.5) if function.base == "sigmoid" else slope * zero
            assert torch.equal(y, want) and torch.equal(y.signbit(), want.signbit())


def test_derivatives_at_zero_are_those_of_the_left_side(function, dtype):
    """As torch has them where the two sides differ."""
    info = torch.finfo(dtype)
    for n in LENGTHS:
        wanted = derivatives(function, -info.smallest_normal * info.eps, dtype, n)
        for zero in (0.0, -0.0):
            torch.testing.assert_close(derivatives(function, zero, dtype, n), wanted)


def test_derivative_at_zero_is_that_of_the_builtin(replacing, dtype):
    x = torch.zeros(40, dtype=dtype, requires_grad=True)
    slopes = [torch.autograd.grad(f(x).sum(), x)[0] for f in (replacing, replacing.builtin)]
    torch.testing.assert_close(*slopes)


def test_subnormal_numbers(function, dtype):
    """f(x) is close to f'(0) x there, which is a subnormal number, too."""
    info = torch.finfo(dtype)
    x = torch.arange(1, 40, dtype=torch.float64) * info.smallest_normal * info.eps
    for sign in (1, -1):
        t = (sign * x).to(dtype)
        assert t.all() and (t.abs() < info.smallest_normal).all()
        assert_ulps(function(t), function.exact(t), function.bound(dtype))


def test_subnormal_results(function, dtype):
    """The left tail fades into zero digit by digit (where it does before the numbers end)."""
    info = torch.finfo(dtype)
    depth = math.log(info.smallest_normal)
    x = torch.linspace(1.08 * depth, 0.92 * depth, 500, dtype=torch.float64).to(dtype)
    assert_ulps(function(x), function.exact(x), function.bound(dtype))


def test_largest_numbers(function, dtype):
    """Finite where the exact value is, and its derivatives at their limits."""
    largest = torch.finfo(dtype).max
    for n in LENGTHS:
        for value in (largest, -largest):
            _, *limits = function.limits[math.copysign(INF, value)]
            y, *slopes = derivatives(function, value, dtype, n)
            with np.errstate(over="ignore"):
                want = torch.tensor(function.exact(torch.full((n,), value, dtype=dtype)).astype(np.float64))
            torch.testing.assert_close(y, want.to(dtype), rtol=torch.finfo(dtype).eps, atol=0.0)
            for got, limit in zip(slopes, limits, strict=True):
                assert torch.equal(got, torch.full((n,), limit, dtype=torch.float64).to(dtype)), value


def test_infinite_gradient(function, dtype):
    x = torch.full((40,), 0.5, dtype=dtype).requires_grad_()
    (got,) = torch.autograd.grad(function(x), x, torch.full_like(x, INF))
    assert (got == INF).all()
