"""Why an entry of a gradient is 0 although the output is made from it: the operations at which its change ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.lang.cures import cure
from ndgrad.lang.influence import changed, first_entry
from ndgrad.lang.kinks import concerns, distance
from ndgrad.lang.question import Entry, Question, Reason, word
from ndgrad.primitive import NoDerivative
from ndgrad.tape import Node

TINY = 1e-100  # what is smaller may vanish in a product of two
FAR = 10.0  # where functions that level off do


def blocked(question: Question) -> Iterator[Reason]:
    """Every operation that does not move although an operand does; one of those written at the same place."""
    way = question.way
    seen: set[Any] = set()
    for node in way.steps:
        if moves(way.change[node.id]):
            continue
        for i, parent in enumerate(node.parents):
            if parent is None or not moves(way.change.get(parent.id)):
                continue
            key = node.op, id(node.span), i
            if node.span is None or key not in seen:
                seen.add(key)
                yield _part(question, node) if node.op is OUTPUT else _flat(question, node, i)


def moves(change: Any) -> bool:
    """Whether a change is anything but 0."""
    parts = change if isinstance(change, tuple) else (change,)
    return any(part is not None and bool(np.any(part)) for part in parts)


def _part(question: Question, node: Node) -> Reason:
    """One of several results of an operation, which does not move while others do."""
    (whole,) = node.parents
    assert whole is not None
    assert whole.op is not None
    text = f"this part of what `{question.called(whole)}` gives does not change with it"
    return question.of_node("stationary", text, node, ())


def _flat(question: Question, node: Node, operand: int) -> Reason:
    """Why an operation whose operand moves does not move itself."""
    parent = node.parents[operand]
    assert parent is not None
    if 0 in node.shape and not isinstance(node.value, tuple):
        return question.of_node("not gathered", "what it goes into has no entries", node, ())
    change = question.way.change[parent.id]
    entry = first_entry(np.not_equal(change, 0))
    kind, text = _words(question, node, operand, entry)
    values = question.values(node, operand, entry)
    curable = kind in ("flat", "kink", "not chosen", "outside")
    return question.of_node(
        kind,
        text,
        node,
        question.shown(node, operand, entry),
        derivative=None if kind == "cancels" else 0.0,
        cure=cure(question.blamed(node, operand, values, True)) if curable else None,
    )


def _words(question: Question, node: Node, operand: int, entry: Entry) -> tuple[str, str]:
    """The kind of a zero derivative, and what to say."""
    for kind, rule in RULES:
        text = rule(question, node, operand, entry)
        if text is not None:
            return kind, text
    return "stationary", "its derivative is 0 at this point"


def _overwritten(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    return "the entry is overwritten here" if _name(node) == "written" else None


def _left_out(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    taken = _name(node) in ("index", "take_along_axis")
    return "the entry is not among those that are taken here" if taken else None


def _cancels(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    """Several changes whose sum is 0: of two operands, or of the entries that are added up."""
    way = question.way
    if isinstance(node.value, tuple):
        return None
    dots = [None if p is None else way.change.get(p.id) for p in node.parents]
    alone = [changed(node, [dot if i == k else None for i, dot in enumerate(dots)]) for k in range(len(dots))]
    moving = [np.not_equal(change, 0) for change in alone if np.any(change)]
    if len(moving) > 1:
        at = first_entry(moving[0])
        parts = " and ".join(word(float(change[at])) for change in alone if change[at])
        return f"it moves by {parts}, which cancels"
    if _name(node) not in ("sum", "mean"):
        return None
    dot = np.asarray(dots[operand])
    up, down = float(np.sum(np.maximum(dot, 0))), float(np.sum(np.minimum(dot, 0)))
    return f"what is summed moves by {word(up)} and {word(down)} in all, which cancels" if up and down else None


def _stated(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    return "the gradient that the program states is 0 here" if _name(node) == "custom_call" else None


def _other_side(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    return "`where` takes the other side here" if _name(node) == "where" else None


def _constant(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    assert node.op is not None
    rule = node.op.partials[operand] if node.op.partials is not None else None
    if rule is None or isinstance(rule, NoDerivative) or rule.__code__.co_argcount or rule() != 0:
        return None
    return f"`{question.called(node)}` is constant between its steps, so its derivative is 0"


def _at_kink(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    """A point without a derivative, where 0 is taken for it."""
    assert node.op is not None
    for kink in node.op.kinks:
        if not kink.value.startswith("0") or not concerns(node, kink):
            continue
        away = distance(node, kink)
        if np.shape(away) != node.shape:
            continue
        met = away[question.output_entry(node, operand, entry)] == 0 if node.op.elementwise else np.any(away == 0)
        if met:
            return f"`{question.called(node)}` has a kink at {kink.where}, and its derivative there is {kink.value}"
    return None


def _beyond(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    return "it lies outside the bounds of `clip`, where that is constant" if _name(node) == "clip" else None


def _not_chosen(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    name = _name(node)
    if name in ("maximum", "minimum"):
        return f"the other operand is the {name} here"
    return f"another entry is the {name}" if name in ("max", "min") else None


def _flat_side(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    assert node.op is not None
    return f"`{question.called(node)}` is constant here" if node.op.selects else None


def _times_zero(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    assert node.op is not None
    if node.op.linear == "each":
        return "everything that it is multiplied with here is 0"
    if _name(node) != "multiply":
        return None
    other = question.values(node, operand, entry)[1 - operand]
    return "it is multiplied by 0 here" if other == 0 else None


def _vanished(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    """A product that is too small for a number."""
    parent = node.parents[operand]
    assert parent is not None
    slope = question.slope(node, operand, entry)
    if slope:
        way = question.way
        before = way.steps.index(node)
        arrived = float(way.change[parent.id][entry])
        through = f" after {before:,} operations" if before else ""
        return f"the change is {word(arrived)}{through}, and {word(slope)} times that is too small for a number"
    own = question.values(node, operand, entry)[operand]
    return "its derivative is too small for a number" if own and abs(own) < TINY else None


def _saturated(question: Question, node: Node, operand: int, entry: Entry) -> str | None:
    assert node.op is not None
    own = question.values(node, operand, entry)[operand]
    if not node.op.elementwise or own is None or abs(own) <= FAR:
        return None
    return f"`{question.called(node)}` is saturated here: its derivative is too small for a number"


def _name(node: Node) -> str:
    assert node.op is not None
    return node.op.name


Rule = Callable[[Question, Node, int, Entry], str | None]
RULES: tuple[tuple[str, Rule], ...] = (
    ("overwritten", _overwritten),
    ("not gathered", _left_out),
    ("cancels", _cancels),
    ("stationary", _stated),
    ("not chosen", _other_side),
    ("flat", _constant),
    ("kink", _at_kink),
    ("outside", _beyond),
    ("not chosen", _not_chosen),
    ("flat", _flat_side),
    ("multiplied by 0", _times_zero),
    ("vanished", _vanished),
    ("saturated", _saturated),
)
