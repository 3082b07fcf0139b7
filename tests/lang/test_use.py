"""`use "path"` brings in the functions of another file, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ndgrad.errors import Error
from ndgrad.lang import compile, load

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below a folder; the path of the first."""

    def made(**files: str) -> Path:
        paths = []
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".nd")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            paths.append(path)
        return paths[0]

    return made


def refused(path: Path) -> Error:
    with pytest.raises(Error) as caught:
        load(path)
    return caught.value


def test_functions_of_another_file_are_called_and_differentiated(write: Write) -> None:
    path = write(main='use "lib.nd"\ny = f(x)', lib="def f(x): return x ** 3")
    made = load(path).run({"x": 2.0}, ["x"])
    assert (made.value, made.grads["x"]) == (8, 12)


def test_a_file_keeps_its_constants_and_its_own_functions(write: Write) -> None:
    path = write(
        main='use "lib.nd"\ng = 100\noutput weight(2), g',
        lib="g = 9.81\ngrams = 1000 * g\ndef in_grams(m): return m * grams\nweight = lambda m: in_grams(m)",
    )
    assert list(load(path).run().outputs.values()) == [2 * 9810, 100]


def test_what_else_a_file_does_is_left_out(write: Write) -> None:
    path = write(main='use "lib.nd"\noutput f(3)', lib="input w\nprint(w)\ndef f(x): return 2 * x\noutput f(w)")
    shown: list[str] = []
    assert load(path).run(show=shown.append).outputs == {"f(3)": 6}
    assert not shown


def test_files_use_files_relative_to_themselves(write: Write) -> None:
    path = write(
        main='use "a/one.nd"\noutput one(1)',
        a__one='use "b/two.nd"\ndef one(x): return two(x) + 1',
        a__b__two='use "../three.nd"\ndef two(x): return three(x) * 10',
        a__three="def three(x): return x + 4",
    )
    program = load(path)
    assert program.run().value == 51
    assert [Path(file).name for file in program.files] == ["three.nd", "two.nd", "one.nd"]


def test_what_a_used_file_uses_is_not_passed_on(write: Write) -> None:
    path = write(
        main='use "one.nd"\ny = two(1)', one='use "two.nd"\ndef one(x): return two(x)', two="def two(x): return x"
    )
    assert refused(path).code == "E202"


def test_a_used_function_can_hold_data_dependent_loops(write: Write) -> None:
    text = "def root(a):\n    x = a\n    while abs(x * x - a) > 1e-12: x = (x + a / x) / 2\n    return x"
    made = load(write(main='use "lib.nd"\ny = root(x)', lib=text)).run({"x": 9.0}, ["x"])
    np.testing.assert_allclose(made.grads["x"], 1 / 6, rtol=1e-9)
    assert [step.span.source.name.endswith("lib.nd") for step in made.path] == [True]


def test_arguments_of_used_functions_are_checked_before_the_run(write: Write) -> None:
    error = refused(write(main='use "lib.nd"\ny = f(1, 2)', lib="def f(x): return x"))
    assert error.code == "E204"


def test_errors_point_into_the_file_that_has_them(write: Write) -> None:
    error = refused(write(main='use "lib.nd"\ny = f(1)', lib="def f(x): return x + unknown"))
    span = error.diagnostics[0].span
    assert span is not None
    assert (error.code, Path(span.source.name).name, span.text) == ("E201", "lib.nd", "unknown")


def test_a_function_that_reads_an_input_of_its_file_is_refused(write: Write) -> None:
    error = refused(write(main='use "lib.nd"\ny = f(1)', lib="input w\nc = 2 * w\ndef f(x): return c * x"))
    assert error.code == "E209"
    assert "without `w`" in str(error)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('use "none.nd"', "there is no such file"),
        ('use "../main.nd"', "outside the folder"),
        ('use "/main.nd"', "relative to the file"),
        ('use "."', "outside the folder"),
        ('use "folder"', "not a file"),
        ('use "main.nd"', "main.nd uses main.nd"),
        ('use "circle.nd"', "main.nd uses circle.nd uses main.nd"),
    ],
)
def test_files_that_cannot_be_used(write: Write, text: str, reason: str) -> None:
    path = write(main=text, circle='use "main.nd"', folder__some="x = 1")
    error = refused(path)
    assert error.code == "E605"
    assert reason in error.diagnostics[0].message


def test_a_link_does_not_lead_out_of_the_folder(write: Write, tmp_path: Path) -> None:
    path = write(inner__main='use "link.nd"\ny = f(1)', outside="def f(x): return x")
    (path.parent / "link.nd").symlink_to(tmp_path / "outside.nd")
    assert "outside the folder" in str(refused(path))


def test_a_text_uses_files_only_of_the_folder_that_it_is_given(write: Write) -> None:
    path = write(lib="def f(x): return x + 1")
    text = 'use "lib.nd"\ny = f(1)'
    assert compile(text, folder=path.parent).run().value == 2
    with pytest.raises(Error, match="no folder to start from"):
        compile(text)


@pytest.mark.parametrize(
    "text", ['use "lib.nd"\ndef f(x): return x', 'use "lib.nd"\nf = 3', 'use "lib.nd"\nuse "more.nd"']
)
def test_a_name_from_two_places_is_an_error(write: Write, text: str) -> None:
    error = refused(write(main=text, lib="def f(x): return x", more="def f(x): return 2 * x"))
    assert error.code == "E112"


def test_use_belongs_to_the_top(write: Write) -> None:
    path = write(main='if x > 1:\n    use "lib.nd"', lib="def f(x): return x")
    assert refused(path).code == "E111"


def test_use_says_a_path(write: Write) -> None:
    assert refused(write(main="use lib")).code == "E107"
