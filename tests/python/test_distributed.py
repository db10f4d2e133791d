"""Two processes compute what one does: DTensor, tensor parallel, data parallel and fully sharded training."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import pytest
from torch.distributed.tensor import Partial, Replicate, Shard

import distributed_worker as worker
from test_nn import MODULES

pytestmark = pytest.mark.cpu_only


def ids(values):
    return " ".join(map(str, values)) if isinstance(values, tuple) else str(values)


every_module = pytest.mark.parametrize("module", MODULES)
every_placement = pytest.mark.parametrize("placement", worker.PLACEMENTS, ids=ids)
whole_placement = pytest.mark.parametrize("placement", worker.PLACEMENTS[:-1], ids=ids)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Runs a function in two processes, which live as long as the tests of this file."""
    store = str(tmp_path_factory.mktemp("both") / "store")
    with ExitStack() as stack:
        pools = [
            stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"), worker.start, (rank, store)))
            for rank in range(worker.RANKS)
        ]

        def run(f, *args):
            for future in [pool.submit(f, *args) for pool in pools]:
                future.result()

        yield run
        run(worker.dist.destroy_process_group)


# --------------------------------------------------------------------------------------------------------- DTensor


@every_placement
def test_dtensor(both, row, placement):
    """Values, first and second derivatives. Split and replicated inputs stay as they are, and nothing is sent."""
    both(worker.dtensor, row.name, [placement])


@pytest.mark.parametrize(
    "shape,placements",
    (
        ((1, 2), (Shard(0), Shard(1))),
        ((1, 2), (Shard(1), Shard(1))),
        ((2, 1), (Shard(3), Replicate())),
        ((2, 1), (Partial(), Shard(0))),
    ),
    ids=ids,
)
def test_dtensor_on_a_mesh_of_two_dims(both, row, shape, placements):
    both(worker.dtensor, row.name, placements, shape)


@whole_placement
def test_dtensor_inplace(both, pointwise, placement):
    both(worker.dtensor_inplace, pointwise.name, placement)


def test_dtensor_inplace_refuses_a_partial_input(both, pointwise):
    with pytest.raises(RuntimeError, match="in-place operations that require placement changes are not supported"):
        both(worker.dtensor_inplace_partial, pointwise.name)


@every_placement
def test_dtensor_out(both, pointwise, placement):
    both(worker.dtensor_out, pointwise.name, placement)


@every_placement
@pytest.mark.parametrize("name", ("softmax", "log_softmax"))
def test_dtensor_softmax(both, name, placement):
    both(worker.dtensor_softmax, name, placement)


@every_placement
@pytest.mark.parametrize("reduction", ("none", "mean", "sum"))
@pytest.mark.parametrize("name", worker.LOSSES)
def test_dtensor_loss(both, name, reduction, placement):
    both(worker.dtensor_loss, name, reduction, placement)


@pytest.mark.parametrize("placement", (Shard(1), Partial()), ids=ids)
def test_dtensor_compile(both, placement):
    both(worker.dtensor_compile, placement)


# Looking for a module is not importing it.
WAITS = """
import importlib.util, sys, torch
import actinium
assert importlib.util.find_spec("torch.distributed.tensor") and "torch.distributed.tensor" not in sys.modules
"""
FOLLOWS = """
import torch.distributed.tensor
import actinium
"""


@pytest.mark.parametrize("imports", (WAITS, FOLLOWS), ids=("before", "after"))
def test_rules_are_there_before_and_after_dtensor_is_imported(imports, tmp_path):
    code = f"""{imports}
from torch.distributed.tensor import DTensor, Shard
import torch.distributed as dist
dist.init_process_group("gloo", init_method="file://{tmp_path}/store", rank=0, world_size=1)
x = DTensor.from_local(torch.ones(2), dist.init_device_mesh("cpu", (1,)), [Shard(0)])
assert torch.ops.actinium.mish(x).placements == (Shard(0),)
dist.destroy_process_group()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------------------------------------- modules


@every_module
def test_tensor_parallel(both, module):
    both(worker.tensor_parallel, module)


@pytest.mark.parametrize("training", (True, False), ids=("train", "eval"))
@pytest.mark.parametrize("wrapper", worker.WRAPPERS)
@every_module
def test_data_parallel(both, module, wrapper, training):
    both(worker.data_parallel, wrapper, module, training)


@every_module
def test_fully_sharded_in_mixed_precision(both, module):
    both(worker.mixed_precision, module)
