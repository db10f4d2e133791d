"""Actinium: activation functions for PyTorch, as operators ``torch.ops.actinium.*``.

    import actinium

    y = actinium.functional.mish(x)
    layer = actinium.nn.Swish(trainable=True)

``actinium.cmake_prefix_path`` is what a C++ program gives CMake to ``find_package(Actinium)``,
``actinium.library_path`` the library that a program without Python loads, or a script by ``torch.ops.load_library``.
"""

import warnings
from pathlib import Path

import torch

try:
    from actinium import _build_info
except ImportError as error:
    raise ImportError(
        "actinium is not built: install it by `pip install --no-build-isolation .`, and import it from elsewhere than "
        "its source tree"
    ) from error

_package = Path(__file__).resolve().parent

#: The version of this package; the part after "+" names the torch that it was built for.
__version__ = f"{_build_info.version}+torch{_build_info.torch.rpartition('.')[0]}"
#: For CMAKE_PREFIX_PATH, as ``torch.utils.cmake_prefix_path``.
cmake_prefix_path = str(_package / "share" / "cmake")
#: The folder that holds ``actinium/actinium.h``.
include_path = str(_package / "include")
#: libactinium.so, with the operators, their CPU kernels and gradients.
library_path = str(_package / "lib" / "libactinium.so")
#: libactinium_cuda.so with the CUDA kernels, or None in a package built without them.
cuda_library_path = str(_package / "lib" / "libactinium_cuda.so") if _build_info.cuda else None


def build_info() -> dict:
    """What the libraries were built with: versions of Actinium, torch and CUDA, architectures, compiler."""
    return {name: value for name, value in vars(_build_info).items() if not name.startswith("_")}


def _check_torch() -> None:
    # The C++ interface of torch changes with every release. With another one the dynamic linker stops at a symbol that
    # tells nobody anything, so the versions are compared before the library is loaded.
    found = torch.__version__.partition("+")[0]
    if found != _build_info.torch:
        raise ImportError(
            f"this actinium {_build_info.version} was built for torch {_build_info.torch}, but torch "
            f"{torch.__version__} is installed; install torch=={_build_info.torch}, or the actinium built for {found}"
        )


def _load() -> None:
    torch.ops.load_library(library_path)
    # The CUDA kernels need the libraries of a torch with the same CUDA. Without them the CPU works all the same.
    ours, theirs = (version and version.partition(".")[0] for version in (_build_info.cuda, torch.version.cuda))
    if ours and ours == theirs:
        try:
            torch.ops.load_library(cuda_library_path)
        except OSError as error:
            if torch.cuda.is_available():
                warnings.warn(f"actinium: the CUDA kernels could not be loaded: {error}", stacklevel=3)


_check_torch()
_load()

# They name the operators, which exist from here on.
from actinium import _dtensor, _inductor, _nested, _vmap, functional, nn, onnx  # noqa: E402
from actinium._convert import convert  # noqa: E402
from actinium._inductor import fuse  # noqa: E402
from actinium.acceleration import accelerate, is_accelerated  # noqa: E402

for _rules in (_vmap, _nested, _dtensor, _inductor):
    _rules.register()

__all__ = [
    "__version__",
    "accelerate",
    "build_info",
    "cmake_prefix_path",
    "convert",
    "cuda_library_path",
    "functional",
    "fuse",
    "include_path",
    "is_accelerated",
    "library_path",
    "nn",
    "onnx",
]
