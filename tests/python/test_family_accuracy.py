"""What scripts/accuracy measures of functions of several values, in small: the bounds that docs/accuracy.md states."""

import dataclasses
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import family_accuracy

pytestmark = pytest.mark.cpu_only

ROWS = 32
CASES = {case.name: case for case in family_accuracy.cases()}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(family_accuracy, "COLUMNS", 256)


@pytest.mark.parametrize("of", (torch.float32, torch.bfloat16), ids=str)
@pytest.mark.parametrize("name", CASES)
def test_bounds_are_met(name, of):
    assert not [str(figure) for figure in family_accuracy.measure_case(CASES[name], of, ROWS) if not figure.met]


@pytest.mark.parametrize("name", ("gated, gelu", "softmax", "sigmoid_binary_cross_entropy"))
def test_another_function_does_not_meet_them(name):
    """Torch's, whose tail, differences or logarithms lose digits."""
    case = dataclasses.replace(CASES[name], ours=CASES[name].builtin)
    assert not all(figure.met for figure in family_accuracy.measure_case(case, torch.float32, ROWS))
