"""Softmax, its logarithm, and the losses on logits, against torch's functions of the same inputs in float64."""

import copy
import gc
import io
import itertools
import pickle
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import func
from torch.autograd import gradcheck, gradgradcheck

import actinium
from op_table import HALVES, SHAPE, ops
from ulp import assert_ulps, numbers

INF, NAN = torch.inf, torch.nan
BOTH = pytest.mark.parametrize("log", (False, True), ids=("softmax", "log_softmax"))
REDUCTIONS = ("none", "mean", "sum")


def op(log):
    return ops.log_softmax if log else ops.softmax


def exact(x, dim, log):
    """With the digits of a logarithm near 0."""
    x = numbers(x)
    first = np.expand_dims(x.argmax(dim), dim)
    shifted = x - np.take_along_axis(x, first, dim)
    e = np.exp(shifted)
    np.put_along_axis(e, first, 0, dim)
    rest = e.sum(dim, keepdims=True)
    np.put_along_axis(e, first, 1, dim)
    return shifted - np.log1p(rest) if log else e / (1 + rest)


# ------------------------------------------------------------------------------------------------ softmax, log_softmax


@BOTH
@pytest.mark.parametrize("scale", (1, 30))
def test_values_along_every_dim(log, scale, dtype, layout):
    x = layout((torch.randn(SHAPE) * scale).to(dtype))
    for dim in range(-x.dim(), x.dim()):
        y = op(log)(x, dim)
        bound = 0.501 if dtype in HALVES else 3 if dtype == torch.float32 else 6
        assert_ulps(y, exact(x, dim, log), bound)
        assert y.dtype == dtype and y.stride() == torch.exp(x).stride()


@BOTH
@pytest.mark.parametrize("n", (1, 2, 7, 8, 31, 100, 2047, 2049, 33_000))
@pytest.mark.parametrize("scale", (1, 5))
def test_rows_of_every_length(log, n, scale, dtype):
    for shape, dim in (((5, n), 1), ((n, 35), 0)):
        x = (torch.randn(shape) * scale).to(dtype)
        assert_ulps(
            op(log)(x, dim), exact(x, dim, log), 0.501 if dtype in HALVES else 3 if dtype == torch.float32 else 10
        )


def test_a_sum_in_float64_loses_nothing():
    x = torch.randn(1024, 1024, dtype=torch.float64, generator=torch.Generator("cpu").manual_seed(0)) * 3
    assert_ulps(ops.softmax(x, 1), exact(x, 1, False), 4)


@pytest.mark.parametrize("shift", (0.0, 3.3, -200.0, 1e4, -1e6, 3e38))
def test_large_logits_lose_nothing(shift, wide):
    """The result is that of the differences, which are exact here."""
    x = torch.linspace(-8, 0, 5, dtype=wide).mul(2.0).round()
    moved = x + torch.tensor(shift, dtype=wide)
    if abs(shift) < 1e6:
        assert_ulps(ops.softmax(moved, 0), exact(moved, 0, False), 3)
    assert_ulps(ops.log_softmax(moved, 0), exact(moved, 0, True), 3)


def test_a_probability_near_one_keeps_its_logarithm():
    x = torch.tensor([[20.0, 0.0, 0.0], [40.0, 0.0, -INF]])
    assert_ulps(ops.log_softmax(x, 1)[:, :1], np.array([[-4.122307244877115e-09], [-4.248354255291589e-18]]), 2)


@BOTH
def test_one_class_is_certain(log, dtype):
    x = torch.randn(1000, 1).to(dtype)
    assert (op(log)(x, 1) == (0 if log else 1)).all() and (op(log)(x.T, 0) == (0 if log else 1)).all()


@BOTH
def test_infinities_and_nan(log, dtype):
    rows = (
        [0, -INF, 1],
        [-INF, -INF, -INF],
        [INF, 0, 1],
        [INF, INF, 0],
        [NAN, 0, 1],
        [1, 2, NAN],
        [-INF, INF, 0],
        [0, 0, 0],
    )
    x = torch.tensor(rows).to(dtype)
    want = torch.log_softmax if log else torch.softmax
    torch.testing.assert_close(op(log)(x, 1), want(x, 1), equal_nan=True)
    torch.testing.assert_close(op(log)(x.T.contiguous(), 0), want(x, 1).T, equal_nan=True)
    late = torch.full((2, 9000), -INF).to(dtype)  # a block of -inf comes first
    late[:, -1] = 2
    assert (op(log)(late, 1)[:, -1] == (0 if log else 1)).all() and (
        op(log)(late.T.contiguous(), 0)[0] == (-INF if log else 0)
    ).all()


@BOTH
@pytest.mark.parametrize("shape,dim", (((), 0), ((), -1), ((0,), 0), ((3, 0), 1), ((3, 0), 0), ((0, 4), 1)))
def test_without_elements_or_dims(log, shape, dim):
    x = torch.zeros(shape, requires_grad=True)
    y = op(log)(x, dim)
    assert torch.equal(y, (torch.log_softmax if log else torch.softmax)(x, dim))
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert grad.shape == x.shape and not grad.any()


@BOTH
def test_gradients_in_every_layout(log, dtype, layout):
    x = layout(torch.randn(SHAPE).to(dtype))
    g = layout(torch.randn(SHAPE).to(dtype))
    for dim in range(x.dim()):
        a, b = x.detach().requires_grad_(), x.detach().to(torch.float64, copy=True).requires_grad_()
        (got,) = torch.autograd.grad(op(log)(a, dim), a, g)
        (want,) = torch.autograd.grad((torch.log_softmax if log else torch.softmax)(b, dim), b, g.double())
        eps = {torch.float64: 1e-14, torch.float32: 2e-6, torch.bfloat16: 2e-2, torch.float16: 3e-3}[dtype]
        torch.testing.assert_close(got.double(), want, rtol=eps, atol=eps)


@BOTH
def test_derivatives(log):
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    for dim in (0, 1, -1):
        f = lambda x: op(log)(x, dim)  # noqa: B023, E731
        assert gradcheck(f, x, check_forward_ad=True, check_batched_grad=True)
        assert gradgradcheck(f, x, check_fwd_over_rev=True)
    y = torch.randn(3, 4, dtype=torch.float64).log_softmax(1).requires_grad_()
    g = torch.randn_like(y).requires_grad_()
    backward = ops.log_softmax_backward if log else ops.softmax_backward
    assert gradcheck(lambda g, y: backward(g, y, 1), (g, y), check_forward_ad=True)


@BOTH
def test_vmap(log):
    x = torch.randn(5, 3, 4)
    for dim in (0, 1, -1):
        want = torch.stack([op(log)(x[:, i], dim) for i in range(3)])
        torch.testing.assert_close(func.vmap(lambda t: op(log)(t, dim), 1)(x), want)  # noqa: B023
    f = func.grad(lambda t: op(log)(t, 0)[1] ** 2)
    torch.testing.assert_close(func.vmap(f)(x[0]), torch.stack([f(t) for t in x[0]]))
    assert torch.equal(func.vmap(lambda t: op(log)(t, -1))(x[0, 0]), torch.full((4,), 0.0 if log else 1.0))
    want = func.hessian(lambda t: (torch.log_softmax if log else torch.softmax)(t, 0)[1])(x[0, 0])
    torch.testing.assert_close(func.hessian(lambda t: op(log)(t, 0)[1])(x[0, 0]), want)


@BOTH
def test_dtype(log):
    x = torch.randn(3, 4).bfloat16()
    assert torch.equal(op(log)(x, 1, torch.float32), op(log)(x.float(), 1))
    assert op(log)(x, 1, torch.float64).dtype == torch.float64


def forms_of(log):
    """What has an out= form: the inputs of a call, the op, the name of out, and what messages call it."""
    x, y = torch.randn(3, 4, 5), torch.randn(3, 4, 5).softmax(1)
    name = "log_softmax" if log else "softmax"
    backward = getattr(ops, f"{name}_backward")
    return ((x,), op(log), "out", name), ((x, y), backward, "grad_input", f"{name}_backward")


@BOTH
@pytest.mark.parametrize("form", (0, 1), ids=("forward", "backward"))
def test_out(log, form, dtype, layout):
    """Of any strides, empty, or the input itself."""
    inputs, f, out_name, _ = forms_of(log)[form]
    inputs = [layout(t[None]).to(dtype) for t in inputs]
    for dim in (-1, 0, 2):
        want = f(*inputs, dim)
        transposed = torch.full_like(want.mT, 7.0).mT
        for out in (
            torch.full_like(want, 7.0),
            torch.empty(0, dtype=dtype),
            want.new_zeros(*want.shape, 2)[..., 0],
            transposed,
        ):
            assert f(*inputs, dim, **{out_name: out}) is out and torch.equal(out, want)
        for i in range(len(inputs)):
            own = [t.clone() for t in inputs]
            assert f(*own, dim, **{out_name: own[i]}) is own[i] and torch.equal(own[i], want)


@BOTH
def test_out_of_a_dtype_that_is_asked_for(log):
    x, out = torch.randn(3, 4).bfloat16(), torch.zeros(3, 4)
    assert torch.equal(op(log)(x, 1, torch.float32, out=out), op(log)(x.float(), 1))
    with pytest.raises(TypeError, match="softmax: out has dtype Float, but self has BFloat16"):
        op(log)(x, 1, out=out)


@BOTH
@pytest.mark.parametrize("form", (0, 1), ids=("forward", "backward"))
def test_out_is_refused(log, form, capfd):
    inputs, f, out_name, name = forms_of(log)[form]
    x = inputs[0]
    for dtype, called in ((torch.float64, "Double"), (torch.int32, "Int")):
        with pytest.raises(TypeError, match=f"^{name}: out has dtype {called}, but self has Float"):
            f(*inputs, 1, **{out_name: torch.zeros(x.shape, dtype=dtype)})
    with pytest.raises(RuntimeError, match=f"^{name}: out is on meta"):
        f(*inputs, 1, **{out_name: torch.empty_like(x, device="meta")})
    base = torch.zeros(x.numel() + 1)
    shifted, inside = base[1:].view(x.shape), base[:-1].view(x.shape)
    for overlap in (
        lambda: f(inside, *inputs[1:], 1, **{out_name: shifted}),
        lambda: f(*inputs, 1, **{out_name: torch.zeros(1, 4, 5).expand(x.shape)}),
    ):
        with pytest.raises(RuntimeError, match=r"unsupported operation: .*memory"):
            overlap()
    assert not base.any()
    leaves = [t.clone().requires_grad_() for t in inputs]
    with pytest.raises(RuntimeError, match=rf"^{name}\(\): functions with out=... arguments don't support automatic"):
        f(*leaves, 1, **{out_name: torch.empty_like(x)})
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        with pytest.raises(NotImplementedError, match=rf"forward AD with {name}\(..., out=...\)"):
            f(dual, *inputs[1:], 1, **{out_name: torch.empty_like(x)})
    capfd.readouterr()
    small = torch.zeros(3)
    f(*inputs, 1, **{out_name: small})
    assert "An output with one or more elements was resized" in capfd.readouterr().err
    assert torch.equal(small, f(*inputs, 1)) and small.is_contiguous()


@BOTH
@pytest.mark.parametrize("form", (0, 1), ids=("forward", "backward"))
def test_out_spoils_what_others_saved(log, form):
    inputs, f, out_name, _ = forms_of(log)[form]
    y = inputs[0].clone().requires_grad_().exp()
    version = y._version
    f(*inputs, 1, **{out_name: y.detach()})
    assert y._version == version + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@BOTH
def test_compiled_out(log):
    def into(x, dim):
        out = torch.empty_like(x)
        op(log)(x * 2, dim, out=out)
        return out + 1

    x = torch.randn(3, 4)
    torch.testing.assert_close(torch.compile(into, fullgraph=True, backend="aot_eager")(x, 1), into(x, 1))


@pytest.mark.cpu_only
@BOTH
def test_the_place_and_the_threads_do_not_matter(log, dtype):
    """One row, among others of any number, on one thread or two."""
    x = torch.randn(700, 131).to(dtype)
    torch.set_num_threads(1)
    one = op(log)(x, 1)
    torch.set_num_threads(2)
    assert torch.equal(one, op(log)(x, 1)) and torch.equal(one[5:6], op(log)(x[5:6], 1))
    down = op(log)(x.T.contiguous(), 0)
    torch.set_num_threads(1)
    assert torch.equal(down, op(log)(x.T.contiguous(), 0))


# ----------------------------------------------------------------------------------------------- softmax_cross_entropy

CASES = [
    (shape, weighted, smoothing, probabilities)
    for shape in ((5,), (7, 10), (3, 10, 6), (2, 5, 4, 7))
    for weighted, smoothing, probabilities in itertools.product((False, True), (0.0, 0.1), (False, True))
]


def problem(shape, weighted, probabilities, dtype=torch.float64):
    """Logits, target and weight; one row is to be ignored."""
    dim = min(1, len(shape) - 1)
    x = (torch.randn(shape, dtype=torch.float64) * 3).to(dtype)
    if probabilities:
        target = torch.randn(shape, dtype=torch.float64).softmax(dim).to(dtype)
    else:
        target = torch.randint(0, shape[dim], [n for i, n in enumerate(shape) if i != dim])
        if target.dim():
            target.view(-1)[1] = 3
    return x, target, torch.rand(shape[dim], dtype=torch.float64).add(0.1).to(dtype) if weighted else None


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape,weighted,smoothing,probabilities", CASES)
def test_cross_entropy_is_torchs(shape, weighted, smoothing, probabilities, reduction, dtype):
    x, target, weight = problem(shape, weighted, probabilities, dtype)
    ignore = -100 if probabilities or not target.dim() else 3
    layouts = [lambda t: t]
    if len(shape) == 4:
        layouts += [lambda t: t.contiguous(memory_format=torch.channels_last), lambda t: t.mT.contiguous().mT]
    bound = {torch.float64: 1e-13, torch.float32: 3e-6, torch.bfloat16: 1e-2, torch.float16: 2e-3}[dtype]
    for layout in layouts:
        ours = [layout(x).detach().requires_grad_(), target]
        theirs = [x.double().clone().requires_grad_(), target]
        if probabilities:
            ours[1] = layout(target).detach().requires_grad_()
            theirs[1] = target.double().clone().requires_grad_()
        loss = ops.softmax_cross_entropy(*ours, weight, reduction, ignore, smoothing)
        want = F.cross_entropy(
            *theirs,
            None if weight is None else weight.double(),
            ignore_index=ignore,
            reduction=reduction,
            label_smoothing=smoothing,
        )
        assert loss.dtype == dtype and loss.shape == want.shape
        torch.testing.assert_close(loss.double(), want, rtol=bound, atol=bound)
        g = torch.randn(want.shape).to(dtype)
        leaves = 1 + probabilities
        for got, other in zip(
            torch.autograd.grad(loss, ours[:leaves], g),
            torch.autograd.grad(want, theirs[:leaves], g.double()),
            strict=True,
        ):
            assert got.dtype == dtype
            torch.testing.assert_close(got.double(), other, rtol=bound, atol=bound)


def test_a_small_loss_keeps_its_digits():
    x = torch.tensor([[30.0, 0.0, 1.0]], requires_grad=True)
    loss = ops.softmax_cross_entropy(x, torch.tensor([0]))
    assert_ulps(loss.reshape(1), -exact(x, 1, True)[0, :1], 2)
    (grad,) = torch.autograd.grad(loss, x)
    assert_ulps(grad[:, 1:], exact(x, 1, False)[:, 1:], 4)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted,smoothing", ((False, 0.0), (True, 0.2)))
def test_derivatives_of_cross_entropy(reduction, weighted, smoothing):
    x, target, weight = problem((3, 4), weighted, False)
    _, soft, _ = problem((3, 4), weighted, True)
    x, soft = x.requires_grad_(), soft.requires_grad_()

    def hard(x):
        return ops.softmax_cross_entropy(x, target, weight, reduction, 3, smoothing)

    def probable(x, t):
        return ops.softmax_cross_entropy(x, t, weight, reduction, -100, smoothing)

    for f, inputs in ((hard, (x,)), (probable, (x, soft))):
        assert gradcheck(f, inputs, check_forward_ad=True)
        assert gradgradcheck(f, inputs, check_fwd_over_rev=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vmap_of_cross_entropy(reduction):
    x, index, soft, weight = torch.randn(5, 3, 4), torch.randint(0, 4, (5, 3)), torch.rand(5, 3, 4), torch.rand(5, 4)

    def hard(x, i):
        return ops.softmax_cross_entropy(x, i, None, reduction, 1, 0.1)

    def probable(x, t, w):
        return ops.softmax_cross_entropy(x, t, w, reduction)

    for f, args, dims in (
        (hard, (x, index), (0, 0)),
        (hard, (x, index[0]), (0, None)),
        (hard, (x[:, 0], index[:, 0]), (0, 0)),
        (probable, (x, soft, weight), (0, 0, 0)),
        (probable, (x, soft[0], weight[0]), (0, None, None)),
    ):
        for g in (f,) if reduction == "none" else (f, func.grad(f)):
            samples = [g(*(t if d is None else t[i] for t, d in zip(args, dims, strict=True))) for i in range(5)]
            torch.testing.assert_close(func.vmap(g, dims)(*args), torch.stack(samples), equal_nan=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_rows_without_classes(reduction):
    x, target = torch.zeros(3, 0), torch.zeros(3, 0)
    want = F.cross_entropy(x, target, reduction=reduction)
    torch.testing.assert_close(
        ops.softmax_cross_entropy(x, target, reduction=reduction), want, rtol=0.0, atol=0.0, equal_nan=True
    )


@pytest.mark.parametrize("shape", ((0, 3), (3, 5, 0)))
@pytest.mark.parametrize("probabilities", (False, True))
def test_no_rows(shape, probabilities):
    x = torch.zeros(shape, requires_grad=True)
    target = torch.zeros(shape) if probabilities else torch.zeros((shape[0], *shape[2:]), dtype=torch.int64)
    assert ops.softmax_cross_entropy(x, target).isnan() and ops.softmax_cross_entropy(x, target, reduction="sum") == 0
    (grad,) = torch.autograd.grad(ops.softmax_cross_entropy(x, target), x)
    assert grad.shape == x.shape


def test_all_rows_ignored():
    x, target = torch.randn(3, 4, requires_grad=True), torch.full((3,), -100)
    assert ops.softmax_cross_entropy(x, target).isnan()
    loss = ops.softmax_cross_entropy(x, target, reduction="sum")
    assert loss == 0 and not torch.autograd.grad(loss, x)[0].any()


@pytest.mark.parametrize("smoothing", (0.0, 0.1))
@pytest.mark.parametrize("weights", (None, (0.0, 1, 2)), ids=("plain", "weighted"))
@pytest.mark.parametrize("target", ((-100, -100), (0, -100)), ids=str)
@pytest.mark.parametrize("inner", (1, 20))
def test_a_row_that_is_ignored_has_no_gradient(target, weights, smoothing, inner, wide):
    """Though a mean over no rows, or over rows of weight 0, has an infinite one; what is no number in it stays so."""
    x = torch.tensor([[1.0, 2, 4], [3, 0, 5]], dtype=wide).unsqueeze(2).expand(2, 3, inner)
    target = torch.tensor(target).unsqueeze(1).expand(2, inner)
    weight = None if weights is None else torch.tensor(weights, dtype=wide)
    for logits in (x, x.clone().fill_(torch.nan)):
        logits = logits.contiguous().requires_grad_()
        loss = ops.softmax_cross_entropy(logits, target, weight, label_smoothing=smoothing)
        want = F.cross_entropy(logits, target, weight, label_smoothing=smoothing)
        got, other = (torch.autograd.grad(t, logits)[0][1] for t in (loss, want))
        torch.testing.assert_close(got, other, rtol=0.0, atol=0.0, equal_nan=True)


INFINITE = {
    "index": ([[0, -torch.inf, 1]], [0]),
    "one": ([[0, -torch.inf, 1]], [[0.0, 1, 0]]),
    "some": ([[0, -torch.inf, 1]], [[0.5, 0.5, 0]]),
    "too large": ([[3e38, -3e38, 0]], [[0.1, 0.9, 0]]),
}


@pytest.mark.parametrize("more", (0, 300))
@pytest.mark.parametrize("dim", (1, 2))
@pytest.mark.parametrize("logits,target", INFINITE.values(), ids=INFINITE)
def test_an_infinite_loss(logits, target, dim, more, wide):
    """Of classes that are impossible, beside others along a vector and across it, in short rows and long ones."""
    x, target = F.pad(torch.tensor(logits, dtype=wide), (0, more)), torch.tensor(target)
    if target.is_floating_point():
        target = F.pad(target.to(wide), (0, more))
    if dim == 2:
        x, target = (t.unsqueeze(-1).expand(*t.shape, 40).contiguous() for t in (x, target))
    got, want = (f(x, target, label_smoothing=0.1) for f in (ops.softmax_cross_entropy, F.cross_entropy))
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("kind", (*HALVES, torch.float64, torch.int64))
@pytest.mark.parametrize("half", HALVES)
def test_weights_of_any_dtype_beside_probabilities(half, kind):
    x, target, weight = torch.randn(5, 4).to(half), torch.rand(5, 4), torch.rand(4).mul(9).to(kind)
    want = F.cross_entropy(x.float(), target, weight.float())
    torch.testing.assert_close(ops.softmax_cross_entropy(x, target, weight), want)
    want = ops.softmax_cross_entropy(x, target.to(half), weight.float())
    assert torch.equal(ops.softmax_cross_entropy(x, target.to(half), weight), want)


def test_indices_of_8_bits():
    x, index = torch.randn(5, 4), torch.tensor([0, 3, 2, 1, 3])
    assert torch.equal(ops.softmax_cross_entropy(x, index.byte()), ops.softmax_cross_entropy(x, index))


@pytest.mark.cpu_only
def test_nothing_of_the_size_of_the_logits_but_the_gradient():
    x = torch.randn(64, 4096, requires_grad=True)
    index, size = torch.randint(0, 4096, (64,)), x.numel() * x.element_size()
    for reduction in ("mean", "sum"):
        with torch.profiler.profile(profile_memory=True) as profiler:
            ops.softmax_cross_entropy(x, index, None, reduction).backward()
        taken = [
            e.nbytes() for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]" and e.nbytes() > 0
        ]
        assert [n for n in taken if n >= size // 4] == [size]
        x.grad = None


# ---------------------------------------------------------------------------------------- sigmoid_binary_cross_entropy

SHAPES_OF_WEIGHTS = (None, (), (6,), (5, 6), (4, 1, 6), (2, 1, 1, 1), (2, 4, 5, 6), (2, 1, 5, 1))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", SHAPES_OF_WEIGHTS, ids=str)
@pytest.mark.parametrize("positive", SHAPES_OF_WEIGHTS, ids=str)
def test_binary_cross_entropy_is_torchs(weight, positive, reduction):
    w, p = (None if shape is None else torch.rand(shape, dtype=torch.float64) + 0.5 for shape in (weight, positive))
    x, y = torch.randn(2, 4, 5, 6, dtype=torch.float64) * 3, torch.rand(2, 4, 5, 6, dtype=torch.float64)
    for layout in (
        lambda t: t,
        lambda t: t.contiguous(memory_format=torch.channels_last),
        lambda t: t.flip(3)[..., ::1],
    ):
        ours = [layout(x).detach().requires_grad_(), layout(y).detach().requires_grad_()]
        theirs = [t.detach().clone().requires_grad_() for t in ours]
        loss = ops.sigmoid_binary_cross_entropy(*ours, w, p, reduction)
        want = F.binary_cross_entropy_with_logits(*theirs, w, reduction=reduction, pos_weight=p)
        torch.testing.assert_close(loss, want, rtol=1e-13, atol=1e-14)
        g = torch.randn_like(want)
        for got, other in zip(torch.autograd.grad(loss, ours, g), torch.autograd.grad(want, theirs, g), strict=True):
            torch.testing.assert_close(got, other, rtol=1e-13, atol=1e-14)


STRIDED = {
    "column": lambda: torch.rand(6, 2)[:, 0],
    "expanded": lambda: torch.rand(1).expand(6),
    "transposed": lambda: torch.rand(6, 5).t(),
    "one": lambda: torch.tensor(2),
    "integers": lambda: torch.arange(6),
}


@pytest.mark.parametrize("make", STRIDED.values(), ids=STRIDED)
@pytest.mark.parametrize("argument", ("weight", "pos_weight"))
def test_weights_of_any_strides_and_kind(argument, make):
    w, y = make(), torch.rand(4, 5, 6)
    ours, theirs = (torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    loss = ops.sigmoid_binary_cross_entropy(ours, y, **{argument: w})
    want = F.binary_cross_entropy_with_logits(theirs, y, **{argument: w})
    torch.testing.assert_close(loss, want)
    torch.testing.assert_close(*(torch.autograd.grad(t, x)[0] for t, x in ((loss, ours), (want, theirs))))


@pytest.mark.parametrize("argument", ("weight", "pos_weight"))
def test_a_weight_that_is_changed_spoils_the_backward(argument):
    x, w = torch.randn(2, 4, requires_grad=True), torch.ones(4)
    loss = ops.sigmoid_binary_cross_entropy(x, torch.ones(2, 4), **{argument: w})
    w.mul_(100)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_binary_cross_entropy_of_every_dtype(dtype):
    x = torch.linspace(-90, 90, 2001).to(dtype)
    for y in (torch.zeros_like(x), torch.ones_like(x), torch.linspace(0, 1, 2001).to(dtype)):
        loss = ops.sigmoid_binary_cross_entropy(x, y, reduction="none")
        n, t = numbers(x), numbers(y)
        log = np.log1p(np.exp(-abs(n)))
        want = (1 - t) * (np.maximum(n, 0) + log) + t * (np.maximum(-n, 0) + log)
        assert_ulps(loss, want, 0.51 if dtype in HALVES else 4)
    assert ops.sigmoid_binary_cross_entropy(x, y).dtype == dtype


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_derivatives_of_binary_cross_entropy(reduction):
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    y = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    w, p = torch.rand(3, 1, dtype=torch.float64), torch.rand(4, dtype=torch.float64)
    for weights in ((None, None), (w, p)):
        f = lambda x, y: ops.sigmoid_binary_cross_entropy(x, y, *weights, reduction)  # noqa: B023, E731
        assert gradcheck(f, (x, y), check_forward_ad=True)
        assert gradgradcheck(f, (x, y), check_fwd_over_rev=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vmap_of_binary_cross_entropy(reduction):
    x, y, p = torch.randn(5, 3, 4), torch.rand(5, 3, 4), torch.rand(5, 4)

    def f(x, y, p):
        return ops.sigmoid_binary_cross_entropy(x, y, None, p, reduction)

    for dims in ((0, 0, 0), (0, None, 0), (0, 0, None)):
        args = [t if d == 0 else t[0] for t, d in zip((x, y, p), dims, strict=True)]
        for g in (f,) if reduction == "none" else (f, func.grad(f)):
            samples = [g(*(t if d is None else t[i] for t, d in zip(args, dims, strict=True))) for i in range(5)]
            torch.testing.assert_close(func.vmap(g, dims)(*args), torch.stack(samples))


@pytest.mark.cpu_only
def test_a_reduced_loss_is_not_written_for_every_element():
    x, y = torch.randn(64, 4096, requires_grad=True), torch.rand(64, 4096)
    size = x.numel() * x.element_size()
    with torch.profiler.profile(profile_memory=True) as profiler:
        ops.sigmoid_binary_cross_entropy(x, y, None, torch.rand(4096)).backward()
    taken = [e.nbytes() for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]" and e.nbytes() > 0]
    assert [n for n in taken if n >= size // 4] == [size]


# --------------------------------------------------------------------------------------------------------------- all

X, CLASSES = torch.randn(3, 4), torch.tensor([1, 2, 3])
WRONG = [
    (lambda: ops.softmax(X, 2), IndexError, "softmax: dim=2 is out of range for self with 2 dimensions"),
    (lambda: ops.log_softmax(X.int(), 1), TypeError, "log_softmax: self has dtype Int, expected Float"),
    (lambda: ops.softmax(X, 0, torch.int64), TypeError, "^softmax: dtype=Long, expected Float, Double"),
    (lambda: ops.softmax_backward(X, X[:2], 1), ValueError, "softmax_backward: grad_output has shape"),
    (
        lambda: ops.softmax_cross_entropy(X, torch.tensor([1, 9, 0])),
        IndexError,
        "softmax_cross_entropy: target has the index 9, expected 0 to 3 for 4 classes, or ignore_index=-100",
    ),
    (lambda: ops.softmax_cross_entropy(X, torch.tensor([1, -1, 0])), IndexError, "target has the index -1"),
    (lambda: ops.softmax_cross_entropy(X, CLASSES[:2]), ValueError, r"target has shape \[2\], expected \[3\]"),
    (lambda: ops.softmax_cross_entropy(X, CLASSES.int()), TypeError, "target has dtype Int, expected Long or Byte"),
    (lambda: ops.softmax_cross_entropy(X, X[:2]), ValueError, "target has shape"),
    (
        lambda: ops.softmax_cross_entropy(X, CLASSES, X[0, :3]),
        ValueError,
        r"weight has shape \[3\], expected \[4\], the classes of self \(shape \[3, 4\]\)",
    ),
    (lambda: ops.softmax_cross_entropy(X, CLASSES, reduction="avg"), ValueError, "reduction='avg', expected 'none'"),
    (lambda: ops.softmax_cross_entropy(X, CLASSES, label_smoothing=1.5), ValueError, "label_smoothing=1.5, expected"),
    (lambda: ops.softmax_cross_entropy(X, X, ignore_index=2), ValueError, "ignore_index=2 has no meaning"),
    (
        lambda: ops.softmax_cross_entropy(X, CLASSES, X[0].clone().requires_grad_()),
        NotImplementedError,
        "weight requires a gradient",
    ),
    (lambda: ops.softmax_cross_entropy(torch.tensor(1.0), torch.tensor(0)), ValueError, "self has no dimensions"),
    (
        lambda: ops.sigmoid_binary_cross_entropy(X, X[:, :1]),
        ValueError,
        r"sigmoid_binary_cross_entropy: target has shape \[3, 1\], but self has \[3, 4\]",
    ),
    (lambda: ops.sigmoid_binary_cross_entropy(X, X, X[:2]), ValueError, r"weight has shape \[2, 4\], which is not one"),
    (lambda: ops.sigmoid_binary_cross_entropy(X, X, None, X[None]), ValueError, "pos_weight has shape"),
    (lambda: ops.sigmoid_binary_cross_entropy(X, X, reduction="avg"), ValueError, "reduction='avg'"),
    (
        lambda: ops.sigmoid_binary_cross_entropy(X, X, None, X[0].clone().requires_grad_()),
        NotImplementedError,
        "pos_weight requires a gradient",
    ),
]


@pytest.mark.cpu_only
@pytest.mark.parametrize("call,error,message", WRONG, ids=[m for _, _, m in WRONG])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


FIVE, INDICES = torch.randn(5, 3, 4), torch.zeros(5, 2, dtype=torch.int64)
WRONG_IN_SAMPLES = [
    (lambda x: ops.softmax(x, 2), IndexError, "softmax: dim=2 is out of range for self with 2 dimensions"),
    (lambda x: ops.log_softmax(x, -3), IndexError, "log_softmax: dim=-3 is out of range for self with 2 dimensions"),
    (lambda x: ops.softmax(x[0, 0], -2), IndexError, "softmax: dim=-2 is out of range for self with 0 dimensions"),
    (
        lambda x: func.vmap(ops.softmax_cross_entropy, (None, 0))(x, INDICES),
        ValueError,
        r"target has shape \[2\], expected \[3\] for the indices of classes of self \(shape \[3, 4\]\)",
    ),
    (lambda x: ops.sigmoid_binary_cross_entropy(x, x[:2]), ValueError, r"shape \[2, 4\], but self has \[3, 4\]"),
    (lambda x: ops.sigmoid_binary_cross_entropy(x, x, FIVE), ValueError, r"that of self, \[3, 4\]"),
]


@pytest.mark.cpu_only
@pytest.mark.parametrize("call,error,message", WRONG_IN_SAMPLES, ids=[m for _, _, m in WRONG_IN_SAMPLES])
def test_errors_under_vmap(call, error, message):
    """Of one sample: the batch is no dim that an op may name, or sum over."""
    with pytest.raises(error, match=message):
        func.vmap(call)(FIVE)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vmap_over_no_samples(reduction):
    x, index, weight = torch.randn(0, 3, 4), torch.zeros(0, 3, dtype=torch.int64), torch.rand(0, 4)
    for f, args in (
        (lambda x, y: ops.softmax_cross_entropy(x, y, None, reduction), (x, index)),
        (lambda x, y, w: ops.softmax_cross_entropy(x, y, w, reduction), (x, index, weight)),
        (lambda x, y: ops.sigmoid_binary_cross_entropy(x, y, None, None, reduction), (x, x)),
    ):
        assert func.vmap(f)(*args).shape == ((0, *x.shape[1 : args[1].dim()]) if reduction == "none" else (0,))
        if reduction != "none":
            assert func.vmap(func.grad(f))(*args).shape == x.shape


@pytest.mark.cpu_only
@BOTH
def test_what_only_the_builtins_take(log):
    """As docs/builtins.md has it."""
    parts = [torch.randn(2, 4), torch.randn(3, 4)]
    inputs = [torch.nested.nested_tensor(parts, layout=layout) for layout in (torch.jagged, torch.strided)]
    for x in (*inputs, parts[0].to_sparse()):
        with pytest.raises(NotImplementedError):
            op(log)(x, -1)


def losses(x, index, soft):
    return (
        ops.softmax(x, 1).square().sum()
        + ops.log_softmax(x, 1).square().mean()
        + ops.softmax_cross_entropy(x, index)
        + ops.softmax_cross_entropy(x, soft, None, "sum", -100, 0.1)
        + ops.sigmoid_binary_cross_entropy(x, soft)
    )


LOSSES = {
    "cross entropy": (lambda: actinium.nn.CrossEntropyLoss(torch.rand(4), label_smoothing=0.1), torch.arange(5) % 4),
    "binary": (lambda: actinium.nn.BCEWithLogitsLoss(pos_weight=torch.rand(4)), torch.rand(5, 4)),
}


@pytest.mark.cpu_only
@pytest.mark.parametrize("make,target", LOSSES.values(), ids=LOSSES)
def test_losses_are_copied_saved_and_exported(make, target):
    module, x = make(), torch.randn(5, 4)
    want = module(x, target)

    def through_file(m, save, load):
        file = io.BytesIO()
        save(m, file)
        file.seek(0)
        return load(file)

    for again in (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        through_file(module, torch.save, lambda file: torch.load(file, weights_only=False)),
        through_file(torch.jit.script(module), torch.jit.save, torch.jit.load),
        torch.export.export(module, (x, target)).module(),
    ):
        assert torch.equal(again(x, target), want)


def test_compile():
    compiled = torch.compile(losses, fullgraph=True, dynamic=True)
    for n in (3, 5):
        x = torch.randn(n, 4, requires_grad=True)
        index, soft = torch.arange(n) % 4, torch.rand(n, 4)
        (want,) = torch.autograd.grad(losses(x, index, soft), x)
        loss = compiled(x, index, soft)
        torch.testing.assert_close(loss, losses(x, index, soft))
        torch.testing.assert_close(torch.autograd.grad(loss, x)[0], want)


def test_export():
    class Model(torch.nn.Module):
        def forward(self, x, index, soft):
            return losses(x, index, soft)

    x, index, soft = torch.randn(3, 4), torch.tensor([0, 1, 2]), torch.rand(3, 4)
    n = {0: torch.export.Dim("n", min=2)}
    program = torch.export.export(Model(), (x, index, soft), dynamic_shapes=(n, n, n))
    more = torch.randn(7, 4), torch.arange(7) % 4, torch.rand(7, 4)
    torch.testing.assert_close(program.module()(*more), losses(*more))


@pytest.mark.cpu_only
def test_autocast_on_the_cpu():
    """As torch's: softmax in the dtype that it is given, losses in float32."""
    x, index, soft = torch.randn(3, 4).bfloat16(), torch.tensor([0, 1, 2]), torch.rand(3, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert ops.softmax(x, 1).dtype == torch.softmax(x, 1).dtype
        assert ops.log_softmax(x, 1).dtype == torch.log_softmax(x, 1).dtype
        for target in (index, soft):
            loss = ops.softmax_cross_entropy(x, target)
            assert loss.dtype == F.cross_entropy(x, target).dtype == torch.float32
            assert torch.equal(loss, ops.softmax_cross_entropy(x.float(), target.float() if target is soft else target))
        assert ops.sigmoid_binary_cross_entropy(x, soft).dtype == torch.float32


MODULES = {
    "CrossEntropyLoss": lambda: {"ignore_index": 2, "reduction": "sum", "label_smoothing": 0.1},
    "CrossEntropyLoss weight": lambda: {"weight": torch.tensor([1.0, 2.0, 3.0, 4.0])},
    "BCEWithLogitsLoss": lambda: {"reduction": "none"},
    "BCEWithLogitsLoss weight": lambda: {"weight": torch.rand(3, 1), "pos_weight": torch.tensor([1.0, 2.0, 3.0, 4.0])},
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_torchs(name):
    arguments = MODULES[name]()
    kind = name.split()[0]
    ours, theirs = (getattr(library.nn, kind)(**arguments) for library in (actinium, torch))
    assert repr(ours) == repr(theirs) and ours.state_dict().keys() == theirs.state_dict().keys()
    x, target = torch.randn(3, 4), CLASSES if kind == "CrossEntropyLoss" else torch.rand(3, 4)
    for module in (ours, torch.jit.script(ours)):
        torch.testing.assert_close(module(x, target), theirs(x, target))


@BOTH
def test_what_the_backward_keeps(log):
    """The output, and nothing else."""
    x = torch.randn(4, 5, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = op(log)(x, 1)
    assert [t.data_ptr() for t in kept] == [y.data_ptr()]


def test_a_node_that_keeps_its_output_does_not_keep_itself():
    class Witness:
        pass

    y = ops.softmax(torch.randn(4, 5, requires_grad=True), 1)
    y.grad_fn.metadata["witness"] = witness = Witness()
    alive = weakref.ref(witness)
    gc.disable()
    try:
        del y, witness
        assert alive() is None
    finally:
        gc.enable()
