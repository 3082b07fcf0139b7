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

LONGEST = 56  # signs of a step that has its value beside it


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
    """Line, step, shape and value in columns; long steps have the last two on a line of their own."""
    steps = [step for step in d.forward if not isinstance(step, Gap)]
    said = [len(_said(step)) for step in steps]
    margin = max((len(line_of(step.span)) for step in steps), default=0)
    column = max((length for length in said if length <= LONGEST), default=0)
    shapes = max((len(matrices.shape_of(np.asarray(step.value))) for step in steps), default=0)
    lines: list[str] = []
    for step in d.forward:
        if isinstance(step, Gap):
            lines.append(_gap(step, margin, paint))
            continue
        value, text = np.asarray(step.value), _said(step)
        shape = paint(matrices.shape_of(value).ljust(shapes), "faint")
        where = f"  {paint(line_of(step.span).ljust(margin), 'faint')}  "
        shown = matrices.entries(value, precision) or matrices.summary(value, precision)
        if len(text) > LONGEST:
            lines += [where + text, f"{' ' * (margin + 4)}{' ' * column}  {shape}  {shown}"]
        else:
            lines.append(f"{where}{text.ljust(column)}  {shape}  {shown}")
    return lines


def _said(step: ForwardStep) -> str:
    if step.expression.startswith("does not depend"):
        return f"{step.name}   ({step.expression})"
    return step.name if step.expression == "input" else f"{step.name} = {step.expression}"


def _backward_lines(d: Derivation, paint: Paint, precision: int | None) -> list[str]:
    steps = [step for step in d.backward if not isinstance(step, Gap)]
    margin = max((len(line_of(step.span)) for step in steps), default=0)
    lines: list[str] = []
    for step in d.backward:
        if isinstance(step, Gap):
            lines.append(_gap(step, margin, paint))
        else:
            lines += _backward(step, d, margin, paint, precision)
    return lines


def _backward(step: BackwardStep, d: Derivation, margin: int, paint: Paint, precision: int | None) -> list[str]:
    """One step: the local derivative, the adjoint that arrives and the one that leaves (or its share, after +=)."""
    sign = "+=" if step.shared else "="
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
