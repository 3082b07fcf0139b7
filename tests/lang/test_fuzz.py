"""Whatever the text, a program ends in a result or in an error of the language. Nothing else escapes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ndgrad.errors import Error
from ndgrad.lang import compile
from ndgrad.lang.rendering import render

WORDS = [
    "x",
    "y",
    "i",
    "f",
    "sin",
    "sum",
    "max",
    "zeros",
    "range",
    "len",
    "zip",
    "enumerate",
    "print",
    "where",
    "stack",
    "norm",
    "e",
    "pi",
    "inf",
    "True",
    "False",
    "None",
    "and",
    "or",
    "not",
    "if",
    "elif",
    "else",
    "while",
    "for",
    "in",
    "def",
    "return",
    "break",
    "continue",
    "pass",
    "lambda",
    "input",
    "output",
    "assert",
    "0",
    "1",
    "2",
    "3.5",
    "1e300",
    "-1",
    "''",
    "'a'",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ";",
    ".",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "@",
    "+=",
    "-=",
    "**=",
    "...",
    "^",
    "$",
    "#",
    "\\",
    "axis",
    "keepdims",
    "dtype",
    "shape",
    "T",
    "float",
    "int",
]
LINES = (
    "y = x + 1",
    "x[0] = y",
    "x[y > 1] = 0",
    "y = x[1:, ...]",
    "y, i = x",
    "i += 1",
    "y = f(x, i)",
    "y = [x, i]",
    "y = [1, [2, 3]]",
    "i = len(y) // i",
    "y = y.sum(axis=i)",
    "y = x @ y",
    "y = x.T @ x",
    "y = reshape(x, (i, -1))",
    "y = f",
    "y = sum(y, i)",
    "y = x ** i",
    "i = i ** 3 - 7",
    "i = (1, i)",
    "y = i[0]",
    "output y, i",
    "assert i < 3, 'too large'",
    "y = zeros(i)",
    "y = where(x > i, y, x)",
    "f = lambda a, b=2: a * b",
    "y = f(i)",
    "i = 5 % i",
    "y = stack([x, y])",
    "break",
    "return y",
    "print(i, f)",
)
HEADERS = (
    "if i < 2:",
    "while i < 3:",
    "for i in range(3):",
    "for y in x:",
    "def f(a, b=1):",
    "if x:",
    "else:",
    "for a, b in zip(x, y):",
)


def problem_of(text: str) -> Error | None:
    """Run a program; the error of the language that it ends in, if it does."""
    inputs = {"x": np.array([[1.0, 2.0], [3.0, 4.0]]), "i": np.int64(1)}
    try:
        compile(text).run(inputs, grad=["x"], max_steps=300, show=lambda text: None)
    except Error as error:
        return error
    return None


def ends_well(text: str) -> None:
    error = problem_of(text)
    if error is not None:
        assert error.diagnostics
        assert all(d.message and d.code for d in error.diagnostics)
        assert render(error.diagnostics)


@pytest.mark.parametrize("seed", range(20))
def test_random_tokens(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        ends_well(" ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 14))))


@pytest.mark.parametrize("seed", range(20))
def test_random_lines(seed: int) -> None:
    rng = random.Random(1000 + seed)
    for _ in range(60):
        lines, depth = [], 0
        for _ in range(rng.randrange(1, 9)):
            header = rng.random() < 0.25
            lines.append("  " * depth + rng.choice(HEADERS if header else LINES))
            depth = depth + 1 if header else max(0, depth - (rng.random() < 0.4))
        if lines[-1].endswith(":"):
            lines[-1] += " pass"
        ends_well("\n".join(lines))


@pytest.mark.parametrize("seed", range(10))
def test_random_characters(seed: int) -> None:
    rng = random.Random(2000 + seed)
    signs = "xy01 \t\n()[]{}:;,.=+-*/%@<>!'\"#\\^&|~$_é名\0\x0c\ufeff\u2028"
    for _ in range(60):
        ends_well("".join(rng.choice(signs) for _ in range(rng.randrange(0, 25))))


@pytest.mark.parametrize("seed", range(10))
def test_one_change_to_a_right_program(seed: int) -> None:
    rng = random.Random(3000 + seed)
    text = (
        "def f(a, b=2):\n    if sum(a) > b:\n        return a * b\n    return -a\n\n"
        "for k in range(3):\n    x = f(x, k)\nx[0, 1] = 7\noutput x, total = sum(x)\n"
    )
    for _ in range(60):
        place = rng.randrange(len(text))
        ends_well(
            text[:place]
            + rng.choice(["", "(", "]", ":", " ", "\n", "=", "q", "'", "\t"])
            + text[place + rng.randrange(2) :]
        )
