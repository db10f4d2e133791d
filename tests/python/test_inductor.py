"""torch.compile with its default backend: the operators as formulas in fused loops, or as calls of the kernels."""

import subprocess
import sys

import pytest
import torch
from torch._inductor.utils import run_and_get_code
from torch.testing import assert_close

from actinium import fuse
from op_table import HALVES, POINTWISE, opmath, ops

FUSED = tuple(row for row in POINTWISE if row.dim is None)
EVERY = pytest.mark.parametrize("fused", FUSED, ids=lambda row: row.name)


@pytest.fixture(autouse=True)
def fusing():
    with fuse():
        yield


def compiled(f):
    torch.compiler.reset()
    return torch.compile(f, fullgraph=True)


def step(f, x, g):
    y = f(x)
    return y.detach(), *torch.autograd.grad(y, x, g)


def calls_a_kernel(codes):
    return any("torch.ops.actinium." in code for code in codes)


@EVERY
def test_what_is_fused(fused):
    """One loop for the chain, forward and backward; no call of an operator is left."""
    x, g = fused.sample(dtype=torch.float32).requires_grad_(), torch.ones(6)
    chain = compiled(lambda x: fused(x * 2) + 1)
    _, codes = run_and_get_code(step, chain, x, g.expand_as(x))
    assert len(codes) == 2 and not calls_a_kernel(codes)
    with fuse(False):
        _, codes = run_and_get_code(step, compiled(lambda x: fused(x * 2) + 1), x, g.expand_as(x))
    assert calls_a_kernel(codes)


def everywhere(row, dtype):
    """Both tails to their ends, both infinities, NaN and a zero of each sign."""
    top = torch.finfo(opmath(dtype)).max if dtype != torch.float16 else 6e4
    special = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan"), top, -top], dtype=torch.float64)
    return torch.cat([row.sample((4096,)), torch.linspace(-120, 120, 4801, dtype=torch.float64), special]).to(dtype)


@EVERY
def test_fused_values(fused, dtype):
    """As the operator has them, to what Inductor's exp has of digits."""
    x = everywhere(fused, dtype)
    if fused.name == "swish(0.0)":
        x = x[x.isfinite()]  # x/2 to the compiler, the limit of a beta above 0 to the operator
    x.requires_grad_()
    g = torch.ones_like(x)
    got, want = step(compiled(lambda x: fused(x) * 1), x, g), step(fused, x, g)
    # The rounding of the argument of exp counts as often as the argument is large.
    eps = torch.finfo(opmath(dtype)).eps
    rtol = 2 * torch.finfo(dtype).eps if dtype in HALVES else eps * (750 if dtype == torch.float64 else 150)
    # Beside a root of the derivative only the absolute error is small; a subnormal may be flushed.
    assert_close(got[0], want[0], rtol=rtol, atol=torch.finfo(opmath(dtype)).tiny * 200, equal_nan=True)
    assert_close(got[1], want[1], rtol=rtol, atol=8 * eps, equal_nan=True)
    # Even so no tail of it is cut off.
    assert got[1][want[1].abs() > torch.finfo(dtype).tiny * 200].all()


PROBABILITIES, CLASSES = torch.linspace(0, 1, 24 * 7).reshape(24, 7), torch.linspace(0.5, 2, 7)
ELEMENTS = PROBABILITIES.exp()
OF_LOGITS = {
    "softmax": lambda x: ops.softmax(x, 1),
    "softmax across": lambda x: ops.softmax(x, 0),
    "log_softmax": lambda x: ops.log_softmax(x, 1),
    "binary": lambda x: ops.sigmoid_binary_cross_entropy(x, PROBABILITIES.to(x.dtype)),
    "binary weighted": lambda x: ops.sigmoid_binary_cross_entropy(
        x, PROBABILITIES.to(x.dtype), ELEMENTS, CLASSES, "none"
    ),
    "binary summed": lambda x: ops.sigmoid_binary_cross_entropy(x, PROBABILITIES.to(x.dtype), None, CLASSES, "sum"),
}


@pytest.mark.parametrize("name", OF_LOGITS)
def test_functions_of_logits_are_fused(name, dtype):
    """With large logits, too."""
    f = OF_LOGITS[name]
    x = torch.linspace(-3, 3, 24 * 7, dtype=torch.float64).mul(17).sin().mul(40).view(24, 7).to(dtype).requires_grad_()
    want = f(x * 2) * 2
    g = torch.linspace(1, 2, want.numel()).view_as(want).to(dtype)
    got, codes = run_and_get_code(step, compiled(lambda x: f(x * 2) * 2), x, g)
    assert not calls_a_kernel(codes)
    eps = torch.finfo(dtype).eps
    assert_close(got, (want.detach(), *torch.autograd.grad(want, x, g)), rtol=16 * eps, atol=16 * eps)


def test_probabilities_that_are_learned_have_a_fused_gradient():
    def loss(x, p):
        return ops.sigmoid_binary_cross_entropy(x, torch.sigmoid(p), None, CLASSES)

    x, p = (torch.linspace(-9, 9, 24 * 7).view(24, 7).roll(n, 0).clone().requires_grad_() for n in (0, 5))
    (got, *grads), codes = run_and_get_code(lambda f: (y := f(x, p), *torch.autograd.grad(y, (x, p))), compiled(loss))
    assert not calls_a_kernel(codes)
    want = loss(x, p)
    assert_close((got, *grads), (want, *torch.autograd.grad(want, (x, p))))


def test_the_switch_is_for_what_is_compiled_afterwards():
    x = torch.linspace(-3, 3, 11)
    row = FUSED[0]
    with fuse(False):
        with fuse():
            _, codes = run_and_get_code(compiled(lambda x: row(x) + 1), x)
            assert not calls_a_kernel(codes)
        _, codes = run_and_get_code(compiled(lambda x: row(x) + 2), x)
        assert calls_a_kernel(codes)
        assert torch.equal(compiled(row)(x), row(x))
    _, codes = run_and_get_code(compiled(lambda x: row(x) + 3), x)
    assert not calls_a_kernel(codes)


@pytest.mark.cpu_only
def test_inductor_is_not_imported_before_it_is_needed():
    program = """
import sys, torch, actinium
assert "torch._inductor" not in sys.modules
actinium.fuse()
import torch._inductor.decomposition as d
assert torch.ops.actinium.mish_backward.default in d.select_decomp_table()
"""
    subprocess.run([sys.executable, "-P", "-c", program], check=True, timeout=300)
    late = program.replace("torch, actinium", "torch, torch._inductor.decomposition, actinium").replace("not in", "in")
    subprocess.run([sys.executable, "-P", "-c", late], check=True, timeout=300)
