"""The package mish_cuda (github.com/thomasbrandon/mish-cuda and its forks), which the repositories of YOLOv4 import.
Here it needs nothing built for it, works on the CPU too, and has derivatives of every order.

An old program runs unchanged after

    import actinium.compat.mish_cuda

    actinium.compat.mish_cuda.install()  # `from mish_cuda import MishCuda as Mish` is served from here

or beside a file ``mish_cuda.py`` that holds ``from actinium.compat.mish_cuda import *``. Models that were saved whole,
``torch.save(model)``, can then be loaded as well.
"""

import sys
from types import ModuleType
from typing import Optional

import torch
from torch import Tensor
from torch.nn import Module

__all__ = ["MishCuda", "MishCudaFunction", "mish_backward", "mish_forward"]


def install(name: str = "mish_cuda") -> None:
    """Makes this module the one that ``import mish_cuda`` finds, even where that package is installed.

    Args:
        name: another name that it is to be found by. The models of ScaledYOLOv4's branch yolov4-large ask for
            ``"mc.build.lib.mish_mish"``. Packages above it that have not been imported are empty from then on.
    """
    module = sys.modules[name] = sys.modules[__name__]
    # Unpickling imports them.
    while "." in name:
        name, _, child = name.rpartition(".")
        package = sys.modules.setdefault(name, ModuleType(name))
        setattr(package, child, module)
        module = package


def mish_forward(input: Tensor, out: Optional[Tensor] = None) -> Tensor:
    """Mish of a tensor; see :func:`actinium.functional.mish`.

    Args:
        input: of any shape, ``(*)``.
        out: of the shape and dtype of ``input``; the result is written there.

    Returns:
        ``out``, or a new tensor.
    """
    if out is None:
        return torch.ops.actinium.mish(input)
    return torch.ops.actinium.mish(input, out=out)


def mish_backward(input: Tensor, grad_out: Tensor) -> Tensor:
    """The gradient of Mish.

    Args:
        input: what Mish was taken of.
        grad_out: the gradient of the result, of the shape and dtype of ``input``.

    Returns:
        The gradient of ``input``.
    """
    return torch.ops.actinium.mish_backward(grad_out, input)


class MishCudaFunction:
    """Called as ``MishCudaFunction.apply(input)``. It is no ``torch.autograd.Function``, which would have neither
    forward mode nor ``torch.func``, and has no ``forward`` and ``backward``: the operator has gradients of its own."""

    @staticmethod
    def apply(inp: Tensor) -> Tensor:
        return torch.ops.actinium.mish(inp)


class MishCuda(Module):
    """Mish as a module without arguments; :class:`actinium.nn.Mish` under the name that it has in old programs."""

    def forward(self, inp: Tensor) -> Tensor:
        return torch.ops.actinium.mish(inp)
