"""Function transforms: every one gives what it gives for the builtin or the composite."""

import pytest
import torch
from torch.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap
from torch.testing import assert_close

# vmap without a rule of its own computes one sample after another, and says so.
pytestmark = pytest.mark.filterwarnings("error:There is a performance drop")


def total(f):
    """A number that depends on every output differently."""

    def number(*inputs):
        y = f(*inputs)
        return (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)).sum()

    return number


def every(row):
    return tuple(range(1 + len(row.learned(row.sample()))))


def small(row):
    return tuple(t.detach() for t in row.inputs(shape=(2, 6, 6)))


def jvp_of_grad_of_grad(f, n):
    """A third derivative, the last of it forward."""

    def number(*inputs):
        return sum((t * t).sum() for t in grad(total(f), n)(*inputs))

    return lambda *inputs: jvp(grad(number, n), inputs, tuple(map(torch.ones_like, inputs)))


def vjp_of_vjp_of_grad(f, n):
    """A third derivative, whose backwards run when the transforms that recorded them have returned."""

    def pulled(f):
        return lambda *inputs: vjp(f, *inputs)[1](tuple(map(torch.ones_like, inputs)))

    return pulled(pulled(grad(lambda *inputs: total(f)(*inputs) ** 2, n)))


TRANSFORMS = {
    "grad": lambda f, n: grad(total(f), n),
    "grad of grad": lambda f, n: grad(lambda *inputs: sum(map(torch.sum, grad(total(f), n)(*inputs))), n),
    "vjp": lambda f, n: lambda *inputs: vjp(f, *inputs)[1](torch.ones_like(f(*inputs))),
    "jvp": lambda f, n: lambda *inputs: jvp(f, inputs, tuple(map(torch.ones_like, inputs))),
    "jvp of grad": lambda f, n: lambda *inputs: jvp(grad(total(f), n), inputs, tuple(map(torch.ones_like, inputs))),
    "linearize": lambda f, n: lambda *inputs: linearize(f, *inputs)[1](*map(torch.ones_like, inputs)),
    "jacrev": lambda f, n: jacrev(f, n),
    "jacfwd": lambda f, n: jacfwd(f, n),
    "hessian": lambda f, n: hessian(total(f), n),
    "jacrev of jacrev": lambda f, n: jacrev(jacrev(total(f), n), n),
    "jvp of grad of grad": lambda f, n: jvp_of_grad_of_grad(f, n),
    "vjp of vjp of grad": lambda f, n: vjp_of_vjp_of_grad(f, n),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_transform(row, transform):
    inputs = small(row)
    assert_close(transform(row, every(row))(*inputs), transform(row.reference, every(row))(*inputs))


def stacked(inputs, batch, dim):
    """Each input `batch` times over, with different numbers, along a new dim."""
    return tuple(torch.stack([t + 0.1 * i for i in range(batch)], dim if t.dim() else 0) for t in inputs)


@pytest.mark.parametrize("dim", (0, 1, -1))
@pytest.mark.parametrize(
    "inner",
    (lambda f, n: f, lambda f, n: grad(total(f), n), lambda f, n: jacfwd(f, n), TRANSFORMS["jvp of grad"]),
    ids=("f", "grad", "jacfwd", "jvp of grad"),
)
def test_vmap(row, dim, inner):
    inputs = stacked(small(row), 3, dim)
    in_dims = tuple(dim if t.dim() > 1 else 0 for t in inputs)
    results = []
    for f in (row, row.reference):
        one = inner(f, every(row))
        results.append(vmap(one, in_dims)(*inputs))
    looped = [inner(row, every(row))(*(t.select(d, i) for t, d in zip(inputs, in_dims, strict=True))) for i in range(3)]
    assert_close(*results)
    flat, _ = torch.utils._pytree.tree_flatten(results[0])
    rows = [torch.utils._pytree.tree_flatten(r)[0] for r in looped]
    for got, *want in zip(flat, *rows, strict=True):
        assert_close(got, torch.stack(want))


@pytest.mark.parametrize(
    "op,args",
    (("maxout", (2, -3)), ("maxout", (2, 2)), ("gated", ("swish", [], -3)), ("swiglu", (2,))),
    ids=str,
)
def test_vmap_counts_the_dims_of_a_sample(op, args):
    f, sample = getattr(torch.ops.actinium, op), torch.randn(4, 6)
    with pytest.raises(IndexError) as alone:
        f(sample, *args)
    with pytest.raises(IndexError) as batched:
        vmap(lambda x: f(x, *args))(torch.randn(5, 4, 6))
    assert str(batched.value).splitlines()[0] == str(alone.value).splitlines()[0]


def test_vmap_of_some_inputs(row):
    """Only x, or only one learned input, has the batch."""
    inputs = small(row)
    for chosen in every(row):
        in_dims = tuple(0 if i == chosen else None for i in every(row))
        batch = tuple(stacked((t,), 3, 0)[0] if i == chosen else t for i, t in enumerate(inputs))
        for inner in (lambda f: f, lambda f: grad(total(f), every(row))):
            assert_close(vmap(inner(row), in_dims)(*batch), vmap(inner(row.reference), in_dims)(*batch))


def test_nested_vmap(row):
    inputs = stacked(stacked(small(row), 2, 0), 3, 0)
    assert_close(vmap(vmap(row))(*inputs), vmap(vmap(row.reference))(*inputs))
    per_sample = [vmap(vmap(grad(total(f), every(row)))) for f in (row, row.reference)]
    assert_close(*(f(*inputs) for f in per_sample))


def test_vmap_inplace(pointwise):
    inputs = stacked(small(pointwise), 3, 0)
    want = vmap(pointwise)(*inputs)
    assert_close(vmap(lambda x, *rest: pointwise.inplace(x * 1, *rest))(*inputs), want)


def test_batched_gradients(row):
    """What is_grads_batched and jacobians(vectorize=True) do."""
    inputs = row.inputs(shape=(2, 6, 6))
    y = row(*inputs)
    g = torch.stack([torch.ones_like(y), row.sample(y.shape)])
    got = torch.autograd.grad(y, inputs, g, is_grads_batched=True, retain_graph=True)
    for i in range(2):
        want = torch.autograd.grad(y, inputs, g[i], retain_graph=True)
        assert_close([t[i] for t in got], list(want))
