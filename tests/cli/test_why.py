"""`ndgrad why` as a user meets it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_zero_of_relu(ndgrad: Run, tmp_path: Path) -> None:
    (tmp_path / "f.nd").write_text("input x = [-1, 2]\noutput z = sum(3 * relu(x))\n")
    ran = ndgrad("why", "f.nd", "--grad", "x", "--at", "0", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[0] == "dz/dx[0] = 0, where x[0] = -1"
    assert "line 2  relu(x)" in ran.stdout
