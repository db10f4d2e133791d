"""actinium.compat: what programs find that import other packages, and files that name them."""

import copy
import io
import sys
from itertools import accumulate
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

import actinium
from actinium.compat import mish_cuda
from actinium.compat.mish_cuda import MishCuda, MishCudaFunction, mish_backward, mish_forward

CALLS = {
    "module": MishCuda(),
    "function": MishCudaFunction.apply,
    "forward": mish_forward,
    "compiled module": torch.compile(MishCuda(), fullgraph=True, backend="aot_eager"),
    "compiled function": torch.compile(lambda x: MishCudaFunction.apply(x), fullgraph=True, backend="aot_eager"),
    "scripted module": torch.jit.script(MishCuda()),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def sample(dtype=torch.float64):
    return torch.linspace(-6, 6, 70, dtype=dtype).reshape(2, 5, 7)


# ---------------------------------------------------------------------------------------------------------- mish_cuda


@every_call
def test_mish(call, dtype):
    x = sample(dtype).requires_grad_()
    y, want = call(x), torch.ops.actinium.mish(x)
    assert torch.equal(y, want) and y.dtype == dtype
    gradients = (torch.autograd.grad(t, x, torch.ones_like(t))[0] for t in (y, want))
    assert torch.equal(*gradients)
    assert_close(y.double(), F.mish(x.double()), rtol=torch.finfo(dtype).eps * 4, atol=0.0)


@pytest.mark.parametrize("call", (MishCuda(), MishCudaFunction.apply), ids=("module", "function"))
def test_derivatives(call):
    x = sample().requires_grad_()
    assert torch.autograd.gradcheck(call, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, x)


def test_forward_and_backward():
    """The order of the arguments is that of the old package."""
    x = sample().requires_grad_()
    gradient = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).reshape(x.shape)
    out = torch.empty_like(x)
    assert mish_forward(x.detach(), out) is out and torch.equal(out, MishCuda()(x))
    (want,) = torch.autograd.grad(F.mish(x), x, gradient)
    assert_close(mish_backward(x, gradient), want)


def test_autocast():
    with torch.autocast(torch.get_default_device().type, torch.bfloat16):
        assert MishCuda()(sample(torch.float32)).dtype == torch.float32
        assert MishCuda()(sample(torch.bfloat16)).dtype == torch.bfloat16


def test_the_module():
    module = MishCuda()
    assert repr(module) == "MishCuda()" and not module.state_dict()
    x = sample()
    assert torch.equal(copy.deepcopy(module)(inp=x), module(x))


def test_convert():
    model, report = actinium.convert(nn.Sequential(MishCuda()), return_report=True)
    assert isinstance(model[0], actinium.nn.Mish) and not report.left


# -------------------------------------------------------------------------------------------- under the old names


def chain(name):
    """The packages above a module, and the module."""
    return list(accumulate(name.split("."), "{}.{}".format))


# The second is where ScaledYOLOv4 had it built for its branch yolov4-large.
NAMES = ("mish_cuda", "mc.build.lib.mish_mish")
every_name = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def forgetting():
    """Other tests do not see what is found under those names."""
    yield
    for name in NAMES:
        for module in chain(name):
            sys.modules.pop(module, None)


@every_name
def test_imports(name, forgetting):
    program = f"from {name} import MishCuda as Mish, MishCudaFunction, mish_forward, mish_backward"
    with pytest.raises(ModuleNotFoundError):
        exec(program)
    mish_cuda.install(name)
    exec(program, found := {})
    assert found["Mish"] is MishCuda
    exec(f"import {name}; Mish = {name}.MishCuda", found := {})
    assert found["Mish"] is MishCuda
    exec(f"from {name} import *", found := {})
    assert found.keys() - {"__builtins__"} == {"MishCuda", "MishCudaFunction", "mish_backward", "mish_forward"}


@every_name
@pytest.mark.parametrize("zipfile", (False, True), ids=("torch 1.5", "torch 1.6"))
def test_models_that_were_saved_whole(name, forgetting, zipfile, monkeypatch):
    """As files of both formats hold them."""

    class Old(nn.Module):
        def forward(self, inp):
            return F.mish(inp)

    Old.__module__, Old.__qualname__, Old.__name__ = name, "MishCuda", "MishCuda"
    old = nn.Sequential(nn.Linear(7, 7).double(), Old())
    file = io.BytesIO()
    with monkeypatch.context() as patch:
        for module in chain(name):
            patch.setitem(sys.modules, module, ModuleType(module))
        sys.modules[name].MishCuda = Old
        torch.save(old, file, _use_new_zipfile_serialization=zipfile)

    def load():
        file.seek(0)
        return torch.load(file, weights_only=False)

    with pytest.raises(ModuleNotFoundError):
        load()
    mish_cuda.install(name)
    model = load()
    assert type(model[1]) is MishCuda
    assert_close(model(sample()), old(sample()))
    # From then on it is saved under the name that needs no install().
    torch.save(model, file := io.BytesIO())
    file.seek(0)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    assert "actinium.compat.mish_cuda.MishCuda" in names and f"{name}.MishCuda" not in names


def test_a_file_of_that_name(forgetting, tmp_path, monkeypatch):
    (tmp_path / "mish_cuda.py").write_text("from actinium.compat.mish_cuda import *\n")
    monkeypatch.syspath_prepend(tmp_path)
    exec("from mish_cuda import MishCuda as Mish", found := {})
    assert found["Mish"] is MishCuda


def test_the_name_is_mish_cuda_if_none_is_given(forgetting):
    mish_cuda.install()
    assert sys.modules["mish_cuda"] is mish_cuda
