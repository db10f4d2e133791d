"""What the main loops of the pointwise ops are made of, from the machine code: vector instructions for each vector."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PASSES = ("forward", "backward", "double backward")
# Vectors that the main loop computes side by side; see Several in csrc/cpu/rows.h.
VECTORS = (4, 4, 2)
REGISTER = {"AVX512": "zmm", "AVX2": "ymm"}
# By what a processor has of its own for them.
CLASSES = {
    "multiply": re.compile(r"v(fn?m(add|sub)\d+|mul)p"),
    "divide": re.compile(r"vdivp"),
    "add": re.compile(r"v(add|sub|min|max|cmp\w*)p"),
    "other": re.compile(r"v(?!mov(up|ap|ntp|dqu|dqa|ntdq))"),  # but for moves, loads and stores
}
FUNCTION = re.compile(r"^[0-9a-f]+ <.*::loop<actinium::math::\w+::(\w+), \(actinium::Pass\)(\d), float>\(.*>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")


def _functions(code: str) -> Iterator[tuple[str, int, list[tuple[int, str, str]]]]:
    """Formula, pass and (address, name, operands) of each float32 loop."""
    name, body = None, []
    for line in [*code.splitlines(), ""]:
        if not line.strip():
            if name and body:
                yield name[1], int(name[2]), body
            name, body = None, []
        elif line.endswith(">:"):
            name = FUNCTION.match(line)
        elif name and (found := INSTRUCTION.match(line)):
            body.append((int(found[1], 16), found[2], found[3]))


def _main_loop(body: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """The innermost loop with the most divisions and multiplications: from a jump's target to the jump."""
    loops = []
    for address, name, operands in body:
        target = re.match(r"([0-9a-f]+)", operands)
        if name.startswith("j") and target and int(target[1], 16) < address:
            loops.append((int(target[1], 16), address))
    inner = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    bodies = [[i for i in body if start <= i[0] <= end] for start, end in inner]
    return max(bodies, key=lambda loop: sum(bool(CLASSES["multiply"].match(i[1])) for i in loop), default=[])


def count(objects: Path) -> list[dict]:
    """Of every pointwise loop in the kernels' object files below `objects`; empty where objdump or they are missing."""
    tool, found = shutil.which("objdump"), []
    for capability, register in REGISTER.items():
        file = objects / f"CMakeFiles/actinium_kernels_{capability}.dir/csrc/cpu/kernels/pointwise.cpp.o"
        if not tool or not file.exists():
            continue
        command = [tool, "-d", "--no-show-raw-insn", "-C", str(file)]
        code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for formula, number, body in _functions(code):
            counts: Counter[str] = Counter()
            for _, name, operands in _main_loop(body):
                if register not in operands:
                    continue
                if kind := next((kind for kind, pattern in CLASSES.items() if pattern.match(name)), None):
                    counts[kind] += 1
            per_vector = {kind: round(counts[kind] / VECTORS[number], 2) for kind in CLASSES}
            found.append({"capability": capability, "formula": formula, "pass": PASSES[number], **per_vector})
    return sorted(found, key=lambda loop: (loop["capability"] != "AVX512", loop["formula"], PASSES.index(loop["pass"])))
