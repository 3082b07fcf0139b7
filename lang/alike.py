"""Whether the rounds of a loop do the same, told column by column.

A column holds what stands in one place of every round: an operation, a number, a name. Rounds are alike where they
apply the same operations to the same numbers and to values whose names are the same, or go up by the same from round
to round: b₁, b₂, b₃. Columns cost a few looks at each node; expressions, written and compared, a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter, is_, itemgetter
from typing import Any

import numpy as np

from ndgrad.lang.derivation_data import Binding
from ndgrad.lang.notation import Name, Term, is_name, name_of, parts_of
from ndgrad.lang.recorded import Terms
from ndgrad.lang.values import NUMBERS
from ndgrad.tape import Lean, Node

_id, _op, _form = attrgetter("id"), attrgetter("op"), attrgetter("form")
_name, _number = itemgetter(0), itemgetter(1)


AT_ONCE = 300  # rounds: what they hold stays in the processor's cache from one column to the next


def alike(terms: Terms, tops: Sequence[Node]) -> bool:
    """Whether the steps that several rounds have in the same place are alike."""
    while True:
        counted = len(terms.by_name)
        if _alike(terms, tops):
            return True
        if len(terms.by_name) == counted:
            return False  # else a number was found to change that did not in the rounds before


def _alike(terms: Terms, tops: Sequence[Node]) -> bool:
    before: list[int] | None = None
    for first in range(0, len(tops) - 1, AT_ONCE):
        found = columns(terms, tops[first : first + AT_ONCE + 1])  # one round of the next stretch ties it to this
        if found is None:
            return False
        grown = [column[-1].number - column[-2].number if len(column) > 1 else 0 for column in found]
        if before is not None and grown != before:
            return False
        before = grown
    return True


def columns(terms: Terms, tops: Sequence[Node]) -> list[Sequence[Name | Binding]] | None:
    """The names in the steps that several rounds have in the same place, column by column, the steps' own first.

    None where these are not alike. A column of one name is one that all rounds have.
    """
    made: list[Sequence[Name | Binding]] = [[terms.names[node.id] for node in tops]]
    seen: dict[int, Sequence[Node]] = {}
    stack = [tops]
    while stack:
        nodes = stack.pop()
        known = seen.setdefault(nodes[0].id, nodes)
        if known is not nodes:  # one value, used in several places: in all rounds, or in none
            if known != nodes:
                return None
            continue
        op = nodes[0].op
        if len(set(map(_op, nodes))) > 1 or len({form.shape for form in set(map(_form, nodes))}) > 1:
            return None
        if op is None:
            if not _one([terms.leaf_value(node) for node in nodes]):
                return None
            continue
        operands: list[Sequence[Node | None]]
        if set(map(type, nodes)) == {Lean}:
            operands = [[node.p for node in nodes]]
            if op.arity == 2:
                operands.append([node.q for node in nodes])
        else:
            if len({len(node.parents) for node in nodes}) > 1 or not _one([node.statics for node in nodes]):
                return None
            operands = list(map(list, zip(*(node.parents for node in nodes), strict=True)))
        for place, parents in enumerate(operands):
            below = _distinct(parents)
            if not any(below):
                found = _constants(terms, nodes, place)
                if found is None:
                    return None
                made += found
                continue
            if not all(below):
                return None
            if terms.names.keys().isdisjoint(map(_id, below)):
                stack.append(below)
            elif seen.get(below[0].id) != below:
                seen[below[0].id] = below
                names = [name for node in below if (name := terms.names.get(node.id)) is not None]
                if len(names) < len(below):
                    return None
                made.append(names)
    return made if all(map(_regular, made)) else None


def _distinct(values: Sequence[Any]) -> Sequence[Any]:
    """The values, or only the first where all are the same object."""
    first = values[0]
    return values[:1] if first is values[-1] and all(map(is_, values, repeat(first))) else values


def _constants(terms: Terms, nodes: Sequence[Node], place: int) -> list[Sequence[Name | Binding]] | None:
    """The names in operands that have no derivative, column by column; None where the numbers in them are not the
    same."""
    every = [kept[1][place] for node in nodes if (kept := node.kept)]
    values = _distinct(every)
    names = [name for value in values if (name := terms.constants.get(id(value))) is not None]
    if len(names) == len(values):
        return [names]
    by_name = (id(nodes[0].span), place) in terms.by_name
    found = None if by_name or (_are_numbers(values) and not _one(values)) else _parts(terms, values)
    if found is None and terms.counted is not None:
        read = terms.counted.read(nodes, place, every)
        if read is not None:
            terms.by_name.add((id(nodes[0].span), place))
            return list(read[1])
    return found


def _are_numbers(values: Sequence[Any]) -> bool:
    return NUMBERS.issuperset(map(type, values))


def _parts(terms: Terms, values: Sequence[Any]) -> list[Sequence[Name | Binding]] | None:
    """The names in what is written for values; None where that differs otherwise."""
    rows = [list(parts_of(terms.constant(value))) for value in values]
    if len({len(row) for row in rows}) > 1:
        return None
    made: list[Sequence[Name | Binding]] = []
    for parts in zip(*rows, strict=True):
        named = [isinstance(part, Term) and is_name(part.name) for part in parts]
        if all(named):
            made.append([name_of(part.name) for part in parts])
        elif any(named) or not _one([part.value if isinstance(part, Term) else part for part in parts]):
            return None
    return made


def _regular(names: Sequence[Name | Binding]) -> bool:
    """Whether the names are one, with numbers that go up by the same from each to the next."""
    if len(names) == 1:
        return True
    if len(set(map(_name, names))) > 1:
        return False
    numbers = list(map(_number, names))
    step = numbers[1] - numbers[0]
    if step == 0:
        return numbers.count(numbers[0]) == len(numbers)
    return numbers == list(range(numbers[0], numbers[0] + step * len(numbers), step))


def _one(values: Sequence[Any]) -> bool:
    first = values[0]
    return all(_same(first, value) for value in values)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.shape(a) == np.shape(b) and bool(np.all(np.equal(a, b)))
    try:
        return bool(a == b)
    except (TypeError, ValueError):
        return False
