"""What a figure was measured on and when: every report names it."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

import torch


def processor() -> str:
    """The CPU's model as the system names it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def caches() -> dict[str, int]:
    """Bytes of the first processor's caches, such as {"L1d": 49152, "L2": 1048576}; empty where it is not known."""
    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[size[-1]]
            sizes[f"L{level}" + ("d" if kind == "Data" else "")] = int(size[:-1]) * unit
    return sizes


def commit() -> str:
    """The source's commit, "+" if there are changes beside it; "" outside a repository."""
    root = Path(__file__).parent
    try:
        name = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return name.stdout.strip()


# What holds the libraries behind some of torch's kernels, oneDNN (GELU) and MKL (tanh), to torch's own instruction set.
LIBRARIES = {
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "default": {"ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


def restricted_to(capability: str) -> dict[str, str]:
    """The environment of a process in which nothing uses more than this instruction set."""
    name = capability.lower()
    return os.environ | {"ATEN_CPU_CAPABILITY": name} | LIBRARIES.get(name, {})


def describe() -> dict:
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "caches": caches(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit(),
    }


def sentence(machine: dict) -> str:
    """One line that names the machine and the day, for the head of a report."""
    caches = ", ".join(f"{name} {size >> 10} KiB" for name, size in machine["caches"].items())
    return (
        f"{machine['processor']}, {machine['processors']} processors ({caches}), {machine['capability']}; "
        f"torch {machine['torch']}, Python {machine['python']}; {machine['date']}, commit {machine['commit'] or '?'}"
    )
