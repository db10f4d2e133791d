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
    "layout": LAYOUTS,
    "writable": WRITABLE,
    "dtype": {str(d).removeprefix("torch."): d for d in FLOATS},
    "wide": {str(d).removeprefix("torch."): d for d in WIDE},
}


def pytest_generate_tests(metafunc):
    for name, values in AXES.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values.values(), ids=values.keys())


@pytest.fixture(autouse=True)
def same_start():
    """The same random numbers and threads for every test, whichever ran before."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
