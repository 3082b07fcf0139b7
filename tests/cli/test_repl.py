"""`ndgrad repl`: what is said over a pipe and at a terminal is done, in pieces that the grammar finds whole."""

from __future__ import annotations

import io
import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ndgrad.cli.interactive.commands import COMMANDS
from ndgrad.cli.interactive.completing import completions
from ndgrad.cli.interactive.pieces import Pieces
from ndgrad.cli.interactive.prompting import indentation, is_whole
from ndgrad.cli.interactive.talk import Talk
from ndgrad.cli.main import status
from ndgrad.lang.session import Session

ROOT = Path(__file__).parent.parent.parent
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Says lines to `ndgrad repl` over a pipe; its exit code, what it wrote, and what it complained of."""

    def run(text: str | bytes, *arguments: object) -> tuple[int, str, str]:
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.chdir(ROOT)
        code = status(["repl", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


SAID = {
    "values, as run shows them": ("x = [1, 2]\ny = x * 3\n", "x  2 float64\n  [ 1  2 ]\ny  2 float64\n  [ 3  6 ]\n"),
    "gradients of what was shown last": (
        "x = 3\nx ** 2\n:grad x",
        "x = 3  float64\nx ** 2 = 9  float64\nd(x ** 2)/dx = 6  float64\n",
    ),
    "several gradients of an expression": (
        "x = 3; w = 2;\n:grad x, w of x ** 2 * w\n",
        "d(x ** 2 * w)/dx = 12  float64\nd(x ** 2 * w)/dw = 9  float64\n",
    ),
    "a block ends with the line after it": (
        "s = 0;\nfor i in range(3):\n    s = s + i\n\n    s = s * 2\ns + 1\n",
        "s = 8  float64\ns + 1 = 9  float64\n",
    ),
    "a block goes on with else": (
        "if 1 > 2:\n    z = 1\nelse:\n    z = 2\n",
        "z = 2  float64\npath  line 1: 1 > 2 → false\n",
    ),
    "brackets go on": ("y = (1 +\n\n 2)\n", "y = 3  float64\n"),
    "brackets go on within a block": (
        "if 1:\n    y = (1 +\n2)\n    z = y\n",
        "z = 3  float64\npath  line 1: 1 → true\n",
    ),
    "long lists": ("sum([  # (\n" + "[1,\n1],\n" * 400 + "]);\n2\n", "2 = 2  float64\n"),
    "long blocks": ("def f(x):\n" + "    x = x + 1\n" * 1000 + "f(0);\n2\n", "2 = 2  float64\n"),
    "functions and tuples": (
        "def f(a): return a\nf\n(f(2), 3)",
        "f is the function `f`\nf(2) = 2  float64\n3 = 3  float64\n",
    ),
    "the beginning of a command": ("x = 2;\nx * x;\n:g x\n", "d(x * x)/dx = 4  float64\n"),
    "settings": (
        "pi;\n:set precision 3\npi\n:set dtype float32\n[1, 2]\n",
        "pi = 3.14  float64\n[1, 2]  2 float32\n  [ 1  2 ]\n",
    ),
    "the end": ("x = 1\n:quit\nx = 2\n", "x = 1  float64\n"),
    "a byte order mark and Windows line ends": (
        b"\xef\xbb\xbfx = 1\r\nif x > 0:\r\n  x\r\n",
        "x = 1  float64\nx = 1  float64\npath  line 2: x > 0 → 1 > 0, true\n",
    ),
}


@pytest.mark.parametrize(("text", "shown"), SAID.values(), ids=SAID)
def test_what_is_said_is_done(say: Say, text: str | bytes, shown: str) -> None:
    assert say(text) == (0, shown, "")


def test_what_fails_is_shown_and_the_session_goes_on(say: Say) -> None:
    code, out, err = say("x = 2;\ny = sine(x)\nz = zeros(2) @ zeros(3)\nx ** 2\n")
    assert (code, out) == (1, "x ** 2 = 4  float64\n")
    assert re.findall(r"(error\[.*?\]).*\n *┌─ (.*)", err) == [
        ("error[E202]", "standard input:2:5"),
        ("error[E301]", "standard input:3:5"),
    ]


@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [
        ("while True: pass", 4, "error[E504]"),
        (":grad", 2, ":grad needs a name to differentiate by"),
        ("x = 1;\n:grad x of y = 2", 2, "an expression follows `of`"),
        (":grad x", 1, "E208"),
        (":nothing", 2, ":nothing is no command; :help shows what there is"),
        (":set precision 99", 2, ":set precision takes a number of digits, 1 to 17, or none"),
        (":set colour on", 2, ":set colour: the settings are precision"),
        (":load nowhere.nd", 1, "error[E602]"),
        (":load x=-", 2, "standard input is what is said here"),
        ("if 1:\n    x = $\ny = 2", 1, "E101"),
        ("y = q", 1, "give it a value first: q = …"),
        ("input q", 1, "give it a value first: q = …"),
        ("x = (1 +", 1, "error[E109]"),
        ("for i in range(3):", 1, "error[E105]"),
        (b"x = 1\nx = \xff\n", 1, "error[E603]"),
        ("x = 1; k = x > 0;\n:grad k of x", 1, "error[E401]"),
    ],
)
def test_what_is_wrong_says_so(say: Say, text: str | bytes, code: int, complaint: str) -> None:
    found, _, err = say(text, "--max-steps", 1000)
    assert found == code
    assert complaint in err


def test_it_begins_with_what_the_command_line_gives(say: Say) -> None:
    code, out, err = say("z - sum(x)\n:grad x of sum(z)", "samples/chain.nd", "-i", "x=[[1,0],[0,1]]", "--precision", 3)
    assert (code, err) == (0, "")
    assert out.endswith("d(sum(z))/dx  2×2 float64\n  ⎡ 6  0 ⎤\n  ⎣ 0  6 ⎦\n")


def test_files_and_values_are_loaded(say: Say, tmp_path: Path) -> None:
    (tmp_path / "f.nd").write_text("input x\noutput y = x ** 2\n")
    code, out, err = say(f":load x=samples/x.npy\n:load {tmp_path / 'f.nd'}\n:grad x\nnope\n")
    assert out == "y  2×2 float64\n  ⎡ 1   4 ⎤\n  ⎣ 9  16 ⎦\ndy/dx  2×2 float64\n  ⎡ 2  4 ⎤\n  ⎣ 6  8 ⎦\n"
    assert (code, err.splitlines()[1]) == (1, "  ┌─ standard input:4:1")


def test_explain_is_that_of_the_recorded_session(say: Say) -> None:
    code, out, err = say("x = 0.3;\nb = 2 * x;\nwhile b < 1000: b = 2 * b\n:explain x of b\n")
    assert (code, err) == (0, "")
    assert "  line 2  b = 2·x      scalar  0.6\n" in out
    assert "path\n  line 3: 11 rounds\n" in out
    assert "  db₁₁/dx = 2¹¹ · 2\n" in out
    assert out.endswith(": agrees\n")


def test_names_settings_and_help_are_listed(say: Say) -> None:
    _, out, _ = say("x = [1, 2];\nf = lambda t: t\n:names\n")
    assert out == "x  2 float64  [1, 2]\nf  a function\n"
    assert "max-steps   10000000\n" in say(":set")[1]
    listed = say(":help")[1]
    assert all(f":{command.name}" in listed for command in COMMANDS)
    assert max(map(len, listed.splitlines())) <= 80
    assert say(":help tanh")[1].startswith("tanh(x)\n")
    assert say(":help e301")[1].startswith("E301: ")
    assert "did you mean" in say(":help sinn")[2]


def test_random_numbers_begin_from_a_seed(say: Say) -> None:
    drawn = "random_normal()\n"
    assert say(drawn, "--seed", 3)[1] == say(f":set seed 3\n{drawn}")[1] != say(drawn, "--seed", 4)[1]


@pytest.fixture
def talk() -> Talk:
    made = Talk(Session())
    made.session.run("weights = [1, 2]; def loss(w): return sum(w)")
    return made


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("wei", ["weights"]),
        ("y = sin(x) + los", ["loss"]),
        ("whi", ["while"]),
        ("weights.sha", ["shape"]),
        ("weights.cumpr", ["cumprod"]),
        (":gr", ["grad"]),
        (":grad we", ["weights"]),
        (
            ":grad weights of lo",
            ["loss", "log", "log10", "log1p", "log2", "log_sigmoid", "log_softmax", "logaddexp", "logical_and"],
        ),
        (":set prec", ["precision"]),
        (":set full o", ["off", "on"]),
        (":help E30", [f"E30{n}" for n in range(1, 10)]),
        (":load samples/chai", ["samples/chain.nd", "samples/chain.out"]),
        ('use "samples/chai', ["samples/chain.nd", "samples/chain.out"]),
        ("x = 3 ", []),
    ],
)
def test_words_are_completed(talk: Talk, before: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    known = completions(talk, before)[1]
    assert [one for one in found if one not in known] == []
    assert len(found) < 2 or len(known) >= len(found)
    assert bool(known) == bool(found)


def test_at_a_prompt_a_block_ends_with_an_empty_line() -> None:
    assert is_whole("x = 1")
    assert not is_whole("x = (1")
    assert not is_whole("if x:")
    assert not is_whole("if x:\n    y")
    assert is_whole("if x:\n    y\n")
    assert is_whole(":grad (")
    assert indentation("if x:  # c") == "    "
    assert indentation("    y = 1") == "    "
    pieces = Pieces(blank_ends=True)
    taken = [pieces.take(line) for line in ("if x:", "    y", "", "z")]
    assert taken == [[], [], [(1, "if x:\n    y")], [(4, "z")]]


class Terminal:
    """A pseudo-terminal with `ndgrad repl` on it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process, self.line = os.forkpty()
        if self.process == 0:
            os.execvpe(command[0], [*command, "repl"], environment)

    def until(self, text: str) -> str:
        """What comes until `text` does."""
        seen = ""
        while text not in seen:
            ready, _, _ = select.select([self.line], [], [], 20)
            assert ready, seen
            part = os.read(self.line, 1 << 16).decode("utf-8", "replace")
            if "\x1b[6n" in part:  # where is the cursor?
                os.write(self.line, b"\x1b[1;1R")
            seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part)
        return seen

    def say(self, text: str, answer: str) -> str:
        os.write(self.line, text.encode())
        return self.until(answer)

    def interrupt(self, answer: str) -> str:
        """Ctrl-C, again where it comes between two looks of the reader."""
        for _ in range(5):
            os.write(self.line, b"\x03")
            if select.select([self.line], [], [], 1)[0]:
                break
        return self.until(answer)


@pytest.fixture(params=["xterm-256color", "dumb"], ids=["prompt_toolkit", "readline"])
def prompt(
    request: pytest.FixtureRequest, command: list[str], environment: dict[str, str], tmp_path: Path
) -> Iterator[Terminal]:
    made = Terminal(command, environment | {"TERM": request.param, "XDG_STATE_HOME": str(tmp_path)})
    yield made
    os.close(made.line)
    os.waitpid(made.process, 0)


def test_a_session_at_a_terminal(prompt: Terminal, tmp_path: Path) -> None:
    prompt.until("nd 1> ")
    prompt.say("x = 3\r", "nd 2> ")
    assert "y = 9  float64" in prompt.say("y = x ** 2\r", "nd 3> ")
    assert "dy/dx = 6  float64" in prompt.say(":grad x\r", "nd 4> ")
    prompt.say("abandoned", "abandoned")
    prompt.interrupt("nd 4> ")
    prompt.say("print(600 + 66); while True: x = x + 1\r", "666")
    assert "interrupted" in prompt.interrupt("nd 5> ")
    assert "x = 3  float64" in prompt.say("x\r", "nd 6> ")
    prompt.say("if x > 0:\r", "nd 7")
    assert "z = 4  float64" in prompt.say("    z = 4\r\r", "nd 9> ")
    os.write(prompt.line, b"\x04")
    assert os.waitid(os.P_PID, prompt.process, os.WEXITED | os.WNOWAIT).si_status == 0  # type: ignore[union-attr]
    kept = [path.read_text() for path in (tmp_path / "ndgrad").iterdir()]
    assert "y = x ** 2" in kept[0]


@pytest.mark.parametrize("opened", ["x = [1, 2", "x = [1,", "x = sum([1, 2]", "x = (1 +  # more to come", "sum(["])
def test_a_bracket_that_is_never_closed_takes_no_other_lines(opened: str, say: Say) -> None:
    code, out, read = say(f"{opened}\ny = 3\nz = y + 1\n:grad y of z\ninput w = 5\n")
    assert code == 1
    assert out == "y = 3  float64\nz = 4  float64\ndz/dy = 1  float64\nw = 5  float64\n"
    assert (read.count("error["), read.count("error[E109]"), ":1:" in read) == (1, 1, True)


def test_brackets_that_are_closed_may_go_over_lines(say: Say) -> None:
    text = "z = sum([1, # one\n2,\n3\n],\naxis=0)\nq = (1 +\n2\n)\nw = (1\nif q > 2\nelse 4)\nv = [1,\nq,\n\nw]\n"
    code, out, read = say(text)
    assert (code, read) == (0, "")
    assert out.startswith("z = 6  float64\nq = 3  float64\nw = 1  float64\n")
