"""Values from the command line: a VALUE is a literal, a file, or standard input.

A file's kind is told by its name, standard input's by its first bytes. A new kind is a module with
`read(data, name, part)` and an entry in KINDS.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from ndgrad.cli import problems
from ndgrad.errors import Source, Span

KINDS = {".npy": "npy", ".csv": "tabular", ".tsv": "tabular", ".txt": "tabular", ".json": "json_value"}
STDIN = "standard input"


def value(text: str, option: str) -> Any:
    """What VALUE stands for: a NumPy array, or plain numbers and lists where it is written out.

    option: how it was given ("-i x"), for messages.
    """
    from ndgrad.cli.reading import literals

    if text == "-":
        return standard_input()
    span = Span(Source(option, text), 0, len(text))
    if text.startswith("@") and text != "@":
        return file(text[1:])
    if literals.is_one(text):
        return literals.read(span)
    if os.path.exists(text) or os.path.dirname(text):
        return file(text)
    if _kind(text) or _kind(text.rpartition(":")[0]):
        return file(text)
    raise problems.no_value(span)


def file(path: str) -> Any:
    """The array in a file; FILE:PART where no file has the whole name."""
    part = None
    if not os.path.exists(path) and ":" in path:
        shorter, _, behind = path.rpartition(":")
        if shorter and (os.path.exists(shorter) or _kind(shorter)):
            path, part = shorter, behind
    kind = _kind(path)
    if not kind and os.path.isfile(path):
        raise problems.unknown_kind(path)
    try:
        with open(path, "rb") as stream:
            if kind == "npy":
                from ndgrad.cli.reading import npy

                return npy.read_stream(stream, path, os.fstat(stream.fileno()).st_size)
            data = stream.read()
    except OSError as error:
        reason = error.strerror or str(error)
        raise problems.cannot_read(path, reason[0].lower() + reason[1:]) from None
    return read(data, path, kind, part)


def read(data: bytes, name: str, kind: str, part: str | None = None) -> Any:
    """The array that `data` holds, read as `kind`."""
    if not data.strip():
        raise problems.nothing_there(name)
    return import_module(f"ndgrad.cli.reading.{kind}").read(data, name, part)


def standard_input() -> Any:
    """The array that comes through standard input."""
    data = bytes_from_stdin()
    return read(data, STDIN, told_by(data))


def bytes_from_stdin() -> bytes:
    """All that comes through standard input."""
    if sys.stdin is None:
        raise problems.cannot_read(STDIN, "it is closed")
    return sys.stdin.buffer.read()


def told_by(data: bytes) -> str:
    """The kind of some data, by its first bytes: .npy has a magic, JSON a bracket, else it is a table."""
    if data.startswith(b"\x93NUMPY"):
        return "npy"
    return "json_value" if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{") else "tabular"


def decoded(data: bytes, name: str) -> Source:
    """Text in UTF-8, with or without a byte order mark."""
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise problems.not_text(name) from None


def _kind(path: str) -> str:
    return KINDS.get(os.path.splitext(path)[1].lower(), "")
