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

pytestmark = pytest.mark.cpu_only

HERE = Path(__file__).parent
ORDER = ("default", "avx2", "avx512")
THIS = torch.backends.cpu.get_cpu_capability().lower()

# What depends on the kernels, and not on their surroundings.
CHECKS = (
    "test_values.py",
    "test_bitwise.py",
    "test_special_values.py",
    "test_maxout.py",
    "test_autograd.py::test_gradcheck",
    "test_autograd.py::test_gradgradcheck",
    "test_autograd.py::test_gradients_are_rounded_once",
)


def require(capability):
    if ORDER.index(capability) > ORDER.index(THIS):
        pytest.skip(f"this CPU does not have {capability}")


def run(capability, *command):
    # By name: a script's own folder is no place to look in where PYTHONSAFEPATH is set.
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"ATEN_CPU_CAPABILITY": capability, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *command], env=environment, cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("capability", [name for name in ORDER if name != THIS])
def test_every_check_of_the_kernels(capability):
    """What was checked here with the best instruction set, with every other."""
    require(capability)
    run(capability, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *CHECKS)


def test_the_library_follows():
    """It computes with the instruction set that torch was told to."""
    code = "import actinium, torch; print(torch.ops.actinium._build_info())"
    for capability in ORDER[: ORDER.index(THIS) + 1]:
        environment = os.environ | {"ATEN_CPU_CAPABILITY": capability}
        text = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=HERE, check=True, capture_output=True, text=True
        )
        assert capability in text.stdout.lower().replace("-", "")


def results():
    """The output, its gradient and second gradient for many values of every row; sums depend on a vector's width."""
    for row in ROWS:
        for dtype in FLOATS if not row.batch_stats else ():
            x = row.sample(row.many(), dtype).requires_grad_()
            y = row(x, *row.learned(x.detach()))
            (dx,) = torch.autograd.grad(y, x, row.sample(y.shape, dtype, seed=1), create_graph=True)
            yield from (y, dx)
            if dx.requires_grad:
                yield from torch.autograd.grad(dx, x, row.sample(x.shape, dtype, seed=2))


def test_avx2_and_avx512_give_the_same_bits(tmp_path):
    require("avx512")
    for name in ("avx2", "avx512"):
        run(name, __file__, str(tmp_path / name))
    for i, (left, right) in enumerate(zip(*(torch.load(tmp_path / n) for n in ("avx2", "avx512")), strict=True)):
        assert torch.equal(left, right), i


if __name__ == "__main__":
    torch.save([t.detach() for t in results()], sys.argv[1])
