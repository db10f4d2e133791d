"""Measures rows in a process of its own, whose environment says which instruction set torch takes.

Rows come as one JSON list on stdin, results go out as one JSON object a line. bench.py starts it.
"""

import json
import os
import statistics
import sys
import timeit
from dataclasses import asdict

import torch

import contenders
from rows import SIZES, Row

SAMPLE = 1e-3  # seconds that one sample takes at least: as many calls as that needs
MOST_ROUNDS = 101


def _calls_per_sample(timer: timeit.Timer) -> tuple[int, float]:
    """How many calls make a sample, and the seconds that one takes, after a first call that nobody times."""
    timer.timeit(1)
    number = 1
    while (took := timer.timeit(number)) < SAMPLE:
        number = max(2 * number, min(100 * number, int(1.1 * SAMPLE * number / max(took, 1e-9))))
    return number, took


def _quartiles(values: list[float]) -> list[float]:
    return statistics.quantiles(values, n=4, method="inclusive")


def _rounds(work: contenders.Work, seconds: float) -> dict[str, list[float]]:
    """Nanoseconds per call of every contender in every round. In a round each takes one sample, and each takes its
    turn to be the first, so that what disturbs one disturbs the others."""
    timers = {name: timeit.Timer(call.statement, globals=call.names) for name, call in work.calls.items()}
    with torch.set_grad_enabled(work.gradient):
        sized = {name: _calls_per_sample(timer) for name, timer in timers.items()}
        cost = sum(took for _, took in sized.values())
        least = 15 if cost < 0.03 else 5 if cost < 1 else 3
        rounds = max(least, min(MOST_ROUNDS, int(seconds / cost)))
        taken: dict[str, list[float]] = {name: [] for name in timers}
        names = list(timers)
        for i in range(rounds):
            turn = i % len(names)
            for name in names[turn:] + names[:turn]:
                number = sized[name][0]
                taken[name].append(timers[name].timeit(number) / number * 1e9)
    return taken


def _result(row: Row, work: contenders.Work, taken: dict[str, list[float]]) -> dict:
    """Of contenders with several forms the fastest stands for all."""
    medians = {name: statistics.median(values) for name, values in taken.items()}
    chosen, form = {}, {}
    for kind in ("ours", "builtin", "compile", "copy"):
        forms = [name for name in taken if name.partition(":")[0] == kind]
        if forms:
            best = min(forms, key=medians.__getitem__)
            chosen[kind], form[kind] = taken[best], best.partition(": ")[2]
    ratio = {
        kind: _quartiles([other / mine for other, mine in zip(values, chosen["ours"], strict=True)])
        for kind, values in chosen.items()
        if kind != "ours"
    }
    return {
        "row": asdict(row),
        "elements": work.elements,
        "bytes": work.bytes,
        "rounds": len(chosen["ours"]),
        "ns": {kind: _quartiles(values) for kind, values in chosen.items()},
        "ratio": ratio,
        "form": {kind: name for kind, name in form.items() if name},
    }


def measure(row: Row, seconds: float) -> dict:
    torch.set_num_threads(row.threads)
    if SIZES[row.size] <= SIZES["4K"]:
        seconds /= 2  # short calls make many rounds
    work = contenders.work(row)
    result = _result(row, work, _rounds(work, seconds))
    if result["ratio"]["builtin"][1] < row.limit:
        result = _result(row, work, _rounds(work, 3 * seconds))
    return result


def main() -> None:
    request = json.load(sys.stdin)
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what compilers print is not a result
    for fields in request["rows"]:
        row = Row(**fields)
        try:
            found = torch.backends.cpu.get_cpu_capability()
            if found != row.capability:
                raise RuntimeError(f"torch runs with {found}")  # this processor does not have it
            result = measure(row, request["seconds"])
        except Exception as error:
            lines = str(error).splitlines()
            result = {"row": fields, "error": f"{type(error).__name__}: {lines[0] if lines else ''}"}
        print(json.dumps(result), file=results, flush=True)


if __name__ == "__main__":
    main()
