"""A derivation as text: forward, path, backward, the chain rule in one line, the result and its check."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli.explaining.lines import wrapped
from ndgrad.cli.explaining.wording import (
    adjoint_of,
    agrees,
    equations,
    gap_text,
    line_of,
    local_name,
    local_text,
    local_value,
    name_of,
    rounds_text,
    summed_text,
    verdict,
)
from ndgrad.cli.streams import as_ascii, columns
from ndgrad.cli.writing import matrices
from ndgrad.lang.folding import Gap

if TYPE_CHECKING:
    from ndgrad.cli.explaining import Explained
    from ndgrad.cli.streams import Paint
    from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep

NARROWEST = 30  # columns that are written for, even where the terminal has fewer
NARROW = 24  # columns for a formula: where there are no more beside a name, it stands below
LONGEST = 56  # signs of a step that has its value beside it
MOST_LINES = 5  # of one formula, unless all is asked for


def written(explained: Explained, ascii: bool) -> str:
    """The derivations one after the other, in lines as wide as the terminal."""
    text = "\n".join("\n".join(_Text(d, explained, ascii).lines()) + "\n" for d in explained.derivations)
    return as_ascii(text) if ascii else text


def _unpainted(text: str, role: str) -> str:
    return text


class _Text:
    """One derivation in lines."""

    def __init__(self, d: Derivation, explained: Explained, ascii: bool) -> None:
        self.d = d
        self.signs = as_ascii if ascii else str  # so that what is measured is what is shown
        self.explained = explained
        self.precision = explained.precision
        self.paint: Paint = explained.paint or _unpainted
        self.width = max(columns(), NARROWEST)
        steps = [step for step in (*d.forward, *d.backward) if not isinstance(step, Gap)]
        self.margin = max((len(line_of(step.span)) for step in steps), default=0)
        self.indent = " " * (self.margin + 4)

    def lines(self) -> list[str]:
        d, made = self.d, []
        if self.explained.forward:
            made += [self.title("forward"), *self.forward()]
            if d.path:
                made += ["", self.title("path"), *self.path()]
            made.append("")
        if self.explained.backward and d.backward:
            made += [self.title("backward")]
            for step in d.backward:
                made += self.gap(step) if isinstance(step, Gap) else self.backward(step)
            made.append("")
        return [*made, *self.chain(), "", self.title("result"), *self.result()]

    def title(self, text: str) -> str:
        return self.paint(text, "title")

    # Forward

    def forward(self) -> list[str]:
        """Line, step, shape and value in columns; what is too long has the last two below."""
        steps = [step for step in self.d.forward if not isinstance(step, Gap)]
        shapes = max((len(matrices.shape_of(np.asarray(step.value))) for step in steps), default=0)
        left = len(self.indent)
        beside = [  # the steps that fit into a line together with their values
            len(self.signs(_said(step)))
            for step in steps
            if len(self.signs(_said(step)))
            <= min(LONGEST, self.width - left - 4 - shapes - len(self.within(step.value, 60)))
        ]
        column = max(beside, default=0)
        made: list[str] = []
        for step in self.d.forward:
            if isinstance(step, Gap):
                made += self.gap(step)
            else:
                made += self.forward_step(step, column, shapes)
        return made

    def forward_step(self, step: ForwardStep, column: int, shapes: int) -> list[str]:
        text, array = self.signs(_said(step)), np.asarray(step.value)
        shape = matrices.shape_of(array).ljust(shapes)
        room = self.width - len(self.indent) - column - 4 - shapes
        value = self.within(array, min(60, room))
        where = f"  {self.paint(line_of(step.span).ljust(self.margin), 'faint')}  "
        block = self.block(array)
        if len(text) <= column and len(value) <= room and not block:
            return [f"{where}{text.ljust(column)}  {self.paint(shape, 'faint')}  {value}".rstrip()]
        first, *more = self.formula(step, text)
        lines = [where + first, *(f"{self.indent}  {line}" for line in more)]
        if block:
            return [*lines, f"{self.indent}  {self.paint(shape.rstrip(), 'faint')}", *block]
        if column and len(value) <= room:
            return [*lines, f"{self.indent}{' ' * column}  {self.paint(shape, 'faint')}  {value}"]
        below = matrices.shape_of(array)
        room = self.width - len(self.indent) - 4 - len(below)
        first, *more = self.broken(self.within(array, room), len(below) + 4)
        lines.append(f"{self.indent}  {self.paint(below, 'faint')}  {first}")
        return lines + [f"{self.indent}  {' ' * len(below)}  {line}" for line in more]

    def formula(self, step: ForwardStep, text: str) -> list[str]:
        """A step in lines; where it takes too many, as the program has it."""
        room = self.width - len(self.indent)
        lines = wrapped(text, room, room - 2)
        if len(lines) <= MOST_LINES or self.explained.full or step.span is None:
            return lines
        said = f"{step.name} = {_as_written(step)}   (as in the program; --full shows all of it)"
        return wrap(said, room, break_long_words=False) if len(said) < len(text) else self.cut(lines)

    def path(self) -> list[str]:
        from ndgrad.cli.writing.table import decisions

        return [line for text in decisions(self.d.path) for line in self.paragraph(text)]

    # Backward

    def backward(self, step: BackwardStep) -> list[str]:
        """One step: the local derivative, the adjoint that arrives and the one that leaves (or its share, after +=)."""
        d = self.d
        sign = "+=" if step.shared else "="
        name = self.signs(local_name(d, step))
        text = self.signs(f"{name} {'=' if step.factor else sign} {local_text(step)}")
        room = self.width - len(self.indent)
        lines = wrapped(text, room, room - 2)
        if len(lines) > MOST_LINES and not self.explained.full:
            lines = self.cut(lines)
        lines[1:] = [f"{self.indent}  {line}" for line in lines[1:]]
        if step.local_value is not None:
            lines = self.with_local_value(lines, step)
        if step.rounds > 1:
            note = self.signs(f"({rounds_text(step)})")
            used = len(lines[-1]) + (len(self.indent) if len(lines) == 1 else 0)
            if used + 3 + len(note) <= self.width:
                lines[-1] += f"   {self.paint(note, 'faint')}"
            else:
                lines.append(f"{self.indent}  {self.paint(note, 'faint')}")
        where = f"  {self.paint(line_of(step.span).ljust(self.margin), 'faint')}  "
        lines[0] = where + self.paint(name, "name") + lines[0][len(name) :]
        return [
            *lines,
            *self.adjoint("in ", self.signs(adjoint_of(d, step.name)), "=", step.arriving),
            *self.adjoint("out", self.signs(adjoint_of(d, step.by)), sign, step.leaving, summed_text(d, step)),
        ]

    def with_local_value(self, lines: list[str], step: BackwardStep) -> list[str]:
        """The formula of a step with its value behind it, or below."""
        array = np.asarray(local_value(step))
        block = self.block(array)
        if block:
            return [*lines, f"{self.indent}  =", *block]
        room = self.width - len(self.indent)
        value = self.value(array, min(60, room - 4))
        if value == self.signs(local_text(step)):
            return lines
        used = len(lines[-1]) + (len(self.indent) if len(lines) == 1 else 0)
        if used + 3 + len(value) <= self.width:
            return [*lines[:-1], f"{lines[-1]} = {value}"]
        first, *more = self.broken(value, 4)
        return [*lines, f"{self.indent}  = {first}", *(f"{self.indent}    {line}" for line in more)]

    def adjoint(self, way: str, name: str, sign: str, array: Any, note: str = "") -> list[str]:
        head = f"{self.indent}{self.paint(way, 'faint')}  {name} {sign} "
        block = self.block(np.asarray(array))
        if block:
            return [head.rstrip() + (self.paint(f"   ({note})", "faint") if note else ""), *block]
        used = len(way) + len(name) + len(sign) + 4
        room = self.width - len(self.indent)
        value = self.value(array, room - 5)
        note = f"   ({note})" if note else ""
        if used + len(value) + len(note) <= room:
            return [head + value + self.paint(note, "faint")]
        value += note
        first, *more = self.broken(value, 5)
        return [head.rstrip(), f"{self.indent}     {first}", *(f"{self.indent}     {line}" for line in more)]

    def cut(self, lines: list[str]) -> list[str]:
        """A formula that takes too many lines, without its middle."""
        left_out = len(lines) - MOST_LINES + 1
        return [*lines[: MOST_LINES - 2], f"… {left_out} more lines (--full) …", lines[-1]]

    # Both ways

    def gap(self, gap: Gap) -> list[str]:
        room = self.width - len(self.indent)
        said, below = gap_text(gap), list(gap.rules)
        if below:
            said += f": {below.pop()}" if len(below) == 1 else ":"
        first, *more = wrapped(self.signs(said), room, room - 2)
        lines = [first, *(f"  {line}" for line in more)]
        for rule in below:
            first, *more = wrapped(self.signs(rule), room - 2, room - 4)
            lines += [f"  {first}", *(f"    {line}" for line in more)]
        return [self.paint(self.indent + line, "faint") for line in lines]

    def value(self, array: Any, room: int) -> str:
        """An array within a line: whole where there is room, else what it holds."""
        return matrices.short(array, self.precision, longest=room)

    def within(self, array: Any, room: int) -> str:
        """The same where its shape is said already."""
        array = np.asarray(array)
        return matrices.entries(array, self.precision, room) or matrices.summary(array, self.precision)

    def block(self, array: Any) -> list[str]:
        """A whole array in lines of its own, where that is asked for and it does not fit into one."""
        if not self.explained.full or array.size <= 1 or matrices.entries(array, self.precision, self.room()):
            return []
        return [f"{self.indent}  {line}" for line in matrices.whole(array, self.precision)]

    def room(self) -> int:
        """For an array within a line, where all of it is asked for."""
        return min(60, self.width - len(self.indent) - 20)

    def broken(self, value: str, hanging: int) -> list[str]:
        """An array within lines, broken behind its commas."""
        return wrapped(value, *[max(self.width - len(self.indent) - hanging, 10)] * 2)

    def paragraph(self, text: str) -> list[str]:
        return wrap(text, self.width, initial_indent="  ", subsequent_indent="    ", break_long_words=False)

    # The end

    def chain(self) -> list[str]:
        name = self.signs(name_of(self.d))
        made = [self.title("chain rule")]
        first = f"  {name}"
        if self.width - len(name) - 5 < NARROW:
            made.append(first)
            first = "  "
        indent = " " * len(first)
        for equation in equations(self.d):
            room = self.width - len(indent) - 3
            lines = wrapped(self.signs(equation.right), room, room)
            if len(lines) > 2 * MOST_LINES and not self.explained.full:
                lines = self.cut(lines)
            made.append(f"{first} = {lines[0]}")
            made += [f"{indent}   {line}" for line in lines[1:]]
            first = indent
            if equation.note:
                note = self.paint(f"({equation.note})", "faint")
                if len(made[-1]) + 5 + len(equation.note) <= self.width:
                    made[-1] += f"   {note}"
                else:
                    lines = wrap(f"({equation.note})", max(self.width - len(indent) - 3, 10), break_long_words=False)
                    made += [f"{indent}   {self.paint(line, 'faint')}" for line in lines]
        return made

    def result(self) -> list[str]:
        d, name, array = self.d, self.signs(name_of(self.d)), np.asarray(self.d.result)
        text = matrices.entries(array, self.precision, min(90, self.width - len(name) - 5))
        if text:
            lines = [f"  {name} = {text}"]
        else:
            room = self.width - 4
            whole = matrices.whole(array, self.precision) if self.explained.full else None
            shown = whole or matrices.lines_of(array, room, self.precision)
            lines = [f"  {name}  {self.paint(matrices.shape_of(array), 'faint')}", *(f"    {line}" for line in shown)]
            if any(matrices.GAP in line for line in shown):
                said = matrices.statistics_lines(array, room, self.precision)
                lines += [self.paint(f"    {line}", "faint") for line in said]
        if d.numeric is not None and d.along is not None:
            along, numeric = (matrices.entry(number, 10) for number in (d.along, d.numeric))
            *before, last = self.paragraph(
                f"check along a random direction: {along}, numerically {numeric}: {verdict(d)}"
            )
            painted = self.paint(verdict(d), "help" if agrees(d) else "warning")
            lines += [*before, last.replace(verdict(d), painted)]
        return lines


def _said(step: ForwardStep) -> str:
    if step.expression.startswith("does not depend"):
        return f"{step.name}   ({step.expression})"
    return step.name if step.expression in ("input", step.name) else f"{step.name} = {step.expression}"


def _as_written(step: ForwardStep) -> str:
    """The right-hand side of an assignment in the words of the program."""
    assert step.span is not None
    line = step.span.source.text.split("\n")[step.span.line - 1].strip()
    return line.partition(" = ")[2] or line
