"""The pointwise functions that the GPU check measures: each with Actinium's operator and with what torch has for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

import actinium  # noqa: F401  registers torch.ops.actinium
from contenders import SELU_ALPHA, SELU_SCALE

ours, aten = torch.ops.actinium, torch.ops.aten


@dataclass(frozen=True)
class Builtin:
    """torch's own kernels: as a call, into an output that is there, and the gradient into one (where torch can)."""

    call: Callable[[Tensor], Tensor]
    forward: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]
    kept: Callable[[Tensor], Tensor] = lambda x: x  # what the backward takes in the place of x


@dataclass(frozen=True)
class Function:
    name: str
    base: str  # torch.ops.actinium.<base>
    plain: Callable[[Tensor], Tensor]  # what users write
    builtin: Builtin | None = None  # None: torch has only `plain`
    arguments: tuple[float, ...] = ()

    @property
    def beta(self) -> float:
        """The number of an operator that has one."""
        return self.arguments[0] if self.arguments else 1.702 if self.base == "quick_gelu" else 1.0

    def call(self, x: Tensor) -> Tensor:
        return getattr(ours, self.base).default(x, *self.arguments)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        return getattr(ours, self.base).out(x, *self.arguments, out=out)

    def backward(self, g: Tensor, x: Tensor, out: Tensor) -> Tensor:
        return getattr(ours, f"{self.base}_backward").grad_input(g, x, *self.arguments, grad_input=out)

    def double_backward(self, a: Tensor, g: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        return getattr(ours, f"{self.base}_double_backward").default(a, g, x, *self.arguments)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """f, f' and f'' as the operators store them."""
        one, out = torch.ones_like(x), torch.empty_like
        return (
            self.forward(x, out(x)),
            self.backward(one, x, out(x)),
            self.double_backward(one, one, x)[1],
        )

    def plain_derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same by torch's autograd: f' by its backward kernel, f'' from what create_graph makes of that."""
        x = x.detach().requires_grad_()
        y = self.plain(x)
        one = torch.ones_like(y)
        (kernel,) = torch.autograd.grad(y, x, one, retain_graph=True)
        (graph,) = torch.autograd.grad(y, x, one, create_graph=True)
        (second,) = torch.autograd.grad(graph, x, one)
        return y.detach(), kernel, second


FUNCTIONS = {
    function.name: function
    for function in (
        Function(
            "mish",
            "mish",
            F.mish,
            Builtin(
                aten.mish.default,
                lambda x, out: aten.mish.out(x, out=out),
                lambda g, x, out: aten.mish_backward.default(g, x),
            ),
        ),
        Function(
            "swish(1)",
            "swish",
            F.silu,
            Builtin(
                aten.silu.default,
                lambda x, out: aten.silu.out(x, out=out),
                lambda g, x, out: aten.silu_backward.grad_input(g, x, grad_input=out),
            ),
            (1.0,),
        ),
        Function("swish(1.5)", "swish", lambda x: x * torch.sigmoid(1.5 * x), None, (1.5,)),
        Function(
            "gelu",
            "gelu",
            F.gelu,
            Builtin(
                aten.gelu.default,
                lambda x, out: aten.gelu.out(x, out=out),
                lambda g, x, out: aten.gelu_backward.grad_input(g, x, grad_input=out),
            ),
        ),
        Function("quick_gelu", "quick_gelu", lambda x: x * torch.sigmoid(1.702 * x)),
        Function(
            "gelu_tanh",
            "gelu_tanh",
            partial(F.gelu, approximate="tanh"),
            Builtin(
                lambda x: aten.gelu.default(x, approximate="tanh"),
                lambda x, out: aten.gelu.out(x, approximate="tanh", out=out),
                lambda g, x, out: aten.gelu_backward.grad_input(g, x, approximate="tanh", grad_input=out),
            ),
        ),
        Function(
            "selu",
            "selu",
            F.selu,
            Builtin(
                aten.selu.default,
                # torch's selu has no out=, and is this
                lambda x, out: aten.elu.out(x, SELU_ALPHA, SELU_SCALE, 1, out=out),
                lambda g, x, out: aten.elu_backward.grad_input(g, SELU_ALPHA, SELU_SCALE, 1, False, x, grad_input=out),
            ),
        ),
        Function(
            "elu",
            "elu",
            F.elu,
            Builtin(
                aten.elu.default,
                lambda x, out: aten.elu.out(x, out=out),
                lambda g, x, out: aten.elu_backward.grad_input(g, 1, 1, 1, False, x, grad_input=out),
            ),
        ),
        Function(
            "relu",
            "relu",
            F.relu,
            Builtin(
                aten.relu.default,
                lambda x, out: aten.relu.out(x, out=out),
                lambda g, y, out: aten.threshold_backward.grad_input(g, y, 0, grad_input=out),
                aten.relu.default,
            ),
        ),
        Function(
            "leaky_relu",
            "leaky_relu",
            F.leaky_relu,
            Builtin(
                aten.leaky_relu.default,
                lambda x, out: aten.leaky_relu.out(x, out=out),
                lambda g, x, out: aten.leaky_relu_backward.grad_input(g, x, 0.01, False, grad_input=out),
            ),
            (0.01,),
        ),
        Function(
            "sigmoid",
            "sigmoid",
            torch.sigmoid,
            Builtin(
                aten.sigmoid.default,
                lambda x, out: aten.sigmoid.out(x, out=out),
                lambda g, y, out: aten.sigmoid_backward.grad_input(g, y, grad_input=out),
                aten.sigmoid.default,
            ),
        ),
        Function(
            "tanh",
            "tanh",
            torch.tanh,
            Builtin(
                aten.tanh.default,
                lambda x, out: aten.tanh.out(x, out=out),
                lambda g, y, out: aten.tanh_backward.grad_input(g, y, grad_input=out),
                aten.tanh.default,
            ),
        ),
    )
}
