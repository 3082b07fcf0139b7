"""Values from the command line: a VALUE is a literal, a file, or standard input.

A file's kind is told by its name, that of standard input and of pipes by the first bytes. The kinds
are those of `ndgrad.cli.formats`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ndgrad.cli import problems
from ndgrad.cli.formats import NPY, Format, of_data, of_path
from ndgrad.errors import Source, Span

STDIN = "standard input"
_EXPRESSION = re.compile(r"[+-]?[\d.(][\d\s.()eE_]*[-+*/^%][-+*/^%\d\s.()eE_]*")  # numbers and operators alone


def value(text: str, option: str, stdin: StandardInput | None = None) -> Any:
    """What VALUE stands for: a NumPy array, or plain numbers and lists where it is written out.

    option: how it was given ("-i x"), for messages. stdin: where `-` is taken from, if others take from it too.
    """
    from ndgrad.cli.reading import literals

    if text == "-" or text.startswith("-:"):
        return (stdin or StandardInput(1)).taken(text[2:] or None)
    span = Span(Source(option, text), 0, len(text))
    if text.startswith("@") and text != "@":
        return file(text[1:])
    if literals.is_one(text):
        return literals.read(span)
    if not os.path.exists(text) and _EXPRESSION.fullmatch(text.strip()):
        raise problems.no_expression(span)
    if os.path.exists(text) or os.path.dirname(text):
        return file(text)
    if any(of_path(path) for path, _ in _splits(text)):
        return file(text)
    raise problems.no_value(span)


def file(text: str) -> Any:
    """The array in a file; FILE:PART where no file has the whole name."""
    path, part = located(text)
    format = of_path(path)
    try:
        if format is not None and not os.path.exists(path):
            open(path, "rb").close()  # to say what is wrong in the system's words
        if format is not None and hasattr(reader := module(format), "read_file"):
            return reader.read_file(path, part)
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        reason = error.strerror or str(error)
        raise problems.cannot_read(path, reason[0].lower() + reason[1:]) from None
    if format is None:
        format = of_data(data)
        if os.path.isfile(path) and not format.magic:
            raise problems.unknown_kind(path)
    return read(data, path, format, part)


def located(text: str) -> tuple[str, str | None]:
    """The path and the part of FILE or FILE:PART."""
    for path, part in _splits(text):
        if os.path.exists(path) or (part is not None and of_path(path)):
            return path, part
    return text, None


def _splits(text: str) -> Iterator[tuple[str, str | None]]:
    """Every way to read FILE or FILE:PART, the longest name of a file first."""
    yield text, None
    at = text.rfind(":")
    while at > 0:
        yield text[:at], text[at + 1 :]
        at = text.rfind(":", 0, at)


def read(data: bytes, name: str, format: Format, part: str | None = None) -> Any:
    """The array that `data` holds in that format."""
    if not data.strip():
        raise problems.nothing_there(name)
    return module(format).read(data, name, part)


def module(format: Format) -> Any:
    """The module that reads a format."""
    return import_module(f"ndgrad.cli.reading.{format.read}")


class StandardInput:
    """All that comes through standard input, for as many values as are taken from it.

    Arrays in .npy may follow one another; they are taken in order. Of anything else every taker takes a part.
    """

    def __init__(self, takers: int) -> None:
        self.takers = takers
        self.taken_ = 0
        self.data: bytes | None = None
        self.stream: Any = None  # where arrays in .npy come from, one by one

    def taken(self, part: str | None) -> Any:
        """The next array, or the part of what there is. E601, E614 and on, E619, E623."""
        self.taken_ += 1
        if self.stream is None and self.data is None:
            begun = b"" if sys.stdin is None else sys.stdin.buffer.read(len(NPY))
            if part is None and begun == NPY:
                self.stream = sys.stdin.buffer
                return self._next(begun)
            self.data = begun + bytes_from_stdin()
        if self.stream is not None:
            if part is not None:
                raise problems.no_part(STDIN, part, [])
            return self._next(b"")
        assert self.data is not None
        format = of_data(self.data)
        if self.takers > 1 and part is None and self.data.strip():
            raise problems.not_a_stream(format.name, self.takers)
        return read(self.data, STDIN, format, part)

    def _next(self, begun: bytes) -> Any:
        from ndgrad.cli.reading import npy

        found = npy.read_next(self.stream, STDIN, begun)
        if found is None:
            raise problems.nothing_left(self.takers)
        if self.taken_ == self.takers:
            more = self.stream.read(len(NPY))
            if more == NPY:
                raise problems.arrays_left_over(self.takers)
            if more:
                raise problems.damaged(STDIN, "more bytes follow the array")
        return found


def bytes_from_stdin() -> bytes:
    """All that comes through standard input."""
    if sys.stdin is None:
        raise problems.cannot_read(STDIN, "it is closed")
    return sys.stdin.buffer.read()


def decoded(data: bytes, name: str) -> Source:
    """Text in UTF-8, with or without a byte order mark."""
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise problems.not_text(name) from None
