"""What only CUDA has: the CPU's bits, vectors at every offset, streams, graphs, nothing that waits, memory.

Every other file runs on the device as well, with --device cuda.
"""

import gc
import math
import re

import pytest
import torch
from torch.testing import assert_close

from layouts import sliced
from op_table import HALVES, ROWS, ops
from test_bitwise import bits, passes
from test_errors import BETA, MEAN, VALUES, VAR, WINNERS, X, dice

pytestmark = pytest.mark.cuda_only

MANY = 2**20 + 3
OFFSETS = range(18)  # in elements: more than a vector of the smallest has
LENGTHS = range(71)


def exact(got, wanted):
    """The same bits."""
    for left, right in zip(got, wanted, strict=True):
        assert torch.equal(bits(left), bits(right))


def shapes(row, n=MANY):
    return row.shapes(n if row.dim is None else n // 32)


def results(row, inputs, g):
    """The output, the gradients, and the gradients of all of these together."""
    inputs, g = [t.detach().requires_grad_() for t in inputs], g.detach().requires_grad_()
    y = row(*inputs)
    first = torch.autograd.grad(y, inputs, g, create_graph=True)
    second = torch.autograd.grad(first, [g, *inputs], [t.detach() for t in first], allow_unused=True)
    return [t.detach() for t in (y, *first, *second) if t is not None]


def problem(row, shape=None, dtype=torch.float32, seed=0):
    """The inputs and the gradient of the output."""
    x = row.sample(shape or row.many(), dtype, seed)
    inputs = [x, *(t + 0.1 * seed for t in row.learned(x))]
    return inputs, row.sample(row(*inputs).shape, dtype, seed + 1)


# ---------------------------------------------------------------------------------------------------------- the CPU's


def mixed(row, shape, dtype, seed):
    """Ordinary numbers, and between them any bits at all."""
    x = row.sample(shape, dtype, seed).cpu()
    wild = torch.randint(256, (x.nbytes,), dtype=torch.uint8, device="cpu").view(dtype).reshape(shape)
    return torch.where(torch.arange(x.numel(), device="cpu").reshape(shape) % 2 == 0, x, wild)


def on_both(row, *tensors):
    """passes on the device and on the CPU, where the tensors are."""
    there = passes(row, *(t.to(torch.get_default_device()) for t in tensors))
    return [t.detach().cpu() for t in there], [t.detach() for t in passes(row, *tensors)]


def test_the_bits_of_the_cpu(unbatched, wide):
    """float32 and float64 are computed by the same operations, one by one, up to the second derivative."""
    for shape in shapes(unbatched):
        x = mixed(unbatched, shape, wide, 0)
        y = unbatched(x, *unbatched.learned(x))
        exact(*on_both(unbatched, x, mixed(unbatched, y.shape, wide, 1), mixed(unbatched, shape, wide, 2)))


def place(t):
    """The number of a 16-bit value among all of its type, in their order."""
    i = t.view(torch.int16).int()
    return torch.where(i < 0, -(i & 0x7FFF), i)


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_16_bits_are_those_of_the_cpu_or_next_to_them(unbatched, half):
    """For every input. What is rounded comes from approximations, and one in a hundred may fall to the other side."""
    for shape in shapes(unbatched, 2**19):
        x = torch.arange(math.prod(shape), device="cpu").to(torch.int16).view(half).reshape(shape)
        y = unbatched(x, *unbatched.learned(x))
        for got, want in zip(*on_both(unbatched, x, torch.ones_like(y), torch.ones_like(x)), strict=True):
            assert torch.equal(got.isnan(), want.isnan())
            apart = torch.where(want.isnan(), 0, place(got) - place(want)).abs()
            # Beside a root of a derivative only the absolute error is small.
            close = (got.float() - want.float()).abs() <= 2**-22
            beside = close & (x.abs() < 8) if got.shape == x.shape else close
            assert ((apart <= 1) | beside).all() and (apart == 0).double().mean() >= 0.99


def test_dice_by_the_statistics_of_the_batch(row, wide):
    """They are sums, in another order."""
    if row.batch_stats:
        for shape in shapes(row):
            x, g, a = (row.sample(shape, wide, seed).cpu() for seed in range(3))
            assert_close(*on_both(row, x, g, a))


def test_sums_are_those_of_float64(row):
    """The gradients of what is learned, each of thousands of terms."""
    eps = torch.finfo(torch.float32).eps
    for shape in shapes(row):
        inputs, g = problem(row, shape)
        exact_inputs = [t.double().cpu().requires_grad_() for t in inputs]
        wanted = torch.autograd.grad(row.composite(*exact_inputs), exact_inputs, g.double().cpu())
        for got, want in zip(results(row, inputs, g)[2 : 1 + len(inputs)], wanted[1:], strict=True):
            terms = inputs[0].numel() / got.numel()
            assert_close(got.double().cpu(), want, rtol=4 * eps, atol=16 * eps * terms**0.5)


# ------------------------------------------------------------------------------------------- offsets, lengths, strides


def placed(t, offset):
    """t at an offset from where memory is allocated."""
    memory = t.new_full((offset + t.numel(),), 7.0)
    return memory[offset:].copy_(t.flatten()).view(t.shape)


@pytest.mark.parametrize("direction", ("forward", "in place", "backward"))
def test_every_offset_and_length(function, dtype, direction):
    """Every operand at an offset of its own; what stands around the result stays."""
    numbers = function.arguments(None)
    backward = getattr(ops, function.base + "_backward")
    x, g = (function.sample((max(LENGTHS),), dtype, seed) for seed in range(2))
    wanted = backward(g, x, *numbers) if direction == "backward" else function(x)
    for n in LENGTHS:
        written, expected = (torch.full((len(OFFSETS), 128), 7.0, dtype=dtype) for _ in range(2))
        for offset in OFFSETS:
            result = written[offset, offset : offset + n]
            expected[offset, offset : offset + n] = wanted[:n]
            other = placed(x[:n], (5 * offset + n) % len(OFFSETS))
            if direction == "forward":
                function.out(other, out=result)
            elif direction == "in place":
                function.inplace(result.copy_(x[:n]))
            else:
                another = placed(g[:n], (offset + 2 * n) % len(OFFSETS))
                backward.grad_input(another, other, *numbers, grad_input=result)
        assert torch.equal(written, expected), n


@pytest.mark.parametrize("offset", (1, 3))
def test_tiles_at_an_offset(function, dtype, offset):
    """More vectors than threads that run at once, which take whole tiles of them in turns: every operand elsewhere than
    the result, and all of them alike."""
    numbers = function.arguments(None)
    backward = getattr(ops, function.base + "_backward")
    x, g = (function.sample((2**22 + 5,), dtype, seed) for seed in range(2))
    wanted = function(x), backward(g, x, *numbers)
    elsewhere, other = placed(x, offset), placed(g, 4 - offset)
    exact((function(elsewhere), backward(other, elsewhere, *numbers)), wanted)
    memory = torch.full((offset + len(x) + 64,), 7.0, dtype=dtype)
    for inputs, result in (
        ((x, g), memory[offset:][: len(x)]),
        ((elsewhere, placed(g, offset)), placed(torch.empty_like(x), offset)),
    ):
        function.out(inputs[0], out=result)
        exact((result,), wanted[:1])
        backward.grad_input(inputs[1], inputs[0], *numbers, grad_input=result)
        exact((result,), wanted[1:])
    assert (memory[:offset] == 7).all() and (memory[offset + len(x) :] == 7).all()
    exact((function.inplace(elsewhere),), wanted[:1])


def test_every_operand_at_an_offset_of_its_own(row, dtype):
    for shape in row.shapes(37):
        x, a = row.sample(shape, dtype), row.sample(shape, dtype, 2)
        g = row.sample(row(x, *row.learned(x)).shape, dtype, 1)
        wanted = passes(row, x, g, a)
        for i in OFFSETS:
            operands = (placed(t, k * i % len(OFFSETS)) for t, k in ((x, 1), (g, 5), (a, 11)))
            got = passes(row, *operands)
            assert_close(got, wanted) if row.batch_stats else exact(got, wanted)


@pytest.mark.parametrize("shape", ((3, 2, 4, 3, 5, 2, 3), (2,) * 18), ids=len)
def test_many_dims(function, dtype, shape):
    """None of which join; a kernel has room for 16 of them."""
    x = function.sample(shape[::-1], dtype).permute(*reversed(range(len(shape))))
    g, a = sliced(function.sample(shape, dtype, 1)), function.sample(shape, dtype, 2)
    alone = (t.clone(memory_format=torch.contiguous_format) for t in (x, g, a))
    exact(passes(function, x, g, a), passes(function, *alone))


# ------------------------------------------------------------------------------------------------- streams and graphs


def test_a_stream_of_its_own(row):
    """What is queued on a stream comes after what was queued there, its scratch memory is that stream's, and the host
    does not wait."""
    inputs, g = problem(row)
    wanted = results(row, inputs, g)
    *late, late_g = (torch.full_like(t, torch.nan) for t in (*inputs, g))
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        results(row, inputs, g)  # so that there is memory for it
        side.synchronize()
        torch.cuda._sleep(1_000_000_000)  # cycles: half a second
        for t, value in zip((*late, late_g), (*inputs, g), strict=True):
            t.copy_(value)
        got = results(row, late, late_g)
        done = side.record_event()
    assert not done.query()
    others = [torch.full_like(t, 7.0) for t in got for _ in range(4)]  # what they take is not in use
    done.synchronize()
    exact(got, wanted)
    assert all((t == 7).all() for t in others)


def test_graph(row):
    """Captured with both backwards, and replayed for other numbers."""
    inputs, g = problem(row)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # loads the kernels, which a capture must not
        results(row, inputs, g)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        got = results(row, inputs, g)
    for seed in (3, 5):
        new_inputs, new_g = problem(row, seed=seed)
        for t, value in zip((*inputs, g), (*new_inputs, new_g), strict=True):
            t.copy_(value)
        graph.replay()
        exact(got, results(row, new_inputs, new_g))


def test_nothing_waits(row, layout):
    """Not in a call that torch knows to wait for the device: a copy to the host, a number that is looked at."""
    inputs = row.inputs(layout, dtype=torch.float32)
    g = row.sample(row(*inputs).shape, torch.float32, 1)
    wanted = results(row, inputs, g)
    torch.cuda.set_sync_debug_mode("error")
    try:
        got = results(row, inputs, g)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    exact(got, wanted)


def test_sums_are_the_same_in_every_run(row, wide):
    """Whatever else the device does."""
    other, noise = torch.cuda.Stream(), torch.randn(2048, 2048)
    other.wait_stream(torch.cuda.current_stream())
    for shape in shapes(row, 2**17):
        inputs, g = problem(row, shape, wide)
        wanted = results(row, inputs, g)
        for _ in range(10):
            with torch.cuda.stream(other):
                noise @ noise
            exact(results(row, inputs, g), wanted)
    other.synchronize()


# --------------------------------------------------------------------------------------------------- devices, memory


def test_the_device_of_the_tensors_counts(row):
    """And not the current one, where there are two."""
    last = torch.device("cuda", torch.cuda.device_count() - 1)
    inputs, g = problem(row)
    with torch.cuda.device(0):
        got = results(row, [t.to(last) for t in inputs], g.to(last))
        assert torch.cuda.current_device() == 0
    assert all(t.device == last for t in got)
    exact([t.to(g.device) for t in got], results(row, inputs, g))


# The call, the operator, and the argument that is on the CPU.
MIXED = (
    (lambda: ops.swish(X, BETA.cpu()), "swish", "beta"),
    (lambda: ops.swish(X, BETA[0].cpu()), "swish", "beta"),
    (lambda: ops.swish_(X, BETA.cpu()), "swish", "beta"),
    (lambda: dice(alpha=BETA.cpu()), "dice", "alpha"),
    (lambda: dice(mean=MEAN.cpu()), "dice", "running_mean"),
    (lambda: dice(var=VAR.cpu()), "dice", "running_var"),
    (lambda: ops.mish(X, out=X.cpu()), "mish", "out"),
    (lambda: ops.swish(X, BETA, out=X.cpu()), "swish", "out"),
    (lambda: ops.mish_backward(X.cpu(), X), "mish_backward", "grad_output"),
    (lambda: ops.mish_double_backward(X.cpu(), X, X), "mish_double_backward", "grad_grad_input"),
    (lambda: ops.maxout_backward(VALUES, WINNERS.cpu(), 2), "maxout_backward", "indices"),
)


@pytest.mark.parametrize("call,op,argument", MIXED)
def test_an_argument_on_the_cpu(call, op, argument):
    """Even of one element, which a builtin may take: nothing is copied in silence."""
    before = X.clone()
    with pytest.raises(RuntimeError, match=re.escape(f"{op}: {argument} is on cpu, but self is on {X.device}")):
        call()
    assert torch.equal(X, before)


def test_self_on_the_cpu():
    with pytest.raises(RuntimeError, match=f"swish: beta is on {BETA.device}, but self is on cpu"):
        ops.swish(X.cpu(), BETA)
    with pytest.raises(RuntimeError, match=f"dice: alpha is on {BETA.device}, but self is on cpu"):
        dice(X.cpu())


def requested(when="current"):
    """Bytes that were asked for and not given back."""
    return torch.cuda.memory_stats()[f"requested_bytes.all.{when}"]


@pytest.mark.parametrize(
    "light", [row for row in ROWS if row.base == "maxout" or row.dim is None], ids=lambda r: r.name
)
def test_memory(light, dtype):
    """Beside the input, which is its caller's, a graph keeps nothing, or Maxout's byte per output; the backward takes
    its result and no more."""
    gc.collect()
    (x,) = light.inputs(shape=shapes(light)[0], dtype=dtype)
    before = requested()
    y = light(x)
    kept = y.numel() if light.base == "maxout" else 0
    assert requested() - before == y.nbytes + kept
    g = torch.ones_like(y)
    torch.cuda.reset_peak_memory_stats()
    before = requested()
    (dx,) = torch.autograd.grad(y, x, g)
    assert requested("peak") - before == dx.nbytes == x.nbytes
