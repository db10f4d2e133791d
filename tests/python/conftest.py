import os

import pytest
import torch

from layouts import LAYOUTS, WRITABLE
from op_table import BUILTINS, FLOATS, LIMITS, POINTWISE, ROWS, WIDE

# A test that asks for one of these runs for every value of it.
AXES = {
    "row": {row.name: row for row in ROWS},
    "unbatched": {row.name: row for row in ROWS if not row.batch_stats},
    "pointwise": {row.name: row for row in POINTWISE},
    "function": {row.name: row for row in LIMITS},
    "replacing": {row.name: row for row in BUILTINS},
    "accelerated": {row.name: row for row in BUILTINS if row.accelerated},
    "layout": LAYOUTS,
    "writable": WRITABLE,
    "dtype": {str(d).removeprefix("torch."): d for d in FLOATS},
    "wide": {str(d).removeprefix("torch."): d for d in WIDE},
}


def pytest_addoption(parser):
    parser.addoption("--device", choices=("cpu", "cuda"), default="cpu", help="where the operators run")


def pytest_configure(config):
    """From here on tensors are made on the device, those that a file makes while it is imported among them."""
    if config.getoption("device") == "cuda":
        if torch.cuda.is_available():
            torch.set_default_device("cuda")
        elif not config.option.collectonly:
            raise pytest.UsageError("--device cuda: torch finds no CUDA device")
    if hasattr(config, "workerinput"):
        # One of several processes (pytest-xdist), each of which would start a compiler for every core.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")


def pytest_collection_modifyitems(config, items):
    """What is marked as of the other device is not run, such as all of test_cuda.py."""
    other = {"cpu": "cuda_only", "cuda": "cpu_only"}[config.getoption("device")]
    deselected = [item for item in items if item.get_closest_marker(other)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if not item.get_closest_marker(other)]


def pytest_generate_tests(metafunc):
    for name, values in AXES.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values.values(), ids=values.keys())


@pytest.fixture(autouse=True)
def same_start():
    """The same random numbers and threads for every test, whichever ran before."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
