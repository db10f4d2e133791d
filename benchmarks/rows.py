"""What is measured: the rows of the grid, and the bars that some of them must reach. Knows nothing of torch."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

POINTWISE = (
    "mish",
    "swish",
    "gelu",
    "gelu_tanh",
    "quick_gelu",
    "selu",
    "elu",
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
)
# Of one tensor and, some of them, of learned ones.
FAMILIES = (
    "prelu",
    "swiglu",
    "swiglu_interleaved",
    "swiglu_clamped",
    "bias_gelu",
    "maxout_linear",
    "softmax",
    "log_softmax",
    "cross_entropy",
    "binary_cross_entropy",
)
COMPOSITES = ("swish_beta", "dice", "dice_eval", "maxout2", "maxout4", *FAMILIES)
OPS = POINTWISE + COMPOSITES
DIRECTIONS = ("forward", "backward", "step", "call")
DTYPES = ("float32", "float64", "bfloat16", "float16")
LAYOUTS = ("contiguous", "channels_last", "strided", "cropped")
SIZES = {"1": 1, "64": 64, "4K": 1 << 12, "64K": 1 << 16, "512K": 1 << 19, "1M": 1 << 20, "16M": 1 << 24}
LOGITS = "125M"  # 4096 x 32000, a batch of words
SIZES[LOGITS] = 4096 * 32000
ONLY_OF_BARS = ("512K", LOGITS)
CAPABILITIES = ("AVX512", "AVX2", "DEFAULT")
ALLOCATORS = {  # how malloc treats large blocks that are freed
    "kept": "they are used again, so that a fresh tensor costs no page faults",
    "system": "as the C library does by itself, which is what a user has: many are handed back to the system",
}
THREADS = tuple(sorted({1, len(os.sched_getaffinity(0))}))

# Below this ratio a row is slower than the builtin; it is then measured again, for longer, before it is called so.
NOISE = 0.97
CALL = 1 / 1.15  # the same for a call with one element, where what torch itself does in a call is all there is


@dataclass(frozen=True)
class Row:
    """One measurement. `size` is a key of SIZES, elements of the input."""

    op: str
    direction: str
    dtype: str
    size: str
    threads: int
    layout: str
    capability: str
    allocator: str = "kept"
    compiled: bool = field(default=False, compare=False)  # torch.compile is measured as well

    @property
    def limit(self) -> float:
        """The ratio below which the row is slower than the builtin."""
        return CALL if self.size == "1" else NOISE

    def __str__(self) -> str:
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        parts = [self.dtype, self.size, threads, self.layout, self.capability]
        return f"{self.op} {self.direction}, " + ", ".join(parts + ["system's malloc"] * (self.allocator == "system"))


@dataclass(frozen=True)
class Bar:
    """`row` must be at least `least` times as fast as `against`: "builtin", "compile" or "copy"."""

    row: Row
    against: str
    least: float

    def met(self, ratio: float) -> bool:
        """A bar of 1 is "no slower", beyond noise; the others are taken by the letter."""
        return ratio >= (NOISE if self.least == 1 else self.least)


def exists(op: str, direction: str, size: str, layout: str) -> bool:
    """Whether the grid has such a row."""
    if size == "1" and layout != "contiguous":
        return False  # one element lies as it lies
    if layout == "cropped" and (op not in POINTWISE or SIZES[size] < SIZES["4K"]):
        return False
    if direction == "call":
        return op in POINTWISE and size == "1"
    if op in FAMILIES and (layout != "contiguous" or size == "1"):
        return False
    if direction == "step":
        # of a pointwise op, autograd's own part beside forward and backward shows at one element
        return layout == "contiguous" and (op in COMPOSITES or size == "1")
    return True


def grid(capability: str) -> Iterator[Row]:
    """Every row but the shapes that only bars name."""
    for op in OPS:
        for direction in DIRECTIONS:
            for dtype in DTYPES:
                for layout in LAYOUTS:
                    for size in SIZES:
                        for threads in THREADS:
                            if size not in ONLY_OF_BARS and exists(op, direction, size, layout):
                                row = Row(op, direction, dtype, size, threads, layout, capability)
                                yield replace(row, compiled=_compiled(row))


def merged(rows: Iterable[Row]) -> list[Row]:
    """Each row once, compiled if it is so anywhere; those that one process can measure after each other."""
    once: dict[Row, bool] = {}
    for row in rows:
        once[row] = once.get(row, False) or row.compiled
    return sorted(
        (replace(row, compiled=compiled) for row, compiled in once.items()),
        key=lambda row: (CAPABILITIES.index(row.capability), row.allocator),
    )


def _compiled(row: Row) -> bool:
    """torch.compile takes seconds for each row: it is measured where it matters."""
    return (
        row.layout == "contiguous"
        and row.threads == 1
        and row.dtype in ("float32", "bfloat16")
        and row.size == "64K"
        and row.direction in (("forward", "backward") if row.op in POINTWISE else ("forward", "step"))
    )


# Ratios to the builtin at the same capability: one thread, 64K elements, float32 and bfloat16. Those that are not named
# must be no slower.
_SPEED = {
    "AVX512": {
        "forward": {"mish": 8, "gelu_tanh": 5, "selu": 7, "swish": 1.7},
        "backward": {"mish": 10, "gelu_tanh": 4, "selu": 2.7, "swish": 1.4},
    },
    "AVX2": {
        "forward": {"mish": 8, "gelu_tanh": 4.5, "selu": 6, "swish": 1.7},
        "backward": {"mish": 10, "gelu_tanh": 3.3, "selu": 2.5, "swish": 1.4},
    },
}


def bars(native: str) -> Iterator[Bar]:
    """All bars of a machine whose own capability is `native`; those of AVX2 are asked of an AVX-512 machine, too."""
    for capability in CAPABILITIES[CAPABILITIES.index(native) :]:
        for direction, ratios in _SPEED.get(capability, {}).items():
            for dtype in ("float32", "bfloat16"):
                for op in POINTWISE:
                    row = Row(op, direction, dtype, "64K", 1, "contiguous", capability)
                    least = 5 if (op, direction, dtype) == ("tanh", "forward", "bfloat16") else ratios.get(op, 1)
                    yield Bar(replace(row, compiled=capability == native), "builtin", least)
    # 2048 x 256. Most of the composite's time is the page faults of what it makes on the way.
    for op, direction, against, least in (
        ("dice", "forward", "builtin", 25),
        ("dice", "forward", "compile", 2),
        ("dice", "step", "builtin", 15),
        ("dice", "step", "compile", 3),
        ("maxout4", "step", "builtin", 8),
    ):
        yield Bar(Row(op, direction, "float32", "512K", 1, "contiguous", native, "system", True), against, least)
    yield Bar(Row("cross_entropy", "step", "float32", LOGITS, 1, "contiguous", native), "builtin", 1.5)
    for direction in ("forward", "backward"):
        for threads in THREADS:
            for op in POINTWISE:
                row = Row(op, direction, "float32", "16M", threads, "contiguous", native)
                yield Bar(replace(row, compiled=_compiled(row)), "copy", 1)
    for direction in ("call", "step"):
        for op in POINTWISE:
            yield Bar(Row(op, direction, "float32", "1", 1, "contiguous", native), "builtin", CALL)
