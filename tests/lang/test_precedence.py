"""Expressions group and evaluate as in Python: generated ones against Python's own answer."""

from __future__ import annotations

import ast
import math
import random

import numpy as np
import pytest

from ndgrad.errors import Error, SyntaxError_
from ndgrad.lang import compile, syntax
from ndgrad.lang.expressions import Expressions
from ndgrad.lang.program import Program
from ndgrad.lang.scopes import Scope

BINARY = ("+", "-", "*", "/", "//", "%", "**")
COMPARE = ("<", "<=", ">", ">=", "==", "!=")


def expression(rng: random.Random, depth: int) -> str:
    """A random expression without brackets except where they are drawn."""
    if depth == 0:
        return rng.choice(["1", "2", "3", "0.5", "2.5", "a", "b"])
    kind = rng.randrange(10)
    left, right = expression(rng, depth - 1), expression(rng, depth - 1)
    if kind < 5:
        return f"{left} {rng.choice(BINARY)} {right}"
    if kind == 5:
        return f"-{left}" if rng.random() < 0.7 else f"+{left}"
    if kind == 6:
        return f"({left})"
    if kind == 7:
        return f"{left} {rng.choice(COMPARE)} {right}"
    if kind == 8:
        return f"{left} {rng.choice(['and', 'or'])} {'not ' * rng.randrange(2)}{right}"
    return f"{left} if {right} else {expression(rng, depth - 1)}"


def parses(text: str) -> bool:
    """Whether Python takes the text for an expression."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def python(text: str) -> object:
    """Python's answer, or None where Python has no float for it."""
    try:
        value = eval(text, {"a": 1.5, "b": 2})
    except (ArithmeticError, ValueError):
        return None
    return None if isinstance(value, complex) or abs(value) > 1e15 else value


def value_of(program: Program) -> float:
    value = program.run().value
    assert value is not None
    return float(value)


@pytest.mark.parametrize("seed", range(40))
def test_as_python(seed: int) -> None:
    rng = random.Random(seed)
    cases = [expression(rng, rng.randrange(1, 5)) for _ in range(25)]
    for text in [text for text in cases if not parses(text)]:
        cases.remove(text)
        with pytest.raises(SyntaxError_):
            compile(text)
    answers = [(text, python(text)) for text in cases]
    known = [(text, answer) for text, answer in answers if answer is not None]
    lines = ["a = 1.5", "b = 2", *(f"y{i} = {text}" for i, (text, _) in enumerate(known))]
    program = compile("\n".join([*lines, "output " + ", ".join(f"y{i}" for i in range(len(known)))]))
    for (text, answer), value in zip(known, program.run().outputs.values(), strict=True):
        assert math.isclose(float(value), float(answer), rel_tol=1e-12), text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("2 ** -1", 0.5),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("not 1 == 2", 1),
        ("1 < 3 > 2", 1),
        ("1 if 0 else 2 if 0 else 3", 3),
        ("0 or 0 and 1 or 5", 5),
        ("10 - 4 - 3", 3),
        ("2 * 3 % 4", 2),
    ],
)
def test_grouping(text: str, value: float) -> None:
    assert value_of(compile(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 / 0", math.inf),
        ("-1 / 0.0", -math.inf),
        ("0 / 0", math.nan),
        ("1.0 // 0", math.inf),
        ("1 % 0.0", math.nan),
        ("0.0 ** -1", math.inf),
        ("(-8.0) ** 0.5", math.nan),
        ("10 ** 400", math.inf),
        ("2 ** 63", 2.0**63),
        ("9223372036854775807 + 1", 2.0**63),
        ("1e308 * 10", math.inf),
    ],
)
def test_numbers_without_an_answer_in_python(text: str, value: float) -> None:
    assert value_of(compile(text)) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2 * 3 + 1", 7), ("-(2 ** 3)", -8), ("-2 ** 2", -4), ("1 / 0", np.inf), ("7 // 2 * 2.5", 7.5), ("2 ** -1", 0.5)],
)
def test_operators_on_numbers_are_computed_once(text: str, value: float) -> None:
    program = compile(f"y = x + ({text})")
    assert program.run({"x": 1.0}).value == 1 + value
    (statement,) = program.body.statements
    assert isinstance(statement, syntax.Assign)
    compiler = Expressions(Scope(()), frozenset())
    assert isinstance(statement.value, syntax.Binary)
    compiler.compile(statement.value.right)
    assert compiler.constants[id(statement.value.right)] == value


def test_a_division_by_zero_is_met_only_where_the_run_comes_to_it() -> None:
    assert compile("y = 1 // 0 if x > 1 else 2").run({"x": 0.0}).value == 2
    with pytest.raises(Error, match="E"):
        compile("y = 1 // 0").run()
