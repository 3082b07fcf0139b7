"""Each alternative of the grammar is used by a program that the tests run, or by a sample."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ndgrad.errors import Error, Source
from ndgrad.lang.parser import _the_parser, parse

ROOT = Path(__file__).parent.parent.parent


def programs() -> list[str]:
    """The samples, and the texts of tests in which programs are run."""
    made = [path.read_text("utf-8") for path in sorted((ROOT / "samples").rglob("*.nd"))]
    for name in ("programs", "derivatives", "writes", "use", "precedence"):
        tree = ast.parse(Path(__file__).with_name(f"test_{name}.py").read_text("utf-8"))
        made += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return made


def written(rule: Any) -> str:
    """A rule as it could stand in the grammar."""
    return f"{rule.origin.name}: {' '.join(symbol.name for symbol in rule.expansion)}"


def reduced(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The rules that the parser applies when it reads those of the texts that are programs."""
    callbacks = _the_parser().lark.parse_interactive("").parser_state.parse_conf.callbacks
    one: set[str] = set()

    def noting(rule: Any, build: Callable[..., Any]) -> Callable[..., Any]:
        name = written(rule)

        def call(children: list[Any]) -> Any:
            one.add(name)
            return build(children)

        return call

    for rule, build in callbacks.items():
        monkeypatch.setitem(callbacks, rule, noting(rule, build))
    seen: set[str] = set()
    for text in texts:
        one.clear()
        try:
            parse(Source("a.nd", text))
        except Error:
            continue
        seen |= one
    return seen


def test_each_alternative_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {written(rule) for rule in _the_parser().lark.rules}
    missing = sorted(rules - reduced(programs(), monkeypatch))
    assert not missing, "\n".join(missing)


def test_what_no_program_uses_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = reduced(["x = 1\n", "y = (\n"], monkeypatch)
    assert "atom: INTEGER" in seen
    assert not {one for one in seen if one.startswith(("while_statement", "slice"))}
