"""Measures Actinium's operators on a GPU against torch's builtins or the composites that users write, torch.compile of
those, Triton kernels and a copy of the same bytes, interleaved. gpu_check.py starts it.

Prints one JSON object a line: a row with quartiles of each contender's time and of its ratio to ours.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

import contenders
import cuda_rows
from contenders import Composite
from cuda_ops import FUNCTIONS, Function, ours
from cuda_rows import Row

Call = Callable[[], object]
KINDS = ("ours", "builtin", "compile", "triton", "aligned", "copy")

SAMPLE = 0.01  # of the time for a row, which one sample takes at least
AHEAD = 500_000  # cycles that the device waits before a sample, so that the host is ahead of it
NEAR = 0.9  # of a bar: a row that misses it by less is measured again, for longer
LEAST_ROUNDS, MOST_ROUNDS = 9, 101
# What is measured must be the same function: all but so many results are as near to ours, as a part of the largest one.
# The others are ties of a maximum and derivatives at a kink, which are settled in more than one way.
SAME = 0.05
COMPARED = 4096  # elements


# ------------------------------------------------------------------------------------------------------------- operands


class Operands:
    """The tensors of rows of one dtype, views of buffers that all rows share."""

    def __init__(self, dtype: torch.dtype, device: str, full: int) -> None:
        self.dtype, self.device, self.full = dtype, device, full
        self.buffers: dict[str, Tensor] = {}

    def _new(self, role: str) -> Tensor:
        if role in ("source", "target"):  # of a copy, for the five operands of a double backward
            return torch.zeros(5 * self.full * self.dtype.itemsize // 2, dtype=torch.uint8, device=self.device)
        made = torch.empty(self.full + 4, dtype=self.dtype, device=self.device)
        return made if role == "out" else made.normal_(std=2)

    def buffer(self, role: str) -> Tensor:
        if role not in self.buffers:
            self.buffers[role] = self._new(role)
        return self.buffers[role]

    def __call__(self, role: str, row: Row) -> Tensor:
        """x, g, a or out, in the layout of the row."""
        flat, n, shape = self.buffer(role), row.elements, row.shape
        if row.layout in cuda_rows.OFFSETS and (role == "x" or row.layout.startswith("all")):
            start = int(row.layout[-3])
            return flat[start : start + n].view(shape)
        if row.layout == "channels_last":
            batch, channels, height, width = shape
            return flat[:n].view(batch, height, width, channels).permute(0, 3, 1, 2)
        if role == "x" and row.layout == "strided":  # every second column
            return flat[: 2 * n].view(shape[0], 2 * shape[1])[:, ::2]
        if role == "x" and row.layout == "cropped":
            wide = shape[1] + 16
            return flat[: shape[0] * wide].view(shape[0], wide)[:, 8:-8]
        if role == "x" and row.layout == "transposed":
            return flat[:n].view(shape[::-1]).t()
        return flat[:n].view(shape)

    def copy(self, bytes: int) -> Call:
        """Half of the bytes are read, half are written."""
        source, target = self.buffer("source")[: bytes // 2], self.buffer("target")[: bytes // 2]
        return lambda: target.copy_(source)


# ----------------------------------------------------------------------------------------------------------- contenders

# What makes a contender's call, by its name: "ours", or "builtin", "builtin: <which>", and so on.
Contenders = dict[str, Callable[[], Call]]


def _compiled(function: Callable) -> Callable:
    torch._dynamo.reset()  # otherwise the shapes of other rows count as recompilations
    return torch.compile(function, fullgraph=True, dynamic=False)


def _by_triton(direction: str, function: Function, *tensors: Tensor) -> Call:
    import triton_kernels

    run = getattr(triton_kernels, direction)
    return lambda: run(function.base, function.beta, *tensors)


def _gradient(function: Function) -> Callable:
    """(g, x) -> g f'(x), as torch.compile can fuse it."""
    return lambda g, x: torch.func.vjp(function.plain, x)[1](g)[0]


def _forward(row: Row, function: Function, operands: Operands) -> Contenders:
    x, out = operands("x", row), operands("out", row)
    builtin = function.builtin

    def compiled() -> Call:
        run = _compiled(function.plain)
        return lambda: run(x)

    return {
        "ours": lambda: lambda: function.forward(x, out),
        "builtin": lambda: (lambda: builtin.forward(x, out)) if builtin else lambda: function.plain(x),
        "compile": compiled,
        "triton": lambda: _by_triton("forward", function, x, out),
    }


def _backward(row: Row, function: Function, operands: Operands) -> Contenders:
    g, x, out = (operands(role, row) for role in ("g", "x", "out"))
    builtin = function.builtin

    def composite() -> Call:
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            y = function.plain(leaf)
        return lambda: torch.autograd.grad(y, leaf, g, retain_graph=True)

    def compiled() -> Call:
        run = _compiled(_gradient(function))
        return lambda: run(g, x)

    def kernel() -> Call:
        kept = builtin.kept(x)
        return lambda: builtin.backward(g, kept, out)

    return {
        "ours": lambda: lambda: function.backward(g, x, out),
        "builtin": lambda: kernel() if builtin else composite(),
        "compile": compiled,
        "triton": lambda: _by_triton("backward", function, g, x, out),
    }


def _double_backward(row: Row, function: Function, operands: Operands) -> Contenders:
    a, g, x = (operands(role, row) for role in ("a", "g", "x"))

    def builtin() -> Call:
        by, leaf = g.detach().requires_grad_(), x.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(function.plain(leaf), leaf, by, create_graph=True)
        return lambda: torch.autograd.grad(gradient, (by, leaf), a, retain_graph=True)

    def compiled() -> Call:
        gradient = _gradient(function)
        run = _compiled(lambda a, g, x: torch.func.vjp(gradient, g, x)[1](a))
        return lambda: run(a, g, x)

    return {"ours": lambda: lambda: function.double_backward(a, g, x), "builtin": builtin, "compile": compiled}


def _calls(row: Row, function: Function, operands: Operands) -> Contenders:
    """What a user calls: the plain op, or a step through autograd."""
    x, g = operands("x", row).detach(), operands("g", row)

    def contender(call: Callable) -> Call:
        if row.direction == "forward":
            return lambda: call(x)
        leaf = x.detach().requires_grad_()
        return lambda: torch.autograd.grad(call(leaf), leaf, g)

    return {
        "ours": lambda: contender(function.call),
        "builtin": lambda: contender(function.builtin.call if function.builtin else function.plain),
    }


def _pointwise(row: Row, operands: Operands) -> tuple[Contenders, int]:
    function = FUNCTIONS[row.op]
    make = {"forward": _forward, "backward": _backward, "double_backward": _double_backward}
    found = _calls(row, function, operands) if row.group == "eager" else make[row.direction](row, function, operands)
    if row.group == "offset":
        aligned = Row("full", row.op, row.direction, row.dtype, row.shape)
        found["aligned"] = make[row.direction](aligned, function, operands)["ours"]
    streams = {"forward": 2, "backward": 3, "double_backward": 5, "step": 5}[row.direction]
    return found, streams * row.elements * operands.dtype.itemsize


def _maxout(pieces: int, layout: str) -> Composite:
    at, sizes = (2, (-1, pieces)) if layout == "unit" else (1, (pieces, -1))
    return Composite(
        lambda x: ours.maxout.default(x, pieces, 1, layout),
        {
            "builtin: max": lambda x: x.unflatten(1, sizes).max(at).values,
            "builtin: amax": lambda x: x.unflatten(1, sizes).amax(at),
        },
    )


def _channels(row: Row, operands: Operands) -> tuple[Contenders, int]:
    x = operands("x", row).detach().requires_grad_(row.direction == "step")
    with torch.device(operands.device):
        if row.op in ("maxout2", "maxout4"):
            composite = _maxout(int(row.op.removeprefix("maxout")), row.layout)
        else:
            composite = contenders.COMPOSITES[row.op](x)
    y = composite.ours(x)
    g = operands.buffer("g")[: y.numel()].view(y.shape)

    def contender(function: Callable, name: str) -> Call:
        if row.direction == "forward":
            return lambda: function(x)
        inputs = [x, *composite.learned.get(name, [])]
        return lambda: torch.autograd.grad(function(x), inputs, g)

    found: Contenders = {"ours": lambda: contender(composite.ours, "ours")}
    for name, function in composite.others.items():
        found[name] = lambda name=name, function=function: contender(function, name)
        found[name.replace("builtin", "compile")] = lambda name=name, function=function: contender(
            _compiled(function), name
        )
    forward, backward = x.numel() + y.numel(), y.numel() + 2 * x.numel()
    if row.op in ("maxout2", "maxout4"):  # which read no input, but what won
        backward -= x.numel()
    elements = forward + (backward if row.direction == "step" else 0)
    return found, elements * x.element_size()


def contend(row: Row, operands: Operands) -> tuple[Contenders, int]:
    """The contenders of a row, and the bytes that must be read and written."""
    found, bytes = (_pointwise if row.pointwise else _channels)(row, operands)
    if row.group != "eager":
        found["copy"] = lambda: operands.copy(bytes)
    on_device = operands.device != "cpu"
    measured = {"compile": row.compiled and on_device, "triton": row.triton and on_device}
    return {name: make for name, make in found.items() if measured.get(name.partition(":")[0], True)}, bytes


# --------------------------------------------------------------------------------------------------------------- clocks


def host_clock(call: Call, number: int) -> float:
    """Nanoseconds per call, as the program that makes the calls sees it."""
    start = time.perf_counter_ns()
    for _ in range(number):
        call()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return (time.perf_counter_ns() - start) / number


def device_clock(call: Call, number: int) -> float:
    """Nanoseconds per call on the device alone."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(AHEAD)
    start.record()
    for _ in range(number):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e6 / number


def graphed(call: Call, number: int) -> Call:
    """`number` calls as one replay of a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(number):
            call()
    return graph.replay


# ------------------------------------------------------------------------------------------------------------ measuring


class Different(Exception):
    """Two contenders do not compute the same."""


def said(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:200]


def _first(result: object) -> Tensor:
    """The elements that are compared."""
    tensors = [result] if isinstance(result, Tensor) else list(result)
    return torch.cat([t.detach().reshape(-1)[:COMPARED].double() for t in tensors])


def ready(makers: Contenders) -> tuple[dict[str, Call], dict[str, str]]:
    """Calls that have run once with the result that ours has, and why others are missing."""
    calls, missing = {}, {}
    want = None
    for name, make in makers.items():
        try:
            call = make()
            result = call()
            if name not in ("copy", "aligned"):
                got = _first(result)
                want = got if want is None else want
                # Of what is usual for these inputs: a builtin that takes a result of 8 bits back may have few digits of
                # a single gradient that is small.
                near = (got - want).abs() <= SAME * want.abs().max().clamp(min=1)
                if near.double().mean() < 1 - SAME:
                    raise Different(f"{name} has another result than ours")
            calls[name] = call
        except Exception as error:
            if name == "ours" or isinstance(error, torch.AcceleratorError):
                raise
            if isinstance(error, Different) and name.startswith("builtin"):
                raise
            missing[name] = said(error)
    return calls, missing


def rounds(calls: dict[str, Call], clock: Callable, seconds: float) -> dict[str, list[float]]:
    """Nanoseconds per call of every contender in every round; each takes its turn to be the first."""
    sample = 1e9 * SAMPLE * seconds
    numbers = {name: max(1, min(1000, round(sample / clock(call, 1)))) for name, call in calls.items()}
    start = time.perf_counter()
    for name, call in calls.items():  # to warm up; not counted
        clock(call, numbers[name])
    cost = time.perf_counter() - start
    taken: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for i in range(max(LEAST_ROUNDS, min(MOST_ROUNDS, int(seconds / cost)))):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            taken[name].append(clock(calls[name], numbers[name]))
    return taken


def _quartiles(values: list[float]) -> list[float]:
    return statistics.quantiles(values, n=4, method="inclusive")


def _result(taken: dict[str, list[float]]) -> dict:
    """Of contenders with several forms the fastest stands for all."""
    chosen = {}
    for kind in KINDS:
        forms = [values for name, values in taken.items() if name.partition(":")[0] == kind]
        if forms:
            chosen[kind] = min(forms, key=statistics.median)
    ratio = {
        kind: _quartiles([other / mine for other, mine in zip(values, chosen["ours"], strict=True)])
        for kind, values in chosen.items()
        if kind != "ours"
    }
    return {"ns": {kind: _quartiles(values) for kind, values in chosen.items()}, "ratio": ratio}


def measure(row: Row, operands: Operands, seconds: float) -> dict:
    makers, bytes = contend(row, operands)
    calls, missing = ready(makers)
    on_host = operands.device == "cpu" or row.group == "eager"
    clock, per = (host_clock if on_host else device_clock), 1
    if row.group in ("graph", "channels") and not on_host:
        per = max(4, min(100, (1 << 24) // row.elements))
        for name in list(calls):
            try:
                calls[name] = graphed(calls[name], per)
            except Exception as error:
                if name == "ours":
                    raise
                missing[name] = f"in a CUDA graph: {said(error)}"
                del calls[name]
    found = _result(rounds(calls, clock, seconds))
    ratios = {kind: quartiles[1] for kind, quartiles in found["ratio"].items()}
    if any(NEAR * least < ratios.get(kind, least) < least for kind, least in row.bars.items()):
        found = _result(rounds(calls, clock, 3 * seconds))  # before it is called slow
    found["ns"] = {kind: [value / per for value in values] for kind, values in found["ns"].items()}
    return {"bytes": bytes, "missing": missing, **found}


# ----------------------------------------------------------------------------------------------------------------- main


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--full", type=int, default=cuda_rows.FULL, metavar="N", help="elements of the largest rows")
    parser.add_argument("--row-seconds", type=float, default=0.1, metavar="S", help="for each row, about")
    parser.add_argument("--seconds", type=float, default=float("inf"), metavar="S", help="for all; then it stops")
    parser.add_argument(
        "--prepare", metavar="I/N", help="measure nothing: compile the I-th part of what is compiled into the caches"
    )
    parser.add_argument("--once", metavar="JSON", help="measure nothing: call ours once for each of these rows")
    return parser.parse_args()


def prepare(rows: list[Row], operands_of: Callable[[Row], Operands]) -> None:
    for row in rows:
        with torch.set_grad_enabled(row.direction == "step"):
            makers, _ = contend(row, operands_of(row))
            for name, make in makers.items():
                if name.startswith(("compile", "triton")):
                    try:
                        make()()
                    except Exception as error:  # it is reported where it is measured
                        print(f"{row}: {name}: {error}", file=sys.stderr)


def main() -> int:
    given = options()
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what compilers print is not a result

    def put(**result: object) -> None:
        print(json.dumps(result), file=results, flush=True)

    full = given.full
    if given.device != "cpu":
        memory = torch.cuda.get_device_properties(0).total_memory
        while full > 1 << 24 and 24 * 8 * full > 0.9 * memory:  # a double backward by autograd holds so many float64
            full //= 2
    torch.manual_seed(0)
    torch.set_grad_enabled(False)

    held: dict[str, Operands] = {}

    def operands_of(row: Row) -> Operands:
        if row.dtype not in held:
            held.clear()
            torch.cuda.empty_cache()
            held[row.dtype] = Operands(getattr(torch, row.dtype), given.device, full)
        return held[row.dtype]

    rows = list(cuda_rows.grid(full))
    if given.once:
        for fields in json.loads(given.once):
            row = Row(**fields | {"shape": tuple(fields["shape"])})
            contend(row, operands_of(row))[0]["ours"]()()
        return 0
    if given.prepare:
        part, parts = map(int, given.prepare.split("/"))
        compiled = [row for row in rows if row.compiled or row.triton]
        prepare(compiled[part::parts], operands_of)
        return 0

    end = time.perf_counter() + given.seconds
    for i, row in enumerate(rows):
        if time.perf_counter() > end:
            put(unmeasured=[str(row) for row in rows[i:]])
            break
        try:
            with torch.set_grad_enabled(row.direction == "step"):
                put(row=vars(row), **measure(row, operands_of(row), given.row_seconds))
        except Exception as error:
            put(row=vars(row), error=said(error))
            if isinstance(error, torch.AcceleratorError):  # nothing runs on the device after that
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
