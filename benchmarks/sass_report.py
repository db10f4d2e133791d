"""What limits the CUDA kernels on each device, expected from their machine code alone: memory, or which part of a
multiprocessor. Needs no GPU. scripts/sass-report compiles the kernels and runs this, which writes docs/cuda.md.
"""

import argparse
import itertools
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sass
from markdown_table import markdown
from sass import Kernel, Row

COMPILED = "build/sass/CMakeFiles/actinium_cuda.dir/csrc/cuda/*.cu.o"
DOCUMENT = "docs/cuda.md"

# ------------------------------------------------------------------------------------------------------- the devices


@dataclass(frozen=True)
class Device:
    name: str
    architecture: str
    processors: int  # multiprocessors
    clock: float  # GHz
    bandwidth: float  # TB/s
    in_flight: int  # KiB that a multiprocessor must have asked for at any time to get it

    @property
    def copied(self) -> float:
        """Bytes that a copy within the device's memory reads and writes, for a multiprocessor and cycle."""
        return COPY * self.bandwidth * 1e3 / (self.processors * self.clock)


# NVIDIA's data sheets: A100 80GB SXM, H100 SXM, H200 SXM, HGX B200 (62 TB/s for eight). The clocks are those of their
# peaks in float32, which are 2 x multiprocessors x lanes x clock: 19.5, 67, 67 and 74 TFLOPS. What must be in flight is
# what NVIDIA's CUB takes for them (tuning_transform.cuh, arch_to_min_bytes_in_flight).
DEVICES = (
    Device("A100", "sm_80", 108, 1.41, 2.039, 16),
    Device("H100", "sm_90", 132, 1.98, 3.35, 32),
    Device("H200", "sm_90", 132, 1.98, 4.8, 48),
    Device("B200", "sm_100", 148, 1.965, 7.7, 64),
)
JUDGED = DEVICES[2]
ARCHITECTURES = tuple(dict.fromkeys(device.architecture for device in DEVICES))
COPY = 0.9  # of the bandwidth, which a copy reaches: 4.3 of an H200's 4.8 TB/s

# CUDA C++ Programming Guide 13, "Compute Capabilities": the same of all three architectures, but for shared memory.
THREADS, BLOCKS, REGISTERS = 2048, 32, 65536
SHARED = {"sm_80": 164 << 10, "sm_90": 228 << 10, "sm_100": 228 << 10}
RESERVED = 1 << 10  # of shared memory, for each block


@dataclass(frozen=True)
class Part:
    """A part of a multiprocessor that some instructions occupy: for how many threads it takes one in a cycle."""

    name: str
    what: str
    opcodes: str
    threads: tuple[int, int, int]  # of ARCHITECTURES


# Threads: CUDA C++ Best Practices Guide 13, "Throughput of Native Arithmetic Instructions". Which part executes what:
# Nsight Compute's documentation, "Pipelines". Where these leave a choice it is the slower one.
FP32, INTEGER, HALF, PACK = "F(FMA|ADD|MUL)", "IMAD|IMUL|IDP", "H(FMA|ADD|MUL)2", "F2FP"
DOUBLE, SPECIAL = "D(FMA|ADD|MUL|SETP|MNMX)", "MUFU|F2F|F2I|I2F|I2I|FRND|POPC|FLO|BREV|FCHK"
MEMORY = "(LD|ST)[GSL]?|SHFL|ATOM[GS]?|RED"
CONTROL = r"U\w+|LDCU?|S2U?R|CS2R|R2UR|VOTEU?|BRA|BSSY|BSYNC|BREAK|CALL|RET|EXIT|NOP|BAR|WARPSYNC|DEPBAR"
NOT_ALU = "|".join((FP32, INTEGER, HALF, DOUBLE, SPECIAL, MEMORY, CONTROL))
PARTS = (
    Part("issue", "every instruction; four warps issue one in a cycle", ".*", (128, 128, 128)),
    Part("FMA", "float32 and float16 arithmetic, integer multiplications", f"{FP32}|{INTEGER}|{HALF}", (64, 128, 128)),
    Part("IMAD", "integer multiplications, in a part of FMA", INTEGER, (64, 64, 64)),
    Part("FP16", "float16 arithmetic, and from float16 to float32", HALF, (64, 64, 64)),
    Part("ALU", "integers, logic, comparisons, moves, and what is not named", f"(?!({NOT_ALU})$).*", (64, 64, 64)),
    Part("FP64", "float64 arithmetic", DOUBLE, (32, 64, 64)),
    Part("XU", "reciprocals, square roots, 2^x, conversions to and from integers and float64", SPECIAL, (16, 16, 16)),
    Part("F2FP", "from float32 to 16 bits, in pairs or alone", PACK, (16, 16, 16)),
    Part("LSU", "32 bits of an access to memory", MEMORY, (32, 32, 32)),
)  # fmt: skip

# The bars: of a copy's rate with 2^28 elements, on the device that is judged. float64 is bound by its arithmetic.
BAR = 0.95
BARS = {"float64": 0.8}
# Of the time that its bar leaves a part of the multiprocessor, what a test lets a kernel have: latencies, and a clock
# below its highest, are not in the model.
MARGIN = 0.9


# -------------------------------------------------------------------------------------------------------- expectations


def bar(kernel: Kernel) -> float:
    return BARS.get(kernel.dtype, BAR)


def occupancy(kernel: Kernel) -> float:
    """Threads that a multiprocessor holds at once, as a share of those that it could: by threads, by registers, which a
    warp gets by the 256, and by shared memory."""
    registers = -(-kernel.registers * 32 // 256) * 256 * (kernel.threads // 32)
    shared = SHARED[kernel.architecture] // (kernel.shared + RESERVED)
    return min(BLOCKS, THREADS // kernel.threads, REGISTERS // registers, shared) * kernel.threads / THREADS


@cache
def occupied(opcode: str) -> list[str]:
    """The parts that an instruction of this name occupies."""
    return [part.name for part in PARTS if re.fullmatch(part.opcodes, opcode)]


def per_element(kernel: Kernel) -> Counter[str]:
    """Instructions of the vector bodies for each part; of LSU, words."""
    found: Counter[str] = Counter()
    for body, traffic in zip(kernel.bodies, kernel.traffic, strict=True):
        counts: Counter[str] = Counter()
        for instruction in body.code:
            for part in occupied(instruction.name):
                counts[part] += max(instruction.bytes // 4, 1) if part == "LSU" else 1
        found.update({part: count / (body.units * traffic.elements) for part, count in counts.items()})
    return found


def busy(kernel: Kernel, device: Device) -> dict[str, float]:
    """How long each part works while a copy of the same bytes takes 1; above 1 it, and not memory, is the limit."""
    copying = kernel.bytes / device.copied  # cycles of a multiprocessor for an element
    counts, index = per_element(kernel), ARCHITECTURES.index(device.architecture)
    return {part.name: counts[part.name] / part.threads[index] / copying for part in PARTS}


def busiest(kernel: Kernel, device: Device) -> tuple[str, float]:
    return max(busy(kernel, device).items(), key=lambda part: part[1])


def in_flight(kernel: Kernel) -> float:
    """KiB that a multiprocessor has asked memory for at most."""
    return occupancy(kernel) * THREADS * kernel.bodies[0].in_flight / 1024


def budget(kernel: Kernel) -> float:
    """The most that a part may be busy on the device that is judged."""
    return MARGIN / bar(kernel)


def wrong(kernels: Iterable[Kernel]) -> list[tuple[Kernel, str]]:
    """What no kernel should have: registers in memory, vectors that are read or written in pieces."""
    found = []
    for kernel in kernels:
        if kernel.spills:
            found.append((kernel, f"{kernel.spills} bytes of memory stand in for registers"))
        for traffic, body in zip(kernel.traffic, kernel.bodies, strict=True):
            if not body:
                wanted = [f"{n} {kind}s of {8 * width} bits" for (kind, width), n in traffic.accesses.items()]
                found.append((kernel, f"nowhere {', '.join(wanted)} for {traffic.elements} elements and no others"))
    return found


# ------------------------------------------------------------------------------------------------------------- document

READING = f"""\
**These are expectations from machine code. None of them has been measured on a device.**

In the machine code of each kernel the loop that handles whole vectors is found (in a kernel without one, the path), and
its instructions are counted. From these and the numbers of the devices, at the end, follows how long each part of a
multiprocessor is busy with an element. Where every part is busy for less time than a copy of the same bytes takes,
memory is the limit and the kernel should run at the copy's rate; else at that rate divided by how busy the busiest part
is. The parts are taken to overlap perfectly.

- registers: of a thread.
- occupancy: threads that a multiprocessor holds at once, of {THREADS}.
- in flight: KiB that all of these have asked memory for, at most, before they have to wait. Bold: less than the
  {JUDGED.in_flight} that keep the memory of an {JUDGED.name} busy. The expectation does not know of this.
- bytes: read and written for an element.
- instructions: all that are issued for an element, addresses and the loop included.
- busiest: the part that is busy longest on an {JUDGED.name}; `issue` are the slots in which instructions are issued.
- A100 to B200: the expected share of a copy's rate and, in parentheses, how long the busiest part is busy while the
  copy takes 1. Bold: not the copy's rate.
- bar: whether {BAR:.0%} of a copy's rate ({BARS["float64"]:.0%} for float64) is expected with 2^28 elements on an
  {JUDGED.name}. `tests/python/test_sass.py` lets no part be busy for more than {MARGIN:g} of the time that this leaves.

All but the devices' columns are of {JUDGED.architecture}. Kernels for what is small or odd have no row: strides,
misaligned operands, channels or pieces that do not fill vectors, the second step of a sum.
"""

GROUPS = {
    "Pointwise": "Contiguous operands. `silu` is Swish with a beta of 1.",
    "Gated": "Gate and up in contiguous tensors, by the activation of the gate.",
    "Gated, packed": "Gate and up as the halves of rows: a vector of each to a thread. What is counted is its whole "
    "way, with the division that finds the row.",
    "Gated, interleaved": "Gate and up at even and odd places, **element by element and not in vectors**: four "
    "elements to a thread. Of a line of memory a warp takes every second element, and finds the others in the cache.",
    "Channels last": "Swish with a tensor beta, PReLU, Dice and its variants, and binary cross-entropy where channels "
    "are the fastest dimension, as of `[N, C]` with `dim=1`. In parentheses what is asked for: the elements, the sums "
    "of the channels, or both at once.",
    "Channels first": "The same where another dimension is faster, as of `[N, C, L]` with `dim=1`. Binary "
    "cross-entropy without weights is one channel.",
    "Bias, channels last": "An activation of the sum with a bias for every channel, where channels are the fastest "
    "dimension. The backward gives both gradients.",
    "Bias, channels first": "The same where another dimension is faster.",
    "Maxout": "Elements of the input. Pieces side by side are adjacent in memory, pieces apart are not. The backward "
    "moves elements, whatever their type, by their size. A bias is the same for all rows and comes from the cache; "
    "its loads are in flight as well.",
    "Softmax": "Instructions of both passes over a row together; memory is read by the first, and what the second "
    "reads again comes from registers and caches, as far as these hold the row. A row to a warp where it is no longer "
    "than 4 KiB, to a block where it is, in whole vectors; or, with rows side by side, to a thread, **element by "
    "element and not in vectors**. Rows that start apart from their output, by other than multiples of 16 bytes, are "
    "also taken element by element, and have no rows here; nor has what each row costs beside its elements.",
    "Cross-entropy": "The same, without smoothing and weights of classes; the backward of probabilities gives one of "
    "its gradients.",
}


def number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() or value >= 99.95 else f"{value:.1f}"


def enough(kib: float, wanted: int) -> str:
    return "" if kib == 0 else f"{kib:.0f}" if kib >= wanted else f"**{kib:.0f}**"


def share(load: float) -> str:
    text = f"{min(1, 1 / load):.0%} ({load:.2f})"
    return text if load <= 1 else f"**{text}**"


def expectations(rows: dict[Row, dict[str, Kernel]]) -> list[str]:
    body = []
    for row, kernels in rows.items():
        kernel = kernels[JUDGED.architecture]
        part, load = busiest(kernel, JUDGED)
        body.append(
            [
                row.name,
                row.dtype,
                str(kernel.registers),
                f"{occupancy(kernel):.0%}",
                enough(in_flight(kernel), JUDGED.in_flight),
                number(kernel.bytes),
                number(per_element(kernel)["issue"]),
                part,
                *(share(busiest(kernels[d.architecture], d)[1]) for d in DEVICES if d.architecture in kernels),
                "yes" if load <= 1 / bar(kernel) else "**no**",
            ]
        )
    devices = [d.name for d in DEVICES if any(d.architecture in kernels for kernels in rows.values())]
    return markdown(
        ["", "dtype", "registers", "occupancy", "in flight", "bytes", "instructions", "busiest", *devices, "bar"],
        body,
        left=2,
    )


def instructions(rows: dict[Row, dict[str, Kernel]]) -> list[str]:
    body = []
    for row, kernels in rows.items():
        counts = per_element(kernels[JUDGED.architecture])
        body.append([row.name, row.dtype, *(number(counts[part.name]) if counts[part.name] else "" for part in PARTS)])
    return markdown(["", "dtype", *(part.name for part in PARTS)], body, left=2)


def numbers() -> list[str]:
    devices = [
        [d.name, d.architecture, str(d.processors), f"{d.clock:g}", f"{d.bandwidth:g}"]
        + [f"{COPY * d.bandwidth:.2f}", str(d.in_flight)]
        for d in DEVICES
    ]
    parts = [[part.name, part.what, *map(str, part.threads)] for part in PARTS]
    return [
        "## The devices",
        "",
        "Multiprocessors and bandwidth as in NVIDIA's data sheets (A100 80GB SXM, H100 SXM, H200 SXM, HGX B200), the "
        f"highest clock, and {COPY:.0%} of the bandwidth for a copy. In flight: what CUB takes for a multiprocessor.",
        "",
        *markdown(["", "", "multiprocessors", "GHz", "TB/s", "a copy, TB/s", "in flight, KiB"], devices, left=2),
        "For how many threads a part of a multiprocessor takes an instruction in a cycle, from the CUDA C++ Best "
        "Practices Guide 13 (Throughput of Native Arithmetic Instructions) and Nsight Compute's documentation "
        "(Pipelines); where these leave a choice, the slower one.",
        "",
        *markdown(["", "executes", *ARCHITECTURES], parts, left=2),
    ]


def order(row: Row) -> tuple:
    directions = ("forward", "backward", "")
    rank = next(i for i, direction in enumerate(directions) if row.direction.startswith(direction))
    return list(GROUPS).index(row.group), row.op, rank, row.direction, row.dtype


def document(kernels: list[Kernel], command: str) -> str:
    import machine  # and so torch, for its version

    described = machine.describe()
    rows: dict[Row, dict[str, Kernel]] = {}
    for kernel in kernels:
        if kernel.row and kernel.counted:
            same = rows.setdefault(kernel.row, {}).setdefault(kernel.architecture, kernel)
            if same is not kernel:
                raise ValueError(f"both {same} and {kernel} are {kernel.row}")
    found = {kernel.architecture for kernel in kernels}
    everywhere = [architecture for architecture in ARCHITECTURES if architecture in found]
    groups = {
        group: {row: rows[row] for row in sorted(rows, key=order) if row.group == group and rows[row].keys() == found}
        for group in GROUPS
    }
    lines = [
        "# The machine code of the CUDA kernels",
        "",
        f"Written by `{command}`, which reads it again; do not edit.\\",
        f"{', '.join(sorted({kernel.compiler for kernel in kernels}))} for {', '.join(everywhere)}; torch "
        f"{described['torch']}; {described['date']}, commit {described['commit'] or '?'}",
        "",
        READING,
    ]
    if faults := wrong(kernels):
        lines += ["## Wrong", "", *markdown(["kernel", ""], [[f"`{kernel}`", what] for kernel, what in faults], left=2)]
    for group, what in GROUPS.items():
        lines += [f"## {group}", "", what, "", *expectations(groups[group])]
    lines += ["## Instructions for an element", "", f"Of {JUDGED.architecture}, by the parts that they occupy.", ""]
    for group in GROUPS:
        lines += [f"### {group}", "", *instructions(groups[group])]
    return "\n".join(lines + numbers())


# -------------------------------------------------------------------------------------------------------------- running


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=os.environ.get("SASS_PROGRAM"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit status: 0 nothing is wrong, 1 a kernel has registers in memory or vectors in pieces, 2 an error.",
    )
    parser.add_argument("--library", type=Path, metavar="FILE", help="read this library, object file or cubin; nothing "
                        "is compiled")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"the report (default: {DOCUMENT}; of a library, "
                        "the terminal)")  # fmt: skip
    return parser.parse_args()


def main() -> int:
    arguments = options()
    files = [arguments.library] if arguments.library else sorted(sass.ROOT.glob(COMPILED))
    with ThreadPoolExecutor() as pool:  # most of the time is cuobjdump's
        read = pool.map(lambda pair: sass.read(*pair), itertools.product(files, ARCHITECTURES))
    try:
        kernels = [kernel for found in read for kernel in found]
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    if not any(kernel.architecture == JUDGED.architecture for kernel in kernels):
        print(f"no machine code for {JUDGED.architecture} in {', '.join(map(str, files)) or COMPILED}", file=sys.stderr)
        return 2
    text = document(kernels, " ".join([os.environ.get("SASS_PROGRAM", "benchmarks/sass_report.py"), *sys.argv[1:]]))
    if output := arguments.output or (None if arguments.library else sass.ROOT / DOCUMENT):
        output.write_text(text)
        print(f"{output}: {len(kernels)} kernels")
    else:
        print(text)
    found = wrong(kernels)
    for kernel, what in found:
        print(f"{kernel}: {what}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
