"""A session: lines that run one after the other give what a program of these lines gives, and its derivatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.errors import Error, Source
from ndgrad.lang import compile, load
from ndgrad.lang.parser import unfinished
from ndgrad.lang.session import Session

ROOT = Path(__file__).parent.parent.parent


def session(*pieces: str) -> Session:
    made, line = Session(), 1
    for piece in pieces:
        made.run(piece, line)
        line += piece.count("\n") + 1
    return made


def grad(made: Session, name: str, of: str | None = None) -> Any:
    ((_, found),) = made.gradients([name], of).values
    return found


PROGRAMS = {
    "an expression": "x = [1, 2, 3]\ny = sum(x ** 2)\nz = y * x[0]",
    "a loop": "x = 0.3\nb = 2 * x\nwhile b < 1000:\n    b = 2 * b\nz = b ** 2",
    "functions": "def f(a):\n    return a ** 3\nx = 2\nz = f(x) + grad(f)(x)",
    "writes": "x = [1, 2, 3]\ny = x * 2\ny[1] = 5 * x[0]\nz = sum(y ** 2)",
    "a branch": "x = -2\nif x > 0:\n    z = x\nelse:\n    z = x ** 2",
    "sizes": "n = 3\nx = linspace(1, 2, n)\nz = sum(reshape(x, (n, 1)) @ ones((1, n)))",
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_the_gradient_is_that_of_the_program(text: str) -> None:
    made = Session()
    held: list[str] = []
    for line in [*text.splitlines(), ""]:  # block by block
        if held and not line.startswith((" ", "else")):
            made.run("\n".join(held))
            held = []
        held.append(line)
    declared = "\n".join(f"input {line}" if line.startswith("x = ") else line for line in text.splitlines())
    expected = compile(declared).run(grad=["x"], of="z")
    np.testing.assert_array_equal(grad(made, "x", "z"), expected.grads["x"])
    np.testing.assert_array_equal(np.asarray(made.names["z"].asnumpy()), expected.differentiated)


def test_a_derivation_is_that_of_the_recorded_run() -> None:
    made = session("x = 2", "y = x ** 2 + x", "z = sin(y)")
    found = made.derivation("x", "z")
    assert "cos(y) · (2·x + 1)" in found.chain
    assert [step.span.line for step in found.forward if step.span] == [1, 2, 3]  # type: ignore[union-attr]
    assert found.numeric == pytest.approx(found.along)
    again = made.run("x = 3", 4), made.run("y = x ** 2 + x", 5)
    assert again[1].values == (("y", 12.0),)
    assert "2·x + 1" in made.derivation("x", "y").chain


def test_what_lies_between_can_be_differentiated_by() -> None:
    made = session("x = 2", "y = x ** 2", "z = y ** 3")
    assert grad(made, "y", "z") == 48
    assert grad(made, "x", "z") == 48 * 4
    assert grad(made, "y", "y * x") == 2
    assert made.derivation("y", "z").chain == "dz/dy = 3·y²"


def test_the_path_of_a_loop_is_in_its_derivation() -> None:
    made = session("a = 0.3", "if a > 5: unused = 1", "b = 2 * a\nwhile b < 1000: b = 2 * b")
    (step,) = made.derivation("a", "b").path
    assert (step.line, step.rounds, step.compared) == (4, 11, "1228.8 < 1000")


def test_a_piece_that_fails_leaves_nothing_behind() -> None:
    made = session("x = 2", "y = x ** 2")
    with pytest.raises(Error, match="E301"):
        made.run("x = 5; k = 1; y = zeros(2) @ zeros(3)", 3)
    assert sorted(made.names) == ["x", "y"]
    assert grad(made, "x", "y") == 4
    made.max_steps = 10
    with pytest.raises(Error, match="E504"):
        made.run("x = 7\nwhile True: x = x + 1", 4)
    assert made.names["x"].item() == 2


def test_an_interrupt_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    made = Session(show=interrupted)
    made.run("x = 2; y = x ** 2")
    with pytest.raises(KeyboardInterrupt):
        made.run("x = 5; print(x); y = 1")
    assert grad(made, "x", "y") == 4


def test_by_what_became_a_shape_there_is_no_gradient() -> None:
    made = session("n = 3", "x = 2", "y = x * sum(ones(n))")
    assert grad(made, "x", "y") == 3
    with pytest.raises(Error, match="E406"):
        made.gradients(["n"], "y")


def test_a_name_means_the_value_that_it_has_now() -> None:
    made = session("x = 2", "y = x ** 2", "x = 10")
    found = made.gradients(["x"], "y")
    assert found.values == (("x", 0.0),)
    (warning,) = found.warnings
    assert (warning.code, warning.help) == ("W401", "`x` has got its value after `y`: compute `y` anew")


@pytest.mark.parametrize(("name", "of", "code"), [("q", "y", "E205"), ("f", "y", "E401"), ("x", "k", "E401")])
def test_what_has_no_gradient_says_so(name: str, of: str, code: str) -> None:
    made = session("x = 2", "f = lambda t: t", "y = x ** 2", "k = arange(3) > 1")
    with pytest.raises(Error, match=code):
        made.gradients([name], of)


def test_files_take_values_of_the_session_where_they_have_none(tmp_path: Path) -> None:
    made = session("x = [1, 2]")
    made.load(Source("f.nd", "input x\ny = x ** 2\noutput y"), str(tmp_path))
    made.load(Source("g.nd", "input y: [n]\ninput k = 2\noutput z = sum(y ** k)"), str(tmp_path))
    np.testing.assert_array_equal(grad(made, "x", "z"), [4, 32])  # through both
    made.bind("k", 1.0, "-i k=1")
    again = Source("g.nd", "input y: [n]\ninput k = 2\noutput z = sum(y ** k)")
    assert made.load(again, "").values == (("z", 5.0),)
    made.run("k = 3")
    assert made.load(again, "").values == (("z", 65.0),)
    assert made.run("input k = 2").values == (("k", 2.0),)


def test_defaults_of_a_file_are_read_again(tmp_path: Path) -> None:
    made = Session()
    for default in (1.0, 2.0):
        assert made.load(Source("f.nd", f"input x = {default}\noutput x"), "").values == (("x", default),)


def test_a_loaded_program_gives_what_run_gives() -> None:
    for name in ("chain", "control", "branch"):
        path = ROOT / "samples" / f"{name}.nd"
        program = load(path)
        expected = program.run(grad=["all"])
        made = Session()
        shown = made.load(program.source, str(path.parent))
        assert [n for n, _ in shown.values] == list(expected.outputs)
        for x, g in expected.grads.items():
            np.testing.assert_array_equal(grad(made, x, expected.of), g)


def test_old_values_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndgrad.lang.session.FORGET_FROM", 100)
    made = Session()
    made.run("x = 2")
    for _ in range(50):
        made.run("i = 0\nwhile i < 20: i = i + x")
    assert made.state.bindings is not None
    assert len(made.state.bindings) < 200
    assert grad(made, "x", "i") == 10


UNFINISHED = {
    "x = 1": None,
    "x = (1 +": "open",
    "x = [1,\n2]": None,
    "x = 1 + \\": "open",
    "x = 1 # \\": None,
    "for i in x:": "open",
    "for i in x:  # c": "open",
    "def f():\n  if x:": "open",
    "def f():\n  if x:\n    y": "block",
    "if x:\n  y\nelse:": "open",
    "def f():\n  y\nz": None,
    "x = ": None,
    "x = )(": None,
    "x = $": None,
    "x = (1\nwhile x:": None,
    "for i in x: y": None,
    "": None,
}


@pytest.mark.parametrize(("text", "said"), UNFINISHED.items())
def test_the_grammar_says_whether_a_piece_is_whole(text: str, said: str | None) -> None:
    assert unfinished(Source("session", text)) == said
