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
import torch.nn.functional as F

from formulas import MP

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
    "≤": "<=",
    "√": "sqrt",
    "eˣ": "exp(x)",
    "e⁻ˣ": "exp(-x)",
    "act'": "slope",
    ", else": " else",
}
FUNCTIONS = {name: getattr(MP, name) for name in ("erf", "exp", "log", "sqrt", "tanh")} | {
    "max": max,
    "min": min,
    "s": lambda x: 1 / (1 + MP.exp(-x)),
    "π": MP.pi,
}
PLACES = "₁₂₃"  # of the classes or pieces of a formula


def written_out(lines):
    """The lines of a formula by their left sides: those with an index once for each class or piece, and every term of
    sums over one."""
    for index in "ᵢⱼ":
        lines = {
            left.replace(index, place): right.replace("[i = j]", "[ᵢ = ⱼ]").replace(index, place)
            for left, right in lines.items()
            for place in (PLACES if index in left else index)
        }
    return {unicodedata.normalize("NFKC", left): without_indices(right) for left, right in lines.items()}


def without_indices(right):
    def total(found):
        return f"({' + '.join(found[2].replace(found[1], place) for place in PLACES)})"

    right = re.sub(r"Σ([ᵢⱼ]) (\S+)", total, right)
    return re.sub(r"\[(.) = (.)\]", lambda equal: str(int(equal[1] == equal[2])), right)


def function_of(left):
    """f, or f1, f2 of several, for the left side of its line; None for that of another line."""
    found = re.fullmatch(r"(f\d?)\((\w|, )+\)", left)
    return found and found[1]


def derivative(left):
    """Of which function, and by what, the left side of a line is a derivative; None if it is none."""
    found = re.fullmatch(r"(f)'\((\w+)\)|∂(f\d?)/∂(\w+)", left)
    return found and tuple(filter(None, found.groups()))


class Scope(dict):
    """What the names in a formula stand for. Those that lines of it define are evaluated when they are asked for."""

    def __init__(self, lines, names):
        super().__init__(FUNCTIONS | names)
        self.lines = {function_of(left) or left: right for left, right in lines.items()}
        if "act" in names:
            of = gallery.definitions(BY_KEY[names["act"]])
            self |= {"act": lambda x: Scope(of, {"x": x})["f"], "slope": lambda x: Scope(of, {"x": x})["f'(x)"]}

    def __missing__(self, name):
        text = self.lines[name]
        for sign, python in PYTHON.items():
            text = text.replace(sign, python)
        return eval(unicodedata.normalize("NFKC", text), {"__builtins__": {}}, self)


@pytest.fixture(params=BY_KEY.values(), ids=BY_KEY.keys())
def entry(request):
    return request.param


def test_every_operator_has_one_entry():
    """Parts, gradients, in-place and out= forms have none of their own."""
    parts = re.compile(r"_.*|.*_|.*_backward|maxout_with_indices")
    schemas = [schema for schema in torch._C._jit_get_all_schemas() if schema.name.startswith("actinium::")]
    operators = [
        schema.name.removeprefix("actinium::") + (f".{schema.overload_name}" if schema.overload_name else "")
        for schema in schemas
        if not schema.overload_name.endswith("out")
    ]
    shown = [operator for entry in ENTRIES for operator in entry.schemas]
    assert sorted(shown) == sorted(name for name in operators if not parts.fullmatch(name.partition(".")[0]))


def test_formula_and_derivatives_are_those_of_the_operator(entry):
    lines = written_out(gallery.definitions(entry))
    functions = [name for left in lines if (name := function_of(left))]
    derivatives = {left: of for left in lines if (of := derivative(left))}
    assert len(lines) == len(functions) + len(derivatives) + len([*filter(str.isidentifier, lines)])
    inputs = entry.inputs(POINTS)
    assert {function for function, _ in derivatives.values()} == set(functions)
    assert set(inputs) <= {by for _, by in derivatives.values()}
    for curve in entry.curves:
        for turn in range(len(inputs)):  # each of the inputs in each place
            values = torch.stack((*inputs.values(),)).roll(turn, 0)
            names = dict(zip(inputs, values, strict=True)) | curve
            names = {n: v if isinstance(v, str) else v + torch.zeros_like(POINTS) for n, v in names.items()}
            leaves = {n: v.requires_grad_() for n, v in names.items() if not isinstance(v, str)}
            results = torch.atleast_2d(entry.function(*names.values()))
            got = dict(zip(functions, results, strict=True))
            for left, (function, by) in derivatives.items():
                (got[left],) = torch.autograd.grad(got[function].sum(), leaves[by], retain_graph=True)
            with MP.workdps(50):
                scopes = [
                    Scope(lines, names | {name: MP.mpf(value[i].item()) for name, value in leaves.items()})
                    for i in range(len(POINTS))
                ]
                for left, value in got.items():
                    wanted = torch.tensor([float(scope[left]) for scope in scopes], dtype=torch.float64)
                    torch.testing.assert_close(value, wanted, rtol=1e-13, atol=2.0**-52)


def test_an_entry_without_accuracy_rounds_nothing(entry):
    if not entry.accuracy and not entry.families and entry.without_accuracy == gallery.Entry.without_accuracy:
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


@pytest.mark.parametrize("field", ["accuracy", "families", "speed"])
def test_a_row_that_is_not_there_is_an_error(field):
    with pytest.raises(LookupError, match="no row 'none"):
        gallery.section(dataclasses.replace(BY_KEY["mish"], **{field: ("none",)}))


def test_it_names_the_inputs_of_the_report(monkeypatch):
    table = "| dtype | inputs of each activation |\n| --- | --- |\n| float32 | default every 16th; avx512 all 2^32 |\n"
    monkeypatch.setattr(gallery, "report", lambda path: f"# Accuracy\n\n{table}\nEvery\n997th float32")
    start = "default every 16th; avx512 all 2^32; of Swish with another β and of Dice every 997th;"
    assert gallery.inputs().startswith(start)


@pytest.mark.parametrize("builtin, slope", [(F.relu, 1.0), (F.leaky_relu, 0.01)], ids=("relu", "leaky_relu"))
def test_derivative_at_nan(builtin, slope):
    """As the sections of ReLU and LeakyReLU say."""
    nan = torch.tensor([torch.nan])
    assert gallery.D(builtin, nan) == slope and gallery.D(getattr(gallery, builtin.__name__), nan).isnan()


def test_document_is_what_the_script_writes():
    assert (gallery.ROOT / gallery.DOCUMENT).read_text() == gallery.document(), "scripts/gallery writes it"


def test_each_entry_has_its_figure():
    figures = (gallery.ROOT / gallery.DOCUMENT).with_suffix("").iterdir()
    assert sorted(figure.name for figure in figures) == sorted(f"{key}.svg" for key in BY_KEY)
