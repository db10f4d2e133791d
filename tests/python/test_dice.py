"""Dice beside batch normalization: its statistics are those that nn.BatchNorm keeps."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from op_table import SHAPE, along, dice_composite, ops, running

DIMS = (0, 1, 2, 3, -1, -4)


def normalized(x, mean, var, dim, **options):
    """What nn.functional.batch_norm does to its running statistics on the way."""
    rows = x.movedim(dim, -1)
    return F.batch_norm(rows.reshape(-1, rows.size(-1)), mean, var, training=True, **options)


@pytest.mark.parametrize("momentum", (0.1, 1.0))
def test_running_statistics_are_those_of_batch_norm(momentum, dtype, layout):
    for dim in DIMS:
        check_statistics(layout(torch.randn(SHAPE, dtype=torch.float64).to(dtype)), dim, momentum)


def check_statistics(x, dim, momentum):
    mean, var = running(x, dim)
    wanted = running(x.double(), dim)
    version = mean._version, var._version
    ops.dice(x, torch.zeros(1, dtype=x.dtype), mean, var, True, momentum, 1e-8, dim)
    normalized(x.double(), *wanted, dim, momentum=momentum)
    for got, want in zip((mean, var), wanted, strict=True):
        torch.testing.assert_close(got, want.to(got.dtype))
    assert mean._version > version[0] and var._version > version[1]


def dice_by_batch_norm(x, alpha, mean, var, training):
    """Channels along dim 1."""
    p = torch.sigmoid(F.batch_norm(x, mean, var, None, None, training or mean is None, 0.1, 1e-8))
    return p * x + (1 - p) * along(alpha, x, 1) * x


@pytest.mark.parametrize("training", (True, False))
@pytest.mark.parametrize("stats", (True, False))
def test_gradients_are_those_of_batch_norm(training, stats, layout):
    x = layout(torch.randn(SHAPE, dtype=torch.float64)).detach().requires_grad_()
    alpha = torch.linspace(-0.5, 1.5, 6, dtype=torch.float64).requires_grad_()
    results = []
    for f in (lambda *args: ops.dice(*args, 0.1, 1e-8, 1), dice_by_batch_norm):
        mean, var = running(x.detach(), 1) if stats else (None, None)
        y = f(x, alpha, mean, var, training)
        first = torch.autograd.grad(y.square().sum(), (x, alpha), create_graph=True)
        second = torch.autograd.grad(sum(t.square().sum() for t in first), (x, alpha))
        results.append((y, *first, *second, mean, var))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("stats", (True, False))
def test_evaluation_writes_nothing(stats):
    x = torch.randn(SHAPE)
    mean, var = running(x, 1) if stats else (None, None)
    before = [t.clone() for t in (mean, var) if t is not None]
    ops.dice(x, torch.zeros(1), mean, var, False, 0.1, 1e-8, 1)
    assert all(map(torch.equal, (t for t in (mean, var) if t is not None), before))


def test_statistics_take_no_part_in_the_graph():
    x = torch.randn(SHAPE, requires_grad=True)
    mean, var = running(x.detach(), 1)
    ops.dice(x, torch.zeros(1), mean, var, True, 0.1, 1e-8, 1).sum().backward()
    assert not mean.requires_grad and not var.requires_grad and mean.is_leaf


@pytest.mark.parametrize("eps", (1e-8, 1e-3, 1.0))
@pytest.mark.parametrize("training", (True, False))
def test_eps(eps, training):
    x = 1e-3 * torch.randn(SHAPE, dtype=torch.float64)
    alpha = torch.full((1,), 0.3, dtype=torch.float64)
    mean, var = (t * 1e-6 for t in running(x, 1))
    got = ops.dice(x, alpha, mean.clone(), var.clone(), training, 0.1, eps, 1)
    torch.testing.assert_close(got, dice_composite(x, alpha, mean, var, training, 0.1, eps, 1))


@pytest.mark.parametrize("eps_mode", ("inside", "outside", "both"))
def test_equal_values_have_no_variance(eps_mode):
    """p is then sigmoid(0) and the gradient is finite."""
    x = torch.full((5, 3), 2.0, dtype=torch.float64, requires_grad=True)
    y = ops.dice(x, torch.zeros(1, dtype=torch.float64), None, None, True, 0.1, 1e-8, 1, eps_mode=eps_mode)
    assert torch.equal(y, torch.ones_like(y))
    (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert first.isfinite().all() and second.isfinite().all()


def test_a_large_mean_costs_no_digits():
    """The variance is summed around the mean, not as E[x^2] - E[x]^2."""
    x = 1000 + torch.randn(4096, 8)
    got = ops.dice(x, torch.zeros(1), None, None, True, 0.1, 1e-8, 1)
    alpha = torch.zeros(1, dtype=torch.float64)
    want = dice_composite(x.double(), alpha, None, None, True, 0.1, 1e-8, 1)
    torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=0.0)


def test_statistics_of_half_types_are_single(dtype):
    x = torch.randn(64, 6).to(dtype)
    *_, mean, var = ops._dice_forward(x, torch.zeros(1, dtype=dtype), None, None, 1e-8, 1)
    assert mean.dtype == var.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(var, x.to(var.dtype).var(0, unbiased=False))


def test_training_as_a_module_of_batch_norm_does():
    """Twenty steps, then evaluation: the same outputs and running statistics."""
    norm = nn.BatchNorm1d(6, eps=1e-8, affine=False).double()
    mean, var = torch.zeros(6, dtype=torch.float64), torch.ones(6, dtype=torch.float64)
    alpha = torch.full((6,), 0.25, dtype=torch.float64)
    for training in (True,) * 20 + (False,):
        norm.train(training)
        x = 3 * torch.randn(32, 6, dtype=torch.float64) + 1
        p = torch.sigmoid(norm(x))
        torch.testing.assert_close(ops.dice(x, alpha, mean, var, training), p * x + (1 - p) * alpha * x)
    torch.testing.assert_close(mean, norm.running_mean)
    torch.testing.assert_close(var, norm.running_var)
