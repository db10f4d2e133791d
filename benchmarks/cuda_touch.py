"""Calls every operator, direction and dtype on a few odd sizes, offsets and strides: what compute-sanitizer watches.
Checks no value, and makes torch launch few kernels of its own, which are watched as well. gpu_check.py starts it.
"""

import argparse
import json
import traceback
from collections.abc import Callable

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


def step(call: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Forward and backward."""
    leaves = [t.detach().requires_grad_() for t in inputs]
    y = call(*leaves)
    torch.autograd.grad(y, leaves, torch.zeros_like(y))


def pairs(dtype: torch.dtype, device: str) -> None:
    """Gate and up as two tensors and packed, one vector and less to a row; a bias, and PReLU's weight."""
    for shape in ((9, 6), (37, 64), (3, 130)):
        whole = torch.zeros((shape[0] + 1) * shape[1], dtype=dtype, device=device)
        for x in (whole[: -shape[1]].view(shape), whole[1 : 1 - shape[1]].view(shape)):
            step(ours.swiglu.default, x, x)
            for layout in ("gate_first", "gate_second", "interleaved"):
                step(lambda x, layout=layout: ours.swiglu.packed(x, -1, layout), x)
            for dim in (0, 1):
                weight = torch.zeros(shape[dim], dtype=dtype, device=device)
                step(lambda x, b, dim=dim: ours.bias_act.default(x, b, "tanh", [], dim), x, weight)
                step(lambda x, w, dim=dim: ours.prelu.default(x, w, dim), x, weight)
    x, weight = torch.zeros(5, 16, dtype=dtype, device=device), torch.zeros(3, 24, 16, dtype=dtype, device=device)
    step(ours.linear_maxout.default, x, weight, weight[..., 0])


def rows(dtype: torch.dtype, device: str) -> None:
    """Softmax and the losses: rows of a warp, of a block and side by side; of whole vectors and of a few elements more,
    and with inputs elsewhere than the outputs."""
    for shape in ((9, 10), (3, 257), (2, 768), (2, 5000), (2, 9003), (2, 7, 5), (3, 40, 67)):
        count = torch.Size(shape).numel()
        whole = torch.zeros(count + 1, dtype=dtype, device=device)
        for x in (whole[:count].view(shape), whole[1:].view(shape)):
            index = torch.zeros(shape[:1] + shape[2:], dtype=torch.int64, device=device)
            step(lambda x: ours.softmax.default(x, 1), x)
            step(lambda x: ours.log_softmax.default(x, 1), x)
            step(lambda x, y=index: ours.softmax_cross_entropy.default(x, y, label_smoothing=0.1), x)
            step(ours.softmax_cross_entropy.default, x, x)
            step(ours.sigmoid_binary_cross_entropy.default, x, x)


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
            pairs(dtype, device)
            rows(dtype, device)
        if device != "cpu":
            torch.cuda.synchronize()
        print(json.dumps({"touched": True}), flush=True)
    except Exception:
        print(json.dumps({"failed": traceback.format_exc(limit=-3)}), flush=True)


if __name__ == "__main__":
    main()
