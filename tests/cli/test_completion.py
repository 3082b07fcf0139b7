"""What completes a command line: the candidates for each place of it, and real shells in which a Tab is pressed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ndgrad.cli.app import COMMANDS, command
from ndgrad.cli.completion import candidates, files
from ndgrad.cli.shells import SCRIPTS, split

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parent.parent.parent
FITS = "samples/least_squares.nd"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])


def values(line: str) -> list[str]:
    """The candidates for the last word of a line, of words apart by one space."""
    *words, start = line.split(" ")
    return [one.value for one in candidates(words, start)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [*COMMANDS]),
        ("ex", ["explain"]),
        ("bogus ", []),
        ("--ver", ["--version"]),
        ("run samples/rosen", ["samples/rosenbrock.nd"]),
        ("run samples/X", []),
        ("run sampl", ["samples/"]),
        (f"run {FITS} --form", ["--format"]),
        (f"run {FITS} --mode ", ["reverse", "forward"]),
        (f"run {FITS} --mode=f", ["--mode=forward"]),
        (f"run --mode forward {FITS} --mode", []),
        ("minimize f.nd --method t", ["trust-exact"]),
        ("explain f.nd --format ma", ["markdown"]),
        ("completion ", ["bash", "zsh", "fish"]),
        (f"run {FITS} -i ", ["X=", "w=", "y="]),
        (f"run {FITS} -i X=3 -i ", ["w=", "y="]),
        (f"run {FITS} -i X=samples/X", ["X=samples/X.npy"]),
        (f"run {FITS} -i X=@samples/X", ["X=@samples/X.npy"]),
        (f"run {FITS} -iX=samples/X", ["-iX=samples/X.npy"]),
        (f"run {FITS} --head samples/he", ["samples/head.npy"]),
        (f"run {FITS} --grad ", ["X", "w", "y"]),
        (f"run {FITS} --grad X,", ["X,w", "X,y"]),
        (f"run {FITS} --grad=X,w,", ["--grad=X,w,y"]),
        (f"run {FITS} --each w", ["w"]),
        (f"run {FITS} --of cl", ["closed_form"]),
        (f"run {FITS} --head-of lo", ["loss="]),
        (f"run {FITS} -o samples/f.", ["samples/f.nd", "samples/f.out"]),
        (f"run -- {FITS} --gr", []),
        ("plot samples/parabola.nd --over ", ["x="]),
        ("plot samples/parabola.nd --over x=", []),
        ("plot samples/parabola.nd --tangent x=s", []),
        ("eval q**p --grad ", ["q", "p"]),
        ("run - --grad ", []),
        ("run nowhere.nd --grad ", []),
        ("run samples/X.npy --grad ", []),
        ("ops tan", ["tan", "tanh"]),
        ("help E31", ["E310", "E311", "E312", "E313"]),
        ("help mini", ["minimize"]),
    ],
)
def test_what_may_come_next(line: str, expected: list[str]) -> None:
    assert values(line) == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_offered(name: str) -> None:
    known = {opt for p in command().get_command(None, name).params for opt in (*p.opts, *p.secondary_opts)}
    assert {opt for opt in known if opt.startswith("-")} < set(values(f"{name} -"))


def test_candidates_say_what_they_are() -> None:
    assert [one.help for one in candidates(["run", FITS, "--grad"], "X")] == ["input X: [n, d]"]
    assert [one.help for one in candidates([], "minimize")] == ["Find the inputs at which the output is smallest"]
    assert all(len(one.help) <= 70 for name in COMMANDS for one in candidates([name], "-"))


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a b.nd", "c.ND", ".hidden.nd", "d.txt"):
        Path(name).touch()
    Path("in").mkdir()
    Path("in/e.nd").touch()
    assert [one.value for one in files("", (".nd",))] == ["a b.nd", "c.ND", "in/"]
    assert [one.value for one in candidates(["run"], ".h")] == [".hidden.nd"]
    assert values("run in/") == ["in/e.nd"]
    assert values(f"run {tmp_path}/in/") == [f"{tmp_path}/in/e.nd"]
    assert values("run in/none/") == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert values("run ~/in/") == ["~/in/e.nd"]


@pytest.mark.parametrize(
    ("line", "words", "start"),
    [
        ("", [], ""),
        ("ndgrad ", ["ndgrad"], ""),
        ("ndgrad ru", ["ndgrad"], "ru"),
        ("ndgrad run 'a b", ["ndgrad", "run"], "a b"),
        ('ndgrad run "a b', ["ndgrad", "run"], "a b"),
        (r"ndgrad run a\ b", ["ndgrad", "run"], "a b"),
        ("ndgrad eval 'x * 2' --grad ", ["ndgrad", "eval", "x * 2", "--grad"], ""),
        ("ndgrad run 'a b.nd' ", ["ndgrad", "run", "a b.nd"], ""),
        ("ndgrad run ''", ["ndgrad", "run"], ""),
        ("ndgrad run 'a ", ["ndgrad", "run"], "a "),
        ("ndgrad run a\\", ["ndgrad", "run"], "a"),
    ],
)
def test_a_line_is_split_as_a_shell_splits_it(line: str, words: list[str], start: str) -> None:
    assert split(line) == (words, start)


def test_an_answer_loads_little(environment: dict[str, str]) -> None:
    """Names of a program seen before come without NumPy; nothing needs rich or SciPy."""
    code = (
        "import sys; from ndgrad.cli.shells import answer; answer('zsh', sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr)"
    )
    outline = ["run", FITS, "--grad", ""]
    candidates(outline[:-1], "")  # now the program has been seen
    for words, heavy in ((outline, {"numpy", "lark"}), (["ops", "tan"], set()), ([""], {"numpy", "lark"})):
        line = [sys.executable, "-c", code, *words]
        ran = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=ROOT, check=True)
        assert ran.stdout.count("\n") > 1
        assert set(ran.stderr.split()) & (heavy | {"rich", "scipy", "sympy"}) == set()


def test_a_tab_never_shows_a_message(ndgrad: Run, tmp_path: Path) -> None:
    (tmp_path / "f.nd").write_text("x = = 3")
    ran = ndgrad("run", tmp_path / "f.nd", "--grad", "", _NDGRAD_COMPLETE="fish")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


# Real shells


class Typist:
    """A shell on a terminal, and somebody who types."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(ROOT)
            os.execvpe(argv[0], argv, environment | {"TERM": "dumb", "PS1": "$ ", "INPUTRC": os.devnull})

    def press(self, keys: str, until: str) -> str:
        """What is shown until that is among it. Fails where it never is."""
        os.write(self.terminal, keys.encode())
        seen, end = b"", time.monotonic() + 20
        while until.encode() not in seen:
            assert time.monotonic() < end, seen
            if select.select([self.terminal], [], [], 0.1)[0]:
                seen += os.read(self.terminal, 1 << 16)
        return seen.decode(errors="replace")

    def leave(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.terminal)


TYPED = [
    ("ndgrad mini", "ndgrad minimize "),
    ("ndgrad run samples/rosen", "ndgrad run samples/rosenbrock.nd "),
    (f"ndgrad run {FITS} -i X=samples/X", "-i X=samples/X.npy "),
    (f"ndgrad run {FITS} -i X=sampl", "-i X=samples/"),
    (f"ndgrad run {FITS} --of=clo", "--of=closed_form "),
    ("ndgrad plot samples/parabola.nd --over ", "--over x="),
    ("ndgrad run 'samples/rosen", "ndgrad run 'samples/rosenbrock.nd' "),
]


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_shell_completes(name: str, environment: dict[str, str]) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    begin = {
        "bash": (["bash", "--norc", "-i"], "bind 'set enable-bracketed-paste off'"),
        "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -D"),
    }
    argv, first = begin[name]
    typist = Typist(argv, environment)
    try:
        typist.press(f"{first}; eval \"$(ndgrad completion {name})\"; echo rea''dy\n", "ready\r\n")
        for typed, completed in TYPED:
            typist.press(f"{typed}\t", completed)
            typist.press("\x15", "")  # away with the line
    finally:
        typist.leave()


def test_fish_completes(environment: dict[str, str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    lines = {
        "ndgrad mini": "minimize\tFind the inputs at which the output is smallest\n",
        f"ndgrad run {FITS} --grad ": "X\tinput X: [n, d]\nw\tinput w: [d]\ny\tinput y: [n]\n",
        f"ndgrad run {FITS} -i X=samples/X": "X=samples/X.npy\n",
        "ndgrad run 'samples/rosen": "samples/rosenbrock.nd\n",
    }
    script = "ndgrad completion fish | source\n" + "".join(f'complete -C "{line}"\necho .\n' for line in lines)
    ran = subprocess.run(
        ["fish", "--no-config", "-c", script],
        capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout == "".join(f"{shown}.\n" for shown in lines.values())


def test_it_is_installed_where_the_shell_looks(environment: dict[str, str], tmp_path: Path) -> None:
    """In bash, which runs the command, and finds the script at its next start."""
    home = environment | {"HOME": str(tmp_path)}
    ran = subprocess.run(
        ["bash", "-c", "ndgrad --install-completion; true"], capture_output=True, text=True, env=home, check=True
    )
    assert ran.stdout.startswith("bash completes ndgrad's command lines from its next start on: ")
    line = ["bash", "-ic", "complete -p ndgrad"]
    again = subprocess.run(line, capture_output=True, text=True, env=home, check=True, stdin=subprocess.DEVNULL)
    assert again.stdout == "complete -F _ndgrad ndgrad\n"


def test_scripts_are_printed_as_they_are(ndgrad: Run) -> None:
    for shell, script in SCRIPTS.items():
        assert ndgrad("completion", shell).stdout == script
    assert ndgrad("completion", "tcsh").returncode == 2
