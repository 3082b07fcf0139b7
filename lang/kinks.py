"""How far a recorded run keeps from the kinks of its operations, and from the other side of its conditions.

An operation says where its kinks are as a condition on its operands, such as `np.equal(x, 0)`. Over
operands that are `Measured`, the same condition gives a distance: that of two numbers for `equal`,
the larger of two for `and`, the smaller for `or`. So nothing is stated twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np

from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang.conditions import Compared, condensed
from ndgrad.lang.kept import Kept, Rounds
from ndgrad.ndarray import NDArray, plain
from ndgrad.primitive import Kink
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node, Origin


class NearKink(Frozen):
    """A kink, or the border between two branches, close to a run.

    op        the operation; "if" or "while" for a condition, "selection" for one that chooses entries
    span      where it is written, round the how-maniest time it ran there
    where     the condition, as the operation states it or the program; of a selection, all of it
    distance  how much an operand would have to change to be there; 0 where it is there
    count     how many entries are as near
    value     the derivative that is taken there
    """

    op: str
    span: Span | None
    round: int
    where: str
    distance: float
    count: int
    value: str


class Measured:
    """An array, in conditions that give distances."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **named: Any) -> Any:
        joins = ufunc.__name__.startswith(("logical", "bitwise"))
        plainly = [_away(x) if joins else x.value if isinstance(x, Measured) else x for x in given]
        rule = _DISTANCES.get(ufunc.__name__, ufunc)
        return Measured(rule(*plainly, **named)) if method == "__call__" else NotImplemented

    def round(self, decimals: int = 0, out: None = None) -> Any:
        return np.round(self.value, decimals)

    def __and__(self, other: Any) -> Measured:
        return Measured(np.maximum(self.value, _away(other)))

    def __or__(self, other: Any) -> Measured:
        return Measured(np.minimum(self.value, _away(other)))

    __rand__, __ror__ = __and__, __or__


def _away(condition: Any) -> Any:
    """The distance that a condition gives: none where it holds for good, any where it does not."""
    return condition.value if isinstance(condition, Measured) else np.where(condition, 0.0, np.inf)


def _apart(a: Any, b: Any) -> Any:
    return np.abs(np.subtract(a, b))


def _short_of(a: Any, b: Any) -> Any:
    """How much a is below b."""
    return np.maximum(np.subtract(b, a), 0.0)


def _from_multiple(a: Any, b: Any) -> Any:
    """How far a is from a multiple of b, with `mod` in the condition."""
    rest = np.abs(np.mod(a, b))
    return np.minimum(rest, np.abs(b) - rest)


_DISTANCES: dict[str, Callable[..., Any]] = {
    "equal": _apart,
    "greater": _short_of,
    "greater_equal": _short_of,
    "less": lambda a, b: _short_of(b, a),
    "less_equal": lambda a, b: _short_of(b, a),
    "logical_and": np.maximum,
    "bitwise_and": np.maximum,
    "logical_or": np.minimum,
    "bitwise_or": np.minimum,
    "remainder": _from_multiple,
}


def distance(node: Node, kink: Kink) -> Any:
    """How far the operands of a recorded operation are from a kink of it, entry by entry; None where it cannot say."""
    if kink.touches is None or node.kept is None or node.op is None:
        return None
    have = {"y": node.value, **dict(zip(node.op.operands, node.operands, strict=False)), **node.params}
    code = kink.touches.__code__
    names = code.co_varnames[: code.co_argcount]
    given = [have[name] for name in names]
    # What is not recorded stays where it is: a kink that is about it alone comes no nearer.
    still = {name for name, p in zip(node.op.operands, node.parents, strict=False) if p is None}
    with np.errstate(all="ignore"):
        try:
            moving = (isinstance(x, _NUMBERS) and name not in still for name, x in zip(names, given, strict=True))
            made = kink.touches(*(Measured(x) if moves else x for x, moves in zip(given, moving, strict=True)))
            if isinstance(made, Measured):
                return np.asarray(made.value, dtype=np.float64)
        except (TypeError, AttributeError):  # the condition is not made of comparisons
            pass
        return np.where(kink.touches(*given), 0.0, np.inf)


_NUMBERS = (int, float, np.ndarray, np.generic)


def concerns(node: Node, kink: Kink) -> bool:
    """Whether the kink is one of an operand by which the run is differentiated."""
    named = re.findall(r"\bby (\w+)", kink.value)
    if node.op is None or not named:
        return True
    tracked = {name for name, p in zip(node.op.operands, node.parents, strict=False) if p is not None}
    return any(name in tracked for name in named if name in node.op.operands)


def near_kinks(kept: Kept, reach: Callable[[Node], Any]) -> list[NearKink]:
    """The kinks and borders in the history of the output that lie within reach, the nearest first.

    reach: how far the operands of an operation are moved, entry by entry; less than 0 where they never are.
    """
    found = [*_of_conditions(kept)]
    if kept.output.node is None:
        return found
    rounds = Rounds()
    selections = _Selections(kept)
    for node in reversed(nodes_below([kept.output.node])):
        if node.op is None:
            continue
        number = rounds.next(node)
        found += selections.near(node, number)
        for kink in node.op.kinks:
            away = distance(node, kink) if concerns(node, kink) else None
            if away is None:
                continue
            close = away <= reach(node)
            if np.any(close):
                least = float(np.min(away[close]))
                count = int(np.count_nonzero(close & (away <= 2 * least)))
                found.append(NearKink(node.op.name, node.span, number, kink.where, least, count, kink.value))
    return sorted(found, key=lambda kink: kink.distance)


def _of_conditions(kept: Kept) -> Iterator[NearKink]:
    """The conditions of the path that were nearly decided otherwise."""
    passed: dict[int, int] = {}
    for step in kept.state.path.passes:
        number = passed[id(step.span)] = passed.get(id(step.span), 0) + step.count
        if not isinstance(step.compared, Compared) or len(step.compared.values) != 2:
            continue
        if not any(isinstance(x, NDArray) and x.dtype.kind == "f" for x in step.compared.values):
            continue  # counters and the like
        a, b = (plain(x) if isinstance(x, NDArray) else x for x in step.compared.values)
        try:
            away = float(np.min(_apart(a, b)))
            size = float(np.max(np.abs(a))) + float(np.max(np.abs(b)))
        except (TypeError, ValueError):
            continue
        if away <= NARROW * size:
            where = condensed(step.span.text)
            yield NearKink(step.kind, step.span, number, where, away, 1, "that of the branch taken")


class _Selections:
    """The conditions that choose entries, in an index or in `where`, that were nearly decided otherwise."""

    def __init__(self, kept: Kept) -> None:
        self.origins = kept.state.origins
        wanted = (kept.variables[name].node for name in kept.result.grads)
        self.moving = {node.id for node in wanted if node is not None}

    def near(self, node: Node, number: int) -> Iterator[NearKink]:
        """Those of one operation, the how-maniest time it ran."""
        assert node.op is not None
        for value in (*node.operands, *_within(node.statics)):
            if not isinstance(value, (np.ndarray, np.generic)) or value.dtype != bool:
                continue
            with np.errstate(all="ignore"):
                away = self.away(value)
            least = float(np.min(away, initial=np.inf))
            if least < np.inf:
                where = node.op.name if node.span is None else condensed(node.span.text)
                count = int(np.count_nonzero(away <= 2 * least))
                yield NearKink("selection", node.span, number, where, least, count, "that of the entries chosen")

    def away(self, value: Any) -> Any:
        """How far a condition is from its other side, entry by entry; infinite where that is not near."""
        origin = self.origins.get(id(value))
        if origin is None:
            return np.array(np.inf)
        if origin.op.name not in _COMPARISONS:
            return reduce(np.minimum, map(self.away, origin.operands), np.array(np.inf))
        a, b = (np.asarray(x, dtype=np.float64) for x in origin.operands)
        away = np.where(_apart(a, b) <= NARROW * (np.abs(a) + np.abs(b)), _apart(a, b), np.inf)
        return away if np.any(away < np.inf) and self.moves(origin) else np.array(np.inf)

    def moves(self, origin: Origin) -> bool:
        """Whether what is compared depends on an input that is differentiated by."""
        below = nodes_below([p for p in origin.parents if p is not None])
        return any(node.id in self.moving for node in below)


def _within(statics: Any) -> Iterator[Any]:
    """What the parameters of an operation are made of."""
    for value in statics:
        if isinstance(value, tuple):
            yield from _within(value)
        else:
            yield value


NARROW = 1e-3  # relative, of conditions
_COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})
