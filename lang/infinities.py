"""Why an entry of a gradient is nan or infinite: the operation on the way back that made it so, and what led to it."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.lang.cures import Blamed, cure
from ndgrad.lang.influence import first_entry, own_entry
from ndgrad.lang.question import Entry, Question, Reason, indexed, number_at, word
from ndgrad.ndarray import plain
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node


def broken(question: Question, point: float) -> Iterator[Reason]:
    """The first operation of the way back that makes an adjoint infinite or nan; where nan comes later, that too."""
    if not isfinite(point):
        where = indexed(question.name, question.at)
        declared = question.program.checked.inputs.get(question.name)
        span = None if declared is None else declared.span
        yield Reason("value", f"the input itself is {word(point)} there", where, span)
        return
    if _bad(question.kept.head, np.isfinite):
        yield question.about("head", "the head is not finite")
        return
    first = _first(question, np.isfinite)
    if first is None:
        yield from _summed(question)
        return
    node, operand, entry, share = first
    yield from _blamed(question, node, operand, entry, share)
    if np.isnan(share[entry]) or not np.isnan(question.value):
        return
    second = _first(question, _is_number)
    if second is None:
        yield from _summed(question)
        return
    if second[0] is node:
        return
    node, operand, entry, share = second
    assert node.op is not None
    slope = question.slope(node, operand, entry)
    text = f"nan comes out of the derivative of `{question.called(node)}`"
    if node.op.linear == "each":
        text = "what arrives is infinite in places and multiplied by 0 here, which gives nan"
    if slope is not None and not np.isnan(slope):
        arrived = word(_arrived(question, node, operand, entry))
        text = f"{arrived} arrives here and the derivative is {word(slope)}, and {arrived} · {word(slope)} is nan"
    yield question.of_node("derivative", text, node, question.shown(node, operand, entry), derivative=slope)


def _is_number(x: Any) -> Any:
    return ~np.isnan(x)


def _bad(x: Any, good: Any, reach: Any = True) -> bool:
    """Whether an adjoint has an entry that is not good, among those that the entry of the input goes into."""
    parts = x if isinstance(x, (list, tuple)) else (x,)
    masks = reach if isinstance(reach, tuple) else (reach,) * len(parts)
    return any(
        part is not None and bool(np.any(~good(np.asarray(plain(part), np.float64)) & mask))
        for part, mask in zip(parts, masks, strict=True)
    )


def _first(question: Question, good: Any) -> tuple[Node, int, Entry, Any] | None:
    """The first operation to which a good adjoint arrives and that gives one which is not: it, an operand, an entry."""
    way = question.way
    for arrival in way.arrivals:
        node, shares = arrival.node, arrival.shares
        if node.id not in way.reach or _bad(arrival.adjoint, good, way.reach[node.id]):
            continue
        for i, parent in enumerate(node.parents):
            if parent is None or parent.id not in shares or parent.id not in way.reach:
                continue
            share = np.asarray(shares[parent.id], np.float64)
            bad = ~good(share) & way.reach[parent.id]
            if np.any(bad):
                return node, i, first_entry(bad), share
    return None


def _summed(question: Question) -> Iterator[Reason]:
    """Where the adjoints that arrive from several uses are numbers or infinite, but their sum is not."""
    way = question.way
    given: dict[int, list[Any]] = {}
    for arrival in way.arrivals:
        for parent, share in arrival.shares.items():
            given.setdefault(parent, []).append(np.asarray(share, np.float64))
    for node in [*(arrival.node for arrival in way.arrivals), way.variable]:
        if len(given.get(node.id, ())) < 2:
            continue
        with np.errstate(invalid="ignore"):
            total = sum(given[node.id])
        if not _bad(total, np.isfinite, way.reach.get(node.id, False)):
            continue
        text = "infinite adjoints of both signs arrive from several uses, and their sum is nan"
        if node.op is None:
            yield Reason("cancels", text, indexed(question.name, question.at), None)
        else:
            yield question.of_node("cancels", text, node, ())
        return


def _blamed(question: Question, node: Node, operand: int, entry: Entry, share: Any) -> Iterator[Reason]:
    behind, source = origin(question, node)
    if behind is not None:
        yield behind
        if source is node or (source is not None and source.span is not None and source.span is node.span):
            return
    assert node.op is not None
    slope = _slope(question, node, operand, entry, share)
    said = f"the derivative of `{question.called(node)}` is {word(slope)} here"
    if behind is not None:
        said += ", since its operands or its value are not finite"
    blamed = question.blamed(node, operand, question.values(node, operand, entry), False)
    yield question.of_node(
        "derivative",
        said,
        node,
        question.shown(node, operand, entry),
        derivative=slope,
        cure=None if behind is not None else cure(blamed),
    )


def _slope(question: Question, node: Node, operand: int, entry: Entry, share: Any) -> float:
    """The derivative by an operand at an entry, as the share of the adjoint tells it."""
    found = float(share[entry])
    assert node.op is not None
    if not node.op.elementwise:
        return found
    arrived = _arrived(question, node, operand, entry)
    return found / arrived if arrived else found


def _arrived(question: Question, node: Node, operand: int, entry: Entry) -> float:
    """The adjoint of an elementwise operation beside an operand's entry."""
    g = next(arrival.adjoint for arrival in question.way.arrivals if arrival.node is node)
    g = np.broadcast_to(np.asarray(g, np.float64), node.shape)
    return float(g[question.output_entry(node, operand, entry)])


def origin(question: Question, node: Node, reached: bool = False) -> tuple[Reason | None, Node | None]:
    """The first operation whose value is not finite though its operands are, if one makes this one so.

    reached: only one that the entry of the input goes into.
    """
    if all(map(_finite, (node.value, *node.operands))):
        return None, None
    for one in reversed(nodes_below([node])):
        if one.op is None or one.op is OUTPUT or _finite(one.value) or not all(map(_finite, one.operands)):
            continue
        parts = one.value if isinstance(one.value, tuple) else (one.value,)
        bad = next(~np.isfinite(part) for part in parts if not _finite(part))
        reach = question.way.reach.get(one.id)
        if reach is not None and not isinstance(reach, tuple) and np.any(bad & reach):
            bad = bad & reach
        elif reached:
            continue
        return _value(question, one, next(part for part in parts if not _finite(part)), first_entry(bad)), one
    return None, None


def _value(question: Question, node: Node, value: Any, entry: Entry) -> Reason:
    """An operation whose value is not finite at an entry."""
    assert node.op is not None
    shown: dict[str, float] = {}
    values: list[float | None] = [None] * len(node.operands)
    if node.op.elementwise:
        for i, (label, x) in enumerate(zip(question.labels(node), node.operands, strict=True)):
            own = own_entry(x, node.shape, entry)
            found = values[i] = number_at(x, own)
            if label and found is not None:
                shown[indexed(label, own)] = found
    place = f" at {list(entry)}" if entry else ""
    text = f"the value of `{question.called(node)}` is {word(float(np.asarray(value)[entry]))}{place}"
    cured = _cure_further(question, node) or cure(question.blamed(node, 0, values, False))
    return question.of_node("value", text, node, tuple(shown.items()), cure=cured)


def _cure_further(question: Question, node: Node) -> str | None:
    """A cure for what the value of an operation goes into: log, or a quotient."""
    for _ in range(4):
        user = next((step for step in question.way.steps if node in step.parents), None)
        if user is None or user.op is None:
            return None
        node = user
        if user.op.name in ("log", "log1p", "divide"):
            unknown = tuple(None for _ in user.operands)
            found = cure(Blamed(user, question.way.places.get(user.id), 0, unknown, False))
            if found is not None:
                return found
    return None


def _finite(value: Any) -> bool:
    parts = value if isinstance(value, (tuple, list)) else (value,)
    arrays = [np.asarray(part) for part in parts if part is not None]
    return all(bool(np.isfinite(x).all()) for x in arrays if x.dtype.kind == "f")
