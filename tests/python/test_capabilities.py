"""The kernels of every instruction set that this machine has, each in a process of its own.

The library asks ATen for the instruction set once, so that a running process has one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from op_table import FLOATS, ROWS

HERE = Path(__file__).parent
ORDER = ("default", "avx2", "avx512")
CHECKS = ("test_values.py", "test_bitwise.py", "test_special_values.py", "test_autograd.py")


THIS = torch.backends.cpu.get_cpu_capability().lower()


def require(capability):
    if ORDER.index(capability) > ORDER.index(THIS):
        pytest.skip(f"this CPU does not have {capability}")


def run(capability, *command):
    environment = os.environ | {"ATEN_CPU_CAPABILITY": capability}
    done = subprocess.run([sys.executable, *command], env=environment, cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("capability", [name for name in ORDER if name != THIS])
def test_every_check_of_values(capability):
    """The checks that ran here with the best instruction set, with every other."""
    require(capability)
    run(capability, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *CHECKS)


def results():
    """Every output and every gradient of every row, for many values."""
    for row in ROWS:
        for dtype in FLOATS:
            x = row.sample(row.shapes(5_003)[0], dtype).requires_grad_()
            learned = [t.requires_grad_() for t in row.learned(x.detach())]
            y = row(x, *learned)
            first = torch.autograd.grad(y, (x, *learned), row.sample(y.shape, dtype, seed=1), create_graph=True)
            yield from (y, *first)
            if first[0].requires_grad:
                yield from torch.autograd.grad(first[0], (x, *learned), row.sample(x.shape, dtype), allow_unused=True)


def test_avx2_and_avx512_give_the_same_bits(tmp_path):
    require("avx512")
    for name in ("avx2", "avx512"):
        run(name, __file__, str(tmp_path / name))
    for i, (left, right) in enumerate(zip(*(torch.load(tmp_path / n) for n in ("avx2", "avx512")), strict=True)):
        assert (left is right is None) or torch.equal(left, right), i


if __name__ == "__main__":
    torch.save([None if t is None else t.detach() for t in results()], sys.argv[1])
