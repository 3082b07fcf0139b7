"""What lint finds by following the order of statements: parts that no run comes to, variables without a value yet.

A state says of each variable of one function (or of the program) whether it has a value here: always,
or on some paths only. Where doubt is left, nothing is reported: loops are taken to run at least once,
and what stands under a condition of its own is taken to know why it may read a variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ndgrad.errors import Diagnostic, Span
from ndgrad.frozen import Frozen
from ndgrad.lang import problems, syntax
from ndgrad.lang.builtins import CONSTANTS, builtin
from ndgrad.lang.scopes import assigned, target_names
from ndgrad.primitive import Primitive


class Maybe(Frozen):
    """A variable has a value on some paths: the name that is given it, and whether a loop may have done so."""

    given: Span
    looped: bool = False


class Always:
    """A variable has a value."""


ALWAYS = Always()
State = dict[str, Always | Maybe]


class Ending(Frozen):
    """Why the statements after this one are never reached."""

    span: Span
    reason: str


class Flow:
    """Follows the statements of a program and of each of its functions.

    found    the warnings (W205, W208, W211)
    early    names that the program itself reads before it gives them a value: the caller must bind them
    """

    def __init__(self, body: syntax.Body) -> None:
        self.found: list[Diagnostic] = []
        self.early: dict[str, syntax.Name] = {}
        self.top = assigned(body.statements)
        self.own = self.top
        self.breaks: list[int] = []  # how many there are, for each loop around
        self.block(body.statements, {})
        for node in syntax.walk(body):
            if isinstance(node, syntax.Define):
                self.own = assigned(node.body)
                self.block(node.body, {parameter.name: ALWAYS for parameter in node.parameters})

    # Statements

    def block(self, statements: Iterable[syntax.Statement], state: State) -> State | Ending:
        """The state behind the statements, or why a run never gets there."""
        now: State | Ending = state
        for statement in statements:
            if isinstance(now, Ending):
                self.found.append(problems.unreachable(first_line(statement.span), now.span, now.reason))
                return now
            now = self.statement(statement, now)
        return now

    def statement(self, node: syntax.Statement, state: State) -> State | Ending:
        match node:
            case syntax.Break():
                if self.breaks:
                    self.breaks[-1] += 1
                return Ending(node.span, "the loop ends here")
            case syntax.Continue():
                return Ending(node.span, "the next round begins here")
            case syntax.Return(value=value):
                self.reads(value, state)
                return Ending(node.span, "the function ends here")
            case syntax.If():
                return self.if_(node, state)
            case syntax.While():
                return self.while_(node, state)
            case syntax.For(target=target, iterable=iterable, body=body):
                self.reads(iterable, state)
                self.loop(body, state | {name.name: ALWAYS for name in target_names(target)})
            case syntax.Assign(targets=targets, value=value):
                self.reads(value, state)
                for target in targets:
                    self.place(target, state)
            case syntax.Augmented(target=target, value=value):
                self.reads(target, state)
                self.reads(value, state)
            case syntax.Output(shown=shown):
                for part in shown:
                    self.reads(part.value, state)
            case syntax.Assert(condition=condition, message=message):
                self.reads(condition, state)
                self.reads(message, state)
            case syntax.Evaluate(value=value):
                self.reads(value, state)
            case syntax.Input(default=default):
                self.reads(default, state)
            case syntax.Define(parameters=parameters):
                for parameter in parameters:
                    self.reads(parameter.default, state)
        return state | dict.fromkeys(assigned((node,)), ALWAYS)

    def if_(self, node: syntax.If, state: State) -> State | Ending:
        ends: list[tuple[State | Ending, dict[str, syntax.Node]]] = []
        always: Span | None = None
        for branch in node.branches:
            if always is not None:
                self.never(branch.body, always, "this always holds")
                continue
            self.reads(branch.condition, state)
            truth = constant(branch.condition)
            if truth is False:
                self.never(branch.body, branch.condition.span, "this never holds")
                continue
            if truth is True:
                always = branch.condition.span
            ends.append((self.block(branch.body, settled(state)), assigned(branch.body)))
        if always is None:
            ends.append((self.block(node.otherwise, settled(state)), assigned(node.otherwise)))
        elif node.otherwise:
            self.never(node.otherwise, always, "this always holds")
        return joined(state, ends, node)

    def never(self, body: tuple[syntax.Statement, ...], why: Span, reason: str) -> None:
        self.found.append(problems.unreachable(first_line(body[0].span), why, reason))

    def while_(self, node: syntax.While, state: State) -> State | Ending:
        self.reads(node.condition, state)
        truth = constant(node.condition)
        if truth is False:
            self.never(node.body, node.condition.span, "this never holds")
            return state
        leaves = self.loop(node.body, state) > 0
        returns = any(isinstance(inner, syntax.Return) for inner in _of_this_function(node.body))
        if truth is True and not leaves:
            return Ending(node.condition.span, "only `return` leaves this loop" if returns else "this loop never ends")
        if truth is None and not leaves and not returns and self.stands_still(node):
            self.found.append(problems.loop_without_end(node.condition.span))
        return state | dict.fromkeys(assigned((node,)), ALWAYS)

    def loop(self, body: tuple[syntax.Statement, ...], state: State) -> int:
        """Follow the body of a loop in its first round; how many ways out with `break` there are."""
        inner = dict(state)
        for name, place in assigned(body).items():
            inner.setdefault(name, Maybe(place.span, True))
        self.breaks.append(0)
        self.block(body, inner)
        return self.breaks.pop()

    def stands_still(self, node: syntax.While) -> bool:
        """Whether no round of a loop can change its condition."""
        changed = assigned(node.body)
        read = False
        for part in syntax.walk(node.condition):
            if isinstance(part, syntax.Call):
                called = part.function
                name = called.name if isinstance(called, (syntax.Name, syntax.Attribute)) else None
                found = None if name is None or name in self.top or name in self.own else builtin(name)
                if not isinstance(found, Primitive) or found.name.startswith(("random_", "permutation", "dropout")):
                    return False
            elif isinstance(part, syntax.Name):
                read = True
                if part.name in changed:
                    return False
        return read

    # Expressions

    def place(self, target: syntax.Expression, state: State) -> None:
        """What a target reads: an index, and the variable that it writes into."""
        if isinstance(target, syntax.TupleLiteral):
            for entry in target.entries:
                self.place(entry, state)
        elif isinstance(target, syntax.Index):
            self.reads(target, state)

    def reads(self, root: syntax.Expression | None, state: State) -> None:
        """Report the variables that may have no value where `root` is computed."""
        left: list[syntax.Node] = [] if root is None else [root]
        while left:
            node = left.pop()
            match node:
                case syntax.Name(name=name):
                    if name in self.own and state.get(name) is not ALWAYS:
                        self.without_value(node, state.get(name))
                        state[name] = ALWAYS  # once is enough
                case syntax.Lambda():
                    pass  # read when it is called
                case syntax.Conditional(condition=condition):
                    left.append(condition)  # which may know whether the others can be read
                case syntax.Logical(operands=operands):
                    left.append(operands[0])
                case _:
                    left.extend(syntax.children(node))

    def without_value(self, node: syntax.Name, found: Always | Maybe | None) -> None:
        name = node.name
        if name in CONSTANTS or builtin(name) is not None:
            return  # until then it means what it means in the language
        given = self.own[name].span
        if isinstance(found, Maybe) and not found.looped:
            self.found.append(problems.maybe_not_yet(node.span, name, found.given))
        elif self.own is self.top:
            self.early.setdefault(name, node)
        else:
            self.found.append(problems.read_too_early(node.span, name, given))


def joined(before: State, ends: list[tuple[State | Ending, dict[str, syntax.Node]]], node: syntax.If) -> State | Ending:
    """The state behind branches, each with what it may give values to."""
    going = [(end, given) for end, given in ends if not isinstance(end, Ending)]
    if not going:
        only = ends[0][0]
        if len(ends) == 1 and isinstance(only, Ending):
            return only
        return Ending(node.branches[0].condition.span, "every branch leaves")
    made = dict(before)
    for name, place in assigned((node,)).items():
        if before.get(name) is ALWAYS:
            continue
        if all(name in given and end.get(name) is ALWAYS for end, given in going):
            made[name] = ALWAYS
        elif len(going) < len(ends):
            made[name] = ALWAYS  # a branch that leaves may be there for those without it
        else:
            made.setdefault(name, Maybe(place.span))
    return made


def settled(state: State) -> State:
    """The state under a condition, which may know what has a value."""
    return dict.fromkeys(state, ALWAYS)


def constant(condition: syntax.Expression) -> bool | None:
    """Whether a condition always holds, or never; None where that depends."""
    match condition:
        case syntax.Truth(value=value) | syntax.Number(value=value):
            return bool(value)
        case syntax.Not(operand=operand):
            inside = constant(operand)
            return None if inside is None else not inside
    return None


def first_line(span: Span) -> Span:
    """The part of a span that is on its first line."""
    end = span.source.text.find("\n", span.start, span.end)
    return span if end < 0 else Span(span.source, span.start, len(span.source.text[:end].rstrip()))


def _of_this_function(statements: Iterable[syntax.Statement]) -> Iterator[syntax.Statement]:
    """Statements and those in their blocks, inner functions aside."""
    for statement in statements:
        yield statement
        match statement:
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    yield from _of_this_function(branch.body)
                yield from _of_this_function(otherwise)
            case syntax.While(body=body) | syntax.For(body=body):
                yield from _of_this_function(body)
