"""Tables of numbers as text: CSV with or without a header, columns of plain numbers.

The delimiter is the first of tab, `;`, `|`, `,` that divides the first lines alike, else white space. A header
is a first line without a number; where a column is asked for by its name, it may have numbers among its names (years).
Lines that start with # are remarks.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import decoded
from ndgrad.cli.reading.literals import number
from ndgrad.errors import Source, Span

DELIMITERS = "\t;|,"
LOOKED_AT = 10  # lines, for the delimiter
_MEANT = re.compile(r"[-+−–]?[\d.,_' ]*\d[\d.,_' eE+−-]*%?")  # what somebody means as a number
EXACT = 1 << 53  # below it float64 holds every integer


def read(data: bytes, name: str, part: str | None = None) -> Any:
    """The whole table, or the column `part` (a name of the header, or a number from 0).

    An array of float64; with integers that it may not hold, nested lists of numbers instead.

    A table of one column is a vector, unless its heading is that of a matrix, `NAME[0]`. Without a header
    one row is a vector too, and one number is a scalar.
    """
    source = decoded(data, name)
    lines, delimiter, first = _begun(source, name)
    header = _heading(source, lines[0], delimiter, first, part)
    body = lines[1:] if header else lines
    if not body:
        raise problems.nothing_there(name)
    chosen = _column_index(header, len(first), part)
    if part is not None and chosen is None:
        raise problems.no_column(name, part, header)
    table = _numbers(source, lines, body, delimiter, len(first), chosen, header)
    made = _shaped(table, chosen, header)
    return made.tolist() if made.dtype == object else made


def header(data: bytes, name: str) -> list[str]:
    """The headings of a table, none where its first line holds numbers alone. E603, E615, E616, E619."""
    source = decoded(data, name)
    lines, delimiter, first = _begun(source, name)
    return _heading(source, lines[0], delimiter, first, None)


def _begun(source: Source, name: str) -> tuple[list[str], str | None, list[str]]:
    """The lines of a table, what divides their cells, and the cells of the first."""
    lines = [line for line in source.text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise problems.nothing_there(name)
    delimiter = _delimiter(lines[:LOOKED_AT])
    try:
        return lines, delimiter, _cells(lines[0], delimiter)
    except csv.Error as error:
        at, line = _places(source.text, lines[:1])[0]
        raise problems.broken_row(Span(source, at, at + len(line)), str(error)) from None


def _heading(source: Source, line: str, delimiter: str | None, first: list[str], part: str | None) -> list[str]:
    """The names of the columns, if the first line has such. E615 for numbers in it that are misspelt or missing beside
    others, which must not be taken for names."""
    numbers = [_is_number(cell) or _MEANT.fullmatch(cell.strip()) is not None for cell in first]
    if all(map(_is_number, first)):
        return []
    if not any(numbers) or part in first:
        return first
    column = next(i for i, cell in enumerate(first) if not _is_number(cell))
    at, _ = _places(source.text, [line])[0]
    start = at + _cell_start(line, delimiter, column)
    raise problems.not_a_number(Span(source, start, start + len(first[column])), str(column))


def _shaped(table: np.ndarray[Any, Any], chosen: int | None, header: list[str]) -> np.ndarray[Any, Any]:
    """A table as the matrix, vector or scalar that it stands for."""
    if chosen is not None or (table.shape[1] == 1 and not (header and header[0].endswith("[0]"))):
        table = table[:, 0]
        return table.reshape(()) if chosen is None and not header and table.size == 1 else table
    return table[0] if not header and len(table) == 1 else table


def _numbers(
    source: Source,
    lines: list[str],
    body: list[str],
    delimiter: str | None,
    width: int,
    chosen: int | None,
    header: list[str],
) -> np.ndarray[Any, Any]:
    """The cells of `body` as float64, rows by columns; as Python numbers where there are large integers."""
    quoted = delimiter is not None and any('"' in line for line in body)
    if not quoted and all(map(_has_cells(delimiter, width), body)):
        try:
            found = np.loadtxt(
                body, np.float64, None, delimiter, ndmin=2, usecols=chosen if chosen is None else (chosen,)
            )
            if not np.any((np.abs(found) >= EXACT) & np.isfinite(found)):
                return found
        except ValueError:
            pass  # found again below, with the cell's place
    rows = []
    for at, line in _places(source.text, body):
        try:
            cells = _cells(line, delimiter)
        except csv.Error as error:
            raise problems.broken_row(Span(source, at, at + len(line)), str(error)) from None
        if len(cells) != width:
            raise problems.uneven_row(Span(source, at, at + len(line)), len(cells), width)
        row = []
        for column in range(width) if chosen is None else (chosen,):
            if not _is_number(cells[column]):
                start = at + _cell_start(line, delimiter, column)
                shown = header[column] if header else str(column)
                raise problems.not_a_number(Span(source, start, start + len(cells[column])), f"`{shown}`")
            row.append(number(cells[column]))
        rows.append(row)
    whole = any(isinstance(cell, int) and abs(cell) >= EXACT for row in rows for cell in row)
    return np.array(rows, object if whole else np.float64)


def _has_cells(delimiter: str | None, width: int) -> Callable[[str], bool]:
    """Whether a line without quotes has so many cells."""
    if delimiter is None:
        return lambda line: len(line.split()) == width
    return lambda line: line.count(delimiter) == width - 1


def _delimiter(lines: list[str]) -> str | None:
    """What divides the cells: the first delimiter that is in all lines equally often, else in the first line."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    found = [d for d in DELIMITERS if d in bare[0]]
    return next((d for d in found if len({line.count(d) for line in bare}) == 1), found[0] if found else None)


def _column_index(header: list[str], width: int, part: str | None) -> int | None:
    """Where the column is: by its name in the header, else by its number."""
    if part in header:
        return header.index(part)
    return int(part) if part is not None and part.isdecimal() and int(part) < width else None


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _places(text: str, body: list[str]) -> list[tuple[int, str]]:
    """Each line of `body` with where it starts in `text`."""
    places = []
    at = 0
    waiting = iter(body)
    line = next(waiting, None)
    for found in text.splitlines(keepends=True):
        if line is not None and found.rstrip("\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029") == line and found.strip():
            places.append((at, line))
            line = next(waiting, None)
        at += len(found)
    return places


def _cell_start(line: str, delimiter: str | None, column: int) -> int:
    """Where the cell of a column starts; quoted delimiters are counted as text."""
    if delimiter is None:
        return [m.start() for m in re.finditer(r"\S+", line)][column]
    at = 0
    quoted = False
    for i, sign in enumerate(line):
        if column == 0:
            break
        quoted ^= sign == '"'
        if sign == delimiter and not quoted:
            column -= 1
            at = i + 1
    while at < len(line) and line[at] in ' "':
        at += 1
    return at
