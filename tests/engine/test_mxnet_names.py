"""docs/mxnet.md goes through every public name of MXNet 1.9.1, and says the truth about each; its blocks run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import ndgrad as mx

ROOT = Path(__file__).parent.parent.parent
NAMES: dict[str, list[str]] = json.loads((Path(__file__).parent / "data" / "mxnet_names.json").read_text("utf-8"))
TEXT = (ROOT / "docs" / "mxnet.md").read_text("utf-8")
PARTS = re.split(r"^## ", TEXT, flags=re.M)
SYMBOL = mx.sym.var("x")
HOMES: dict[str, tuple[str, Any]] = {
    "mx": ("`import ndgrad as mx`", mx),
    "mx.nd": ("`mx.nd`, and", mx.nd),
    "mx.sym": ("`mx.sym`, and", mx.sym),
    "mx.autograd": ("`mx.autograd`", mx.autograd),
    "mx.random": ("`mx.random`", mx.random),
    "mx.nd.linalg": ("`mx.nd.linalg`", mx.nd.linalg),
    "mx.nd.contrib": ("`mx.nd.contrib`", mx.nd.contrib),
    "mx.test_utils": ("`mx.test_utils`", mx.test_utils),
    "NDArray": ("Methods of `NDArray`", mx.nd.ones(2)),
    "Symbol": ("Methods of `Symbol`", SYMBOL),
    "Executor": ("Methods of executors", (SYMBOL * 2).simple_bind(x=(2,))),
}


def rows(title: str) -> dict[str, tuple[str, str]]:
    """What the table under a title says of each name: the verdict and the remark."""
    (part,) = (p for p in PARTS if p.startswith(title))
    found = {}
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 3:
            for name in re.findall(r"`(\w+)`", cells[0]):
                assert name not in found, f"{name} is said twice"
                found[name] = cells[1].strip("| "), cells[2].strip("| ")
    return found


def is_there(home: Any, name: str) -> bool:
    try:
        getattr(home, name)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize("space", NAMES)
def test_every_name_is_said_to_be_what_it_is(space: str) -> None:
    title, home = HOMES[space]
    said = rows(title)
    assert sorted(said) == sorted(NAMES[space])
    for name, (verdict, remark) in said.items():
        assert verdict in ("same", "better", "not there"), name
        assert is_there(home, name) == (verdict != "not there"), name
        assert remark or verdict == "same", name


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", TEXT, flags=re.S))
def test_the_blocks_of_the_page_run(block: str) -> None:
    exec(block, {})
