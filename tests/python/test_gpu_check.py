"""scripts/gpu-check as it rehearses on the CPU: what it measures, what it reports, and what it makes of mistakes."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import formulas
from formulas import MP, derivative
from ulp import numbers

ROOT = Path(__file__).resolve().parents[2]
OPS = (
    "mish",
    "swish(1)",
    "swish(1.5)",
    "gelu",
    "gelu_tanh",
    "quick_gelu",
    "selu",
    "elu",
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
)
DTYPES = ("float32", "float64", "bfloat16", "float16")
FAMILIES = {  # of several values, with the gradients that are measured
    "prelu": ("f", "dx"),
    **{f"gated, {name}": ("f", "dgate", "dup") for name in ("swish", "gelu", "gelu_tanh", "relu", "sigmoid")},
    "swiglu_clamped": ("f", "dgate", "dup"),
    "bias_act, tanh": ("f", "dx"),
    "linear_maxout": ("f",),
    "softmax": ("f", "dx"),
    "log_softmax": ("f", "dx"),
    "softmax_cross_entropy": ("f", "dx"),
    "sigmoid_binary_cross_entropy": ("f", "dx"),
}
COMPOSITES = (
    *("dice", "dice_eval", "swish_beta", "maxout2", "maxout4", "prelu", "swiglu", "swiglu_interleaved"),
    *("swiglu_clamped", "bias_gelu", "maxout_linear", "softmax", "log_softmax", "cross_entropy"),
    "binary_cross_entropy",
)

pytestmark = pytest.mark.cpu_only


def rehearse(folder, *options, tree=ROOT):
    return subprocess.run(
        [tree / "scripts" / "gpu-check", folder, "--rehearse", *options],
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    done = rehearse(folder, "--stages", "build,accuracy,bench")
    assert done.returncode == 0, done.stdout + done.stderr
    return done, json.loads((folder / "check.json").read_text()), (folder / "check.md").read_text(), folder


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def test_accuracy_holds_every_function_pass_and_dtype(rehearsal):
    _, run, text, _ = rehearsal
    measured = [(result["function"], result["pass"], result["dtype"]) for result in run["accuracy"]]
    families = [(name, output, dtype) for name, outputs in FAMILIES.items() for output in outputs for dtype in DTYPES]
    assert sorted(measured) == sorted([*product(OPS, ("f", "f'", "f''"), DTYPES), *families])
    assert all(result["inputs"] > 1000 or result["function"] == "softmax_cross_entropy" for result in run["accuracy"])
    exact = ("relu", "leaky_relu", "prelu", "gated, relu")  # in some of their passes
    assert all(result["ours"]["share"] > 0 or result["function"] in exact for result in run["accuracy"])
    assert all(f"| {dtype} | {function} {name} |" in text for function, name, dtype in measured)


def test_bench_holds_every_op_direction_and_dtype(rehearsal, benchmarks):
    import cuda_rows

    _, run, text, _ = rehearsal
    rows = {(r["row"]["group"], r["row"]["op"], r["row"]["direction"], r["row"]["dtype"]) for r in run["bench"]}
    assert rows >= set(product(["full"], OPS, ("forward", "backward", "double_backward"), DTYPES))
    for dtype in ("float32", "bfloat16"):
        for group, directions in (("graph", ("forward", "backward")), ("eager", ("forward", "step"))):
            assert rows >= set(product([group], OPS, directions, [dtype]))
        assert rows >= set(product(["channels"], COMPOSITES, ("forward", "step"), [dtype]))
    for result in run["bench"]:
        assert {"ours", "builtin"} <= set(result["ns"]) and not result["missing"]
        if result["row"]["group"] == "full":
            assert "copy" in result["ratio"]
            row = cuda_rows.Row(**result["row"] | {"shape": tuple(result["row"]["shape"])})
            assert f"| {row} |" in text
    assert not run["unmeasured"]


def test_a_rehearsal_says_so(rehearsal):
    done, run, text, folder = rehearsal
    assert text.startswith("# REHEARSAL")
    assert "build: not run" in done.stdout and "not in a rehearsal" in text
    assert run["stages"]["accuracy"]["status"] == run["stages"]["bench"]["status"] == "passed"
    assert {path.name for path in folder.iterdir()} == {"check.json", "check.md", "check.log"}


def test_a_missed_bar_is_reported_and_is_no_failure(rehearsal, benchmarks):
    import gpu_report

    done, run, text, _ = rehearsal
    row, kind, ratio = gpu_report.missed(run)[0]  # on a CPU nothing keeps up with a copy that stays in the cache
    assert ratio < row.bars[kind]
    assert f"- {row}: " in done.stdout and f"- {row}: " in text

    planted = next(result for result in run["bench"] if result["ratio"]["builtin"][1] > 1)
    before = len(gpu_report.missed(run))
    planted["ratio"]["builtin"] = [0.4, 0.5, 0.6]
    row = gpu_report.row_of(planted)
    assert len(gpu_report.missed(run)) == before + 1
    assert f"- {row}: 0.50 times as fast as builtin, 0.97 is asked for" in gpu_report.document(run)
    assert "**0.50**" in gpu_report.document(run)
    assert not gpu_report.failures(run)


def test_failures_are_named_and_change_the_exit_status(tmp_path):
    """In a copy of the programs with an inexact kernel and a test that fails."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "benchmarks", tree / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "gpu-check", tree / "scripts")
    (tree / "tests" / "python").mkdir(parents=True)
    for file in Path(__file__).parent.glob("*.py"):
        (tree / "tests" / "python" / file.name).symlink_to(file)
    file = tree / "tests" / "python" / "test_special_values.py"
    file.unlink()
    file.write_text("def test_right():\n    pass\n\n\ndef test_planted():\n    assert 1 == 2\n")
    file = tree / "benchmarks" / "cuda_accuracy.py"
    before = file.read_text()
    file.write_text(before.replace("function.derivatives(there)", "function.derivatives(there * 1.01)"))
    assert file.read_text() != before

    done = rehearse(tmp_path / "out", "--stages", "tests,accuracy", tree=tree)
    assert done.returncode == 1, done.stdout + done.stderr
    run = json.loads((tmp_path / "out" / "check.json").read_text())
    assert {name: stage["status"] for name, stage in run["stages"].items()} == {"tests": "failed", "accuracy": "failed"}
    assert "tests: 1 passed, 1 failed, 0 skipped" in done.stdout
    assert "test_special_values::test_planted: assert 1 == 2" in done.stdout
    assert "bfloat16 mish f:" in done.stdout and "FAILED: tests, accuracy" in done.stdout
    assert "test_planted" in (tmp_path / "out" / "check.md").read_text()


def test_a_stage_that_runs_out_of_time_is_a_failure(tmp_path):
    done = rehearse(tmp_path, "--stages", "accuracy", "--minutes", "0.1")
    assert done.returncode == 1
    assert "accuracy: out of time" in done.stdout and "FAILED: accuracy" in done.stdout


@pytest.mark.parametrize("name", OPS)
def test_references_are_exact(benchmarks, name):
    """Against differences of the formula in hundreds of digits, away from the roots."""
    import cuda_accuracy
    from cuda_ops import FUNCTIONS

    function = FUNCTIONS[name]
    names = {"swish": "beta", "leaky_relu": "negative_slope"}
    x = torch.tensor([-16.5, -6.25, -2.0, -0.5, 0.375, 1.0, 3.5, 14.0])
    for dtype, bound in ((torch.float32, 2.0**-42), (torch.float64, 2.0**-55)):
        number = MP.mpf(float(torch.tensor(function.beta, dtype=dtype)))
        arguments = {names[function.base]: number} if function.base in names else {}
        formula = partial(getattr(formulas, function.base), **arguments)
        for at, (high, low) in enumerate(cuda_accuracy.exact(function, x.to(dtype))):
            for i, value in enumerate(x.tolist()):
                want = derivative(formula, at, value)
                with MP.workdps(60):
                    error = abs(MP.mpf(float(high[i])) + MP.mpf(float(low[i])) - want)
                    assert error <= bound * abs(want) + 1e-300, (dtype, at, value, error)


def test_triton_kernels_compute_the_functions(benchmarks, monkeypatch):
    """By Triton's interpreter, which needs no GPU."""
    pytest.importorskip("triton", reason="torch without Triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    import triton_kernels
    from cuda_ops import FUNCTIONS

    for function, dtype in product(FUNCTIONS.values(), (torch.float32, torch.float64)):
        x, g = (torch.randn(2_500, dtype=dtype) * 2 for _ in range(2))
        bound = 1e-5 if dtype == torch.float32 else 1e-8  # 0.1070322243 in the GELU's slope has ten digits
        want = numbers(function.call(x)), numbers(function.backward(g, x, torch.empty_like(x)))
        got = (
            triton_kernels.forward(function.base, function.beta, x, torch.empty_like(x)),
            triton_kernels.backward(function.base, function.beta, g, x, torch.empty_like(x)),
        )
        for mine, right in zip(got, want, strict=True):
            np.testing.assert_allclose(numbers(mine), right, rtol=bound, atol=bound)
