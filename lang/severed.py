"""Why an output does not depend on an input at all: what was lost, decided, skipped or left behind on the way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from ndgrad.errors import Span
from ndgrad.lang import syntax
from ndgrad.lang.conditions import condensed, text_of
from ndgrad.lang.cures import COMPARED, LOSSES
from ndgrad.lang.losses import Loss
from ndgrad.lang.question import Question, Reason, everything, indexed, is_number, number_at
from ndgrad.ndarray import NDArray, plain
from ndgrad.sweep import nodes_below

# What does not carry the value of an array: its loss is no news.
HARMLESS = frozenset(
    ("shape", "ndim", "size", "dtype", "len", "print", "zeros_like", "ones_like", "full_like", "shuffle")
)
SIGNS = frozenset(("<", "<=", ">", ">=", "==", "!="))


class Severed:
    """The places at which a run leaves what depends on the input."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.kept = question.kept
        self.program = question.program

    def reasons(self) -> Iterator[Reason]:
        """Whatever ends the way from the input, the plainest first."""
        found = [*self.lost(), *self.skipped()]
        told = {reason.span for reason in found}
        found += [reason for reason in self.decided() if reason.span not in told]
        yield from found or self.constants() or self.dead_ends() or [self.unused()]

    def lost(self) -> Iterator[Reason]:
        """The expressions that take what depends on the input and give what has no history."""
        for loss in self.losses:
            if loss.name in SIGNS:
                yield self._lost(loss, "a choice", "a comparison is true or false, and has no derivative", COMPARED)
            elif not loss.call:
                yield self._without_derivative(loss)

    def beside(self) -> Iterator[Reason]:
        """The same where the output depends on the input in other ways: comparisons are no news then."""
        return (self._without_derivative(loss) for loss in self.losses if loss.name not in SIGNS and not loss.call)

    @property
    def losses(self) -> Iterator[Loss]:
        return (
            loss
            for loss in self.question.losses
            if loss.name not in HARMLESS and any(node.id in self.dependent for node in loss.nodes)
        )

    def _without_derivative(self, loss: Loss) -> Reason:
        instead = LOSSES.get(loss.name)
        if loss.name in ("stop_gradient", "detach"):
            return self._lost(loss, "stopped", f"`{loss.name}` keeps the gradient back", instead)
        if loss.name == "range":
            return self._lost(loss, "a choice", "it is a number of rounds here, which has no derivative", None)
        if loss.name == "index":
            return self._lost(loss, "integer", "it says which entry is taken, and a place has no derivative", None)
        if loss.name in ("int", "astype", "bool"):
            return self._lost(loss, "integer", "it becomes an integer here, which has no derivative", None)
        return self._lost(loss, "integer", f"`{loss.name}` has no derivative", instead)

    def _lost(self, loss: Loss, kind: str, text: str, cure: str | None) -> Reason:
        values: dict[str, float] = {}
        for label, x in loss.values:
            data = plain(x) if isinstance(x, NDArray) else x
            if isinstance(x, (NDArray, bool, int, float)) and not is_number(label):
                value = number_at(data, at := self.question.at) if isinstance(x, NDArray) and x.ndim else None
                value, at = (number_at(data, ()), ()) if value is None else (value, at)
                if value is not None:
                    values[indexed(label, at)] = value
        return Reason(kind, text, condensed(loss.span.text), loss.span, loss.round, tuple(values.items()), None, cure)

    def decided(self) -> Iterator[Reason]:
        """The conditions that the input decides. What they compute is not recorded, so names tell."""
        conditions: dict[int, syntax.Expression] = {}
        for node in everything(self.program.body):
            match node:
                case syntax.Branch(condition=test) | syntax.While(condition=test) | syntax.Conditional(condition=test):
                    conditions[id(test.span)] = test
        for step in self.kept.state.path.passes:
            decided = conditions.get(id(step.span))
            if decided is None or not any(part.name in self.carriers for part in _names((decided,))):
                continue
            what = "how many rounds the loop makes" if step.kind == "while" else "which branch is taken"
            text = f"it decides {what} ({text_of(step.compared)}), and a decision has no derivative"
            yield Reason("a choice", text, condensed(step.span.text), step.span, cure=COMPARED)

    def skipped(self) -> Iterator[Reason]:
        """The branches not taken that read what depends on the input."""
        taken = {id(p.span): p for p in self.kept.state.path.passes if p.kind == "if"}
        for node in everything(self.program.body):
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
                what = f"line {reads[0].span.line}, which reads `{reads[0].name}`,"
                if reads[0].span.line == span.line:
                    what = f"what reads `{reads[0].name}` there"
                yield Reason("branch", f"{said}, so {what} did not run", condensed(span.text), span)

    def constants(self) -> list[Reason]:
        """Calls that take what depends on the input and give a constant, for which nothing inside of them stands."""
        text = "it is given what comes from the input, and gives a constant"
        return [self._lost(loss, "constant", text, None) for loss in self.losses if loss.call][-1:]

    def dead_ends(self) -> list[Reason]:
        """The last value that comes from the input, and that the output does not come from."""
        node = self.kept.output.node
        history = set() if node is None else {n.id for n in nodes_below([node])}
        variable = self.question.way.variable
        made = [b for b in self.kept.bindings if self.depends(b.value) and b.value.node.id != variable.id]
        ends = [b for b in made if b.value.node.id not in history][-1:]
        return [self._dead_end(binding) for binding in ends]

    def _dead_end(self, binding: Any) -> Reason:
        later = [b for b in self.kept.bindings if b.name == binding.name and b.number > binding.number]
        kind, end = "unused", f"`{self.kept.of}` does not come from `{binding.name}`"
        if later and later[0].span is not None:
            kind, end = "overwritten", f"line {later[0].span.line} gives `{binding.name}` another value"
        text = f"`{binding.name}` comes from `{self.question.name}`, but {end}"
        said = f"{binding.name} = {binding.expression}" if binding.expression else binding.name
        return Reason(kind, text, said, binding.span)

    def unused(self) -> Reason:
        """That the output does not come from the input."""
        name = self.question.name
        read = name in self.program.checked.read
        text = f"`{self.kept.of}` does not come from `{name}`" if read else f"nothing reads `{name}`"
        declared = self.program.checked.inputs.get(name)
        return Reason("unused", text, name, None if declared is None else declared.span)

    # What comes from the input

    @cached_property
    def carriers(self) -> set[str]:
        """The names that stand for the input, or for what comes from it: variables, and parameters of functions."""
        names = {b.name for b in self.kept.bindings if self.depends(b.value)} | {self.question.name}
        functions = [node for node in everything(self.program.body) if isinstance(node, syntax.Define)]
        return names | {parameter.name for function in functions for parameter in function.parameters}

    @cached_property
    def dependent(self) -> set[int]:
        """The ids of all nodes that depend on the input, on the way to the output or not."""
        root = self.question.way.variable.id
        values = [b.value.node for b in self.kept.bindings if isinstance(b.value, NDArray) and b.value.node is not None]
        roots = [*values, *(node for loss in self.question.losses for node in loss.nodes)]
        found = {root}
        for node in reversed(nodes_below(roots, root)):
            if any(p is not None and p.id in found for p in node.parents):
                found.add(node.id)
        return found

    def depends(self, value: Any) -> bool:
        return isinstance(value, NDArray) and value.node is not None and value.node.id in self.dependent


def _names(body: tuple[syntax.Node, ...]) -> list[syntax.Name]:
    return [part for node in body for part in syntax.walk(node) if isinstance(part, syntax.Name)]
