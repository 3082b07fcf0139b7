"""The time by line: which lines there are, how often they ran, that slow ones come first. Never how long it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ndgrad.lang import compile, load
from ndgrad.lang.profiling import Line, Profile
from ndgrad.tape import STATE


def profiled(text: str, **inputs: object) -> Profile:
    made = compile(text).run(inputs, grad=["x"], profile=True).profile
    assert made is not None
    return made


def line(profile: Profile, number: int) -> Line:
    return next(found for found in profile.lines if found.line == number)


def test_a_slow_line_comes_first_forward_and_backward() -> None:
    text = "a = x + 1\nb = tanh(a @ a) @ a\nc = 2 * a\nsum(b) + sum(c)"
    for _ in range(2):  # the first time takes what is loaded then
        found = profiled(text, x=np.ones((200, 200)) / 200)
    slow = found.lines[0]
    assert (slow.file, slow.line, slow.text, slow.calls) == (None, 2, "b = tanh(a @ a) @ a", 1)
    assert slow.forward == max(other.forward for other in found.lines)
    assert slow.backward == max(other.backward for other in found.lines)
    assert {other.line for other in found.lines} == {1, 2, 3, 4}
    assert all(other.backward > 0 for other in found.lines)


def test_calls_count_rounds_decisions_and_functions() -> None:
    text = "f = lambda a: a * 2\ny = x\nwhile sum(y) < 100:\n    y = f(y)\n    if sum(y) > 1e9:\n        y = 0\nsum(y)"
    calls = {found.line: found.calls for found in profiled(text, x=[1.0, 2.0]).lines}
    assert calls == {1: 6, 2: 1, 3: 7, 4: 6, 5: 6, 7: 1}  # line 6 never ran


def test_a_line_has_what_it_takes_itself() -> None:
    text = "def slow(a):\n    return a @ a @ a\ny = slow(x)\nsum(y)"
    found = profiled(text, x=np.ones((200, 200)))
    assert found.lines[0].line == 2
    assert line(found, 3).forward < line(found, 2).forward


def test_a_comparison_counts_for_its_own_line() -> None:
    text = "y = x[0, 0]\nif y > 3:\n    y = y\nelif sum(x) > sum(x @ x @ x):\n    y = y * 2\nelse:\n    y = y * 3\ny"
    found = profiled(text, x=np.ones((700, 700)))
    assert found.lines[0].line == 4
    assert {other.line for other in found.lines} == {1, 2, 4, 7, 8}


def test_lines_of_other_files_come_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "lib.nd").write_text("def g(a):\n    return sin(a @ a)\n")
    main = tmp_path / "main.nd"
    main.write_text('use "lib.nd"\ny = g(x) + x\nsum(y)\n')
    made = load(str(main)).run({"x": np.ones((100, 100))}, grad=["x"], profile=True).profile
    assert made is not None
    places = {(found.file and Path(found.file).name, found.line) for found in made.lines}
    assert {("lib.nd", 2), (None, 2), (None, 3)} <= places
    inner = next(found for found in made.lines if found.file is not None and found.line == 2)
    assert (inner.text, inner.calls) == ("return sin(a @ a)", 1)
    assert inner.backward > 0


def test_operations_are_not_put_off_to_other_lines() -> None:
    """A deferred operation would be paid for at the end."""
    before = STATE.defer_from
    found = profiled("a = exp(x)\nb = sum(a)\nb", x=np.zeros(1_000_000))
    assert found.lines[0].line == 1
    assert STATE.defer_from == before


def test_the_values_and_gradients_are_those_of_any_run() -> None:
    text = "y = x\nfor i in range(5): y = sin(y) * x[i]\nsum(y)"
    program = compile(text)
    inputs = {"x": np.linspace(0.1, 2, 7)}
    plain, timed = program.run(inputs, grad=["x"]), program.run(inputs, grad=["x"], profile=True)
    np.testing.assert_array_equal(timed.value, plain.value)
    np.testing.assert_allclose(timed.grads["x"], plain.grads["x"], rtol=1e-15)
    assert plain.profile is None
    assert program.run(inputs, grad=["x"]).profile is None


def test_nan_check_holds_in_a_profiled_run() -> None:
    from ndgrad.errors import CheckError

    with pytest.raises(CheckError):
        compile("log(x)").run({"x": -1.0}, profile=True, nan_check=True)
