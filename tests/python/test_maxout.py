"""Maxout: which piece wins, where its gradient goes, and how many pieces there may be."""

import pytest
import torch

from op_table import SHAPE, ops

LAYOUTS_OF_PIECES = ("unit", "piece")


def pieces_last(x, pieces, dim, layout):
    """x with the pieces of a unit along a new last dim."""
    dim %= x.dim()
    unit = layout == "unit"
    return x.unflatten(dim, (-1, pieces) if unit else (pieces, -1)).movedim(dim + unit, -1)


@pytest.mark.parametrize("kind", LAYOUTS_OF_PIECES)
def test_values_and_winners(kind, dtype, layout):
    """Along every dim, by every divisor of it."""
    x = layout(torch.randint(-50, 50, SHAPE).to(dtype))
    for dim in range(-x.dim(), x.dim()):
        for pieces in (k for k in (1, 2, 3, 6) if x.size(dim) % k == 0):
            values, indices = ops.maxout_with_indices(x, pieces, dim, kind)
            want, candidates = values.unsqueeze(-1), pieces_last(x, pieces, dim, kind)
            assert torch.equal(values, candidates.amax(-1)) and indices.dtype == torch.uint8
            assert torch.equal(indices.long(), (candidates == want).to(torch.uint8).argmax(-1))
            assert torch.equal(ops.maxout(x, pieces, dim, kind), values)


@pytest.mark.parametrize("kind", LAYOUTS_OF_PIECES)
@pytest.mark.parametrize("n", (1, 5, 8, 33, 1000))
def test_the_first_of_equal_pieces_wins(kind, n, wide):
    x = torch.randint(0, 2, (n, 8 * 3), dtype=torch.int64).to(wide).requires_grad_()
    (grad,) = torch.autograd.grad(ops.maxout(x, 8, 1, kind).sum(), x)
    pieces = pieces_last(x, 8, 1, kind)
    first = (pieces == pieces.amax(-1, keepdim=True)).to(torch.uint8).argmax(-1)
    want = torch.zeros_like(pieces).scatter(-1, first[..., None], 1.0)
    assert torch.equal(pieces_last(grad, 8, 1, kind), want)


@pytest.mark.parametrize("kind", LAYOUTS_OF_PIECES)
def test_the_first_nan_wins(kind, dtype):
    x = torch.arange(4.0 * 6).reshape(4, 6).to(dtype)
    place = pieces_last(x, 3, 1, kind)
    place[0, 0, 1] = place[1, 1, 2] = place[1, 1, 1] = place[2, 0, 0] = torch.nan
    values, indices = ops.maxout_with_indices(x, 3, 1, kind)
    assert values.isnan().nonzero().tolist() == [[0, 0], [1, 1], [2, 0]]
    assert [indices[0, 0], indices[1, 1], indices[2, 0]] == [1, 1, 0]


@pytest.mark.parametrize("kind", LAYOUTS_OF_PIECES)
def test_infinities_and_zeros(kind):
    inf = torch.inf
    x = torch.tensor([[-inf, -inf], [inf, 1.0], [0.0, -0.0], [-0.0, 0.0]])
    values, indices = ops.maxout_with_indices(x, 2, 1, kind)
    assert values.flatten().tolist() == [-inf, inf, 0.0, 0.0]
    assert indices.flatten().tolist() == [0, 0, 0, 0]
    assert values.signbit().flatten().tolist() == [True, False, False, True]


@pytest.mark.parametrize("kind", LAYOUTS_OF_PIECES)
def test_as_many_pieces_as_a_byte_counts(kind):
    x = torch.zeros(2, 512, dtype=torch.float64).requires_grad_()
    with torch.no_grad():
        pieces_last(x, 256, 1, kind)[..., 255] = 1
    values, indices = ops.maxout_with_indices(x, 256, 1, kind)
    assert (indices == 255).all() and (values == 1).all()
    (grad,) = torch.autograd.grad(values.sum(), x)
    assert torch.equal(grad, x)


def test_indices_are_no_function_of_x():
    values, indices = ops.maxout_with_indices(torch.randn(SHAPE, requires_grad=True), 2)
    assert values.requires_grad and not indices.requires_grad


def test_a_gradient_that_nobody_sent_is_zero():
    x = torch.randn(SHAPE, requires_grad=True)
    values, _ = ops.maxout_with_indices(x, 2)
    (grad,) = torch.autograd.grad(values, x, torch.zeros_like(values))
    assert not grad.any()


@pytest.mark.parametrize("kind", LAYOUTS_OF_PIECES)
def test_backward_and_gather_undo_each_other(kind, dtype):
    x = torch.randperm(2 * 6 * 3 * 6).reshape(SHAPE).to(dtype)
    values, indices = ops.maxout_with_indices(x, 3, 1, kind)
    assert torch.equal(ops._maxout_gather(x, indices, 3, 1, kind), values)
    spread = ops.maxout_backward(values, indices, 3, 1, kind)
    assert torch.equal(ops._maxout_gather(spread, indices, 3, 1, kind), values)
    assert torch.equal(spread.sum(), values.sum())
