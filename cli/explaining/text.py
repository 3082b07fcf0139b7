"""A derivation as text: forward, path, backward, the chain rule in one line, the result and its check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ndgrad.cli.explaining.wording import agrees, equations, gap_text, line_of, local_name, name_of, verdict
from ndgrad.cli.streams import as_ascii
from ndgrad.cli.writing import matrices
from ndgrad.lang.folding import Gap
from ndgrad.lang.notation import ratio

if TYPE_CHECKING:
    from ndgrad.cli.explaining import Explained
    from ndgrad.cli.streams import Paint
    from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep


def written(explained: Explained, ascii: bool) -> str:
    """The derivations one after the other."""
    paint = explained.paint or _unpainted
    text = "\n".join("\n".join(_lines(d, explained, paint)) + "\n" for d in explained.derivations)
    return as_ascii(text) if ascii else text


def _unpainted(text: str, role: str) -> str:
    return text


def _lines(d: Derivation, explained: Explained, paint: Paint) -> list[str]:
    """The derivation in lines."""
    from ndgrad.cli.writing.table import step_text

    lines: list[str] = []
    if explained.forward:
        lines += [paint("forward", "title"), *_forward_lines(d, paint, explained.precision)]
        if d.path:
            lines += ["", paint("path", "title"), *(f"  {step_text(step)}" for step in d.path)]
        lines.append("")
    if explained.backward and d.backward:
        lines += [paint("backward", "title"), *_backward_lines(d, paint, explained.precision), ""]
    return [*lines, *_chain(d, paint), "", paint("result", "title"), *_result(d, paint, explained.precision)]


def _chain(d: Derivation, paint: Paint) -> list[str]:
    name = name_of(d)
    lines = [paint("chain rule", "title")]
    for i, equation in enumerate(equations(d)):
        note = paint(f"   ({equation.note})", "faint") if equation.note else ""
        lines.append(f"  {' ' * len(name) if i else name} = {equation.right}{note}")
    return lines


def _gap(gap: Gap, margin: int, paint: Paint) -> str:
    return paint(f"  {' ' * margin}  {gap_text(gap)}{f': {gap.rule}' if gap.rule else ''}", "faint")


def _forward_lines(d: Derivation, paint: Paint, precision: int | None) -> list[str]:
    steps = [step for step in d.forward if not isinstance(step, Gap)]
    lines = _table([_forward(step, precision) for step in steps], paint)
    margin = max((len(line_of(step.span)) for step in steps), default=0)
    for i, step in enumerate(d.forward):
        if isinstance(step, Gap):
            lines.insert(i, _gap(step, margin, paint))
    return lines


def _forward(step: ForwardStep, precision: int | None) -> tuple[str, str, str, str]:
    said = step.name if step.expression == "input" else f"{step.name} = {step.expression}"
    value = np.asarray(step.value)
    return line_of(step.span), said, matrices.shape_of(value), matrices.short(value, precision)


def _table(rows: list[tuple[str, str, str, str]], paint: Paint) -> list[str]:
    """Rows of line, what, shape, value as aligned columns."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    lines = []
    for where, said, shape, value in rows:
        cells = paint(where.ljust(widths[0]), "faint"), said.ljust(widths[1]), paint(shape.ljust(widths[2]), "faint")
        lines.append(f"  {'  '.join(cells)}  {value}".rstrip())
    return lines


def _backward_lines(d: Derivation, paint: Paint, precision: int | None) -> list[str]:
    steps = [step for step in d.backward if not isinstance(step, Gap)]
    margin = max((len(line_of(step.span)) for step in steps), default=0)
    by = [step.by for step in steps]
    lines: list[str] = []
    for step in d.backward:
        if isinstance(step, Gap):
            lines.append(_gap(step, margin, paint))
        else:
            sign = "+=" if by.count(step.by) > 1 else "="
            lines += _backward(step, d, margin, sign, paint, precision)
    return lines


def _backward(
    step: BackwardStep, d: Derivation, margin: int, sign: str, paint: Paint, precision: int | None
) -> list[str]:
    """One step: the local derivative, the adjoint that arrives and the one that leaves (or its share, after +=)."""
    said = f"  {paint(line_of(step.span).ljust(margin), 'faint')}  {paint(local_name(d, step), 'name')}"
    indent = " " * (margin + 4)
    rounds = f", ×{step.rounds} rounds" if step.rounds > 1 else ""
    said += f" {'=' if step.factor else sign} {step.local}{rounds}"
    if step.local_value is not None:
        value = matrices.short(step.local_value, precision)
        said += f" = {value}" if value != step.local else ""
    arriving, leaving = (matrices.short(a, precision) for a in (step.arriving, step.leaving))
    return [
        said,
        f"{indent}{paint('in ', 'faint')}  {ratio('∂', d.of, step.name)} = {arriving}",
        f"{indent}{paint('out', 'faint')}  {ratio('∂', d.of, step.by)} {sign} {leaving}",
    ]


def _result(d: Derivation, paint: Paint, precision: int | None) -> list[str]:
    lines = [f"  {name_of(d)} = {matrices.short(d.result, precision, longest=90)}"]
    if d.numeric is not None and d.along is not None:
        lines.append(
            f"  check along a random direction: {matrices.entry(d.along, 10)}, "
            f"numerically {matrices.entry(d.numeric, 10)}: {paint(verdict(d), 'help' if agrees(d) else 'warning')}"
        )
    return lines
