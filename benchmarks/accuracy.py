"""Measures how far f, f' and f'' of every activation are from the exact values: all float32, bfloat16 and float16
inputs and 10^8 chosen float64, for every instruction set of this machine, ours and the builtin.

It can be stopped (Ctrl-C) and started again: what is finished stays in build/accuracy/ and counts as long as the
library and the worker are the same files. scripts/accuracy builds both and runs this.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from rows import POINTWISE

ROOT = Path(__file__).resolve().parents[1]
OPS = (*POINTWISE, "dice")
DTYPES = ("float32", "float64", "bfloat16", "float16")
CAPABILITIES = ("default", "avx2", "avx512")
PASSES = ("f", "f'", "f''")
REGIONS = ("near", "tail")  # |x| <= 8, beyond
SIDES = ("ours", "builtin")

STEP = 997  # every so many float32 in a sample
WIDE = 100_000_000  # float64 inputs
BETAS = (1.702, -1.5)


def sample(text: str) -> dict[str, int]:
    """The step of each instruction set that "16" or "default=16" names."""
    name, _, step = text.rpartition("=")
    if name not in ("", *CAPABILITIES):
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(CAPABILITIES)}")
    if not step.isdecimal() or int(step) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {step!r}")
    return dict.fromkeys([name] if name else CAPABILITIES, int(step))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=os.environ.get("ACCURACY_PROGRAM"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit status: 0 every bound that was measured is met, 1 one is not, 2 an error, 130 stopped.",
    )
    parser.add_argument("--quick", action="store_true", help=f"a sample of one minute: every {STEP}th float32, all "
                        f"16-bit inputs, {WIDE // 1000:,} float64")  # fmt: skip
    parser.add_argument("--every", action="append", type=sample, default=[], metavar="[CAPABILITY=]N",
                        help="every N-th float32 instead of all, of every instruction set or of one; may be "
                        "repeated")  # fmt: skip
    for name, choices in (("op", OPS), ("dtype", DTYPES), ("capability", CAPABILITIES)):
        parser.add_argument(f"--{name}", action="append", choices=choices, help="only this; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="processes, of one thread each (default: %(default)s)")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE", help="the report, with a plot beside it (default: "
                        "docs/accuracy.md after a complete run, none after a part of it)")  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="measure again what has been measured")
    parser.add_argument("--worker", type=Path, metavar="FILE", help="the program that measures a chunk (default: that "
                        "of build/torch-VERSION)")  # fmt: skip
    chosen = parser.parse_args()
    chosen.every = dict(ChainMap(*chosen.every[::-1], dict.fromkeys(CAPABILITIES, 1)))
    if chosen.jobs < 1:
        parser.error(f"argument --jobs: must be at least 1, got {chosen.jobs}")
    return chosen


if __name__ == "__main__":
    arguments = options()  # before the imports, which take seconds, and an environment

os.environ.pop("ATEN_CPU_CAPABILITY", None)  # the best one is the machine's

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import (  # noqa: E402
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table  # noqa: E402

import family_accuracy  # noqa: E402
import machine  # noqa: E402
from markdown_table import markdown, ulps  # noqa: E402

# ------------------------------------------------------------------------------------------------------------ chunks

Key = tuple[str, str, str]  # function, dtype, capability


@dataclasses.dataclass(frozen=True)
class Chunk:
    """What one process measures: `count` bit patterns, every `step`-th from `first` on, or random float64."""

    op: str
    dtype: str
    capability: str
    count: int
    beta: float = 1.0
    first: int = 0
    step: int = 1
    seed: int = 0

    @property
    def key(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @property
    def name(self) -> str:
        return self.op if self.beta == 1 else f"{self.op}(beta={self.beta:g})"

    @property
    def of(self) -> Key:
        return self.name, self.dtype, self.capability

    @property
    def sampled(self) -> bool:
        """Whether this function is measured on a sample of its float32 inputs, even in a complete run."""
        return self.op == "dice" or self.beta != 1

    @property
    def cost(self) -> float:
        """Seconds it takes about, of one processor."""
        each = 550 if self.dtype == "float64" else 80 if self.capability == "default" else 25
        return 0.5 + each * 1e-9 * self.count

    def command(self, worker: Path) -> list[str]:
        given = dataclasses.asdict(self)
        del given["capability"]
        del given["seed" if self.dtype != "float64" else "first"]
        if self.dtype == "float64":
            del given["step"]
        return [str(worker), *(str(word) for name, value in given.items() for word in (f"--{name}", value))]


def plan(chosen: argparse.Namespace, capabilities: Iterable[str]) -> list[Chunk]:
    """The chunks of a run, about ten seconds each, the short ones first, and last what takes most of the time: float32
    without vector instructions."""
    chunks = []
    for capability in capabilities:
        for op, beta in [*((op, 1.0) for op in OPS), *(("swish", beta) for beta in BETAS)]:
            for dtype in DTYPES:
                base = Chunk(op, dtype, capability, count=1 << 16, beta=beta)
                if dtype == "float64":
                    samples, size = (WIDE // 1000, WIDE) if chosen.quick else (WIDE, WIDE // 5)
                    if not base.sampled:
                        for seed in range(-(-samples // size)):
                            chunks.append(dataclasses.replace(base, count=min(size, samples), seed=seed + 1))
                elif dtype != "float32":
                    chunks.append(base)
                elif chosen.quick or base.sampled or chosen.every[capability] > 1:
                    step = STEP if chosen.quick or base.sampled else chosen.every[capability]
                    chunks.append(dataclasses.replace(base, count=-(-(1 << 32) // step), step=step))
                else:
                    size = 1 << (27 if capability == "default" else 28)
                    chunks += [dataclasses.replace(base, count=size, first=at) for at in range(0, 1 << 32, size)]
    for name in ("op", "dtype", "capability"):
        if getattr(chosen, name):
            chunks = [chunk for chunk in chunks if getattr(chunk, name) in getattr(chosen, name)]

    def order(chunk: Chunk) -> tuple:
        slow = chunk.dtype == "float32" and chunk.capability == "default"
        return slow, DTYPES[::-1].index(chunk.dtype), chunk.op, chunk.beta, chunk.first

    return sorted(chunks, key=order)


class Results:
    """Finished chunks, kept in a file that belongs to these very programs."""

    def __init__(self, worker: Path, library: Path, fresh: bool):
        digest = hashlib.sha256(torch.__version__.encode())
        for file in (worker, library):
            digest.update(file.read_bytes())
        self.file = ROOT / "build" / "accuracy" / f"{digest.hexdigest()[:16]}.jsonl"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            self.file.unlink(missing_ok=True)
        self.of: dict[str, dict] = {}
        if self.file.exists():
            text = self.file.read_text()
            for line in text.splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:  # the machine stopped while it was written
                    continue
                self.of[json.dumps(entry["chunk"])] = entry["result"]
            if text and not text.endswith("\n"):
                self.file.write_text("".join(self._line(key, result) for key, result in self.of.items()))

    @staticmethod
    def _line(key: str, result: dict) -> str:
        return json.dumps({"chunk": json.loads(key), "result": result}) + "\n"

    def __contains__(self, chunk: Chunk) -> bool:
        return chunk.key in self.of

    def __getitem__(self, chunk: Chunk) -> dict:
        return self.of[chunk.key]

    def add(self, chunk: Chunk, result: dict) -> None:
        self.of[chunk.key] = result
        with self.file.open("a") as out:
            out.write(self._line(chunk.key, result))


# --------------------------------------------------------------------------------------------------------------- run


class Pool:
    """Runs chunks in processes that end with this one."""

    def __init__(self, worker: Path, jobs: int):
        self.worker = worker
        self.executor = ThreadPoolExecutor(jobs)
        self.processes: set[subprocess.Popen] = set()
        self.lock = threading.Lock()
        self.stopped = False

    def measure(self, chunk: Chunk) -> dict:
        with self.lock:
            if self.stopped:
                raise InterruptedError
            process = subprocess.Popen(
                chunk.command(self.worker),
                env=machine.restricted_to(chunk.capability),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for this process alone, which stops the others
            )
            self.processes.add(process)
        out, errors = process.communicate()
        with self.lock:
            self.processes.discard(process)
            if self.stopped:
                raise InterruptedError
        if process.returncode:
            raise RuntimeError(f"{' '.join(chunk.command(self.worker))} ({chunk.capability}) failed:\n{errors or out}")
        result = json.loads(out)
        if result["capability"].lower() != chunk.capability:
            raise RuntimeError(f"asked for {chunk.capability}, the worker ran {result['capability']}")
        return result

    def run(self, chunks: list[Chunk]) -> Iterator[tuple[Chunk, dict]]:
        pending: dict[Future, Chunk] = {self.executor.submit(self.measure, chunk): chunk for chunk in chunks}
        try:
            while pending:
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(future), future.result()
        finally:
            with self.lock:
                self.stopped = True
                for process in self.processes:
                    process.kill()
            self.executor.shutdown(cancel_futures=True)


def worst_share(result: dict) -> float:
    return max(found["share"] for at in result["ours"]["passes"] for found in at.values())


def measure_all(chunks: list[Chunk], results: Results, pool: Pool, console: Console) -> None:
    """Measures what is missing and shows how far it is; every finished chunk is in the file at once."""
    missing = [chunk for chunk in chunks if chunk not in results]
    if len(missing) < len(chunks):
        console.print(f"{len(chunks) - len(missing)} of {len(chunks)} chunks are known from before, in {results.file}")
    worst = max((worst_share(results[chunk]) for chunk in chunks if chunk in results), default=0.0)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %, chunks"),
        TextColumn("{task.fields[done]}/" + str(len(chunks))),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    done, spoken, start = len(chunks) - len(missing), time.monotonic(), time.monotonic()
    total = sum(chunk.cost for chunk in missing)
    finished = 0.0
    with Progress(*columns, console=console, speed_estimate_period=600) as bar:
        task = bar.add_task("measuring", total=total, done=done)
        for chunk, result in pool.run(missing):
            results.add(chunk, result)
            done += 1
            finished += chunk.cost
            worst = max(worst, worst_share(result))
            note = f"{chunk.name} {chunk.dtype} {chunk.capability}; worst so far {worst:.3f} of its bound"
            bar.update(task, advance=chunk.cost, description=note, done=done)
            if not console.is_terminal and time.monotonic() > spoken + 30:
                spoken = time.monotonic()
                left = (spoken - start) * (total / finished - 1)
                console.print(f"{done}/{len(chunks)} chunks, {left / 60:.0f} min left; {note}")


# ----------------------------------------------------------------------------------------------------------- figures


@dataclasses.dataclass(frozen=True)
class Worst:
    """The input whose error is the largest share of the bound, and that error. Hexadecimal floats."""

    share: float
    ulp: float
    x: str
    got: str
    want: str

    @staticmethod
    def of(found: dict) -> "Worst":
        return Worst(*(found[field.name] for field in dataclasses.fields(Worst)))


@dataclasses.dataclass
class Found:
    """One implementation's f, f' or f'' over some region."""

    count: int = 0
    beyond: int = 0  # inputs whose error is above the bound
    worst: Worst | None = None

    def add(self, found: dict) -> None:
        self.count += found["count"]
        self.beyond += found["beyond"]
        if found["count"] and (self.worst is None or found["share"] > self.worst.share):
            self.worst = Worst.of(found)

    def __add__(self, other: "Found") -> "Found":
        both = [found.worst for found in (self, other) if found.worst]
        return Found(
            self.count + other.count, self.beyond + other.beyond, max(both, key=lambda worst: worst.share, default=None)
        )


@dataclasses.dataclass
class Figures:
    """Of one function, dtype and capability."""

    regions: dict[tuple[str, int, str], Found] = dataclasses.field(default_factory=lambda: defaultdict(Found))
    binades: dict[str, dict[int, list[float]]] = dataclasses.field(default_factory=lambda: defaultdict(dict))
    passes: int = 0

    def whole(self, side: str, at: int) -> Found:
        return self.regions[side, at, "near"] + self.regions[side, at, "tail"]


def percent(found: Found) -> str:
    """How many inputs are beyond the bound."""
    part = found.beyond / max(found.count, 1)
    return "0" if not part else "< 0.01 %" if part < 1e-4 else f"{100 * part:.2f} %"


def unfinished(chunks: list[Chunk], results: Results) -> set[Key]:
    return {chunk.of for chunk in chunks if chunk not in results}


def gather(chunks: list[Chunk], results: Results) -> dict[Key, Figures]:
    """Of what is finished."""
    figures: dict[Key, Figures] = defaultdict(Figures)
    open_keys = unfinished(chunks, results)
    for chunk in chunks:
        if chunk.of in open_keys:
            continue
        of = figures[chunk.of]
        for side in SIDES:
            result = results[chunk][side]
            of.passes = len(result["passes"])
            for at, regions in enumerate(result["passes"]):
                for region in REGIONS:
                    of.regions[side, at, region].add(regions[region])
            of.binades[side] |= {int(bits): shares for bits, shares in result["binades"].items()}
    return dict(figures)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table; capabilities that gave the same figures share it."""

    function: str
    at: int
    capabilities: tuple[str, ...]
    ours: Found
    builtin: Found

    @property
    def figures(self) -> tuple:
        """What a report shows of it."""
        return self.ours, self.builtin.worst, percent(self.builtin)

    @property
    def met(self) -> bool:
        return self.ours.worst is not None and self.ours.worst.share <= 1


def rows(figures: dict[Key, Figures], dtype: str, sampled: bool) -> list[Row]:
    made: list[Row] = []
    by_function: dict[str, dict[str, Figures]] = defaultdict(dict)
    for (function, of_dtype, capability), of in figures.items():
        if of_dtype == dtype and sampled == (function not in POINTWISE):
            by_function[function][capability] = of
    for function, by_capability in by_function.items():
        for at in range(max(of.passes for of in by_capability.values())):
            same: list[Row] = []
            for capability in sorted(by_capability, key=CAPABILITIES.index):
                ours, builtin = (by_capability[capability].whole(side, at) for side in SIDES)
                row = Row(function, at, (capability,), ours, builtin)
                if same and same[-1].figures == row.figures:
                    same[-1] = dataclasses.replace(same[-1], capabilities=(*same[-1].capabilities, capability))
                else:
                    same.append(row)
            made += same
    return sorted(made, key=lambda row: (OPS.index(row.function.partition("(")[0]), row.function, row.at))


# ------------------------------------------------------------------------------------------------------------ report


def decimal(text: str) -> str:
    """A hexadecimal float, which may have more digits than float64, in a few decimal digits."""
    return f"{float.fromhex(text):.6g}"


OURS = ("", "", "instruction set", "ULP", "share of bound", "at x", "x", "got", "wanted")
BUILTIN = ("builtin: ULP", "at x", "got", "wanted", "inputs beyond the bound")


def line(row: Row) -> list[str]:
    ours, builtin = row.ours.worst, row.builtin.worst
    assert ours and builtin
    share = f"{ours.share:.3f}" if row.met else f"**{ulps(ours.share)}, NOT MET ({row.ours.beyond:,} inputs)**"
    return [
        row.function,
        PASSES[row.at],
        ", ".join(row.capabilities),
        ulps(ours.ulp),
        share,
        decimal(ours.x),
        *(f"`{text}`" for text in (ours.x, ours.got, ours.want)),
        ulps(builtin.ulp),
        *(decimal(text) for text in (builtin.x, builtin.got, builtin.want)),
        percent(row.builtin),
    ]


def tails(figures: dict[Key, Figures], dtype: str) -> tuple[str, list[list[str]]]:
    """The best instruction set's figures for |x| > 8 alone."""
    capability = max((key[2] for key in figures if key[1] == dtype), key=CAPABILITIES.index)
    lines = []
    for function in POINTWISE:
        of = figures.get((function, dtype, capability))
        for at in range(of.passes if of else 0):
            ours, builtin = (of.regions[side, at, "tail"] for side in SIDES)
            if ours.worst and builtin.worst:
                lines.append(
                    [function, PASSES[at]]
                    + [ulps(ours.worst.ulp), decimal(ours.worst.x)]
                    + [ulps(builtin.worst.ulp), *(decimal(getattr(builtin.worst, it)) for it in ("x", "got", "want"))]
                    + [percent(builtin)]
                )
    return capability, lines


HEAD = """\
f, f' and f'' as the operators store them (forward, backward and double backward, gradients of 1), ours and the builtin
(`at::mish`, `at::silu`, `at::gelu` of either form, ...; for quick_gelu `x * sigmoid(1.702 * x)`; its f'' is what
autograd makes of its backward), against a reference of higher precision: double for float32 and the 16-bit types,
`__float128` for float64. An error is counted in units in the last place (ULP) of the exact result, in the format of
the output; the spacing of subnormal numbers is the smallest unit. A NaN or an infinity where the exact value is none,
a zero where it is a normal number, and f(-0) = +0 are infinitely many ULP. Derivatives at a kink are those of its left
side. The worst input is the one whose error is the largest share of the bound:
"""
BOUNDS = """\
| dtype | inputs of each activation | f | f', f'' |
| --- | --- | --- | --- |
| float32 | {float32} | 2 ULP | 4 ULP, or 2^-23 absolute where abs(x) <= 8 |
| float64 | {float64:,} | 4 ULP | 4 ULP, or 2^-52 absolute where abs(x) <= 8 |
| bfloat16, float16 | all 65,536 | 0.501 ULP | 0.501 ULP |

Near a root of f' or f'' the absolute bound holds, and the number of ULP can be larger than 4. The float64 inputs are
random and dense near 0, near the roots of f, f' and f'', in the tails and at both ends of the range. Input, got and
wanted are hexadecimal floats. Instruction sets with the same figures share a row. AVX2 and AVX-512 give the same bits
(`tests/python/test_capabilities.py`), so that what stands for avx2 holds for avx512, too, where that has no figures.
"""
TAILS = """\
abs(x) > 8, {capability}, where the builtin's SiLU and both its forms of GELU lose every digit.
"""
SAMPLES = f"""\
Swish with other beta, for which |beta x| <= 8 takes the place of |x| <= 8 and f'' may be |beta| 2^-23 off, and Dice in
evaluation (alpha 0.25, mean 0, variance 1, eps 1e-8). Dice's bound is 4 units of the sum of the magnitudes of its
terms, in which its float32 errors are counted, and half a unit of the result more for the 16-bit types. Every
{STEP}th float32 and all 16-bit inputs; beside them the same formula in the builtin's ops.
"""


WHY = """\
Why, and what was tried. Processors without AVX2 (`default`) have no fused multiply-add, and float64, which has nothing
wider to be computed in there, rounds twice where the others round once; fused operations in the 80 bits of the x87 meet
the bound and are many times slower than torch's own kernels.
"""


def failures(every: dict[str, list[Row]], families: list[family_accuracy.Figure]) -> str:
    lines = [
        f"- {row.function} {PASSES[row.at]}, {dtype}, {', '.join(row.capabilities)}: {ulps(worst.share)} of the bound "
        f"({ulps(worst.ulp)} ULP) at {decimal(worst.x)}; beyond the bound: {row.ours.beyond:,} of {row.ours.count:,}"
        for dtype, of in every.items()
        for row in of
        if (worst := row.ours.worst) and not row.met
    ] + [f"- {figure}" for figure in families if not figure.met]
    return "\n".join(["**Bounds that are not met:**\n", *lines, "", WHY]) if lines else "**Every bound is met.**\n"


def counts(of: list[Row]) -> str:
    return " to ".join(sorted({f"{row.ours.count:,}" for row in of}))


def missing(keys: set[Key]) -> str:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for function, dtype, capability in sorted(keys):
        groups[dtype, capability].append(function)
    parts = [f"{dtype}, {capability}: {', '.join(functions)}" for (dtype, capability), functions in groups.items()]
    return f"**Not measured yet**, since the run was stopped: {'; '.join(parts)}.\n"


def report(
    figures: dict[Key, Figures],
    plot: str,
    command: str,
    whole_plan: bool,
    left: set[Key],
    families: list[family_accuracy.Figure],
) -> str:
    whole = {dtype: of for dtype in DTYPES if (of := rows(figures, dtype, sampled=False))}
    sampled = {dtype: of for dtype in DTYPES if (of := rows(figures, dtype, sampled=True))}
    text = [
        "# Accuracy\n",
        f"Written by `{command}`, which measures again; do not edit.\\",
        f"{machine.sentence(machine.describe())}.\n",
    ]
    if not whole_plan:
        text.append("**This is a part of the whole: a sample, or a run that was narrowed.**\n")
    if left:
        text.append(missing(left))
    every = {dtype: whole.get(dtype, []) + sampled.get(dtype, []) for dtype in DTYPES}
    measured = sorted({key[2] for key in figures}, key=CAPABILITIES.index)
    steps = {name: f"every {step}th" if (step := arguments.every[name]) > 1 else "all 2^32" for name in measured}
    alike = len(set(steps.values())) == 1
    inputs = steps[measured[0]] if alike else "; ".join(f"{name} {which}" for name, which in steps.items())
    text += [HEAD, BOUNDS.format(float32=inputs, float64=WIDE), failures(every, families)]
    if "float32" in whole:
        capability, lines = tails(figures, "float32")
        header = ("", "", "ULP", "at x", "builtin: ULP", "at x", "got", "wanted", "inputs beyond the bound")
        text += [
            f"![Worst error in each binade of x, float32]({plot})\n",
            "## float32, the tails\n",
            TAILS.format(capability=capability),
            "\n".join(markdown(header, lines)),
        ]
    for dtype, of in whole.items():
        text += [
            f"## {dtype}\n",
            f"{counts(of)} inputs of each activation.\n",
            "\n".join(markdown(OURS + BUILTIN, map(line, of))),
        ]
    if sampled:
        text += ["## Samples\n", SAMPLES]
    for dtype, of in sampled.items():
        text += [f"{dtype}, {counts(of)} inputs:\n", "\n".join(markdown(OURS + BUILTIN, map(line, of)))]
    if families:
        text += family_accuracy.section(families)
    return "\n".join(text)


def draw(figures: dict[Key, Figures], file: Path) -> None:
    """The worst error in each binade of x, float32, f and f', with the best instruction set."""
    capability = max((key[2] for key in figures if key[1] == "float32"), key=CAPABILITIES.index)
    shown = [op for op in POINTWISE if (op, "float32", capability) in figures]
    infinite = 1e9  # where infinitely many ULP are drawn
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "actinium", "font.size": 8}
    figure, grid = plt.subplots(len(shown), 2, figsize=(9, 2 * len(shown)), sharex=True, sharey=True, squeeze=False)
    for axes, op in zip(grid, shown, strict=True):
        for at, (axis, bound) in enumerate(zip(axes, (2, 4), strict=True)):
            for side, colour in zip(SIDES[::-1], ("tab:orange", "tab:blue"), strict=True):
                binades = figures[op, "float32", capability].binades[side]
                bits = np.array(sorted(binades), np.uint32)
                x = bits.view(np.float32) * 1.5
                height = np.clip([bound * binades[int(b)][at] for b in bits], 0.03, infinite)
                order = np.argsort(x)
                keep = np.isfinite(x[order])
                axis.plot(x[order][keep], height[order][keep], color=colour, label=side, drawstyle="steps-mid", lw=1)
            axis.axhline(bound, color="grey", lw=0.7, ls="--")
            axis.set_title(f"{op} {PASSES[at]}", loc="left", pad=3)
    axis = grid[0, 0]
    axis.set_xscale("symlog", base=2, linthresh=2.0**-6, linscale=0.5)
    axis.set_xlim(-512, 512)
    axis.set_xticks([sign * 2.0**e for sign in (-1, 1) for e in (-4, 0, 3, 6, 8)] + [0])
    axis.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axis.minorticks_off()
    axis.set_yscale("log")
    axis.set_ylim(0.03, 3 * infinite)
    axis.set_yticks([0.1, 1, 1e3, 1e6, infinite], ["0.1", "1", "1e3", "1e6", "∞"])
    for at, axis in enumerate(grid[-1]):
        axis.set_xlabel("x" if at == 0 else "x; f' in ULP of max(|f'|, 1/4) where |x| <= 8, as its bound allows")
    for axis in grid[:, 0]:
        axis.set_ylabel("ULP")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="upper right", ncols=2, frameon=False)
    figure.suptitle(f"Worst error in each binade of x, float32, {capability}; dashed: the bound", x=0.07, ha="left")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def show(figures: dict[Key, Figures], console: Console) -> bool:
    """Prints a table; whether every bound is met."""
    table = Table(title="Worst error: ours, and the builtin")
    for name in ("dtype", "function", "", "instruction set", "inputs", "ULP", "share of bound", "at x", "builtin ULP"):
        table.add_column(name, justify="left" if name in ("dtype", "function", "", "instruction set") else "right")
    table.add_column("at x", justify="right")
    met = True
    for dtype in DTYPES:
        for row in (*rows(figures, dtype, sampled=False), *rows(figures, dtype, sampled=True)):
            ours, builtin = row.ours.worst, row.builtin.worst
            if not ours or not builtin:
                continue
            met &= row.met
            share = f"[green]{ours.share:.3f}[/]" if row.met else f"[bold red]{ulps(ours.share)} NOT MET[/]"
            table.add_row(
                *(dtype, row.function, PASSES[row.at], ", ".join(row.capabilities), f"{row.ours.count:,}"),
                *(ulps(ours.ulp), share, decimal(ours.x), ulps(builtin.ulp), decimal(builtin.x)),
            )
        table.add_section()
    console.print(table)
    return met


# -------------------------------------------------------------------------------------------------------------- main


def main() -> int:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    worker = arguments.worker or ROOT / "build" / f"torch-{torch.__version__.partition('+')[0]}/benchmarks/accuracy"
    library = worker.parents[1] / "libactinium.so"
    for file in (worker, library):
        if not file.exists():
            console.print(f"{file} is not there; scripts/accuracy builds it", style="red")
            return 2
    best = torch.backends.cpu.get_cpu_capability().lower()
    here = CAPABILITIES[: CAPABILITIES.index(best) + 1]
    if missing := set(arguments.capability or ()) - set(here):
        console.print(f"this machine does not have {', '.join(sorted(missing))}", style="red")
        return 2
    chunks = plan(arguments, here)
    if not chunks:
        console.print("nothing to measure: dice and swish with a beta have no float64 sample", style="red")
        return 2

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as Ctrl-C does
    results = Results(worker, library, arguments.fresh)
    part = arguments.op or arguments.dtype or arguments.capability
    # They are measured with the best instruction set alone.
    left_out = arguments.op or arguments.dtype or best not in (arguments.capability or here)
    families = [] if left_out else family_accuracy.measure(library)
    stopped = False
    try:
        measure_all(chunks, results, Pool(worker, arguments.jobs), console)
    except KeyboardInterrupt:
        stopped = True
    except RuntimeError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    figures = gather(chunks, results)
    met = show(figures, console)
    for figure in families:
        if not figure.met:
            console.print(f"{figure}: [bold red]NOT MET[/]")
            met = False
    console.print("Every bound that was measured is met." if met else "[bold red]There are bounds that are not met.[/]")
    whole = not (arguments.quick or part or any(arguments.every[name] > 1 for name in here))
    complete = whole and not stopped
    output = arguments.output or (ROOT / "docs" / "accuracy.md" if complete else None)
    if output and figures:
        plot = output.with_suffix(".svg")
        if any(key[1] == "float32" and key[0] in POINTWISE for key in figures):
            draw(figures, plot)
        command = " ".join([os.environ.get("ACCURACY_PROGRAM") or "benchmarks/accuracy.py", *sys.argv[1:]])
        left = unfinished(chunks, results)
        output.write_text(report(figures, plot.name, command, whole, left, families))
        console.print(f"Report: {output}")
    if stopped:
        console.print("Stopped. The same command goes on from here.")
        return 130
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
