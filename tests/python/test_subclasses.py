"""Subclasses of Tensor, and modes: they see the operators, forward and backward, and do with them what they do with the
builtins."""

import logging

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close
from torch.testing._internal.logging_tensor import LoggingTensor, capture_logs
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils._python_dispatch import TorchDispatchMode

from op_table import LIMITS, ROWS, ops
from test_autograd import gradients


def derivatives(f, inputs):
    """The output, its gradients, and the gradients of these, with no other tensors beside the inputs."""
    y = f(*inputs)
    first = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
    return [y, *first, *torch.autograd.grad(sum(t.square().sum() for t in first), inputs)]


def forms(row):
    """The operator, and op_ and op.out where it has them, as functions that leave x as it was."""
    some = {"functional": row}
    if row.pointwise:
        some["inplace"] = lambda x, *learned: row.inplace(x * 1, *learned)
        some["out"] = lambda x, *learned: row.out(x, *learned, out=torch.empty_like(x))
    return some


# -------------------------------------------------------------------------------------------------- __torch_function__


class SeenByMode(TorchFunctionMode):
    def __init__(self):
        self.functions = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.functions.append(func)
        return func(*args, **(kwargs or {}))


class Seen(torch.Tensor):
    functions = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.functions.append(func)
        return super().__torch_function__(func, types, args, kwargs)


def test_torch_function(row):
    """A mode and a subclass see a call of every form; the result is of the subclass."""
    inputs = [t.detach() for t in row.inputs()]
    for form, f in forms(row).items():
        want = f(*inputs)
        op = getattr(ops, row.base + "_" * (form == "inplace"))
        with SeenByMode() as mode:
            f(*inputs)
        assert op in mode.functions
        Seen.functions.clear()
        got = f(*(t.as_subclass(Seen) for t in inputs))
        assert op in Seen.functions
        assert type(got) is Seen and torch.equal(got.as_subclass(torch.Tensor), want)


def test_a_learned_input_alone_may_be_of_a_subclass(row):
    first, *learned = row.inputs()
    if learned:
        got = row(first, *(t.as_subclass(Seen) for t in learned))
        assert type(got) is Seen and torch.equal(got.as_subclass(torch.Tensor), row(first, *learned))


# -------------------------------------------------------------------------------------------------- __torch_dispatch__


class SeenOperators(TorchDispatchMode):
    """The operators of Actinium that reach a kernel."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "actinium":
            self.names.append(func.name())
        return func(*args, **(kwargs or {}))


def test_dispatch_mode(row):
    """One operator forward and one backward; and the numbers are those without a mode."""
    inputs = row.inputs()
    for form, f in forms(row).items():
        given = [t.detach() for t in inputs] if form == "out" else inputs
        with SeenOperators() as seen:
            y = f(*given)
        assert len(seen.names) == 1 and row.base in seen.names[0]
        assert torch.equal(y, row(*inputs))
        if form == "out":
            continue
        with SeenOperators() as seen:
            grads = torch.autograd.grad(y, inputs, torch.ones_like(y))
        assert len(seen.names) == 1 and row.base + "_backward" in seen.names[0]
        y = row(*inputs)
        assert all(map(torch.equal, grads, torch.autograd.grad(y, inputs, torch.ones_like(y))))


def test_logging_tensor(row, monkeypatch):
    """A wrapper without memory of its own."""
    # Its records cannot be formatted as messages, which pytest's log handlers would do.
    monkeypatch.setattr(logging.getLogger("LoggingTensor"), "propagate", False)
    inputs = [t.detach() for t in row.inputs()]
    with capture_logs() as log:
        wrapped = [LoggingTensor(t, requires_grad=True) for t in inputs]
        grads = torch.autograd.grad(row(*wrapped).sum(), wrapped)
    for name in (row.base, row.base + "_backward"):
        assert any(name in line for line in log)
    leaves = [t.requires_grad_() for t in inputs]
    for got, want in zip(grads, torch.autograd.grad(row(*leaves).sum(), leaves), strict=True):
        assert torch.equal(got.elem, want)


def pairs(tensors):
    return [TwoTensor(t.detach(), t.detach() * 0.5).requires_grad_(t.requires_grad) for t in tensors]


def parts(tensors):
    return [t.a for t in tensors], [t.b for t in tensors]


def test_two_tensors(row):
    """A wrapper of two tensors: both are computed, up to the second derivative."""
    inputs = pairs(row.inputs())
    for got, of_part in zip(parts(derivatives(row, inputs)), parts(inputs), strict=True):
        assert_close(got, derivatives(row, [t.detach().requires_grad_() for t in of_part]), rtol=0.0, atol=0.0)


def test_two_tensors_inplace_and_out(pointwise):
    x, *learned = pairs(t.detach() for t in pointwise.inputs())
    want = pointwise(x, *learned)
    out = torch.empty_like(x)
    assert pointwise.out(x, *learned, out=out) is out and pointwise.inplace(x, *learned) is x
    for result in (out, x):
        assert torch.equal(result.a, want.a) and torch.equal(result.b, want.b)


def test_compile_of_two_tensors():
    """Every row in one graph."""
    torch.compiler.reset()
    inputs = [pairs(row.inputs()) for row in ROWS]

    def every_row(inputs):
        return [row(*some) for row, some in zip(ROWS, inputs, strict=True)]

    def results(f):
        ys = f(inputs)
        return parts([*ys, *torch.autograd.grad(sum(y.square().sum() for y in ys), [t for i in inputs for t in i])])

    got = results(torch.compile(every_row, fullgraph=True, backend="aot_eager"))
    assert_close(got, results(every_row), rtol=0.0, atol=0.0)


def test_fake_gradients(row, layout):
    """Shapes, dtypes and strides without data, up to the second derivative."""
    inputs = row.inputs(layout)
    with FakeTensorMode() as mode:
        got = gradients(row, [mode.from_tensor(t) for t in inputs])
    for fake, want in zip(got, gradients(row, inputs), strict=True):
        assert (fake.shape, fake.dtype, fake.stride()) == (want.shape, want.dtype, want.stride())


def test_mutation_of_what_was_saved(pointwise):
    """allow_mutation_on_saved_tensors learns of what op_ and op.out overwrite, and keeps a copy."""
    inputs = pointwise.inputs()
    want = torch.autograd.grad(pointwise(*inputs).sum(), inputs)
    for overwrite in (
        lambda x, *learned: pointwise.inplace(x, *learned),
        lambda x, *learned: pointwise.out(torch.zeros_like(x), *learned, out=x),
    ):
        with torch.autograd.graph.allow_mutation_on_saved_tensors():
            x, *learned = inputs
            x = x * 1
            y = pointwise(x, *learned)
            with torch.no_grad():
                overwrite(x, *learned)
            assert all(map(torch.equal, torch.autograd.grad(y.sum(), inputs), want))


# ------------------------------------------------------------------------------------------------------------- nested


def jagged(lengths=(3, 1, 5)):
    random = torch.Generator(torch.get_default_device()).manual_seed(0)
    components = [torch.randn(n, 4, generator=random, dtype=torch.float64) for n in lengths]
    return torch.nested.nested_tensor(components, layout=torch.jagged, requires_grad=True)


def with_holes():
    """Components that are not next to each other in memory."""
    padded = jagged((5, 5, 5)).detach().values().reshape(3, 5, 4)
    start, length = torch.tensor([0, 1, 0]), torch.tensor([3, 1, 5])
    return torch.nested.narrow(padded, 1, start, length, layout=torch.jagged)


NESTED = {"contiguous": jagged, "transposed": lambda: jagged().transpose(1, 2), "with holes": with_holes}
every_nested = pytest.mark.parametrize("make", NESTED.values(), ids=NESTED.keys())


def total(components):
    return sum(t.square().sum() for t in components)


@every_nested
def test_nested(function, make):
    """Every component, forward and backward. The result has the input's ragged size, so that the two can be added."""
    x = make().detach().requires_grad_()
    y = function(x)
    assert y.layout == torch.jagged and y.shape == x.shape and y.stride() == x.stride()
    components = [t.detach().requires_grad_() for t in x.unbind()]
    wanted = [function(t) for t in components]
    assert all(map(torch.equal, y.unbind(), wanted))
    (grad,) = torch.autograd.grad(total(y.unbind()), x)
    assert grad.shape == x.shape
    assert all(map(torch.equal, grad.unbind(), torch.autograd.grad(total(wanted), components)))


@every_nested
def test_nested_inplace(function, make):
    """As the builtin: the memory is overwritten, and the result is another tensor that shares it."""
    x, theirs = make().detach().clone(), make().detach().clone()
    want = function(x).unbind()
    result = function.inplace(x)
    assert all(map(torch.equal, result.unbind(), want)) and all(map(torch.equal, x.unbind(), want))
    builtin = torch.nn.functional.silu(theirs, inplace=True)
    assert (result is x) == (builtin is theirs) and result.shape == x.shape

    leaf = make().detach().requires_grad_()
    gradients = [torch.autograd.grad(total(f(leaf * 1).unbind()), leaf)[0] for f in (function.inplace, function)]
    assert all(map(torch.equal, *(g.unbind() for g in gradients)))


def test_compile_of_nested():
    """Every function in one graph; the second lengths tell that they vary, and no others are compiled for."""
    torch.compiler.reset()

    def every_function(x):
        return [function(x) + function.inplace(x * 1) for function in LIMITS]

    def results(f, x):
        ys = f(x)
        return [t for y in (*ys, *torch.autograd.grad(total(t.values() for t in ys), x)) for t in y.unbind()]

    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(every_function, fullgraph=True, backend=counter)
    counts = []
    for lengths in ((3, 1, 5), (2, 7, 4), (6, 2, 7)):
        x = jagged(lengths)
        assert_close(results(compiled, x), results(every_function, x), rtol=0.0, atol=0.0)
        counts.append(counter.frame_count)
    assert counts[2] == counts[1]


@pytest.mark.parametrize("make", (jagged, NESTED["transposed"]), ids=("contiguous", "transposed"))
def test_nested_second_derivative(function, make):
    x = make().detach().requires_grad_()
    values = x.values().detach().requires_grad_()
    (first,) = torch.autograd.grad(total([function(x).values()]), x, create_graph=True)
    (got,) = torch.autograd.grad(total([first.values()]), x)
    (first,) = torch.autograd.grad(total([function(values)]), values, create_graph=True)
    (want,) = torch.autograd.grad(total([first]), values)
    assert got.shape == x.shape and torch.equal(got.values(), want)
