"""The activations, each in a small network of the kind that it is used in.

A network is made by a function of `activation`, which makes the module in question for a number of features; so the
same function makes it with Actinium's module and with the one that it is compared with. Images come as (N, 1, 8, 8).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import actinium

PIXELS = 64
CLASSES = 10
PIECES = 4  # of a unit of Maxout
UNITS = 64  # of a layer of Maxout

Factory = Callable[[int], nn.Module]


def convolutional(activation: Factory) -> nn.Module:
    """Mish, Swish, ReLU and its relatives, sigmoid and tanh: two convolutions."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        activation(16),
        nn.Conv2d(16, 32, 3, padding=1),
        activation(32),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, CLASSES),
    )


class Block(nn.Module):
    """The MLP block of a transformer: x + W2 gelu(W1 norm(x))."""

    def __init__(self, width: int, activation: Factory) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = activation(4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.contract(self.activation(self.expand(self.norm(x))))


def blocks(activation: Factory) -> nn.Module:
    """GELU: two transformer MLP blocks."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(PIXELS, PIXELS),
        Block(PIXELS, activation),
        Block(PIXELS, activation),
        nn.LayerNorm(PIXELS),
        nn.Linear(PIXELS, CLASSES),
    )


def self_normalizing(activation: Factory) -> nn.Module:
    """SELU: its fixed point, mean 0 and variance 1, needs LeCun's normal initialization and alpha dropout."""
    net = nn.Sequential(nn.Flatten())
    for inputs, outputs in ((PIXELS, 128), (128, 128), (128, 128)):
        net.extend([nn.Linear(inputs, outputs), activation(outputs), nn.AlphaDropout(0.05)])
    net.append(nn.Linear(128, CLASSES))
    for layer in net:
        if isinstance(layer, nn.Linear):
            actinium.nn.init.lecun_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def adaptive(activation: Factory) -> nn.Module:
    """Dice: an MLP, with statistics and a slope for every feature."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(PIXELS, 128),
        activation(128),
        nn.Linear(128, 64),
        activation(64),
        nn.Linear(64, CLASSES),
    )


def maxout(activation: Factory) -> nn.Module:
    """Maxout: linear pieces with dropout between, as in the paper."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(PIXELS, PIECES * 64),
        activation(PIECES * 64),
        nn.Dropout(0.3),
        nn.Linear(64, PIECES * 64),
        activation(PIECES * 64),
        nn.Dropout(0.3),
        nn.Linear(64, CLASSES),
    )


def maxout_layers(layer: Factory) -> nn.Module:
    """The same with layers that make their pieces themselves."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.1),
        layer(PIXELS),
        nn.Dropout(0.3),
        nn.Linear(UNITS, PIXELS),
        layer(PIXELS),
        nn.Dropout(0.3),
        nn.Linear(UNITS, CLASSES),
    )


class GatedBlock(nn.Module):
    """The MLP block of recent language models: x + W2 (silu(a) b), where (a, b) = W1 norm(x)."""

    def __init__(self, width: int, activation: Factory) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = activation(4 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.contract(self.activation(self.expand(self.norm(x))))


def gated(activation: Factory) -> nn.Module:
    """SwiGLU: two gated MLP blocks."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(PIXELS, PIXELS),
        GatedBlock(PIXELS, activation),
        GatedBlock(PIXELS, activation),
        nn.LayerNorm(PIXELS),
        nn.Linear(PIXELS, CLASSES),
    )


class CompositeSwish(nn.Module):
    """Swish with a trainable beta as it is written without Actinium."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)


class CompositeDice(nn.Module):
    """Dice as it is written without Actinium."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features, eps=1e-8, affine=False)
        self.alpha = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        p = torch.sigmoid(self.norm(x))
        return p * x + (1 - p) * self.alpha * x


class CompositeMaxout(nn.Module):
    """Maxout as it is written without Actinium."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), x.size(1) // PIECES, PIECES).max(dim=2).values


class CompositeMaxoutLinear(nn.Module):
    """A layer of Maxout as it is written without Actinium."""

    def __init__(self, features: int) -> None:
        super().__init__()
        layer = actinium.nn.MaxoutLinear(features, UNITS, PIECES)  # the same initial values
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.linear(x, self.weight.flatten(0, 1), self.bias.flatten())
        return y.view(x.size(0), PIECES, UNITS).max(dim=1).values


class CompositeQuickGELU(nn.Module):
    """As in CLIP."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class CompositeSwiGLU(nn.Module):
    """SwiGLU as it is written without Actinium."""

    def forward(self, x: Tensor) -> Tensor:
        gate, up = x.chunk(2, dim=-1)
        return nn.functional.silu(gate) * up


@dataclass(frozen=True)
class Activation:
    name: str
    network: Callable[[Factory], nn.Module]
    ours: Factory
    builtin: Factory
    builtin_name: str


ACTIVATIONS = [
    Activation("mish", convolutional, lambda _: actinium.nn.Mish(), lambda _: nn.Mish(), "nn.Mish"),
    Activation("swish", convolutional, lambda _: actinium.nn.Swish(), lambda _: nn.SiLU(), "nn.SiLU"),
    Activation(
        "swish_beta",
        convolutional,
        lambda _: actinium.nn.Swish(trainable=True),
        lambda _: CompositeSwish(),
        "x s(beta x)",
    ),
    Activation("gelu_tanh", blocks, lambda _: actinium.nn.GELUTanh(), lambda _: nn.GELU("tanh"), 'nn.GELU("tanh")'),
    Activation("gelu", blocks, lambda _: actinium.nn.GELU(), lambda _: nn.GELU(), "nn.GELU"),
    Activation("quick_gelu", blocks, lambda _: actinium.nn.QuickGELU(), lambda _: CompositeQuickGELU(), "x s(1.702x)"),
    Activation("relu", convolutional, lambda _: actinium.nn.ReLU(), lambda _: nn.ReLU(), "nn.ReLU"),
    Activation(
        "leaky_relu", convolutional, lambda _: actinium.nn.LeakyReLU(), lambda _: nn.LeakyReLU(), "nn.LeakyReLU"
    ),
    Activation("elu", convolutional, lambda _: actinium.nn.ELU(), lambda _: nn.ELU(), "nn.ELU"),
    Activation("prelu", convolutional, actinium.nn.PReLU, nn.PReLU, "nn.PReLU"),
    Activation("sigmoid", convolutional, lambda _: actinium.nn.Sigmoid(), lambda _: nn.Sigmoid(), "nn.Sigmoid"),
    Activation("tanh", convolutional, lambda _: actinium.nn.Tanh(), lambda _: nn.Tanh(), "nn.Tanh"),
    Activation("swiglu", gated, lambda _: actinium.nn.Gated("swish"), lambda _: CompositeSwiGLU(), "chunk, silu, mul"),
    Activation("selu", self_normalizing, lambda _: actinium.nn.SELU(), lambda _: nn.SELU(), "nn.SELU"),
    Activation("dice", adaptive, actinium.nn.Dice, CompositeDice, "BatchNorm1d, sigmoid"),
    Activation("maxout", maxout, lambda _: actinium.nn.Maxout(PIECES), lambda _: CompositeMaxout(), "view, max"),
    Activation(
        "maxout_linear",
        maxout_layers,
        lambda features: actinium.nn.MaxoutLinear(features, UNITS, PIECES),
        CompositeMaxoutLinear,
        "linear, max",
    ),
]
