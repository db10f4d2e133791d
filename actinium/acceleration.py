"""Actinium's kernels under the builtins' own names."""

import torch

__all__ = ["accelerate", "is_accelerated"]


class accelerate:
    """Run the builtins on Actinium's kernels.

    Whatever calls ``aten::mish``, ``silu``, ``gelu``, ``elu``, ``selu``, ``sigmoid`` or ``tanh``, or their in-place,
    ``out=`` and backward forms, on the CPU and on CUDA: modules, functions and TorchScript files that know nothing of
    Actinium need no change.

    Called as a function it holds until it is called with False; as a context manager, for the block::

        actinium.accelerate()

        with actinium.accelerate():
            model(x)

    ``ACTINIUM_ACCELERATE=1`` in the environment does it when the library is loaded.

    What Actinium does not compute goes on to torch's own kernels: the backward of sigmoid, tanh, and in-place ELU and
    SELU (which know only the result), CELU, complex and integer dtypes, mixed dtypes. ReLU and LeakyReLU stay torch's.
    Turning it off restores torch's own kernels. It holds for the whole process; do not turn it on or off while other
    threads run these operators. ``torch.compile`` takes the builtins apart before they run and is not affected.

    Args:
        enabled: False takes Actinium's kernels away again.
    """

    def __init__(self, enabled: bool = True) -> None:
        self._before = torch.ops.actinium._accelerate(enabled)

    def __enter__(self) -> "accelerate":
        return self

    def __exit__(self, *exception) -> None:
        torch.ops.actinium._accelerate(self._before)


def is_accelerated() -> bool:
    """Whether the builtins run on Actinium's kernels; see :class:`actinium.accelerate`."""
    return torch.ops.actinium._accelerated()
