"""Every diagnostic of the language, whole, as the user reads it.

diagnostics.txt holds programs and what is drawn for them, one for each builder at least; slips.txt holds
what people write who come from other languages. After a change of words: pytest --update, then read the difference.
"""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import numpy as np
import pytest

from ndgrad.errors import Diagnostic, Error, Source
from ndgrad.lang import compile, problems
from ndgrad.lang.parser import parse
from ndgrad.lang.rendering import render

FILES = [Path(__file__).with_name(name) for name in ("diagnostics.txt", "slips.txt")]


def cases(file: Path) -> list[tuple[str, str]]:
    """The programs of a file and what is expected for each."""
    parts = file.read_text("utf-8").removesuffix("\n").split("\n\n====\n")
    return [(text, expected) for text, _, expected in (part.partition("\n----\n") for part in parts)]


CASES = [case for file in FILES for case in cases(file)]
INPUTS = {"x": np.array([[1.0, 2.0], [3.0, 4.0]]), "w": np.array([1.0, 2.0, 3.0])}


def drawn(text: str) -> str:
    inputs = {name: value for name, value in INPUTS.items() if f"input {name}\n" not in text + "\n"}
    try:
        compile(text, "f.nd").run(inputs, max_steps=1000, bound_by={"w": "-i w=w.npy"})
    except Error as error:
        return render(error.diagnostics)
    return "no error"


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[case[0].splitlines()[0][:40] for case in CASES])
def test_diagnostic(text: str, expected: str, request: pytest.FixtureRequest) -> None:
    seen = drawn(text)
    if seen != expected and request.config.getoption("--update"):
        for file in FILES:
            now = [(one, seen if one == text else said) for one, said in cases(file)]
            file.write_text("\n\n====\n".join(f"{one}\n----\n{said}" for one, said in now) + "\n", "utf-8")
    else:
        assert seen == expected


def test_messages_are_sentences_without_capitals_and_full_stops() -> None:
    for _, expected in CASES:
        for line in expected.splitlines():
            if line.startswith("error["):
                message = line.split(": ", 1)[1]
                assert message[0] in "`'" or message[0].islower() or message[0].isdigit(), message
                assert not message.endswith("."), message


def test_codes_that_a_program_can_meet_are_shown() -> None:
    """Each builder names its code first in its docstring; those a program alone can cause have a case."""
    shown = FILES[0].read_text("utf-8")
    for name, builder in vars(problems).items():
        doc = getattr(builder, "__doc__", None) or ""
        code = doc[:4]
        if callable(builder) and code[0:1] == "E" and code[1:].isdigit() and code not in ELSEWHERE:
            assert f"error[{code}]" in shown, name


ELSEWHERE = {
    "E205",
    "E208",
    "E209",
    "E401",
    "E404",
    "E406",
    "E501",
    "E502",
    "E503",
    "E505",
    "E602",
    "E603",
    "E604",
    "E605",
    "E307",
    "E413",
}


@pytest.mark.parametrize(
    ("text", "inputs", "options", "code", "words"),
    [
        ("y = x", {"x": 1.0}, {"grad": ["z"]}, "E205", "grad= names `z`, which is no input"),
        ("y = x", {"x": 1.0}, {"of": "q"}, "E205", "of= names `q`"),
        ("pass", {"x": 1.0}, {"grad": ["x"]}, "E208", "no value to differentiate"),
        ("y = 2 * k", {"k": np.arange(3)}, {"grad": ["k"]}, "E401", "gradients by `k`, whose values are int64"),
        ("y = x > 0", {"x": 1.0}, {"grad": ["x"]}, "E401", "gradients of `y`, whose values are bool"),
        (
            "y = x",
            {"x": [1.0, 2]},
            {"grad": ["x"], "head": [1, 2, 3]},
            "E404",
            "the head is of shape 3, the output `y` is of shape 2",
        ),
        ("y = full(2, x)", {"x": 2.0}, {"grad": ["x"]}, "E406", "no derivative by its argument `fill_value`"),
        ("y = x", {"x": np.float16(1)}, {}, "E604", "of dtype float16"),
        ("y = x", {"x": 1j}, {}, "E604", "of dtype complex128"),
        ("y = x", {"x": "abc"}, {}, "E604", "text"),
        ("y = x", {"x": [[1], [2, 3]]}, {}, "E604", "its rows differ in length"),
        ("y = x", {"x": {}}, {}, "E604", "of dtype object"),
        ("np.exp(x)", {"x": 1.0, "np": 2.0}, {}, "E204", "`np` is a value here"),
        ("input x: int64", {"x": 1.5}, {}, "E604", "values that int64 cannot hold"),
        ("y = x", {"x": 1.0}, {"dtype": "int64"}, "E206", "no dtype `int64`"),
        ("input x: [n]\ninput w: [n]\nx", {"x": [1.0], "w": [1, 2]}, {}, "E302", "the size `n`"),
        ("input x: [3, n]", {"x": [1.0]}, {}, "E302", "the input `x` has the wrong shape"),
    ],
)
def test_what_the_caller_did(text: str, inputs: dict, options: dict, code: str, words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(Error) as caught:
        compile(text).run(inputs, **options)
    assert caught.value.code == code
    assert words in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("y = 2 * x", "it has `y`, which is no input: the program gives it its value"),
        ("input y = 1\nx * y", "did you mean `y`?"),
        ("Y = 2 * x", "the program gives `Y` its value itself; `input Y = VALUE` would let it be bound"),
        ("input y\nx * y", 'bind it: inputs={"y": VALUE}; `Y` is bound, which the program never uses'),
        ("x * y", "did you mean `Y`?"),
    ],
)
def test_a_name_that_is_bound_in_another_case_is_told_of(text: str, help: str) -> None:
    try:
        said = compile(text).run({"x": 1.0, "Y": 2.0}).warnings[0].help
    except Error as error:
        said = error.help
    assert said == help


def test_load(tmp_path: Path) -> None:
    from ndgrad.lang import load

    (tmp_path / "a.nd").write_bytes(b"\xef\xbb\xbfy = 3\r\n")
    assert load(tmp_path / "a.nd").run().value == 3
    (tmp_path / "b.nd").write_bytes(b"y = \xff")
    for path, code in ((tmp_path / "b.nd", "E603"), (tmp_path / "c.nd", "E602"), (tmp_path, "E602")):
        with pytest.raises(Error) as caught:
            load(path)
        assert caught.value.code == code


def test_what_is_recommended_exists() -> None:
    """The tables of what other languages call things name nothing that is here, and recommend only what is."""
    from ndgrad.lang import habits
    from ndgrad.lang.builtins import CONSTANTS, builtin

    for name in (*habits.NAMES, *habits.FUNCTIONS_HERE):
        assert builtin(name) is None, name
        assert name not in CONSTANTS, name
    cures = {**habits.SIGNS, **habits.STATEMENTS, **habits.NAMES, **habits.FUNCTIONS_HERE}
    for cure in cures.values():
        for function in re.findall(r"(\w+)\(", cure):
            assert builtin(function) is not None or function == "f", cure
    assert not {*habits.STATEMENTS, *habits.DECLARATIONS, *habits.FUNCTIONS} & {*habits.KEYWORDS}


def test_reading_goes_on_in_order_whatever_the_text() -> None:
    """At most ten findings, each once, each within the text, in the order of the text; and never anything else."""
    draw = random.Random(7)
    words = [
        *"()[]{}=+-*/^²−“”&|!'\"#:;,.\\ \t",
        "\n",
        "\n    ",
        "\n  ",
        "if x:",
        "else",
        "x",
        "2",
        "def f(",
        "for i in ",
    ]
    for _ in range(400):
        text = "".join(draw.choices(words, k=draw.randint(1, 60)))
        found = findings(text)
        places = [one.span.start for one in found if one.span]
        assert len(places) == len(found) <= 10
        assert places == sorted(places)
        assert all(place <= len(text) for place in places)
        assert len(set(found)) == len(found), text
        render(found)


def test_what_follows_an_error_is_still_read() -> None:
    """A second error below is found behind each that is known, and nothing more than that comes of both."""
    for text, expected in [case for file in FILES for case in cases(file)]:
        if re.match(r"error\[E1(01|02|09|10)\]", expected) and "\n" not in text and "error[" not in expected[1:]:
            assert [d.code for d in findings(f"{text}\nz = 4 +\n")] == [expected[6:10], "E106"], text


def findings(text: str) -> tuple[Diagnostic, ...]:
    """What is wrong with the text of a program, if anything."""
    try:
        parse(Source("f.nd", text))
    except Error as error:
        return error.diagnostics
    return ()


@pytest.mark.parametrize(
    "line", ["if x {\n}\n", "y = 1 − 2\n", "y = (1\n", "y = 1)\n", "y = 'a\n", "  y = 1\n y = 2\n"]
)
def test_many_errors_take_no_longer_than_many_lines(line: str) -> None:
    start = time.perf_counter()
    assert findings(line * 3000)
    assert time.perf_counter() - start < 20
