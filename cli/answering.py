"""What `ndgrad why` found, as text or JSON."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.job import Job
from ndgrad.cli.streams import columns, only_ascii, painter, put
from ndgrad.cli.writing.matrices import entry
from ndgrad.lang.notation import gradient_name
from ndgrad.lang.reasons import NoEntry, Why, why

if TYPE_CHECKING:
    from ndgrad.cli.streams import Paint
    from ndgrad.errors import Span
    from ndgrad.lang.question import Reason

MOST_STEPS = 12
LARGE = 0.5  # the part of a gradient from which on one way explains it


def entry_of(text: str | None) -> tuple[int, ...] | None:
    """`3,1` as an index, None where none is given. Stops on wrong usage."""
    if text is None:
        return None
    if not re.fullmatch(r"\s*\[?\s*(-?\d+(\s*,\s*-?\d+)*)?\s*\]?\s*", text):
        problems.usage(f"--at {text}: an entry is given by its indices: --at 3,1")
    return tuple(int(i) for i in re.findall(r"-?\d+", text))


def answer(job: Job, at: tuple[int, ...] | None) -> Why:
    """Run the job, and ask why. Stops on wrong usage."""
    import gc

    program = job.loaded()
    inputs, given = job.arguments()
    gc.enable()
    settings = {name: given[name] for name in ("head", "of", "dtype", "bound_by")}
    more = {"seed": job.more.seed, "train": job.more.train}
    try:
        return why(program, job.grad[0], at, inputs, **settings, **more, **job.limits.arguments())
    except NoEntry as error:
        problems.usage(str(error) if at is None else f"--at {','.join(map(str, at))}: {error}")


def write(found: Why, program: str, format: str, precision: int | None) -> None:
    """Write the answer to standard output."""
    if format == "json":
        made = {"schema": 1, "program": program, **as_object(found, program)}
        put(json.dumps(made, ensure_ascii=only_ascii(sys.stdout)) + "\n")
    else:
        put("\n".join(lines_of(found, program, precision)) + "\n")


def lines_of(found: Why, program: str, precision: int | None = None) -> list[str]:
    """The answer for people. program: its name, which places in it need not repeat."""
    paint = painter(sys.stdout) or (lambda text, role: text)
    at = f"[{', '.join(map(str, found.at))}]" if found.at else ""
    name = gradient_name(found.of, found.wrt, found.headed) + at
    where = f"where {found.wrt}{at} = {entry(found.point, precision)}"
    lines = [f"{paint(name, 'title')} = {entry(found.value, precision)}, {where}"]
    for reason in found.reasons:
        lines += ["", *_reason(reason, program, precision, paint)]
    if found.verdict == "finite":
        lines += ["", *_path(found, program, precision, paint)]
        if found.growth and (not LARGE < found.share < 1 / LARGE or not (found.path or _is_whole(found))):
            lines += ["", *_growth(found, program, precision, paint)]
    return lines


def place_of(span: Span | None, round: int, program: str) -> str:
    """`line 4, round 2`, with the file where that is not the program itself."""
    if span is None:
        return "the program"
    file = "" if span.source.name == program else f"{span.source.name} "
    return f"{file}line {span.line}" + (f", round {round}" if round > 1 else "")


def _reason(reason: Reason, program: str, precision: int | None, paint: Paint) -> Iterator[str]:
    yield f"  {paint(place_of(reason.span, reason.round, program), 'faint')}  {paint(reason.expression, 'name')}"
    yield from _wrapped("because", reason.text)
    if reason.operands:
        yield from _wrapped("there", _operands(reason.operands, precision))
    if reason.cure is not None:
        yield from (paint(line, "help") for line in _wrapped("instead", reason.cure))


def _operands(operands: tuple[tuple[str, float], ...], precision: int | None) -> str:
    return ", ".join(f"{name} = {_shown(value, precision)}" for name, value in operands)


def _shown(value: float, precision: int | None) -> str:
    return str(value).lower() if isinstance(value, bool) else entry(value, precision)


def _wrapped(label: str, text: str) -> list[str]:
    """A labelled paragraph whose code and equations stay together as far as they fit."""
    tied = re.sub(r"`[^`]+`|\S+ = \S+", lambda part: part[0].replace(" ", "\u00a0"), text)
    parts = textwrap.wrap(tied, min(columns(), 100) - 13, break_on_hyphens=False)
    made = [f"    {(label if not i else '').ljust(7)}  {part}" for i, part in enumerate(parts)]
    return [line.replace("\u00a0", " ") for line in made]


def _path(found: Why, program: str, precision: int | None, paint: Paint) -> list[str]:
    title = _titled(_way(found, precision), paint)
    if not found.path:
        return title
    steps = sorted(found.path, key=lambda s: -abs(_size(s.factor)))[:MOST_STEPS]
    shown = [step for step in found.path if step in steps]
    rows = [(place_of(s.span, 1, program), s.expression, f"×{entry(s.factor, precision or 4)}") for s in shown]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    width = min(columns(), 100)
    room = min(widths[1], max(12, width - widths[0] - widths[2] - 24))
    lines = title
    for step, (where, said, factor) in zip(shown, rows, strict=True):
        text = said if len(said) <= room else f"{said[: room - 1]}…"
        cells = paint(where.ljust(widths[0]), "faint"), text.ljust(room), factor.rjust(widths[2])
        known = f"{step.rounds:,} rounds"
        if step.rounds == 1:
            known = _fitting(step.operands, precision, max(width - widths[0] - room - widths[2] - 10, 0))
        lines.append(f"    {'  '.join(cells)}  {paint(known, 'faint')}".rstrip())
    if len(found.path) > len(shown):
        lines.append(f"    and {len(found.path) - len(shown):,} that are nearer to 1")
    return lines


def _titled(text: str, paint: Paint) -> list[str]:
    """A title in lines."""
    return [f"  {paint(part, 'title')}" for part in textwrap.wrap(text, max(min(columns(), 100) - 2, 20))]


def _way(found: Why, precision: int | None) -> str:
    """What the factors are those of, and what else there is."""
    if _is_whole(found):
        ones = "every factor on the way back from the output is 1"
        return "the factors, from the output back" if found.path else ones
    numbers = found.share * found.value, (1 - found.share) * found.value
    gives, others = (entry(number, precision or 4) for number in numbers)
    way = "the way that gives most at every step"
    part = f"{100 * found.share:.3g} % of it"
    if found.path:
        return f"{way}, {part}" if 0 < found.share < 1 else f"{way} gives {gives}, all others together {others}"
    beside = f"{part}, and the other ways the rest" if 0 < found.share < 1 else f"all others together {others}"
    return f"{way} gives {gives}, with a factor of 1 in every operation; {beside}"


def _is_whole(found: Why) -> bool:
    """Whether the way with the factors gives all of the gradient, but for what nobody sees."""
    return abs(found.share - 1) <= 5e-3


def _growth(found: Why, program: str, precision: int | None, paint: Paint) -> list[str]:
    at = f"[{', '.join(map(str, found.at))}]" if found.at else ""
    lines = _titled(f"the derivatives of the variables by {found.wrt}{at}, in their largest entries", paint)
    shown = found.growth[-MOST_STEPS:]
    places = [place_of(one.span, 1, program) for one in shown]
    margin, name = max(map(len, places)), max(len(one.name) for one in shown)
    wide = margin + name + 80 <= min(columns(), 100)
    for place, one in zip(places, shown, strict=True):
        chosen = one.sizes if wide else one.sizes[::2]
        sizes = "".join(entry(size, precision or 4).rjust(11) for _, size in chosen)
        rounds = f"   rounds {' '.join(str(i) for i, _ in chosen)}" if one.rounds > 1 else ""
        cells = paint(place.ljust(margin), "faint"), one.name.ljust(name), f"{sizes}{paint(rounds, 'faint')}"
        lines.append(f"    {'  '.join(cells[:2])}{cells[2]}")
    return lines


def _size(factor: float) -> float:
    """How far a factor is from changing nothing, in powers."""
    from math import inf, log

    return log(abs(factor)) if factor else inf


def _fitting(operands: tuple[tuple[str, float], ...], precision: int | None, room: int) -> str:
    """As many of the operands as there is room for."""
    while operands and len(_operands(operands, precision)) > room:
        operands = operands[:-1]
    return _operands(operands, precision)


def as_object(found: Why, program: str) -> dict[str, Any]:
    """The answer as plain JSON values."""
    return {
        "of": found.of,
        "wrt": found.wrt,
        "at": list(found.at),
        "point": _number(found.point),
        "value": _number(found.value),
        "verdict": found.verdict,
        "reasons": [
            {
                "kind": reason.kind,
                "text": reason.text,
                **_placed(reason.expression, reason.span, program),
                "round": reason.round,
                "operands": {name: _number(value) for name, value in reason.operands},
                "derivative": None if reason.derivative is None else _number(reason.derivative),
                "cure": reason.cure,
            }
            for reason in found.reasons
        ],
        "path": [
            {
                **_placed(step.expression, step.span, program),
                "rounds": step.rounds,
                "factor": _number(step.factor),
                "operands": {name: _number(value) for name, value in step.operands},
                "adjoint": _number(step.adjoint),
            }
            for step in found.path
        ],
        "share": _number(found.share),
        "growth": [
            {
                **_placed(one.name, one.span, program),
                "rounds": one.rounds,
                "sizes": [{"round": round, "size": _number(size)} for round, size in one.sizes],
            }
            for one in found.growth
        ],
    }


def _placed(expression: str, span: Span | None, program: str) -> dict[str, Any]:
    file = {} if span is None or span.source.name == program else {"file": span.source.name}
    return {"expression": expression, **file, "line": None if span is None else span.line}


def _number(value: float) -> Any:
    import numpy as np

    from ndgrad.cli.writing.json_result import nested

    return nested(np.array(value))
