"""The package itself: what it holds, and what it says when torch is not the one that it was built for."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import actinium

pytestmark = pytest.mark.cpu_only


def test_paths_are_there():
    assert Path(actinium.library_path).is_file()
    assert (Path(actinium.include_path) / "actinium" / "actinium.h").is_file()
    assert (Path(actinium.cmake_prefix_path) / "Actinium" / "ActiniumConfig.cmake").is_file()
    assert actinium.cuda_library_path is None or Path(actinium.cuda_library_path).is_file()


def test_version_and_build_info():
    info = actinium.build_info()
    assert actinium.__version__.startswith(info["version"] + "+torch")
    assert info["torch"] == torch.__version__.partition("+")[0]
    assert "DEFAULT" in info["cpu_capabilities"]


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_another_torch_is_refused_before_the_library_is_loaded():
    done = python(
        "import torch\n"
        "torch.__version__ = '9.8.7+cpu'\n"
        "torch.ops.load_library = lambda path: print('loaded')\n"
        "import actinium\n"
    )
    assert done.returncode != 0 and "loaded" not in done.stdout
    assert "ImportError" in done.stderr
    assert f"built for torch {actinium.build_info()['torch']}, but torch 9.8.7+cpu is installed" in done.stderr


def test_the_library_alone_is_enough():
    """Without the package, as a program that only loads the shared object."""
    done = python(
        "import torch\n"
        f"torch.ops.load_library({actinium.library_path!r})\n"
        "x = torch.randn(3, requires_grad=True)\n"
        "torch.ops.actinium.mish(x).sum().backward()\n"
        "assert x.grad.shape == x.shape\n"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("library", [p for p in (actinium.library_path, actinium.cuda_library_path) if p])
def test_no_python_in_the_libraries(library):
    """One library for every Python, and for programs without any."""
    content = Path(library).read_bytes()
    assert b"libpython" not in content and b"libtorch_python" not in content and b"PyObject_" not in content
