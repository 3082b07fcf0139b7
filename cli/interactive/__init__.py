"""`ndgrad repl`: a session at a prompt, or over a pipe.

`Talk` does what is said, whoever says it. At a terminal lines come from prompt_toolkit where it is installed, else
from readline; from a pipe they come without prompts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from ndgrad.cli import problems
from ndgrad.cli.interactive.pieces import Pieces
from ndgrad.cli.streams import only_ascii

if TYPE_CHECKING:
    from ndgrad.cli.interactive.talk import Talk

TERMINAL, PIPE = "session", "standard input"  # what messages call the text of a session


class Prompt(Protocol):
    """Where lines come from at a terminal."""

    def read(self, line: int, going_on: bool) -> str:
        """The next line, or several; going_on: within a piece. EOFError at the end, KeyboardInterrupt to abandon it."""
        ...


def at_terminal() -> bool:
    """Whether there is somebody to prompt."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def from_pipe(talk: Talk) -> None:
    """Do what standard input says, to its end."""
    pieces = Pieces(blank_ends=False)
    for text in _lines():
        for line, piece in pieces.take(text):
            talk.take(piece, line)
            if talk.over:
                return
    for line, piece in pieces.rest():
        talk.take(piece, line)


def _lines() -> Iterator[str]:
    """The lines of standard input, without their ends. E603."""
    for number, content in enumerate(sys.stdin.buffer if sys.stdin is not None else ()):
        try:
            yield content.decode("utf-8-sig" if number == 0 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise problems.not_text(PIPE) from None


def from_terminal(talk: Talk) -> None:
    """Do what is said at the prompt, until it ends. What is interrupted leaves the session as it was."""
    prompt = _prompt(talk)
    pieces = Pieces(blank_ends=True)
    while not talk.over:
        doing = False
        try:
            text = prompt.read(pieces.number + 1, pieces.held)
            doing = True
            found = [piece for line in text.split("\n") for piece in pieces.take(line)]
            if "\n" in text:  # several lines at once are whole
                found += pieces.rest()
            for line, piece in found:
                talk.take(piece, line)
                if talk.over:
                    return
        except KeyboardInterrupt:
            pieces.rest()
            sys.stdout.flush()
            sys.stderr.write("interrupted\n" if doing else "\n")
        except EOFError:
            print()
            return


def _prompt(talk: Talk) -> Prompt:
    """What there is to ask with."""
    if os.environ.get("TERM") != "dumb":
        try:
            from ndgrad.cli.interactive.prompting import Prompting
        except ImportError:
            pass
        else:
            return Prompting(talk)
    from ndgrad.cli.interactive.asking import Asking

    return Asking(talk)


def prompt_of(line: int, going_on: bool) -> str:
    """What stands before a line; going_on: within a piece."""
    return f"nd {line}{'…' if going_on and not only_ascii(sys.stdout) else '>'} "


def history(name: str) -> str | None:
    """The path of a file of the user's own for what was said; None where there is no place for one."""
    base = os.environ.get("XDG_STATE_HOME")
    if not base or not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    path = os.path.join(base, "ndgrad", name)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        return None
    return path
