"""Variables hold values: a write changes what one name holds, and nothing that another name, a loop,
a function or the record of a derivative still holds, also where the write is made in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ndgrad.lang import compile, indexing


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one with each write that makes a new array."""
    made: list[int] = []
    original: Callable[..., Any] = indexing.written

    def counted(*args: Any) -> Any:
        made.append(1)
        return original(*args)

    monkeypatch.setattr(indexing, "written", counted)
    return made


FILL = "x = zeros(50)\nx[0] = a\nfor i in range(1, 50):\n    x[i] = a * x[i - 1] + 1\noutput sum(x)"


def filled(a: float) -> float:
    x = [a]
    for _ in range(49):
        x.append(a * x[-1] + 1)
    return sum(x)


@pytest.mark.parametrize("grad", [(), ("a",)])
def test_filling_a_vector_entry_by_entry_copies_nothing(grad: tuple[str, ...], copies: list[int]) -> None:
    result = compile(FILL).run({"a": 0.5}, grad=grad)
    assert result.value == pytest.approx(filled(0.5), rel=1e-14)
    assert not copies


@pytest.mark.parametrize("large", ["zeros(300000)", "0 * given", "given"])
def test_entries_of_a_large_vector_are_written_in_place(large: str, copies: list[int]) -> None:
    """Operations on such arrays wait, but for a write the array itself is there."""
    program = compile(f"x = {large}\nfor i in range(100):\n    x[i] = a\nsum(x[:200])")
    made = program.run({"a": 2.0, "given": np.zeros(300_000)}, grad=["a"])
    assert (made.value, made.grads["a"]) == (200, 100)
    assert len(copies) <= 1  # of an input, which stays as it is; or where a thread has not yet let go of its tiles


def test_the_gradient_of_a_filled_vector_is_that_of_the_recurrence() -> None:
    grads = compile(FILL).run({"a": 0.5}, grad=["a"]).grads
    step = 1e-6
    difference = (filled(0.5 + step) - filled(0.5 - step)) / (2 * step)
    assert grads["a"] == pytest.approx(difference, rel=1e-8)


ALIASES = {
    "another name": ("x = zeros(3); y = x; x[0] = 9; output y", [0, 0, 0]),
    "the other way": ("x = zeros(3); y = x; y[0] = 9; output x", [0, 0, 0]),
    "a slice": ("x = zeros(3); y = x[:2]; x[0] = 9; output y", [0, 0]),
    "a row": ("x = zeros((2, 3)); y = x[0]; x[0, 1] = 9; output y", [0, 0, 0]),
    "a row, written": ("x = zeros((2, 3)); y = x[0]; y[1] = 9; output x[0]", [0, 0, 0]),
    "a transpose": ("x = zeros((2, 2)); y = x.T; x[0, 1] = 9; output y[1]", [0, 0]),
    "a tuple": ("x = zeros(3); t = (x, 1); x[0] = 9; output t[0]", [0, 0, 0]),
    "an argument": ("def f(v):\n    v[0] = 9\n    return v\nx = zeros(3)\ny = f(x)\noutput x", [0, 0, 0]),
    "a captured name": ("x = zeros(3)\ndef f():\n    return x\ny = f()\nx[0] = 9\noutput y", [0, 0, 0]),
    "an input": ("output x\nx[0] = 9", [1, 2, 3]),
    "what a loop runs over": ("s = 0\nx = ones(3)\nfor v in x:\n    x[2] = 9\n    s = s + v\noutput [s]", [3]),
    "what zip runs over": (
        "s = 0\nx = ones(3)\nfor v, i in zip(x, range(3)):\n    x[2] = 9\n    s += v\noutput [s]",
        [3],
    ),
    "its own part": ("x = [1, 2, 3]; x[1:] = x[:-1]; output x", [1, 1, 2]),
    "itself, reversed": ("x = [1, 2, 3]; x[:] = x[::-1]; output x", [3, 2, 1]),
    "an output already shown": ("x = zeros(3); output x; x[0] = 9", [0, 0, 0]),
    "a default": ("z = zeros(2)\ndef f(v=z):\n    v[0] += 1\n    return v\na = f()\noutput f()", [1, 0]),
    "augmented": ("x = ones(3); y = x; x[1] += 4; x[1] *= 2; output x - y", [0, 9, 0]),
}


@pytest.mark.parametrize("name", ALIASES)
def test_a_write_is_not_seen_through(name: str) -> None:
    text, wanted = ALIASES[name]
    given = {"x": np.array([1.0, 2, 3])} if name == "an input" else {}
    before = {k: v.copy() for k, v in given.items()}
    np.testing.assert_array_equal(compile(text).run(given).value, wanted)
    for k, v in given.items():
        np.testing.assert_array_equal(v, before[k])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x = a * ones(3); y = x * x; x[0] = 9; output sum(y)", 6 * 1.5),
        ("x = a * ones(3); y = exp(x); x[:] = 0; output sum(y)", 3 * np.exp(1.5)),
        ("x = a * ones(3); x[0] = a * a; x[0] = x[0] * a; output sum(x)", 3 * 1.5**2 + 2),
        ("x = a * ones(4); x[1:3] = x[0:2] * x[2:4]; output sum(x * x)", 4 * 1.5 + 2 * 4 * 1.5**3),
        ("x = a * ones(3); x[[0, 0]] = [a ** 2, a ** 3]; output sum(x)", 3 * 1.5**2 + 2),
        ("x = a * ones(3); x[x > 1] = a ** 2; output sum(x)", 3 * 2 * 1.5),
        ("x = a * ones(2)\nfor i in range(3):\n    x[0] *= a\n    x[1] += x[0]\noutput sum(x)", None),
    ],
)
def test_the_record_is_not_disturbed_by_later_writes(text: str, wanted: float | None) -> None:
    program = compile(text)
    got = program.run({"a": 1.5}, grad=["a"]).grads["a"]
    step = 1e-6
    up, down = (float(program.run({"a": 1.5 + s}).value) for s in (step, -step))
    assert got == pytest.approx((up - down) / (2 * step), rel=1e-7)
    if wanted is not None:
        assert got == pytest.approx(wanted, rel=1e-12)


def test_a_write_that_fails_leaves_the_message_of_any_other(copies: list[int]) -> None:
    with pytest.raises(Exception, match="E303"):
        compile("x = zeros(3); x[0] = 1; x[7] = 1").run()
    with pytest.raises(Exception, match="E304"):
        compile("x = zeros(3); x[0] = 1; x[0:2] = [1, 2, 3]").run()


def test_second_derivatives_go_through_writes() -> None:
    fill = "x = zeros(4); x[0] = a\n    for i in range(1, 4):\n        x[i] = x[i-1] * a"
    text = f"def f(a):\n    {fill}\n    return sum(x)\n"
    result = compile(text + "output grad(grad(f))(a)").run({"a": 2.0}, grad=["a"])
    assert result.value == pytest.approx(2 + 6 * 2 + 12 * 4)
    assert result.grads["a"] == pytest.approx(6 + 24 * 2)
