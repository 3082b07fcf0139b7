"""One entry of one gradient of a recorded run, the words about it, and the reasons that are found for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang import syntax
from ndgrad.lang.builtins import builtin
from ndgrad.lang.conditions import condensed
from ndgrad.lang.cures import Blamed
from ndgrad.lang.influence import Influence, first_entry, own_entry, slopes
from ndgrad.lang.kept import Kept
from ndgrad.lang.losses import Loss
from ndgrad.lang.scalars import OPERATIONS
from ndgrad.tape import Node

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

Entry = tuple[int, ...]
Values = tuple[tuple[str, float], ...]
LONGEST = 48  # characters of an expression that are shown


class Reason(Frozen):
    """An operation that made an entry of the gradient what it is.

    kind       flat, kink, saturated, stationary, vanished, multiplied by 0, not gathered, overwritten, not chosen,
               outside, stopped, a choice, branch, integer, constant, unused, cancels, head, derivative, value
    text       what happened, in words
    expression, span, round   the operation as written, where, and the how-maniest time it ran there
    operands   (as the program writes it, value) at the entry; a bool where the program has one
    derivative that of the operation there, None where there is none to be told
    cure       what to write instead, None where there is nothing to cure
    """

    kind: str
    text: str
    expression: str
    span: Span | None
    round: int = 1
    operands: Values = ()
    derivative: float | None = None
    cure: str | None = None


class Question:
    """An entry of a gradient, and the run that it comes from.

    way    how the entry goes through the run; losses, where the run lost derivatives
    value  that of the gradient there
    """

    def __init__(self, program: Program, run: Kept, name: str, at: Entry, value: float, losses: list[Loss]) -> None:
        self.program = program
        self.kept = run
        self.name = name
        self.at = at
        self.value = value
        self.losses = losses
        self.way = Influence(run, name, at)

    def about(self, kind: str, text: str, **more: Any) -> Reason:
        """A reason that concerns the output as a whole."""
        return Reason(kind, text, self.kept.of, self.kept.span, **more)

    def of_node(self, kind: str, text: str, node: Node, values: Values, **more: Any) -> Reason:
        """A reason that is an operation."""
        round = self.way.rounds.get(node.id, 1)
        return Reason(kind, text, self.expression(node), self.way.places.get(node.id), round, values, **more)

    def expression(self, node: Node) -> str:
        """An operation as it is written, shortened."""
        span = self.way.places.get(node.id)
        assert node.op is not None
        if span is None:
            return node.op.name
        text = condensed(self.way.texts.get(node.id) or span.text)
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

    def called(self, node: Node) -> str:
        """The name of an operation; for one that programs cannot name, that of the function which it is part of."""
        assert node.op is not None
        span = self.way.places.get(node.id)
        function = re.match(r"(\w+)\(", span.text) if node.op.internal and span is not None else None
        return function[1] if function else node.op.name

    @cached_property
    def written_at(self) -> dict[int, syntax.Node]:
        """What is written at each place, by the id of its span."""
        return {id(node.span): node for node in everything(self.program.body)}

    # Operands at an entry

    def values(self, node: Node, operand: int, entry: Entry) -> list[float | None]:
        """The operands of an operation beside the entry of one of them; None where they have no such entry."""
        assert node.op is not None
        found: list[float | None] = [None] * len(node.operands)
        if node.op.elementwise:
            out = self.output_entry(node, operand, entry)
            return [number_at(x, own_entry(x, node.shape, out)) for x in node.operands]
        found[operand] = number_at(node.operands[operand], entry)
        return found

    def shown(self, node: Node, operand: int, entry: Entry) -> Values:
        """The same as (name, value), as the program names them; numbers that it writes are left out."""
        assert node.op is not None
        out = self.output_entry(node, operand, entry) if node.op.elementwise else ()
        found: dict[str, float] = {}
        for i, (label, value) in enumerate(zip(self.labels(node), self.values(node, operand, entry), strict=True)):
            if label and value is not None:
                x = node.operands[i]
                at = own_entry(x, node.shape, out) if node.op.elementwise else entry
                found.setdefault(indexed(label, at if np.ndim(x) else ()), value)
        return tuple(found.items())

    def labels(self, node: Node) -> list[str]:
        """How the operands of an operation are written, "" for numbers and for what the program does not write."""
        span = self.way.places.get(node.id)
        if node.span is None:
            return [""] * len(node.operands)
        written = None if span is None else operands_of(self.written_at.get(id(span)), node)
        if written is None:
            names = self.kept.names
            written = [
                "" if p is None else names[p.id].name if p.id in names else self._text_of(p) for p in node.parents
            ]
        written += [""] * (len(node.operands) - len(written))
        return ["" if is_number(label) else label for label in written[: len(node.operands)]]

    def _text_of(self, node: Node) -> str:
        """An operation as it is written, "" where that is not its own place or long."""
        text = "" if node.span is None else condensed(node.span.text)
        return text if len(text) <= LONGEST else ""

    def output_entry(self, node: Node, operand: int, entry: Entry) -> Entry:
        """The first entry of an elementwise result that an operand's entry goes into."""
        mask = np.zeros(np.shape(node.operands[operand]), bool)
        mask[entry] = True
        return first_entry(np.broadcast_to(mask, node.shape))

    def slope(self, node: Node, operand: int, entry: Entry) -> float | None:
        """The derivative of an elementwise operation by an operand at an entry of it."""
        if node.op is None or not node.op.elementwise:
            return None
        return float(slopes(node, operand)[self.output_entry(node, operand, entry)])

    def blamed(self, node: Node, operand: int, values: list[float | None], finite: bool) -> Blamed:
        """An operation as those see it who know a cure."""
        return Blamed(node, self.way.places.get(node.id), operand, tuple(values), finite)


def operands_of(written: syntax.Node | None, node: Node) -> list[str] | None:
    """How the operands of an operation are written, None where `written` is not that operation itself."""
    assert node.op is not None
    parts: tuple[syntax.Expression, ...] = ()
    match written:
        case syntax.Binary(operator=sign, left=left, right=right) if OPERATIONS.get(sign) == node.op.name:
            parts = left, right
        case syntax.Augmented(operator=sign, target=left, value=right) if OPERATIONS.get(sign) == node.op.name:
            parts = left, right
        case syntax.Unary(operator="-", operand=inside) if node.op.name == "negative":
            parts = (inside,)
        case syntax.Index(value=value) if node.op.name in ("index", "written"):
            parts = (value,)
        case syntax.Call(function=syntax.Name(name=name), arguments=given) if (
            not node.op.variadic and node.op.name.startswith(getattr(builtin(name), "name", " "))
        ):
            parts = tuple(part for part in given if not isinstance(part, syntax.Text))
        case syntax.Call(function=syntax.Attribute(value=value, name=name), arguments=given) if name == node.op.name:
            parts = value, *given
    return [condensed(part.span.text) for part in parts] or None


def everything(body: syntax.Body | syntax.Library) -> Iterator[syntax.Node]:
    """All nodes of a program, those of the files that it uses among them."""
    for statement in body.statements:
        for node in syntax.walk(statement):
            yield node
            if isinstance(node, syntax.Linked):
                yield from everything(node.library)


def indexed(label: str, at: Entry) -> str:
    """`x[0, 1]`, `(a + b)[0]`: an entry of what `label` says."""
    if not at:
        return label
    bare, inside = label, 1
    while inside:  # brackets away, the innermost first
        bare, inside = re.subn(r"\([^()]*\)|\[[^][]*\]", "", bare)
    alone = re.fullmatch(r"[\w.]*", bare)
    return f"{label if alone else f'({label})'}[{', '.join(map(str, at))}]"


def is_number(label: str) -> bool:
    """Whether an expression is a number as it is written."""
    try:
        float(label)
    except ValueError:
        return False
    return True


def number_at(value: Any, at: Entry) -> float | None:
    """One entry, a bool where it is one; None where it is no number or has no such entry."""
    data = np.asarray(value)
    if (
        data.dtype.kind not in "fiub"
        or len(at) != data.ndim
        or not all(i < n for i, n in zip(at, data.shape, strict=True))
    ):
        return None
    found = data[at]
    return bool(found) if data.dtype.kind == "b" else float(found) + 0.0  # no -0


def word(value: float) -> str:
    """A number in a sentence."""
    return "nan" if isnan(value) else f"{value:.6g}"
