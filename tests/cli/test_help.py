"""`ndgrad help`: one code explained, all of them listed; on a terminal, in a pipe, as JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from ndgrad.lang import catalogue

Run = Callable[..., subprocess.CompletedProcess[str]]
Shell = Callable[..., subprocess.CompletedProcess[bytes]]
E310 = """\
E310: an array whose entries differ in shape

All entries of an array have the same shape: the rows of a matrix are equally
long. Values of different shapes are kept in a tuple: `(a, b)`.

This fails:

    x = [[1, 2], [3]]

This works:

    x = [[1, 2], [3, 4]]
"""


@pytest.mark.parametrize("code", ["E310", "e310"])
def test_a_code_is_explained_in_plain_text_in_a_pipe(ndgrad: Run, code: str) -> None:
    ran = ndgrad("help", code)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, E310, "")


def test_a_terminal_shows_the_same_and_in_colour_unless_told_otherwise(terminal: Callable[..., str]) -> None:
    assert terminal("ndgrad help E310") == E310
    assert "\x1b[1;31mE310\x1b[0m" in terminal("ndgrad help E310", NO_COLOR="")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_text_fits_the_terminal(terminal: Callable[..., str], columns: int) -> None:
    for code in ("E105", "E301", "E401"):
        assert max(map(len, terminal(f"ndgrad help {code}", columns=columns).splitlines())) <= min(columns, 100)


def test_all_codes_are_listed_with_one_line_each(ndgrad: Run, terminal: Callable[..., str]) -> None:
    ran = ndgrad("help")
    assert (ran.returncode, ran.stderr) == (0, "")
    listed = [line for line in ran.stdout.splitlines() if line.startswith("  ")]
    assert listed == [f"  {entry.code}  {entry.title}" for entry in catalogue.entries()]
    assert ran.stdout.startswith("the text is not a program\n  E101  ")
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert terminal("ndgrad help") == ran.stdout


def test_an_entry_as_json(ndgrad: Run) -> None:
    made = json.loads(ndgrad("help", "E103", "--format", "json").stdout)
    assert made == {
        "schema": 1,
        "code": "E103",
        "title": "a missing colon",
        "cause": made["cause"],
        "fails": {"kind": "program", "text": "x = 3\nif x > 0\n    y = x\n"},
        "works": {"kind": "program", "text": "x = 3\nif x > 0:\n    y = x\n"},
    }
    shell = json.loads(ndgrad("help", "E205", "--format", "json").stdout)["fails"]
    assert shell == {"kind": "shell", "text": "ndgrad eval 'y = x ** 2' -i x=3 --grad z\n"}


def test_the_list_as_json(ndgrad: Run) -> None:
    made = json.loads(ndgrad("help", "--format", "json").stdout)
    assert made["codes"] == [{"code": entry.code, "title": entry.title} for entry in catalogue.entries()]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("E3011", "there is no code or command `E3011`; did you mean E311 or E301?"),
        ("301", "there is no code or command `301`; did you mean W301 or E301?"),
        ("hello", "there is no code or command `hello`; `ndgrad help` lists all codes, `ndgrad -h` the commands"),
        ("explan", "there is no code or command `explan`; did you mean explain?"),
    ],
)
def test_an_unknown_code_is_wrong_usage(ndgrad: Run, code: str, expected: str) -> None:
    ran = ndgrad("help", code)
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"ndgrad: {expected} (ndgrad -h shows what there is)\n")


def test_the_name_of_a_command_shows_its_help(ndgrad: Run) -> None:
    assert ndgrad("help", "run").stdout == ndgrad("run", "--help").stdout


def test_help_has_help_and_is_mentioned_by_the_command(ndgrad: Run, shell: Shell) -> None:
    text = ndgrad("help", "-h").stdout
    examples = [line.strip() for line in text[text.index("Examples:") :].splitlines() if "ndgrad" in line]
    assert len(examples) == 2
    for example in examples:
        ran = shell(example)
        assert (ran.returncode, ran.stderr) == (0, b""), example
    assert re.search("help +Explain a code such as E301, or list them all.", ndgrad("--help").stdout)


def test_help_imports_nothing_that_draws_in_a_pipe(ndgrad: Run, environment: dict[str, str]) -> None:
    code = "import sys, ndgrad.cli.main as m; m.status(['help', 'E301']); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert {"rich", "lark", "numpy", "scipy"} & set(ran.stderr.decode().split()) == set()


def test_a_stream_without_unicode_gets_ascii(ndgrad: Run) -> None:
    for entry in catalogue.entries():
        assert (entry.cause + entry.fails + entry.works).isascii(), entry.code
    assert ndgrad("help", "E301", PYTHONIOENCODING="ascii").stdout.isascii()
