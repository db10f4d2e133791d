"""Gated units as modules, alone and with the projections of a transformer's feed-forward layer."""

from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor
from torch.nn import Linear, Module

from actinium import functional as F


class Gated(Module):
    r"""A gated unit, :math:`\mathrm{act}(a) \, b`; see :func:`actinium.functional.gated`.

    Args:
        activation: the name of an activation of one number, or ``"swiglu_clamped"``.
        params: the activation's numbers in their order; those that are left out have their defaults.
        dim: the dim along which gate and up are packed.
        layout: ``"gate_first"``, ``"gate_second"`` or ``"interleaved"``.

    Shape:
        ``(*, 2 H, *)``, with gate and up along ``dim``, to ``(*, H, *)``.
    """

    __constants__ = ["activation", "dim", "layout"]
    activation: str
    params: list[float]
    dim: int
    layout: str

    def __init__(
        self, activation: str, params: Sequence[float] = (), dim: int = -1, layout: str = "gate_first"
    ) -> None:
        super().__init__()
        self.activation = activation
        self.params = [float(p) for p in params]
        self.dim = dim
        self.layout = layout
        # A wrong argument is named here.
        F.gated(torch.empty(0, device="cpu"), activation, self.params, None, -1, layout)

    def forward(self, input: Tensor) -> Tensor:
        return F.gated(input, self.activation, self.params, None, self.dim, self.layout)

    def extra_repr(self) -> str:
        params = f", params={self.params}" if self.params else ""
        return f"{self.activation}{params}, dim={self.dim}, layout={self.layout}"


class GatedLinear(Module):
    r"""A feed-forward layer with a gated unit: :math:`(\mathrm{act}(x W_g) \odot x W_u) \, W_d`.

    One matrix product makes gate and up, packed along the last dim in the order of ``layout``.

    Args:
        in_features: the size of the input.
        hidden_features: the size of gate and of up.
        out_features: the size of the output; None for ``in_features``.
        activation: the name of an activation of one number, or ``"swiglu_clamped"``.
        params: the activation's numbers in their order; those that are left out have their defaults.
        bias: whether the projections have biases.
        layout: ``"gate_first"``, ``"gate_second"`` or ``"interleaved"``, so that weights of either order fit.

    Attributes:
        gate_up_proj: a :class:`torch.nn.Linear` from ``in_features`` to ``2 * hidden_features``.
        down_proj: a :class:`torch.nn.Linear` from ``hidden_features`` to ``out_features``.

    Shape:
        ``(*, in_features)`` to ``(*, out_features)``.

    From Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202, equation 6.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: Optional[int] = None,
        activation: str = "swish",
        params: Sequence[float] = (),
        bias: bool = False,
        layout: str = "gate_first",
        device=None,
        dtype=None,
    ) -> None:
        factory = {"device": device, "dtype": dtype}
        super().__init__()
        self.gate_up_proj = Linear(in_features, 2 * hidden_features, bias, **factory)
        self.gated = Gated(activation, params, -1, layout)
        self.down_proj = Linear(hidden_features, in_features if out_features is None else out_features, bias, **factory)

    def forward(self, input: Tensor) -> Tensor:
        return self.down_proj(self.gated(self.gate_up_proj(input)))


class SwiGLU(GatedLinear):
    r"""The feed-forward layer with :func:`actinium.functional.swiglu`; see :class:`GatedLinear`.

    Args:
        in_features, hidden_features, out_features, bias, layout: as of :class:`GatedLinear`.

    Shape:
        ``(*, in_features)`` to ``(*, out_features)``.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: Optional[int] = None,
        bias: bool = False,
        layout: str = "gate_first",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(in_features, hidden_features, out_features, "swish", (), bias, layout, device, dtype)


class GEGLU(GatedLinear):
    r"""The feed-forward layer with :func:`actinium.functional.geglu`; see :class:`GatedLinear`.

    Args:
        in_features, hidden_features, out_features, bias, layout: as of :class:`GatedLinear`.
        approximate: ``"none"``, GELU with erf, or ``"tanh"``.

    Shape:
        ``(*, in_features)`` to ``(*, out_features)``.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: Optional[int] = None,
        bias: bool = False,
        approximate: str = "none",
        layout: str = "gate_first",
        device=None,
        dtype=None,
    ) -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GEGLU: approximate={approximate!r}, expected 'none' or 'tanh'")
        activation = "gelu" if approximate == "none" else "gelu_tanh"
        super().__init__(in_features, hidden_features, out_features, activation, (), bias, layout, device, dtype)


class ReGLU(GatedLinear):
    r"""The feed-forward layer with :func:`actinium.functional.reglu`; see :class:`GatedLinear`.

    Args:
        in_features, hidden_features, out_features, bias, layout: as of :class:`GatedLinear`.

    Shape:
        ``(*, in_features)`` to ``(*, out_features)``.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: Optional[int] = None,
        bias: bool = False,
        layout: str = "gate_first",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(in_features, hidden_features, out_features, "relu", (), bias, layout, device, dtype)


class SwiGLUClamped(GatedLinear):
    r"""The feed-forward layer of gpt-oss, with :func:`actinium.functional.swiglu_clamped`; see :class:`GatedLinear`.

    Its defaults are those of the published models, whose gates and ups take turns and whose projections have biases.

    Args:
        in_features, hidden_features, out_features, bias, layout: as of :class:`GatedLinear`.
        limit: where the gate is cut off above, and up at both ends; not negative.
        alpha: the slope of the sigmoid.

    Shape:
        ``(*, in_features)`` to ``(*, out_features)``.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: Optional[int] = None,
        limit: float = 7.0,
        alpha: float = 1.702,
        bias: bool = True,
        layout: str = "interleaved",
        device=None,
        dtype=None,
    ) -> None:
        params = (limit, alpha)
        super().__init__(
            in_features, hidden_features, out_features, "swiglu_clamped", params, bias, layout, device, dtype
        )
