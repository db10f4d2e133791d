"""A value's result depends on the value alone: not on its place, its neighbours, its layout or the threads."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layouts import cropped, offset, sliced
from op_table import FLOATS

# Any bits at all: NaN, infinities and subnormal numbers among them, and mostly numbers of an ordinary size.
BITS = st.one_of(st.integers(0, 2**32 - 1), st.floats(-20, 20, width=32).map(lambda v: int(np.float32(v).view("u4"))))
VALUES = st.lists(BITS, min_size=1, max_size=70).map(lambda bits: torch.from_numpy(np.array(bits, "u4").view("f4")))
PLACES = st.sampled_from((offset, sliced, cropped, lambda x: torch.cat([x] * 3)[-x.numel() :], lambda x: x[None].t()))

quickly = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def bits(t):
    """The bits, with one NaN for all."""
    t = t.detach().clone(memory_format=torch.contiguous_format)
    return torch.where(t.isnan(), torch.nan, t).view({8: torch.int64, 4: torch.int32, 2: torch.int16}[t.itemsize])


def passes(row, x, g, a=None):
    """f, g f', and both results of the double backward, with a in the place of the gradient of g f'."""
    x, g = x.detach().requires_grad_(), g.detach().requires_grad_()
    y = row(x, *row.learned(x.detach()))
    (dx,) = torch.autograd.grad(y, x, g, create_graph=True)
    second = torch.autograd.grad(dx, (x, g), g if a is None else a, allow_unused=True)
    return [t for t in (y, dx, *second) if t is not None]


def same(left, right):
    return all(torch.equal(bits(a.reshape(-1)), bits(b.reshape(-1))) for a, b in zip(left, right, strict=True))


def test_the_place_does_not_matter(function, dtype):
    @quickly
    @given(values=VALUES, place=PLACES)
    def check(values, place):
        x = values.to(dtype).to(torch.get_default_device())
        g = x.flip(0)
        singles = [passes(function, a, b) for a, b in zip(x, g, strict=True)]
        alone = [torch.stack(results) for results in zip(*singles, strict=True)]
        assert same(alone, passes(function, x, g))
        assert same(alone, passes(function, place(x), place(g)))

    check()


def test_the_layout_does_not_matter(pointwise, dtype, writable):
    z = writable(pointwise.sample((2, 6, 5, 6), dtype=dtype))
    x = z.clone(memory_format=torch.contiguous_format)
    learned = pointwise.learned(x)
    assert torch.equal(bits(pointwise(x, *learned)), bits(pointwise(z, *learned)))


@st.composite
def shapes(draw, row):
    """Small ones, some of no elements, now and then one with more than a thread takes."""
    long = draw(st.sampled_from((0,) * 7 + (33_001,)))
    shape = draw(st.lists(st.integers(1, 2 if long else 4), min_size=1 if row.dim is None else 2, max_size=4))
    shape[draw(st.integers(0, len(shape) - 1))] = long or draw(st.integers(0, 40))
    if row.dim is not None:
        shape[row.dim] *= row.group
    return shape


@st.composite
def views(draw, row, shape, dtype, seed):
    """Values that lie in memory in any way: dims in any order, with gaps, from any offset, expanded, overlapping."""
    stride, strides = 1, [0] * len(shape)
    for dim in draw(st.permutations(range(len(shape)))):
        stride *= draw(st.sampled_from((1, 1, 1, 2, 3)))
        strides[dim] = draw(st.sampled_from((stride, stride, stride, stride, 0, 1)))
        stride = stride * max(shape[dim], 1) + draw(st.sampled_from((0, 0, 0, 1)))
    start = draw(st.integers(0, 9))
    end = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True) if size) + 1
    return row.sample((end,), dtype, seed).as_strided(shape, strides, start)


def test_the_view_does_not_matter(unbatched):
    """Nor do the threads: the same values, contiguous and on one thread, give the same bits."""
    row = unbatched

    @settings(quickly, max_examples=25)
    @given(data=st.data())
    def check(data):
        dtype = data.draw(st.sampled_from(FLOATS))
        shape = data.draw(shapes(row))
        x = data.draw(views(row, shape, dtype, 0))
        g = data.draw(views(row, row(x, *row.learned(x)).shape, dtype, 1))
        a = data.draw(views(row, shape, dtype, 2))
        torch.set_num_threads(1)
        alone = passes(row, *(t.clone(memory_format=torch.contiguous_format) for t in (x, g, a)))
        torch.set_num_threads(3)
        assert same(alone, passes(row, x, g, a))

    check()


def by_threads(row, dtype):
    """The output and all gradients of enough elements for two threads, with one, two and two threads."""
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        x = row.sample(row.many(), dtype).requires_grad_()
        learned = tuple(t.requires_grad_() for t in row.learned(x.detach()))
        y = row(x, *learned)
        yield [y, *torch.autograd.grad(y, (x, *learned), row.sample(y.shape, dtype, seed=1))]


@pytest.mark.cpu_only
def test_threads_do_not_matter(row, dtype):
    """Not to a value and its gradient; a sum over a batch is the same for the same number of threads."""
    one, two, again = by_threads(row, dtype)
    assert same(two, again)
    if not row.batch_stats:
        assert same(one[:2], two[:2])
    for left, right in zip(one, two, strict=True):
        torch.testing.assert_close(left, right)
