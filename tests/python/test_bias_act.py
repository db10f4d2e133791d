"""bias_act: every activation after a bias per channel, in every layout, and the layers that are made with it."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

import actinium
from layouts import expanded
from op_table import HALVES, along, ops
from ulp import assert_ulps, numbers, spacing

SHAPE = (2, 6, 3, 6)


def params(function):
    return list(function.arguments(None))


def bias_for(x, dim=1, dtype=None):
    size = x.size(dim) if x.dim() else 1
    return torch.linspace(-768, 1280, size, dtype=torch.float64).round().div(1024).to(dtype or x.dtype)


def sample(function, shape, dtype):
    """Multiples of 2^-10, as the biases are: their sums are exact in any type that something is computed in."""
    return function.sample(shape).mul(1024).round().div(1024).to(dtype)


def act(function, x, bias, dim=1):
    return ops.bias_act(x, bias, function.base, params(function), dim)


# --------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("dim", (1, -1))
def test_values(function, dtype, layout, dim):
    x = layout(sample(function, SHAPE, dtype))
    bias = bias_for(x, dim)
    wide = torch.float32 if dtype in HALVES else dtype
    total = x.to(wide) + along(bias, x, dim).to(wide)
    got = act(function, x, bias, dim)
    assert got.dtype == dtype and got.stride() == x.relu().stride()
    assert_ulps(got, function.exact(total), function.bound(dtype))
    assert torch.equal(act(function, x, bias.to(wide), dim), got)


@pytest.mark.parametrize("dim", (1, -1))
def test_gradients(function, dtype, layout, dim):
    x = layout(sample(function, SHAPE, dtype))
    bias = bias_for(x, dim)
    grad = layout(torch.linspace(1, -2, torch.Size(SHAPE).numel()).reshape(SHAPE).to(dtype))
    wide = torch.float32 if dtype in HALVES else dtype
    total = (x.to(wide) + along(bias, x, dim).to(wide)).double()
    # At 0 the derivatives are those of the left side.
    total = total.where(total != 0, -1e-30).requires_grad_()
    (want,) = torch.autograd.grad(function.composite(total), total, grad.double())
    by_x, by_bias = ops.bias_act_backward(grad, x, bias, function.base, params(function), dim)
    # A derivative near its root is as exact as float32 is near 1, before it is rounded.
    absolute = abs(numbers(grad)) * (2.0**-22 if dtype != torch.float64 else 2.0**-49)
    assert by_x.dtype == dtype
    absolute = absolute + spacing(numbers(want), dtype) / 2
    assert_ulps(by_x, numbers(want), 0.501 if dtype in HALVES else 9, absolute=absolute)
    others = [i for i in range(x.dim()) if i != dim % x.dim()]
    assert by_bias.dtype == dtype
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}[dtype]
    torch.testing.assert_close(by_bias.double(), want.sum(others), rtol=tolerance, atol=tolerance)
    # A wider parameter gets a wider gradient.
    assert ops.bias_act_backward(grad, x, bias.to(wide), function.base, params(function), dim)[1].dtype == wide


def test_forward_is_the_activation_of_the_sum(function, wide):
    x = sample(function, (5, 33), wide)
    bias = bias_for(x)
    want = getattr(ops, function.base)(x + bias, *function.arguments(None))
    assert torch.equal(act(function, x, bias), want)


@pytest.mark.parametrize(
    "shape,dim", (((70, 33), 1), ((3, 5, 70, 70), 1), ((1000, 1), 1), ((1, 1030), 1), ((7,), 0), ((), 0), ((3, 4), -2))
)
def test_shapes(shape, dim, dtype):
    x = torch.randn(shape).to(dtype).requires_grad_()
    bias = bias_for(x, dim).requires_grad_()
    y = ops.bias_act(x, bias, "mish", [], dim)
    want = F.mish(x.detach().double() + along(bias, x, dim).detach().double())
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}[dtype]
    torch.testing.assert_close(y.double(), want, rtol=tolerance, atol=tolerance)
    by_x, by_bias = torch.autograd.grad(y, (x, bias), torch.ones_like(y))
    want = by_x.double().movedim(dim, 0).reshape(bias.numel(), -1) if x.dim() else by_x.double().reshape(1, 1)
    # The sum is not one of rounded terms.
    assert ((by_bias.double() - want.sum(1)).abs() <= 2 * tolerance * want.abs().sum(1).clamp_min(1)).all()


@pytest.mark.parametrize("shape", ((0, 4), (4, 0), (0,)))
def test_empty(shape):
    x = torch.empty(shape, requires_grad=True)
    bias = torch.ones(shape[-1], requires_grad=True)
    y = ops.bias_act(x, bias, "swish", [], -1)
    y.sum().backward()
    assert y.shape == x.grad.shape == x.shape and not bias.grad.any()


def test_activate(function, dtype):
    x = function.sample(SHAPE, dtype)
    want = getattr(ops, function.base)(x, *function.arguments(None))
    assert torch.equal(ops.activate(x, function.base, params(function)), want)
    assert torch.equal(actinium.functional.activate(x, function.base, params(function)), want)


# ---------------------------------------------------------------------------------------------------------- derivatives


def test_gradcheck(function):
    x = function.sample((2, 3, 4)).clamp(-3, 3).requires_grad_()
    bias = (bias_for(x) + 0.017).requires_grad_()
    assert gradcheck(lambda *t: act(function, *t), (x, bias), check_forward_ad=True)
    assert gradgradcheck(lambda *t: act(function, *t), (x, bias), check_fwd_over_rev=True)


def test_batched_gradients():
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    bias = bias_for(x).requires_grad_()
    assert gradcheck(
        lambda *t: ops.bias_act(*t, "swish", [1.5]),
        (x, bias),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )


def test_gradients_that_are_not_dense():
    x = torch.randn(SHAPE, requires_grad=True)
    bias = bias_for(x).requires_grad_()
    y = ops.bias_act(x, bias, "mish")
    grad = torch.randn(SHAPE)
    for g in (expanded(grad), grad.mT.contiguous().mT, torch.ones(()).expand(SHAPE)):
        got = torch.autograd.grad(y, (x, bias), g, retain_graph=True)
        want = torch.autograd.grad(y, (x, bias), g.contiguous(), retain_graph=True)
        assert all(map(torch.equal, got, want))


def test_the_backward_keeps_its_inputs_alone():
    x, bias, kept = torch.randn(SHAPE, requires_grad=True), torch.ones(6, requires_grad=True), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.data_ptr()) or t, lambda t: t):
        ops.bias_act(x, bias, "swish")
    assert kept == [x.data_ptr(), bias.data_ptr()]


def test_only_one_input_wants_a_gradient():
    x, bias, grad = torch.randn(SHAPE), torch.ones(6), torch.randn(SHAPE)
    both = ops.bias_act_backward(grad, x, bias, "mish")
    for mask in ((True, False), (False, True), (False, False)):
        got = ops.bias_act_backward(grad, x, bias, "mish", [], 1, mask)
        for part, whole, wanted in zip(got, both, mask, strict=True):
            assert torch.equal(part, whole) if wanted else part is None


def test_the_same_in_every_run():
    x, bias, grad = torch.randn(64, 100, 30), torch.randn(100), torch.randn(64, 100, 30)
    first = ops.bias_act_backward(grad, x, bias, "mish")
    for _ in range(3):
        assert all(map(torch.equal, ops.bias_act_backward(grad, x, bias, "mish"), first))


def test_forward_mode():
    x, bias = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    with dual_level():
        dual, dual_bias = make_dual(x, x.cos()), make_dual(bias, bias.sin())
        got = unpack_dual(ops.bias_act(dual, dual_bias, "swish")).tangent
        want = unpack_dual(F.silu(dual + dual_bias[:, None])).tangent
    torch.testing.assert_close(got, want)


# ------------------------------------------------------------------------------------------ transforms and compilers


@pytest.mark.parametrize("in_dims", ((0, 0), (0, None), (None, 0), (2, 1), (-1, None)))
def test_vmap(in_dims):
    x_dim, b_dim = in_dims
    shape = [4, 6, 5]
    x = torch.randn(4, 6, 5) if x_dim is None else torch.randn(4, 6, 5).unsqueeze(x_dim).repeat_interleave(3, x_dim)
    bias = torch.randn(6) if b_dim is None else torch.randn(6, 3) if b_dim else torch.randn(3, 6)
    x = x + torch.randn(x.shape)
    grad = torch.func.grad(lambda a, b: ops.bias_act(a, b, "mish").square().sum(), (0, 1))
    for f in (lambda a, b: (ops.bias_act(a, b, "mish"),), grad):
        got = torch.func.vmap(f, in_dims)(x, bias)
        samples = [
            f(x if x_dim is None else x.select(x_dim, i), bias if b_dim is None else bias.select(b_dim, i))
            for i in range(3)
        ]
        for part, want in zip(got, zip(*samples, strict=True), strict=True):
            torch.testing.assert_close(part, torch.stack(want))
    assert list(x.shape) == shape or x_dim is not None


def test_vmap_of_one_channel():
    x, bias = torch.randn(3, 4, 1), torch.randn(3, 1)
    got = torch.func.vmap(lambda a, b: ops.bias_act(a, b, "mish"))(x, bias)
    assert torch.equal(got, torch.stack([ops.bias_act(a, b, "mish") for a, b in zip(x, bias, strict=True)]))


@pytest.mark.parametrize("dynamic", (False, True))
def test_compile(dynamic):
    def f(x, bias):
        return actinium.functional.bias_act(x, bias, "elu", [1.5])

    run = torch.compile(f, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    bias = torch.randn(6, requires_grad=True)
    for rows in (3, 5):
        x = torch.randn(rows, 6, 4, requires_grad=True)
        got, want = run(x, bias), f(x, bias)
        assert torch.equal(got, want)
        gradients = [torch.autograd.grad(y.square().sum(), (x, bias)) for y in (got, want)]
        torch.testing.assert_close(*gradients)


def test_script():
    @torch.jit.script
    def f(x: torch.Tensor, bias: torch.Tensor):
        return (
            actinium.functional.bias_act(x, bias, "elu", [1.5], dim=-1),
            actinium.functional.bias_act(x, bias, "relu", dim=-1),
            actinium.functional.activate(x, "mish"),
        )

    x, bias = torch.randn(3, 6), torch.randn(6)
    want = F.elu(x + bias, 1.5), F.relu(x + bias), F.mish(x)
    for got, theirs in zip(f(x, bias), want, strict=True):
        torch.testing.assert_close(got, theirs)


# --------------------------------------------------------------------------------------------------------------- errors

X = torch.linspace(-3, 3, 2 * 6 * 4).reshape(2, 6, 4)
BIAS = torch.ones(6)
WRONG = [
    (lambda: ops.bias_act(X, BIAS[:5], "relu"), ValueError, "bias_act: bias has shape [5], expected [6]"),
    (lambda: ops.bias_act(X, BIAS[:1], "relu"), ValueError, "bias_act: bias has shape [1], expected [6]"),
    (lambda: ops.bias_act(X, BIAS.double(), "relu"), TypeError, "bias_act: bias has dtype Double, but self has Float"),
    (lambda: ops.bias_act(X, BIAS.to("meta"), "relu"), RuntimeError, "bias_act: bias is on meta, but self is on"),
    (lambda: ops.bias_act(X, BIAS, "relu", [], 3), IndexError, "bias_act: dim=3 is out of range for self with 3"),
    (lambda: ops.bias_act(X, BIAS, "softplus"), ValueError, "bias_act: activation='softplus', expected one of mish,"),
    (
        lambda: ops.bias_act(X, BIAS, "swiglu_clamped"),
        ValueError,
        "bias_act: activation='swiglu_clamped', expected one",
    ),
    (lambda: ops.bias_act(X, BIAS, "elu", [1, 2]), ValueError, "bias_act: params has 2 numbers, but elu takes alpha=1"),
    (lambda: ops.bias_act(X.int(), BIAS, "relu"), TypeError, "bias_act: self has dtype Int, expected Float"),
    (
        lambda: ops.bias_act_backward(X[:1], X, BIAS, "relu"),
        ValueError,
        "bias_act_backward: grad_output has shape [1, 6, 4], but self has [2, 6, 4]",
    ),
    (lambda: ops.activate(X, "softplus"), ValueError, "activate: activation='softplus', expected one of mish,"),
    (lambda: ops.activate(X.int(), "relu"), TypeError, "activate: self has dtype Int, expected Float"),
]


@pytest.mark.parametrize("call,kind,message", WRONG, ids=[message[:60] for *_, message in WRONG])
def test_wrong_argument(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call()


# -------------------------------------------------------------------------------------------------------------- modules

LAYERS = {
    "LinearAct": (lambda **k: actinium.nn.LinearAct(6, 5, "mish", **k), lambda **k: nn.Linear(6, 5, **k), (3, 6)),
    "Conv2dAct": (
        lambda **k: actinium.nn.Conv2dAct(6, 4, 3, "mish", stride=2, padding=1, groups=2, **k),
        lambda **k: nn.Conv2d(6, 4, 3, stride=2, padding=1, groups=2, **k),
        (2, 6, 8, 8),
    ),
    "Conv2dAct padded": (
        lambda **k: actinium.nn.Conv2dAct(6, 4, 3, "mish", padding="same", padding_mode="reflect", **k),
        lambda **k: nn.Conv2d(6, 4, 3, padding="same", padding_mode="reflect", **k),
        (6, 8, 8),
    ),
}
every_layer = pytest.mark.parametrize("make,plain,shape", LAYERS.values(), ids=LAYERS.keys())


@every_layer
@pytest.mark.parametrize("bias", (True, False))
def test_layers(make, plain, shape, bias):
    """The values, gradients, state and initialization of the layer and the activation apart."""
    layers = []
    for f in (make, plain):
        torch.manual_seed(0)
        layers.append(f(bias=bias))
    ours, theirs = layers
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    results = []
    for f in (ours, lambda x: F.mish(theirs(x))):
        x = torch.linspace(-2, 2, torch.Size(shape).numel()).sin().reshape(shape).requires_grad_()
        y = f(x)
        learned = (ours if f is ours else theirs).parameters()
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *learned])])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


@every_layer
@pytest.mark.parametrize("bias", (True, False))
def test_layers_compile(make, plain, shape, bias):
    module, x = make(bias=bias), torch.randn(shape)
    want = module(x)
    for run in (
        torch.jit.script(module),
        torch.jit.trace(module, x),
        torch.compile(module, fullgraph=True, backend="aot_eager"),
        torch.export.export(module, (x,)).module(),
    ):
        torch.testing.assert_close(run(x), want)


@every_layer
def test_layers_under_autocast(make, plain, shape):
    module = make()
    with torch.autocast("cpu", torch.bfloat16):
        y = module(torch.randn(shape))
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in module.parameters())


def test_reprs():
    assert repr(actinium.nn.LinearAct(6, 5, "elu", (1.5,))) == (
        "LinearAct(in_features=6, out_features=5, bias=True, activation=elu, params=[1.5])"
    )
    assert repr(actinium.nn.Conv2dAct(6, 5, 3, "relu")) == (
        "Conv2dAct(6, 5, kernel_size=(3, 3), stride=(1, 1), activation=relu)"
    )
