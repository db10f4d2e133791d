"""Gradients: first, second, forward, by finite differences and beside the builtin; what is saved; in-place and out."""

import itertools

import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

from op_table import ROWS

SMALL = (2, 6, 1, 6)
ops = torch.ops.actinium


def gradients(f, inputs):
    """The output, the gradient of every input, and that of a function of the gradients."""
    y = f(*inputs)
    g = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape).requires_grad_()
    first = torch.autograd.grad(y, inputs, g, create_graph=True)
    through = [t for t in first if t.requires_grad]
    weights = [torch.linspace(0.5, 1.5, t.numel(), dtype=t.dtype).reshape(t.shape) for t in through]
    return [y, *first, *torch.autograd.grad(through, [g, *inputs], weights, materialize_grads=True)]


# ------------------------------------------------------------------------------------------------ finite differences


@pytest.fixture
def deterministic():
    """The gradient of a layout whose elements overlap is a sum, which CUDA else takes in any order."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def laid_out(f, layout):
    """f of x in that layout, as a function of a contiguous x."""
    return lambda x, *learned: f(layout(x), *learned)


def test_gradcheck(row, layout, deterministic):
    inputs = row.inputs(shape=SMALL)
    assert gradcheck(laid_out(row, layout), inputs, check_forward_ad=True, fast_mode=True)


def test_gradgradcheck(row, layout, deterministic):
    inputs = row.inputs(shape=SMALL)
    assert gradgradcheck(laid_out(row, layout), inputs, check_fwd_over_rev=True, fast_mode=True)


def test_every_entry_of_the_jacobian(row):
    inputs = row.inputs(shape=(2, 6, 6))
    assert gradcheck(row, inputs, check_forward_ad=True, check_undefined_grad=True)
    assert gradgradcheck(row, inputs, check_fwd_over_rev=True)


def test_gradcheck_of_a_number():
    for row in ROWS:
        if row.dim is None:
            x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
            assert gradcheck(row, x, check_forward_ad=True) and gradgradcheck(row, x)


# ---------------------------------------------------------------------------------------------- beside the builtin


def test_gradients_are_those_of_the_builtin(row, wide, layout):
    inputs = row.inputs(dtype=wide)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    results = (gradients(laid_out(f, layout), of) for f, of in ((row, inputs), (row.reference, exact)))
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want.to(wide))


@pytest.mark.parametrize("narrow", (torch.float32, torch.bfloat16, torch.float16), ids=str)
def test_gradients_are_rounded_once(row, narrow):
    """Half types within half of their spacing, as computed in float32; sums lose what float32 loses in them."""
    inputs = row.inputs(dtype=narrow)
    y = row(*inputs)
    g = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(narrow)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    z = row.composite(*exact)
    wanted = [z, *torch.autograd.grad(z, exact, g.double())]
    single = torch.finfo(torch.float32).eps
    for got, want in zip([y, *torch.autograd.grad(y, inputs, g)], wanted, strict=True):
        assert got.dtype == narrow
        relative = 4 * single if narrow == torch.float32 else 0.501 * torch.finfo(narrow).eps
        terms = inputs[0].numel() / got.numel()
        torch.testing.assert_close(got.double(), want, rtol=relative, atol=4 * single * terms)


def test_gradients_of_no_elements(row):
    if row.batch_stats:
        return
    x = row.sample((0, 6, 6) if row.dim != 0 else (6, 0, 6)).requires_grad_()
    learned = [t.requires_grad_() for t in row.learned(x.detach())]
    for t, grad in zip((x, *learned), torch.autograd.grad(row(x, *learned).sum(), (x, *learned)), strict=True):
        assert grad.shape == t.shape and not grad.any()


def test_the_gradient_keeps_the_strides(row, writable):
    inputs = row.inputs(writable)
    wanted = [t.clone(memory_format=torch.preserve_format) for t in inputs]
    y = row(*inputs)
    for got, want in zip(torch.autograd.grad(y, inputs, torch.ones_like(y)), wanted, strict=True):
        assert got.shape == want.shape
        if row.pointwise:
            assert got.is_contiguous() == want.is_contiguous()


def test_expanded_gradient(row):
    """What y.sum() sends back has stride 0."""
    inputs = row.inputs()
    got = torch.autograd.grad(row(*inputs).sum(), inputs)
    y = row(*inputs)
    want = torch.autograd.grad(y, inputs, torch.ones_like(y))
    assert all(map(torch.equal, got, want))


def test_any_subset_of_inputs_may_want_a_gradient(row):
    inputs = row.inputs()
    y = row(*inputs)
    g = row.sample(y.shape)
    every = torch.autograd.grad(y, inputs, g)
    for wanted in itertools.product((False, True), repeat=len(inputs)):
        some = [t.detach().requires_grad_(w) for t, w in zip(inputs, wanted, strict=True)]
        y = row(*some)
        assert y.requires_grad == any(wanted)
        if any(wanted):
            y.backward(g)
        for t, w, grad in zip(some, wanted, every, strict=True):
            assert torch.equal(t.grad, grad) if w else t.grad is None


def test_undefined_tangents_and_gradients(row):
    """A tangent or a second gradient for one input only."""
    inputs = row.inputs()
    for chosen in range(len(inputs)):
        tangents = [torch.ones_like(t) if i == chosen else None for i, t in enumerate(inputs)]
        results = []
        for f in (row, row.reference):
            with forward_ad.dual_level():
                duals = [
                    t.detach() if v is None else forward_ad.make_dual(t.detach(), v)
                    for t, v in zip(inputs, tangents, strict=True)
                ]
                results.append(forward_ad.unpack_dual(f(*duals)).tangent)
            y = f(*inputs)
            (first,) = torch.autograd.grad(y, inputs[chosen], torch.ones_like(y), create_graph=True)
            if first.requires_grad:
                results += torch.autograd.grad(first.sum(), inputs, materialize_grads=True)
        half = len(results) // 2
        for got, want in zip(results[:half], results[half:], strict=True):
            torch.testing.assert_close(got, want)


def test_third_derivative(row):
    """Right, as the builtin's is."""
    inputs = row.inputs(shape=(2, 6, 6))
    results = []
    for f in (row, row.reference):
        total = f(*inputs).pow(2).sum()
        for _ in range(3):
            grads = torch.autograd.grad(total, inputs, create_graph=True)
            total = sum((t * torch.linspace(0.5, 1, t.numel(), dtype=t.dtype).reshape(t.shape)).sum() for t in grads)
        results.append(grads)
    torch.testing.assert_close(*results)


def test_retained_graph_gives_the_same_again(row):
    inputs = row.inputs()
    y = row(*inputs).square().sum()
    first = torch.autograd.grad(y, inputs, retain_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(y, inputs)))
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(y, inputs)


@pytest.mark.parametrize("reentrant", (False, True))
def test_checkpoint(row, reentrant):
    inputs = row.inputs()
    want = torch.autograd.grad(row(*inputs).sum(), inputs)
    checkpoint(row, *inputs, use_reentrant=reentrant).sum().backward()
    assert all(torch.equal(t.grad, grad) for t, grad in zip(inputs, want, strict=True))


def test_anomaly_mode_and_hooks(row):
    inputs = row.inputs()
    seen = []
    with torch.autograd.detect_anomaly(check_nan=True):
        y = row(*inputs)
        y.register_hook(lambda grad: seen.append(grad) or 2 * grad)
        got = torch.autograd.grad(y.sum(), inputs)
    assert len(seen) == 1
    for grad, want in zip(got, torch.autograd.grad(row(*inputs).sum(), inputs), strict=True):
        torch.testing.assert_close(grad, 2 * want)


def test_inference_mode(row):
    inputs = row.inputs()
    with torch.inference_mode():
        y = row(*inputs)
    assert y.is_inference() and torch.equal(y, row(*inputs))


# ------------------------------------------------------------------------------------------------- what is saved


def kept(f, *inputs):
    """f of the inputs, and the distinct memory that its graph keeps alive: bytes by address."""
    saved = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.setdefault(t.data_ptr(), t), lambda t: t):
        y = f(*inputs)
    return y, {address: t.nbytes for address, t in saved.items()}


def test_the_backward_keeps_no_more_than_it_needs(row, dtype):
    inputs = row.inputs(dtype=dtype, shape=(4, 6, 30, 6))
    y, saved = kept(row, *inputs)
    assert sum(saved.values()) == sum(t.nbytes for t in row.saved(y, *inputs))
    assert y.requires_grad
    with torch.no_grad():
        assert kept(row, *inputs)[1] == {}


@pytest.mark.parametrize("inplace", (False, True))
def test_relu_keeps_its_result(inplace):
    """Its derivatives at f(x) are those at x, which need not live any longer, and op_ need not copy it."""
    x = torch.tensor([-1.0, -0.0, 0.0, 2.0, torch.nan], requires_grad=True)
    y, saved = kept(ops.relu_ if inplace else ops.relu, x * 1)
    assert list(saved) == [y.data_ptr()]
    grad = torch.autograd.grad(y, x, torch.full_like(x, 3.0), create_graph=True, retain_graph=True)[0]
    torch.testing.assert_close(grad.detach(), torch.tensor([0.0, 0, 0, 3, torch.nan]), equal_nan=True)
    assert torch.equal(torch.autograd.grad(grad[:4].sum(), x)[0][:4], torch.zeros(4))


@pytest.mark.parametrize("inplace", (False, True))
def test_relu_needs_its_result(inplace):
    x = torch.tensor([-1.0, 2.0], requires_grad=True) * 1
    y = (ops.relu_ if inplace else ops.relu)(x)
    with torch.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_relu_in_place_on_a_view_keeps_the_view():
    x = torch.tensor([-1.0, 2.0, -3.0, 4.0], requires_grad=True)
    base = x * 1
    view, saved = kept(ops.relu_, base[1:3])
    assert list(saved) == [base.data_ptr() + base.element_size()]
    (grad,) = torch.autograd.grad(base.sum() + 2 * view.sum(), x, create_graph=True)
    assert torch.equal(grad.detach(), torch.tensor([1.0, 3.0, 0.0, 1.0]))
    assert torch.equal(torch.autograd.grad(grad.sum(), x, allow_unused=True, materialize_grads=True)[0], torch.zeros(4))


# ----------------------------------------------------------------------------------------------- in-place and out


def test_inplace_gradient(pointwise, wide):
    inputs = pointwise.inputs(dtype=wide)

    def twice(f):
        def run(x, *learned):
            return f(x * 1, *learned)

        return run

    for got, want in zip(gradients(twice(pointwise.inplace), inputs), gradients(twice(pointwise), inputs), strict=True):
        assert torch.equal(got, want)


def test_inplace_forward_mode(pointwise):
    inputs = pointwise.inputs()
    assert gradcheck(
        lambda x, *rest: pointwise.inplace(x.clone(), *rest), inputs, check_forward_ad=True, fast_mode=True
    )


def test_inplace_tangent_is_updated_where_it_lies(pointwise):
    x, *learned = (t.detach() for t in pointwise.inputs())
    with forward_ad.dual_level():
        tangent = torch.ones_like(x)
        want = forward_ad.unpack_dual(pointwise(forward_ad.make_dual(x.clone(), tangent.clone()), *learned)).tangent
        dual = forward_ad.make_dual(x.clone(), tangent)
        pointwise.inplace(dual, *learned)
        assert torch.equal(forward_ad.unpack_dual(dual).tangent, want)


def test_inplace_spoils_what_others_saved(pointwise):
    """exp saved its result; computing on it in place must not give a wrong gradient in silence."""
    x, *learned = pointwise.inputs()
    y = x.exp()
    version = y._version
    pointwise.inplace(y, *learned)
    assert y._version == version + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_out_spoils_what_others_saved(pointwise):
    x, *learned = pointwise.inputs()
    y = x.exp()
    with torch.no_grad():
        version = y._version
        pointwise.out(x, *learned, out=y.detach())
    assert y._version == version + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_inplace_on_a_leaf_is_refused(pointwise):
    x, *learned = pointwise.inputs()
    before = x.detach().clone()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad is being used in an in-place operation"):
        pointwise.inplace(x, *learned)
    assert torch.equal(x, before)


def test_inplace_on_a_view(pointwise):
    """The base learns of it, as of a builtin's."""
    x, *learned = pointwise.inputs()
    if pointwise.dim == 0:
        return
    results = []
    for f in (pointwise.inplace, lambda t, *rest: t.copy_(pointwise(t.clone(), *rest))):
        base = x * 1
        f(base[1:], *learned)
        results.append([base, *torch.autograd.grad(base.square().sum(), (x, *learned))])
    assert all(map(torch.equal, *results))


def test_out_refuses_gradients(pointwise):
    x, *learned = pointwise.inputs()
    with pytest.raises(RuntimeError, match=r"\w+\(\): functions with out=... arguments don't support automatic"):
        pointwise.out(x, *learned, out=torch.empty_like(x))
