"""The time by line as a table, on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ndgrad.cli.streams import as_ascii, columns, only_ascii

if TYPE_CHECKING:
    from ndgrad.lang.profiling import Line, Profile

HEADINGS = "line", "source", "calls", "forward ms", "backward ms", "share"
NARROWEST = 12  # characters of source text that are shown on any terminal


def show(profile: Profile) -> None:
    """Write the table, after what went to standard output."""
    said = text(profile, columns())
    sys.stdout.flush()
    sys.stderr.write(as_ascii(said) if only_ascii(sys.stderr) else said)


def text(profile: Profile, width: int) -> str:
    """The lines with their times, the slowest first, and all of them together; source text is cut to the width."""
    total = profile.forward + profile.backward
    rows = [HEADINGS]
    for line in profile.lines:
        took = line.forward + line.backward
        rows.append((_place(line), line.text, f"{line.calls:,}", *_times(line, took / total if total else 0.0)))
    rows.append(("all", "", "", *_times(profile, 1.0)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = max(NARROWEST, width - sum(widths) + widths[1] - 2 * (len(widths) - 1))
    widths[1] = min(widths[1], room)
    return "".join(_row(row, widths) for row in rows)


def _place(line: Line) -> str:
    return str(line.line) if line.file is None else f"{line.file}:{line.line}"


def _times(took: Line | Profile, share: float) -> tuple[str, str, str]:
    return f"{took.forward * 1e3:,.2f}", f"{took.backward * 1e3:,.2f}", f"{share:.1%}"


def _row(row: tuple[str, ...], widths: list[int]) -> str:
    place, source, *numbers = row
    source = source if len(source) <= widths[1] else source[: widths[1] - 1] + "…"
    aligned = [number.rjust(width) for number, width in zip(numbers, widths[2:], strict=True)]
    return "  ".join((place.rjust(widths[0]), source.ljust(widths[1]), *aligned)) + "\n"
