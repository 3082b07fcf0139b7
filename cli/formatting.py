"""`ndgrad fmt`: the programs that it is given, what would change in them, and their rewriting."""

from __future__ import annotations

import os
import sys

from ndgrad.cli import problems
from ndgrad.cli.drawing import show
from ndgrad.cli.programs import named
from ndgrad.cli.reading import STDIN, bytes_from_stdin
from ndgrad.cli.streams import painter
from ndgrad.cli.writing.places import Place
from ndgrad.errors import Error
from ndgrad.frozen import Frozen

_MARK = "\ufeff"  # that a text is UTF-8, as some editors write
_ROLES = {"+": "added", "-": "removed", "@": "frame"}


class Program(Frozen):
    """A program as it is and as it should be, in bytes. Its line ends and its byte order mark stay."""

    path: str  # or -
    before: bytes
    after: bytes

    @property
    def name(self) -> str:
        return STDIN if self.path == "-" else self.path

    @property
    def changes(self) -> bool:
        return self.before != self.after


def formatted(path: str) -> Program:
    """The program in a file, or in standard input for `-`. Errors: E1xx, E501, E602, E603."""
    from ndgrad.lang.formatting import formatted

    before = bytes_from_stdin() if path == "-" else _content(path)
    name = STDIN if path == "-" else path
    try:
        text = before.decode("utf-8")
    except UnicodeDecodeError:
        raise problems.not_text(name) from None
    mark = _MARK if text.startswith(_MARK) else ""
    end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    return Program(path, before, (mark + formatted(text, name).replace("\n", end)).encode("utf-8"))


class Formatting:
    """What becomes of the programs, one after the other; one that is wrong does not stop the others.

    check: say which would change, rather than write them; diff: show what would change, likewise.
    exit_code: of what went wrong so far; changed: how many programs are not as they should be.
    """

    def __init__(self, check: bool, diff: bool) -> None:
        self.check = check
        self.diff = diff
        self.exit_code = 0
        self.changed = 0

    def run(self, paths: list[str]) -> None:
        """Format the programs in files, in folders, and in standard input (`-`)."""
        for path in named(paths, self._failed):
            try:
                self._settle(formatted(path))
            except Error as error:
                self._failed(error)

    def _failed(self, error: Error) -> None:
        show(error.diagnostics)
        self.exit_code = self.exit_code or error.exit_code

    def _settle(self, program: Program) -> None:
        self.changed += program.changes
        if self.diff:
            Place(None).write_bytes(_diff(program))
        if self.check and program.changes:
            print(f"would reformat {program.name}", file=sys.stderr)
        if self.check or self.diff:
            return
        if program.path == "-":
            Place(None).write_bytes(program.after)
        elif program.changes:
            _rewrite(program)
            print(f"reformatted {program.name}", file=sys.stderr)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise problems.cannot_read(path, (error.strerror or str(error)).lower()) from None
    except ValueError:
        raise problems.cannot_read(repr(path), "that is no path") from None


def _rewrite(program: Program) -> None:
    """Put the new text in the file's place, whole or not at all."""
    path = program.path
    if not os.path.isfile(path):
        raise problems.cannot_write(path, "it is no regular file; - stands for standard input")
    # A folder lets its files be replaced whatever their permissions say, so they are asked first.
    if not os.stat(path).st_mode & 0o222 or not os.access(path, os.W_OK):
        raise problems.cannot_write(path, "it is read-only")
    Place(path).write_bytes(program.after)


def _diff(program: Program) -> bytes:
    """The unified diff of a program, in colours where standard output has them."""
    from difflib import unified_diff

    before, after = (text.decode("utf-8").split("\n") for text in (program.before, program.after))
    paint = painter(sys.stdout)
    made: list[str] = []
    for number, line in enumerate(unified_diff(_ended(before), _ended(after), program.name, program.name)):
        text = line.removesuffix("\n")
        if paint:
            text = paint(text, "title" if number < 2 else _ROLES.get(text[:1], ""))
        made.append(text + ("\n" if line.endswith("\n") else "\n\\ No newline at end of file\n"))
    return "".join(made).encode("utf-8", "surrogateescape")


def _ended(lines: list[str]) -> list[str]:
    """Lines with their ends; the last has none, and is left out where it is empty."""
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
