"""A result for people: the value, each gradient under its name, the path taken, the time."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from ndgrad.cli.streams import as_ascii, colours, columns
from ndgrad.cli.writing import Report, matrices
from ndgrad.cli.writing.places import Place

if TYPE_CHECKING:
    import numpy as np

    from ndgrad.lang.program import Result

MOST_STEPS = 8


def write(report: Report, place: Place) -> None:
    """On a terminal in colour; elsewhere the same lines without."""
    buffer = io.StringIO()
    made = console(buffer, colour=place.path is None and colours(sys.stdout))
    draw(report.result, made, report.precision, report.full)
    place.write_text(as_ascii(buffer.getvalue()) if place.ascii else buffer.getvalue())


def console(file: Any, colour: bool, width: int | None = None) -> Console:
    """A console that draws into `file`, with colours or with no control codes at all."""
    system: Any = ("truecolor" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256") if colour else None
    return Console(
        file=file,
        width=width or columns(),
        color_system=system,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
        _environ={},
    )


def draw(result: Result, console: Console, precision: int | None, full: bool = False) -> None:
    """Print the result on a console; whole arrays with `full`."""
    of = result.of or ""
    arrays = [
        *result.outputs.items(),
        *((derivative_name(of, name), g) for name, g in result.grads.items()),
        *((f"∂{_grouped(of)}/∂{name}", array) for name, array in result.jacobians.items()),
        *((f"∂²{_grouped(of)}/∂{name}²", array) for name, array in result.hessians.items()),
        *([] if result.jvp is None else [(f"d{_grouped(of)} along the direction", result.jvp)]),
        *((f"d(d{_grouped(of)}/d{name}) along the direction", array) for name, array in result.hvp.items()),
    ]
    for i, (name, array) in enumerate(arrays):
        if i and (array.ndim or arrays[i - 1][1].ndim):
            console.print()
        draw_array(console, name, array, precision, full)
    if arrays:
        console.print()
    if result.path:
        console.print(note("path", path_text(result.path)), soft_wrap=False)
    console.print(note("time", duration(result.seconds)))


def derivative_name(of: str, name: str) -> str:
    return f"d{_grouped(of)}/d{name}"


def _grouped(of: str) -> str:
    return of if of.isidentifier() else f"({of})"


def path_text(path: Iterable[Any]) -> str:
    """The branches taken and the rounds made, in one line; what repeats itself word for word is said once."""
    steps = list(dict.fromkeys(decisions(path)))
    if len(steps) > MOST_STEPS:
        more = len(steps) - MOST_STEPS
        steps = [*steps[:MOST_STEPS], f"… {more} more"]
    return " · ".join(steps)


def decisions(path: Iterable[Any]) -> list[str]:
    """The branches taken and the rounds made, one by one, with a sign where passes of a place are left out."""
    steps = list(path)
    hidden: dict[Any, int] = {}
    for step in steps:
        place = step.file, step.span.start
        hidden[place] = hidden.get(place, 0) + step.count - 1
    said: list[str] = []
    for step in steps:
        if step.count > 1 and (count := hidden.pop((step.file, step.span.start), 0)):
            said.append(f"⋮ {count:,} more at {place_of(step)}")
        said.append(step_text(step))
    return said


def step_text(step: Any) -> str:
    """`line 4: sum(a) < 15 → 10 < 15, true`, or `line 7: 8 rounds`."""
    if step.rounds is not None:
        return f"{place_of(step)}: {step.rounds:,} round{'s' if step.rounds != 1 else ''}"
    taken = "true" if step.taken else "false"
    said = "" if step.compared in ("", step.condition, "True", "False") else f"{step.compared}, "
    return f"{place_of(step)}: {step.condition} → {said}{taken}"


def place_of(step: Any) -> str:
    """Where a decision is written."""
    return f"line {step.line}" if step.file is None else f"{step.file} line {step.line}"


def duration(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s"


def draw_array(
    console: Console, name: str, array: np.ndarray[Any, Any], precision: int | None, full: bool = False
) -> None:
    title = Text()
    title.append(name, "bold cyan")
    title.append(f"  {matrices.shape_of(array)} {array.dtype}", "dim")
    if array.ndim == 0:
        title = Text.assemble((name, "bold cyan"), " = ", _numbers(matrices.entry(array.item(), precision)))
        title.append(f"  {array.dtype}", "dim")
        console.print(title)
        return
    console.print(title)
    if full:
        for line in matrices.whole(array, precision):
            console.print(Text("  ") + _numbers(line), soft_wrap=True)
        return
    room = console.width - 2
    lines = matrices.lines_of(array, room, precision)
    for line in lines:
        console.print(Text("  ") + _numbers(line), no_wrap=True, overflow="crop")
    if any(matrices.GAP in line for line in lines):
        for part in matrices.statistics_lines(array, room, precision):
            console.print(Text(f"  {part}", "dim"))


def _numbers(line: str) -> Text:
    """A line of numbers, with whatever is not finite made visible."""
    text = Text(line)
    text.highlight_regex(r"-?\b(nan|inf)\b", "bold red")
    text.highlight_regex(r"[⎡⎢⎣⎤⎥⎦]|^\[|\]$", "dim")
    return text


def note(title: str, said: str) -> Text:
    return Text.assemble((f"{title}  ", "bold"), said)
