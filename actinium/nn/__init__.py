"""The activations as modules, with the argument names, reprs and state dicts of ``torch.nn``. All of them can be
scripted, traced, copied and pickled. Formulas, errors and sources stand in :mod:`actinium.functional`.
"""

from typing import Optional

import torch
from torch import Tensor
from torch.nn import AlphaDropout, FeatureAlphaDropout, Module, Parameter

from actinium import functional as F
from actinium.nn import init
from actinium.nn.softmax import BCEWithLogitsLoss, CrossEntropyLoss, LogSoftmax, Softmax

# The dropouts are torch's own, here because a network of SELU needs them as it needs init.lecun_normal_.
__all__ = [
    "ELU",
    "SELU",
    "AlphaDropout",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dice",
    "FeatureAlphaDropout",
    "GELUTanh",
    "LeakyReLU",
    "LogSoftmax",
    "Maxout",
    "Mish",
    "QuickGELU",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Swish",
    "Tanh",
    "init",
]


class Mish(Module):
    r"""Mish, :math:`x \tanh(\ln(1 + e^x))`; see :func:`actinium.functional.mish`.

    Args:
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


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


class SELU(Module):
    r"""SELU; see :func:`actinium.functional.selu`.

    A network keeps mean 0 and variance 1 from layer to layer if its weights come from
    :func:`actinium.nn.init.lecun_normal_`, its biases are zero, and its dropout is :class:`AlphaDropout` or
    :class:`FeatureAlphaDropout`, which drop to what SELU saturates at.

    Args:
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


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


class ReLU(Module):
    r"""ReLU, :math:`\max(0, x)`; see :func:`actinium.functional.relu`.

    Args:
        inplace: write the result into the input.

    Shape:
        ``(*)`` to ``(*)``.
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


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


class Dice(Module):
    r"""Dice, the data adaptive activation of the Deep Interest Network; see :func:`actinium.functional.dice`.

    As :class:`torch.nn.BatchNorm1d`, it normalizes by the batch in training and by running statistics in evaluation.

    Args:
        num_features: the number of channels ``C``.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics; None for the average over all batches.
        alpha: the value that the slopes start from.
        shared_alpha: one slope for all channels.
        track_running_stats: keep running statistics; without, the batch's are used in evaluation, too.
        dim: the dim of the channels.

    Attributes:
        alpha: the slopes, a parameter of shape ``(num_features,)`` or ``(1,)``.
        running_mean, running_var, num_batches_tracked: buffers, or None.

    Shape:
        ``(N, *, C)``, with the channels along ``dim``, to the same.
    """

    __constants__ = ["dim", "eps", "initial_alpha", "momentum", "num_features", "shared_alpha", "track_running_stats"]
    num_features: int
    eps: float
    momentum: Optional[float]
    initial_alpha: float
    shared_alpha: bool
    track_running_stats: bool
    dim: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-8,
        momentum: Optional[float] = 0.1,
        alpha: float = 0.0,
        shared_alpha: bool = False,
        track_running_stats: bool = True,
        dim: int = -1,
        device=None,
        dtype=None,
    ) -> None:
        factory = {"device": device, "dtype": dtype}
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.initial_alpha = float(alpha)
        self.shared_alpha = shared_alpha
        self.track_running_stats = track_running_stats
        self.dim = dim
        self.alpha = Parameter(torch.empty(1 if shared_alpha else num_features, **factory))
        if track_running_stats:
            self.register_buffer("running_mean", torch.zeros(num_features, **factory))
            self.register_buffer("running_var", torch.ones(num_features, **factory))
            self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long, device=device))
        else:
            self.register_buffer("running_mean", None)
            self.register_buffer("running_var", None)
            self.register_buffer("num_batches_tracked", None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        torch.nn.init.constant_(self.alpha, self.initial_alpha)

    def forward(self, input: Tensor) -> Tensor:
        mean, var, batches = self.running_mean, self.running_var, self.num_batches_tracked
        if self.training and batches is not None:
            batches.add_(1)
        momentum = 0.0 if self.momentum is None else self.momentum
        average = self.training and self.momentum is None
        if not average or mean is None or var is None or batches is None:
            return F.dice(input, self.alpha, mean, var, self.training, momentum, self.eps, self.dim)
        # The share of a batch is a tensor, so that nothing waits for a device or is compiled for one number.
        before = mean.clone(), var.clone()
        output = F.dice(input, self.alpha, mean, var, True, 1.0, self.eps, self.dim)
        with torch.no_grad():
            share = (1.0 / batches).to(mean.dtype)
            mean.copy_(before[0].lerp(mean, share))
            var.copy_(before[1].lerp(var, share))
        return output

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, alpha={self.initial_alpha}, "
            f"shared_alpha={self.shared_alpha}, track_running_stats={self.track_running_stats}, dim={self.dim}"
        )


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

    def forward(self, input: Tensor) -> Tensor:
        return F.maxout(input, self.pieces, self.dim, self.layout)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}, dim={self.dim}" + ("" if self.layout == "unit" else f", layout={self.layout}")
