"""The Maxout layer: the products of all pieces, the bias and the maximum as one function, and its module."""

import copy
import io
import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import grad, jvp, vmap

import actinium
from op_table import HALVES, opmath, ops

PIECES, UNITS, FEATURES = 3, 4, 6


def composite(x, weight, bias=None):
    y = torch.einsum("...d,kmd->...km", x, weight)
    return (y if bias is None else y + bias).amax(-2)


def inputs(dtype=torch.float64, shape=(2, 5, FEATURES), units=UNITS, bias=True, seed=0, pieces=PIECES):
    random = torch.Generator().manual_seed(seed)
    sizes = [shape, (pieces, units, shape[-1])] + [(pieces, units)] * bias
    numbers = [torch.randn(size, generator=random, dtype=torch.float64, device="cpu") for size in sizes]
    return tuple(t.to(torch.get_default_device(), dtype).requires_grad_() for t in numbers)


@pytest.mark.parametrize("pieces", (1, PIECES))
@pytest.mark.parametrize("units", (0, 1, 4, 33))
@pytest.mark.parametrize("bias", (True, False))
@pytest.mark.parametrize("shape", ((FEATURES,), (7, FEATURES), (2, 3, 5, FEATURES), (0, FEATURES), (3, 0)))
def test_values_and_gradients(shape, bias, units, pieces, wide):
    given = inputs(wide, shape, units, bias, pieces=pieces)
    y, want = ops.linear_maxout(*given), composite(*given)
    torch.testing.assert_close(y, want)
    g = torch.randn_like(want)
    for mine, theirs in zip(torch.autograd.grad(y, given, g), torch.autograd.grad(want, given, g), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("half", HALVES)
def test_the_bias_is_added_without_a_rounding_between(half):
    x, weight, bias = inputs(half)
    products = nn.functional.linear(x, weight.flatten(0, 1)).detach()
    wide = products.to(opmath(half)).unflatten(-1, (PIECES, UNITS)) + bias.to(opmath(half))
    assert torch.equal(ops.linear_maxout(x, weight, bias), wide.amax(-2).to(half))


def test_the_layout_of_the_input_does_not_matter(layout):
    x, weight, bias = inputs(shape=(2, 6, 3, FEATURES))
    x = layout(x)
    torch.testing.assert_close(ops.linear_maxout(x, weight, bias), composite(x, weight, bias))


def test_strided_parameters():
    x, weight, bias = inputs()
    y = ops.linear_maxout(x, weight.transpose(0, 1).contiguous().transpose(0, 1), bias.t().contiguous().t())
    assert torch.equal(y, ops.linear_maxout(x, weight, bias))


@pytest.mark.parametrize("bias", (True, False))
def test_gradients_of_both_orders_and_forward_mode(bias):
    given = inputs(bias=bias)
    assert gradcheck(ops.linear_maxout, given, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(ops.linear_maxout, given, check_fwd_over_rev=True)


def test_the_backward_keeps_input_weight_and_a_byte_per_output():
    x, weight, bias = inputs(torch.float32, (64, FEATURES))
    kept = {}

    def pack(t):
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = ops.linear_maxout(x, weight, bias)
    assert sum(kept.values()) == x.nbytes + weight.nbytes + y.numel()


def test_the_first_of_equal_pieces_wins_and_nan_wins_over_all():
    weight, bias = torch.zeros(2, 2, 1), torch.tensor([[1.0, math.nan], [1.0, 5.0]]).requires_grad_()
    y = ops.linear_maxout(torch.zeros(1, 1), weight, bias)
    assert y[0, 0] == 1 and y[0, 1].isnan()
    (gradient,) = torch.autograd.grad(y.sum(), bias)
    assert gradient.tolist() == [[1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("in_dims", ((0, None, None), (None, 0, 0), (0, 0, 0), (1, None, 0)))
def test_vmap(in_dims):
    x, weight, bias = (t.detach() for t in inputs())
    batch = [
        t if at is None else torch.stack([t, t * 0.5, -t], at) for t, at in zip((x, weight, bias), in_dims, strict=True)
    ]

    def loss(*given):
        return ops.linear_maxout(*given).sin().sum()

    for function in (ops.linear_maxout, grad(loss, (0, 1, 2))):
        found = vmap(function, in_dims)(*batch)
        one = [
            function(*(t if at is None else t.select(at, i) for t, at in zip(batch, in_dims, strict=True)))
            for i in range(3)
        ]
        stacked = (
            torch.stack(one) if isinstance(found, torch.Tensor) else tuple(map(torch.stack, zip(*one, strict=True)))
        )
        torch.testing.assert_close(found, stacked)


def test_jvp_of_the_gradient():
    x, weight, bias = (t.detach() for t in inputs())
    directions = tuple(torch.randn_like(t) for t in (x, weight, bias))

    def gradients(f):
        return grad(lambda *given: f(*given).sin().sum(), (0, 1, 2))

    mine, theirs = (jvp(gradients(f), (x, weight, bias), directions) for f in (ops.linear_maxout, composite))
    torch.testing.assert_close(mine, theirs)


def test_opcheck():
    y, bias = torch.randn(5, PIECES * UNITS, requires_grad=True), torch.randn(PIECES, UNITS, requires_grad=True)
    torch.library.opcheck(ops._maxout_bias.default, (y, bias))
    torch.library.opcheck(ops.linear_maxout.default, inputs(torch.float32))


def test_compiles_exports_and_scripts():
    module = actinium.nn.MaxoutLinear(FEATURES, UNITS, PIECES)
    x = torch.randn(5, FEATURES)
    want = module(x)
    torch._dynamo.reset()
    assert torch.equal(torch.compile(module, backend="aot_eager", fullgraph=True)(x), want)
    exported = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    more = torch.randn(9, FEATURES)
    assert torch.equal(exported.module()(more), module(more))
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(module), file)
    file.seek(0)
    assert torch.equal(torch.jit.load(file)(x), want)


def test_autocast():
    module = actinium.nn.MaxoutLinear(FEATURES, UNITS, PIECES)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(torch.randn(5, FEATURES))
    y.sum().backward()
    assert y.dtype == torch.bfloat16 and module.weight.grad.dtype == torch.float32


def test_errors():
    x, weight, bias = (t.detach() for t in inputs(torch.float32))
    for error, message, given in (
        (ValueError, r"linear_maxout: weight has shape \[12, 6\], expected \[pieces, units, features\]",
         (x, weight.flatten(0, 1), bias)),
        (ValueError, r"linear_maxout: self has shape \[2, 5, 5\], expected \[..., 6\]", (x[..., :5], weight, bias)),
        (ValueError, r"linear_maxout: bias has shape \[4, 3\], expected \[3, 4\]", (x, weight, bias.t())),
        (ValueError, "linear_maxout: weight has 257 pieces, expected 1 to 256", (x, torch.zeros(257, 1, FEATURES))),
        (TypeError, "linear_maxout: weight has dtype Double, but self has Float", (x, weight.double(), bias)),
        (TypeError, "linear_maxout: bias has dtype Long, but self has Float", (x, weight, bias.long())),
        (TypeError, "linear_maxout: bias has dtype Float, but self has BFloat16",
         (x.bfloat16(), weight.bfloat16(), bias)),
        (TypeError, "linear_maxout: self has dtype Int, expected Float", (x.int(), weight.int(), None)),
        (RuntimeError, f"linear_maxout: weight is on meta, but self is on {x.device}", (x, weight.to("meta"), None)),
        (RuntimeError, f"linear_maxout: bias is on meta, but self is on {x.device}", (x, weight, bias.to("meta"))),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            ops.linear_maxout(*given)


def test_the_module_is_initialized_as_linear():
    torch.manual_seed(0)
    module = actinium.nn.MaxoutLinear(64, 200, 5)
    linear = nn.Linear(64, 1000)
    for mine, theirs in ((module.weight, linear.weight), (module.bias, linear.bias)):
        assert mine.abs().max() <= 1 / 8
        torch.testing.assert_close(mine.std(), theirs.std(), rtol=0.05, atol=0)
    assert repr(module) == "MaxoutLinear(in_features=64, out_features=200, pieces=5, bias=True)"
    assert copy.deepcopy(module).state_dict().keys() == {"weight", "bias"}
    assert actinium.nn.MaxoutLinear(6, 4, 3, bias=False).bias is None


def test_learns_digits_with_dropout():
    """Real handwritten digits, by a network as the paper has them: Maxout layers with dropout between."""
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Dropout(0.1),
        actinium.nn.MaxoutLinear(64, 48, 4),
        nn.Dropout(0.3),
        actinium.nn.MaxoutLinear(48, 48, 4),
        nn.Dropout(0.3),
        nn.Linear(48, 10),
    )
    order = torch.randperm(len(labels))
    train, test = order[:1400], order[1400:]
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(20):
        for batch in train[torch.randperm(1400)].split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
    right = net.eval()(images[test]).argmax(1) == labels[test]
    assert right.double().mean() > 0.95
