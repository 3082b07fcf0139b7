"""Plain numbers as the program writes them: the counter of a loop, and what is computed from it.

No array holds such a number, so the record has its value alone. How it came about is read off the program: the
expression that stands where the operation has its operand, over the numbers that the names in it had at that time.
What is read off so is taken only if it comes to the values recorded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from ndgrad.errors import Error
from ndgrad.lang import syntax
from ndgrad.lang.derivation_data import Binding
from ndgrad.lang.notation import Term, made, subscripted, term_of
from ndgrad.lang.scalars import OPERATIONS
from ndgrad.lang.values import NUMBERS
from ndgrad.ndarray import NDArray
from ndgrad.ops import lookup
from ndgrad.tape import Node


class Counted:
    """The plain numbers of a run, by name and time."""

    def __init__(self, body: syntax.Body, bindings: Sequence[Binding]) -> None:
        self.written = {id(part.span): part for part in syntax.walk(body) if isinstance(part, WRITTEN)}
        self.numbers: dict[str, tuple[list[int], list[Binding]]] = {}
        self.ids: list[int] = []  # of the nodes that were given names, oldest first, and when they were
        self.times: list[int] = []
        self.end = len(bindings)
        for time, binding in enumerate(bindings):
            value = binding.value
            if value.__class__ in NUMBERS:
                times, numbers = self.numbers.setdefault(binding.name, ([], []))
                times.append(time)
                numbers.append(binding)
            elif isinstance(value, NDArray) and value.node is not None:
                number = value.node.id
                if not self.ids or number > self.ids[-1]:
                    self.ids.append(number)
                    self.times.append(time)

    def read(self, nodes: Sequence[Node], place: int, values: Sequence[Any]) -> tuple[Term, list[list[Binding]]] | None:
        """How the operands in that place, which have these values, are written: a term, and for each name in it the
        numbers that it had. The nodes are of one operation, in several rounds; one value stands for each of them.

        None where the program does not write numbers there.
        """
        written = self.written.get(id(nodes[0].span))
        if written is None or any(node.span is not nodes[0].span for node in nodes):
            return None
        operands = _operands(written)
        if place >= len(operands):
            return None
        times = [self.time(node) for node in nodes]
        found: dict[str, list[Binding]] = {}
        try:
            term = self.term(operands[place], times, found)
        except (Error, ArithmeticError, TypeError, ValueError):
            return None
        if term is None or not found or not _agree(term.value, values):
            return None
        return term, list(found.values())

    def time(self, node: Node) -> int:
        """When the value that the node is a part of got its name."""
        place = bisect_left(self.ids, node.id)
        return self.times[place] if place < len(self.times) else self.end

    def term(self, part: syntax.Expression, times: Sequence[int], found: dict[str, list[Binding]]) -> Term | None:
        """An expression over numbers, with the values that it had at these times; None where it is anything else."""
        match part:
            case syntax.Number():
                return term_of(part.value)
            case syntax.Name():
                column = self.column(part.name, times)
                if column is None:
                    return None
                found[part.name] = column
                values = [binding.value for binding in column]
                return Term(
                    np.array(values) if len(values) > 1 else values[0],
                    name=subscripted(column[0].name, column[0].number),
                )
            case syntax.Unary(operator="-"):
                inside = self.term(part.operand, times, found)
                return None if inside is None else -inside
            case syntax.Binary() if part.operator in OPERATIONS:
                left, right = self.term(part.left, times, found), self.term(part.right, times, found)
                return None if left is None or right is None else made(OPERATIONS[part.operator], left, right)
            case syntax.Call(function=syntax.Name() as function, arguments=(argument,), keywords=()):
                op, inside = lookup(function.name), self.term(argument, times, found)
                return None if inside is None or op is None or not op.elementwise else made(op.name, inside)
        return None

    def column(self, name: str, times: Sequence[int]) -> list[Binding] | None:
        """The numbers that a name had at these times."""
        known = self.numbers.get(name)
        if known is None:
            return None
        places = [bisect_left(known[0], time) - 1 for time in times]
        return None if min(places) < 0 else [known[1][place] for place in places]


WRITTEN = (syntax.Binary, syntax.Call, syntax.Unary, syntax.Augmented)


def _operands(part: syntax.Node) -> tuple[syntax.Expression, ...]:
    match part:
        case syntax.Binary():
            return part.left, part.right
        case syntax.Unary():
            return (part.operand,)
        case syntax.Call():
            return part.arguments
        case syntax.Augmented():
            return part.target, part.value
    return ()


def _agree(value: Any, values: Sequence[Any]) -> bool:
    """Whether an expression came to the numbers recorded."""
    try:
        recorded = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):  # arrays
        return False
    return recorded.ndim == 1 and bool(np.allclose(value, recorded, rtol=1e-6, atol=0, equal_nan=True))
