"""What an operator computes: every dtype, layout and size, in ULP, and the strides of what it returns."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from formulas import MP, derivative
from layouts import WRITABLE, sliced
from op_table import WIDE
from ulp import assert_ulps, numbers

# Around every vector width of every instruction set.
SIZES = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 1000)
RANKS = ((), (6,), (6, 6), (2, 6, 6), (2, 6, 1, 6), (2, 6, 2, 2, 6), (2, 6, 1, 2, 1, 6))


def check(row, x):
    learned = row.learned(x)
    got = row(x, *learned)
    assert got.dtype == x.dtype
    assert_ulps(got, row.exact(x, *learned), row.bound(x.dtype), at=row.size and row.size(x, *learned))


def test_sizes(row, dtype):
    for n in SIZES:
        for shape in row.shapes(n):
            if n or not row.batch_stats:
                check(row, row.sample(shape, dtype, seed=n))


def test_many_elements(row, dtype):
    check(row, row.sample(row.many(), dtype))


def test_layouts(row, dtype, layout):
    check(row, layout(row.sample(dtype=dtype)))


def test_ranks(row, dtype):
    for shape in filter(row.accepts, RANKS):
        check(row, row.sample(shape, dtype))


def test_strides_are_those_of_the_builtin(row, layout):
    x = layout(row.sample())
    got = row(x, *row.learned(x))
    if got.shape == x.shape:
        assert got.stride() == F.silu(x).stride()
    elif layout in WRITABLE.values():
        # Maxout has no builtin of its shape: a slice of x of that shape stands for its result.
        assert got.stride() == F.silu(x[tuple(slice(size) for size in got.shape)]).stride()


def test_inplace_and_out_give_the_same_bits(pointwise, dtype, writable):
    x = writable(pointwise.sample(dtype=dtype))
    learned = pointwise.learned(x)
    want = pointwise(x, *learned)
    for out in (torch.full_like(want, 7.0), sliced(torch.full(x.shape, 7.0, dtype=dtype)), torch.empty(0, dtype=dtype)):
        assert pointwise.out(x, *learned, out=out) is out
        assert torch.equal(out, want)
    assert pointwise.inplace(x, *learned) is x
    assert torch.equal(x, want)


@pytest.mark.parametrize("order", (0, 1, 2), ids=("f", "df", "d2f"))
def test_derivatives_to_the_last_place(function, order, dtype):
    """f within 2 ULP; f', f'' within 4 ULP or, near zero, the rounding of a number of size one (float64: of four)."""
    x = torch.cat([torch.linspace(-6, 6, 60), torch.linspace(-0.96, 0.96, 30) * function.span]).to(dtype)
    x = x[x != 0].requires_grad_()
    got = y = function(x)
    for _ in range(order):
        (got,) = torch.autograd.grad(got, x, torch.ones_like(y), create_graph=True)
    want = np.array([np.longdouble(MP.nstr(derivative(function.formula, order, v), 30)) for v in x.tolist()])
    bound = 4.0 if order and dtype in WIDE else function.bound(dtype)
    rounding = 2.0**-50 if dtype == torch.float64 else 2.0**-23
    near = np.where(numbers(x.abs()) < 8, rounding, 0.0)
    assert_ulps(got, want, bound, absolute=near if order else 0.0)
