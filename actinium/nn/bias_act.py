"""Layers whose bias is added in the same pass that applies their activation."""

from collections.abc import Sequence
from typing import Union

import torch
from torch import Tensor
from torch.nn import Conv2d, Linear
from torch.nn.common_types import _size_2_t

from actinium import functional as F


class LinearAct(Linear):
    r"""A linear layer with an activation, :math:`\mathrm{act}(x W^T + b)`, with the state of :class:`torch.nn.Linear`.

    Args:
        in_features, out_features, bias: as of :class:`torch.nn.Linear`.
        activation: the name of an activation of one number; see :func:`actinium.functional.bias_act`.
        params: its numbers in their order; those that are left out have their defaults.

    Shape:
        ``(*, in_features)`` to ``(*, out_features)``.
    """

    __constants__ = ["activation", "in_features", "out_features"]
    activation: str
    params: list[float]

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str,
        params: Sequence[float] = (),
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.activation = activation
        self.params = _checked(activation, params)

    def forward(self, input: Tensor) -> Tensor:
        product = torch.nn.functional.linear(input, self.weight)
        if self.bias is None:
            return F.activate(product, self.activation, self.params)
        return F.bias_act(product, self.bias, self.activation, self.params, -1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {_named(self.activation, self.params)}"


class Conv2dAct(Conv2d):
    r"""A convolution with an activation, :math:`\mathrm{act}(w \star x + b)`, with the state of
    :class:`torch.nn.Conv2d`.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode: as of
            :class:`torch.nn.Conv2d`.
        activation: the name of an activation of one number; see :func:`actinium.functional.bias_act`.
        params: its numbers in their order; those that are left out have their defaults.

    Shape:
        ``(N, C_in, H, W)`` or ``(C_in, H, W)`` to ``(N, C_out, H_out, W_out)`` or ``(C_out, H_out, W_out)``.
    """

    __constants__ = [*Conv2d.__constants__, "activation"]
    activation: str
    params: list[float]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_2_t,
        activation: str,
        params: Sequence[float] = (),
        stride: _size_2_t = 1,
        padding: Union[str, _size_2_t] = 0,
        dilation: _size_2_t = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.activation = activation
        self.params = _checked(activation, params)

    def forward(self, input: Tensor) -> Tensor:
        convolved = self._conv_forward(input, self.weight, None)
        if self.bias is None:
            return F.activate(convolved, self.activation, self.params)
        return F.bias_act(convolved, self.bias, self.activation, self.params, -3)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {_named(self.activation, self.params)}"


def _checked(activation: str, params: Sequence[float]) -> list[float]:
    """The params as numbers; a wrong one, or an unknown activation, is named where the module is made."""
    numbers = [float(p) for p in params]
    F.activate(torch.empty(0, device="cpu"), activation, numbers)
    return numbers


def _named(activation: str, params: list[float]) -> str:
    return f"activation={activation}" + (f", params={params}" if params else "")
