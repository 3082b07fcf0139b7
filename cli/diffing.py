"""`ndgrad diff`: two values or results held against each other, told as text or JSON."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.differences import Difference, Entry, difference
from ndgrad.cli.reading import StandardInput
from ndgrad.cli.reading.contents import Contents, contents
from ndgrad.cli.streams import columns, only_ascii, painter, put
from ndgrad.cli.writing.json_result import nested
from ndgrad.cli.writing.matrices import aligned
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    from ndgrad.cli.streams import Paint

DIGITS = 6
MOST_DIGITS = 17  # that tell any two numbers apart
LONGEST = 30  # characters of a VALUE that is repeated


class Compared(Frozen):
    """Two values, compared.

    names        what they are called
    differences  by the name of the array, "" for the only one
    missing      the names that only the first has, and those that only the second has
    paths        the first decision that two runs took differently, in words; None where there is none
    """

    names: tuple[str, str]
    differences: dict[str, Difference]
    missing: tuple[tuple[str, ...], tuple[str, ...]]
    paths: str | None

    @property
    def agrees(self) -> bool:
        return not any(self.missing) and all(found.agrees for found in self.differences.values())


def compare(a: str, b: str, rtol: float | None, atol: float) -> Compared:
    """Compare two VALUEs. Errors: those of reading them; stops on wrong usage."""
    for option, number in (("--rtol", rtol), ("--atol", atol)):
        if number is not None and not number >= 0:
            problems.usage(f"{option} {number}: a tolerance is a number from 0 up")
    stdin = StandardInput((a == "-") + (b == "-"))
    first, second = contents(a, "A", stdin), contents(b, "B", stdin)
    left, right = _arrays(first, second)
    found = {name: difference(left[name], right[name], rtol, atol) for name in left if name in right}
    missing = tuple(n for n in left if n not in right), tuple(n for n in right if n not in left)
    return Compared((_called(a, "A"), _called(b, "B")), found, missing, _paths(first.path, second.path))


def _arrays(a: Contents, b: Contents) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What is compared: whole results, arrays of one name, or the one array of each."""
    if a.result is not None and b.result is not None:
        return a.result, b.result
    if a.named is not None and b.named is not None and (len(a.named) > 1 or len(b.named) > 1):
        return a.named, b.named
    return {"": _array(a.single())}, {"": _array(b.single())}


def _array(value: Any) -> np.ndarray[Any, Any]:
    """A value as an array: plain numbers as floats."""
    array = np.asarray(value)
    return array if isinstance(value, np.ndarray) or array.dtype.kind == "b" else array.astype(np.float64)


def _called(text: str, otherwise: str) -> str:
    """A VALUE as the title of a column: files by their names."""
    from ndgrad.cli.reading.literals import is_one

    if text == "-":
        return "standard input"
    if is_one(text):
        return otherwise
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def _paths(a: tuple[dict[str, Any], ...], b: tuple[dict[str, Any], ...]) -> str | None:
    for one, other in zip(a, b, strict=False):
        if one.get("condition") != other.get("condition"):
            return None  # other programs
        where = f"line {one.get('line')}: {one.get('condition')}"
        if one.get("rounds") is not None and one.get("rounds") != other.get("rounds"):
            return f"{where}, {one.get('rounds')} rounds against {other.get('rounds')}"
        if one.get("taken") != other.get("taken"):
            said = f"{one.get('compared')} against {other.get('compared')}"
            return f"{where}, {str(one.get('taken')).lower()} against {str(other.get('taken')).lower()} ({said})"
    return None


def write(found: Compared, format: str) -> None:
    """Write what was found to standard output."""
    if format == "json":
        put(json.dumps(as_object(found), ensure_ascii=only_ascii(sys.stdout)) + "\n")
    else:
        put("\n".join(lines_of(found)) + "\n")


def lines_of(found: Compared) -> list[str]:
    """The comparison for people."""
    paint = painter(sys.stdout) or (lambda text, role: text)
    lines: list[str] = []
    for name, one in found.differences.items():
        parts = [*_table(found.names, one, paint), *_notes(one, paint)]
        lines += [_title(name, one, paint), *(["", *parts, ""] if parts else [])]
    for which, (names, other) in enumerate(zip(found.missing, reversed(found.names), strict=True)):
        lines += [
            f"{paint(name, 'title')}  {paint(f'only in {found.names[which]}, not in {other}', 'warning')}"
            for name in names
        ]
    if found.paths is not None and not found.agrees:
        lines += [*_wrapped("path", f"the runs went different ways: {found.paths}", paint), ""]
    return lines[:-1] if lines and not lines[-1] else lines


def _title(name: str, one: Difference, paint: Paint) -> str:
    shapes = ["×".join(map(str, shape)) or "scalar" for shape in one.shapes]
    total = int(np.prod(one.shapes[0]))
    kinds = one.dtypes[0] if one.dtypes[0] == one.dtypes[1] else " and ".join(one.dtypes)
    start = f"{paint(name, 'title')}  " if name else ""
    if one.shapes[0] != one.shapes[1]:
        return f"{start}{paint(f'the shapes differ: {shapes[0]} and {shapes[1]}', 'warning')}"
    if one.agrees:
        word = "equal" if not one.largest else "they agree"
        return f"{start}{shapes[0]} {kinds}: {paint(word, 'help')}"
    said = "they differ" if total == 1 else f"{one.count:,} of {total:,} entries differ"
    return f"{start}{shapes[0]} {kinds}: {paint(said, 'warning')}"


def _table(names: tuple[str, str], one: Difference, paint: Paint) -> Iterator[str]:
    """The entries that differ most, in columns."""
    if not one.entries or (one.agrees and not one.largest):
        return
    pairs = [_apart(entry) for entry in one.entries]
    cells = [
        ["", *(f"[{', '.join(map(str, entry.index))}]" if entry.index else "" for entry in one.entries)],
        [names[0], *aligned([a for a, _ in pairs])],
        [names[1], *aligned([b for _, b in pairs])],
        ["difference", *(_number(entry.difference) for entry in one.entries)],
        ["relative", *("" if entry.relative is None else _number(entry.relative) for entry in one.entries)],
    ]
    widths = [max(map(len, column)) for column in cells]
    for i, row in enumerate(zip(*cells, strict=True)):
        padded = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        line = "  ".join(padded if widths[0] else padded[1:]).rstrip()
        yield f"  {paint(line, 'faint') if i == 0 else line}"


def _apart(entry: Entry) -> tuple[str, str]:
    """Both numbers with as many digits as tell them apart."""
    for digits in range(DIGITS, MOST_DIGITS + 1):
        a, b = (_number(x, digits) for x in (entry.a, entry.b))
        if a != b:
            break
    return a, b


def _number(value: Any, digits: int = 4) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value).lower()


def _notes(one: Difference, paint: Paint) -> Iterator[str]:
    if one.shapes[0] != one.shapes[1] or (one.agrees and not one.largest):
        return
    yield ""
    if one.count > 1 and any(high + 1 - low < n for (low, high), n in zip(one.box, one.shapes[0], strict=True)):
        box = ", ".join(str(low) if low == high else f"{low}:{high + 1}" for low, high in one.box)
        yield from _wrapped("where", f"all of them lie in [{box}]", paint)
    if one.unlike:
        what = "entry is" if one.unlike == 1 else "entries are"
        yield from _wrapped(
            "not finite", f"{one.unlike:,} {what} nan or infinite on one side alone, or of two signs", paint
        )
    yield from _wrapped("compared", f"within --rtol {one.rtol:g} --atol {one.atol:g}", paint)
    if one.count and not one.unlike:
        rtol = f"--rtol {_above(one.largest_relative)}, or " if one.largest_relative < 1 else ""
        yield from _wrapped("agree", f"within {rtol}--atol {_above(one.largest)}", paint)


def _above(number: float) -> str:
    """A number of two digits that is not below this one."""
    for digits in ("1", "2"):
        text = f"{number:.{digits}e}"
        mantissa, _, power = text.partition("e")
        if float(text) < number:
            text = f"{float(mantissa) + 10 ** -int(digits):.{digits}f}e{power}"
        if float(text) >= number:
            return f"{float(text):g}"
    return repr(number)


def _wrapped(label: str, text: str, paint: Paint) -> list[str]:
    parts = textwrap.wrap(text, min(columns(), 100) - 14, break_on_hyphens=False)
    return [f"  {paint((label if not i else '').ljust(10), 'faint')}  {part}" for i, part in enumerate(parts)]


def as_object(found: Compared) -> dict[str, Any]:
    """The comparison as plain JSON values."""
    return {
        "schema": 1,
        "a": found.names[0],
        "b": found.names[1],
        "agrees": found.agrees,
        "arrays": [
            {
                **({"name": name} if name else {}),
                "agrees": one.agrees,
                "shapes": [list(shape) for shape in one.shapes],
                "dtypes": list(one.dtypes),
                "rtol": one.rtol,
                "atol": one.atol,
                "differ": one.count,
                "not_finite": one.unlike,
                "largest": nested(np.array(one.largest)),
                "largest_relative": nested(np.array(one.largest_relative)),
                "entries": [
                    {
                        "index": list(entry.index),
                        "a": nested(np.array(entry.a)),
                        "b": nested(np.array(entry.b)),
                        "difference": nested(np.array(entry.difference)),
                        "relative": entry.relative,
                    }
                    for entry in one.entries
                ],
            }
            for name, one in found.differences.items()
        ],
        "only_in_a": list(found.missing[0]),
        "only_in_b": list(found.missing[1]),
        "path": found.paths,
    }
