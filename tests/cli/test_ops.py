"""ndgrad ops: every function of the language is listed, and shown with the derivative that its own rule gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ndgrad.cli.operations import lines_of
from ndgrad.lang.builtins import function_names
from ndgrad.lang.operations import Derivative, groups, matching, operation

Shell = Callable[..., Any]


def test_every_function_is_in_one_group() -> None:
    listed = [name for names in groups().values() for name in names]
    assert sorted(listed) == function_names()


@pytest.mark.parametrize("name", function_names())
def test_every_function_is_shown(name: str) -> None:
    found = operation(name)
    assert found is not None
    assert found.call.startswith(f"{name}(")
    assert bool(found.example) == bool(found.result)
    assert all("array(" not in d.rule for d in found.derivatives)
    assert lines_of(found)[0] == found.call


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("tanh", [Derivative("x", "sech²(x)", True)]),
        ("multiply", [Derivative("a", "b", True), Derivative("b", "a", True)]),
        ("matmul", [Derivative("a", "∂L/∂y @ bᵀ", False), Derivative("b", "aᵀ @ ∂L/∂y", False)]),
        ("sign", [Derivative("x", "0", True)]),
        ("argmax", [Derivative("x", "none: an index does not change continuously", False)]),
    ],
)
def test_derivatives_are_read_from_the_rules(name: str, rules: list[Derivative]) -> None:
    found = operation(name)
    assert found is not None
    assert list(found.derivatives) == rules


def test_names_are_searched_by_a_part_or_a_pattern() -> None:
    assert matching("log1") == ["log10", "log1p"]
    assert matching("arc*h") == ["arccosh", "arcsinh", "arctanh"]


def test_the_command(shell: Shell) -> None:
    assert shell("ndgrad ops sinh").stdout.decode().splitlines() == [
        "sinh(x)",
        "  group       elementwise",
        "  derivative  ∂y/∂x = cosh(x)",
        "  example     sinh([0, 1]) → [0. , 1.175201]",
    ]
    assert json.loads(shell("ndgrad ops --search sinh --format json").stdout) == {"elementwise": ["arcsinh", "sinh"]}
    ran = shell("ndgrad ops sinn")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"did you mean sin or" in ran.stderr
