"""More elements than 32 bits count."""

import pytest
import torch

from op_table import ROWS

MANY = 2**31 + 24  # divisible by the groups of the table


def test_meta(row):
    """Shapes and gradients without memory."""
    shape = [2, 6, 6]
    shape[2 if row.dim != 2 else 0] = MANY
    x = torch.empty(shape, device="meta", requires_grad=True)
    learned = [t.to("meta") for t in row.learned(torch.empty([6 if n == MANY else n for n in shape]))]
    if row.dim is not None and shape[row.dim] == MANY:
        return
    y = row(x, *learned)
    (gradient,) = torch.autograd.grad(y, x, torch.empty_like(y))
    assert gradient.shape == x.shape and y.numel() > 2**31


# Where a 32-bit offset would wrap to stand other numbers.
PIECES = {0: 1.5, 2**31 - 9: -1.0, 2**31: -3.0}
every_name = pytest.mark.parametrize("name", sorted({row.base for row in ROWS if row.dim is None}))


def filled():
    """4.3 GB of bfloat16."""
    x = torch.full((MANY,), 2.0, dtype=torch.bfloat16)
    for start, value in PIECES.items():
        x[start : start + 9] = value
    return x


def check(y, f):
    for start, value in (PIECES | {9: 2.0, 2**31 + 9: 2.0}).items():
        assert (y[start : start + 9] == f(torch.tensor(value, dtype=y.dtype))).all()


@pytest.mark.huge
@every_name
def test_in_place(name):
    x = filled()
    getattr(torch.ops.actinium, name + "_")(x)
    check(x, getattr(torch.ops.actinium, name))


@pytest.mark.huge
@every_name
def test_backward(name):
    backward = getattr(torch.ops.actinium, name + "_backward")
    x = filled()
    backward.grad_input(torch.full_like(x, 0.5), x, grad_input=x)
    check(x, lambda value: backward(torch.full_like(value, 0.5), value))


@pytest.mark.huge
def test_strided_and_channelwise():
    """A view whose elements lie further apart than 32 bits reach, and 2^31 elements in two channels."""
    ops = torch.ops.actinium
    x = torch.full((2, MANY // 2 + 1), 2.0, dtype=torch.bfloat16)
    x[1] = -1.0
    beta = torch.tensor([0.5, 2.0])
    y = ops.swish(x, beta, 0)
    for channel in (0, 1):
        want = ops.swish(x[channel, :1], beta[channel])
        assert (y[channel] == want).all()
    del y
    rows = ops.mish(x[:, :-1])
    for row, value in zip(rows, (2.0, -1.0), strict=True):
        assert (row == ops.mish(torch.tensor(value, dtype=row.dtype))).all()
    del rows, row
    assert torch.equal(ops.mish(x[:, :: MANY // 4]), ops.mish(x[:, :3].contiguous()))
    values = ops.maxout(x.view(1, 2, -1), 2)
    assert values.shape == (1, 1, MANY // 2 + 1) and (values == 2.0).all()
