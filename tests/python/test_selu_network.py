"""SELU as its paper means it: with lecun_normal_ and alpha dropout a hundred layers keep mean 0 and variance 1."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

import actinium
from actinium.nn.init import lecun_normal_

LAMBDA, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
SATURATION = -LAMBDA * ALPHA


def affine(p):
    """a and b of alpha dropout as the paper has them, whose q is the probability to keep."""
    q = 1 - p
    a = (q + SATURATION**2 * q * (1 - q)) ** -0.5
    return a, -a * (1 - q) * SATURATION


# --------------------------------------------------------------------------------------------------- a hundred layers

WIDTH, DEPTH, BATCH = 512, 100, 64


def statistics(fill, dropout, dtype):
    """Mean and variance after each layer: two rows of DEPTH."""
    x = torch.randn(BATCH, WIDTH, dtype=dtype)
    found = []
    with torch.no_grad():
        for _ in range(DEPTH):
            linear = nn.Linear(WIDTH, WIDTH, dtype=dtype)
            fill(linear.weight)
            nn.init.zeros_(linear.bias)
            x = dropout(actinium.nn.SELU()(linear(x)))
            found.append((x.double().mean().item(), x.double().var().item()))
    return np.transpose(found)


def moments(square, p):
    """E[y], E[y^2], E[y^4] of y, alpha dropout of the SELU of a normal z of mean 0 with that E[z^2]."""
    z = np.linspace(-12, 12, 24_001)
    density = np.exp(-z * z / 2)
    density /= density.sum()
    z *= math.sqrt(square)
    a, b = affine(p)
    kept = a * LAMBDA * np.where(z > 0, z, ALPHA * np.expm1(np.minimum(z, 0))) + b
    dropped = a * SATURATION + b
    return [(1 - p) * (density * kept**k).sum() + p * dropped**k for k in (1, 2, 4)]


def sampling_errors(p):
    """Standard deviations of mean and variance: first those of a layer, then those of the average over the layers.

    Let s be the mean square of a sample over the units of a layer. The units of the next layer are independent, as
    weights are, and are made of a normal z with E[z^2] = s. So s' - 1 = rho (s - 1) + e, where rho is the slope of
    E[y^2] by E[z^2] and Var e = Var(y^2) / WIDTH. The mean is that of WIDTH independent units, and moves with s by the
    slope of E[y]. Averages over samples, which have the weights in common, vary no more than a single sample.
    """
    _, square, fourth = moments(1, p)
    h = 1e-3
    slope, rho, _ = np.subtract(moments(1 + h, p), moments(1 - h, p)) / (2 * h)
    noise = math.sqrt((fourth - square**2) / WIDTH)
    variance = np.array((noise / math.sqrt(1 - rho**2), noise / (1 - rho) / math.sqrt(DEPTH)))
    mean = np.array((1, 1 / math.sqrt(DEPTH))) / math.sqrt(WIDTH) + slope * variance
    return np.transpose((mean, variance))


def is_kept(found, p):
    """Whether every layer, and the average over the layers, is within 5 standard deviations of mean 0, variance 1."""
    off = found - [[0], [1]]
    return (np.array((abs(off).max(1), abs(off.mean(1)))) < 5 * sampling_errors(p)).all()


@pytest.mark.parametrize("p", (0.0, 0.1, 0.5))
def test_a_hundred_layers_keep_mean_and_variance(dtype, p):
    assert is_kept(statistics(lecun_normal_, actinium.nn.AlphaDropout(p), dtype), p)


OTHERS = {
    "init of nn.Linear": (partial(nn.init.kaiming_uniform_, a=math.sqrt(5)), nn.Identity(), 0.0),
    "init for ReLU": (partial(nn.init.kaiming_normal_, nonlinearity="relu"), nn.Identity(), 0.0),
    "torch's gain of SELU": (partial(nn.init.kaiming_normal_, nonlinearity="selu"), nn.Identity(), 0.0),
    "dropout to zero": (lecun_normal_, nn.Dropout(0.1), 0.1),
}


@pytest.mark.parametrize("fill,dropout,p", OTHERS.values(), ids=OTHERS.keys())
def test_with_others_they_do_not(fill, dropout, p):
    assert not is_kept(statistics(fill, dropout, torch.float32), p)


# ------------------------------------------------------------------------------------------------------ lecun_normal_


@pytest.mark.parametrize("shape", ((300, 700), (40, 60, 50), (40, 60, 7, 9), (10, 30, 5, 7, 9)), ids=str)
def test_weights_are_normal_with_variance_1_over_fan_in(shape):
    weight = torch.empty(shape, dtype=torch.float64)
    assert lecun_normal_(weight) is weight
    z = weight * math.sqrt(weight[0].numel())
    n = weight.numel()
    # A normal z has variance 1, z^2 has 2, z^4 has 96.
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        assert abs((z**power).mean().item() - expected) < 5 * math.sqrt(variance / n)


def test_weights_of_a_layer(dtype):
    """A parameter keeps its dtype and has no history; the generator decides, and is drawn from in every call."""
    weight = nn.Linear(30, 20, dtype=dtype).weight
    random = torch.Generator(torch.get_default_device()).manual_seed(1)
    first = lecun_normal_(weight, random).detach().clone()
    assert weight.is_leaf and weight.requires_grad and weight.dtype == dtype
    assert not torch.equal(lecun_normal_(weight, generator=random), first)
    assert torch.equal(lecun_normal_(weight, random.manual_seed(1)), first)


def test_a_weight_has_two_dims_of_floating_point():
    with pytest.raises(ValueError, match=r"lecun_normal_: tensor has shape \[3\], expected at least 2 dims"):
        lecun_normal_(torch.empty(3))
    with pytest.raises(TypeError, match="lecun_normal_: tensor is None, expected a Tensor"):
        lecun_normal_(None)
    with pytest.raises(TypeError, match=r"lecun_normal_: tensor has dtype torch\.int64, expected a floating"):
        lecun_normal_(torch.empty(3, 3, dtype=torch.int64))


# ------------------------------------------------------------------------------------------------------ alpha dropout


@pytest.mark.parametrize("p", (0.05, 0.1, 0.2, 0.5, 0.9))
@pytest.mark.parametrize("module", (actinium.nn.AlphaDropout, actinium.nn.FeatureAlphaDropout))
def test_alpha_dropout_is_that_of_the_paper(module, p, dtype):
    """a x + b for what is kept and a alpha' + b for what is dropped, each as often as it is to be."""
    a, b = affine(p)
    x = torch.randn(400, 50, 4, dtype=dtype, requires_grad=True)
    y = module(p)(x)
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    dropped = gradient == 0
    want = (a * torch.where(dropped, SATURATION, x.double()) + b).to(dtype)
    # A number below 16 that is made of a, x and b, each of them and each step rounded to the dtype.
    eps = torch.finfo(dtype).eps
    assert_close(y, want, rtol=0.0, atol=16 * eps)
    assert_close(gradient, (a * (~dropped).double()).to(dtype), rtol=4 * eps, atol=0.0)
    if module is actinium.nn.FeatureAlphaDropout:
        dropped = dropped.all(2)
        assert torch.equal(dropped, (gradient == 0).any(2))
    assert abs(dropped.double().mean().item() - p) < 5 * math.sqrt(p * (1 - p) / dropped.numel())


@pytest.mark.parametrize("module", (actinium.nn.AlphaDropout, actinium.nn.FeatureAlphaDropout))
def test_alpha_dropout_in_evaluation(module):
    x = torch.randn(8, 6)
    assert torch.equal(module(0.5).eval()(x), x)
