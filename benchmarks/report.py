"""What a run has found: tables for the terminal, the report in Markdown, and its plot."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

import machine
import rows
from markdown_table import markdown
from rows import Bar, Row

MARKED = 3  # of the fastest and of the slowest rows
FEW = 150  # rows that a terminal shows one by one

CONTENDERS = {
    "mish": "`F.mish`",
    "swish": "`F.silu`",
    "gelu": "`F.gelu`",
    "gelu_tanh": '`F.gelu(x, approximate="tanh")`',
    "quick_gelu": "`x * torch.sigmoid(1.702 * x)`, and what autograd makes of it",
    "selu": "`F.selu` (`elu.out`, which it calls, where the output is given)",
    "elu": "`F.elu`",
    "relu": "`F.relu` (`clamp_min.out`, which it calls, where the output is given)",
    "leaky_relu": "`F.leaky_relu`",
    "sigmoid": "`torch.sigmoid`, whose backward takes the result",
    "tanh": "`torch.tanh`, whose backward takes the result",
    "swish_beta": "`x * torch.sigmoid(beta * x)`, one beta per channel of dim 1",
    "dice": "`p = torch.sigmoid(norm(x)); p * x + (1 - p) * alpha * x` with `norm = nn.BatchNorm1d(C, eps=1e-8, "
    "affine=False)` (`2d` for images), in training",
    "dice_eval": "the same in evaluation",
    "maxout2": "`x.unflatten(1, (-1, 2)).max(2).values`, or `.amax(2)` where that is faster",
    "maxout4": "the same of 4 pieces",
    "prelu": "`F.prelu`, one weight per channel of dim 1",
    "swiglu": "`gate, up = x.chunk(2, -1); F.silu(gate) * up`",
    "swiglu_interleaved": "`F.silu(x[..., ::2]) * x[..., 1::2]`",
    "swiglu_clamped": "`gate * torch.sigmoid(1.702 * gate) * (up + 1)` of `x[..., ::2].clamp(max=7)` and `x[..., "
    "1::2].clamp(-7, 7)`",
    "bias_gelu": '`F.gelu(x + bias, approximate="tanh")`, one bias per column; ours is `bias_act`',
    "maxout_linear": "`F.linear(x, weight.flatten(0, 1), bias.flatten()).unflatten(1, (4, -1)).max(1).values`, to as "
    "many units as features; ours is `linear_maxout`",
    "softmax": "`x.softmax(1)`",
    "log_softmax": "`x.log_softmax(1)`",
    "cross_entropy": "`F.cross_entropy(x, target)`, targets are indices of classes",
    "binary_cross_entropy": "`F.binary_cross_entropy_with_logits(x, target)`",
}
DIRECTIONS = {
    "forward": "Forward, without a graph. The pointwise ops write into an output that is there (`out=`), on both "
    "sides; the others make theirs.",
    "backward": "The backward's kernel alone, called directly; of the composites, `torch.autograd.grad` over a graph "
    "that is kept.",
    "step": "Forward and backward through autograd.",
    "call": "The plain call in Python, by the overload's name on both sides: `torch.ops.actinium.mish.default(x)`, "
    "`torch.ops.aten.mish.default(x)`.",
}
AGAINST = {"builtin": "builtin", "compile": "torch.compile", "copy": "copy"}


@dataclass(frozen=True)
class Result:
    row: Row
    elements: int
    bytes: int
    rounds: int
    ns: dict[str, list[float]]  # quartiles per call, by contender
    ratio: dict[str, list[float]]  # quartiles of contender / ours
    form: dict[str, str]

    def median(self, kind: str) -> float:
        """Times as fast as that contender."""
        return self.ratio[kind][1]

    @property
    def slow(self) -> bool:
        return self.median("builtin") < self.row.limit

    def per_element(self, kind: str = "ours") -> float:
        """ns"""
        return self.ns[kind][1] / self.elements

    @property
    def rate(self) -> float:
        """GB/s of ours"""
        return self.bytes / self.ns["ours"][1]


def results(run: dict) -> list[Result]:
    return [Result(**found | {"row": Row(**found["row"])}) for found in run["results"] if "error" not in found]


def failures(run: dict) -> list[str]:
    return [f"{Row(**found['row'])}: {found['error']}" for found in run["results"] if "error" in found]


def judged(run: dict) -> list[tuple[Bar, Result]]:
    """The bars of which the run has a measurement."""
    found = {result.row: result for result in results(run)}
    bars = rows.bars(run["machine"]["capability"])
    return [(bar, found[bar.row]) for bar in bars if bar.row in found and bar.against in found[bar.row].ratio]


# -------------------------------------------------------------------------------------------------------------- numbers


def ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def quartiles(values: list[float]) -> str:
    low, middle, high = map(ratio, values)
    return f"{middle} ({low} to {high})"


def spread(values: list[float]) -> str:
    """Half the distance of the quartiles, as a part of the median."""
    low, middle, high = values
    return f"{(high - low) / (2 * middle):.0%}"


def within(values: list[float]) -> str:
    return f"{ratio(values[1])} ±{spread(values)}"


def nanoseconds(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"


def middle(found: Iterable[Result]) -> float:
    """Geometric mean of the ratios to the builtin."""
    return statistics.geometric_mean([result.median("builtin") for result in found])


# ------------------------------------------------------------------------------------------------------------- terminal


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    return table


def _all_rows(found: list[Result]) -> Table:
    order = sorted(found, key=lambda result: result.median("builtin"))
    slowest, fastest = {id(result) for result in order[:MARKED]}, {id(result) for result in order[-MARKED:]}
    table = _table(
        f"Rows: medians ± half the distance of the quartiles; ▲ {MARKED} fastest, ▼ {MARKED} slowest by builtin / ours",
        "row", "ns/element", "spread", "GB/s", "builtin / ours", "compile / ours", "copy / ours",
    )  # fmt: skip
    for result in found:
        mark, style = (
            ("▲ ", "green") if id(result) in fastest else ("▼ ", "red") if id(result) in slowest else ("", None)
        )
        table.add_row(
            mark + str(result.row),
            nanoseconds(result.per_element()),
            spread(result.ns["ours"]),
            f"{result.rate:.3g}",
            *(within(result.ratio[kind]) if kind in result.ratio else "" for kind in AGAINST),
            style=style,
        )
    return table


def _groups(found: list[Result]) -> Table:
    table = _table("builtin / ours over sizes, threads and layouts", "rows", "slowest", "mean", "fastest")
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in found:
        groups.setdefault((result.row.op, result.row.direction, result.row.dtype), []).append(result)
    means = {name: middle(group) for name, group in groups.items()}
    for name, group in groups.items():
        ratios = [result.median("builtin") for result in group]
        style = "green" if means[name] == max(means.values()) else "red" if means[name] == min(means.values()) else None
        table.add_row(" ".join(name), ratio(min(ratios)), ratio(means[name]), ratio(max(ratios)), style=style)
    return table


def _extremes(found: list[Result]) -> Table:
    table = _table("The fastest ▲ and the slowest ▼ against the builtin", "row", "builtin / ours")
    order = sorted(found, key=lambda result: result.median("builtin"))
    for result in reversed(order[-10:]):
        table.add_row(f"▲ {result.row}", quartiles(result.ratio["builtin"]), style="green")
    for result in order[:10]:
        table.add_row(f"▼ {result.row}", quartiles(result.ratio["builtin"]), style="red")
    return table


def show(run: dict, console: Console) -> None:
    found = results(run)
    if found:
        for table in [_all_rows(found)] if len(found) <= FEW else [_groups(found), _extremes(found)]:
            console.print(table)
    bars = judged(run)
    if bars:
        table = _table("Bars", "row", "against", "at least", "measured", "")
        for bar, result in bars:
            met = bar.met(result.median(bar.against))
            table.add_row(
                str(bar.row),
                AGAINST[bar.against],
                ratio(bar.least),
                quartiles(result.ratio[bar.against]),
                "[green]met[/]" if met else "[bold red]NOT met[/]",
            )
        console.print(table)
    slow = [result for result in found if result.slow]
    for result in sorted(slow, key=lambda result: result.median("builtin")):
        console.print(
            f"[red]slower than the builtin:[/] {result.row}: {quartiles(result.ratio['builtin'])}", highlight=False
        )
    for failure in failures(run):
        console.print(f"[red]not measured:[/] {failure}", highlight=False)
    met = sum(bar.met(result.median(bar.against)) for bar, result in bars)
    console.print(
        f"{met} of {len(bars)} bars met; {len(slow)} of {len(found)} rows slower than the builtin beyond noise"
    )


# ------------------------------------------------------------------------------------------------------------- document


def _bars(run: dict) -> list[str]:
    body = []
    for bar, result in judged(run):
        value = result.median(bar.against)
        verdict = "yes" if bar.met(value) else "**no**"
        body.append(
            [str(bar.row), AGAINST[bar.against], ratio(bar.least), quartiles(result.ratio[bar.against]), verdict]
        )
    return [
        "## Bars",
        "",
        "Times as fast as what is named, at the same instruction set. A call with one element may take 1.15 times the "
        "builtin's (ratio 0.87); at 16M elements no op may be slower than torch's copy of the same bytes (1.00, from "
        f"{rows.NOISE} on it counts as noise). Dice and Maxout at 512K elements are 2048 x 256.",
        "",
        *markdown(["row", "against", "at least", "measured", "met"], body, left=1),
    ]


def _slower(found: list[Result]) -> list[str]:
    slow = sorted((result for result in found if result.slow), key=lambda result: result.median("builtin"))
    lines = [
        "## Rows slower than the builtin",
        "",
        f"Of {len(found)} rows, {len(slow)} are slower beyond noise: the median ratio is below {rows.NOISE}, at one "
        f"element below {rows.CALL:.2f}, in a second and longer measurement too.",
        "",
    ]
    if slow:
        body = [[str(r.row), quartiles(r.ratio["builtin"]), nanoseconds(r.per_element())] for r in slow]
        lines += [*WHY_SLOWER.splitlines(), ""]
        lines += markdown(["row", "builtin / ours", "ours, ns/element"], body, left=1)
    return lines


def _grid(found: list[Result], native: str) -> list[str]:
    lines = [
        "## The grid",
        "",
        "builtin / ours by size: one thread / all processors. Bold: slower.",
        "",
    ]
    table = {result.row: result for result in found}

    def cell(row: Row) -> str:
        values = []
        for threads in rows.THREADS:
            result = table.get(replace(row, threads=threads))
            if result:
                value = ratio(result.median("builtin"))
                values.append(f"**{value}**" if result.slow else value)
        return " / ".join(values)

    sizes = [size for size in rows.SIZES if size != "512K"]
    for direction, what in DIRECTIONS.items():
        body = []
        for op in rows.OPS:
            for dtype in rows.DTYPES:
                for layout in rows.LAYOUTS:
                    cells = [cell(Row(op, direction, dtype, size, 1, layout, native)) for size in sizes]
                    if any(cells):
                        body.append([f"{op} {dtype} {layout}", *cells])
        filled = [i for i in range(1, len(sizes) + 1) if any(line[i] for line in body)]
        if body:
            lines += [f"### {direction}", "", what, ""]
            header = ["", *sizes]
            lines += markdown(
                [header[i] for i in (0, *filled)], [[line[i] for i in (0, *filled)] for line in body], left=1
            )
    return lines


def _costs(found: list[Result], native: str) -> list[str]:
    body = []
    for result in found:
        row = result.row
        if row.capability == native and row.threads == 1 and row.layout == "contiguous" and row.size in ("64K", "16M"):
            cells = [nanoseconds(result.per_element(k)) if k in result.ns else "" for k in ("ours", *AGAINST)]
            name = f"{row.op} {row.direction} {row.dtype} {row.size}"
            body.append([name, *cells, f"{result.rate:.3g}", spread(result.ns["ours"])])
    header = ["one thread, contiguous", "ours", "builtin", "torch.compile", "copy", "ours, GB/s", "spread"]
    return [
        "## Costs",
        "",
        "Nanoseconds per element of the input, medians. The spread is that of ours.",
        "",
        *markdown(header, body, left=1),
    ]


WHY_SLOWER = """Known reasons.

- The backward of sigmoid and tanh takes the result in torch: two or three operations, no exponential. Ours takes the
  input. Near 1 a rounded result has lost the digits of 1 - f, and of the derivative in the tails nothing is left;
  from the input it has all of them ([accuracy.md](accuracy.md)). `accelerate()` leaves these backwards to torch. Where
  the input is strided, the result that torch's takes is contiguous; the same holds for the sigmoid that autograd keeps
  for QuickGELU.
- Softmax, its logarithm and cross-entropy pay for each row (its maximum in three parts, a sum with what its roundings
  lose, a logarithm without loss), which shows where rows have less than about 100 elements, as those of 64 and 4K here
  have (8 and 64), and, beside it, what a call costs.
- Operators with learned parameters, and gated ones, check shapes and plan loops over channels, which shows at 64
  elements; PReLU's own work is a comparison and a product, so that it shows there longest.
- Swish's beta is an argument that the builtin SiLU does not have; Python and the dispatcher must carry it, which shows
  at 64 elements, where Mish, without an argument, is as fast as its builtin or faster.
- GELU (with erf) of contiguous float32 and bfloat16 tensors is oneDNN's in torch. With AVX-512 that is a table of
  polynomials, which one permutation looks up, and no exponential; left of -1 it loses digits, and of -6 all of them
  ([accuracy.md](accuracy.md)). `accelerate()` takes it over all the same: results that are right cost little more.
- A strided input of Swish with a tensor beta and of Maxout is copied first, since the loops over channels want dense
  memory.
"""

LIMITS = """## What limits the loops

Vector instructions of the main loops for each vector of float32 elements, but for loads, stores and moves, from the
machine code (`benchmarks/instructions.py`); additions include comparisons, minima and maxima. x86-64 processors issue
two multiplications, fused with an addition or not, in a cycle, and as many or more of the others; half the
multiplications, with the division beside them, is about the least number of cycles that a vector can take, whatever the
order of instructions.

The bars were set on another machine, and a ratio moves with the speed of the builtin there. Where one is not met, the
loop is near this limit, and the call itself, whose cost the rows of one element show, counts in the ratio at 64K
elements. What was tried: one, two, three and four vectors side by side (four, or two for f' and f'' together, are the
fastest that stay in the registers); a formula of its own for beta = 1; a reciprocal estimate with Newton steps in place
of the division (more instructions, and other bits); polynomials of a lower degree (the 2 ULP are lost); AVX512_BF16's
conversion (it flushes subnormal numbers).

At 16M elements one thread is held up by arithmetic where the costs per element are those of 64K. A step of Dice makes
two tensors of the input's size; under the system's malloc their page faults cost about as much as its arithmetic, as
the rows of 1M elements show, where freed memory is kept.
"""

CUDA = """## CUDA

The CUDA kernels have not been run on a device: none was at hand. What is to be expected of them on an A100, H100, H200
and B200 follows from their machine code, in [cuda.md](cuda.md). `scripts/gpu-check` measures them where there is one.
"""

METHOD = """## How it was measured

Every contender of a row works on the same buffers, standard normal numbers times 2. In a round each takes one sample,
as many calls as take a millisecond, and each in turn is the first of a round; a ratio is the median over the rounds of
the ratio within a round, with its quartiles. Rows that come out slower than the builtin are measured once more, three
times as long. Each instruction set has a process of its own (`ATEN_CPU_CAPABILITY`).

Freed memory is kept by the allocator (`MALLOC_MMAP_MAX_=0`, `MALLOC_TRIM_THRESHOLD_`), on both sides: otherwise the
page faults of fresh tensors cost more than the arithmetic, whoever writes them. The bars of Dice and Maxout are the
exception. They say what a user gets, with the C library's settings ("system's malloc"), since a composite pays page
faults for each tensor that it makes on the way.

The copy is torch's `copy_` between two contiguous tensors, with as many bytes read and written in all as the op must
read and write: two streams for a forward, three for a backward. It runs with as many threads.

Sizes are elements of the input. Layouts: contiguous; channels_last, a batch of images; strided, every second column of
a matrix; cropped, a matrix without its first and last 8 columns. Contiguous inputs of Dice and of Maxout with 4 pieces
are matrices, those of the other ops with channels are images.

The builtin of each op:
"""


def _limits(run: dict) -> list[str]:
    kinds = ("multiply", "divide", "add", "other")
    body = [
        [f"{loop['formula']} {loop['pass']}, {loop['capability']}", *(f"{loop[kind]:.3g}" for kind in kinds)]
        for loop in run.get("instructions", [])
    ]
    return [*LIMITS.splitlines(), "", *markdown(["loop", *kinds], body, left=1)] if body else []


def _unmeasured(found: list[Result], native: str) -> list[str]:
    """What of the grid the run does not have."""
    known, lines = {result.row for result in found}, []
    for threads in rows.THREADS:
        grid = [row for row in rows.grid(native) if row.threads == threads]
        groups: dict[tuple[str, str], list[str]] = {}
        for row in grid:
            if row not in known:
                groups.setdefault((row.layout, row.size), []).append(row.op)
        parts: dict[str, list[str]] = {}
        for (layout, size), ops in groups.items():
            whole = {row.op for row in grid if (row.layout, row.size) == (layout, size)}
            names = list(dict.fromkeys(ops))
            parts.setdefault(layout, []).append(size + ("" if set(names) == whole else f" ({', '.join(names)})"))
        if parts:
            text = "; ".join(f"{layout} {', '.join(sizes)}" for layout, sizes in parts.items())
            lines.append(f"- {threads} thread{'s' * (threads > 1)}: {text}")
    return ["Rows of the grid that were not measured in full:", "", *lines, ""] if lines else []


def document(run: dict, plot: str) -> str:
    found, native = results(run), run["machine"]["capability"]
    lines = [
        "# Performance",
        "",
        f"Written by `{run['command']}`. {machine.sentence(run['machine'])}.",
        "",
        *(
            f"{update['rows']} rows were measured by `{update['command']}`: {machine.sentence(update['machine'])}.\n"
            for update in run.get("updates", [])
        ),
        "A ratio of 2 means that Actinium takes half the time. An absolute time means nothing on another machine.",
        "",
        *_unmeasured(found, native),
        f"![time against a copy of the same bytes]({plot})",
        "",
        *_bars(run),
        *_slower(found),
        *_limits(run),
        *_costs(found, native),
        *_grid(found, native),
        *CUDA.splitlines(),
        "",
        *METHOD.splitlines(),
        "",
        *(f"- {op}: {contender}" for op, contender in CONTENDERS.items()),
        "",
    ]
    failed = failures(run)
    if failed:
        lines += ["Not measured:", "", *(f"- {failure}" for failure in failed), ""]
    return "\n".join(lines)


# ----------------------------------------------------------------------------------------------------------------- plot


def draw(run: dict, path: Path) -> None:
    """Time over that of a copy of the same bytes, by size: float32, one thread, contiguous."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "actinium"  # the same figures give the same file
    import matplotlib.pyplot as plt

    native = run["machine"]["capability"]

    def drawn(direction: str) -> Callable[[Result], bool]:
        wanted = (direction, "float32", 1, "contiguous", native, "kept")
        return lambda result: "copy" in result.ratio and wanted == (
            result.row.direction, result.row.dtype, result.row.threads, result.row.layout, result.row.capability,
            result.row.allocator,
        )  # fmt: skip

    groups = (rows.POINTWISE, rows.COMPOSITES)
    figure, grid = plt.subplots(len(groups), 2, figsize=(11, 8), sharex=True, sharey=True, layout="constrained")
    for ops, panels in zip(groups, grid, strict=True):
        colours = plt.get_cmap("tab20").colors
        for axes, direction in zip(panels, ("forward", "backward"), strict=True):
            found = list(filter(drawn(direction), results(run)))
            for op, colour in zip(ops, colours, strict=False):
                line = sorted((result for result in found if result.row.op == op), key=lambda result: result.elements)
                sizes = [result.elements for result in line]
                ours = [1 / result.median("copy") for result in line]
                theirs = [result.median("builtin") / result.median("copy") for result in line]
                axes.plot(sizes, ours, color=colour, marker="o", markersize=3, label=op)
                axes.plot(sizes, theirs, color=colour, linestyle=":", linewidth=1)
            axes.axhline(1, color="0.4", linewidth=0.9)
            axes.set(title=direction, xlabel="elements", yscale="log")
            axes.set_xscale("log", base=2)
            axes.grid(alpha=0.25)
        panels[0].set_ylabel("time / time of a copy of the same bytes")
        panels[1].legend(
            loc="upper left", bbox_to_anchor=(1, 1), title="actinium\n(dotted: builtin)", fontsize=8, title_fontsize=8
        )
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def write(run: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plot = path.with_suffix(".svg")
    draw(run, plot)
    path.write_text(document(run, plot.name))
