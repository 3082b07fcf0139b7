"""The help of every command fits a screen and leaves nothing out; what is asked for twice is not half answered."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest

from ndgrad.cli.app import COMMANDS, command
from ndgrad.cli.main import status

Help = Callable[..., str]
LINES = 50


@pytest.fixture
def help_of(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Help:
    """The help of a command on a line of so many columns."""

    def run(name: str, columns: int = 80, **variables: str) -> str:
        for variable in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(variable, raising=False)
        for variable, value in ({"COLUMNS": str(columns)} | variables).items():
            monkeypatch.setenv(variable, value)
        assert status([name, "-h"] if name else ["-h"]) == 0
        said = capfd.readouterr()
        assert said.err == ""
        return said.out

    return run


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_it_fits_a_screen(name: str, help_of: Help) -> None:
    lines = help_of(name).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_there_once(name: str, help_of: Help) -> None:
    shown = re.findall(r"^  ((?:-\S+, |)--\S+(?: / --\S+|))", help_of(name), re.MULTILINE)
    known = [
        ", ".join(sorted(p.opts, key=len)) + "".join(f" / {other}" for other in p.secondary_opts)
        for p in command().get_command(None, name).params
        if p.param_type_name == "option"
    ]
    assert sorted(shown) == sorted([*known, "-h, --help"])


def test_it_says_what_can_be_repeated_and_what_is_the_default(help_of: Help) -> None:
    assert "  --grad NAME[,NAME]...    Differentiate by these inputs" in help_of("run")
    assert "  --max-steps N      Rounds of loops" in help_of("run")
    assert "[default: L-BFGS-B]" in help_of("minimize")


def test_it_has_the_width_of_the_terminal(help_of: Help) -> None:
    narrow, wide = (help_of("run", columns).splitlines() for columns in (50, 200))
    assert max(map(len, narrow)) <= 50
    assert 80 < max(map(len, wide)) <= 100


def test_colours_change_nothing_else(help_of: Help) -> None:
    coloured = help_of("run", FORCE_COLOR="1")
    assert "\x1b[1mUsage:\x1b[0m ndgrad run" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == help_of("run")


@pytest.mark.parametrize(
    ("line", "option"),
    [
        (("eval", "x", "--each", "x", "--each", "y"), "--each"),
        (("eval", "x", "--each=x", "--each=x"), "--each"),
        (("eval", "x", "--of", "x", "--of", "y"), "--of"),
        (("eval", "x", "--head", "1", "--head", "2"), "--head"),
        (("plot", "f.nd", "--grad", "x", "--grad", "y"), "--grad"),
    ],
)
def test_what_is_asked_for_twice_is_wrong_usage(
    line: tuple[str, ...], option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status(list(line)) == 2
    name = f"ndgrad {line[0]}"
    assert capfd.readouterr() == ("", f"{name}: {option} is given twice ({name} -h shows what there is)\n")


def test_of_settings_the_last_one_counts(capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        status(["eval", "x", "-i", "x=2", "--grad", "x", "--grad", "x", "--format", "json", "--format", "plain"]) == 0
    )
    assert capfd.readouterr() == ("1\n", "")


@pytest.mark.parametrize("there", ["stdout", "stderr"])
def test_help_for_want_of_arguments_has_the_colours_of_standard_error(
    there: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getattr(sys, there), "isatty", lambda: True)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert status(["run"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert ("\x1b[" in err) == (there == "stderr")
    assert "--max-steps" in err
