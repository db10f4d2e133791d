"""The builtins under their own names on Actinium's kernels: every form, nothing else, and all as it was afterwards."""

import io
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

import actinium
from actinium import accelerate, is_accelerated

aten = torch.ops.aten
SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


def elu_numbers(*numbers):
    return dict(zip(("alpha", "scale", "input_scale"), numbers, strict=True))


# A builtin, what it takes beside its tensors, and the operator that computes it, with its numbers.
CALLS = {
    "mish": ("mish", {}, "mish"),
    "silu": ("silu", {}, "swish"),
    "gelu": ("gelu", {"approximate": "none"}, "gelu"),
    "gelu, tanh": ("gelu", {"approximate": "tanh"}, "gelu_tanh"),
    "elu": ("elu", elu_numbers(1.0, 1.0, 1.0), "elu"),
    "elu, alpha": ("elu", elu_numbers(-0.25, 1, 1.0), "elu", -0.25),
    "selu": ("elu", elu_numbers(*SELU), "selu"),
    "sigmoid": ("sigmoid", {}, "sigmoid"),
    "tanh": ("tanh", {}, "tanh"),
}
EACH = pytest.mark.parametrize("name,numbers,ours,arguments", [(*c[:3], c[3:]) for c in CALLS.values()], ids=CALLS)
FROM_RESULT = ("sigmoid", "tanh")  # their backward takes the result, and stays the builtin's


@pytest.fixture(autouse=True)
def off_afterwards():
    yield
    accelerate(False)


def inputs(dtype):
    """Far enough out for the builtins to be wrong in the last place, at least."""
    random = torch.Generator(torch.get_default_device()).manual_seed(0)
    x = (torch.randn(4001, generator=random, dtype=torch.float64) * 4).to(dtype)
    return x, torch.randn(4001, generator=random, dtype=torch.float64).to(dtype)


def forms(name, x, g, numbers, result=False):
    """Every overload of a builtin that has a kernel of its own, by its name."""
    backward = dict(numbers)
    if name == "elu":
        backward |= {"is_result": result, "self_or_result": x}
    else:
        backward["output" if name in FROM_RESULT else "self"] = x
    calls = {
        name: lambda: getattr(aten, name)(x, **numbers),
        f"{name}_": lambda: getattr(aten, f"{name}_")(x.clone(), **numbers),
        f"{name}.out": lambda: getattr(aten, name)(x, **numbers, out=torch.empty_like(x)),
        f"{name}_backward": lambda: getattr(aten, f"{name}_backward")(g, **backward),
    }
    if name != "mish":
        calls[f"{name}_backward.grad_input"] = lambda: getattr(aten, f"{name}_backward").grad_input(
            g, **backward, grad_input=torch.empty_like(x)
        )
    return {form: call() for form, call in calls.items()}


@pytest.mark.parametrize("name", sorted({name for name, *_ in CALLS.values()}))
def test_no_form_is_forgotten(name):
    """Whatever has a kernel for the device has ours, except for the formulas that a backward is composed of."""
    key = torch.get_default_device().type.upper()
    accelerate()
    for packet in (name, f"{name}_", f"{name}_backward"):
        for overload in getattr(aten, packet).overloads():
            entry = f"aten::{packet}" + ("" if overload == "default" else f".{overload}")
            # TorchScript's own overloads, of numbers, are no operators of the dispatcher.
            if torch._C._dispatch_has_kernel(entry) and torch._C._dispatch_has_kernel_for_dispatch_key(entry, key):
                (line,) = (line for line in torch._C._dispatch_dump(entry).splitlines() if line.startswith(f"{key}:"))
                assert ("accelerate.cpp" in line) == (packet not in [f"{f}_backward" for f in FROM_RESULT]), entry


@EACH
def test_every_form_is_ours(name, numbers, ours, arguments, dtype):
    x, g = inputs(dtype)
    before = forms(name, x, g, numbers)
    value = getattr(torch.ops.actinium, ours)(x, *arguments)
    gradient = getattr(torch.ops.actinium, ours + "_backward")(g, x, *arguments)
    accelerate()
    for form, got in forms(name, x, g, numbers).items():
        if "backward" in form and name in FROM_RESULT:
            assert torch.equal(got, before[form]), form
            continue
        assert torch.equal(got, gradient if "backward" in form else value), form
        # Otherwise this would show nothing.
        assert dtype in (torch.float16, torch.bfloat16) or not torch.equal(got, before[form]), form
    accelerate(False)
    for form, got in forms(name, x, g, numbers).items():
        assert torch.equal(got, before[form]), form


NOT_OURS = {
    "scaled elu": ("elu", torch.float32, elu_numbers(1.0, 2.0, 1.0), False),
    "celu": ("elu", torch.float64, elu_numbers(2.0, 1.0, 0.5), False),
    "the result of selu": ("elu", torch.float32, elu_numbers(*SELU), True),
    "the result of elu": ("elu", torch.float32, elu_numbers(1.0, 1.0, 1.0), True),
    "complex silu": ("silu", torch.complex64, {}, False),
    "complex sigmoid": ("sigmoid", torch.complex128, {}, False),
    "complex tanh": ("tanh", torch.complex64, {}, False),
}


@pytest.mark.parametrize("name,number_type,numbers,result", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_the_rest_goes_on_to_the_builtin(name, number_type, numbers, result):
    x, g = inputs(number_type)
    before = forms(name, x, g, numbers, result)
    with accelerate():
        for form, got in forms(name, x, g, numbers, result).items():
            # Only a backward knows of a result.
            if "backward" in form or not result:
                assert torch.equal(got, before[form]), form


def outcome(call):
    """A tensor, as a dense one, or the error, without the list of where kernels are registered."""
    try:
        y = call()
    except (RuntimeError, TypeError) as error:
        return type(error), str(error).partition(". This could be")[0]
    return y.to_padded_tensor(0.0) if y.is_nested else y.dequantize() if y.is_quantized else y.to_dense()


def same(got, want, rtol=0.0):
    if isinstance(want, tuple):
        return got == want
    return got.dtype == want.dtype and torch.allclose(got, want, rtol=rtol, atol=0.0)


X = torch.linspace(-2, 2, 6)
OTHERS = {
    "integers": lambda: X.long(),
    "booleans": lambda: X > 0,
    "a number of integers": lambda: torch.tensor(3),
    "complex": lambda: X.to(torch.complex64),
    "eight bits": lambda: X.to(torch.float8_e4m3fn),
    "quantized": lambda: torch.quantize_per_tensor(X, 0.1, 0, torch.quint8),
    "nested": lambda: torch.nested.nested_tensor([X, X[:2]]),
    "sparse": lambda: X.to_sparse(),
    "compressed": lambda: X.reshape(2, 3).to_sparse_csr(),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.filterwarnings("ignore:.*prototype", "ignore:.*beta state")
def test_other_tensors_go_on_to_the_builtin(make):
    calls = []
    for name, numbers, *_ in CALLS.values():
        f, f_ = getattr(aten, name), getattr(aten, name + "_")
        calls.append(lambda f=f, numbers=numbers: f(make(), **numbers))
        calls.append(lambda f_=f_, numbers=numbers: f_(make(), **numbers))
        calls.append(lambda f=f, numbers=numbers: f(make(), **numbers, out=torch.empty(0, dtype=torch.double)))
    before = [outcome(call) for call in calls]
    # A nested tensor calls the builtin again, with the dense one that it is made of.
    rtol = 1e-5 if make is OTHERS["nested"] else 0.0
    with accelerate():
        for call, want in zip(calls, before, strict=True):
            assert same(outcome(call), want, rtol)


def test_mixed_dtypes_and_shapes_go_on_to_the_builtin():
    x, g = inputs(torch.float32)
    calls = (
        lambda: aten.silu(x, out=torch.empty_like(x, dtype=torch.float64)),
        lambda: aten.silu_backward(g.double(), x),
        lambda: aten.gelu_backward(g[:1], x, approximate="tanh"),
        lambda: aten.elu_backward(g[:1], *SELU, False, x),
        lambda: aten.sigmoid(x, out=torch.empty_like(x, dtype=torch.float64)),
        lambda: aten.tanh(x, out=torch.empty_like(x, dtype=torch.float16)),
    )
    before = [outcome(call) for call in calls]
    with accelerate():
        for call, want in zip(calls, before, strict=True):
            assert same(outcome(call), want)


def test_wrong_dtypes_fail_as_the_builtin_does(accelerated):
    x = torch.ones(3).to(torch.float8_e4m3fn)
    with pytest.raises(Exception) as before:
        accelerated.builtin(x)
    with accelerate(), pytest.raises(type(before.value)) as after:
        accelerated.builtin(x)
    assert str(after.value) == str(before.value)


def test_functions_and_gradients(accelerated, layout):
    """As people call them: the value and the first gradient are ours. The second is the builtin's own, and so is
    a first one that is made of the result."""

    def results(f):
        (x,) = accelerated.inputs(layout, dtype=torch.float32)
        y = f(x)
        g = torch.empty_like(y).copy_(torch.linspace(-1, 1, y.numel()).reshape(y.shape))
        (first,) = torch.autograd.grad(y, x, g, retain_graph=True)
        (smooth,) = torch.autograd.grad(y, x, g, create_graph=True)
        return y, first, *torch.autograd.grad(smooth.sum(), x)

    ours, before = results(accelerated), results(accelerated.builtin)
    with accelerate():
        got = results(accelerated.builtin)
    alike = 1 if accelerated.base in FROM_RESULT else 2
    assert all(map(torch.equal, got[:alike], ours[:alike]))
    assert [t.stride() for t in got] == [t.stride() for t in before]
    assert_close(got, before)
    assert all(map(torch.equal, results(accelerated.builtin), before))


MODULES = {
    "mish": nn.Mish,
    "swish": nn.SiLU,
    "gelu": lambda **_: nn.GELU(),
    "gelu_tanh": lambda **_: nn.GELU("tanh"),
    "selu": nn.SELU,
    "elu": nn.ELU,
    "sigmoid": lambda **_: nn.Sigmoid(),
    "tanh": lambda **_: nn.Tanh(),
}


@pytest.mark.parametrize("inplace", (False, True))
def test_modules(inplace):
    x = inputs(torch.float32)[0]
    with accelerate():
        for name, module in MODULES.items():
            assert torch.equal(module(inplace=inplace)(x.clone()), getattr(torch.ops.actinium, name)(x)), name


def test_inference_mode(accelerated):
    x = inputs(torch.float32)[0]
    with accelerate(), torch.inference_mode():
        y = accelerated.builtin(x)
    assert y.is_inference() and torch.equal(y, accelerated(x))


def test_inplace_gradients():
    """selu_ and elu_ hand their results on to the backward."""
    for f in (F.mish, F.silu, F.selu, F.elu):
        x = inputs(torch.float64)[0].requires_grad_()
        want = torch.autograd.grad(f(x * 1, inplace=True).square().sum(), x)
        with accelerate():
            assert_close(torch.autograd.grad(f(x * 1, inplace=True).square().sum(), x), want)


def test_a_torchscript_file_that_knows_nothing_of_it():
    class Old(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(5, 7), *(module() for module in MODULES.values()))

        def forward(self, x):
            return self.layers(x)

    model = Old().eval()
    file = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.script(model)), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    x = torch.randn(301, 5) * 20
    before = model(x)
    want = model.layers[0](x)
    for name in MODULES:
        want = getattr(torch.ops.actinium, name)(want)
    with accelerate():
        assert torch.equal(loaded(x), want) and torch.equal(model(x), want)
    assert not torch.equal(want, before)


def test_the_context_restores_what_was():
    assert not is_accelerated()
    with accelerate():
        assert is_accelerated()
        with accelerate(False):
            assert not is_accelerated()
        with pytest.raises(ZeroDivisionError), accelerate():
            raise ZeroDivisionError
        assert is_accelerated()
    assert not is_accelerated()
    accelerate()
    accelerate()
    accelerate(False)
    assert not is_accelerated()


def run(program, **environment):
    result = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.cpu_only
def test_no_warning_and_the_environment():
    """With the library alone, before anything else; a value of 0 leaves it off."""
    program = f"""
import torch
torch.ops.load_library({actinium.library_path!r})
print(torch.ops.actinium._accelerated())
torch.ops.actinium._accelerate(True)
x = torch.full((), -20.0)
print(torch.equal(torch.nn.functional.silu(x), torch.ops.actinium.swish(x)))
"""
    assert run(program) == ["False", "True"]
    assert run(program, ACTINIUM_ACCELERATE="0") == ["False", "True"]
    assert run(program, ACTINIUM_ACCELERATE="1") == ["True", "True"]


def test_compiled_code_is_its_own():
    """Inductor takes the builtins apart; the result is the builtin's in either case."""
    torch.compiler.reset()
    x = inputs(torch.float32)[0]
    compiled = torch.compile(lambda x: F.silu(x) * 2, fullgraph=True)
    want = compiled(x)
    with accelerate():
        assert torch.equal(compiled(x), want)
