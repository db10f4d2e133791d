"""What cuda_bench.py measures, and the bars that it must reach. Knows nothing of torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rows import CALL, NOISE, POINTWISE

# Swish by both of its formulas.
OPS = tuple(name for op in POINTWISE for name in (("swish(1)", "swish(1.5)") if op == "swish" else (op,)))
DIRECTIONS = ("forward", "backward", "double_backward")
DTYPES = ("float32", "bfloat16", "float16", "float64")
FULL = 1 << 28  # elements, far beyond every cache
SIZES = (1, 64, 1 << 12, 1 << 16, 1 << 20, 1 << 24)
COMPILED = SIZES[3:]  # torch.compile takes seconds for each
OFFSETS = ("x[1:]", "x[3:]", "all[1:]")  # of the input alone, of all operands
LAYOUTS = ("channels_last", "strided", "cropped", "transposed")
CHANNELS = {
    "dice": ((2048, 256), (65536, 128), (65536, 64, 2, 2)),
    "dice_eval": ((2048, 256), (65536, 128), (65536, 64, 2, 2)),
    "swish_beta": ((65536, 256), (256, 64, 32, 32)),
    "maxout2": ((65536, 256), (256, 64, 32, 32)),
    "maxout4": ((65536, 256), (256, 64, 32, 32)),
    "prelu": ((65536, 256), (256, 64, 32, 32)),
    "swiglu": ((65536, 512), (8192, 22016)),
    "swiglu_interleaved": ((65536, 512),),
    "swiglu_clamped": ((65536, 512),),
    "bias_gelu": ((65536, 256), (8192, 16384)),
    "maxout_linear": ((16384, 512),),
    # Few elements to a row, classes of images, words, and words that fill no vectors.
    "softmax": ((65536, 128), (16384, 1000), (4096, 32000), (4096, 50257)),
    "log_softmax": ((16384, 1000), (4096, 32000)),
    "cross_entropy": ((16384, 1000), (4096, 32000), (4096, 50257)),
    "binary_cross_entropy": ((65536, 256),),
}

GROUPS = {
    "full": "Far beyond the caches: contiguous, {full} elements",
    "offset": "Slices at odd offsets, {full} elements",
    "graph": "Every size: kernels in a CUDA graph",
    "channels": "Ops of channels, of pairs and of rows, in a CUDA graph",
    "eager": "Every size: calls from Python",
    "layout": "Layouts, {layout} elements",
}
AGAINST = {"copy": "copy", "aligned": "aligned", "builtin": "builtin", "compile": "torch.compile", "triton": "Triton"}


@dataclass(frozen=True)
class Row:
    group: str
    op: str
    direction: str  # of DIRECTIONS, or "step": forward and backward through autograd
    dtype: str
    shape: tuple[int, ...]
    layout: str = "contiguous"

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def pointwise(self) -> bool:
        return self.op in OPS

    @property
    def compiled(self) -> bool:
        """Whether torch.compile is measured."""
        if self.group == "full":
            return self.dtype in ("float32", "bfloat16") or self.direction != "double_backward"
        return (self.group == "graph" and self.elements in COMPILED) or (
            self.group == "channels" and self.dtype == "float32"
        )

    @property
    def triton(self) -> bool:
        return self.group in ("full", "graph") and self.direction != "double_backward"

    @property
    def bars(self) -> dict[str, float]:
        """Contenders, and how many times as fast as each the row must at least be."""
        bars = {"builtin": NOISE, "compile": NOISE, "triton": NOISE}
        if self.group == "full":
            bars["copy"] = 0.80 if self.dtype == "float64" else 0.95
        if self.group == "offset":
            bars["aligned"] = 0.90
        if self.group == "eager":
            bars["builtin"] = CALL  # what torch itself does in a call is most of it
        return bars

    def __str__(self) -> str:
        shape = count(self.shape[0]) if len(self.shape) == 1 else " x ".join(map(str, self.shape))
        parts = [self.dtype, shape] + [self.layout] * (self.layout != "contiguous")
        return f"{self.op} {self.direction}, {', '.join(parts)}" + ", call" * (self.group == "eager")


def count(n: int) -> str:
    """4096 as 4K"""
    for unit, size in (("M", 1 << 20), ("K", 1 << 10)):
        if n >= size and n % size == 0:
            return f"{n // size}{unit}"
    return str(n)


def grid(full: int) -> Iterator[Row]:
    """Every row, the most important first. `full` is smaller than FULL where memory is, and so are the others then."""
    for dtype in DTYPES:
        for op in OPS:
            for direction in DIRECTIONS:
                yield Row("full", op, direction, dtype, (full,))
    for dtype in DTYPES:
        for op in OPS:
            for direction in DIRECTIONS[:2]:
                for layout in OFFSETS:
                    yield Row("offset", op, direction, dtype, (full,), layout)
    for dtype in DTYPES[:2]:
        for op in OPS:
            for direction in DIRECTIONS[:2]:
                for size in SIZES:
                    if size < full:
                        yield Row("graph", op, direction, dtype, (size,))
    for dtype in DTYPES[:2]:
        for op, shapes in CHANNELS.items():
            for shape in shapes:
                for direction in ("forward", "step"):
                    for layout in ("unit", "piece") if op in ("maxout2", "maxout4") else ("contiguous",):
                        batch = min(shape[0], full // math.prod(shape[1:]))
                        yield Row("channels", op, direction, dtype, (batch, *shape[1:]), layout)
    for dtype in DTYPES[:2]:
        for op in OPS:
            for direction in ("forward", "step"):
                for size in SIZES[:4]:
                    if size < full:
                        yield Row("eager", op, direction, dtype, (size,))
    side = 1 << min(12, (full.bit_length() - 5) // 2)
    for dtype in DTYPES[:2]:
        for op in OPS:
            for direction in DIRECTIONS[:2]:
                for layout in LAYOUTS:
                    shape = (side // 16, 64, 16, side // 64) if layout == "channels_last" else (side, side)
                    yield Row("layout", op, direction, dtype, shape, layout)
