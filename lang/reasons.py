"""Why an entry of a gradient is what it is: zero, nan, infinite, or as large as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.errors import Error, Span
from ndgrad.frozen import Frozen
from ndgrad.lang import syntax
from ndgrad.lang.builtins import builtin
from ndgrad.lang.conditions import condensed, text_of
from ndgrad.lang.cures import COMPARED, LOSSES, Blamed, cure
from ndgrad.lang.influence import Influence, first_entry, largest_entry
from ndgrad.lang.kept import Kept, kept
from ndgrad.lang.kinks import concerns, distance
from ndgrad.lang.losses import Loss, losing
from ndgrad.lang.scalars import OPERATIONS
from ndgrad.lang.values import shown_shape
from ndgrad.ndarray import NDArray, plain
from ndgrad.primitive import NoDerivative
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

MOST = 5  # reasons of one kind
# What does not carry the value of an array: its loss is no news.
HARMLESS = frozenset(
    ("shape", "ndim", "size", "dtype", "len", "print", "zeros_like", "ones_like", "full_like", "shuffle")
)
SIGNS = frozenset(("<", "<=", ">", ">=", "==", "!="))


class Reason(Frozen):
    """An operation that made an entry of the gradient what it is.

    kind       flat, kink, saturated, stationary, multiplied by 0, not gathered, overwritten, not chosen, stopped,
               a choice, branch, unused, cancels, head, derivative, value
    text       what happened, in words
    expression, span, round   the operation as written, where, and the how-maniest time it ran there
    operands   (name, value) at the entry; derivative, its own there
    cure       what to write instead, None where there is nothing to cure
    """

    kind: str
    text: str
    expression: str
    span: Span | None
    round: int
    operands: tuple[tuple[str, float], ...]
    derivative: float | None
    cure: str | None


class Step(Frozen):
    """A factor on the way back from the output: the derivative of one operation, or of one in several rounds.

    factor   the product over the rounds; operands, at the entry, in the round that comes last in the run
    adjoint  what has come of the head behind it
    """

    expression: str
    span: Span | None
    rounds: int
    factor: float
    operands: tuple[tuple[str, float], ...]
    adjoint: float


class Why(Frozen):
    """Why the derivative of `of` by the entry `at` of `wrt` is `value`.

    verdict   zero, nan, inf or finite; point, the value of the input there
    reasons   the operations that made it so, in the order of the run
    path      the factors along the way that gives most of it, from the output back (where it is finite)
    share     how much of the value that way gives
    """

    of: str
    wrt: str
    at: tuple[int, ...]
    point: float
    value: float
    verdict: str
    reasons: tuple[Reason, ...]
    path: tuple[Step, ...]
    share: float


def why(
    program: Program,
    name: str,
    at: tuple[int, ...] | None = None,
    inputs: Mapping[str, Any] | None = None,
    **options: Any,
) -> Why:
    """Why the entry `at` of the gradient by `name` is what it is; unless given, one that is not finite, or the largest.

    options: head, of, dtype, seed, train and the limits of `Program.run`. IndexError for no such entry; else as a run.
    """
    losses: list[Loss] = []
    run = kept(program, inputs or {}, [name], compiler=losing(losses), **options)
    return _Question(program, run, name, at, losses).answer()


class _Question:
    """One entry of one gradient."""

    def __init__(self, program: Program, run: Kept, name: str, at: tuple[int, ...] | None, losses: list[Loss]) -> None:
        self.program = program
        self.kept = run
        self.name = name
        self.losses = losses
        gradient = np.asarray(run.result.grads[name])
        if at is None:
            at = largest_entry(gradient) if gradient.size else (0,)
        if len(at) != gradient.ndim or any(not -n <= i < n for i, n in zip(at, gradient.shape, strict=True)):
            shape = shown_shape(gradient.shape)
            raise IndexError(
                f"the gradient by `{name}` has no such entry: {'its shape is ' if at else 'it is '}{shape}"
            )
        self.at = tuple(i % n for i, n in zip(at, gradient.shape, strict=True))
        self.value = float(gradient[self.at])
        self.way = Influence(run, name, self.at)

    def answer(self) -> Why:
        verdict = "zero" if self.value == 0 else "finite" if isfinite(self.value) else "nan"
        if verdict == "nan" and self.value == self.value:
            verdict = "inf"
        path: tuple[Step, ...] = ()
        share = 0.0
        if verdict == "zero":
            reasons = list(self.zeros())
        elif verdict == "finite":
            path, share = self.factors()
            reasons = list(self.cancelled())
        else:
            reasons = list(self.broken())
        if verdict != "nan" and verdict != "inf" and self.way.output is not None:
            origin, _ = self.origin(self.way.output)
            reasons += [origin] if origin is not None else []
        point = float(np.asarray(plain(self.kept.variables[self.name]))[self.at])
        return Why(self.kept.of, self.name, self.at, point, self.value, verdict, tuple(reasons), path, share)

    # Zeros

    def zeros(self) -> Iterator[Reason]:
        """Every operation at which a change of the entry comes to nothing; where none does, what it goes into."""
        found = [*self.blocked()]
        # Entries that are read one by one are left out everywhere but once: that is no news where there is more to say.
        yield from _distinct([r for r in found if r.kind != "not gathered"] or found)
        if self.way.reaches:
            yield from self.at_the_end()
            yield from _distinct([*self.lost(conditions=False)])
            return
        others = [*_distinct([*self.lost(conditions=True)]), *_distinct([*self.skipped()])] or [*self.dead_ends()]
        yield from others
        if not others:
            read = self.name in self.program.checked.read
            text = f"`{self.kept.of}` does not come from `{self.name}`" if read else f"nothing reads `{self.name}`"
            declared = self.program.checked.inputs.get(self.name)
            span = None if declared is None else declared.span
            yield Reason("unused", text, self.name, span, 1, (), None, None)

    def blocked(self) -> Iterator[Reason]:
        for node in self.way.steps:
            if node.op is OUTPUT or _moves(self.way.change[node.id]):
                continue
            for i, parent in enumerate(node.parents):
                if parent is not None and _moves(self.way.change.get(parent.id)):
                    yield self.flat(node, i, self.way.change[parent.id])

    def flat(self, node: Node, operand: int, change: Any) -> Reason:
        """Why an operation whose operand moves does not move itself."""
        op = node.op
        assert op is not None
        parts = change if isinstance(change, tuple) else (change,)
        moved = np.not_equal(parts[0], 0) if len(parts) == 1 else np.ones((), bool)
        entry = first_entry(moved)
        values = [(name, self.beside(node, operand, i, entry)) for i, (name, _) in enumerate(self.way.operands(node))]
        kind, text, derivative = self.flatness(node, operand, entry, dict(values))
        span = self.way.places.get(node.id)
        blamed = Blamed(node, span, operand, tuple(v for _, v in values), True, False)
        curable = kind in ("flat", "kink", "not chosen", "outside")
        return Reason(
            kind,
            text,
            self.expression(node),
            span,
            self.way.rounds.get(node.id, 1),
            self.labelled(node, values),
            derivative,
            cure(blamed) if curable else None,
        )

    def flatness(
        self, node: Node, operand: int, entry: tuple[int, ...], values: dict[str, float | None]
    ) -> tuple[str, str, float | None]:
        """The kind of a zero derivative, in words, and the derivative."""
        op = node.op
        assert op is not None
        names = list(values)
        own = values.get(names[operand]) if operand < len(names) else None
        rule = op.partials[operand] if op.partials is not None else None
        if op.name == "written":
            return "overwritten", "the entry is overwritten here", 0.0
        if op.name in ("index", "slice", "take", "gather", "take_along_axis"):
            return "not gathered", "the entry is not among those that are taken here", 0.0
        if op.name == "where":
            return "not chosen", "`where` takes the other side here", 0.0
        if rule is not None and not isinstance(rule, NoDerivative) and not rule.__code__.co_argcount:
            return "flat", f"`{op.name}` is constant between its steps, so its derivative is 0", 0.0
        for kink in op.kinks:
            away = distance(node, kink) if concerns(node, kink) else None
            if away is not None and np.shape(away) == node.shape and np.any(away == 0):
                at_kink = self.beside_shape(away, node, operand, entry)
                if at_kink == 0 and not (op.selects and op.name == "clip"):
                    return "kink", f"`{op.name}` has a kink at {kink.where}; its derivative there is {kink.value}", 0.0
        if op.name == "clip":
            return "outside", "the value lies outside the bounds of `clip`, where it is constant", 0.0
        if op.name in ("maximum", "minimum"):
            return "not chosen", f"the other operand is the {op.name} here", 0.0
        if op.name in ("max", "min"):
            return "not chosen", f"another entry is the {op.name} here", 0.0
        if op.selects:
            return "flat", f"`{op.name}` is flat here, its derivative is 0", 0.0
        others = [v for i, v in enumerate(values.values()) if i != operand]
        if op.name in ("multiply", "divide") and any(v == 0 for v in others):
            return "multiplied by 0", "the other operand is 0 here", 0.0
        if op.linear == "each":
            return "multiplied by 0", "everything that it is multiplied with here is 0", 0.0
        if op.partials is not None and own is not None:
            if own == 0:
                return "stationary", "the derivative is 0 at this point", 0.0
            if abs(own) > 10:
                return "saturated", f"`{op.name}` is saturated here: its derivative is too small for a number", 0.0
            return "stationary", "the derivative is 0 at this point", 0.0
        if op.linear == "jointly":
            text = (
                "the changes of what goes into it cancel"
                if op.name in ("sum", "mean")
                else "the entry is left out here"
            )
            return ("cancels" if op.name in ("sum", "mean") else "not gathered"), text, 0.0
        return "stationary", f"the derivative of `{op.name}` by this entry is 0", 0.0

    def beside(self, node: Node, operand: int, other: int, entry: tuple[int, ...]) -> float | None:
        """An operand beside the entry of another one, in elementwise operations; only its own entry in others."""
        assert node.op is not None
        if other == operand:
            return self.way.there(node.operands[operand], node.operands[operand], entry)
        if not node.op.elementwise:
            return None
        at = self.output_entry(node, operand, entry)
        return self.way.there(node.operands[other], np.empty(node.shape), at)

    def output_entry(self, node: Node, operand: int, entry: tuple[int, ...]) -> tuple[int, ...]:
        """The first entry of an elementwise result that an operand's entry goes into."""
        mask = np.zeros(np.shape(node.operands[operand]), bool)
        mask[entry] = True
        return first_entry(np.broadcast_to(mask, node.shape))

    def beside_shape(self, away: Any, node: Node, operand: int, entry: tuple[int, ...]) -> float:
        assert node.op is not None
        return float(away[self.output_entry(node, operand, entry)]) if node.op.elementwise else float(np.min(away))

    def at_the_end(self) -> Iterator[Reason]:
        """Where the entry moves the output, though not ⟨head, output⟩."""
        assert self.way.output is not None
        change = self.way.change[self.way.output.id]
        if not _moves(change):
            return
        moved = np.not_equal(change, 0)
        head = np.broadcast_to(self.kept.head, np.shape(change))
        if not np.any(head[moved]):
            text = "the head is 0 wherever the output moves with it"
            yield Reason("head", text, self.kept.of, self.kept.span, 1, (), None, None)
        else:
            yield self.cancelling(change * head)

    def cancelled(self) -> Iterator[Reason]:
        """Where the ways to a tiny number nearly cancel."""
        assert self.way.output is not None
        terms = self.way.change[self.way.output.id] * self.kept.head
        if np.abs(np.sum(terms)) < 1e-9 * np.sum(np.abs(terms)):
            yield self.cancelling(terms)

    def cancelling(self, terms: Any) -> Reason:
        up, down = float(np.sum(terms[terms > 0])), float(np.sum(terms[terms < 0]))
        text = f"the entries of `{self.kept.of}` move by {up:.4g} and {down:.4g} in all, which cancels"
        hint = "a head that weighs them differently: --head, or --of for one of them"
        return Reason("cancels", text, self.kept.of, self.kept.span, 1, (), None, hint)

    # Without a history

    def lost(self, conditions: bool) -> Iterator[Reason]:
        """The expressions that take what depends on the entry's input and give what has no history."""
        for loss in self.losses:
            if loss.name in HARMLESS or not any(node.id in self.dependent for node in loss.nodes):
                continue
            compared = loss.name in SIGNS
            if compared and not conditions:
                continue
            values = tuple((text, v) for text, x in loss.values if (v := _number(x)) is not None)
            kind, text, instead = _loss_words(loss, compared)
            yield Reason(kind, text, condensed(loss.span.text), loss.span, loss.round, values, None, instead)
        if conditions:
            yield from self.decided()

    def decided(self) -> Iterator[Reason]:
        """The conditions that the input decides. What they compute is not recorded, so names tell."""
        conditions: dict[int, syntax.Expression] = {}
        for node in syntax.walk(self.program.body):
            match node:
                case syntax.Branch(condition=test) | syntax.While(condition=test) | syntax.Conditional(condition=test):
                    conditions[id(test.span)] = test
        for step in self.kept.state.path.passes:
            decided = conditions.get(id(step.span))
            if decided is None or not any(part.name in self.carriers for part in _names((decided,))):
                continue
            what = "how many rounds the loop makes" if step.kind == "while" else "which branch is taken"
            text = f"it decides {what} ({text_of(step.compared)}), and a decision has no derivative"
            yield Reason("a choice", text, condensed(step.span.text), step.span, 1, (), None, COMPARED)

    @cached_property
    def carriers(self) -> set[str]:
        """The names that stand for the input, or for what comes from it: variables, and parameters of functions."""
        names = {b.name for b in self.kept.bindings if self.depends(b.value)} | {self.name}
        functions = [node for node in syntax.walk(self.program.body) if isinstance(node, syntax.Define)]
        return names | {parameter.name for function in functions for parameter in function.parameters}

    @cached_property
    def dependent(self) -> set[int]:
        """The ids of all nodes that depend on the input, on the way to the output or not."""
        root = self.way.variable.id
        values = [b.value.node for b in self.kept.bindings if isinstance(b.value, NDArray) and b.value.node is not None]
        roots = [*values, *(node for loss in self.losses for node in loss.nodes)]
        found = {root}
        for node in reversed(nodes_below(roots, root)):
            if any(p is not None and p.id in found for p in node.parents):
                found.add(node.id)
        return found

    def skipped(self) -> Iterator[Reason]:
        """The branches not taken that read what depends on the input."""
        taken = {id(p.span): p for p in self.kept.state.path.passes if p.kind == "if"}
        for node in syntax.walk(self.program.body):
            blocks: list[tuple[Span, bool, tuple[syntax.Node, ...]]] = []
            if isinstance(node, syntax.If):
                blocks = [(b.condition.span, True, b.body) for b in node.branches]
                blocks.append((node.branches[0].condition.span, False, node.otherwise))
            elif isinstance(node, syntax.Conditional):
                blocks = [(node.condition.span, True, (node.then,)), (node.condition.span, False, (node.otherwise,))]
            for span, side, body in blocks:
                step = taken.get(id(span))
                reads = [part for part in _names(body) if part.name in self.carriers]
                if step is None or step.taken is side or not reads:
                    continue
                compared = text_of(step.compared)
                shown = f" ({compared})" if compared not in ("True", "False") else ""
                said = f"the condition is {'true' if step.taken else 'false'}{shown}"
                text = f"{said}, so line {reads[0].span.line}, which reads `{reads[0].name}`, did not run"
                yield Reason("branch", text, condensed(span.text), span, 1, (), None, None)

    def depends(self, value: Any) -> bool:
        return isinstance(value, NDArray) and value.node is not None and value.node.id in self.dependent

    def dead_ends(self) -> Iterator[Reason]:
        """The last values that come from the input, and that the output does not come from."""
        node = self.kept.output.node
        history = set() if node is None else {n.id for n in nodes_below([node])}
        made = [b for b in self.kept.bindings if self.depends(b.value) and b.value.node.id != self.way.variable.id]
        ends = [b for b in made if b.value.node.id not in history][-1:]
        for binding in ends:
            later = [b for b in self.kept.bindings if b.name == binding.name and b.number > binding.number]
            line = (
                ""
                if not later or later[0].span is None
                else f"line {later[0].span.line} gives `{binding.name}` another"
            )
            end = f"{line} value" if line else f"`{self.kept.of}` does not come from it"
            text = f"`{binding.name}` comes from it here, but {end}"
            kind = "overwritten" if line else "unused"
            said = f"{binding.name} = {binding.expression}" if binding.expression else binding.name
            yield Reason(kind, text, said, binding.span, 1, (), None, None)

    # Not finite

    def broken(self) -> Iterator[Reason]:
        """The first operation of the way back that makes an adjoint not finite, and the value behind it, if one is."""
        for node, g, shares in self.way.arrivals:
            reach = self.way.reach.get(node.id)
            if reach is None or _broken(g, reach):
                if reach is not None and node.id == getattr(self.way.output, "id", None):
                    text = "the head is not finite"
                    yield Reason("head", text, self.kept.of, self.kept.span, 1, (), None, None)
                    return
                continue
            for i, parent in enumerate(node.parents):
                if parent is None or parent.id not in shares or parent.id not in self.way.reach:
                    continue
                share = shares[parent.id]
                bad = ~np.isfinite(share) & self.way.reach[parent.id]
                if np.any(bad):
                    yield from self.blamed(node, i, first_entry(bad), share)
                    return

    def blamed(self, node: Node, operand: int, entry: tuple[int, ...], share: Any) -> Iterator[Reason]:
        origin, source = self.origin(node)
        if origin is not None:
            yield origin
            if source is node:
                return
        values = [(name, self.beside(node, operand, i, entry)) for i, (name, _) in enumerate(self.way.operands(node))]
        assert node.op is not None
        span = self.way.places.get(node.id)
        derivative = self.local(node, operand, entry, share)
        word = _word(float(np.asarray(share)[entry]))
        said = (
            f"the derivative of `{node.op.name}` is {_word(derivative)} here"
            if derivative is not None
            else (f"the derivative of `{node.op.name}` gives {word} here")
        )
        if origin is not None:
            said += ", since its operands or its value are not finite"
        blamed = Blamed(node, span, operand, tuple(v for _, v in values), False, False)
        yield Reason(
            "derivative",
            said,
            self.expression(node),
            span,
            self.way.rounds.get(node.id, 1),
            self.labelled(node, values),
            derivative,
            None if origin is not None else cure(blamed),
        )

    def local(self, node: Node, operand: int, entry: tuple[int, ...], share: Any) -> float | None:
        """The derivative of an elementwise operation by an operand at an entry."""
        assert node.op is not None
        if not node.op.elementwise:
            return None
        at = self.output_entry(node, operand, entry)
        g = float(np.broadcast_to(np.asarray(self.way.adjoint[node.id], np.float64), node.shape)[at])
        return float(np.asarray(share, np.float64)[entry]) / g if g else None

    def origin(self, node: Node) -> tuple[Reason | None, Node | None]:
        """The first operation whose value is not finite though its operands are, if one makes this one so."""
        if all(map(_finite, (node.value, *node.operands))):
            return None, None
        for one in reversed(nodes_below([node])):
            if one.op is None or one.op is OUTPUT or _finite(one.value) or not all(map(_finite, one.operands)):
                continue
            parts = one.value if isinstance(one.value, tuple) else (one.value,)
            bad = next(part for part in parts if not _finite(part))
            entry = first_entry(~np.isfinite(bad))
            values = [
                (name, self.way.there(x, bad, entry) if one.op.elementwise else None)
                for name, x in self.way.operands(one)
            ]
            span = self.way.places.get(one.id)
            blamed = Blamed(one, span, 0, tuple(v for _, v in values), False, True)
            word = _word(float(np.asarray(bad)[entry]))
            place = f" at {list(entry)}" if entry else ""
            reason = Reason(
                "value",
                f"the value of `{one.op.name}` is {word}{place}",
                self.expression(one),
                span,
                self.way.rounds.get(one.id, 1),
                self.labelled(one, values),
                None,
                self.cure_further(one) or cure(blamed),
            )
            return reason, one
        return None, None

    def cure_further(self, node: Node) -> str | None:
        """A cure for what the value of an operation goes into: log, or a quotient."""
        for _ in range(4):
            user = next((step for step in self.way.steps if node in step.parents), None)
            if user is None or user.op is None:
                return None
            node = user
            if user.op.name in ("log", "log1p", "divide"):
                unknown = tuple(None for _ in user.operands)
                found = cure(Blamed(user, self.way.places.get(user.id), 0, unknown, False, True))
                if found is not None:
                    return found
        return None

    # Factors

    def factors(self) -> tuple[tuple[Step, ...], float]:
        """The way back that gives most, factor by factor, and how much of the gradient it gives."""
        node = self.way.output
        assert node is not None
        entry = largest_entry(self.way.change[node.id] * self.kept.head)
        adjoint = float(np.broadcast_to(self.kept.head, node.shape)[entry])
        made: list[Step] = []
        while node.id != self.way.variable.id:
            best: tuple[float, Node, int] | None = None
            for i, parent in enumerate(node.parents):
                if parent is None or parent.id not in self.way.shares.get(node.id, {}):
                    continue
                share = self.way.shares[node.id][parent.id]
                change = self.way.change.get(parent.id)
                if change is None or isinstance(change, tuple):
                    size = 1.0
                else:
                    size = float(abs(np.sum(share * change)))
                if best is None or size > best[0]:
                    best = size, parent, i
            if best is None:
                break
            _, parent, i = best
            share = self.way.shares[node.id][parent.id]
            change = self.way.change.get(parent.id)
            to = largest_entry(share if change is None or isinstance(change, tuple) else share * change)
            g = self.way.adjoint[node.id]
            here = (
                None
                if isinstance(g, (list, tuple))
                else float(np.broadcast_to(np.asarray(g, np.float64), node.shape)[entry])
            )
            factor = float(share[to]) / here if here else 1.0
            adjoint *= factor
            if node.op is not OUTPUT:
                values = [(n, self.beside(node, i, k, to)) for k, (n, _) in enumerate(self.way.operands(node))]
                known = self.labelled(node, values)
                made.append(Step(self.expression(node), self.way.places.get(node.id), 1, factor, known, adjoint))
            node, entry = parent, to
        return tuple(_folded(made)), adjoint / self.value

    # Words

    def expression(self, node: Node) -> str:
        """An operation as it is written, shortened."""
        span = self.way.places.get(node.id)
        assert node.op is not None
        if span is None:
            return node.op.name
        text = condensed(span.text)
        return text if len(text) <= 48 else f"{text[:47]}…"

    def labelled(self, node: Node, values: list[tuple[str, float | None]]) -> tuple[tuple[str, float], ...]:
        """The operands that have a value, as the program writes them; numbers that it writes are left out."""
        span = self.way.places.get(node.id)
        written = None if span is None else operands_of(span.text, node)
        labels = written or [name for name, _ in values]
        known = [(label, v) for label, (_, v) in zip(labels, values, strict=False) if v is not None]
        return tuple((label, v) for label, v in known if not _is_number(label))


def operands_of(text: str, node: Node) -> list[str] | None:
    """How the operands of an operation are written, None where `text` is not that operation itself."""
    from ndgrad.lang import compile

    assert node.op is not None
    try:
        (statement,) = compile(text).body.statements
    except (Error, ValueError):
        return None
    match getattr(statement, "value", None):
        case syntax.Binary(operator=sign, left=left, right=right) if OPERATIONS.get(sign) == node.op.name:
            return [condensed(left.span.text), condensed(right.span.text)]
        case syntax.Call(function=syntax.Name(name=name), arguments=given) if (
            getattr(builtin(name), "name", "") == node.op.name
        ):
            return [condensed(part.span.text) for part in given]
        case syntax.Call(function=syntax.Attribute(value=value, name=name), arguments=given) if name == node.op.name:
            return [condensed(part.span.text) for part in (value, *given)]
    return None


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def _loss_words(loss: Loss, compared: bool) -> tuple[str, str, str | None]:
    if compared:
        return "a choice", "a comparison is true or false, and has no derivative", COMPARED
    if loss.name in ("stop_gradient", "detach"):
        return "stopped", f"`{loss.name}` keeps the gradient back", LOSSES[loss.name]
    if loss.name == "range":
        return "a choice", "it is a number of rounds here, which has no derivative", None
    if loss.name == "index":
        return "integer", "it says which entry is taken here, and a place has no derivative", None
    if loss.name in ("int", "astype", "bool"):
        return "integer", "it becomes an integer here, which has no derivative", None
    return "integer", f"`{loss.name}` has no derivative", LOSSES.get(loss.name)


def _folded(steps: list[Step]) -> Iterator[Step]:
    """Steps that change nothing left out, those of one place as one."""
    found: dict[Any, Step] = {}
    for step in steps:
        key = step.expression, step.span
        if key in found:
            held = found.pop(key)
            step = Step(
                held.expression, held.span, held.rounds + 1, held.factor * step.factor, held.operands, step.adjoint
            )
        found[key] = step
    return (step for step in found.values() if step.factor != 1)


def _distinct(reasons: list[Reason]) -> Iterator[Reason]:
    """One reason for each kind at each place, the first that there is."""
    seen: set[Any] = set()
    for reason in reasons:
        key = reason.kind, reason.span, reason.expression
        if key not in seen and len(seen) < MOST:
            seen.add(key)
            yield reason


def _names(body: tuple[syntax.Node, ...]) -> list[syntax.Name]:
    return [part for node in body for part in syntax.walk(node) if isinstance(part, syntax.Name)]


def _moves(change: Any) -> bool:
    parts = change if isinstance(change, tuple) else (change,)
    return any(part is not None and bool(np.any(part)) for part in parts)


def _broken(g: Any, reach: Any) -> bool:
    parts = g if isinstance(g, (list, tuple)) else (g,)
    masks = reach if isinstance(reach, tuple) else (reach,)
    return any(
        part is not None and bool(np.any(~np.isfinite(np.asarray(plain(part))) & mask))
        for part, mask in zip(parts, masks, strict=True)
    )


def _finite(value: Any) -> bool:
    parts = value if isinstance(value, (tuple, list)) else (value,)
    arrays = [np.asarray(part) for part in parts if part is not None]
    return all(bool(np.isfinite(x).all()) for x in arrays if x.dtype.kind == "f")


def _number(value: Any) -> float | None:
    data = np.asarray(plain(value)) if isinstance(value, NDArray) else value
    if isinstance(data, (bool, int, float)):
        return float(data)
    return float(data) if isinstance(data, np.ndarray) and data.ndim == 0 and data.dtype.kind in "fiub" else None


def _word(value: float | None) -> str:
    return "nan" if value is None or value != value else f"{value:.6g}"
