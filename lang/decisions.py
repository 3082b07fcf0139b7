"""The decisions of a round that is traced: conditions as clauses, the branches they choose, and the record of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ndgrad.errors import Span
from ndgrad.lang import syntax
from ndgrad.lang.conditions import KEPT, Compared, Path
from ndgrad.lang.kinds import Refused, bare
from ndgrad.lang.rerun import Slot
from ndgrad.lang.scalars import COMPARISONS
from ndgrad.lang.values import Frame
from ndgrad.namespace import PLAIN
from ndgrad.ndarray import NDArray, plain
from ndgrad.ops import lookup
from ndgrad.plans import replaced
from ndgrad.plans.rounds import Clause, Guard, RoundTrace
from ndgrad.plans.tracing import Placeholder, Reg, Step
from ndgrad.primitive import Primitive

if TYPE_CHECKING:
    from ndgrad.lang.interpreter import Compiler


class Tracer:
    """Decides the branches of a round that is traced, as the round itself would decide them; `guards` tells how."""

    def __init__(self, trace: RoundTrace, leaves: dict[int, tuple[Slot, Any]]) -> None:
        self.trace = trace
        self.leaves = leaves
        self.values: dict[int, Any] = {}
        self.done = 0
        self.guards: list[tuple[Guard, Span]] = []

    def decides(self, compiler: Any, node: syntax.Expression, f: Frame) -> bool:
        clause = clause_of(compiler, node)(f)
        at = len(self.trace.steps)
        self.values.update({r: bare(value) for r, (_, value) in self.leaves.items() if r not in self.values})
        for step in self.trace.steps[self.done : at]:
            self.compute(step)
        self.done = at
        outcome = self.holds(clause)
        self.guards.append((Guard(at, clause, outcome), node.span))
        return outcome

    def compute(self, step: Step) -> None:
        assert isinstance(step.op, Primitive)
        operands = [self.read(x) for x in step.operands]
        function = self.trace.numbers.get(step.results[0])
        if function is not None:
            self.values[step.results[0]] = function(*operands)
            return
        statics = replaced(step.statics, self.read)
        made = step.op.value(PLAIN, *([tuple(operands)] if step.op.variadic else operands), *statics)
        several = made if step.op.outputs > 1 or made.__class__ in (tuple, list) else (made,)
        self.values.update(zip(step.results, several, strict=True))

    def read(self, x: Any) -> Any:
        return self.values[x.number] if x.__class__ is Reg else x

    def holds(self, clause: Clause) -> bool:
        if clause.sign in ("and", "chain"):
            return all(self.holds(part) for part in clause.parts)
        if clause.sign == "or":
            return any(self.holds(part) for part in clause.parts)
        if clause.sign == "not":
            return not self.holds(clause.parts[0])
        values = [self.read(x) for x in clause.parts]
        return bool(COMPARISONS[clause.sign](*values) if clause.sign else values[0])


def is_noted(path: Path, guard: Guard, span: Span) -> bool:
    """Whether this decision has been noted so often that it is only counted."""
    seen = path.places.get(id(span))
    return seen is not None and seen[0] >= KEPT and seen[1 + guard.outcome] is not None


def record_of(clause: Clause, ends: list[Any], before: int) -> Callable[[list[Any]], tuple[bool, Any]]:
    """Adds what a decision compares to the ends; gives what makes of all values what `conditions` makes of it."""

    def place(value: Any) -> int:
        ends.append(value)
        return before + len(ends) - 1

    if clause.sign in ("and", "or"):
        parts = [record_of(part, ends, before) for part in clause.parts]
        stop = clause.sign == "or"

        def logical(values: list[Any]) -> tuple[bool, Any]:
            seen, taken = [], not stop
            for part in parts:
                taken, compared = part(values)
                seen.append(compared)
                if taken is stop:
                    break
            return taken, (f" {clause.sign} ", seen)

        return logical
    if clause.sign == "not":
        inside = record_of(clause.parts[0], ends, before)

        def negated(values: list[Any]) -> tuple[bool, Any]:
            taken, compared = inside(values)
            return not taken, ("not ", compared)

        return negated
    if not clause.sign:
        only = place(clause.parts[0])
        return lambda values: (bool(plain(values[only])), values[only])
    signs = tuple([part.sign for part in clause.parts])
    places = [place(x) for x in (clause.parts[0].parts[0], *(part.parts[1] for part in clause.parts))]

    def chain(values: list[Any]) -> tuple[bool, Any]:
        seen, taken = [values[places[0]]], True
        for sign, i in zip(signs, places[1:], strict=True):
            seen.append(values[i])
            taken = bool(COMPARISONS[sign](plain(seen[-2]), plain(seen[-1])))
            if not taken:
                break
        return taken, Compared(signs, seen)

    return chain


def clause_of(compiler: Compiler, node: syntax.Expression) -> Callable[[Frame], Clause]:
    """The function that traces a condition."""
    if isinstance(node, syntax.Logical) and any(map(_decides, node.operands[1:])):
        return _refused
    if isinstance(node, syntax.Comparison) and any(map(_decides, node.operands[2:])):
        return _refused
    if isinstance(node, syntax.Logical):
        parts = [clause_of(compiler, part) for part in node.operands]
        return lambda f: Clause(node.operator, tuple([part(f) for part in parts]))
    if isinstance(node, syntax.Not):
        inside = clause_of(compiler, node.operand)
        return lambda f: Clause("not", (inside(f),))
    if isinstance(node, syntax.Comparison):
        operands = [compiler.compile(part) for part in node.operands]

        def compared(f: Frame) -> Clause:
            values = [_one(operand(f)) for operand in operands]
            pairs = zip(node.operators, values, values[1:], strict=False)
            return Clause("chain", tuple([Clause(sign, (a, b)) for sign, a, b in pairs]))

        return compared
    value = compiler.compile(node)
    return lambda f: Clause("", (_one(value(f)),))


def _decides(node: syntax.Expression) -> bool:
    """Whether there may be decisions in an operand, which are none where the operand is not come to."""
    calls = (part for part in syntax.walk(node) if isinstance(part, syntax.Call))
    return any(isinstance(part, syntax.Conditional) for part in syntax.walk(node)) or any(
        not isinstance(call.function, syntax.Attribute)
        and (not isinstance(call.function, syntax.Name) or lookup(call.function.name) is None)
        for call in calls
    )


def _refused(f: Frame) -> Clause:
    raise Refused


def _one(value: Any) -> Any:
    """A value that a condition compares: one number. Refused otherwise."""
    if isinstance(value, Placeholder) and value.size == 1:
        return Reg(value.register)
    if value.__class__ in (int, float, bool):
        return value
    if value.__class__ is NDArray and value.size == 1:
        return value._data
    raise Refused
