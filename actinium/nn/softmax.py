"""Softmax and the losses that go with softmax and sigmoid, in place of torch's modules of the same names."""

from typing import Optional

from torch import Tensor
from torch.nn import Module

from actinium import functional as F

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "LogSoftmax", "Softmax"]


class _AlongDim(Module):
    """A function of the rows along a dim."""

    __constants__ = ["dim"]
    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    r"""Softmax along ``dim``; see :func:`actinium.functional.softmax`.

    Args:
        dim: the dim along which the result sums to 1.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    r"""The logarithm of softmax along ``dim``; see :func:`actinium.functional.log_softmax`.

    Args:
        dim: the dim along which softmax sums to 1.

    Shape:
        ``(*)`` to ``(*)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class CrossEntropyLoss(Module):
    r"""Cross-entropy of the softmax of logits; see :func:`actinium.functional.softmax_cross_entropy`.

    Args:
        weight: of the classes, of shape ``(C,)``; a buffer.
        ignore_index: the index of rows that do not count.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        label_smoothing: the share of the target, 0 to 1, that is given to all classes evenly.

    Shape:
        ``(C,)``, ``(N, C)`` or ``(N, C, *)``, and indices of shape ``()``, ``(N,)`` or ``(N, *)`` or probabilities of
        the shape of the logits, to a number, or the shape of indices.
    """

    __constants__ = ["ignore_index", "label_smoothing", "reduction"]
    ignore_index: int
    label_smoothing: float
    reduction: str

    def __init__(
        self,
        weight: Optional[Tensor] = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.weight: Optional[Tensor]
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.softmax_cross_entropy(
            input, target, self.weight, self.reduction, self.ignore_index, self.label_smoothing
        )


class BCEWithLogitsLoss(Module):
    r"""Binary cross-entropy of the sigmoid of logits; see :func:`actinium.functional.sigmoid_binary_cross_entropy`.

    Args:
        weight: of the elements; a buffer.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        pos_weight: of the term of the target; a buffer.

    Shape:
        ``(*)`` and ``(*)`` to a number, or ``(*)``.
    """

    __constants__ = ["reduction"]
    reduction: str

    def __init__(
        self, weight: Optional[Tensor] = None, reduction: str = "mean", pos_weight: Optional[Tensor] = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.weight: Optional[Tensor]
        self.pos_weight: Optional[Tensor]
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.sigmoid_binary_cross_entropy(input, target, self.weight, self.pos_weight, self.reduction)
