"""However deep or long a program is, it ends promptly: with its value, or with an E5xx."""

from __future__ import annotations

import sys
from time import process_time

import pytest

from ndgrad.errors import Error, LimitError
from ndgrad.lang import compile

DEEP = {
    "brackets": "x = " + "(" * 10_000 + "1" + ")" * 10_000,
    "arrays": "x = " + "[" * 10_000 + "]" * 10_000,
    "open brackets": "(" * 10_000,
    "signs": "x = " + "-" * 10_000 + "1",
    "not": "x = " + "not " * 10_000 + "1",
    "powers": "x = 2" + " ** 1" * 10_000,
    "conditions": "x = " + "1 if 0 else " * 10_000 + "1",
    "functions": "x = " + "lambda: " * 10_000 + "1",
    "calls": "x = sin" + "(1)" * 10_000,
    "attributes": "x = y" + ".T" * 10_000,
    "blocks": "".join("  " * i + "if 1:\n" for i in range(500)) + "  " * 500 + "x = 1",
    "definitions": "".join("  " * i + "def f():\n" for i in range(500)) + "  " * 500 + "x = 1",
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting(name: str) -> None:
    start = process_time()
    with pytest.raises(Error) as caught:
        compile(DEEP[name])
    assert caught.value.code == "E501" or name == "open brackets"
    assert process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1" + " + 1" * 20_000, 20_001),
        ("1" + " * 1 - 1 + 1" * 5_000, 1),
        ("1" + " and 1" * 20_000, 1),
        ("\n".join(["x = 0"] + ["x = x + 1"] * 5_000), 5_000),
        ("if 0: x = 1\n" + "elif 0: x = 2\n" * 3_000 + "else: x = 3\n", 3),
        ("(" * 150 + "7" + ")" * 150, 7),
        ("def f(n): return 0 if n == 0 else 1 + f(n - 1)\nf(900)", 900),
    ],
)
def test_long_programs_run(text: str, value: float) -> None:
    assert compile(text).run().value == value


def test_long_sums_differentiate() -> None:
    assert compile("x" + " + x" * 3_000).run({"x": 1.0}, ["x"]).grads["x"] == 3_001


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f(n): return f(n + 1)\nf(0)", "E503"),
        ("def f(n): return 1 + g(n)\ndef g(n): return [f(n), 2]\nf(0)", "E503"),
        ("f = lambda g: g(g)\nf(f)", "E503"),
        ("while True: pass", "E504"),
        ("for i in range(10 ** 15): pass", "E504"),
        ("for i, j in enumerate(range(10 ** 15)): pass", "E504"),
        ("zeros((10 ** 6, 10 ** 6, 10 ** 3))", "E502"),
    ],
)
def test_endless_programs(text: str, code: str) -> None:
    with pytest.raises(LimitError) as caught:
        compile(text).run(max_steps=100_000)
    assert caught.value.code == code
    assert caught.value.exit_code == 4


def test_deep_tuples_do_no_harm() -> None:
    text = "t = (1, 2)\nfor i in range(100000): t = (t, 1)\nprint(t)\noutput t == t, sum(t)"
    with pytest.raises(Error):
        compile(text).run(show=lambda text: None)


def test_the_recursion_limit_is_put_back() -> None:
    before = sys.getrecursionlimit()
    compile("1 + 1").run()
    assert sys.getrecursionlimit() == before
