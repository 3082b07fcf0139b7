"""Conditions, and the record of the path that a run took through them.

A condition gives its truth and what was compared, as values; they become text only when the run
is over. A place in the program that is passed many times keeps its first few passes and then one
entry per outcome, so that the record stays small however long a loop runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.errors import Source, Span
from ndgrad.frozen import Frozen
from ndgrad.lang import syntax
from ndgrad.lang.expressions import Expressions
from ndgrad.lang.scalars import COMPARISONS
from ndgrad.lang.values import Frame, brief, truth
from ndgrad.ndarray import NDArray
from ndgrad.tape import STATE as ENGINE

Condition = Callable[[Frame], tuple[bool, Any]]

KEPT = 3  # passes of one place that are kept one by one


class PathStep(Frozen):
    """One decision of a run.

    line, span   where the condition is written; condition is its text
    kind         "if" (also elif) or "while"
    compared     the condition with the values in it, such as `10 < 15`; of a loop, the last time
    taken        whether the block was entered
    rounds       how many rounds a loop made, None for an if
    count        how many decisions this entry stands for; the values are those of the last
    file         the file where it is written, None for the program itself
    """

    line: int
    condition: str
    compared: str
    taken: bool
    rounds: int | None
    span: Span
    kind: str
    count: int = 1
    file: str | None = None


class Pass:
    """A decision while the run goes on."""

    __slots__ = ("at", "compared", "count", "kind", "rounds", "span", "taken")

    def __init__(self, span: Span, kind: str, taken: bool, compared: Any, rounds: int | None, at: int) -> None:
        self.span = span
        self.kind = kind
        self.taken = taken
        self.compared = compared
        self.rounds = rounds
        self.count = 1
        self.at = at  # when it was made, or the last of those it stands for


class Path:
    """The decisions of a run; those that an entry stands for are where the last of them was made."""

    __slots__ = ("clock", "passes", "places")

    def __init__(self) -> None:
        self.clock = 0
        self.passes: list[Pass] = []
        self.places: dict[int, list[Any]] = {}

    def note(self, span: Span, kind: str, taken: bool, compared: Any, rounds: int | None = None) -> None:
        """Record one decision at the condition written at `span`."""
        seen = self.places.get(id(span))
        if seen is None:
            seen = self.places[id(span)] = [0, None, None]
        self.clock += 1
        if seen[0] < KEPT:
            seen[0] += 1
            self.passes.append(Pass(span, kind, taken, compared, rounds, self.clock))
            return
        merged = seen[1 + taken]
        if merged is None:
            merged = seen[1 + taken] = Pass(span, kind, taken, compared, rounds, self.clock)
            self.passes.append(merged)
            return
        merged.at = self.clock
        merged.count += 1
        merged.compared = compared
        merged.rounds = rounds

    def steps(self, program: Source) -> list[PathStep]:
        """The record in the order of time, as data."""
        return [
            PathStep(
                p.span.line,
                condensed(p.span.text),
                text_of(p.compared),
                p.taken,
                p.rounds,
                p.span,
                p.kind,
                p.count,
                None if p.span.source is program else p.span.source.name,
            )
            for p in sorted(self.passes, key=lambda p: p.at)
        ]


def condensed(text: str) -> str:
    """Source text on one line."""
    return " ".join(text.split())


def compile_condition(compiler: Expressions, node: syntax.Expression) -> Condition:
    """The closure that decides `node`: its truth, and (words, values) for the record.

    What only decides is not differentiated, so nothing is recorded meanwhile.
    """
    condition = _decided(compiler, node)
    if not any(
        isinstance(part, (syntax.Call, syntax.Binary, syntax.Unary, syntax.Index)) for part in syntax.walk(node)
    ):
        return condition

    def run(f: Frame) -> tuple[bool, Any]:
        before = ENGINE.recording
        if not before:
            return condition(f)
        ENGINE.recording = False
        try:
            return condition(f)
        finally:
            ENGINE.recording = before

    return run


def _decided(compiler: Expressions, node: syntax.Expression) -> Condition:
    span = node.span
    if isinstance(node, syntax.Comparison):
        return _comparison(compiler, node)
    if isinstance(node, syntax.Logical):
        parts = [_decided(compiler, part) for part in node.operands]
        stop = node.operator == "or"
        word = f" {node.operator} "

        def logical(f: Frame) -> tuple[bool, Any]:
            seen = []
            taken = not stop
            for part in parts:
                taken, compared = part(f)
                seen.append(compared)
                if taken is stop:
                    break
            return taken, (word, seen)

        return logical
    if isinstance(node, syntax.Not):
        inside = _decided(compiler, node.operand)

        def negated(f: Frame) -> tuple[bool, Any]:
            taken, compared = inside(f)
            return not taken, ("not ", compared)

        return negated
    value = compiler.compile(node)

    def run(f: Frame) -> tuple[bool, Any]:
        v = value(f)
        return truth(v, span), v

    return run


_ONE = frozenset({float, int, bool, np.float64, np.float32, np.int64, np.bool_})  # what compares as one number


class Compared:
    """The values of a comparison with the signs between them."""

    __slots__ = ("signs", "values")

    def __init__(self, signs: tuple[str, ...], values: list[Any]) -> None:
        self.signs = signs
        self.values = values


def _comparison(compiler: Expressions, node: syntax.Comparison) -> Condition:
    links = compiler.links(node)
    signs = node.operators
    if len(links) == 1:
        left, right, compare, span = links[0]
        plainly = COMPARISONS[signs[0]]

        def single(f: Frame) -> tuple[bool, Any]:
            a = left(f)
            b = right(f)
            x = a._data if a.__class__ is NDArray else a
            y = b._data if b.__class__ is NDArray else b
            if x.__class__ in _ONE and y.__class__ in _ONE:
                return bool(plainly(x, y)), Compared(signs, [a, b])
            value = compare(a, b)
            return value if value.__class__ is bool else truth(value, span), Compared(signs, [a, b])

        return single

    def run(f: Frame) -> tuple[bool, Any]:
        values = [links[0][0](f)]
        for _, right, compare, span in links:
            values.append(right(f))
            if not truth(compare(values[-2], values[-1]), span):
                return False, Compared(signs, values)
        return True, Compared(signs, values)

    return run


def text_of(compared: Any) -> str:
    """What was compared, with the values written out."""
    if isinstance(compared, Compared):
        text = brief(compared.values[0])
        for sign, value in zip(compared.signs, compared.values[1:], strict=False):
            text += f" {sign} {brief(value)}"
        return text
    if isinstance(compared, tuple) and len(compared) == 2 and compared[0] == "not ":
        inside = text_of(compared[1])
        return f"not ({inside})" if " " in inside else f"not {inside}"
    if isinstance(compared, tuple) and len(compared) == 2 and compared[0] in (" and ", " or "):
        return str(compared[0]).join([text_of(part) for part in compared[1]])
    return brief(compared)
