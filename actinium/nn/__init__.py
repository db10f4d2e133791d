"""The activations as modules, with the argument names, reprs and state dicts of ``torch.nn``. All of them can be
scripted (but for :class:`SyncDice`), traced, copied and pickled. Formulas, errors and sources stand in
:mod:`actinium.functional`.
"""

import torch
from torch import Tensor
from torch.nn import AlphaDropout, FeatureAlphaDropout, Module, Parameter

from actinium import functional as F
from actinium.nn import init
from actinium.nn.bias_act import Conv2dAct, LinearAct
from actinium.nn.dice import Dice, SyncDice, convert_sync_dice, dice_state_dict
from actinium.nn.gated import GEGLU, Gated, GatedLinear, ReGLU, SwiGLU, SwiGLUClamped
from actinium.nn.softmax import BCEWithLogitsLoss, CrossEntropyLoss, LogSoftmax, Softmax

# The dropouts are torch's own, here because a network of SELU needs them as it needs init.lecun_normal_.
__all__ = [
    "ELU",
    "GEGLU",
    "GELU",
    "SELU",
    "AlphaDropout",
    "BCEWithLogitsLoss",
    "Conv2dAct",
    "CrossEntropyLoss",
    "Dice",
    "FeatureAlphaDropout",
    "GELUTanh",
    "Gated",
    "GatedLinear",
    "LeakyReLU",
    "LinearAct",
    "LogSoftmax",
    "Maxout",
    "MaxoutLinear",
    "Mish",
    "PReLU",
    "QuickGELU",
    "ReGLU",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "SwiGLU",
    "SwiGLUClamped",
    "Swish",
    "SyncDice",
    "Tanh",
    "convert_sync_dice",
    "dice_state_dict",
    "init",
]


class _InPlace(Module):
    """An activation whose only option is where its result goes."""

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Mish(_InPlace):
    r"""Mish, :math:`x \tanh(\ln(1 + e^x))`; see :func:`actinium.functional.mish`.

    Args:
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)


class Swish(Module):
    r"""Swish, :math:`x \, \sigma(\beta x)`; see :func:`actinium.functional.swish`.

    Args:
        beta: the number, or the value that a trainable beta starts from.
        trainable: make ``beta`` a parameter.
        num_parameters: of a trainable beta: 1, or the number of channels.
        dim: the dim of the channels.
        inplace: write the result into the input.

    Attributes:
        beta: a number, or a parameter of shape ``(num_parameters,)``.

    Shape:
        ``(*)`` to ``(*)``; with ``num_parameters > 1``, ``num_parameters`` channels along ``dim``.
    """

    __constants__ = ["dim", "inplace", "initial_beta", "num_parameters", "trainable"]
    dim: int
    inplace: bool
    initial_beta: float
    num_parameters: int
    trainable: bool

    def __init__(
        self,
        beta: float = 1.0,
        trainable: bool = False,
        num_parameters: int = 1,
        dim: int = 1,
        inplace: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if num_parameters != 1 and not trainable:
            raise ValueError(f"Swish: num_parameters={num_parameters} needs trainable=True")
        self.initial_beta = float(beta)
        self.trainable = trainable
        self.num_parameters = num_parameters
        self.dim = dim
        self.inplace = inplace
        if trainable:
            self.beta = Parameter(torch.empty(num_parameters, device=device, dtype=dtype))
            self.reset_parameters()
        else:
            self.beta = self.initial_beta

    def reset_parameters(self) -> None:
        if self.trainable:
            torch.nn.init.constant_(self.beta, self.initial_beta)

    def forward(self, input: Tensor) -> Tensor:
        return F.swish(input, self.beta, self.dim, self.inplace)

    def extra_repr(self) -> str:
        text = f"beta={self.initial_beta}"
        if self.trainable:
            text += f", trainable=True, num_parameters={self.num_parameters}, dim={self.dim}"
        return text + (", inplace=True" if self.inplace else "")


class GELU(Module):
    r"""GELU, :math:`x \, \Phi(x)`; see :func:`actinium.functional.gelu`.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the tanh form.

    Shape:
        ``(*)`` to ``(*)``.
    """

    __constants__ = ["approximate"]
    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GELUTanh(Module):
    r"""GELU by its tanh form; see :func:`actinium.functional.gelu_tanh`.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu_tanh(input)


class QuickGELU(Module):
    r"""GELU by its sigmoid form, :math:`x \, \sigma(1.702 x)`; see :func:`actinium.functional.quick_gelu`.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.quick_gelu(input)


class SELU(_InPlace):
    r"""SELU; see :func:`actinium.functional.selu`.

    A network keeps mean 0 and variance 1 from layer to layer if its weights come from
    :func:`actinium.nn.init.lecun_normal_`, its biases are zero, and its dropout is :class:`AlphaDropout` or
    :class:`FeatureAlphaDropout`, which drop to what SELU saturates at.

    Args:
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)


class ELU(Module):
    r"""ELU; see :func:`actinium.functional.elu`.

    Args:
        alpha: minus the value on the far left.
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    __constants__ = ["alpha", "inplace"]
    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class ReLU(_InPlace):
    r"""ReLU, :math:`\max(0, x)`; see :func:`actinium.functional.relu`.

    Args:
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)


class LeakyReLU(Module):
    r"""Leaky ReLU; see :func:`actinium.functional.leaky_relu`.

    Args:
        negative_slope: the slope on the left.
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    __constants__ = ["inplace", "negative_slope"]
    inplace: bool
    negative_slope: float

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    r"""PReLU, :math:`x` for :math:`x > 0`, else :math:`w x`; see :func:`actinium.functional.prelu`.

    Takes the place of ``nn.PReLU``, whose weight it can load.

    Args:
        num_parameters: 1, or the number of channels.
        init: the value that the slopes start from.
        dim: the dim of the channels.

    Attributes:
        weight: a parameter of shape ``(num_parameters,)``.

    Shape:
        ``(*)`` to ``(*)``; with ``num_parameters > 1``, ``num_parameters`` channels along ``dim``.
    """

    __constants__ = ["dim", "num_parameters"]
    dim: int
    num_parameters: int

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dim: int = 1, device=None, dtype=None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.dim = dim
        self.weight = Parameter(torch.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        torch.nn.init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight, self.dim)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}" + ("" if self.dim == 1 else f", dim={self.dim}")


class Sigmoid(Module):
    r"""Sigmoid, :math:`1 / (1 + e^{-x})`; see :func:`actinium.functional.sigmoid`.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(Module):
    r"""Tanh; see :func:`actinium.functional.tanh`.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Maxout(Module):
    r"""Maxout, the largest of each ``pieces`` channels; see :func:`actinium.functional.maxout`.

    Args:
        pieces: how many channels make a unit, 1 to 256.
        dim: the dim of the channels.
        layout: ``"unit"``, the pieces of a unit lie together, or ``"piece"``, the units of a piece do.

    Shape:
        ``(N, pieces * U, *)`` to ``(N, U, *)``, with the channels along ``dim``.
    """

    __constants__ = ["dim", "layout", "pieces"]
    pieces: int
    dim: int
    layout: str

    def __init__(self, pieces: int, dim: int = 1, layout: str = "unit") -> None:
        super().__init__()
        self.pieces = pieces
        self.dim = dim
        self.layout = layout
        F.maxout(torch.empty(0, device="cpu"), pieces, 0, layout)  # a wrong argument is named here

    def forward(self, input: Tensor) -> Tensor:
        return F.maxout(input, self.pieces, self.dim, self.layout)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}, dim={self.dim}" + ("" if self.layout == "unit" else f", layout={self.layout}")


class MaxoutLinear(Module):
    r"""A fully connected Maxout layer, :math:`\max_j (W_j x + b_j)`; see :func:`actinium.functional.linear_maxout`.

    Args:
        in_features: size of each input.
        out_features: units, the size of each output.
        pieces: how many affine functions a unit is the largest of, 1 to 256.
        bias: learn an additive bias.

    Attributes:
        weight: a parameter of shape ``(pieces, out_features, in_features)``, each piece initialized as the weight of
            ``nn.Linear``: uniform between :math:`\pm 1 / \sqrt{\text{in\_features}}`.
        bias: a parameter of shape ``(pieces, out_features)``, initialized in the same way, or None.

    Shape:
        ``(*, in_features)`` to ``(*, out_features)``.
    """

    __constants__ = ["in_features", "out_features", "pieces"]
    in_features: int
    out_features: int
    pieces: int

    def __init__(
        self, in_features: int, out_features: int, pieces: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__()
        F.maxout(torch.empty(0, device="cpu"), pieces, 0)  # a wrong number is named here
        self.in_features = in_features
        self.out_features = out_features
        self.pieces = pieces
        self.weight = Parameter(torch.empty(pieces, out_features, in_features, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(torch.empty(pieces, out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = self.in_features**-0.5 if self.in_features > 0 else 0.0
        torch.nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            torch.nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear_maxout(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"in_features={self.in_features}, out_features={self.out_features}, pieces={self.pieces}"
        return f"{text}, bias={self.bias is not None}"
