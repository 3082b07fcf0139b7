"""What `ndgrad check` found, as text or JSON."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ndgrad.cli.job import Job
from ndgrad.cli.progress import Progress
from ndgrad.cli.streams import columns, only_ascii, painter, put
from ndgrad.cli.writing.json_result import nested
from ndgrad.cli.writing.matrices import entry
from ndgrad.errors import Span
from ndgrad.lang.checking import Check, Comparison, NearKink, check
from ndgrad.lang.notation import gradient_name

DIGITS = 8
CELL = 15  # columns of a number and what is before it
MOST = 5  # entries that differ, and kinks, that are shown
WAYS = ("reverse", "forward", "numeric", "complex")


def checked(job: Job, order: int, rtol: float) -> list[Check]:
    """Do the checks that the job and its options ask for; how far they are is shown on a terminal."""
    import gc

    from ndgrad.lang.replay import quiet

    program = job.loaded()
    inputs, given = job.arguments()
    gc.enable()
    progress = Progress()
    try:
        with quiet():  # what is no number is told
            made = check(
                program,
                inputs,
                given["grad"],
                head=given["head"],
                of=given["of"],
                order=order,
                rtol=rtol,
                seed=job.more.seed,
                train=job.more.train,
                look=lambda doing: progress(f"checking: {doing}"),
                bound_by=given["bound_by"],
                **job.limits.arguments(),
            )
    finally:
        progress.close()
    return made


def write(checks: Sequence[Check], program: str, format: str) -> None:
    """Write the checks to standard output."""
    if format == "json":
        made = {"schema": 1, "program": program, "checks": [as_object(one) for one in checks]}
        put(json.dumps(made, ensure_ascii=only_ascii(sys.stdout)) + "\n")
    else:
        put("\n".join("\n".join(lines_of(one, program)) + "\n" for one in checks))


def lines_of(check: Check, program: str) -> list[str]:
    """One check for people. program: its name, which places in it need not repeat."""
    paint = painter(sys.stdout) or (lambda text, role: text)
    name = gradient_name(check.of, check.wrt, headed=False)
    if check.order == 2:
        name = f"d²{check.of}/d{check.wrt}²"
    wrong = [c for c in check.entries if not c.agrees]
    if check.agrees:
        verdict = paint("the derivatives agree", "help")
    elif untold(check):
        verdict = paint("whether the derivatives agree cannot be told", "warning")
    else:
        said = f" in {len(wrong)} of {len(check.entries)} entries" if wrong else " along a random direction"
        verdict = paint(f"the derivatives differ{said}", "warning")
    lines = [f"{paint(name, 'title')}  {'×'.join(map(str, check.shape)) or 'scalar'}: {verdict}", ""]
    rows = [(f"direction {i}", c) for i, c in enumerate(check.directions, 1)]
    shown = sorted(wrong, key=lambda c: -float(f"{c.excess:.2g}"))[:MOST] or ([check.worst] if check.worst else [])
    rows += [(_place(c), c) for c in shown]
    ways = WAYS if check.skipped is None else WAYS[:3]
    if rows:
        margin = max(len(label) for label, _ in rows)
        width, digits = CELL, DIGITS
        if narrow := 2 + margin + len(ways) * CELL > columns():
            margin, width = 0, max(min(CELL, (columns() - 2) // len(ways)), 10)
            digits = min(DIGITS, width - len(" -.e-10"))
        titles = "".join(
            (title if len(title := _titled(way, check.order)) < width else way).rjust(width) for way in ways
        )
        lines.append(paint(f"  {' ' * margin}{titles}", "faint"))
        for label, c in rows:
            cells = "".join(entry(getattr(c, way), digits).rjust(width) for way in ways)
            if narrow:
                lines.append(f"  {label}")
            beside = "" if narrow else label.ljust(margin)
            lines.append(f"  {beside}{cells if c.agrees else paint(cells, 'warning')}".rstrip())
        lines.append("")
    for label, text in _notes(check, program):
        wrapped = textwrap.wrap(text, max(min(columns(), 100) - 14, 20), break_on_hyphens=False)
        lines += [f"  {paint((label if not i else '').ljust(10), 'faint')}  {part}" for i, part in enumerate(wrapped)]
    return lines


def _place(c: Comparison) -> str:
    assert c.index is not None
    at = f"[{', '.join(map(str, c.index))}]" if c.index else "the number"
    return f"worst {at}" if c.agrees and c.index else at


def _titled(way: str, order: int) -> str:
    if way == "complex":
        return "complex step"
    return {"reverse": "twice reverse", "forward": "forw. of rev."}.get(way, way) if order == 2 else way


def _notes(check: Check, program: str) -> Iterator[tuple[str, str]]:
    count = len(check.entries)
    entries = f"{'a sample of ' if check.sampled else ''}{count} entr{'y' if count == 1 else 'ies'}"
    directions = len(check.directions)
    yield "compared", f"{entries} and {directions} random directions, to within {check.rtol:g} of their size"
    if check.order == 1 and check.skipped is not None:
        yield "skipped", f"complex step: {check.skipped}"
    for kink in check.kinks[:MOST]:
        yield "kink", _kink(kink, program)
    if len(check.kinks) > MOST:
        yield "", f"and {len(check.kinks) - MOST:,} more kinks near"
    if not check.agrees:
        yield from (("because", text) for text in reasons(check))


def _kink(kink: NearKink, program: str) -> str:
    where = place_of(kink.span, program)
    round = f", round {kink.round}" if kink.round > 1 else ""
    away = "is met" if kink.distance == 0 else f"is {kink.distance:.3g} away"
    entries = f" in {kink.count:,} entries" if kink.count > 1 else ""
    if kink.op == "selection":
        changes = "changes there" if kink.distance == 0 else f"changes {kink.distance:.3g} away"
        return f"{where}{round}: what `{kink.where}` selects {changes}{entries}; taken there: {kink.value}"
    return f"{where}{round}: {kink.where} of `{kink.op}` {away}{entries}; taken there: {kink.value}"


def place_of(span: Span | None, program: str) -> str:
    """`line 4`, with the file where that is not the program itself."""
    if span is None:
        return "the program"
    file = "" if span.source.name == program else f"{span.source.name} "
    return f"{file}line {span.line}"


def reasons(check: Check) -> list[str]:
    """What may be the cause where derivatives differ."""
    wrong = [c for c in (*check.directions, *check.entries) if not c.agrees]
    said = []
    if untold(check):
        return ["close by, the program fails or has no number: its values may be too large for differences"]
    if any(abs(c.reverse - c.forward) > check.rtol * (abs(c.reverse) + abs(c.forward)) for c in wrong):
        said.append("reverse and forward mode differ from each other")
    if any(c.numeric != c.numeric for c in wrong):
        said.append("close by, the program fails or has no number")
    if check.kinks and check.kinks[0].distance == 0:
        said.append("at a kink there is no derivative: differences see both sides, a rule chooses")
    elif check.kinks:
        said.append("a kink is within reach of the differences")
    for name, line in check.stopped:
        what = "states a gradient of its own" if name == "custom_gradient" else "keeps the gradient back"
        said.append(f"line {line}: `{name}` {what}, and the numbers know nothing of it")
    if not said and all(c.complex is not None and _close(c.reverse, c.complex, check.rtol) for c in wrong):
        return ["only the differences are off, all that is exact agrees: the program jumps, or is too steep for them"]
    return said or ["nothing near explains it: a rule may be wrong, or the program jumps"]


def untold(check: Check) -> bool:
    """Whether the derivatives agree wherever there are numbers to hold them against, and these are not there."""
    wrong = [c for c in (*check.directions, *check.entries) if not c.agrees]
    return bool(wrong) and all(
        c.numeric != c.numeric
        and all(_close(c.reverse, x, check.rtol) for x in (c.forward, c.complex) if x is not None)
        for c in wrong
    )


def _close(a: float, b: float, rtol: float) -> bool:
    return a == b or abs(a - b) <= rtol * (abs(a) + abs(b))


def as_object(check: Check) -> dict[str, Any]:
    """The check as plain JSON values."""
    worst = check.worst
    return {
        "of": check.of,
        "wrt": check.wrt,
        "order": check.order,
        "shape": list(check.shape),
        "rtol": check.rtol,
        "agrees": None if untold(check) else check.agrees,
        "directions": [_compared(c) for c in check.directions],
        "entries": [_compared(c) for c in check.entries],
        "sampled": check.sampled,
        "worst": None if worst is None else _compared(worst),
        "complex_step": {"skipped": check.skipped},
        "kinks": [_kink_object(kink) for kink in check.kinks],
        "reasons": [] if check.agrees else reasons(check),
    }


def _compared(c: Comparison) -> dict[str, Any]:
    import numpy as np

    numbers = {way: getattr(c, way) for way in (*WAYS, "error", "step", "excess")}
    return {
        **({} if c.index is None else {"index": list(c.index)}),
        **{name: None if x is None else nested(np.array(x)) for name, x in numbers.items()},
        "agrees": c.agrees,
    }


def _kink_object(kink: NearKink) -> dict[str, Any]:
    return {
        "op": kink.op,
        "line": None if kink.span is None else kink.span.line,
        "round": kink.round,
        "where": kink.where,
        "distance": kink.distance,
        "count": kink.count,
        "value": kink.value,
    }
