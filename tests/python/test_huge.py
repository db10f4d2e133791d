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


@pytest.mark.huge
@pytest.mark.parametrize("name", sorted({row.base for row in ROWS if row.dim is None}))
def test_in_place(name):
    """4.3 GB of bfloat16, with other numbers where a 32-bit offset would wrap to."""
    x = torch.full((MANY,), 2.0, dtype=torch.bfloat16)
    pieces = {0: 1.5, 2**31 - 9: -1.0, 2**31: -3.0}
    for start, value in pieces.items():
        x[start : start + 9] = value
    operator = getattr(torch.ops.actinium, name)
    getattr(torch.ops.actinium, name + "_")(x)
    for start, value in (pieces | {9: 2.0, 2**31 + 9: 2.0}).items():
        assert (x[start : start + 9] == operator(torch.tensor(value, dtype=torch.bfloat16))).all()


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
    assert torch.equal(ops.mish(x[:, :: MANY // 4]), ops.mish(x[:, :3].contiguous()))
    values = ops.maxout(x.view(1, 2, -1), 2)
    assert values.shape == (1, 1, MANY // 2 + 1) and (values == 2.0).all()
