"""What a GPU check has found, in Markdown, and which bars are missed."""

from collections import Counter

import cuda_rows
from cuda_rows import AGAINST, GROUPS, Row
from markdown_table import markdown

REHEARSAL = "not in a rehearsal"


def row_of(result: dict) -> Row:
    return Row(**result["row"] | {"shape": tuple(result["row"]["shape"])})


def _measured(run: dict) -> list[tuple[Row, dict]]:
    return [(row_of(result), result) for result in run["bench"] if "error" not in result]


def missed(run: dict) -> list[tuple[Row, str, float]]:
    """Rows, the contender against which the bar is missed, and the ratio to it."""
    return [
        (row, kind, result["ratio"][kind][1])
        for row, result in _measured(run)
        for kind, least in row.bars.items()
        if kind in result["ratio"] and result["ratio"][kind][1] < least
    ]


def inexact(result: dict) -> bool:
    """Whether the bound is not met where the CPU kernels meet it; docs/accuracy.md has what no kernel meets. Functions
    of several values, which name no input, have sums, and these have another order."""
    like = 1 if "x" in result["ours"] else 1.25
    return float(result["ours"]["share"]) > max(1, like * float(result["cpu"]["share"]))


def failures(run: dict) -> list[str]:
    """What makes the exit status 1; a bar that is missed does not."""
    return [name for name, stage in run["stages"].items() if stage["status"] in ("failed", "out of time")]


# ----------------------------------------------------------------------------------------------------------------- text


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def _time(ns: float) -> str:
    return f"{ns / 1e3:.3g}" if ns < 1e6 else f"{ns / 1e3:,.0f}"


def _number(value: float | str) -> str:
    value = float(value)
    return f"{value:.3f}" if value < 1000 else f"{value:.2g}"


def _head(run: dict) -> list[str]:
    machine = run["machine"]
    title = "# REHEARSAL on the CPU: no figure here is a GPU's" if run["rehearsal"] else f"# {machine['device']}"
    on = f"{machine['device']}, driver {machine['driver']}, {machine['memory_gib']:.0f} GiB"
    return [
        title,
        "",
        f"Written by `{run['command']}`. {on}; torch {machine['torch']}, CUDA {machine['cuda']}, Python "
        f"{machine['python']}, {machine['processors']} processors; {machine['date']}, "
        f"commit {machine['commit'] or '?'}.",
        "",
    ]


def _stages(run: dict) -> list[str]:
    lines = [
        (name, stage["status"], f"{stage['seconds']:.0f}", stage["notes"][0] if stage["notes"] else "")
        for name, stage in run["stages"].items()
    ]
    text = markdown(("stage", "result", "seconds", ""), lines, left=4)
    for name, stage in run["stages"].items():
        if len(stage["notes"]) > 1:
            text += [f"{name}:", "", *(f"- {note}" for note in stage["notes"][1:]), ""]
    return text


def bars(run: dict) -> list[str]:
    """The bars that are missed, a line each, after how many are met."""
    asked = sum(kind in result["ratio"] for row, result in _measured(run) for kind in row.bars)
    short = missed(run)
    counters = {row_of(counter): counter["metrics"] for counter in run["counters"]}
    lines = [f"{asked - len(short)} of {asked} bars are met."]
    for row, kind, ratio in short:
        seen = ", ".join(f"{name} {value}" for name, value in counters.get(row, {}).items())
        lines.append(
            f"- {row}: {_ratio(ratio)} times as fast as {AGAINST[kind]}, {_ratio(row.bars[kind])} is asked for"
            + (f" ({seen})" if seen else "")
        )
    return lines


def _accuracy(run: dict) -> list[str]:
    if not run["accuracy"]:
        return []
    lines = []
    for result in run["accuracy"]:
        ours, builtin, cpu = result["ours"], result["builtin"], result["cpu"]
        share = _number(ours["share"])
        if float(ours["share"]) > 1:
            share = f"**{share}**" if inexact(result) else f"{share}, the CPU's {_number(cpu['share'])}"
        lines.append(
            [result["dtype"], f"{result['function']} {result['pass']}", f"{result['inputs']:,}"]
            + [_number(ours["ulp"]), share, f"{float(ours['x']):.6g}" if "x" in ours else "", f"{ours['beyond']:,}"]
            + [_number(builtin["ulp"]), f"{result['different']:,}"]
        )
    header = ("dtype", "", "inputs", "ULP", "share of bound", "at x", "beyond", "builtin: ULP", "not the CPU's bits")
    return [
        "## Accuracy",
        "",
        "The worst error of each, counted as in docs/accuracy.md: bounds of 2 ULP for f, 4 for f' and f'' or 2^-23 "
        "absolute where abs(x) <= 8, 0.501 for the 16-bit types, 4 for float64.",
        "",
        *markdown(header, lines, left=2),
    ]


def _line(row: Row, result: dict) -> list[str]:
    low, middle, high = result["ns"]["ours"]
    cells = [f"{row}", _time(middle), f"{(high - low) / (2 * middle):.1%}", f"{result['bytes'] / middle:,.0f}"]
    for kind in AGAINST:
        if kind not in result["ratio"]:
            cells.append("")
            continue
        value = result["ratio"][kind][1]
        text = f"{value:.1%}" if kind in ("copy", "aligned") else _ratio(value)
        cells.append(f"**{text}**" if value < row.bars.get(kind, 0) else text)
    return cells


def _bench(run: dict) -> list[str]:
    measured = _measured(run)
    if not measured:
        return []
    text = [
        "## Performance",
        "",
        "Microseconds, half the distance of their quartiles, GB/s of what must be read and written; the rate as a part "
        "of that of a copy of the same bytes, and of the same call's with aligned tensors; and how many times as fast "
        "as the builtin or composite, torch.compile of it, and a Triton kernel. Medians of interleaved rounds; what "
        "misses its bar is bold.",
        "",
        *bars(run),
        "",
    ]
    sizes = {group: max((row.elements for row, _ in measured if row.group == group), default=0) for group in GROUPS}
    for group, title in GROUPS.items():
        for dtype in cuda_rows.DTYPES:
            lines = [_line(row, result) for row, result in measured if (row.group, row.dtype) == (group, dtype)]
            if lines:
                title = title.format(**{name: cuda_rows.count(size) for name, size in sizes.items()})
                header = ("", "µs", "±", "GB/s", "of copy", "of aligned", "builtin", "compile", "Triton")
                text += [f"### {title}, {dtype}", "", *markdown(header, lines, left=1)]
    return text


def _absent(run: dict) -> list[str]:
    reasons = Counter(f"{name}: {reason}" for _, result in _measured(run) for name, reason in result["missing"].items())
    text = [f"- {reason} ({times} rows)" for reason, times in reasons.items()]
    text += [f"- {row_of(result)}: {result['error']}" for result in run["bench"] if "error" in result]
    if run["unmeasured"]:
        text.append(f"- out of time: {len(run['unmeasured'])} rows, from {run['unmeasured'][0]} on")
    if run["rehearsal"]:
        text.append(f"- CUDA graphs, torch.compile, Triton, compute-sanitizer, counters: {REHEARSAL}")
    return ["## Not measured", "", *text, ""] if text else []


def document(run: dict) -> str:
    return "\n".join([*_head(run), *_stages(run), *_accuracy(run), *_bench(run), *_absent(run)])
