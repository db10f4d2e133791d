"""Calls every operator, direction and dtype on a few odd sizes, offsets and strides: what compute-sanitizer watches.
Checks no value, and makes torch launch few kernels of its own, which are watched as well. gpu_check.py starts it.
"""

import argparse
import json
import traceback

import torch
from torch import Tensor

from cuda_ops import FUNCTIONS, ours

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
LENGTHS = (1, 7, 1025)
MANY = 2**22 + 5  # more than one vector for each thread that a device runs at once: the kernels' loops over tiles


def operands(dtype: torch.dtype, device: str) -> list[Tensor]:
    """Rows at aligned and at odd places, up to the last element of their memory; strides."""
    found = [torch.zeros(start + n, dtype=dtype, device=device)[start:] for n in LENGTHS for start in (0, 1, 3)]
    matrix = torch.zeros(37, 50, dtype=dtype, device=device)
    return [*found, matrix[:, ::2], matrix[:, 1:-2], matrix.t(), matrix[:1].expand(5, 50)]


def pointwise(x: Tensor) -> None:
    for function in FUNCTIONS.values():
        function.call(x)
        function.forward(x, torch.empty_like(x))
        function.backward(x, x, torch.empty_like(x))
        function.double_backward(x, x, x)


def tiles(dtype: torch.dtype, device: str) -> None:
    """Aligned, and x elsewhere than the rest, up to the last element of its memory."""
    g = torch.zeros(MANY, dtype=dtype, device=device)
    for x in (g, torch.zeros(MANY + 1, dtype=dtype, device=device)[1:]):
        function = FUNCTIONS["mish"]
        function.forward(x, torch.empty_like(g))
        function.backward(g, x, torch.empty_like(g))
        function.double_backward(g, g, x)


def channels(dtype: torch.dtype, device: str) -> None:
    for shape, dim in (((33, 7), 1), ((33, 7), 0), ((5, 12, 3), 1), ((300, 64), 1), ((3, 8, 5, 7), 1)):
        x = torch.zeros(shape, dtype=dtype, device=device)
        x = x[1:] if dim else x  # neither aligned nor at the start of its memory
        beta = torch.ones(x.size(dim), dtype=dtype, device=device)
        ours.swish.Tensor(x, beta, dim)
        ours.swish_backward.Tensor(x, x, beta, dim)
        ours.swish_double_backward.Tensor(x, beta, x, x, beta, dim)
        stats = beta.to(torch.float32 if dtype.itemsize == 2 else dtype)
        for training in (True, False):
            leaves = [t.detach().requires_grad_() for t in (x, beta)]
            y = ours.dice(*leaves, stats.clone(), stats.clone(), training, 0.1, 1e-8, dim)
            gradients = torch.autograd.grad(y, leaves, x, create_graph=True)
            torch.autograd.grad(gradients, leaves, [x, beta])
    for pieces in (1, 2, 3, 4, 5):
        for layout in ("unit", "piece"):
            for shape, dim in (((9, 5 * pieces), 1), ((3, 2 * pieces, 7), 1), ((8, 16 * pieces), 1), ((pieces, 9), 0)):
                x = torch.zeros(shape, dtype=dtype, device=device)
                values, indices = ours.maxout_with_indices(x, pieces, dim, layout)
                ours.maxout_backward(values, indices, pieces, dim, layout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    try:
        for dtype in DTYPES:
            for x in operands(dtype, device):
                pointwise(x)
            tiles(dtype, device)
            channels(dtype, device)
        if device != "cpu":
            torch.cuda.synchronize()
        print(json.dumps({"touched": True}), flush=True)
    except Exception:
        print(json.dumps({"failed": traceback.format_exc(limit=-3)}), flush=True)


if __name__ == "__main__":
    main()
