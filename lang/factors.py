"""What a gradient is a product of: the way from the output back to an entry, factor by factor, where most of it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang.influence import largest_entry, own_entry, row, slopes
from ndgrad.lang.question import Entry, Question, Reason, Values, word
from ndgrad.tape import Node

CANCELLED = 1e-9  # what is left of the changes that are added up


class Step(Frozen):
    """A factor on the way back from the output: the derivative of one operation, or of one in several rounds.

    factor   the product over the rounds; operands, at the entry, in the round that comes last in the run
    adjoint  what has come of the head behind it
    """

    expression: str
    span: Span | None
    rounds: int
    factor: float
    operands: Values
    adjoint: float


def factors(question: Question) -> tuple[tuple[Step, ...], float]:
    """The way that gives most of a finite gradient at every step, and how much of the whole that is.

    From the output back, that operand and that entry of it are taken through which most of the change comes.
    """
    way = question.way
    node = way.output
    assert node is not None
    head = np.broadcast_to(question.kept.head, node.shape)
    entry = largest_entry(way.change[node.id] * head)
    adjoint = float(head[entry])
    found: dict[int, _Place] = {}
    while node.id != way.variable.id:
        made = node.parents[0] if node.op is OUTPUT else node
        assert made is not None
        factor, parent, i, to = _widest(question, node, made, entry)
        adjoint *= factor
        span = way.places.get(made.id)
        key = made.id if span is None else -id(span)
        place = found.pop(key, None) or _Place(question.expression(made), span)
        place.rounds.add(way.rounds[made.id])
        if len(place.rounds) == 1:
            place.operands = question.shown(made, i, to)
        place.factor *= factor
        place.adjoint = adjoint
        found[key] = place
        node, entry = parent, to
    steps = tuple(place.step() for place in found.values() if place.factor != 1)
    return steps, adjoint / question.value


class _Place:
    """The factors of one operation in all its rounds, while they are collected."""

    def __init__(self, expression: str, span: Span | None) -> None:
        self.expression = expression
        self.span = span
        self.rounds: set[int] = set()
        self.factor = 1.0
        self.operands: Values = ()
        self.adjoint = 0.0

    def step(self) -> Step:
        return Step(self.expression, self.span, len(self.rounds), self.factor, self.operands, self.adjoint)


def _widest(question: Question, node: Node, made: Node, entry: Entry) -> tuple[float, Node, int, Entry]:
    """The derivative of an entry by that entry of an operand through which most of its change comes: it, and where.

    made: the operation that gave the node, which is it unless that is one of several results.
    """
    way = question.way
    assert made.op is not None
    ways: dict[tuple[int, Entry], tuple[float, Node, int]] = {}  # an operand may stand on both sides
    for i, parent in enumerate(made.parents):
        change = None if parent is None else way.change.get(parent.id)
        if parent is None or change is None or 0 in parent.shape:
            continue
        if made.op.elementwise:
            to = own_entry(made.operands[i], node.shape, entry)
            factor, _, _ = ways.get((parent.id, to), (0.0, parent, i))
            ways[parent.id, to] = factor + float(slopes(node, i)[entry]), parent, i
        else:
            factors = row(node, parent, entry)
            to = largest_entry(factors * change)
            ways[parent.id, to] = float(factors[to]), parent, i
    (_, to), (factor, parent, i) = max(ways.items(), key=lambda one: abs(one[1][0] * _at(way.change, *one[0])))
    return factor, parent, i, to


def _at(change: dict[int, Any], node: int, entry: Entry) -> float:
    return float(change[node][entry])


def cancelled(question: Question, share: float) -> Iterator[Reason]:
    """Where the ways to a finite gradient cancel but for what rounding leaves: at the output, or in a sum before it.

    share: what the largest way is of the gradient.
    """
    way = question.way
    assert way.output is not None
    terms = way.change[way.output.id] * question.kept.head
    if _cancel(terms):
        yield cancelling(question, terms)
        return
    if abs(share) * CANCELLED > 1:
        yield from _inner(question)


def _inner(question: Question) -> Iterator[Reason]:
    """The first sum whose parts move against each other, if there is one."""
    way = question.way
    for node in way.steps:
        if node.op is None or node.op.name not in ("sum", "mean"):
            continue
        (parent,) = node.parents
        assert parent is not None
        terms = way.change[parent.id]
        if node.shape == () and _cancel(terms):
            up, down = float(np.sum(np.maximum(terms, 0))), float(np.sum(np.minimum(terms, 0)))
            text = f"what is summed moves by {word(up)} and {word(down)} in all, which cancels but for rounding"
            yield question.of_node("cancels", text, node, ())
            return


def _cancel(terms: Any) -> bool:
    return bool(np.abs(np.sum(terms)) < CANCELLED * np.sum(np.abs(terms)))


def cancelling(question: Question, terms: Any) -> Reason:
    """That the entries of the output move against each other."""
    up, down = float(np.sum(np.maximum(terms, 0))), float(np.sum(np.minimum(terms, 0)))
    of = question.kept.of
    if not up and not down:
        return question.about("vanished", f"the head times the change of `{of}` is too small for a number")
    if not (up and down):  # the one sweep rounds to 0, the other only nearly
        for reason in _inner(question):
            return reason
        text = f"`{of}` moves by {word(up or down)}, which is zero up to rounding: the parts that it is made of cancel"
        return question.about("cancels", text)
    text = f"the entries of `{of}` move by {word(up)} and {word(down)} in all, which cancels"
    hint = "a head that weighs them differently: --head, or --of for one of them"
    return question.about("cancels", text, cure=hint)
