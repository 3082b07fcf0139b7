"""`ndgrad why` as a user meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ndgrad.cli.main import status

Run = Callable[..., subprocess.CompletedProcess[str]]
Called = Callable[..., tuple[int, str, str]]
ROOT_AT_0 = """\
input x = [1, 0.5, 0.5]

hidden = [[1, 2, 0], [0, 1, -1]] @ x
score = sqrt(hidden[1]) + 3 * relu(hidden[0])
output loss = score ** 2
"""
SHOWN = """\
dloss/dx[0] = nan, where x[0] = 1

  line 4  sqrt(hidden[1])
    because  the derivative of `sqrt` is inf here
    there    hidden[1] = 0
    instead  sqrt(hidden[1] + 1e-12), or where(hidden[1] > 0, sqrt(hidden[1]),
             0)

  line 3  [[1, 2, 0], [0, 1, -1]] @ x
    because  what arrives is infinite in places and multiplied by 0 here, which
             gives nan
    there    x[0] = 1
"""
LOOP = """\
input x = [1, 2]
b = x
for i in range(8):
    b = [[2, 3], [1, 2]] @ b
output z = b[0]
"""
FACTORS = """\
dz/dx[1] = 32592, where x[1] = 2

  the way that gives most at every step, 1.18 % of it
    line 4  [[2, 3], [1, 2]] @ b  ×384  8 rounds

  the derivatives of the variables by x[1], in their largest entries
    line 4  b          3        627  3.259e+04   rounds 1 5 8
    line 5  z  3.259e+04
"""


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    """The command on a program, in this process: its exit code and what it wrote."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(program: str, *arguments: str) -> tuple[int, str, str]:
        (tmp_path / "f.nd").write_text(program)
        code = status(["why", "f.nd", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_installed_command(ndgrad: Run, tmp_path: Path) -> None:
    (tmp_path / "f.nd").write_text(ROOT_AT_0)
    ran = ndgrad("why", "f.nd", "--grad", "x", "--at", "0", cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, SHOWN, "")


def test_factors_and_growth(called: Called) -> None:
    assert called(LOOP, "--grad", "x", "--at", "1") == (0, FACTORS, "")


def test_a_factor_of_1(called: Called) -> None:
    code, out, _ = called("input x = 3\noutput y = x + 2\n", "--grad", "x")
    assert (code, out) == (0, "dy/dx = 1, where x = 3\n\n  every factor on the way back from the output is 1\n")


@pytest.mark.parametrize(
    ("program", "title"),
    [
        (
            "input x = [1.0, 2, 3]\nm = max(x)\nz = m + log(sum(exp(x - m)))\n",
            "the way that gives most at every step gives 1, with a factor of 1 in every operation; "
            "all others together -0.3348",
        ),
        (
            "input x = 1.5\nz = x\nfor i in range(3): z = z + 0.1 * x\n",
            "the way that gives most at every step gives 1, with a factor of 1 in every operation; "
            "76.9 % of it, and the other ways the rest",
        ),
        (
            "input x = 3.0\nz = 5 * x - x ** 2 + x / 2\n",
            "the way that gives most at every step gives -6, all others together 5.5",
        ),
    ],
)
def test_ways_that_do_not_give_all(called: Called, monkeypatch: pytest.MonkeyPatch, program: str, title: str) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = called(program, "--grad", "x")
    assert title in " ".join(out.split())
    assert "the derivatives of the variables by x" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 60


def test_the_last_value_of_a_name_is_told_from_the_first(called: Called) -> None:
    program = "input x = 1.5\nfor i in range(10): x = x - 0.1 * sin(x)\n"
    assert called(program, "--grad", "x")[1].startswith("dx₁₀/dx = 0.626")
    assert called(program, "--grad", "x", "--head", "2")[1].startswith("d⟨head, x₁₀⟩/dx = 1.25")
    assert called("input x = 1.5\ny = 1\nfor i in range(3): y = y * x\n", "--grad", "x")[1].startswith("dy/dx")


def test_inputs_heads_and_outputs_are_those_of_run(called: Called) -> None:
    program = "input x\ny = x ** 2\noutput z = relu(y)\n"
    _, out, _ = called(program, "-i", "x=[1, 3]", "--grad", "x", "--of", "y", "--head", "[1, 0]", "--at", "1")
    assert out.startswith("d⟨head, y⟩/dx[1] = 0, where x[1] = 3\n\n  line 2  ")
    assert "the head is 0 wherever the output moves with it" in out


def test_json(called: Called) -> None:
    code, out, err = called(ROOT_AT_0, "--grad", "x", "--at", "1", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "schema": 1,
        "program": "f.nd",
        "of": "loss",
        "wrt": "x",
        "at": [1],
        "point": 0.5,
        "value": "inf",
        "verdict": "inf",
        "reasons": [
            {
                "kind": "derivative",
                "text": "the derivative of `sqrt` is inf here",
                "expression": "sqrt(hidden[1])",
                "line": 4,
                "round": 1,
                "operands": {"hidden[1]": 0.0},
                "derivative": "inf",
                "cure": "sqrt(hidden[1] + 1e-12), or where(hidden[1] > 0, sqrt(hidden[1]), 0)",
            }
        ],
        "path": [],
        "share": 0.0,
        "growth": [],
    }


def test_factors_as_json(called: Called) -> None:
    made = json.loads(called(LOOP, "--grad", "x", "--at", "1", "--format", "json")[1])
    assert made["path"] == [
        {
            "expression": "[[2, 3], [1, 2]] @ b",
            "line": 4,
            "rounds": 8,
            "factor": 384.0,
            "operands": made["path"][0]["operands"],
            "adjoint": 384.0,
        }
    ]
    assert made["growth"][0]["sizes"][0] == {"round": 1, "size": 3.0}


def test_colours_and_streams_without_unicode(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1mdz/dx[1]\x1b[0m" in called(LOOP, "--grad", "x", "--at", "1")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in called(LOOP, "--grad", "x", "--at", "1")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "ndgrad: why needs one --grad NAME: the input to differentiate by"),
        (["--grad", "x,y"], 2, "ndgrad: why needs one --grad NAME"),
        (["--grad", "all"], 2, "ndgrad: why needs one --grad NAME"),
        (["--grad", "x", "--at", "1:2"], 2, "ndgrad: --at 1:2: an entry is given by its indices: --at 3,1"),
        (["--grad", "x", "--at", "7"], 2, "ndgrad: --at 7: the gradient by `x` has the shape 2, and no such entry"),
        (["--grad", "w"], 1, "error[E205]"),
        (["--grad", "x", "--max-steps", "3"], 4, "error[E504]"),
    ],
)
def test_what_cannot_be_answered(called: Called, arguments: list[str], code: int, said: str) -> None:
    found, out, err = called(LOOP, *arguments)
    assert (found, out) == (code, "")
    assert said in err


def test_entries_of_a_number_and_of_nothing(called: Called) -> None:
    number, nothing = "input x = 1\noutput x ** 2\n", "input x = zeros(0)\noutput sum(x)\n"
    assert "the gradient by `x` is one number, without entries" in called(number, "--grad", "x", "--at", "0")[2]
    assert "the gradient by `x` has no entries" in called(nothing, "--grad", "x")[2]


def test_errors_as_json(called: Called) -> None:
    code, out, _ = called("output y = x\n", "--grad", "x", "--format", "json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "E201")


def test_the_help_ends_with_examples_that_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
    assert status(["why", "--help"]) == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= 60
    examples = [line.split()[1:] for line in said.partition("Examples:")[2].splitlines() if line.strip()]
    assert [status(example) for example in examples] == [0, 0]
