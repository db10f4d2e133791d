"""The machine code (SASS) of the CUDA kernels: their instructions, and the loop or path in which each does its work."""

import math
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

# ------------------------------------------------------------------------------------------------------- instructions


class Instruction(NamedTuple):
    address: int
    predicate: str  # "P0", "!P0", or "" for always
    opcode: str  # with its modifiers: LDG.E.128
    operands: str

    @property
    def name(self) -> str:
        return self.opcode.partition(".")[0]

    @property
    def target(self) -> int | None:
        """Where a branch goes, and where threads that part at a BSSY meet again."""
        found = re.search(r"0x([0-9a-f]+)$", self.operands)
        return int(found[1], 16) if found else None

    @property
    def conditional(self) -> bool:
        """A branch may have a condition as its operand, too: BRA.U UP0, 0x100."""
        return self.predicate != "" or (self.name == "BRA" and "," in self.operands)

    @property
    def access(self) -> tuple[str, int] | None:
        """("load" or "store", bytes) of global memory, None for other instructions."""
        kind = {"LDG": "load", "LD": "load", "STG": "store", "ST": "store"}.get(self.name)
        return (kind, self.bytes) if kind else None

    @property
    def bytes(self) -> int:
        """Of each thread, of an instruction that reads or writes memory."""
        width = re.search(r"\.[US]?(8|16|64|128|256)\b", self.opcode)
        return int(width[1]) // 8 if width else 4


LINE = re.compile(
    r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][\w.]*)\s*([^;\n]*?)\s*;|^\s*Function : (\S+)", re.M
)


def listings(text: str) -> dict[str, list[Instruction]]:
    """The instructions of every function in what `cuobjdump -sass` prints."""
    functions: dict[str, list[Instruction]] = {}
    for address, predicate, opcode, operands, function in LINE.findall(text):
        if function:
            code = functions.setdefault(function, [])
        else:
            code.append(Instruction(int(address, 16), predicate, opcode, operands))
    return functions


# --------------------------------------------------------------------------------------------------------- flow graph


class Graph:
    """Basic blocks by the number of their first instruction, and the ways between them."""

    def __init__(self, code: list[Instruction]):
        self.code = code
        index = {instruction.address: i for i, instruction in enumerate(code)}
        follow: dict[int, list[int]] = {}  # of instructions after which a block ends
        meeting: dict[str, int] = {}  # of the last BSSY of each barrier
        for i, instruction in enumerate(code):
            name, target = instruction.name, index.get(instruction.target)
            onward = [i + 1] if i + 1 < len(code) else []
            if name == "BSSY":
                meeting[instruction.operands.partition(",")[0]] = target
            elif name == "BRA":
                follow[i] = [target] + onward * instruction.conditional
            elif name in ("EXIT", "RET"):
                follow[i] = onward * instruction.conditional
            elif name == "BSYNC":
                follow[i] = [meeting[instruction.operands]] + onward * instruction.conditional
            elif name in ("BRX", "JMP", "JMX"):
                raise ValueError(f"{name} at {instruction.address:#x}: tables of branches are not read")
            # A CALL comes back.
        starts = sorted(
            {0, *(i for way in follow.values() for i in way)} | {i + 1 for i in follow if i + 1 < len(code)}
        )
        self.blocks: dict[int, range] = {}
        self.next: dict[int, list[int]] = {}
        for start, end in zip(starts, [*starts[1:], len(code)], strict=True):
            self.blocks[start] = range(start, end)
            self.next[start] = follow.get(end - 1, [end] if end < len(code) else [])
        self._walk()

    def _walk(self) -> None:
        """Depth first: the order of blocks in which each comes before what follows it, and the ways back."""
        self.order: list[int] = []
        self.back: set[tuple[int, int]] = set()
        open_, seen = [0], {0}
        ways = [iter(self.next[0])]
        while open_:
            block = next(ways[-1], None)
            if block is None:
                self.order.append(open_.pop())
                ways.pop()
            elif block not in seen:
                seen.add(block)
                open_.append(block)
                ways.append(iter(self.next[block]))
            elif block in open_:
                self.back.add((open_[-1], block))
        self.order.reverse()

    def innermost(self) -> Iterator[tuple[int, set[int]]]:
        """Head and blocks of every loop without a loop in it."""
        before: dict[int, list[int]] = {block: [] for block in self.order}
        for block in self.order:
            for way in self.next[block]:
                before[way].append(block)
        loops: dict[int, set[int]] = {}
        for tail, head in self.back:
            found, todo = loops.setdefault(head, {head}), [tail]
            while todo:
                block = todo.pop()
                if block not in found:
                    found.add(block)
                    todo += before[block]
        for head, found in loops.items():
            if not any(other != head and other in found for other in loops):
                yield head, found

    def body(self, head: int, region: set[int], traffic: "Traffic") -> "Body | None":
        """The shortest way through a loop, or from the entry to an exit, on which the traffic lies as often as can be
        and no other access does."""
        only = all(a in traffic.accesses for b in region for i in self.blocks[b] if (a := self.code[i].access))
        inside = {block: code for block in region if (code := self._accesses(block, traffic)) is not None}
        # For every block: what may have been read and written before it, and the shortest way there.
        ways: dict[int, dict[tuple[int, ...], tuple[int, ...]]] = {head: {(0,) * len(traffic.accesses): ()}}
        best: Body | None = None
        for block in (b for b in self.order if b in inside and b in ways):
            for state, way in ways[block].items():
                way += (block,)
                state = tuple(map(sum, zip(state, inside[block], strict=True)))
                onward = [b for b in self.next[block] if (block, b) not in self.back]
                closes = any((block, b) in self.back and b == head for b in self.next[block])
                leaves = head == 0 and self.code[self.blocks[block][-1]].name == "EXIT"
                if (closes or leaves) and (units := traffic.units(state)):
                    found = Body([self.code[i] for b in way for i in self.blocks[b]], units, closes, only)
                    if best is None or (-units, len(found.code)) < (-best.units, len(best.code)):
                        best = found
                for b in onward:
                    known = ways.setdefault(b, {})
                    if state not in known or self._length(way) < self._length(known[state]):
                        known[state] = way
        return best

    def _length(self, way: Iterable[int]) -> int:
        return sum(len(self.blocks[b]) for b in way)

    def _accesses(self, block: int, traffic: "Traffic") -> tuple[int, ...] | None:
        """How often a block makes each access of the traffic; None if it always makes another one, or always calls, as
        the slow path of a division does."""
        made: Counter[tuple[str, int]] = Counter()
        for instruction in (self.code[i] for i in self.blocks[block]):
            if instruction.access in traffic.accesses:
                made[instruction.access] += 1
            elif (instruction.access or instruction.name == "CALL") and not instruction.predicate:
                return None
        return tuple(made[access] for access in traffic.accesses)


# ------------------------------------------------------------------------------------------------------- vector bodies


@dataclass(frozen=True)
class Traffic:
    """What must be read and written, by instructions of which widths, for a unit of some elements."""

    accesses: dict[tuple[str, int], int]  # (load or store, bytes) -> instructions
    elements: int
    cached: int = 0  # bytes that are not the memory's: what all rows have in common, or what has been read before

    def units(self, made: tuple[int, ...]) -> int:
        """How many units the accesses, in the order of `accesses`, are; 0 if they are not whole units of all."""
        units, rest = divmod(made[0], next(iter(self.accesses.values())))
        return 0 if rest or made != tuple(units * wanted for wanted in self.accesses.values()) else units

    @property
    def bytes(self) -> float:
        """Of an element, of all that the memory reads and writes."""
        return (sum(width * count for (_, width), count in self.accesses.items()) - self.cached) / self.elements


@dataclass(frozen=True)
class Body:
    """Where a kernel handles whole vectors."""

    code: list[Instruction]
    units: int  # of traffic
    loop: bool
    only: bool  # nothing else happens there: no other access on any way through the loop, or through the kernel

    @property
    def in_flight(self) -> int:
        """The most bytes that a thread has asked memory for and not yet waited for: it waits at the first instruction
        that names a register which a load fills."""
        most, waiting = 0, {}  # registers of a load -> its bytes
        for instruction in self.code:
            named = {int(register) for register in re.findall(r"\bR(\d+)", instruction.operands)}
            waiting = {filled: size for filled, size in waiting.items() if not named & set(filled)}
            if instruction.access and instruction.access[0] == "load":
                first = int(re.match(r"R(\d+)", instruction.operands)[1])
                waiting[range(first, first + max(instruction.bytes // 4, 1))] = instruction.bytes
                most = max(most, sum(waiting.values()))
        return most


def vector_body(code: list[Instruction], traffic: Traffic) -> Body | None:
    """Of a kernel's loops the one with the fewest instructions for a unit of traffic; of one without such a loop the
    path from its entry to an exit, with the loops on it, which divide indices, taken once."""
    graph = Graph(code)
    loops = [body for head, loop in graph.innermost() if (body := graph.body(head, loop, traffic))]
    if loops:
        return min(loops, key=lambda body: len(body.code) / body.units)
    return graph.body(0, set(graph.order), traffic)


# -------------------------------------------------------------------------------------------------------- our kernels


class Stored(NamedTuple):
    name: str
    size: int


DTYPES = {  # by what c++filt calls them
    "float": Stored("float32", 4),
    "double": Stored("float64", 8),
    "__nv_bfloat16": Stored("bfloat16", 2),
    "__half": Stored("float16", 2),
    "unsigned short": Stored("16 bit", 2),
    "unsigned int": Stored("32 bit", 4),
    "unsigned long": Stored("64 bit", 8),
}
PASSES = ("Forward", "Backward", "DoubleBackward", "Gated", "GatedBackward")  # actinium::Pass
GATED = {"rows_kernel": "Gated, packed", "strided_kernel": "Gated, interleaved"}
LAYOUTS = {"true": "channels last", "false": "channels first"}  # kLast
GROUPS = {"32": "a warp", "256": "a block", "1": "side by side"}  # threads that have a row of a softmax together
VECTOR = 16  # bytes


# Of the kernels of rows, by kLog or kIndex: what the first pass reads, what the second one reads and writes.
PASSES_OF_ROWS = {
    ("softmax_forward", "false"): (1, (1, 1)),
    ("softmax_forward", "true"): (1, (1, 1)),
    ("softmax_backward", "false"): (2, (2, 1)),
    ("softmax_backward", "true"): (1, (2, 1)),
    ("loss_forward", "true"): (1, None),
    ("loss_forward", "false"): (1, (2, 0)),
    ("loss_backward", "true"): (0, (1, 1)),
    ("loss_backward", "false"): (1, (2, 1)),
}


@cache
def operands() -> dict[str, tuple[int, int, int]]:
    """Inputs, outputs and sums of every formula, as csrc says them: {"kBackward": (2, 1, 0), "DiceForward": (1, 1, 0),
    ...}."""
    found = {}
    for path in (ROOT / "csrc" / "passes.h", *sorted((ROOT / "csrc" / "math").glob("*.h"))):
        pattern = r"struct (?:PassFormula<\w+, Pass::)?(\w+)[^{;]*\{\s*static constexpr int (k[^;]*);"
        for name, values in re.findall(pattern, path.read_text()):
            numbers = {key: int(value) for key, value in re.findall(r"k(\w+) = (\d+)", values)}
            if "Inputs" in numbers:
                found[name] = numbers["Inputs"], numbers["Outputs"], numbers.get("Sums", 0)
    return found


def spaced(name: str, space: str = " ") -> str:
    """SwishDoubleBackward -> swish double backward"""
    return re.sub(r"(?<!^)(?=[A-Z])", space, name).lower()


class Formula(NamedTuple):
    """What a kernel of elements or of channels computes."""

    family: str
    op: str
    direction: str
    inputs: int
    outputs: int
    sums: int


@cache
def formula(argument: str) -> Formula:
    """By a kernel's first argument: PassFormula<Mish, 0, float>, Bias<Mish>::Forward<float>, DiceMoments<float>."""
    if found := re.match(r"PassFormula<(?:\w+<)*(\w+)(?:>::type)*, (\d)", argument):
        name = PASSES[int(found[2])]
        family = "Gated" if name.startswith("Gated") else "Pointwise"
        direction = spaced(name.removeprefix("Gated") or "Forward")
        return Formula(family, spaced(found[1], "_"), direction, *operands()[f"k{name}"])
    pattern = r"(?:Bias<(\w+)>::)?(\w*?)((?:Each)?(?:Double|Target)?(?:Forward|Backward)|Center|Moments)<"
    activation, op, direction = re.match(pattern, argument).groups()
    family, name = ("Bias", spaced(activation, "_")) if activation else ("Channels", spaced(op))
    return Formula(family, name, spaced(direction), *operands()[op + direction])


class Row(NamedTuple):
    """What a report calls a kernel."""

    group: str
    op: str
    direction: str
    dtype: str

    @property
    def name(self) -> str:
        return f"{self.op} {self.direction}".strip()


@dataclass(frozen=True)
class Kernel:
    """A kernel for one architecture. `template` and `arguments`: of flat_kernel<A, B>, flat_kernel and (A, B)."""

    architecture: str
    compiler: str
    template: str
    arguments: tuple[str, ...]
    code: list[Instruction]
    registers: int
    spills: int  # bytes of the stack and of local memory, which stand in for registers
    shared: int
    threads: int  # of a block

    def __str__(self) -> str:
        return f"{self.template}<{', '.join(self.arguments)}> for {self.architecture}"

    @property
    def dtype(self) -> str:
        return next(DTYPES[a].name for a in self.arguments if a in DTYPES)

    @property
    def size(self) -> int:
        return next(DTYPES[a].size for a in self.arguments if a in DTYPES)

    @cached_property
    def row(self) -> Row | None:
        """None for a kernel that only small or odd problems take."""
        match self.template, self.arguments:
            case "flat_kernel", (argument, _, "false"):
                of = formula(argument)
                return Row(of.family, of.op, of.direction, self.dtype)
            case "rows_kernel" | "strided_kernel" as name, (argument, _) if formula(argument).family == "Gated":
                of = formula(argument)
                return Row(GATED[name], of.op, of.direction, self.dtype)
            case "channel_kernel", (argument, _, last, width, write, sums) if width != "1":
                of = formula(argument)
                group = f"Bias, {LAYOUTS[last]}" if of.family == "Bias" else LAYOUTS[last].capitalize()
                asked = [what for what, given in (("elements", write), ("sums", sums)) if given == "true"]
                return Row(group, of.op, f"{of.direction} ({' and '.join(asked)})", self.dtype)
            case "stats_kernel", (_, last, width) if width != "1":
                return Row(LAYOUTS[last].capitalize(), "mean and variance", "", self.dtype)
            case "units_forward" | "units_backward" as name, (_, pieces):
                return Row("Maxout", f"{pieces} side by side", name.partition("_")[2], self.dtype)
            case "columns_forward" | "columns_backward" as name, (_, width, *bias) if width != "1":
                op = "apart with bias" if bias == ["true"] else "apart"
                return Row("Maxout", op, name.partition("_")[2], self.dtype)
            case "softmax_forward" | "softmax_backward" as name, (_, group, log):
                op = "log_softmax" if log == "true" else "softmax"
                return Row("Softmax", op, f"{name.partition('_')[2]}, {GROUPS[group]}", self.dtype)
            case "loss_forward" | "loss_backward" as name, (_, group, index):
                op = "of indices" if index == "true" else "of probabilities"
                return Row("Cross-entropy", op, f"{name.partition('_')[2]}, {GROUPS[group]}", self.dtype)
        return None

    @cached_property
    def traffic(self) -> tuple[Traffic, ...]:
        """What is read and written for a vector by the main loop, by each of the loops that an element goes through, or
        by the whole kernel; empty for kernels of which nothing is expected."""
        match self.template, self.arguments:
            case "flat_kernel" | "rows_kernel", (argument, _, *shifted):
                of = formula(argument)
                accesses = Counter({("load", VECTOR): of.inputs, ("store", VECTOR): of.outputs})
                if shifted == ["true"]:
                    # Inputs stand elsewhere than the output: each of their vectors comes from the two that overlap it.
                    # All but an element may be wanted of the second one, which of two float64 is 64 bits.
                    accesses["load", VECTOR if self.size < 8 else 8] += of.inputs
                return (Traffic(accesses, VECTOR // self.size),)
            case "strided_kernel", (argument, _):
                of = formula(argument)
                return (self._vectors(1, of.inputs, of.outputs),)
            case "channel_kernel", (argument, _, _, width, write, _):
                of = formula(argument)
                return (self._vectors(int(width), of.inputs, of.outputs if write == "true" else 0),)
            case "stats_kernel", (_, _, width):
                return (self._vectors(int(width), 1, 0),)
            # The loops over pieces: what won is stored after, or read before them. All rows have the same bias.
            case "columns_forward", (_, width, bias) if width != "1":
                biased = bias == "true"
                return (self._vectors(int(width), 1 + biased, 0, cached=biased * VECTOR),)
            case "columns_backward", (_, width) if width != "1":
                return (self._vectors(int(width), 0, 1),)
            case "units_forward" | "units_backward" as name, (_, pieces):
                # Whole vectors of pieces; of what won and its index, as much as these need.
                pieces, lanes = int(pieces), VECTOR // self.size
                wins = lanes // math.gcd(lanes, pieces)
                many, few = ("load", "store") if name == "units_forward" else ("store", "load")
                accesses = {(many, VECTOR): wins * pieces // lanes, (few, wins * self.size): 1, (few, wins): 1}
                return (Traffic(accesses, wins * pieces),)
            case "softmax_forward" | "softmax_backward" | "loss_forward" | "loss_backward" as name, (_, group, kind):
                # What each pass over a row reads and writes; the second one has what it reads from registers and caches
                # as far as the first one has read it.
                first, second = PASSES_OF_ROWS[name, kind]
                width = 1 if group == "1" else VECTOR // self.size
                loops = [self._vectors(width, first, 0)] if first else []
                if second:
                    loops.append(self._vectors(width, *second, cached=first * width * self.size))
                return tuple(loops)
        return ()

    def _vectors(self, elements: int, inputs: int, outputs: int, cached: int = 0) -> Traffic:
        wanted = {("load", elements * self.size): inputs, ("store", elements * self.size): outputs}
        return Traffic({access: count for access, count in wanted.items() if count}, elements, cached)

    @cached_property
    def bodies(self) -> tuple[Body | None, ...]:
        """Where each traffic is."""
        return tuple(vector_body(self.code, traffic) for traffic in self.traffic)

    @property
    def counted(self) -> bool:
        """Whether all that an element goes through has been found."""
        return bool(self.bodies) and all(self.bodies)

    @property
    def bytes(self) -> float:
        """Of an element, of all that the memory reads and writes."""
        return sum(traffic.bytes for traffic in self.traffic)


# ------------------------------------------------------------------------------------------------------------- reading


@cache
def tool() -> str:
    """cuobjdump, of triton, which torch brings, or of a CUDA toolkit."""
    try:
        from triton import knobs

        return knobs.nvidia.cuobjdump.path
    except (ImportError, RuntimeError):
        if found := shutil.which("cuobjdump"):
            return found
    raise FileNotFoundError("cuobjdump is neither in triton nor on the path")


def dump(what: str, file: Path, architecture: str) -> str:
    command = [tool(), what, "-arch", architecture, os.fspath(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def split(demangled: str) -> tuple[str, tuple[str, ...]]:
    """A function's template and its arguments, without namespaces and the types of numbers."""
    text = re.sub(r"\(anonymous namespace\)::|\b(?:actinium|cuda|math|\w+_target)::|\([\w: ]+\)(?=\d)", "", demangled)
    name, arguments, depth = "", [""], 0
    for letter in text.removeprefix("void "):
        depth -= letter == ">"
        if depth == 0 and letter in "(>":
            break
        if depth == 0:
            name += letter * (letter != "<")
        elif depth == 1 and letter == ",":
            arguments.append("")
        else:
            arguments[-1] += letter
        depth += letter == "<"
    return name, tuple(argument.strip() for argument in arguments)


def read(file: Path, architecture: str) -> list[Kernel]:
    """All kernels in a library, an object file or a cubin; none if it has no code for the architecture."""
    text = dump("-sass", file, architecture)
    if not re.search(rf"code for {architecture}$", text, re.M):  # a cubin is printed whatever is asked for
        return []
    code = listings(text)
    usage = re.findall(r"^ Function (\S+):\s+(.*)", dump("-res-usage", file, architecture), re.M)
    used = {name: {key: int(value) for key, value in re.findall(r"(\w+):(\d+)", line)} for name, line in usage}
    notes = dump("-elf", file, architecture)
    compilers = ", ".join(sorted(set(re.findall(r"Tool Version: .*release [\d.]+, V([\d.]+)", notes))))
    threads, name = {}, ""
    for section, value in re.findall(r"^\.nv\.info\.(\S+)|EIATTR_MAX_THREADS\s.*\s+Value:\s*0x(\w+)", notes, re.M):
        name = section or name
        if value:
            threads[name] = int(value, 16)
    names = subprocess.run(["c++filt"], input="\n".join(code), capture_output=True, text=True, check=True).stdout
    return [
        Kernel(
            architecture=architecture,
            compiler=f"ptxas {compilers or '?'}",
            template=template,
            arguments=arguments,
            code=code[symbol],
            registers=used[symbol]["REG"],
            spills=used[symbol]["STACK"] + used[symbol]["LOCAL"],
            shared=used[symbol]["SHARED"],
            threads=threads[symbol],
        )
        for symbol, (template, arguments) in zip(code, map(split, names.splitlines()), strict=True)
    ]
