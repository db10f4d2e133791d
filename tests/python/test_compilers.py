"""TorchScript, torch.compile and torch.export: the operators as they are in eager mode, for every size at once."""

import io

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.testing import assert_close

from op_table import POINTWISE, ROWS, SHAPE, ops


def sizes(row):
    """Shapes that differ in a dim without a meaning of its own."""
    free = 2 if row.dim is None or row.dim != 2 else 0
    for n in (5, 9, 33):
        shape = list(SHAPE)
        shape[free] = n
        yield tuple(shape)


def results(f, inputs):
    y = f(*inputs)
    return [y, *torch.autograd.grad(y, inputs, torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape))]


def test_compile(row):
    """One graph, forward and backward, and no recompilation for another size."""
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(lambda *inputs: row(*inputs), fullgraph=True, dynamic=True, backend=counter)
    counts = []
    for shape in sizes(row):
        inputs = row.inputs(shape=shape)
        for got, want in zip(results(compiled, inputs), results(row, inputs), strict=True):
            assert torch.equal(got, want) and got.stride() == want.stride()
        counts.append(counter.frame_count)
    assert counts == counts[:1] * len(counts)


def every_row(inputs):
    return [row(*some) for row, some in zip(ROWS, inputs, strict=True)]


def every_gradient(f, inputs):
    ys = f(inputs)
    return *ys, *torch.autograd.grad([y.square().sum() for y in ys], [t for some in inputs for t in some])


def test_compile_learns_that_sizes_vary():
    """Without dynamic=True the second size tells, and no other is compiled for."""
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(every_row, fullgraph=True, backend=counter)
    counts = []
    for shapes in zip(*map(sizes, ROWS), strict=True):
        inputs = [row.inputs(shape=shape) for row, shape in zip(ROWS, shapes, strict=True)]
        assert_close(every_gradient(compiled, inputs), every_gradient(every_row, inputs), rtol=0.0, atol=0.0)
        counts.append(counter.frame_count)
    assert counts[2] == counts[1]


@pytest.mark.parametrize("mode", ("default", "reduce-overhead"))
def test_inductor(mode):
    """The default backend, forward and backward."""
    torch.compiler.reset()
    inputs = [row.inputs(dtype=torch.float32) for row in ROWS]
    compiled = torch.compile(every_row, fullgraph=True, mode=mode)
    for _ in range(3):
        assert_close(every_gradient(compiled, inputs), every_gradient(every_row, inputs))


def test_compiled_autograd():
    """The backward graph itself, traced through the nodes of the library."""
    torch.compiler.reset()
    inputs = [row.inputs() for row in ROWS]
    wanted = every_gradient(every_row, inputs)[len(ROWS) :]
    with torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager", fullgraph=True, dynamic=True)):
        sum(y.square().sum() for y in every_row(inputs)).backward()
    assert_close([t.grad for some in inputs for t in some], list(wanted))


def inplace_and_out(inputs):
    """Every pointwise row in both forms, on tensors made in the graph."""
    results = []
    for row, (x, *learned) in zip(POINTWISE, inputs, strict=True):
        results += [row.inplace(x + 1, *learned), row.out(x, *learned, out=torch.empty_like(x)) * 2]
    return results


def test_compile_inplace_and_out():
    torch.compiler.reset()
    compiled = torch.compile(inplace_and_out, fullgraph=True, dynamic=True, backend="aot_eager")
    inputs = [[t.detach() for t in row.inputs()] for row in POINTWISE]
    assert_close(compiled(inputs), inplace_and_out(inputs), rtol=0.0, atol=0.0)


def test_gradient_of_compiled_inplace():
    torch.compiler.reset()

    def run(inputs):
        return [row.inplace(x * 1, *learned) for row, (x, *learned) in zip(POINTWISE, inputs, strict=True)]

    compiled = torch.compile(run, fullgraph=True, dynamic=True, backend="aot_eager")
    inputs = [row.inputs() for row in POINTWISE]
    assert_close(every_gradient(compiled, inputs), every_gradient(run, inputs), rtol=0.0, atol=0.0)


def test_compile_writes_into_the_inputs(pointwise):
    torch.compiler.reset()
    x, *learned = (t.detach() for t in pointwise.inputs())
    want = pointwise(x, *learned)
    compiled = torch.compile(lambda x, *rest: pointwise.inplace(x, *rest), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x, *learned), want) and torch.equal(x, want)


def test_export(row):
    """A program for every size of the first free dim."""

    class Module(torch.nn.Module):
        def forward(self, x, learned: list[torch.Tensor]):
            return row(x, *learned)

    x, *learned = (t.detach() for t in row.inputs())
    free = 2
    dims = ({free: torch.export.Dim("n", min=2, max=64)}, [{} for _ in learned])
    program = torch.export.export(Module(), (x, learned), dynamic_shapes=dims)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    module = torch.export.load(file).module()
    for shape in sizes(row):
        x, *learned = (t.detach() for t in row.inputs(shape=shape))
        assert torch.equal(module(x, learned), row(x, *learned))
    assert f"actinium.{row.base}" in str(program.graph) or "_dice_forward" in str(program.graph)


def test_fake_tensors(row, layout):
    """Shapes, dtypes and strides without data are those with data."""
    inputs = row.inputs(layout)
    want = row(*inputs)
    with torch._subclasses.FakeTensorMode() as mode:
        got = row(*(mode.from_tensor(t) for t in inputs))
    assert (got.shape, got.dtype, got.stride()) == (want.shape, want.dtype, want.stride())


def test_meta(row):
    want = row(*row.inputs())
    got = row(*(t.detach().to("meta") for t in row.inputs()))
    assert got.is_meta and got.shape == want.shape and got.stride() == want.stride()


# --------------------------------------------------------------------------------------------------- TorchScript


def mish(x):
    return ops.mish(x)


def selu(x):
    return ops.selu(x)


def gelu(x):
    return ops.gelu(x)


def gelu_tanh(x):
    return ops.gelu_tanh(x)


def quick_gelu(x):
    return ops.quick_gelu(x)


def elu(x):
    return ops.elu(x, 1.5)


def relu(x):
    return ops.relu(x)


def leaky_relu(x):
    return ops.leaky_relu(x, -0.5)


def sigmoid(x):
    return ops.sigmoid(x)


def tanh(x):
    return ops.tanh(x)


def swish(x):
    return ops.swish(x, 1.5)


def swish_tensor(x, beta: torch.Tensor):
    return ops.swish(x, beta, 1)


def dice(x, beta: torch.Tensor):
    return ops.dice(x, beta, None, None, True, 0.1, 1e-8, 1)


def maxout(x):
    return ops.maxout(x, 2, 1, "piece")


def inplace(x, beta: torch.Tensor):
    return ops.swish_(ops.mish_(x * 1), beta)


POINTWISE_SCRIPTS = (mish, selu, gelu, gelu_tanh, quick_gelu, elu, relu, leaky_relu, sigmoid, tanh, swish)
SCRIPTS = {f.__name__: f for f in (*POINTWISE_SCRIPTS, swish_tensor, dice, maxout, inplace)}


def saved(script):
    file = io.BytesIO()
    torch.jit.save(script, file)
    file.seek(0)
    return torch.jit.load(file)


@pytest.mark.parametrize("f", SCRIPTS.values(), ids=SCRIPTS.keys())
@pytest.mark.parametrize("load", (lambda s: s, saved), ids=("", "saved"))
@pytest.mark.parametrize("how", ("script", "trace"))
def test_torchscript(f, load, how):
    """With gradients, through the warm-up of its profiling executor."""
    inputs = [torch.randn(SHAPE, dtype=torch.float64, requires_grad=True)]
    if f.__code__.co_argcount > 1:
        inputs.append(torch.linspace(0.5, 1.5, 6, dtype=torch.float64).requires_grad_())
    script = torch.jit.script(f) if how == "script" else torch.jit.trace(f, tuple(inputs), check_trace=False)
    script = load(script)
    assert "actinium::" in str(script.graph)
    for _ in range(4):
        for got, want in zip(results(script, inputs), results(f, inputs), strict=True):
            assert torch.equal(got, want)
    plain = [t.detach() for t in inputs]
    assert torch.equal(script(*plain), f(*plain))
