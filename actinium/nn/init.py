"""Initial values for the weights of layers before an activation, as those of :mod:`torch.nn.init`."""

from typing import Optional

import torch
from torch import Tensor

__all__ = ["lecun_normal_"]


def lecun_normal_(tensor: Tensor, generator: Optional[torch.Generator] = None) -> Tensor:
    r"""Fills the weight of a layer before SELU with values from :math:`\mathcal{N}(0, 1 / \text{fan\_in})`.

    Sums over ``fan_in`` inputs of mean 0 and variance 1 have mean 0 and variance 1 again, and SELU keeps them so.
    Biases are to be zero, and dropout is to be :class:`actinium.nn.AlphaDropout`. The distribution is not truncated.

    Args:
        tensor: the weight, of shape ``(out, in, *)`` as ``nn.Linear`` and ``nn.Conv2d`` have it; ``fan_in`` is the
            number of elements of ``tensor[0]``. It is filled in place.
        generator: what the values are drawn from; None for the default generator.

    Returns:
        ``tensor``.

    Raises:
        ValueError: ``tensor`` has fewer than 2 dims.
        TypeError: ``tensor`` is no tensor, or one of integers.

    From LeCun et al., "Efficient BackProp", 1998, section 4.6, and Klambauer et al., "Self-Normalizing Neural
    Networks", 2017, arXiv:1706.02515, section "Initialization".

    Example::

        >>> layer = torch.nn.Linear(64, 128)
        >>> actinium.nn.init.lecun_normal_(layer.weight)
        >>> torch.nn.init.zeros_(layer.bias)
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"lecun_normal_: tensor is {tensor!r}, expected a Tensor")
    if tensor.dim() < 2:
        raise ValueError(f"lecun_normal_: tensor has shape {list(tensor.shape)}, expected at least 2 dims")
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise TypeError(f"lecun_normal_: tensor has dtype {tensor.dtype}, expected a floating point dtype")
    return torch.nn.init.kaiming_normal_(tensor, nonlinearity="linear", generator=generator)
