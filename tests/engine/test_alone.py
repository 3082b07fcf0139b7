"""Every operation works when nothing else has been loaded: modules load what they use, whatever came before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ALONE = """
import os
import numpy as np
from ndgrad import autograd
from ndgrad.ops import find, names

listed = [(name, find) for name in names()]
for name, find in listed:
    child = os.fork()  # a process in which only the operators are there
    if child == 0:
        try:
            op = find(name)
            known = {name: op.call, "nan": np.nan, "inf": np.inf}
            with autograd.default_dtype("float64"):
                eval(op.example.split(" -> ")[0], {"__builtins__": {}}, known)
        except BaseException as error:
            os.write(1, f"{name}: {error!r}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
os.write(1, f"{len(listed)} looked at\\n".encode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork for a fresh process each")
def test_every_operation_works_alone() -> None:
    from ndgrad.ops import names

    shown = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True).stdout
    assert shown == f"{len(names())} looked at\n"
