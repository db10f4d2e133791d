"""docs/gallery.md: its formulas are those of the operators, its counter-examples hold, and it is what scripts/gallery
makes today."""
# ruff: noqa: RUF001  mathematical signs, as in the formulas

import dataclasses
import re
import sys
import unicodedata
from pathlib import Path

import pytest
import torch

from formulas import MP
from op_table import ROWS, ops

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import gallery
from gallery import ENTRIES

pytestmark = pytest.mark.cpu_only

BY_KEY = {entry.key: entry for entry in ENTRIES}

# Two pieces of the gallery's Maxout are equal at -2 and at 1.5.
POINTS = torch.tensor([-30.0, -4.5, -2.0, -1.1, -0.3, 0.0, 0.6, 1.5, 3.2, 17.0], dtype=torch.float64)

# How a formula is written in Python. NFKC makes x1 of x₁.
PYTHON = {
    "·": "*",
    "²": "**2",
    "³": "**3",
    "−": "-",
    "≥": ">=",
    "√": "sqrt",
    "eˣ": "exp(x)",
    "e⁻ˣ": "exp(-x)",
    ", else": " else",
}
FUNCTIONS = {name: getattr(MP, name) for name in ("erf", "exp", "log", "sqrt", "tanh")} | {
    "max": max,
    "s": lambda x: 1 / (1 + MP.exp(-x)),
    "π": MP.pi,
}


class Scope(dict):
    """What the names in a formula stand for. Those that lines of it define are evaluated when they are asked for."""

    def __init__(self, lines, names):
        super().__init__(FUNCTIONS | names)
        self.lines = lines

    def __missing__(self, name):
        text = self.lines[name]
        for sign, python in PYTHON.items():
            text = text.replace(sign, python)
        return eval(unicodedata.normalize("NFKC", text), {"__builtins__": {}}, self)


def variable(left):
    """By what the left side of a line is a derivative of f; None if it is none."""
    found = re.fullmatch(r"f'\((\w+)\)|∂f/∂(\w+)", left)
    return found and unicodedata.normalize("NFKC", found[1] or found[2])


@pytest.fixture(params=BY_KEY.values(), ids=BY_KEY.keys())
def entry(request):
    return request.param


def test_every_operator_has_one_entry():
    overloads = {
        base if overload == "default" else f"{base}.{overload}"
        for base in {row.base for row in ROWS if not row.base.startswith("_")}
        for overload in getattr(ops, base).overloads()
        if not overload.endswith("out")
    }
    assert sorted(entry.operator for entry in ENTRIES) == sorted(overloads)


def test_formula_and_derivatives_are_those_of_the_operator(entry):
    lines = gallery.definitions(entry)
    derivatives = {left: by for left in lines if (by := variable(left))}
    assert set(lines) == {"f(x)", *derivatives, *filter(str.isidentifier, lines)}
    inputs = entry.inputs(POINTS)
    assert set(inputs) <= set(derivatives.values())
    for curve in entry.curves:
        for turn in range(len(inputs)):  # each of the inputs in each place
            values = torch.stack((*inputs.values(),)).roll(turn, 0)
            names = dict(zip(inputs, values, strict=True)) | {n: torch.full_like(POINTS, v) for n, v in curve.items()}
            names = {name: value.clone().requires_grad_() for name, value in names.items()}
            y = entry.function(*names.values())
            gradients = torch.autograd.grad(y.sum(), [names[by] for by in derivatives.values()])
            with MP.workdps(50):
                scopes = [
                    Scope(lines, {name: MP.mpf(value[i].item()) for name, value in names.items()})
                    for i in range(len(POINTS))
                ]
                for left, got in zip(("f(x)", *derivatives), (y, *gradients), strict=True):
                    wanted = torch.tensor([float(scope[left]) for scope in scopes], dtype=torch.float64)
                    torch.testing.assert_close(got, wanted, rtol=1e-13, atol=2.0**-52)


def test_an_entry_without_accuracy_rounds_nothing(entry):
    if not entry.accuracy:
        inputs = torch.stack(list(entry.inputs(POINTS).values()))
        assert (entry.function(*inputs) == inputs).any(0).all()


def test_counter_examples_hold(entry):
    for wrong in entry.wrong:
        text, holds = gallery.counter_example(wrong)
        assert holds, text


def test_a_counter_example_that_does_not_hold_is_not_written():
    wrong = dataclasses.replace(BY_KEY["mish"].wrong[0], counter="mish(x) != x * torch.tanh(F.softplus(x))")
    with pytest.raises(ValueError, match="does not contradict"):
        gallery.section(dataclasses.replace(BY_KEY["mish"], wrong=(wrong,)))


@pytest.mark.parametrize("field", ["accuracy", "speed"])
def test_a_row_that_is_not_there_is_an_error(field):
    with pytest.raises(LookupError, match="no row 'none"):
        gallery.section(dataclasses.replace(BY_KEY["mish"], **{field: ("none",)}))


def test_document_is_what_the_script_writes():
    assert (gallery.ROOT / gallery.DOCUMENT).read_text() == gallery.document(), "scripts/gallery writes it"


def test_each_entry_has_its_figure():
    figures = (gallery.ROOT / gallery.DOCUMENT).with_suffix("").iterdir()
    assert sorted(figure.name for figure in figures) == sorted(f"{key}.svg" for key in BY_KEY)
