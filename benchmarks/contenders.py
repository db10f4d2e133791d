"""What is called for a row: Actinium's operator, what torch has for it, torch.compile of that, and a copy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import actinium
from rows import LOGITS, POINTWISE, SIZES, Row

ours, aten = torch.ops.actinium, torch.ops.aten

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
COPIED_FROM = SIZES["4K"]  # elements; below, a copy measures its call


@dataclass(frozen=True)
class Call:
    """`statement` is Python in which `names` have a meaning."""

    statement: str
    names: dict


@dataclass(frozen=True)
class Work:
    """The contenders of one row on the same buffers, and the size of what they read and write."""

    calls: dict[str, Call]  # "ours", "builtin" or "builtin: <which>", "compile", "copy"
    elements: int  # of the input
    bytes: int  # that must be read and written
    gradient: bool  # calls record a graph


# ------------------------------------------------------------------------------------------------------------ tensors


@lru_cache(maxsize=4)
def _normal(n: int, seed: int) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), device="cpu") * 2


def _random(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    return _normal(torch.Size(shape).numel(), seed).to(dtype, copy=True).view(shape)


def _matrix(elements: int) -> tuple[int, int]:
    """Rows and columns; 256 columns as a layer of that width has, fewer where there are few elements."""
    columns = min(256, 1 << (elements.bit_length() // 2))
    return elements // columns, columns


def _images(elements: int) -> tuple[int, int, int, int]:
    """Batch, channels, height, width; 64 channels, fewer where there are few elements."""
    channels = min(64, 1 << (elements.bit_length() // 3))
    side = min(64, 1 << ((elements // channels).bit_length() // 3))
    return elements // (channels * side * side), channels, side, side


def _input(row: Row, shape: tuple[int, ...]) -> Tensor:
    dtype = getattr(torch, row.dtype)
    if row.layout == "channels_last":
        return _random(shape, dtype, 1).contiguous(memory_format=torch.channels_last)
    if row.layout == "strided":  # every second column
        return _random((shape[0], 2 * shape[1]), dtype, 1)[:, ::2]
    if row.layout == "cropped":
        return _random((shape[0], shape[1] + 16), dtype, 1)[:, 8:-8]
    return _random(shape, dtype, 1)


def _shape(row: Row) -> tuple[int, ...]:
    n = SIZES[row.size]
    if row.op in POINTWISE:
        flat = {"contiguous": (n,), "channels_last": _images(n)}
        columns = 1 << (n.bit_length() // 2)
        return flat.get(row.layout, (n // columns, columns))
    if n == 1:
        return {"maxout2": (1, 2), "maxout4": (1, 4)}.get(row.op, (2, 1))  # the least that makes an element, a variance
    if row.size == LOGITS:
        return 4096, 32000
    # Contiguous channels are the fastest dim of some, a slow one of others.
    inner = ("swish_beta", "maxout2", "prelu")
    images = row.layout == "channels_last" or (row.layout == "contiguous" and row.op in inner)
    return _images(n) if images else _matrix(n)


# ---------------------------------------------------------------------------------------------------------- pointwise


@dataclass(frozen=True)
class Side:
    """A pointwise op of either side, each form with its arguments."""

    call: Callable
    out: Callable
    backward: Callable
    call_arguments: str = "x"
    out_arguments: str = "x, out=y"
    backward_arguments: str = "g, x"
    kept: Callable | None = None  # what the backward takes under the name of x, made of x


def _side(namespace, name: str) -> Side:
    op, backward = getattr(namespace, name), getattr(namespace, f"{name}_backward")
    return Side(op.default, op.out, backward.default, kept=op.default if name == "relu" else None)


def _from_result(name: str, backward: Callable) -> Side:
    """The backward takes the result."""
    op = getattr(aten, name)
    return Side(op.default, op.out, backward, kept=op.default)


def _quick_gelu_backward(g: Tensor, kept: tuple[Tensor, Tensor]) -> Tensor:
    """As autograd has it, which keeps the sigmoid."""
    x, s = kept
    return aten.sigmoid_backward(g * x, s).mul_(1.702).addcmul_(g, s)


_BUILTINS = {
    "mish": _side(aten, "mish"),
    "swish": _side(aten, "silu"),
    "gelu": _side(aten, "gelu"),
    "gelu_tanh": Side(
        aten.gelu.default,
        aten.gelu.out,
        aten.gelu_backward.default,
        "x, approximate='tanh'",
        "x, approximate='tanh', out=y",
        "g, x, approximate='tanh'",
    ),
    "selu": Side(
        aten.selu.default,
        aten.elu.out,  # torch's selu has no out=, and is this
        aten.elu_backward.default,
        "x",
        f"x, {SELU_ALPHA}, {SELU_SCALE}, 1, out=y",
        f"g, {SELU_ALPHA}, {SELU_SCALE}, 1, False, x",
    ),
    "elu": Side(aten.elu.default, aten.elu.out, aten.elu_backward.default, backward_arguments="g, 1.0, 1, 1, False, x"),
    "quick_gelu": Side(
        lambda x: x * torch.sigmoid(1.702 * x),
        lambda x, out: torch.mul(x, torch.sigmoid(1.702 * x), out=out),
        _quick_gelu_backward,
        kept=lambda x: (x, torch.sigmoid(1.702 * x)),
    ),
    "relu": Side(
        aten.relu.default,
        aten.clamp_min.out,  # relu.out is this and a copy
        aten.threshold_backward.default,
        out_arguments="x, 0, out=y",
        backward_arguments="g, x, 0",
        kept=aten.relu.default,
    ),
    "leaky_relu": Side(
        aten.leaky_relu.default,
        aten.leaky_relu.out,
        aten.leaky_relu_backward.default,
        backward_arguments="g, x, 0.01, False",
    ),
    "sigmoid": _from_result("sigmoid", aten.sigmoid_backward.default),
    "tanh": _from_result("tanh", aten.tanh_backward.default),
}


def _pointwise(row: Row) -> Work:
    x = _input(row, _shape(row))
    y = torch.empty_like(x)
    names = {"x": x, "y": y, "g": torch.empty_like(x).copy_(_random(tuple(x.shape), x.dtype, 2))}
    if row.direction == "step":
        names |= {"x": x.detach().requires_grad_(), "grad": torch.autograd.grad}
    calls = {}
    for name, side in (("ours", _side(ours, row.op)), ("builtin", _BUILTINS[row.op])):
        function, statement = {
            "forward": (side.out, f"f({side.out_arguments})"),
            "backward": (side.backward, f"f({side.backward_arguments})"),
            "call": (side.call, f"f({side.call_arguments})"),
            "step": (side.call, f"grad(f({side.call_arguments}), x, g)"),
        }[row.direction]
        kept = {"x": side.kept(x)} if side.kept and row.direction == "backward" else {}
        calls[name] = Call(statement, names | kept | {"f": function})
    if row.compiled:
        function, parameters, arguments = {
            "forward": (side.call, "x", side.call_arguments),
            "backward": (side.backward, "g, x", side.backward_arguments),
        }[row.direction]
        function = eval(f"lambda {parameters}: f({arguments})", {"f": function})
        calls["compile"] = _compile(function, parameters, names | kept)
    streams = {"forward": 2, "call": 2, "backward": 3, "step": 5}[row.direction]
    return Work(calls, x.numel(), streams * x.numel() * x.element_size(), row.direction == "step")


def _compile(function: Callable, arguments: str, names: dict) -> Call:
    torch._dynamo.reset()  # otherwise the shapes of other rows count as recompilations
    compiled = torch.compile(function, fullgraph=True, dynamic=False)
    return Call(f"f({arguments})", names | {"f": compiled})


# --------------------------------------------------------------------------------------------------------- composites


@dataclass(frozen=True)
class Composite:
    """Functions of x and `learned`, all with the same result."""

    ours: Callable
    others: dict[str, Callable]
    learned: dict[str, list[Tensor]] = field(default_factory=dict)  # by contender; where none are named, none


class _Dice(nn.Module):
    """Dice as it is written today."""

    def __init__(self, channels: int, images: bool, dtype: torch.dtype) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if images else nn.BatchNorm1d
        self.norm = norm(channels, eps=1e-8, affine=False, dtype=dtype)
        self.alpha = nn.Parameter(torch.empty((channels, 1, 1) if images else channels, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        p = torch.sigmoid(self.norm(x))
        return p * x + (1 - p) * self.alpha * x


def dice(x: Tensor, training: bool) -> Composite:
    channels = x.size(1)
    mine = actinium.nn.Dice(channels, dim=1, dtype=x.dtype).train(training)
    theirs = _Dice(channels, x.dim() == 4, x.dtype).train(training)
    with torch.no_grad():
        mine.alpha.copy_(torch.linspace(-0.5, 0.5, channels))
        theirs.alpha.copy_(mine.alpha.view_as(theirs.alpha))
    return Composite(mine, {"builtin": theirs}, {"ours": [mine.alpha], "builtin": [theirs.alpha]})


def swish_beta(x: Tensor) -> Composite:
    beta = torch.linspace(0.5, 1.5, x.size(1), dtype=x.dtype)
    shaped = beta.view(-1, 1, 1) if x.dim() == 4 else beta.clone()
    beta, shaped = beta.requires_grad_(), shaped.detach().requires_grad_()

    def mine(x: Tensor) -> Tensor:
        return ours.swish.Tensor(x, beta, 1)

    def theirs(x: Tensor) -> Tensor:
        return x * torch.sigmoid(shaped * x)

    return Composite(mine, {"builtin": theirs}, {"ours": [beta], "builtin": [shaped]})


def _maxout(pieces: int) -> Composite:
    def mine(x: Tensor) -> Tensor:
        return ours.maxout.default(x, pieces)

    def by_max(x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, pieces)).max(2).values

    def by_amax(x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, pieces)).amax(2)

    return Composite(mine, {"builtin: max": by_max, "builtin: amax": by_amax})


def _prelu(x: Tensor) -> Composite:
    weights = [torch.full((x.size(1),), 0.25, dtype=x.dtype, requires_grad=True) for _ in range(2)]
    return Composite(
        lambda x: ours.prelu.default(x, weights[0]),
        {"builtin": lambda x: F.prelu(x, weights[1])},
        {"ours": weights[:1], "builtin": weights[1:]},
    )


def _swiglu(x: Tensor) -> Composite:
    def theirs(x: Tensor) -> Tensor:
        gate, up = x.chunk(2, -1)
        return F.silu(gate) * up

    return Composite(lambda x: ours.swiglu.packed(x), {"builtin": theirs})


def _swiglu_interleaved(x: Tensor) -> Composite:
    def theirs(x: Tensor) -> Tensor:
        return F.silu(x[..., ::2]) * x[..., 1::2]

    return Composite(lambda x: ours.swiglu.packed(x, -1, "interleaved"), {"builtin": theirs})


def _swiglu_clamped(x: Tensor) -> Composite:
    def theirs(x: Tensor) -> Tensor:
        """As gpt-oss has it."""
        gate, up = x[..., ::2].clamp(max=7.0), x[..., 1::2].clamp(-7.0, 7.0)
        return gate * torch.sigmoid(1.702 * gate) * (up + 1)

    return Composite(lambda x: ours.swiglu_clamped.packed(x), {"builtin": theirs})


def _bias_gelu(x: Tensor) -> Composite:
    """What follows a matrix product that has no bias of its own."""
    biases = [torch.linspace(-1, 1, x.size(1)).to(x.dtype).requires_grad_() for _ in range(2)]
    return Composite(
        lambda x: ours.bias_act.default(x, biases[0], "gelu_tanh", [], -1),
        {"builtin": lambda x: F.gelu(x + biases[1], approximate="tanh")},
        {"ours": biases[:1], "builtin": biases[1:]},
    )


def _maxout_linear(x: Tensor) -> Composite:
    """To as many units as there are features, of four pieces."""
    features = x.size(1)
    layers = [actinium.nn.MaxoutLinear(features, features, 4, dtype=x.dtype) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    weight, bias = layers[1].weight, layers[1].bias

    def theirs(x: Tensor) -> Tensor:
        return F.linear(x, weight.flatten(0, 1), bias.flatten()).unflatten(1, (4, -1)).max(1).values

    return Composite(layers[0], {"builtin": theirs}, {"ours": list(layers[0].parameters()), "builtin": [weight, bias]})


def _cross_entropy(x: Tensor) -> Composite:
    random = torch.Generator().manual_seed(2)
    target = torch.randint(x.size(1), (x.size(0),), generator=random, device="cpu").to(x.device)
    return Composite(
        lambda x: ours.softmax_cross_entropy.default(x, target), {"builtin": lambda x: F.cross_entropy(x, target)}
    )


def _binary_cross_entropy(x: Tensor) -> Composite:
    target = _random(tuple(x.shape), x.dtype, 2).clamp_(0, 1).to(x.device)
    return Composite(
        lambda x: ours.sigmoid_binary_cross_entropy.default(x, target),
        {"builtin": lambda x: F.binary_cross_entropy_with_logits(x, target)},
    )


COMPOSITES: dict[str, Callable[[Tensor], Composite]] = {
    "swish_beta": swish_beta,
    "dice": lambda x: dice(x, True),
    "dice_eval": lambda x: dice(x, False),
    "maxout2": lambda x: _maxout(2),
    "maxout4": lambda x: _maxout(4),
    "prelu": _prelu,
    "swiglu": _swiglu,
    "swiglu_interleaved": _swiglu_interleaved,
    "swiglu_clamped": _swiglu_clamped,
    "bias_gelu": _bias_gelu,
    "maxout_linear": _maxout_linear,
    "softmax": lambda x: Composite(lambda x: ours.softmax.default(x, 1), {"builtin": lambda x: x.softmax(1)}),
    "log_softmax": lambda x: Composite(
        lambda x: ours.log_softmax.default(x, 1), {"builtin": lambda x: x.log_softmax(1)}
    ),
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
}


def _composite(row: Row) -> Work:
    x = _input(row, _shape(row))
    composite = COMPOSITES[row.op](x)
    contenders = {"ours": composite.ours, **composite.others}
    if row.compiled:
        torch._dynamo.reset()
        for name, function in composite.others.items():
            which = name.replace("builtin", "compile")
            contenders[which] = torch.compile(function, fullgraph=True, dynamic=False)

    gradient = row.direction != "forward"
    x = x.detach().requires_grad_(gradient)
    calls = {}
    with torch.set_grad_enabled(gradient):
        for name, function in contenders.items():
            learned = composite.learned.get(name.replace("compile", "builtin"), [])
            names = {"f": function, "x": x, "grad": torch.autograd.grad, "inputs": [x, *learned]}
            y = function(x)
            if gradient:
                names["g"] = torch.empty_like(y).copy_(_random(tuple(y.shape), y.dtype, 2))
            if row.direction == "backward":
                calls[name] = Call("grad(y, inputs, g, retain_graph=True)", names | {"y": y})
            else:
                calls[name] = Call("grad(f(x), inputs, g)" if row.direction == "step" else "f(x)", names)
    forward, backward = x.numel() + y.numel(), y.numel() + 2 * x.numel()
    if row.op in ("maxout2", "maxout4"):  # which read no input, but what won
        backward -= x.numel()
    moved = {"forward": forward, "backward": backward, "step": forward + backward}[row.direction]
    return Work(calls, x.numel(), moved * x.element_size(), gradient)


# --------------------------------------------------------------------------------------------------------------- rows


def work(row: Row) -> Work:
    made = _pointwise(row) if row.op in POINTWISE else _composite(row)
    if made.elements >= COPIED_FROM:
        source = torch.ones(made.bytes // 8)  # half of the bytes are read, half are written
        names = {"source": source, "target": torch.zeros_like(source)}
        made.calls["copy"] = Call("target.copy_(source)", names)
    return made
