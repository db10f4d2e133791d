"""Autocast: an operator computes in the dtype that its input has, and parameters of float32 may stand beside it."""

import pytest
import torch
from torch import nn

import actinium

HALF = pytest.mark.parametrize("half", (torch.bfloat16, torch.float16), ids=str)


@HALF
def test_the_dtype_is_kept(row, half):
    for dtype in (torch.float32, torch.float64, half):
        inputs = row.inputs(dtype=dtype)
        with torch.autocast(torch.get_default_device().type, half):
            y = row(*inputs)
        assert torch.equal(y, row(*inputs)) and y.dtype == dtype


@HALF
def test_parameters_of_float32(row, half):
    """As they are in a network under autocast; their gradients are float32."""
    x, *learned = row.inputs(dtype=torch.float32)
    x = x.detach().to(half).requires_grad_()
    with torch.autocast(torch.get_default_device().type, half):
        y = row(x, *learned)
    y.float().square().sum().backward()
    assert y.dtype == x.grad.dtype == half
    assert all(t.grad.dtype == torch.float32 for t in learned)


@HALF
def test_a_network_learns(half):
    network = nn.Sequential(
        nn.Linear(6, 12),
        actinium.nn.Dice(12),
        nn.Linear(12, 12),
        actinium.nn.Swish(trainable=True, num_parameters=12),
        actinium.nn.Mish(inplace=True),
        actinium.nn.GELU(),
        actinium.nn.GELUTanh(),
        actinium.nn.SELU(),
        actinium.nn.QuickGELU(),
        actinium.nn.ELU(1.5, inplace=True),
        actinium.nn.LeakyReLU(),
        actinium.nn.Tanh(),
        actinium.nn.Maxout(3),
    )
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    for _ in range(2):
        with torch.autocast(torch.get_default_device().type, half):
            y = network(torch.randn(32, 6))
            loss = y.float().square().mean()
        assert y.dtype == half
        loss.backward()
        assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
        optimizer.zero_grad()
    assert network[1].running_mean.dtype == torch.float32 and network[1].running_mean.any()
