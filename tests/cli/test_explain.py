"""`ndgrad explain` as a user meets it.

Each file in explanations/ is a command and what it prints on 80 columns: a new file with a command is a new test, and
`--update` writes what is printed, for review.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ndgrad.cli.explaining import Explained
from ndgrad.cli.explaining.text import written
from ndgrad.cli.main import status
from ndgrad.cli.streams import as_ascii
from ndgrad.lang import load

ROOT = Path(__file__).parent.parent.parent
EXPLANATIONS = sorted((Path(__file__).parent / "explanations").glob("*.txt"))
Explain = Callable[..., str]
SHAPES = "input A = [[1.5, 2, 3], [4, 5, 6], [7, 8, 9.25], [0.125, 1, 2]]\ny = sum(A ** 2)\n"


@pytest.fixture
def explain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Explain]:
    """Runs `ndgrad explain ARGUMENTS` from the root of the project, and gives what it wrote."""
    thresholds = gc.get_threshold()
    monkeypatch.chdir(ROOT)

    def run(*arguments: str, columns: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        code = status(["explain", *arguments])
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    yield run
    gc.set_threshold(*thresholds)


def command_of(path: Path) -> list[str]:
    first = path.read_text("utf-8").partition("\n")[0]
    assert first.startswith("$ ndgrad explain ")
    return first.split()[3:]


@pytest.mark.parametrize("path", EXPLANATIONS, ids=lambda path: path.stem)
def test_an_explanation_is_as_it_was_reviewed(path: Path, explain: Explain, request: pytest.FixtureRequest) -> None:
    command, _, reviewed = path.read_text("utf-8").partition("\n")
    said = explain(*command_of(path))
    if request.config.getoption("--update"):
        path.write_text(f"{command}\n{said}", "utf-8")
        return
    assert comparable(said) == comparable(reviewed)


def comparable(text: str) -> str:
    """The numeric derivative without its last digits: they depend on the machine."""
    return re.sub(r"(direction:|numerically)(\s+)(-?\d+\.\d{5})\d*", r"\1\2\3", text)


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("name", ["descent", "kmeans", "least_squares", "logistic", "control"])
def test_no_line_is_wider_than_the_terminal(name: str, columns: int, explain: Explain) -> None:
    path = next(path for path in EXPLANATIONS if path.stem == name)
    said = explain(*command_of(path), columns=columns)
    assert [line for line in said.splitlines() if len(line) > columns] == []


def test_a_wide_terminal_has_everything_beside_each_other(explain: Explain) -> None:
    path = next(path for path in EXPLANATIONS if path.stem == "descent")
    said = explain(*command_of(path), columns=160)
    assert re.search(r"w₂₀ = w₁₉ - rate·Xᵀ @ \(2/3·\(X @ w₁₉ - y\)\) {2}2 +\[0.226583, 0.321126\]", said)


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A program with an array that does not fit into a line."""
    path = tmp_path / "shapes.nd"
    path.write_text(SHAPES, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("format", "entries"),
    [
        ("text", r"(?s)⎡ +1.5 .*⎡ +3 .*⎡ +3"),  # the input, its adjoint, the result
        ("markdown", r"`\[\[3, 4, 6\], \[8, 10, 12\]"),
        ("latex", r"pmatrix\} 3 & 4 & 6"),
        ("html", r"(<tr><td>[0-9.]+</td><td>[0-9.]+</td><td>[0-9.]+</td></tr>){15}"),
    ],
)
def test_full_shows_every_entry(format: str, entries: str, program: str, explain: Explain) -> None:
    rows = ", ".join(["[0.125, 1, 2]"] * 12)
    Path(program).write_text(SHAPES.replace("[0.125, 1, 2]", rows), "utf-8")
    short, full = (explain(program, "--grad", "A", "--format", format, *more) for more in ((), ("--full",)))
    assert not re.search(entries, short)
    assert re.search(entries, full)


def test_formulas_that_are_too_long_are_cut_unless_all_is_asked_for(program: str, explain: Explain) -> None:
    terms = " + ".join(f"sin(x * {k}.5) * cos(x / {k}.25)" for k in range(1, 30))
    Path(program).write_text(f"input x = 0.5\ny = {terms}\nz = y + x\n", "utf-8")
    short, full = (explain(program, "--grad", "x", *more) for more in ((), ("--full",)))
    assert "… " in short
    assert len(short) + 500 < len(full)
    assert "cos(x/29.25)" in full.replace("\n", "").replace(" ", "")


def test_json_has_all_of_it(program: str, explain: Explain) -> None:
    [d] = json.loads(explain(program, "--grad", "A", "--format", "json"))["derivations"]
    assert d["result"] == [[3, 4, 6], [8, 10, 12], [14, 16, 18.5], [0.25, 2, 4]]
    assert [step["local"] for step in d["backward"]] == ["2·A"]


@pytest.mark.parametrize(("by", "note"), [("b", "summed"), ("c", "summed along axis 0"), ("k", "summed along axis 1")])
def test_the_sum_over_a_broadcast_axis_is_told(by: str, note: str, program: str, explain: Explain) -> None:
    text = "input b = 0.5\ninput c = [1, 2, 3]\ninput k = [[1], [2]]\n"
    text += "y = [[1, 2, 3], [4, 5, 6]] * c * k + b\nsum(y ** 2)\n"
    Path(program).write_text(text, "utf-8")
    said = explain(program, "--grad", by)
    assert re.search(rf"out .* = .*   \({note}\)\n", said)
    assert explain(program, "--grad", by, "--format", "latex").count(f"leaving, {note}") == 1


def test_where_there_is_ascii_alone_numbers_stand_behind_underscores_and_carets() -> None:
    d = load(ROOT / "samples" / "control.nd").run({}, ["a"], trace=True).derivation("a")
    said = written(Explained((d,), "control.nd", dict), ascii=True)
    assert said.isascii()
    assert "  line 11  b_11 = 2*b_10  scalar  1228.8\n" in said
    assert "  line 11  db_11/db = 2^11 = 2048   (x2 each round, 11 rounds)\n" in said
    assert (
        as_ascii("Aᵀ⁻¹ @ x² + ‖b₁₂‖ + H⁻ᵀ + ∏ₖ₌₁…30 (bₖ₊₁)") == "A^T^-1 @ x^2 + ||b_12|| + H^-T + prod_k=1...30 (b_k+1)"
    )


def test_where_there_is_no_number_the_check_says_so(program: str, explain: Explain) -> None:
    Path(program).write_text("input x = 2\ny = log(1 - x)\n", "utf-8")
    assert "numerically nan:" in (said := explain(program, "--grad", "x"))
    assert "no numbers" in said
    check = json.loads(explain(program, "--grad", "x", "--format", "json"))["derivations"][0]["check"]
    assert (check["numeric"], check["agrees"]) == ("nan", None)


def test_a_round_that_no_loop_has_is_refused(
    program: str, explain: Explain, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(program).write_text("input x = 2\nfor i in range(5): x = sin(x)\n", "utf-8")
    assert "x₃ = sin(x₂)" in explain(program, "--grad", "x", "--round", "3")
    assert status(["explain", program, "--grad", "x", "--round", "6"]) == 2
    assert "--round 6: of the loops that are shown in part the longest has 5 rounds" in capsys.readouterr().err
