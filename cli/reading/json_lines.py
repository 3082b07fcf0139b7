"""JSON lines: a value on each line. As one array the lines are stacked; with `--each` they are taken one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import decoded, json_value
from ndgrad.errors import Error, Source, Span


def read(data: bytes, name: str, part: str | None = None) -> Any:
    """All lines as one array, of each object the entry `part`. E618 where they differ in shape.

    Where one holds integers that float64 may not hold, a nested list of all numbers.
    """
    source = decoded(data, name)
    rows = [(start, record(source, start, line, part)) for start, line in _lines(source.text)]
    for start, row in rows:
        if np.shape(row) != np.shape(rows[0][1]):
            shapes = f"lines of different shapes ({np.shape(row)} here, {np.shape(rows[0][1])} on the first)"
            end = source.text.find("\n", start)
            raise problems.no_array_in_json(name, shapes, Span(source, start, len(source.text) if end < 0 else end))
    if not all(isinstance(row, np.ndarray) for _, row in rows):
        return [row.tolist() if isinstance(row, np.ndarray) else row for _, row in rows]
    return np.stack([row for _, row in rows])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        if line.strip():
            yield start, line
        start += len(line) + 1


def record(source: Source, start: int, line: str, part: str | None) -> Any:
    """The value on one line, which stands at `start` in the source, as `json_value.value_of` gives it."""
    found = json_value.parsed(source, line, start)
    return json_value.value_of(found, source.name, part, Span(source, start, start + len(line)))


def objects(path: str) -> Iterator[Any] | None:
    """The arrays of a .json file that lists objects, as `--each` writes it; None for another. E603, E618."""
    try:
        with open(path, "rb") as stream:
            source = decoded(stream.read(), path)
    except OSError:
        return None
    found = json_value.parsed(source, source.text, 0) if source.text.lstrip()[:1] == "[" else None
    if not found or not all(isinstance(entry, dict) for entry in found):
        return None
    return _entries(found, source)


def _entries(found: list[Any], source: Source) -> Iterator[Any]:
    for number, entry in enumerate(found, 1):
        try:
            yield json_value.value_of(entry, f"{source.name}, entry {number}", None, Span(source, 0, len(source.text)))
        except Error as error:
            yield error
