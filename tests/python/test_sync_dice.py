"""SyncDice: two processes compute what one does with the batches of both."""

import copy
import math

import pytest
import torch
from torch import nn

import distributed_worker as worker
from actinium.nn import Dice, SyncDice, convert_sync_dice
from test_distributed import both  # noqa: F401  the two processes

pytestmark = pytest.mark.cpu_only

OPTIONS = {
    "plain": {},
    "affine": {"weight": 1.0, "bias": 0.0, "eps": 1e-5, "eps_mode": "both"},
    "average": {"momentum": None, "unbiased": False, "shared_alpha": True},
    "without stats": {"track_running_stats": False, "dim": 2},
}


@pytest.mark.parametrize("sizes", ((4, 4), (5, 2), (0, 6), (1, 1)), ids=str)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_two_processes_are_as_one(both, options, sizes):  # noqa: F811
    both(worker.sync_dice, options, sizes)


@pytest.mark.parametrize("sizes", ((4, 4), (0, 6)), ids=str)
def test_masks(both, sizes):  # noqa: F811
    both(worker.sync_dice, {"weight": 1.0}, sizes, True)


@pytest.mark.parametrize("padding", (None, 2.0, math.nan), ids=str)
def test_second_derivatives(both, padding):  # noqa: F811
    both(worker.sync_dice_twice, padding)


def test_wrong_arguments(both):  # noqa: F811
    both(worker.sync_dice_errors)


@pytest.mark.parametrize("narrow", (torch.float32, torch.bfloat16), ids=str)
def test_narrower_types(both, narrow):  # noqa: F811
    both(worker.sync_dice, {"eps_mode": "both"}, (5, 2), False, 1, narrow)


def test_one_value_in_all_processes_is_an_error(both):  # noqa: F811
    both(worker.sync_dice_one_value)


def test_data_parallel(both):  # noqa: F811
    both(worker.sync_dice_data_parallel)


def test_groups(both):  # noqa: F811
    both(worker.sync_dice_of_a_group)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_without_processes_it_is_dice(options):
    x = torch.randn(4, 3, 6)
    one, other = Dice(6, **options), SyncDice(6, **options)
    torch.testing.assert_close(other(x), one(x), rtol=0.0, atol=0.0)
    torch.testing.assert_close(other.state_dict(), one.state_dict())


def test_convert_keeps_what_is_learned():
    shared = Dice(6, 1e-3, None, 0.5, weight=2.0, bias=1.0, eps_mode="both", unbiased=False, dim=1, dtype=torch.float64)
    model = nn.ModuleDict(
        {
            "a": nn.Sequential(nn.Linear(6, 6), shared.eval()),
            "again": shared,
            "row": Dice(6, shared_alpha=True, statistics="row"),
        }
    )
    shared.register_forward_hook(lambda *_: "hooked")
    before, text = {**dict(model.named_parameters()), **dict(model.named_buffers())}, repr(model)
    assert convert_sync_dice(model) is model
    assert isinstance(model["a"][1], SyncDice) and isinstance(model["row"], SyncDice)
    assert not model["a"][1].training and model["row"].training
    after = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert before.keys() == after.keys() and all(after[name] is t for name, t in before.items())
    assert repr(model) == text.replace("Dice", "SyncDice")
    assert model["a"][1] is model["again"] is shared and shared(torch.zeros(2, 6).double()) == "hooked"
    again = copy.deepcopy(convert_sync_dice(model))
    torch.testing.assert_close(again.state_dict(), model.state_dict())


def test_it_cannot_be_scripted():
    with pytest.raises(TypeError, match="SyncDice cannot be scripted; script a Dice with its state dict"):
        torch.jit.script(nn.Sequential(SyncDice(6)))
