"""ONNX export: onnxruntime computes what the operators do, and ONNX's own activations are used where it has them."""

import functools
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import actinium.onnx
from op_table import ROWS, SHAPE, opmath, ops

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.cpu_only

# ONNX's operator, the first opset that has it, that which has it for bfloat16, and its attributes made of an operator's
# numbers. What is used for float64, too, has none to round.
ACTIVATIONS = {
    "mish": ("Mish", 18, 22, lambda: {}),
    "gelu": ("Gelu", 20, 20, lambda: {"approximate": "none"}),
    "gelu_tanh": ("Gelu", 20, 20, lambda: {"approximate": "tanh"}),
    "selu": ("Selu", 6, 22, lambda: {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "elu": ("Elu", 6, 22, lambda alpha=1.0: {"alpha": alpha}),
    "relu": ("Relu", 6, 13, lambda: {}),
    "leaky_relu": ("LeakyRelu", 6, 16, lambda slope=0.01: {"alpha": slope}),
    "sigmoid": ("Sigmoid", 6, 13, lambda: {}),
    "tanh": ("Tanh", 6, 13, lambda: {}),
    "quick_gelu": ("Swish", 24, 24, lambda: {"alpha": 1.702}),
    "swish": ("Swish", 24, 24, lambda beta=1.0: {"alpha": beta}),
}
FOR_FLOAT64 = ("relu", "sigmoid", "tanh")
DYNAMIC = torch.export.Dim.DYNAMIC
PACKED = ("gate_first", "gate_second", "interleaved")

# What onnxruntime has kernels for on the CPU, and what is valid besides.
RUN = [(18, torch.float32), (20, torch.float32), (24, torch.float32), (20, torch.float64), (20, torch.float16)]
VALID = RUN + [(20, torch.bfloat16), (22, torch.bfloat16)]


def targets(values):
    return pytest.mark.parametrize("target", values, ids=lambda target: f"{target[0]}-{str(target[1])[6:]}")


class Model(nn.Module):
    """A function of tensors that gives several."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return list(self.function(*args))


def export(model, args, dynamic_shapes=None, opset=None):
    return torch.onnx.export(
        model if isinstance(model, (nn.Module, torch.export.ExportedProgram)) else Model(model).eval(),
        args,
        dynamo=True,
        verbose=False,
        opset_version=opset,
        dynamic_shapes=dynamic_shapes,
        custom_translation_table=actinium.onnx.translation_table(),
    )


def assert_near(got, want, *inputs):
    """Within what onnxruntime keeps: its exponentials have an error of the size of eps, whatever they come to, which x
    multiplies; and 16-bit results may be neighbours."""
    largest = max(x.nan_to_num().abs().max().item() for x in inputs)
    atol = 4 * torch.finfo(opmath(want.dtype)).eps * max(largest, 1.0)
    assert_close(got, want, rtol=torch.finfo(want.dtype).eps, atol=atol, equal_nan=True)


def check(function, *args, other=None, dynamic_shapes=None, opset=None):
    """Every result of a function; of other arguments than it is exported with, if there are any."""
    program = export(function, args, dynamic_shapes, opset)
    args = other or args
    for got, want in zip(program(*args), function(*args), strict=True):
        assert_near(got, want, *args)


# ------------------------------------------------------------------------------------------------- the whole table


def free_dim(row):
    """The batch, if the row has no other meaning for it."""
    return 2 if row.dim == 0 else 0


def inputs(row, dtype, n):
    shape = list(SHAPE)
    shape[free_dim(row)] = n
    x = row.sample(shape, dtype)
    return [x, *row.learned(x)]


def every_row(inputs):
    return [row(*some) for row, some in zip(ROWS, inputs, strict=True)]


@functools.cache
def every_row_exported(target):
    """One graph of all rows: an export takes seconds, most of them whatever the graph is."""
    opset, dtype = target
    args = [inputs(row, dtype, 2) for row in ROWS]
    dims = [[{free_dim(row): DYNAMIC}, *({} for _ in some[1:])] for row, some in zip(ROWS, args, strict=True)]
    return export(every_row, (args,), ((dims,),), opset)


@functools.cache
def every_row_run(target, n, special=False):
    """Inputs and outputs of every row. special: with NaN in the first and the last piece, zeros, large numbers."""
    args = [inputs(row, target[1], n) for row in ROWS]
    if special:
        for x, *_ in args:
            x[0, :5, 0, 0] = torch.tensor([torch.nan, 0.0, -0.0, 1e4, -1e4])
            x[-1, -1, -1, -1] = torch.nan
    return args, every_row_exported(target)(args)


@targets(RUN)
def test_values(row, target):
    """For every size of the batch."""
    for n in (1, 2, 5):
        args, outputs = every_row_run(target, n)
        i = ROWS.index(row)
        assert_near(outputs[i], row(*args[i]), args[i][0])


@targets(RUN)
def test_special_values(row, target):
    args, outputs = every_row_run(target, 2, special=True)
    i = ROWS.index(row)
    want = row(*args[i])
    assert_near(outputs[i], want, args[i][0])
    assert outputs[i].isnan().any()
    assert not row.pointwise or torch.equal(outputs[i][0, 1:3, 0, 0], want[0, 1:3, 0, 0])


@targets(VALID)
def test_graph_is_valid(target):
    onnx.checker.check_model(every_row_exported(target).model_proto, full_check=True)


@targets(VALID)
def test_activations_of_onnx(function, target):
    opset, dtype = target
    name, since, since_bfloat16, attributes = ACTIVATIONS[function.base]
    node = every_row_exported(target).model.graph.outputs[ROWS.index(function)].producer()
    has = opset >= (since_bfloat16 if dtype == torch.bfloat16 else since)
    assert (node.op_type == name) == (has and (dtype != torch.float64 or function.base in FOR_FLOAT64))
    if node.op_type == name:
        got = {key: attribute.value for key, attribute in node.attributes.items()}
        assert got == attributes(*function.arguments(None))


# ------------------------------------------------------------------------------------------------------ odd inputs


def test_ranks():
    """In float64, in which everything is composed."""
    xs = [torch.randn(shape, dtype=torch.float64) for shape in ((), (6,), (6, 6, 1, 2, 6))]
    check(lambda *xs: [row(x, *row.learned(x)) for x in xs for row in ROWS if row.accepts(x.shape)], *xs)


def test_one_value_per_channel():
    """Parameters of one element need no dim, and statistics are of the value itself."""

    def function(one, *xs):
        for x in xs:
            yield ops.swish(x, one, 1)
            yield ops.dice(x, one, None, None, False)
            yield ops.dice(x, one, x.reshape(-1), x.reshape(-1).abs(), False)

    check(function, torch.tensor([[0.25]]), torch.randn(()), torch.randn(6))


def test_numbers_close_to_0_and_1_are_kept():
    """The exporter's optimizer takes scalars for what they are close to, and drops them."""

    def function(*xs):
        for x in xs:
            zero = x.new_zeros(x.shape[-1:].numel())
            yield ops.swish(x * 1e4, 1.000001)
            yield ops.dice(x, zero + 0.5, zero, zero, False, eps=1e-8)

    xs = [torch.randn(shape, dtype=torch.float64) * 1e-4 for shape in ((5, 6), ())]
    check(function, *xs)


def test_16_bit_is_computed_in_float32():
    """With parameters in float32, and with squares that float16 has no numbers for. Run by the reference of ONNX, since
    onnxruntime computes float16 in float32 whatever the graph says."""

    def function(x, p):
        y = x * 1000
        return ops.swish(x, p), ops.dice(x, p, p, p.abs(), False), ops.dice(y, p.half(), None, None, False)

    args = torch.randn(4, 6).half(), torch.randn(6)
    for got, want in zip(export(function, args).call_reference(*args), function(*args), strict=True):
        assert_near(got, want, args[0])


def test_maxout_along_every_dim():
    def function(x):
        return (ops.maxout(x, 3, dim, layout) for dim in range(-3, 3) for layout in ("unit", "piece"))

    every = (({0: DYNAMIC, 1: DYNAMIC, 2: DYNAMIC},),)
    check(function, torch.randn(3, 6, 9), other=[torch.randn(9, 3, 6)], dynamic_shapes=every)


def test_a_beta_made_of_sizes():
    def function(x):
        return [ops.swish(x, x.size(0) ** -0.5)]

    check(function, torch.randn(4, 6), other=[torch.randn(9, 6)], dynamic_shapes=(({0: DYNAMIC},),), opset=24)


# --------------------------------------------------------------------------------------------------------- modules


def network():
    ours = actinium.nn
    modules = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        ours.Mish(inplace=True),
        ours.Swish(0.5, trainable=True, num_parameters=8),
        ours.Swish(0.75, inplace=True),
        ours.PReLU(8),
        nn.Flatten(),
        nn.Linear(72, 12),
        ours.GELU(),
        ours.GELUTanh(),
        ours.SELU(inplace=True),
        ours.QuickGELU(),
        ours.ELU(1.5, inplace=True),
        ours.LeakyReLU(0.2, inplace=True),
        ours.Tanh(),
        ours.ReLU(inplace=True),
        ours.Sigmoid(),
        ours.Dice(12, alpha=0.25, momentum=None),
        ours.Dice(12, alpha=0.5, shared_alpha=True, track_running_stats=False),
        ours.Maxout(2),
        ours.Maxout(3, dim=-1, layout="piece"),
        ours.MaxoutLinear(2, 3, 2),
    )
    modules(torch.randn(32, 3, 5, 5))  # running statistics
    return modules.eval()


@pytest.mark.parametrize("captured", (False, True), ids=("module", "program"))
@torch.no_grad()
def test_modules(captured):
    model, args, dims = network(), (torch.randn(2, 3, 5, 5),), ({0: torch.export.Dim("batch")},)
    program = export(torch.export.export(model, args, dynamic_shapes=dims) if captured else model, args, dims)
    x = torch.randn(7, 3, 5, 5)
    assert_close(program(x)[0], model(x))


def test_dice_in_training():
    """By the statistics of the batch, and without changing the module."""
    model = actinium.nn.Dice(6)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(5, 6) + 3
    with pytest.warns(UserWarning, match="training mode"):
        program = export(model, (torch.randn(3, 6),), ({0: torch.export.Dim("batch")},))
    (got,) = program(x)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert_near(got, model(x), x)
    assert not torch.allclose(got, model.eval()(x))


# ---------------------------------------------------------------------------------------------------------- import


def test_onnxscript_is_imported_when_it_is_needed():
    code = (
        "import sys, actinium.onnx\n"
        "assert not {'onnx', 'onnxscript', 'onnx_ir'} & set(sys.modules)\n"
        "sys.modules['onnxscript'] = None\n"
        "actinium.onnx.translation_table()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: actinium.onnx: the ONNX exporter of torch needs onnx and onnxscript" in done.stderr


# ------------------------------------------------------------------------------------- gated units, bias and activation


@targets([(18, torch.float32), (20, torch.float64), (24, torch.float16)])
def test_gated_units(target):
    opset, dtype = target

    def every(x):
        gate, up = x.chunk(2, 1)
        packed = [ops.gated(x, "mish", [], dim, layout) for dim in (1, -1) for layout in PACKED]
        yield from packed
        yield ops.gated(gate, up, "swish", [1.5])
        yield ops.swiglu(x)
        yield ops.geglu(gate, up, "tanh")
        yield ops.reglu(x)
        yield ops.swiglu_clamped(x)
        yield ops.swiglu_clamped(gate, up, 1.5, 1.0)

    x = torch.linspace(-9, 9, 2 * 4 * 6).reshape(2, 4, 6).sin().mul(4).to(dtype)
    check(every, x, dynamic_shapes=(({0: DYNAMIC},),), opset=opset, other=(x.repeat(3, 1, 1),))


@targets([(18, torch.float32), (20, torch.float64), (24, torch.float16)])
def test_bias_act(target):
    opset, dtype = target

    def every(x, bias):
        yield ops.bias_act(x, bias, "elu", [1.5])
        yield ops.bias_act(x, bias, "mish")
        yield ops.bias_act(x.mT, bias, "swish", [1.5], -1)
        yield ops.activate(x, "leaky_relu", [0.25])

    x = torch.linspace(-9, 9, 2 * 4 * 6).reshape(2, 4, 6).sin().mul(4).to(dtype)
    bias = torch.linspace(-1, 1, 4).to(dtype)
    check(every, x, bias, opset=opset)


# ------------------------------------------------------------------------------------------- softmax and the losses

REDUCTIONS = ("none", "mean", "sum")


def of_logits(x, index, soft, weight):
    """Every function of logits and, in the losses, every way to give targets and weights."""
    yield from (f(x, dim) for f in (ops.softmax, ops.log_softmax) for dim in (0, 1, -1))
    yield from (f(x[0, 0, 0]) for f in (ops.softmax, ops.log_softmax))
    yield ops.softmax(x, 1, torch.float32)
    for reduction in REDUCTIONS:
        yield ops.softmax_cross_entropy(x, index, None, reduction)
        for smoothing in (0.0, 0.1):
            yield ops.softmax_cross_entropy(x, index, weight, reduction, 2, smoothing)
            yield ops.softmax_cross_entropy(x[0, :, 0], index[0, 0], weight, reduction, 2, smoothing)
            yield ops.softmax_cross_entropy(x, soft, weight, reduction, -100, smoothing)
            yield ops.softmax_cross_entropy(x[:, :, 0], soft[:, :, 0], None, reduction, -100, smoothing)
            yield ops.softmax_cross_entropy(x[0, :, 0], soft[0, :, 0], weight, reduction, -100, smoothing)
        yield ops.sigmoid_binary_cross_entropy(x, soft, None, None, reduction)
        yield ops.sigmoid_binary_cross_entropy(x, soft, soft.exp(), weight[:, None], reduction)
        yield ops.sigmoid_binary_cross_entropy(x[0, 0, 0], soft[0, 0, 0], weight[0], None, reduction)


def logits(dtype, n):
    x = torch.linspace(-9, 9, n * 6 * 4).mul(17).sin().mul(9).reshape(n, 6, 4).to(dtype)
    index = torch.arange(n * 4).reshape(n, 4) % 6
    index[0, 0] = 3
    return x, index, torch.linspace(0, 1, x.numel()).reshape(x.shape).to(dtype), torch.linspace(0.5, 2, 6).to(dtype)


@targets([*RUN, (24, torch.float16)])
def test_functions_of_logits(target):
    """Of a batch of another size, with a row that is ignored."""
    opset, dtype = target
    dims = ({0: DYNAMIC}, {0: DYNAMIC}, {0: DYNAMIC}, {})
    program = export(of_logits, logits(dtype, 3), (dims,), opset)
    args = logits(dtype, 5)
    index = args[1]
    assert (index == 2).any() and index[0, 0] != 2
    for got, want in zip(program(*args), of_logits(*args), strict=True):
        eps = torch.finfo(want.dtype).eps
        assert_close(got, want, rtol=(2 if want.dtype == torch.float16 else 16) * eps, atol=16 * eps)


def test_all_rows_ignored():
    def losses(x, index):
        yield from (ops.softmax_cross_entropy(x, index, None, "mean", 2, smoothing) for smoothing in (0.0, 0.1))
        yield from (ops.softmax_cross_entropy(x, index, None, "sum", 2, smoothing) for smoothing in (0.0, 0.1))

    args = torch.randn(3, 4), torch.full((3,), 2)
    for got, want in zip(export(losses, args)(*args), losses(*args), strict=True):
        assert_close(got, want, equal_nan=True)


def test_functions_of_logits_make_a_valid_graph():
    """In bfloat16, which onnxruntime does not run."""
    program = export(of_logits, logits(torch.bfloat16, 3), opset=22)
    onnx.checker.check_model(program.model_proto, full_check=True)


def test_operators_of_onnx_for_logits():
    """One node each where ONNX has the function."""
    x, index, _, weight = logits(torch.float32, 3)
    calls = {
        "Softmax": lambda x, index, weight: ops.softmax(x, 1),
        "LogSoftmax": lambda x, index, weight: ops.log_softmax(x, 1),
        "SoftmaxCrossEntropyLoss": lambda x, index, weight: ops.softmax_cross_entropy(x, index, weight, "sum", 2),
    }
    for name, call in calls.items():
        program = export(lambda *args: [call(*args)], (x, index, weight))  # noqa: B023
        kinds = [node.op_type for node in program.model.graph if node.op_type not in ("Constant", "Reshape")]
        assert kinds == [name]


def test_modules_of_logits():
    """Softmax after a layer, and a model that gives its loss."""

    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.softmax = nn.Linear(4, 6), actinium.nn.Softmax()
            self.loss = actinium.nn.CrossEntropyLoss(torch.rand(6), 2)
            self.binary = actinium.nn.BCEWithLogitsLoss(pos_weight=torch.rand(6))

        def forward(self, x, index, soft):
            y = self.layer(x)
            return self.softmax(y), self.loss(y, index), self.binary(y, soft)

    model, args = WithLoss().eval(), (torch.randn(5, 4), torch.arange(5), torch.rand(5, 6))
    assert_close(tuple(export(model, args)(*args)), model(*args))
