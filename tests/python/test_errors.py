"""Every error names the operator, the argument and its value, and nothing is written."""

import re

import pytest
import torch
import torch.nn.functional as F

from layouts import expanded
from op_table import ops

X = torch.linspace(-3, 3, 2 * 6 * 4).reshape(2, 6, 4)
BETA = torch.linspace(0.5, 1.5, 6)
MEAN, VAR = torch.linspace(-1, 1, 6), torch.linspace(0.5, 2, 6)
VALUES, WINNERS = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4, dtype=torch.uint8)


def dice(x=X, alpha=BETA, mean=MEAN, var=VAR, training=True, momentum=0.1, eps=1e-8, dim=1):
    return ops.dice(x, alpha, mean, var, training, momentum, eps, dim)


# (call, type of the error, message)
WRONG = [
    # dim
    (lambda: ops.swish(X, BETA, 3), IndexError, "swish: dim=3 is out of range for self with 3 dimensions"),
    (lambda: ops.swish(X, BETA, -4), IndexError, "swish: dim=-4 is out of range for self with 3 dimensions"),
    (lambda: dice(dim=3), IndexError, "dice: dim=3 is out of range for self with 3 dimensions"),
    (lambda: ops.maxout(X, 2, 3), IndexError, "maxout: dim=3 is out of range for self with 3 dimensions"),
    (lambda: ops.maxout(X, 2, -4), IndexError, "maxout: dim=-4 is out of range for self with 3 dimensions"),
    # beta
    (lambda: ops.swish(X, BETA[:5]), ValueError, "swish: beta has shape [5], expected one element or [6]"),
    (lambda: ops.swish(X, BETA[:0]), ValueError, "swish: beta has shape [0], expected one element or [6]"),
    (lambda: ops.swish(X, BETA, 2), ValueError, "swish: beta has shape [6], expected one element or [4]"),
    (lambda: ops.swish(X, BETA[None]), ValueError, "swish: beta has shape [1, 6], expected one element or [6]"),
    (lambda: ops.swish(X, BETA.double()), TypeError, "swish: beta has dtype Double, but self has Float"),
    (lambda: ops.swish(X, BETA.long()), TypeError, "swish: beta has dtype Long, but self has Float"),
    (lambda: ops.swish(X, BETA.to("meta")), RuntimeError, f"swish: beta is on meta, but self is on {X.device}"),
    (lambda: ops.swish(X, 1j), TypeError, "swish: beta must be a real number, got (0,1)"),
    (lambda: ops.swish_(X, BETA[:5]), ValueError, "swish: beta has shape [5]"),
    # None
    (lambda: ops.swish(X, None), TypeError, "swish: beta is None, expected a Tensor"),
    (lambda: ops.prelu(X, None), TypeError, "prelu: weight is None, expected a Tensor"),
    (lambda: dice(alpha=None), TypeError, "dice: alpha is None, expected a Tensor"),
    # dice
    (lambda: dice(alpha=BETA[:5]), ValueError, "dice: alpha has shape [5], expected one element or [6]"),
    (lambda: dice(alpha=BETA.double()), TypeError, "dice: alpha has dtype Double, but self has Float"),
    (lambda: dice(alpha=BETA.to("meta")), RuntimeError, f"dice: alpha is on meta, but self is on {X.device}"),
    (lambda: dice(mean=MEAN[:5]), ValueError, "dice: running_mean has shape [5], expected [6]"),
    (lambda: dice(var=VAR[:1]), ValueError, "dice: running_var has shape [1], expected [6]"),
    (lambda: dice(var=VAR.double()), TypeError, "dice: running_var has dtype Double, but self has Float"),
    (lambda: dice(mean=MEAN.to("meta")), RuntimeError, f"dice: running_mean is on meta, but self is on {X.device}"),
    (lambda: dice(var=None), ValueError, "dice: running_mean and running_var go together, got only running_mean"),
    (lambda: dice(mean=None), ValueError, "dice: running_mean and running_var go together, got only running_var"),
    (lambda: dice(eps=-1.0), ValueError, "dice: eps=-1"),
    (lambda: dice(momentum=1.5), ValueError, "dice: momentum=1.5, expected 0 to 1"),
    (lambda: dice(X[:1, :, :1]), ValueError, "dice: expected more than 1 value per channel when training"),
    (
        lambda: ops.dice(BETA, BETA, None, None, True),
        ValueError,
        "dice: expected more than 1 value per channel when training, got self of shape [6]",
    ),
    # maxout
    (lambda: ops.maxout(X, 4), ValueError, "maxout: dim 1 has 6 channels, not divisible by pieces=4"),
    (lambda: ops.maxout(X, 0), ValueError, "maxout: pieces=0, expected 1 to 256"),
    (lambda: ops.maxout(X, -2), ValueError, "maxout: pieces=-2, expected 1 to 256"),
    (lambda: ops.maxout(torch.zeros(1, 257), 257), ValueError, "maxout: pieces=257, expected 1 to 256"),
    (lambda: ops.maxout(X, 2, 1, "units"), ValueError, "maxout: layout='units', expected 'unit' or 'piece'"),
    (lambda: ops.maxout(torch.tensor(1.0), 1, 0), ValueError, "maxout: self has no dimensions"),
    (
        lambda: ops.maxout_backward(VALUES, WINNERS.int(), 2),
        TypeError,
        "maxout_backward: indices has dtype Int, expected Byte",
    ),
    (
        lambda: ops.maxout_backward(VALUES, WINNERS[:1], 2),
        ValueError,
        "maxout_backward: indices has shape [1, 3, 4], expected [2, 3, 4]",
    ),
    # backward kernels
    (lambda: ops.mish_backward(X[:1], X), ValueError, "mish_backward: grad_output has shape [1, 6, 4], but self has"),
    (lambda: ops.mish_backward(X.double(), X), TypeError, "mish_backward: grad_output has dtype Double, but self has"),
    (
        lambda: ops.mish_double_backward(X[:1], X, X),
        ValueError,
        "mish_double_backward: grad_grad_input has shape [1, 6, 4], but self has",
    ),
]


@pytest.mark.parametrize("call,kind,message", WRONG, ids=[message[:60] for *_, message in WRONG])
def test_wrong_argument(call, kind, message):
    tensors = (X, BETA, MEAN, VAR)
    before = [(t.clone(), t._version) for t in tensors]
    with pytest.raises(kind, match=re.escape(message)):
        call()
    for t, (value, version) in zip(tensors, before, strict=True):
        assert torch.equal(t, value) and t._version == version


UNSUPPORTED = {
    "Int": torch.zeros(2, 6, 4, dtype=torch.int32),
    "Long": torch.zeros(2, 6, 4, dtype=torch.int64),
    "Bool": torch.zeros(2, 6, 4, dtype=torch.bool),
    "ComplexFloat": torch.zeros(2, 6, 4, dtype=torch.complex64),
    "Float8_e4m3fn": torch.zeros(2, 6, 4).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_wrong_dtype(row, name):
    x = UNSUPPORTED[name]
    with pytest.raises(
        TypeError, match=rf"{row.base}: self has dtype {name}, expected Float, Double, BFloat16 or Half"
    ):
        getattr(ops, row.base)(x, *row.arguments(X, *row.learned(X)))


STRANGE = {
    "sparse": lambda: X.to_sparse(),
    "sparse_csr": lambda: X.to_sparse_csr(),
    "quantized": lambda: torch.quantize_per_tensor(X, 0.1, 0, torch.qint8),
    "mkldnn": lambda: X.cpu().to_mkldnn(),
    "strided nested": lambda: torch.nested.nested_tensor([X[0], X[1, :3]]),
}


@pytest.mark.filterwarnings("ignore")  # of prototypes
@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE.keys())
def test_wrong_layout(row, make):
    """Tensors without a kernel: an error that names the operator."""
    with pytest.raises((NotImplementedError, RuntimeError, TypeError), match=row.base):
        getattr(ops, row.base)(make(), *row.arguments(X, *row.learned(X)))


@pytest.mark.parametrize("thing", (None, 1.5, "x", [1.0, 2.0]), ids=repr)
def test_not_a_tensor(row, thing):
    with pytest.raises((RuntimeError, TypeError), match=row.base) as error:
        getattr(ops, row.base)(thing, *row.arguments(X, *row.learned(X)))
    assert "UNKNOWN" not in str(error.value)  # what an undefined tensor's dtype prints


def test_missing_and_unknown_arguments():
    for call in (lambda: ops.mish(), lambda: ops.mish(X, 1), lambda: ops.maxout(X), lambda: ops.mish(X, beta=1)):
        with pytest.raises((RuntimeError, TypeError), match="actinium::"):
            call()


# ----------------------------------------------------------------------------------------------- in-place and out

BUILTIN = torch._C._nn.silu


def test_inplace_on_shared_memory(pointwise):
    """Refused where one element would be written more than once, as by the builtin."""
    x = expanded(pointwise.sample())
    before = x.clone()
    learned = pointwise.learned(x)
    for f in (lambda: pointwise.inplace(x, *learned), lambda: F.silu(x, inplace=True)):
        with pytest.raises(RuntimeError, match=r"unsupported operation: .* single memory location"):
            f()
    assert torch.equal(x, before)


def test_out_on_shared_memory(pointwise):
    x = pointwise.sample()
    learned = pointwise.learned(x)
    base = torch.zeros(x.numel() + 1, dtype=x.dtype)
    shifted, inside = base[1:].view(x.shape), base[:-1].view(x.shape)
    for f in (lambda out: pointwise.out(inside, *learned, out=out), lambda out: BUILTIN(inside, out=out)):
        with pytest.raises(RuntimeError, match=r"unsupported operation: .*memory"):
            f(shifted)
    with pytest.raises(RuntimeError, match=r"unsupported operation: .*memory"):
        pointwise.out(x, *learned, out=torch.zeros_like(x)[:1].expand(x.shape))
    assert not base.any()


def test_out_may_be_the_input(pointwise):
    x = pointwise.sample()
    learned = pointwise.learned(x)
    want = pointwise(x, *learned)
    assert pointwise.out(x, *learned, out=x) is x
    assert torch.equal(x, want)


def test_out_of_another_size_is_resized_with_a_warning(pointwise, capfd):
    """Operators called through torch.ops warn on the standard error."""
    x = pointwise.sample()
    learned = pointwise.learned(x)
    for f in (lambda out: torch.ops.aten.silu(x, out=out), lambda out: pointwise.out(x, *learned, out=out)):
        out = torch.zeros(3, dtype=x.dtype)
        f(out)
        assert "An output with one or more elements was resized" in capfd.readouterr().err
        assert out.shape == x.shape and out.stride() == x.stride()


def test_out_of_another_dtype(pointwise):
    x = pointwise.sample(dtype=torch.float32)
    learned = pointwise.learned(x)
    for dtype, name in ((torch.float64, "Double"), (torch.bfloat16, "BFloat16"), (torch.int32, "Int")):
        out = torch.full(x.shape, 7, dtype=dtype)
        with pytest.raises(RuntimeError, match="dtype"):
            BUILTIN(x, out=out)
        with pytest.raises(TypeError, match=rf"{pointwise.base}: out has dtype {name}, but self has Float"):
            pointwise.out(x, *learned, out=out)
        assert (out == 7).all()


def test_out_on_another_device(pointwise):
    x = pointwise.sample()
    with pytest.raises(RuntimeError, match=rf"{pointwise.base}: out is on meta, but self is on {x.device}"):
        pointwise.out(x, *pointwise.learned(x), out=torch.empty_like(x, device="meta"))


def test_forward_mode_through_out(pointwise):
    x, *learned = (t.detach() for t in pointwise.inputs())
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        with pytest.raises(NotImplementedError, match="out= function"):
            pointwise.out(dual, *learned, out=torch.empty_like(x))
