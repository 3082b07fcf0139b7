"""`ndgrad lint` as a user meets it: what goes where, the formats, the exit codes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ndgrad.lang import catalogue, compile
from ndgrad.lang.linting import check

ROOT = Path(__file__).parent.parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]

CLEAN = "input x\noutput 2 * x\n"
WARNED = "input x\ny = 3\noutput x\n"
WRONG = "input x\noutput sin(x, 2)\n"
SHOWN = """\
warning[W202]: nothing reads `y`
  ┌─ b.nd:2:1
  │
2 │ y = 3
  │ ┬
  │ given a value here
  = help: leave it out, or show it: output y
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of programs: a.nd is clean, b.nd has a warning, deep/c.nd an error."""
    (tmp_path / "deep").mkdir()
    for name, text in (("a.nd", CLEAN), ("b.nd", WARNED), ("deep/c.nd", WRONG), ("deep/d.txt", "no program")):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_clean_program_says_nothing(ndgrad: Run, folder: Path) -> None:
    ran = ndgrad("lint", "a.nd", cwd=folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_warnings_alone_exit_with_3(ndgrad: Run, folder: Path) -> None:
    ran = ndgrad("lint", "a.nd", "b.nd", cwd=folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, SHOWN, "1 warning in 1 of 2 programs\n")


def test_errors_exit_with_1_and_do_not_stop_the_others(ndgrad: Run, folder: Path) -> None:
    ran = ndgrad("lint", "deep", "b.nd", cwd=folder)
    assert ran.returncode == 1
    assert re.findall(r"^(\w+)\[(\w+)\]", ran.stdout, re.MULTILINE) == [("error", "E204"), ("warning", "W202")]
    assert ran.stderr == "1 error and 1 warning in 2 of 2 programs\n"


def test_folders_and_standard_input(ndgrad: Run, folder: Path) -> None:
    ran = ndgrad("lint", ".", "a.nd", "-", cwd=folder, stdin=WARNED.encode())
    assert ran.returncode == 1
    assert re.findall(r"┌─ (.*)", ran.stdout) == ["b.nd:2:1", "deep/c.nd:2:8", "standard input:2:1"]


@pytest.mark.parametrize("path", ["missing.nd", "deep/e.nd"])
def test_a_file_that_cannot_be_read_is_an_error(ndgrad: Run, folder: Path, path: str) -> None:
    (folder / "deep/e.nd").write_bytes(b"\xff\xfe\x00")
    ran = ndgrad("lint", path, cwd=folder)
    assert ran.returncode == 1
    assert ran.stdout.startswith("error[E60")


def test_shapes_of_inputs_on_the_command_line(ndgrad: Run, folder: Path) -> None:
    program = b"input X\ninput w\noutput X @ w\n"
    assert ndgrad("lint", "-", stdin=program).returncode == 0
    ran = ndgrad("lint", "-", "-i", "X=samples/X.npy", "-i", "w=[1, 2, 3, 4, 5, 6, 7]", stdin=program)
    assert ran.returncode == 1
    assert ran.stdout.startswith("error[E301]: these shapes do not multiply\n")
    ran = ndgrad("lint", "-", "-i", "X=-", stdin=program)
    assert (ran.returncode, ran.stdout) == (2, "")


def test_json(ndgrad: Run, folder: Path) -> None:
    ran = ndgrad("lint", "--format", "json", "a.nd", "b.nd", "deep/c.nd", cwd=folder)
    assert (ran.returncode, ran.stderr) == (1, "")
    made = json.loads(ran.stdout)
    assert made["schema"] == 1
    assert [(one["file"], [found["code"] for found in one["found"]]) for one in made["files"]] == [
        ("a.nd", []),
        ("b.nd", ["W202"]),
        ("deep/c.nd", ["E204"]),
    ]
    assert made["files"][1]["found"] == [
        {
            "severity": "warning",
            "code": "W202",
            "message": "nothing reads `y`",
            "spans": [
                {
                    "file": "b.nd",
                    "line": 2,
                    "column": 1,
                    "start": 8,
                    "end": 9,
                    "text": "y",
                    "label": "given a value here",
                }
            ],
            "help": "leave it out, or show it: output y",
        }
    ]


def sarif(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The only run of a log, checked for what every log has."""
    made = json.loads(ran.stdout)
    assert made["version"] == "2.1.0"
    assert made["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = made["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({result["ruleId"] for result in run["results"]})
    for rule in rules:
        assert rule["shortDescription"] == {"text": getattr(catalogue.entry(rule["id"]), "title", None)}
        assert "helpUri" not in rule
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == {"E": "error", "W": "warning"}[result["ruleId"][0]]
        assert result["message"]["text"]
        for place in (*result.get("locations", ()), *result.get("relatedLocations", ())):
            region = place["physicalLocation"]["region"]
            assert 1 <= region["startLine"] <= region["endLine"]
            assert region["startColumn"] >= 1
            assert (region["startLine"], region["startColumn"]) < (region["endLine"], region["endColumn"])
    return dict(run)


def test_sarif(ndgrad: Run, folder: Path) -> None:
    ran = ndgrad("lint", "--format", "sarif", ".", cwd=folder)
    assert (ran.returncode, ran.stderr) == (1, "")
    run = sarif(ran)
    assert run["columnKind"] == "utf16CodeUnits"
    assert run["tool"]["driver"]["name"] == "ndgrad"
    assert [one["location"]["uri"] for one in run["artifacts"]] == ["a.nd", "b.nd", "deep/c.nd"]
    found = [
        (one["ruleId"], one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) for one in run["results"]
    ]
    assert found == [("W202", "b.nd"), ("E204", "deep/c.nd")]


def test_sarif_counts_in_utf16_and_over_lines(ndgrad: Run, folder: Path) -> None:
    (folder / "ü b.nd").write_text('input x\nprint("𝛼", x); x == 2\nx = f(x,\n  2)\noutput x\n', "utf-8")
    run = sarif(ndgrad("lint", "--format", "sarif", "ü b.nd", cwd=folder))
    (broken,) = run["results"]
    place = broken["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "%C3%BC%20b.nd"
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 6}
    (folder / "c.nd").write_text('input x\nprint("𝛼", x); x == 2\nx = sin(x,\n  2)\noutput x\n', "utf-8")
    (broken,) = sarif(ndgrad("lint", "--format", "sarif", "c.nd", cwd=folder))["results"]
    region = broken["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 5, "endLine": 4, "endColumn": 5}
    (folder / "d.nd").write_text('input x\nprint("𝛼", x); x == 2\noutput x\n', "utf-8")
    (dropped,) = sarif(ndgrad("lint", "--format", "sarif", "d.nd", cwd=folder))["results"]
    region = dropped["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 2, "startColumn": 17, "endLine": 2, "endColumn": 23}  # 𝛼 takes two


def test_sarif_of_files_that_cannot_be_read_and_of_nothing(ndgrad: Run, folder: Path) -> None:
    (missing,) = sarif(ndgrad("lint", "--format", "sarif", "none.nd", cwd=folder))["results"]
    assert missing["ruleId"] == "E602"
    assert sarif(ndgrad("lint", "--format", "sarif", "a.nd", cwd=folder))["results"] == []
    run = sarif(ndgrad("lint", "--format", "sarif", "-", stdin=WARNED.encode()))
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "stdin"


def test_related_places_of_sarif_say_why(ndgrad: Run) -> None:
    program = "input x\nif sum(x) > 0:\n    y = 1\noutput y\n"
    (found,) = sarif(ndgrad("lint", "--format", "sarif", "-", stdin=program.encode()))["results"]
    assert found["ruleId"] == "W208"
    (related,) = found["relatedLocations"]
    assert related["message"]["text"] == "given a value in this branch only"
    assert related["physicalLocation"]["region"]["startLine"] == 3


def test_the_page_names_every_warning_of_lint() -> None:
    page = (ROOT / "docs/commands/lint.md").read_text("utf-8")
    for entry in catalogue.entries():
        if re.match(r"W[23]", entry.code) and "ndgrad lint" in entry.fails:
            assert entry.code in page


@pytest.mark.parametrize(
    "text",
    [
        "input x: [n, c, t]\ninput w: [o, c, k]\noutput zeros((n, o, t - k + 1)) + sum(x) * sum(w)",
        "input x: [n]\ninput w: [k]\noutput zeros(n - k) + sum(x) * sum(w)",
        "input x: [n]\ninput w: [k]\noutput zeros(k - n) + sum(x) * sum(w)",
        "input x: [a]\ninput y: [b]\ninput z: [c]\noutput zeros((b - a, c - b)) + sum(x) + sum(y) + sum(z)",
    ],
)
def test_sizes_whose_order_is_open_are_no_mistake(text: str) -> None:
    assert check(compile(text)) == ()


def test_the_names_of_a_condition_are_those_that_matter() -> None:
    text = "input x: [n, c, t]\ninput w: [o, c, k]\noutput x[0, :, :] @ w[0, :, :]"
    assert [found.message for found in check(compile(text))] == [
        "these shapes do not multiply, unless `c` and `t` are equal"
    ]
