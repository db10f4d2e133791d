"""What an activation costs: time, and memory kept for the backward."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

ROWS, FEATURES = 1024, 256


@dataclass(frozen=True)
class Cost:
    """In nanoseconds per element of the input: medians, their ratio builtin / ours, and its quartiles over pairs."""

    ours: float
    builtin: float
    ratio: float
    low: float
    high: float

    as_dict = asdict


def _once(module: nn.Module, x: Tensor, inputs: list[Tensor], g: Callable[[], Tensor]) -> tuple[int, int]:
    start = time.perf_counter_ns()
    y = module(x)
    forward = time.perf_counter_ns() - start
    gradient = g(y)
    start = time.perf_counter_ns()
    torch.autograd.grad(y, inputs, gradient)
    return forward, time.perf_counter_ns() - start


def times(ours: nn.Module, builtin: nn.Module, seconds: float) -> tuple[Cost, Cost]:
    """Forward and backward of the modules as they are called in training, float32.

    The two are measured alternately on the same input, so that what disturbs one disturbs the other.
    """
    torch.manual_seed(0)
    x = torch.randn(ROWS, FEATURES, requires_grad=True)
    gradients: dict[torch.Size, Tensor] = {}

    def gradient(y: Tensor) -> Tensor:
        if y.shape not in gradients:
            gradients[y.shape] = torch.randn_like(y)
        return gradients[y.shape]

    modules = [(module.train(), [x, *module.parameters()]) for module in (ours, builtin)]
    took = [], []
    warm, end, turn = 10, time.perf_counter() + seconds, 0
    while turn < warm + 30 or time.perf_counter() < end:
        for which in (0, 1) if turn % 2 else (1, 0):
            module, inputs = modules[which]
            took[which].append(_once(module, x, inputs, gradient))
        turn += 1

    costs = []
    for direction in (0, 1):
        mine, theirs = ([pair[direction] / x.numel() for pair in side[warm:]] for side in took)
        low, _, high = statistics.quantiles([b / a for a, b in zip(mine, theirs, strict=True)], n=4)
        a, b = statistics.median(mine), statistics.median(theirs)
        costs.append(Cost(a, b, b / a, low, high))
    return costs[0], costs[1]


def saved_bytes(module: nn.Module) -> float:
    """Bytes for each element of the input that the graph keeps, beside the module's own parameters and buffers."""
    x = torch.randn(ROWS, FEATURES, requires_grad=True)
    own = {tensor.untyped_storage().data_ptr() for tensor in [*module.parameters(), *module.buffers()]}
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = module.train()(x)
    size = sum(kept.values()) / x.numel()
    del y  # only now may the storages be freed, and their addresses be used again
    return size
