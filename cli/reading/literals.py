"""Numbers and nested lists written on the command line: 3, -1e-3, inf, [[1, 2], [3, nan]]."""

from __future__ import annotations

import re
from typing import Any

from ndgrad.cli import problems
from ndgrad.errors import Span

DEEPEST = 32
SURE = 1 << 24  # up to here every float holds every integer
DIGITS = 400  # more than any float has before its point
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)(?![\w.])", re.IGNORECASE
)
_INTEGER = re.compile(r"[+-]?[\d_]+")
_WORDS = {"True": True, "False": False, "true": True, "false": False}
_PIECE = re.compile(r"\s+|[\[\],]|[^\s\[\],]+")


def is_one(text: str) -> bool:
    """Whether `text` is to be read as a literal, rather than as the name of a file."""
    text = text.strip()
    return text.startswith("[") or text in _WORDS or _NUMBER.fullmatch(text) is not None


def read(span: Span) -> Any:
    """The number or nested list that is written at `span`. E612 or E613 where there is none."""
    top: list[Any] = []
    open_lists: list[tuple[list[Any], int]] = [(top, span.start)]
    after_value = False
    for piece in _PIECE.finditer(span.source.text, span.start, span.end):
        text, here = piece.group(), Span(span.source, piece.start(), piece.end())
        inner = open_lists[-1][0]
        if text.isspace():
            continue
        if text == "]":
            if len(open_lists) == 1:
                raise problems.bad_literal(here, "this closes nothing")
            _, start = open_lists.pop()
            _check_rows(inner, Span(span.source, start, piece.end()))
            after_value = True
        elif text == ",":
            if not after_value or len(open_lists) == 1:
                raise problems.bad_literal(here, "a number is expected here")
            after_value = False
        elif after_value:
            raise problems.bad_literal(here, "a comma is expected before this")
        elif text == "[":
            if len(open_lists) > DEEPEST:
                raise problems.bad_literal(here, f"lists within lists go {DEEPEST} deep at most")
            made: list[Any] = []
            inner.append(made)
            open_lists.append((made, piece.start()))
        elif text in _WORDS:
            inner.append(_WORDS[text])
            after_value = True
        elif _NUMBER.fullmatch(text):
            inner.append(number(text))
            after_value = True
        else:
            raise problems.bad_literal(here, "this is no number")
    if len(open_lists) > 1:
        start = open_lists[-1][1]
        raise problems.bad_literal(Span(span.source, start, start + 1), "this is never closed")
    if not top:
        raise problems.bad_literal(span, "nothing is written here")
    return top[0]


def number(text: str) -> int | float:
    """The float that `text` is; an integer, where floats of any size may not hold it and an input may want one."""
    found = float(text)
    if not SURE < abs(found) < float("inf") or not _INTEGER.fullmatch(text):
        return found
    return int(text) if len(text) < DIGITS else found


def _check_rows(entries: list[Any], span: Span) -> None:
    shapes = {_shape(entry) for entry in entries}
    if len(shapes) > 1:
        lengths = " and ".join(sorted({_named(shape) for shape in shapes}))
        raise problems.ragged(span, f"its entries are {lengths}")


def _shape(entry: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(entry, list):
        shape.append(len(entry))
        if not entry:
            break
        entry = entry[0]
    return tuple(shape)


def _named(shape: tuple[int, ...]) -> str:
    return (
        "numbers" if not shape else f"lists of {shape[0]}" if len(shape) == 1 else f"lists {'×'.join(map(str, shape))}"
    )
