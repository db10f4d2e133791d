"""Builds the Python package: CMake makes the libraries, setuptools packs them with their headers and CMake files.

The build directory, build/torch-<version>, is kept, so that a second build compiles only what changed. CMAKE_ARGS adds
options for CMake, MAX_JOBS limits the number of compilers that run at a time.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version as installed
from pathlib import Path

import setuptools

if int(setuptools.__version__.partition(".")[0]) < 77:
    # With --no-build-isolation pip does not look at what pyproject.toml requires.
    sys.exit(f"Actinium needs setuptools 77, this is {setuptools.__version__}: pip install 'setuptools>=77,<82'")

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
VERSION = ".".join(re.findall(r"define ACTINIUM_VERSION_\w+ (\d+)", (ROOT / "include/actinium/version.h").read_text()))
TORCH = installed("torch").partition("+")[0]


class CMakeBuild(build_ext):
    """Runs CMake and installs its result into the package, or into the source tree for an editable install."""

    def run(self):
        inplace = self.inplace or self.editable_mode
        package = (ROOT if inplace else Path(self.build_lib).resolve()) / "actinium"
        build = ROOT / "build" / f"torch-{TORCH}"
        cmake = shutil.which("cmake") or sys.exit("Actinium is built by CMake 3.22 or newer, and no cmake was found.")

        # The package is located and not imported, which would take seconds.
        torch = Path(importlib.util.find_spec("torch").submodule_search_locations[0])
        options = [f"-DLibTorch_ROOT={torch}", "-DCMAKE_INSTALL_LIBDIR=lib", "-DCMAKE_INSTALL_INCLUDEDIR=include"]
        if not (build / "CMakeCache.txt").exists():
            options += ["-DCMAKE_BUILD_TYPE=Release", "-DACTINIUM_BUILD_TESTS=OFF"]
            options += ["-GNinja"] if shutil.which("ninja") else []
        options += shlex.split(os.environ.get("CMAKE_ARGS", ""))
        subprocess.check_call([cmake, "-S", str(ROOT), "-B", str(build), *options])
        jobs = os.environ.get("MAX_JOBS") or str(os.cpu_count())
        subprocess.check_call([cmake, "--build", str(build), "--target", "actinium_libraries", "--parallel", jobs])
        subprocess.check_call([cmake, "--install", str(build), "--prefix", str(package)])
        shutil.copyfile(build / "build_info.py", package / "_build_info.py")

    def get_outputs(self):
        return []

    def get_output_mapping(self):
        return {}


class CleanBuildPy(build_py):
    """Starts from an empty folder, so that a module deleted from the source does not live on in the wheel."""

    def run(self):
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class PlatformWheel(bdist_wheel):
    """No Python.h in the libraries: one wheel serves every Python 3 of a platform."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


setup(
    # The library fits one version of torch, so the version says which.
    version=f"{VERSION}+torch{TORCH.rpartition('.')[0]}",
    install_requires=[f"torch=={TORCH}"],
    distclass=BinaryDistribution,
    cmdclass={"build_ext": CMakeBuild, "build_py": CleanBuildPy, "bdist_wheel": PlatformWheel},
)
