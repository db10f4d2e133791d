"""Measures every operator against torch's builtin or the composite that users write, against torch.compile of that, and
against a copy of the same bytes, interleaved in one run; and says which bars are met.

A complete run (no option that selects rows) takes about an hour and writes docs/performance-<instruction set>.md with
its plot.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path

import instructions
import rows
from rows import Row

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
DOCUMENT = "docs/performance-{}.md"  # of an instruction set
WIDTH = 160  # columns that a row of the table takes; a narrower terminal breaks it


def positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: a number of seconds above 0 is needed")
    return number


def options() -> argparse.Namespace:
    summary, detail = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(
        prog=os.environ.get("BENCH_PROGRAM"),
        description=summary,
        epilog=f"{detail} With --kernels as the first argument, scripts/bench runs the loops alone through Google "
        "Benchmark instead, with --calls a call at one element in C++, and hands the other arguments to it, such as "
        "--benchmark_filter=Mish.*Float; with --chains it measures what torch.compile gains by fusing.",
    )
    parser.add_argument("--quick", action="store_true", help="the bars and a few rows, in two minutes")
    select = parser.add_argument_group("rows (default: all; several may be named)")
    for name, choices in (
        ("op", rows.OPS),
        ("direction", rows.DIRECTIONS),
        ("dtype", rows.DTYPES),
        ("size", tuple(rows.SIZES)),
        ("layout", rows.LAYOUTS),
        ("capability", rows.CAPABILITIES),
    ):
        select.add_argument(f"--{name}", nargs="+", choices=choices, metavar=name.upper(), help=", ".join(choices))
    threads = ", ".join(map(str, rows.THREADS))
    select.add_argument("--threads", nargs="+", type=int, choices=rows.THREADS, metavar="N", help=threads)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument(
        "--seconds", type=positive, default=0.3, metavar="S", help="for each row, about (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go (default: build/bench/*.json)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the report, *.md, with its plot beside it (default: of a complete "
        "run docs/performance-<instruction set>.md, else none)",
    )  # fmt: skip
    parser.add_argument(
        "--update", type=Path, metavar="FILE", help="replace these rows in an earlier run's JSON file, and report it"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="measure nothing, report what this JSON file holds")
    given = parser.parse_args()
    if given.output and given.output.suffix != ".md":
        parser.error(f"--output {given.output}: a name that ends with .md is needed")
    if given.update and not given.update.is_file():
        parser.error(f"--update {given.update}: there is no such file")
    if given.report and not given.report.is_file():
        parser.error(f"--report {given.report}: no such file")
    return given


SELECTORS = ("op", "direction", "dtype", "size", "layout", "capability", "threads")


def plan(given: argparse.Namespace, native: str) -> list[Row]:
    """The rows that the options ask for."""
    available = rows.CAPABILITIES[rows.CAPABILITIES.index(native) :]
    wanted = given.capability or (native,)
    missing = [name for name in wanted if name not in available]
    if missing:
        sys.exit(f"--capability {missing[0]}: this machine has {', '.join(available)}")
    chosen = [bar.row for bar in rows.bars(native)]
    if given.quick:
        chosen += [
            Row(op, direction, "float32", "64K", 1, "contiguous", native)
            for op in rows.COMPOSITES
            for direction in ("forward", "step")
        ]
    else:
        # What torch.compile makes for a processor crashes where a lower capability was asked for.
        chosen += [
            replace(row, compiled=row.compiled and capability == native)
            for capability in wanted
            for row in rows.grid(capability)
        ]

    def selected(row: Row) -> bool:
        return all(getattr(row, name) in named for name in SELECTORS if (named := getattr(given, name)))

    chosen = [row for row in chosen if selected(row)]
    if given.no_compile:
        chosen = [replace(row, compiled=False) for row in chosen]
    return rows.merged(chosen)


def environment(capability: str, allocator: str) -> dict[str, str]:
    """Of a worker."""
    import machine

    variables = machine.restricted_to(capability) | {
        "TORCHINDUCTOR_CACHE_DIR": str(BUILD / "inductor"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of idle processes
        "PYTHONUNBUFFERED": "1",
    }
    if allocator == "kept":  # glibc: no memory of its own for a large block, and none is handed back
        variables |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 26)}
    return variables


def measured(chosen: list[Row], seconds: float) -> Iterator[dict]:
    """The results, as they come; each capability and allocator in a process of its own."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for (capability, allocator), group in groupby(chosen, key=lambda row: (row.capability, row.allocator)):
        log = BUILD / f"worker-{capability}-{allocator}.log"
        request = {"rows": [asdict(row) for row in group], "seconds": seconds}
        with log.open("w") as errors:
            worker = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("worker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(capability, allocator),
            )
            try:
                with worker.stdin as stream:
                    json.dump(request, stream)
                for line in worker.stdout:
                    yield json.loads(line)
            finally:
                worker.terminate()
                status = worker.wait()
        if status not in (0, -signal.SIGTERM):
            sys.exit(
                f"The worker for {capability} stopped with status {status}; {log} ends with\n{log.read_text()[-2000:]}"
            )


def measure(chosen: list[Row], seconds: float, console) -> tuple[list[dict], bool]:
    """The results, and whether they are all."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    results = []
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("starting", total=len(chosen))
            for result in measured(chosen, seconds):
                results.append(result)
                progress.update(task, advance=1, description=str(Row(**result["row"])))
    except KeyboardInterrupt:
        console.print("interrupted; what was measured is reported")
    return results, len(results) == len(chosen)


def updated(run: dict, again: dict) -> dict:
    """An earlier run with those of its rows replaced that were measured again."""
    old, new = ({Row(**result["row"]): result for result in each["results"]} for each in (run, again))
    update = {"command": again["command"], "machine": again["machine"], "rows": len(new)}
    return run | {
        "results": list((old | new).values()),
        "instructions": again["instructions"],
        "updates": [*run.get("updates", []), update],
    }


def main() -> None:
    given = options()  # before the imports, which take seconds

    from rich.console import Console

    import machine
    import report

    console = Console()
    console.width = max(console.width, WIDTH)
    if given.report:
        run = json.loads(given.report.read_text())
    else:
        here = machine.describe()
        chosen = plan(given, here["capability"])
        if not chosen:
            sys.exit("There is no row of that description.")
        command = " ".join([os.environ.get("BENCH_PROGRAM") or "benchmarks/bench.py", *sys.argv[1:]])
        console.print(f"{machine.sentence(here)}\n{len(chosen)} rows")
        results, finished = measure(chosen, given.seconds, console)
        everything = not (given.quick or given.no_compile or any(getattr(given, name) for name in SELECTORS))
        run = {
            "machine": here,
            "command": command,
            "complete": finished and everything,
            "results": results,
            "instructions": instructions.count(Path(os.environ.get("ACTINIUM_BUILD", "build"))),
        }
        if given.update:
            run = updated(json.loads(given.update.read_text()), run)
        path = given.json or BUILD / (
            "complete.json" if run["complete"] else "quick.json" if given.quick else "some.json"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(run, indent=1) + "\n")
        console.print(f"figures: {path}")
    report.show(run, console)
    document = ROOT / DOCUMENT.format(run["machine"]["capability"].lower())
    output = given.output or (document if run["complete"] else None)
    if output:
        report.write(run, output)
        console.print(f"report: {output}")


if __name__ == "__main__":
    main()
