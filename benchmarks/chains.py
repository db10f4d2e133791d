"""Measures what torch.compile makes of an activation amid other operations: fused with them (actinium.fuse()),
or as a call of Actinium's kernel, as it is from the start. Writes docs/fusion.md.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from time import perf_counter_ns
from types import FunctionType

import bench
import machine
from rows import POINTWISE

DOCUMENT = bench.ROOT / "docs" / "fusion.md"
CHAINS = {
    "act(x) + z": lambda act, x, bias, z: act(x) + z,
    "act(x + bias) * z": lambda act, x, bias, z: act(x + bias) * z,
}
SHAPES = ((256, 256), (2048, 1024))
DTYPES = ("float32", "bfloat16")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=os.environ.get("BENCH_PROGRAM"), description=__doc__)
    parser.add_argument("--seconds", type=bench.positive, default=0.3, metavar="S", help="for each row, about")
    parser.add_argument("--output", type=Path, default=DOCUMENT, metavar="FILE", help="default: docs/fusion.md")
    return parser.parse_args()


def interleaved(calls: dict, seconds: float) -> dict[str, float]:
    """The median nanoseconds of each call, taken in turns."""
    taken = {name: [] for name in calls}
    for call in calls.values():
        call()
    end = perf_counter_ns() + seconds * 1e9
    while perf_counter_ns() < end or len(next(iter(taken.values()))) < 15:
        for name, call in calls.items():
            start = perf_counter_ns()
            call()
            taken[name].append(perf_counter_ns() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def measure(op: str, chain: str, shape: tuple, dtype: str, seconds: float) -> dict:
    import torch

    import actinium

    def run(x, bias, z):
        return CHAINS[chain](getattr(torch.ops.actinium, op), x, bias, z)

    torch.manual_seed(0)
    x, z, g = (torch.randn(shape).mul(2).to(getattr(torch, dtype)) for _ in range(3))
    bias = torch.randn(shape[-1]).to(x.dtype)
    leaves = [t.clone().requires_grad_() for t in (x, bias, z)]

    def step(compiled):
        for leaf in leaves:
            leaf.grad = None
        compiled(*leaves).backward(g)

    def forward(compiled):
        with torch.no_grad():
            compiled(x, bias, z)

    torch.compiler.reset()
    medians = {}
    for direction, call in (("forward", forward), ("step", step)):
        calls = {}
        for name, fused in (("kernel", False), ("fused", True)):
            # A code object each: torch keeps by it what it compiled.
            own = FunctionType(run.__code__.replace(), run.__globals__, closure=run.__closure__)
            compiled = torch.compile(own, fullgraph=True)
            with actinium.fuse(fused):
                call(compiled)
            calls[name] = lambda call=call, compiled=compiled: call(compiled)
        medians[direction] = interleaved(calls, seconds)
    return medians


def main() -> None:
    given = options()
    here = machine.describe()
    wanted = bench.environment(here["capability"], "kept") | {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)

    import torch
    from rich.progress import track

    torch.set_num_threads(1)
    rows = [(op, chain, shape, dtype) for dtype in DTYPES for shape in SHAPES for chain in CHAINS for op in POINTWISE]
    measured = {row: measure(*row, given.seconds) for row in track(rows, "chains")}

    lines = [
        "# Fused, or a call of the kernel",
        "",
        "Written by `scripts/bench --chains`, which measures again; do not edit.\\",
        machine.sentence(here),
        "",
        "What `torch.compile` makes of an activation amid other operations, by its default backend on one thread: "
        "fused with them (`actinium.fuse()`), or a call of Actinium's kernel (as from the start). Medians in "
        "microseconds, of calls in turns, and how many times as fast the fused form is.",
        "",
        "| dtype | shape | chain | op | forward: kernel | fused | ratio | step: kernel | fused | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    ratios: dict[tuple, list[float]] = {}
    for (op, chain, shape, dtype), medians in measured.items():
        cells = [dtype, " x ".join(map(str, shape)), f"`{chain}`", op]
        for direction, each in medians.items():
            ratio = each["kernel"] / each["fused"]
            ratios.setdefault((dtype, direction), []).append(ratio)
            cells += [f"{each['kernel'] / 1e3:,.0f}", f"{each['fused'] / 1e3:,.0f}", f"{ratio:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    means = ", ".join(
        f"{dtype} {direction} {statistics.geometric_mean(each):.2f}" for (dtype, direction), each in ratios.items()
    )
    every = statistics.geometric_mean([ratio for each in ratios.values() for ratio in each])
    lines += ["", f"Geometric means of the ratio: {means}; of all {every:.2f}."]
    given.output.write_text("\n".join(lines) + "\n")
    print(lines[-1])
    print(f"report: {given.output}")


if __name__ == "__main__":
    main()
