"""The numbers in csrc/math are those that scripts/coefficients computes."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cpu_only

SCRIPT = Path(__file__).parents[2] / "scripts" / "coefficients"


def test_the_headers_have_what_is_computed():
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
