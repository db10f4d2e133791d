"""Gated units: every activation as a gate, both forms of arguments, every layout, and what has a name of its own."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

import actinium
from layouts import expanded
from op_table import HALVES, ops
from ulp import assert_ulps, numbers, spacing

PACKED = ("gate_first", "gate_second", "interleaved")
every_packing = pytest.mark.parametrize("packing", PACKED)
SHAPE = (2, 6, 3, 10)


def params(function):
    return list(function.arguments(None))


def pair(function, shape=SHAPE, dtype=torch.float64, layout=lambda x: x):
    up = torch.linspace(-3, 3, torch.Size(shape).numel(), dtype=torch.float64).mul(17).sin().mul(2).reshape(shape)
    return layout(function.sample(shape, dtype)), layout(up.to(dtype))


def pack(gate, up, dim, packing):
    if packing == "interleaved":
        dim %= gate.dim()
        return torch.stack((gate, up), dim + 1).flatten(dim, dim + 1)
    return torch.cat((gate, up) if packing == "gate_first" else (up, gate), dim)


def unpack(x, dim, packing):
    if packing == "interleaved":
        gate, up = x.unflatten(dim, (-1, 2)).unbind(dim % x.dim() + 1)
        return gate, up
    first, second = x.chunk(2, dim)
    return (first, second) if packing == "gate_first" else (second, first)


def clamped(gate, up, limit=7.0, alpha=1.702):
    """As gpt-oss has it."""
    gate, up = gate.clamp(max=limit), up.clamp(min=-limit, max=limit)
    return gate * torch.sigmoid(gate * alpha) * (up + 1)


# ------------------------------------------------------------------------------------------------------------ values


def test_values(function, dtype, layout):
    gate, up = pair(function, dtype=dtype, layout=layout)
    got = ops.gated(gate, up, function.base, params(function))
    assert got.dtype == dtype and got.stride() == (gate * up).stride()
    # The activation's error may count twice in the product's last place, whose own rounding is half of it.
    bound = function.bound(dtype) if dtype in HALVES else 2 * function.bound(dtype) + 0.5
    assert_ulps(got, function.exact(gate) * numbers(up), bound)


def test_gradients(function, dtype, layout):
    gate, up = pair(function, dtype=dtype, layout=layout)
    grad = torch.linspace(1, -2, gate.numel()).reshape(gate.shape).to(dtype)
    wide = [t.double().requires_grad_() for t in (gate, up)]
    want = torch.autograd.grad(function.composite(wide[0]) * wide[1], wide, grad.double())
    got = ops.gated_backward(grad, gate, up, function.base, params(function))
    # A derivative near its root is as exact as float32 is near 1, before it is rounded.
    scales = (numbers(grad) * numbers(up), numbers(grad))
    for part, exact, scale in zip(got, want, scales, strict=True):
        assert part.dtype == dtype
        unit = 2.0**-22 if dtype != torch.float64 else 2.0**-49
        absolute = abs(scale) * unit + spacing(numbers(exact), dtype) / 2
        assert_ulps(part, numbers(exact), 0.501 if dtype in HALVES else 9, absolute=absolute)


@every_packing
@pytest.mark.parametrize("dim", (1, -1))
def test_packed_gives_the_bits_of_two_tensors(function, dtype, dim, packing):
    gate, up = pair(function, dtype=dtype)
    name, numbers_ = function.base, params(function)
    want = ops.gated(gate, up, name, numbers_)
    x = pack(gate, up, dim, packing)
    grad = torch.linspace(1, -2, want.numel()).reshape(want.shape).to(dtype)
    by_parts = ops.gated_backward(grad, gate, up, name, numbers_)
    for layout in (
        lambda t: t,
        lambda t: t.contiguous(memory_format=torch.channels_last),
        lambda t: t.mT.contiguous().mT,
    ):
        packed = layout(x)
        got = ops.gated(packed, name, numbers_, dim, packing)
        assert torch.equal(got, want)
        halves = unpack(packed, dim, packing)
        assert got.stride() == (halves[0] * halves[1]).stride()
        by_packed = ops.gated_backward(grad, packed, name, numbers_, dim, packing)
        assert by_packed.stride() == packed.stride()
        for part, alone in zip(unpack(by_packed, dim, packing), by_parts, strict=True):
            assert torch.equal(part, alone)


@every_packing
@pytest.mark.parametrize("size", (1, 7, 16, 31, 64, 65, 129, 200, 1000))
def test_every_length_of_a_row(dtype, size, packing):
    """Whole vectors, tails, and rows that are no multiple of them; the views of a packed tensor as two tensors, too."""
    gate, up = torch.randn(3, size).to(dtype), torch.randn(3, size).to(dtype)
    grad = torch.randn(3, size).to(dtype)
    want, by_parts = ops.gated(gate, up, "mish"), ops.gated_backward(grad, gate, up, "mish")
    x = pack(gate, up, -1, packing)
    assert torch.equal(ops.gated(x, "mish", layout=packing), want)
    for g in (grad, grad.mT.contiguous().mT):
        by_packed = ops.gated_backward(g, x, "mish", layout=packing)
        for part, alone in zip(unpack(by_packed, -1, packing), by_parts, strict=True):
            assert torch.equal(part, alone)
    views = unpack(x, -1, packing)
    assert torch.equal(ops.gated(*views, "mish"), want)
    for part, alone in zip(ops.gated_backward(grad, *views, "mish"), by_parts, strict=True):
        assert torch.equal(part, alone)
    for mask in ((True, False), (False, True)):
        for part, alone, wanted in zip(ops.gated_backward(grad, *views, "mish", [], mask), by_parts, mask, strict=True):
            assert torch.equal(part, alone) if wanted else part is None
    one = ops.gated_backward(grad[:1, :1].expand(3, size), x, "mish", layout=packing)
    all_ = ops.gated_backward(grad[:1, :1].expand(3, size).contiguous(), x, "mish", layout=packing)
    assert torch.equal(one, all_)


@every_packing
def test_larger_than_the_caches(dtype, packing):
    """Outputs that are stored past the caches."""
    rows, size = 40 * 2**20 // dtype.itemsize // 4001, 4001
    x = torch.randn(rows, 2 * size).to(dtype)
    gate, up = unpack(x, -1, packing)
    got = ops.gated(x, "swish", layout=packing)
    assert torch.equal(got[-3:], ops.gated(gate[-3:].contiguous(), up[-3:].contiguous(), "swish"))
    by_x = ops.gated_backward(got, x, "swish", layout=packing)
    want = ops.gated_backward(got[-3:], gate[-3:].contiguous(), up[-3:].contiguous(), "swish")
    for part, alone in zip(unpack(by_x, -1, packing), want, strict=True):
        assert torch.equal(part[-3:], alone)


@pytest.mark.parametrize("shape", ((0,), (4, 0), (0, 4)))
def test_empty(shape, dtype):
    x = torch.empty(shape, dtype=dtype, requires_grad=True)
    y = ops.gated(x, "swish")
    assert y.shape == (*shape[:-1], shape[-1] // 2)
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert grad.shape == x.shape
    assert ops.gated(x, x, "swish").shape == x.shape


def test_no_dimensions(dtype):
    gate, up = torch.tensor(1.5, dtype=dtype), torch.tensor(-2.0, dtype=dtype)
    assert ops.gated(gate, up, "relu").item() == -3.0


def test_special_values(function):
    inf, nan = torch.inf, torch.nan
    gate = torch.tensor([inf, -inf, nan, 0.0, -0.0, 1.0, 1.0], dtype=torch.float64)
    up = torch.tensor([2.0, 2.0, 2.0, 0.0, 1.0, inf, nan], dtype=torch.float64)
    got = ops.gated(gate, up, function.base, params(function))
    want = getattr(ops, function.base)(gate, *function.arguments(None)) * up
    assert torch.equal(got.nan_to_num(7.0), want.nan_to_num(7.0)) and torch.equal(got.isnan(), want.isnan())


# --------------------------------------------------------------------------------------------------- names of their own


@every_packing
def test_names_of_their_own(dtype, packing):
    gate, up = torch.randn(4, 30).to(dtype), torch.randn(4, 30).to(dtype)
    x = pack(gate, up, -1, packing)
    tolerance = {} if dtype not in HALVES else {"rtol": 2e-2, "atol": 2e-2}
    for ours, form, theirs in (
        ("swiglu", {}, F.silu(gate) * up),
        ("geglu", {"approximate": "tanh"}, F.gelu(gate, approximate="tanh") * up),
        ("reglu", {}, F.relu(gate) * up),
        ("swiglu_clamped", {}, clamped(gate, up)),
        ("swiglu_clamped", {"limit": 0.5, "alpha": 1.0}, clamped(gate, up, 0.5, 1.0)),
    ):
        op = getattr(actinium.functional, ours)
        torch.testing.assert_close(op(gate, up, **form), theirs, **tolerance)
        assert torch.equal(op(x, **form, layout=packing), op(gate, up, **form))
        assert torch.equal(getattr(ops, ours)(gate, up, **form), op(gate, up, **form))
        assert torch.equal(getattr(ops, ours)(x, **form, layout=packing), op(gate, up, **form))


def test_glu_is_the_sigmoid_of_the_second_half(wide):
    x = torch.randn(4, 30, dtype=wide)
    torch.testing.assert_close(actinium.functional.gated(x, "sigmoid", layout="gate_second"), F.glu(x))


def test_clamped_takes_interleaved_by_default():
    x = torch.randn(4, 30) * 5
    torch.testing.assert_close(actinium.functional.swiglu_clamped(x), clamped(x[:, ::2], x[:, 1::2]))


def test_clamped_values_and_gradients(dtype):
    gate = torch.linspace(-30, 12, 2000, dtype=torch.float64).to(dtype)
    up = torch.linspace(-9, 11, 2000, dtype=torch.float64).mul(7).sin().mul(10).to(dtype)
    a, b = np.minimum(numbers(gate), 7), numbers(up).clip(-7, 7) + 1
    sigmoid, other = 1 / (1 + np.exp(-1.702 * a)), 1 / (1 + np.exp(1.702 * a))
    slope = sigmoid * (1 + 1.702 * a * other)
    bound = 0.501 if dtype in HALVES else 9
    assert_ulps(ops.swiglu_clamped(gate, up), a * sigmoid * b, bound)
    by_gate, by_up = ops.gated_backward(torch.ones_like(gate), gate, up, "swiglu_clamped", [])
    # A derivative near its root is as exact as float32 is near 1.
    unit = 2.0**-22 if dtype != torch.float64 else 2.0**-49
    assert_ulps(by_gate, np.where(numbers(gate) > 7, 0, b * slope), bound, absolute=abs(b) * unit)
    assert_ulps(by_up, np.where(abs(numbers(up)) > 7, 0, a * sigmoid), bound)


def test_clamped_at_the_limits():
    inf, nan = torch.inf, torch.nan
    gate = torch.tensor([7.0, 7.5, inf, -inf, nan, 1.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    up = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 7.0, -7.0, inf, -inf, nan], dtype=torch.float64)
    got = ops.swiglu_clamped(gate, up)
    most, one = clamped(torch.tensor(7.0).double(), torch.tensor(1.0).double()), torch.tensor(1.702).double().sigmoid()
    want = torch.stack([most, most, most, most * 0, most * nan, *(one * b for b in (8, -6, 8, -6, nan))])
    torch.testing.assert_close(got, want, equal_nan=True)
    by_gate, by_up = ops.gated_backward(torch.ones_like(gate), gate, up, "swiglu_clamped")
    assert by_gate[:4].ne(0).tolist() == [True, False, False, False]
    assert by_up[5:9].ne(0).tolist() == [True, True, False, False]


def test_no_limit_clamps_nothing():
    gate, up = torch.randn(100) * 30, torch.randn(100) * 30
    torch.testing.assert_close(ops.swiglu_clamped(gate, up, torch.inf, 1.0), F.silu(gate) * (up + 1))


# --------------------------------------------------------------------------------------------------------- derivatives


def leaves(function, shape=(3, 4)):
    gate, up = pair(function, shape)
    return [t.clamp(-3, 3).requires_grad_() for t in (gate + 0.01, up)]


def test_gradcheck(function):
    name, numbers_ = function.base, params(function)
    inputs = leaves(function)
    assert gradcheck(lambda a, b: ops.gated(a, b, name, numbers_), inputs, check_forward_ad=True)
    assert gradgradcheck(lambda a, b: ops.gated(a, b, name, numbers_), inputs, check_fwd_over_rev=True)


@every_packing
@pytest.mark.parametrize("name,numbers_", (("swish", [1.5]), ("swiglu_clamped", [1.25, 1.5]), ("gelu_tanh", [])))
def test_gradcheck_packed(name, numbers_, packing):
    x = torch.linspace(-2, 2, 24, dtype=torch.float64).mul(7).sin().mul(2).reshape(2, 6, 2).requires_grad_()
    call = lambda t: ops.gated(t, name, numbers_, 1, packing)  # noqa: E731
    assert gradcheck(call, x, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(call, x, check_fwd_over_rev=True)
    gate, up = (t.detach().requires_grad_() for t in unpack(x, 1, packing))
    assert gradcheck(lambda a, b: ops.gated(a, b, name, numbers_), (gate, up), check_forward_ad=True)
    assert gradgradcheck(lambda a, b: ops.gated(a, b, name, numbers_), (gate, up))


def test_third_derivatives():
    x = torch.randn(12, dtype=torch.float64, requires_grad=True)
    results = []
    for f in (lambda t: ops.swiglu(t), lambda t: F.silu(t[:6]) * t[6:]):
        y = f(x).sum()
        for _ in range(3):
            (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        results.append(y)
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("half", HALVES)
def test_second_derivatives_of_halves_are_rounded_once(half):
    x = torch.randn(200).to(half).requires_grad_()
    second = lambda t: torch.autograd.grad(  # noqa: E731
        torch.autograd.grad(ops.swiglu(t).sum(), t, create_graph=True)[0].sum(), t
    )[0]
    torch.testing.assert_close(second(x), second(x.detach().float().requires_grad_()).to(half))


def test_gradients_that_are_not_dense(function):
    gate, up = (t.detach().requires_grad_() for t in pair(function))
    y = ops.gated(gate, up, function.base, params(function))
    grad = torch.randn(SHAPE, dtype=torch.float64)
    for g in (grad, expanded(grad), grad.flip(-1).mT.contiguous().mT, torch.ones(()).double().expand(SHAPE)):
        got = torch.autograd.grad(y, (gate, up), g, retain_graph=True)
        want = torch.autograd.grad(y, (gate, up), g.contiguous(), retain_graph=True)
        assert all(map(torch.equal, got, want))


def test_the_backward_keeps_its_inputs_alone():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        x = torch.randn(4, 6, requires_grad=True)
        ops.swiglu(x)
        assert [t is x or t.data_ptr() == x.data_ptr() for t in kept] == [True]
        kept.clear()
        gate, up = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6)
        ops.swiglu(gate, up)
        assert [t.data_ptr() for t in kept] == [gate.data_ptr(), up.data_ptr()]


def test_only_one_input_wants_a_gradient():
    gate, up = torch.randn(40), torch.randn(40)
    for wanting in (0, 1):
        inputs = [t.clone().requires_grad_(i == wanting) for i, t in enumerate((gate, up))]
        ops.swiglu(*inputs).sum().backward()
        assert [t.grad is not None for t in inputs] == [i == wanting for i in range(2)]
        want = ops.gated_backward(torch.ones(40), gate, up, "swish")[wanting]
        assert torch.equal(inputs[wanting].grad, want)


def test_forward_mode():
    x, tangent = torch.randn(2, 8, dtype=torch.float64), torch.randn(2, 8, dtype=torch.float64)
    with dual_level():
        got = unpack_dual(ops.swiglu(make_dual(x, tangent))).tangent
        want = unpack_dual(F.silu(make_dual(x, tangent)[:, :4]) * make_dual(x, tangent)[:, 4:]).tangent
    torch.testing.assert_close(got, want)


# ------------------------------------------------------------------------------------------ transforms and compilers


def test_vmap():
    x = torch.randn(4, 2, 6)
    for dim in (0, 1, -1):
        for batch in (0, 1, 2):
            got = torch.func.vmap(lambda t: ops.gated(t, "swish", [], dim, "interleaved"), batch)(x)  # noqa: B023
            want = [ops.gated(t, "swish", [], dim, "interleaved") for t in x.unbind(batch)]
            assert torch.equal(got, torch.stack(want))
            grad = torch.func.vmap(torch.func.grad(lambda t: ops.swiglu(t, dim).square().sum()), batch)(x)  # noqa: B023
            want = [torch.func.grad(lambda t: ops.swiglu(t, dim).square().sum())(t) for t in x.unbind(batch)]  # noqa: B023
            torch.testing.assert_close(grad, torch.stack(want))
    up = torch.randn(2, 6)
    got = torch.func.vmap(lambda a, b: ops.swiglu_clamped(a, b), (0, None))(x, up)
    assert torch.equal(got, torch.stack([ops.swiglu_clamped(t, up) for t in x]))
    jacobian = torch.func.jacrev(lambda t: ops.swiglu(t))(x[0, 0])
    torch.testing.assert_close(jacobian, torch.func.jacfwd(lambda t: ops.swiglu(t))(x[0, 0]))
    hessian = torch.func.hessian(lambda t: ops.swiglu(t).sum())(x[0, 0])
    torch.testing.assert_close(hessian, torch.func.hessian(lambda t: (F.silu(t[:3]) * t[3:]).sum())(x[0, 0]))


FORMS = {
    "two": lambda x: actinium.functional.gated(x, "elu", [1.5], x + 1),
    "packed": lambda x: actinium.functional.gated(x, "leaky_relu", [0.1], dim=1),
    "swiglu": lambda x: actinium.functional.swiglu(x),
    "geglu": lambda x: actinium.functional.geglu(x, approximate="tanh", layout="gate_second"),
    "reglu": lambda x: actinium.functional.reglu(x, x),
    "swiglu_clamped": lambda x: actinium.functional.swiglu_clamped(x),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("dynamic", (False, True))
def test_compile(form, dynamic):
    run = torch.compile(form, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    for rows in (3, 5):
        x = torch.randn(rows, 4, 6, requires_grad=True)
        got, want = run(x), form(x)
        assert torch.equal(got, want)
        torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), x) for y in (got, want)))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_export(form):
    class Module(torch.nn.Module):
        def forward(self, x):
            return form(x)

    x = torch.randn(3, 4, 6)
    rows = torch.export.Dim("rows")
    exported = torch.export.export(Module(), (x,), dynamic_shapes=({0: rows},)).module()
    x = torch.randn(7, 4, 6)
    assert torch.equal(exported(x), form(x))


def test_compiled_autograd():
    x = torch.randn(3, 8, requires_grad=True)
    want = torch.autograd.grad(ops.swiglu(x).square().sum(), x)
    with torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager", fullgraph=True)):
        ops.swiglu(x).square().sum().backward()
    torch.testing.assert_close(x.grad, want[0])


@torch.jit.script
def scripted(x: torch.Tensor, up: torch.Tensor):
    return (
        actinium.functional.gated(x, "elu", [1.5], up),
        actinium.functional.gated(x, "mish", layout="interleaved"),
        actinium.functional.swiglu(x, up),
        actinium.functional.swiglu(x, dim=0),
        actinium.functional.geglu(x, up, "tanh"),
        actinium.functional.geglu(x, None, "tanh"),
        actinium.functional.reglu(x, up),
        actinium.functional.reglu(x),
        actinium.functional.swiglu_clamped(x, up),
        actinium.functional.swiglu_clamped(x, limit=2.0),
    )


def test_script():
    x, up = torch.randn(4, 6), torch.randn(4, 6)
    names = actinium.functional
    want = (
        names.gated(x, "elu", [1.5], up),
        names.gated(x, "mish", layout="interleaved"),
        names.swiglu(x, up),
        names.swiglu(x, dim=0),
        names.geglu(x, up, "tanh"),
        names.geglu(x, None, "tanh"),
        names.reglu(x, up),
        names.reglu(x),
        names.swiglu_clamped(x, up),
        names.swiglu_clamped(x, limit=2.0),
    )
    assert all(map(torch.equal, scripted(x, up), want))


@pytest.mark.parametrize("half", HALVES)
def test_autocast_leaves_the_dtype(half):
    with torch.autocast("cpu", half):
        assert ops.swiglu(torch.randn(4, 6)).dtype == torch.float32
        assert actinium.nn.SwiGLU(6, 8)(torch.randn(4, 6)).dtype == half


def test_jagged():
    parts = [torch.randn(n, 6) for n in (2, 5)]
    gate = torch.nested.nested_tensor(parts, layout=torch.jagged, requires_grad=True)
    up = torch.nested.nested_tensor_from_jagged(torch.randn(7, 6), gate.offsets()).detach().requires_grad_()
    ops.swiglu(gate, up).values().square().sum().backward()
    dense = [t.detach().values().requires_grad_() for t in (gate, up)]
    ops.swiglu(*dense).square().sum().backward()
    assert all(torch.equal(t.grad.values(), d.grad) for t, d in zip((gate, up), dense, strict=True))


# --------------------------------------------------------------------------------------------------------------- errors

X = torch.linspace(-3, 3, 24).reshape(4, 6)
WRONG = [
    (lambda: ops.gated(X, X[:3], "swish"), ValueError, "gated: up has shape [3, 6], but gate has [4, 6]"),
    (lambda: ops.gated(X, X.double(), "swish"), TypeError, "gated: up has dtype Double, but gate has Float"),
    (lambda: ops.gated(X, X.to("meta"), "swish"), RuntimeError, f"gated: up is on meta, but gate is on {X.device}"),
    (lambda: ops.gated(X.int(), X.int(), "swish"), TypeError, "gated: gate has dtype Int, expected Float"),
    (lambda: ops.gated(X, "softplus"), ValueError, "gated: activation='softplus', expected one of mish, swish, "),
    (lambda: ops.gated(X, "swish", [1.0, 2.0]), ValueError, "gated: params has 2 numbers, but swish takes beta=1"),
    (lambda: ops.gated(X, "relu", [1.0]), ValueError, "gated: params has 1 numbers, but relu takes no numbers"),
    (
        lambda: ops.gated(X, "swiglu_clamped", [1.0] * 3),
        ValueError,
        "gated: params has 3 numbers, but swiglu_clamped takes limit=7, alpha=1.702",
    ),
    (
        lambda: ops.gated(X[:, :5], "swish"),
        ValueError,
        "gated: self has size 5 along dim -1, expected an even number: gate and up (shape [4, 5])",
    ),
    (lambda: ops.gated(X, "swish", dim=2), IndexError, "gated: dim=2 is out of range for self with 2 dimensions"),
    (lambda: ops.gated(X.sum(), "swish"), ValueError, "gated: self has no dimensions"),
    (
        lambda: ops.gated(X, "swish", layout="first"),
        ValueError,
        "gated: layout='first', expected 'gate_first', 'gate_second' or 'interleaved'",
    ),
    (lambda: ops.gated(X.int(), "swish"), TypeError, "gated: self has dtype Int, expected Float"),
    (lambda: ops.swiglu(X[:, :5]), ValueError, "swiglu: self has size 5 along dim -1"),
    (lambda: ops.reglu(X, X[:2]), ValueError, "reglu: up has shape [2, 6], but gate has [4, 6]"),
    (lambda: ops.geglu(X, X, "erf"), ValueError, "geglu: approximate='erf', expected 'none' or 'tanh'"),
    (
        lambda: ops.swiglu_clamped(X, -1.0),
        ValueError,
        "swiglu_clamped: limit=-1, expected a number that is not negative",
    ),
    (
        lambda: ops.swiglu_clamped(X, X, torch.nan),
        ValueError,
        "swiglu_clamped: limit=nan, expected a number that is not negative",
    ),
    (lambda: actinium.nn.Gated("foo"), ValueError, "gated: activation='foo', expected one of mish, swish, "),
    (lambda: actinium.nn.SwiGLU(6, 5, layout="first"), ValueError, "gated: layout='first', expected 'gate_first'"),
    (lambda: actinium.nn.SwiGLUClamped(6, 5, limit=-1), ValueError, "gated: limit=-1, expected a number that is not"),
    (
        lambda: ops.gated_backward(X[:3], X, X, "swish"),
        ValueError,
        "gated_backward: grad_output has shape [3, 6], but gate has [4, 6]",
    ),
    (
        lambda: ops.gated_backward(X, X, "swish"),
        ValueError,
        "gated_backward: grad_output has shape [4, 6], but a half of self has [4, 3]",
    ),
    (lambda: ops.activate(X, "swiglu_clamped"), ValueError, "activate: activation='swiglu_clamped', expected one of"),
]


@pytest.mark.parametrize("call,kind,message", WRONG, ids=[message[:60] for *_, message in WRONG])
def test_wrong_argument(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call()


# -------------------------------------------------------------------------------------------------------------- modules

MODULES = {
    "Gated": lambda **k: actinium.nn.Gated("elu", (1.5,)),
    "GatedLinear": lambda **k: actinium.nn.GatedLinear(6, 10, 4, "mish", **k),
    "SwiGLU": lambda **k: actinium.nn.SwiGLU(6, 10, bias=True, **k),
    "GEGLU": lambda **k: actinium.nn.GEGLU(6, 10, approximate="tanh", **k),
    "ReGLU": lambda **k: actinium.nn.ReGLU(6, 10, layout="interleaved", **k),
    "SwiGLUClamped": lambda **k: actinium.nn.SwiGLUClamped(6, 10, 4, limit=0.5, **k),
}
every_module = pytest.mark.parametrize("make", MODULES.values(), ids=MODULES.keys())


@every_module
def test_modules_compile(make):
    module, x = make(), torch.randn(3, 6)
    want = module(x)
    for run in (
        torch.jit.script(module),
        torch.jit.trace(module, x),
        torch.compile(module, fullgraph=True, backend="aot_eager"),
        torch.export.export(module, (x,)).module(),
        torch.fx.symbolic_trace(module),
    ):
        assert torch.equal(run(x), want)


@every_module
def test_modules_of_a_dtype(make, dtype):
    assert make(dtype=dtype)(torch.randn(3, 6, dtype=dtype)).dtype == dtype


def test_reprs_and_state():
    assert repr(actinium.nn.Gated("elu", (1.5,))) == "Gated(elu, params=[1.5], dim=-1, layout=gate_first)"
    assert list(actinium.nn.SwiGLU(6, 10).state_dict()) == ["gate_up_proj.weight", "down_proj.weight"]
    biased = ["gate_up_proj.weight", "gate_up_proj.bias", "down_proj.weight", "down_proj.bias"]
    assert list(actinium.nn.SwiGLU(6, 10, bias=True).state_dict()) == biased
    with pytest.raises(ValueError, match="GEGLU: approximate='erf'"):
        actinium.nn.GEGLU(6, 10, approximate="erf")


def test_the_layer_of_gpt_oss():
    layer, x = actinium.nn.SwiGLUClamped(6, 10), 20 * torch.randn(3, 6)
    gate, up = layer.gate_up_proj(x).unflatten(-1, (10, 2)).unbind(-1)
    gate, up = gate.clamp(max=7), up.clamp(-7, 7)
    torch.testing.assert_close(layer(x), layer.down_proj(gate * torch.sigmoid(1.702 * gate) * (up + 1)))


@every_packing
def test_weights_of_either_order(packing):
    """The same layer whatever the order of the rows, as the layers that are written out."""
    w_gate, w_up, w_down = torch.randn(10, 6), torch.randn(10, 6), torch.randn(6, 10)
    layer = actinium.nn.SwiGLU(6, 10, layout=packing)
    layer.load_state_dict({"gate_up_proj.weight": pack(w_gate, w_up, 0, packing), "down_proj.weight": w_down})
    x = torch.randn(3, 6)
    torch.testing.assert_close(layer(x), F.linear(F.silu(F.linear(x, w_gate)) * F.linear(x, w_up), w_down))
