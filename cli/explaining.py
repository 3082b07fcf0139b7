"""A derivation as text or JSON: forward, path, backward, the chain rule in one line, the result and its check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ndgrad.cli.streams import painter, put
from ndgrad.lang.folding import Gap
from ndgrad.lang.notation import gradient_name, ratio

if TYPE_CHECKING:
    from ndgrad.cli.streams import Paint
    from ndgrad.errors import Span
    from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep

AGREES = 1e-5  # of the numeric check: central differences are no better


def write(
    derivations: Sequence[Derivation], program: str, format: str, precision: int | None, steps: str = "all"
) -> None:
    """Write the derivations to standard output."""
    if format == "json":
        import json

        from ndgrad.cli.streams import only_ascii

        made = {"schema": 1, "program": program, "derivations": [as_object(d) for d in derivations]}
        put(json.dumps(made, ensure_ascii=only_ascii(sys.stdout)) + "\n")
        return
    paint = painter(sys.stdout) or _unpainted
    put("\n".join("\n".join(lines_of(d, paint, precision, steps)) + "\n" for d in derivations))


def _unpainted(text: str, role: str) -> str:
    return text


def lines_of(d: Derivation, paint: Paint = _unpainted, precision: int | None = None, steps: str = "all") -> list[str]:
    """The derivation for people. steps: forward, backward or all."""
    from ndgrad.cli.writing.table import step_text

    lines: list[str] = []
    if steps != "backward":
        lines += [paint("forward", "title"), *_forward_lines(d, paint, precision)]
        if d.path:
            lines += ["", paint("path", "title"), *(f"  {step_text(step)}" for step in d.path)]
        lines.append("")
    if steps != "forward":
        lines += [paint("backward", "title"), *_backward_lines(d, paint, precision), ""]
    lines += [paint("chain rule", "title"), f"  {d.chain}"]
    said = d.chain.partition("= ")[2]
    for form in dict.fromkeys([*([d.closed_form] if d.closed_form else []), *d.forms]):
        if form != said:
            lines.append(f"  {' ' * _equals(d.chain)}= {form}")
    lines += ["", paint("result", "title"), *_result(d, paint, precision)]
    return lines


def _equals(chain: str) -> int:
    return max(chain.find("="), 0)


def gap_text(gap: Gap) -> str:
    """`⋮ 9 rounds alike`, with the rule of a round where there is one."""
    if not gap.rounds:
        return f"⋮ {gap.steps:,} more steps"
    alike = f"⋮ {gap.rounds:,} round{'s' if gap.rounds != 1 else ''} alike"
    return f"{alike}: {gap.rule}" if gap.rule else alike


def _forward_lines(d: Derivation, paint: Paint, precision: int | None) -> list[str]:
    lines = _table([_forward(s, precision) for s in d.forward if not isinstance(s, Gap)], paint)
    margin = max((len(_line(s.span)) for s in d.forward if not isinstance(s, Gap)), default=0)
    for i, step in enumerate(d.forward):
        if isinstance(step, Gap):
            lines.insert(i, paint(f"  {' ' * margin}  {gap_text(step)}", "faint"))
    return lines


def _backward_lines(d: Derivation, paint: Paint, precision: int | None) -> list[str]:
    lines: list[str] = []
    margin = max((len(_line(step.span)) for step in d.backward if not isinstance(step, Gap)), default=0)
    by = [step.by for step in d.backward if not isinstance(step, Gap)]
    for step in d.backward:
        if isinstance(step, Gap):
            lines.append(paint(f"  {' ' * margin}  {gap_text(step)}", "faint"))
            continue
        sign = "+=" if by.count(step.by) > 1 else "="
        lines += _backward(step, d.of, margin, sign, paint, precision)
    return lines


def _forward(step: ForwardStep, precision: int | None) -> tuple[str, str, str, str]:
    from ndgrad.cli.writing import matrices

    said = step.name if step.expression == "input" else f"{step.name} = {step.expression}"
    return _line(step.span), said, matrices.shape_of(_array(step.value)), matrices.short(step.value, precision)


def _table(rows: list[tuple[str, str, str, str]], paint: Paint) -> list[str]:
    """Rows of line, what, shape, value as aligned columns."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    lines = []
    for where, said, shape, value in rows:
        cells = paint(where.ljust(widths[0]), "faint"), said.ljust(widths[1]), paint(shape.ljust(widths[2]), "faint")
        lines.append(f"  {'  '.join(cells)}  {value}".rstrip())
    return lines


def _backward(step: BackwardStep, of: str, margin: int, sign: str, paint: Paint, precision: int | None) -> list[str]:
    """One step: the local derivative, the adjoint that arrives and the one that leaves (or its share, after +=)."""
    from ndgrad.cli.writing import matrices

    name = ratio("∂", step.name, step.by)
    said = f"  {paint(_line(step.span).ljust(margin), 'faint')}  "
    indent = " " * (margin + 4)
    rounds = f", ×{step.rounds} rounds" if step.rounds > 1 else ""
    if step.factor:
        head = f"{said}{paint(name, 'name')} = {step.local}{rounds}"
        if step.local_value is not None:
            value = matrices.short(step.local_value, precision)
            head += f" = {value}" if value != step.local else ""
    else:
        head = f"{said}{paint(ratio('∂', of, step.by), 'name')} {sign} {step.local}{rounds}"
    arriving, leaving = (matrices.short(a, precision) for a in (step.arriving, step.leaving))
    return [
        head,
        f"{indent}{paint('in ', 'faint')}  {ratio('∂', of, step.name)} = {arriving}",
        f"{indent}{paint('out', 'faint')}  {ratio('∂', of, step.by)} {sign} {leaving}",
    ]


def _result(d: Derivation, paint: Paint, precision: int | None) -> list[str]:
    from ndgrad.cli.writing import matrices

    result = _array(d.result)
    lines = [f"  {gradient_name(d.of, d.wrt, headed=d.headed)} = {matrices.short(result, precision, longest=90)}"]
    if d.numeric is not None and d.along is not None:
        verdict = "agrees" if agrees(d) else "differs: a kink may be near, or the numbers too large for differences"
        lines.append(
            f"  check along a random direction: {matrices.entry(d.along, 10)}, "
            f"numerically {matrices.entry(d.numeric, 10)}: {paint(verdict, 'help' if agrees(d) else 'warning')}"
        )
    return lines


def agrees(d: Derivation) -> bool:
    """Whether the numeric derivative is the computed one, as far as differences can tell."""
    assert d.along is not None
    assert d.numeric is not None
    return abs(d.along - d.numeric) <= AGREES * max(abs(d.along), abs(d.numeric), 0.01 * d.size, 1e-12)


def _line(span: Span | None) -> str:
    return f"line {span.line}" if span is not None else ""


def _array(value: Any) -> Any:
    import numpy as np

    return np.asarray(value)


def as_object(d: Derivation) -> dict[str, Any]:
    """The derivation as plain JSON values."""
    from ndgrad.cli.writing.json_result import nested

    def values(array: Any) -> Any:
        return None if array is None else nested(_array(array))

    return {
        "of": d.of,
        "wrt": d.wrt,
        "forward": [
            _gap(s)
            if isinstance(s, Gap)
            else {"name": s.name, "expression": s.expression, "line": _number(s.span), "value": values(s.value)}
            for s in d.forward
        ],
        "path": [
            {"line": s.line, "condition": s.condition, "compared": s.compared, "taken": s.taken, "rounds": s.rounds}
            for s in d.path
        ],
        "backward": [
            _gap(s)
            if isinstance(s, Gap)
            else {
                "name": s.name,
                "by": s.by,
                "local": s.local,
                "factor": s.factor,
                "local_value": values(s.local_value),
                "arriving": values(s.arriving),
                "leaving": values(s.leaving),
                "line": _number(s.span),
                "rounds": s.rounds,
            }
            for s in d.backward
        ],
        "chain": d.chain,
        "closed_form": d.closed_form,
        "forms": list(d.forms),
        "result": values(d.result),
        "check": None if d.numeric is None else {"along": d.along, "numeric": d.numeric, "agrees": agrees(d)},
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"left_out": gap.steps, "rounds": gap.rounds, "rule": gap.rule or None}


def _number(span: Span | None) -> int | None:
    return None if span is None else span.line
