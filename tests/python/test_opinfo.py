"""What torch asks of its own activations, asked of Actinium's: the samples in its databases of operators and modules
(OpInfo, ModuleInfo), and the checks that its test_ops.py and the neighbours of that make with them.

What a builtin does and Actinium does not stands in docs/builtins.md; the last part of this file holds it.
"""

import functools
import itertools
from functools import partial

import pytest
import torch
from torch import nn
from torch._subclasses.fake_utils import CrossRefFakeMode
from torch._subclasses.schema_check_mode import SchemaCheckMode
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functionalize, grad, jvp, vjp, vmap
from torch.testing import assert_close

pytest.importorskip("expecttest")  # which torch's own tests import

from torch.testing._internal.common_dtype import all_types_and_complex_and, float8_types
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.testing._internal.common_utils import noncontiguous_like
from torch.testing._internal.composite_compliance import (
    check_all_permutations,
    check_backward_formula,
    check_forward_ad_formula,
    check_with_mode,
)
from torch.testing._internal.optests import aot_autograd_check, make_fx_check

import actinium
from layouts import channels_last, sliced
from op_table import BUILTINS, INF, ops

exact = partial(assert_close, rtol=0.0, atol=0.0, equal_nan=True)


def device():
    return torch.get_default_device().type


def parts(builtin):
    """A builtin and the arguments that are fixed, such as F.gelu and approximate="tanh"."""
    return (builtin.func, builtin.keywords) if isinstance(builtin, partial) else (builtin, {})


def entries(row):
    """What torch's database holds of a row's builtin."""
    function, _ = parts(row.builtin)
    return [info for info in op_db if info.op is function]


def samples(dtype=torch.float32, kind="sample_inputs", **options):
    """The tensors that torch tests the builtins with, one of each shape and strides. GELU's entry alone has few."""
    found = {}
    for row in BUILTINS:
        _, keywords = parts(row.builtin)
        for info in entries(row):
            if info.supports_dtype(dtype, device()):
                for sample in getattr(info, kind)(device(), dtype, **options):
                    if sample.kwargs == keywords:
                        found.setdefault((sample.input.shape, sample.input.stride()), sample.input)
    return list(found.values())


reference_inputs = functools.cache(partial(samples, kind="reference_inputs"))


# The forms of an operator as functions of one tensor that leave it as it was.
def function(row):
    return row


def inplace(row):
    return lambda x: row.inplace(x.clone())


def out(row):
    return lambda x: row.out(x, out=torch.empty_like(x))


def same(x):
    return x


every_form = pytest.mark.parametrize("form", (function, inplace, out))
differentiable_form = pytest.mark.parametrize("form", (function, inplace))
every_arrangement = pytest.mark.parametrize("arrange", (same, noncontiguous_like))


def test_the_database_knows_the_builtin(replacing, dtype):
    """Else the tests below would say nothing."""
    assert any(info.supports_dtype(dtype, device()) for info in entries(replacing))
    assert {x.dim() for x in samples(dtype)} >= {0, 1, 2} and len(reference_inputs(dtype)) > 30


def test_dtypes(replacing):
    """Those that torch lists for the builtin, complex numbers and integers aside."""

    def supported(dtype):
        try:
            return replacing(torch.ones(3, dtype=dtype)).dtype == dtype
        except TypeError:
            return False

    every = all_types_and_complex_and(torch.bool, torch.half, torch.bfloat16, *float8_types())
    ours = {dtype for dtype in every if supported(dtype)}
    for list_of in ("supported_dtypes", "supported_backward_dtypes"):
        listed = {dtype for info in entries(replacing) for dtype in getattr(info, list_of)(device())}
        assert ours == {dtype for dtype in listed if dtype.is_floating_point}


def test_reference_inputs(replacing, dtype):
    """Small, large, special, empty, expanded and overlapping ones, against the builtin in float64."""
    for x in reference_inputs(dtype):
        got = replacing(x)
        assert got.stride() == replacing.builtin(x).stride()
        want = replacing.builtin(x.double()).to(dtype)
        for infinity, (limit, *_) in replacing.limits.items():
            want[x == infinity] = limit  # where most builtins give NaN
        assert_close(got, want, equal_nan=True)
        exact(replacing.inplace(x.clone()), got)
        exact(replacing.out(x, out=noncontiguous_like(got)), got)
        if replacing.accelerated:
            with actinium.accelerate():
                exact(replacing.builtin(x), got)


def test_errors():
    """The arguments that torch lists as wrong are wrong here, too."""
    wrong = [
        (row, error)
        for row in BUILTINS
        for info in entries(row)
        if info.error_inputs_func
        for error in info.error_inputs(device())
    ]
    for row, error in wrong:
        with pytest.raises(error.error_type):
            getattr(ops, row.base)(error.sample_input.input, *error.sample_input.args, **error.sample_input.kwargs)
    assert wrong


def test_noncontiguous_and_inplace(replacing, dtype):
    """Value, gradient and second gradient to the bit."""
    for x in samples(dtype, requires_grad=True):
        g = torch.linspace(-1, 1, x.numel(), dtype=dtype).reshape(x.shape).requires_grad_()
        results = []
        for form, arrange in itertools.product((function, inplace), (same, noncontiguous_like)):
            f, x_, g_ = form(replacing), arrange(x), arrange(g)
            y = f(x_)
            (dx,) = torch.autograd.grad(y, x_, g_, create_graph=True)
            results.append([y, dx, *torch.autograd.grad(dx.sum(), (x_, g_))])
        for other in results[1:]:
            exact(other, results[0])


@differentiable_form
@every_arrangement
def test_gradients(replacing, form, arrange):
    """test_ops_gradients.py and test_ops_fwd_gradients.py: first and second order, both modes, batched."""
    for x in samples(torch.float64, requires_grad=True):
        f, x_ = form(replacing), arrange(x)
        gradcheck(f, x_, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
        gradgradcheck(f, x_, check_fwd_over_rev=True, check_rev_over_rev=True, check_batched_grad=True)


@every_form
def test_composite_compliance(replacing, form):
    """Nothing looks for memory in a subclass that has none."""
    for x in samples(requires_grad=form is not out):
        f = form(replacing)
        check_with_mode(f, (x,), {}, assert_close)
        check_all_permutations(f, (x,), {}, assert_close)
        if form is not out:
            check_backward_formula(f, (x,), {}, assert_equal_fn=assert_close)
        if form is function:  # a plain tangent cannot be updated in place by a subclass, a builtin's neither
            check_forward_ad_formula(f, (x,), {}, assert_equal_fn=assert_close)


def test_copy_on_write(replacing):
    """Inputs that are only read are not copied; one that is written leaves the other as it was."""
    for x in samples():
        for arrange in (same, noncontiguous_like):
            lazy = torch._lazy_clone(arrange(x)).requires_grad_()
            y = replacing(lazy)
            g = torch._lazy_clone(torch.ones_like(y)).requires_grad_()
            (dx,) = torch.autograd.grad(y, lazy, g, create_graph=True)
            dx.sum().backward()
            assert torch._C._is_cow_tensor(lazy) and torch._C._is_cow_tensor(g)
        before = x.clone()
        for write in (replacing.inplace, lambda target, x=x: replacing.out(x, out=target)):
            target = torch._lazy_clone(x)
            write(target)
            exact(target, replacing(x))
            exact(x, before)


def test_negative_views(replacing):
    """TestMathBits: a tensor whose minus is still to be done."""
    for x in samples(torch.float64):
        y, g = replacing(x), torch.ones_like(x)
        view = torch._neg_view(x.neg()).requires_grad_()
        assert view.is_neg()
        exact(replacing(view).detach(), y)
        exact(torch.autograd.grad(replacing(view), view, torch._neg_view(g.neg())), vjp(replacing, x)[1](g))
        written = replacing.inplace(torch._neg_view(x.neg()))
        assert written.is_neg()
        exact(written, y)


@pytest.mark.parametrize("mode", (CrossRefFakeMode, SchemaCheckMode))
@every_arrangement
def test_every_call(replacing, mode, arrange):
    """Shapes and aliases are those of fake tensors; aliases and writes are those of the schema."""
    for x in samples(requires_grad=True):
        x_ = arrange(x)
        with mode():
            for form in (function, inplace):
                (dx,) = torch.autograd.grad(form(replacing)(x_).sum(), x_, create_graph=True)
                dx.sum().backward()
            out(replacing)(x_.detach())


# ------------------------------------------------------------------------------------------- function transforms


def reverse(f):
    return lambda x: vjp(f, x)[1](x.cos())[0]


def forward(f):
    return lambda x: jvp(f, (x,), (x.sin(),))[1]


def batched(f):
    return lambda x: vmap(f, in_dims=-1, out_dims=0)(torch.stack([x, x / 2, -x], -1)).sum(0)


@pytest.mark.parametrize("length", (1, 2, 3, 4))
@pytest.mark.filterwarnings("error:There is a performance drop")  # vmap without a batching rule
def test_transforms_of_transforms(replacing, length):
    """functorch's test_ops.py: every word of up to four transforms, the last applied first, as of the builtin."""
    x = max(samples(torch.float64), key=torch.numel)
    others = (inplace(replacing), functionalize(inplace(replacing))) if length < 3 else ()
    for word in itertools.product((reverse, forward, batched), repeat=length):
        results = []
        for f in (replacing.builtin, replacing, *others):
            for transform in reversed(word):
                f = transform(f)
            results.append(f(x))
        for got in results[1:]:
            assert_close(got, results[0])


@pytest.mark.filterwarnings("error:There is a performance drop")
def test_vmap(replacing):
    """Every dim in, every dim out, batches of any size: the bits of a loop."""
    for x in samples():
        dims = range(-x.dim() - 1, x.dim() + 1)
        for size, i, o in itertools.product((0, 1, 3), dims, dims):
            batch = torch.stack([x / (n + 1) for n in range(3)], i).narrow(i, 0, size)
            for f in (replacing, inplace(replacing), grad(lambda x: replacing(x).sum())):
                loop = [f(t) for t in batch.unbind(i)]
                exact(vmap(f, i, o)(batch), torch.stack(loop, o) if loop else batch.movedim(i, o))


# ------------------------------------------------------------------------------------------------------ compilers


@every_form
def test_tracing(replacing, form):
    """make_fx with sizes as symbols, AOTAutograd with and without dynamic shapes."""
    for x in map(noncontiguous_like, samples(requires_grad=form is not out)):
        make_fx_check(form(replacing), (x,), {}, "symbolic", randomize_data=True)
        for dynamic in (False, True):
            aot_autograd_check(form(replacing), (x,), {}, dynamic, check_gradients=x.requires_grad)


ARRANGEMENTS = {
    "contiguous": same,
    "transposed": lambda x: x.transpose(1, 2),
    "batch last": lambda x: x.transpose(0, -1),
    "channels_last": channels_last,
    "sliced": sliced,
    "expanded": lambda x: x[:, :1].expand(-1, 3, -1, -1),
}


@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS.keys())
def test_a_size_that_only_data_tells(arrange):
    """One graph, forward and backward; strides as of the builtin."""
    torch.compiler.reset()

    def run(x, chosen, fs):
        x = arrange(x[chosen.nonzero()[:, 0]])
        return [f(x) for f in fs]

    x = torch.randn(4, 3, 2, 5, requires_grad=True)
    ours, builtins = BUILTINS, [row.builtin for row in BUILTINS]
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
        for chosen in torch.tensor([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]]):
            got, want = (compiled(x, chosen, fs) for fs in (ours, builtins))
            assert_close(got, want)
            assert [y.stride() for y in got] == [y.stride() for y in want]
            assert_close(*(torch.autograd.grad([y.sum() for y in ys], x) for ys in (got, want)))


@differentiable_form
def test_torchscript(replacing, form):
    """A trace, through the warm-up of its executor: value, gradient and second gradient to the bit."""

    def derivatives(f, x):
        y = f(x)
        (dx,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return [y, dx, *torch.autograd.grad(dx.sum(), x)]

    f = form(replacing)
    for x in samples(torch.float64, requires_grad=True):
        trace = torch.jit.trace(lambda x: f(x), x)
        for _ in range(3):
            exact(derivatives(trace, x), derivatives(f, x))


def test_inductor():
    """The kernels in one graph; what is fused is tested in test_inductor.py."""
    torch.compiler.reset()
    calls = [(row, x) for row in BUILTINS for x in samples()]

    def run(inputs):
        return [form(row)(x) for (row, _), x in zip(calls, inputs, strict=True) for form in (function, inplace, out)]

    inputs = [x for _, x in calls]
    with actinium.fuse(False):
        exact(torch.compile(run, fullgraph=True)(inputs), run(inputs))


# -------------------------------------------------------------------------------------------------------- modules

MODULES = (
    (nn.Mish, (), actinium.nn.Mish),
    (nn.SiLU, (), actinium.nn.Swish),
    (nn.GELU, (), actinium.nn.GELU),
    (nn.GELU, ("tanh",), actinium.nn.GELUTanh),
    (nn.SELU, (), actinium.nn.SELU),
    (nn.ELU, (), actinium.nn.ELU),
    (nn.ReLU, (), actinium.nn.ReLU),
    (nn.LeakyReLU, (), actinium.nn.LeakyReLU),
    (nn.Sigmoid, (), actinium.nn.Sigmoid),
    (nn.Tanh, (), actinium.nn.Tanh),
)


@pytest.mark.parametrize("builtin,arguments,ours", MODULES, ids=[ours.__name__ for *_, ours in MODULES])
def test_modules(builtin, arguments, ours):
    """test_modules.py: the inputs of ModuleInfo."""
    (info,) = (info for info in module_db if info.module_cls is builtin)
    inputs = info.module_inputs_func(info, device=device(), dtype=torch.float64, requires_grad=True, training=True)
    assert len(inputs) >= 2
    for (x,) in (sample.forward_input.args for sample in inputs):
        assert_close(ours()(x), builtin(*arguments)(x))
        gradcheck(ours(), x)
        gradgradcheck(ours(), x)


# ------------------------------------------------------------------------------------- what both refuse, and how


def write_a_view_without_history(f, f_, x):
    with torch.no_grad():
        view = x[0]
    f_(view)


def backward_twice(f, f_, x):
    y = f(x).sum()
    y.backward()
    y.backward()


def backward_after_a_change(f, f_, x):
    x = x * 1
    y = f(x).sum()
    x.add_(1)
    y.backward()


REFUSED = {
    "leaf": lambda f, f_, x: f_(x),
    "view of a leaf": lambda f, f_, x: f_(x[0]),
    "one of many views": lambda f, f_, x: f_((x * 1).unbind()[0]),
    "view without history": write_a_view_without_history,
    "backward twice": backward_twice,
    "backward after a change": backward_after_a_change,
    "inference tensor": lambda f, f_, x: f_(torch.inference_mode()(torch.ones)(3)),
    "named": lambda f, f_, x: f(x.detach().rename("N", "C")),
    "sparse": lambda f, f_, x: f(x.detach().to_sparse()),
    "masked": lambda f, f_, x: f(torch.masked.masked_tensor(x.detach(), x > 0)),
}

TAKEN_BY_BOTH = {"backward after a change": ["relu"]}  # it keeps its result
# What the builtins of some take; docs/builtins.md says why.
TAKEN_BY_BUILTIN = {
    "backward after a change": ["sigmoid", "tanh"],  # they keep their results
    "named": ["relu", "sigmoid", "tanh"],
    "sparse": ["relu", "tanh"],
    "masked": ["sigmoid", "tanh"],
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:.*prototype", "ignore:Named", "ignore:.*not implemented in __torch_dispatch__")
def test_refused_as_by_the_builtin(replacing, name):
    builtin, keywords = parts(replacing.builtin)
    builtin_ = partial(getattr(torch.ops.aten, builtin.__name__ + "_"), **keywords)

    def refusal(f, f_):
        try:
            REFUSED[name](f, f_, torch.randn(2, 3, requires_grad=True))
        except (RuntimeError, TypeError) as error:
            return type(error)

    theirs, ours = refusal(replacing.builtin, builtin_), refusal(replacing, replacing.inplace)
    assert bool(ours) is (replacing.base not in TAKEN_BY_BOTH.get(name, ()))
    assert theirs is (None if replacing.base in TAKEN_BY_BUILTIN.get(name, ()) else ours)


# ------------------------------------------------------------------------------- what the builtin alone does

X = torch.linspace(-2, 2, 6)

# docs/builtins.md says why. The operators, the call, our error.
ONLY_BUILTIN = {
    "complex": (["swish", "sigmoid", "tanh"], lambda f: f(X.to(torch.complex64)), TypeError, "ComplexFloat"),
    "quantized": (
        ["gelu", "gelu_tanh", "relu", "leaky_relu", "sigmoid", "tanh"],
        lambda f: f(torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)),
        NotImplementedError,
        "Quantized",
    ),
    "strided nested tensors": (
        ["swish", "gelu", "gelu_tanh", "relu", "tanh"],
        lambda f: f(torch.nested.nested_tensor([X, X[:2]])),
        NotImplementedError,
        "NestedTensor",
    ),
    "integers": (["relu", "sigmoid", "tanh"], lambda f: f(X.long()), TypeError, "Long"),
    "integers without data": (
        ["mish", "swish", "gelu", "gelu_tanh"],
        lambda f: f(X.long().to("meta")),
        TypeError,
        "Long",
    ),
    "saved tensors": (
        ["mish", "swish", "gelu", "gelu_tanh", "selu", "elu", "leaky_relu"],
        lambda f: f(X.clone().requires_grad_()).grad_fn._saved_self,
        AttributeError,
        "_saved_self",
    ),
    "saved results": (
        ["relu", "sigmoid", "tanh"],
        lambda f: f(X.clone().requires_grad_()).grad_fn._saved_result,
        AttributeError,
        "_saved_result",
    ),
}


@pytest.mark.parametrize("name,base", [(name, base) for name, (bases, *_) in ONLY_BUILTIN.items() for base in bases])
@pytest.mark.filterwarnings("ignore:.*prototype", "ignore:.*deprecated")
def test_only_the_builtin(name, base):
    _, call, error, text = ONLY_BUILTIN[name]
    (row,) = (row for row in BUILTINS if row.base == base)
    call(row.builtin)
    with pytest.raises(error, match=text):
        call(row)


def test_only_the_builtin_differentiates_selu_by_its_result():
    """In place it keeps no copy; and so its gradient has no digits in the left tail."""
    x = torch.tensor([-18.0])
    (row,) = (row for row in BUILTINS if row.base == "selu")
    found = []
    for write in (torch.selu_, row.inplace):
        kept = []
        leaf = x.clone().requires_grad_()
        with saved_tensors_hooks(lambda t, kept=kept: kept.append(t.data_ptr()) or t, same):
            y = write(leaf * 1)
        y.backward()
        found.append((kept == [y.data_ptr()], leaf.grad.item()))
    assert found[0] == (True, 0.0)
    assert found[1] == (False, pytest.approx(2.677581534271667e-08))


@pytest.mark.cpu_only  # its fast path is not taken under a mode, such as a default device
def test_only_the_builtin_is_known_to_a_transformer():
    layers = [
        nn.TransformerEncoderLayer(8, 2, 16, activation=activation, batch_first=True).eval()
        for activation in (nn.GELU("tanh"), actinium.nn.GELUTanh())
    ]
    x = torch.randn(2, 3, 8)
    with torch.no_grad():
        fast = [layer(x) for layer in layers]
    errors = [(y - layer(x)).abs().max().item() for y, layer in zip(fast, layers, strict=True)]
    assert [layer.activation_relu_or_gelu for layer in layers] == [2, 0]
    assert errors[0] > 1e-5 > errors[1]  # what is fast computes erf


@pytest.mark.parametrize(
    "wrong,theirs,ours",
    (
        (X.to(torch.float8_e4m3fn), NotImplementedError, TypeError),
        (1.0, TypeError, RuntimeError),
        (None, TypeError, NotImplementedError),
    ),
    ids=("dtype", "number", "None"),
)
def test_errors_of_another_type(replacing, wrong, theirs, ours):
    for f, kind in ((replacing.builtin, theirs), (getattr(actinium.functional, replacing.base), ours)):
        with pytest.raises(Exception) as error:
            f(wrong)
        assert error.type is kind


def test_only_the_builtin_has_nan_where_the_input_has_none(replacing):
    """Or, in the gradient of SELU and its like, has none where the input has. Sigmoid and tanh are right in torch."""

    def as_the_input(f):
        x = torch.tensor([-INF, INF, -1e30, 1e30, 0.0, float("nan")], requires_grad=True)
        y = f(x)
        (dx,) = torch.autograd.grad(y.sum(), x)
        return torch.equal(y.isnan(), x.isnan()) and torch.equal(dx.isnan(), x.isnan())

    assert as_the_input(replacing)
    assert as_the_input(replacing.builtin) == (replacing.base in ("sigmoid", "tanh"))
