"""Shapes and dtypes of expressions before a program runs: what each gives, where something is known of its parts.

What cannot be said is UNKNOWN and never an error; an error is one that every value of this kind meets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ndgrad.errors import Diagnostic, Error, Span
from ndgrad.lang import problems, syntax, transfer
from ndgrad.lang.abstract import (
    UNKNOWN,
    Closure,
    Derived,
    Frame,
    Rows,
    Unsettled,
    Unsure,
    Weak,
    described,
    is_number,
    is_plain,
    is_spread,
    join,
)
from ndgrad.lang.builtins import ATTRIBUTES, CONSTANTS, builtin
from ndgrad.lang.calls import arguments_misfit, misfit, special_misfit
from ndgrad.lang.flow import constant
from ndgrad.lang.scalars import COMPARISONS, OPERATIONS, negative
from ndgrad.lang.scopes import assigned
from ndgrad.lang.values import Special, failed
from ndgrad.ops import find
from ndgrad.primitive import Primitive
from ndgrad.shapes import Abstract

DEEPEST = 40  # calls within calls


class OutOfSteps(Exception):
    """The program is too intricate to be followed to its end."""


class Failure:
    """An error that every value of a kind meets.

    work, arguments   what failed: work(*arguments) raises it again, or does not for other sizes
    sure              whether every run comes there
    guarded           whether an assertion comes before it, which may know the sizes
    """

    def __init__(
        self, error: Error, work: Callable[..., Any], arguments: tuple[Any, ...], sure: bool, guarded: bool
    ) -> None:
        self.problem: Diagnostic = error.diagnostics[0]
        self.work = work
        self.arguments = arguments
        self.sure = sure
        self.guarded = guarded


class Expressions:
    """Follows expressions in a frame of what is known of variables.

    steps     how many more may be taken, of those `allowed`; follow: what follows the statements of a function
    given     what is known of inputs that the caller binds; None: any values may come
    sure      whether every run comes to what is followed now; guarded: whether an assertion was passed before
    failures  by id of the node; broadcasts: (left, right) of each operator on a vector and a column, by id
    places    the nodes by id
    """

    def __init__(
        self,
        frame: Frame,
        given: Mapping[str, Any] | None,
        steps: int,
        block: Callable[[Sequence[syntax.Statement]], None],
    ) -> None:
        self.frame = frame
        self.given = given
        self.steps = self.allowed = steps
        self.follow = block
        self.sure = True
        self.guarded = False
        self.failures: dict[int, Failure] = {}
        self.broadcasts: dict[int, tuple[Any, Any]] = {}
        self.places: dict[int, syntax.Node] = {}
        self.calls: list[syntax.Node] = []  # the functions that are running
        self.loops: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = []  # the states at breaks and continues
        self.returns: list[Any] = []

    def attempt(self, node: syntax.Node, work: Callable[..., Any], *arguments: Any) -> Any:
        """work(*arguments), UNKNOWN where that cannot be said. An error is noted, and what follows is UNKNOWN."""
        try:
            return work(*arguments)
        except (Unsettled, MemoryError):
            return UNKNOWN
        except Error as error:
            known = self.failures.get(id(node))
            if known is None or (self.sure and not known.sure):
                self.failures[id(node)] = Failure(error, work, arguments, self.sure, self.guarded)
                self.places[id(node)] = node
            return UNKNOWN

    def unsure(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do something that a run may leave out."""
        before, self.sure = self.sure, False
        try:
            return work(*arguments)
        finally:
            self.sure = before

    def tick(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise OutOfSteps

    def expression(self, node: syntax.Expression) -> Any:
        self.tick()
        return getattr(self, _EXPRESSIONS[node.__class__])(node)

    def itself(self, node: Any) -> Any:
        return node.value

    def nothing(self, node: syntax.Nothing) -> None:
        return None

    def everything(self, node: syntax.Everything) -> Any:
        return ...

    def name(self, node: syntax.Name) -> Any:
        return self.lookup(node.name)

    def lookup(self, name: str) -> Any:
        frame: Frame | None = self.frame
        while frame is not None:
            if name in frame.names:
                return UNKNOWN if frame.values is None else frame.values.get(name, UNKNOWN)
            frame = frame.around
        if name in CONSTANTS:
            return UNKNOWN if name == "e" and self.given is None else CONSTANTS[name]  # a common name of inputs
        found = builtin(name)
        return UNKNOWN if found is None else found

    def own(self, name: str) -> bool:
        """Whether the program gives the name a meaning here."""
        frame: Frame | None = self.frame
        while frame is not None:
            if name in frame.names:
                return True
            frame = frame.around
        return False

    def array_literal(self, node: syntax.ArrayLiteral) -> Any:
        if not node.entries:
            return Abstract((0,), float)
        values = tuple(self.expression(entry) for entry in node.entries)
        spans = tuple(entry.span for entry in node.entries)
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        return self.attempt(node, lambda *given: transfer.stacked(given, spans, node.span), *values)

    def tuple_literal(self, node: syntax.TupleLiteral) -> Any:
        return tuple(self.expression(entry) for entry in node.entries)

    def as_tuple(self, node: syntax.Expression) -> Any:
        if isinstance(node, syntax.ArrayLiteral):
            return tuple(self.as_tuple(entry) for entry in node.entries)
        return self.expression(node)

    def unary(self, node: syntax.Unary) -> Any:
        value = self.expression(node.operand)
        if is_number(value):
            return negative(value) if node.operator == "-" else +value
        if isinstance(value, Weak):
            return value if value.kind is not bool else Weak(int)
        op = find("negative" if node.operator == "-" else "positive")
        assert op is not None
        return self.attempt(node, _operator(op, node.operator, node.span, (node.operand.span,)), value)

    def binary(self, node: syntax.Binary) -> Any:
        chain = [node]
        while isinstance(chain[-1].left, syntax.Binary):
            chain.append(chain[-1].left)
        value = self.expression(chain[-1].left)
        for link in reversed(chain):
            value = self.sign(
                link, link.operator, value, self.expression(link.right), (link.left.span, link.right.span)
            )
        return value

    def sign(self, node: syntax.Node, sign: str, a: Any, b: Any, spans: tuple[Span, Span]) -> Any:
        self.tick()
        span = node.span
        if self.given is None and is_number(a) and is_number(b) and _forgets(sign, b):
            return Weak(bool) if sign in COMPARISONS else Unsure(())
        y = self.attempt(node, lambda a, b: transfer.sign_applied(sign, a, b, span, spans), a, b)
        if sign in OPERATIONS and sign != "@" and isinstance(y, Abstract) and len(y.shape) == 2:
            self.note_broadcast(node, a, b)
        return y

    def note_broadcast(self, node: syntax.Node, a: Any, b: Any) -> None:
        """Remember a vector that meets a column, neither of which was arranged so on purpose."""
        for x, y in ((a, b), (b, a)):
            if not (isinstance(x, Abstract) and isinstance(y, Abstract)) or is_spread(x) or is_spread(y):
                continue
            if len(x.shape) == 1 and y.shape == (x.shape[0], 1) and x.shape[0] > 1:
                self.broadcasts.setdefault(id(node), (a, b))
                self.places[id(node)] = node

    def comparison(self, node: syntax.Comparison) -> Any:
        value = self.expression(node.operands[0])
        made: Any = UNKNOWN
        for i, sign in enumerate(node.operators):
            left, right = node.operands[i : i + 2]
            if i == 0:
                other = self.expression(right)
                made = self.sign(node, sign, value, other, (left.span, right.span))
            else:
                other = self.unsure(self.expression, right)
                self.unsure(self.sign, right, sign, value, other, (left.span, right.span))
                made = Unsure(())
            value = other
        return made

    def logical(self, node: syntax.Logical) -> Any:
        made = self.expression(node.operands[0])
        for operand in node.operands[1:]:
            made = join(made, self.unsure(self.expression, operand))
        return made

    def not_(self, node: syntax.Not) -> Any:
        value = self.expression(node.operand)
        found = self.attempt(node, lambda given: transfer.truth(given, node.operand.span), value)
        return Weak(bool) if found is None or found is UNKNOWN else not found

    def condition(self, node: syntax.Expression) -> bool | None:
        """Whether a condition holds, where that is known of every run."""
        value = self.expression(node)
        found = self.attempt(node, lambda given: transfer.truth(given, node.span), value)
        fixed = constant(node)
        if fixed is not None:
            return fixed
        return found if self.given is not None and found is not UNKNOWN else None

    def conditional(self, node: syntax.Conditional) -> Any:
        holds = self.condition(node.condition)
        if holds is not None:
            return self.expression(node.then if holds else node.otherwise)
        then = self.unsure(self.expression, node.then)
        return join(then, self.unsure(self.expression, node.otherwise))

    def index(self, node: syntax.Index) -> Any:
        value = self.expression(node.value)
        key = self.key(node.key)
        return self.attempt(node, lambda x, k: transfer.entry(x, k, node.span, node.value.span), value, key)

    def key(self, node: syntax.Expression) -> Any:
        if isinstance(node, syntax.TupleLiteral):
            return tuple(self.key_part(entry) for entry in node.entries)
        return self.key_part(node)

    def key_part(self, node: syntax.Expression) -> Any:
        if isinstance(node, syntax.Slice):
            bounds = [None if part is None else self.expression(part) for part in (node.start, node.stop, node.step)]
            return self.attempt(node, lambda *given: transfer.slice_of(given, node.span), *bounds)
        literal = isinstance(node, syntax.ArrayLiteral)
        value = self.as_tuple(node) if literal else self.expression(node)
        return self.attempt(node, lambda given: transfer.key_part(given, node.span, literal), value)

    def attribute(self, node: syntax.Attribute) -> Any:
        value = self.expression(node.value)
        name = node.name
        if name not in ATTRIBUTES or value is UNKNOWN:
            return UNKNOWN
        return self.attempt(node, lambda given: _attribute(given, name, node), value)

    def lambda_(self, node: syntax.Lambda) -> Any:
        return Closure(node, self.frame, self.defaults(node.parameters))

    def defaults(self, parameters: tuple[syntax.Parameter, ...]) -> tuple[Any, ...]:
        return tuple(self.expression(p.default) for p in parameters if p.default is not None)

    # Calls

    def call(self, node: syntax.Call) -> Any:
        function = node.function
        arguments = node.arguments
        if isinstance(function, syntax.Attribute):
            arguments = (function.value, *arguments)
            end = function.span.end
            function = syntax.Name(Span(function.span.source, end - len(function.name), end), function.name)
        found = None
        if isinstance(function, syntax.Name) and not self.own(function.name):
            found = builtin(function.name)
        spans = tuple(argument.span for argument in arguments)
        if isinstance(found, Primitive):
            kinds = {parameter.name: parameter.kind for parameter in found.signature}
            last = len(found.signature) - 1
            values = [
                self.expression(a) if last < 0 or found.signature[min(i, last)].kind == "array" else self.as_tuple(a)
                for i, a in enumerate(arguments)
            ]
            named = {
                k.name: self.expression(k.value) if kinds.get(k.name, "array") == "array" else self.as_tuple(k.value)
                for k in node.keywords
            }
        else:
            called = self.expression(function) if found is None else found
            values = [self.expression(argument) for argument in arguments]
            named = {keyword.name: self.expression(keyword.value) for keyword in node.keywords}
            return self.call_value(called, values, named, node, function.span, spans)
        return self.call_value(found, values, named, node, function.span, spans)

    def call_value(
        self,
        called: Any,
        values: list[Any],
        named: dict[str, Any],
        node: syntax.Node,
        place: Span | None = None,
        spans: tuple[Span, ...] = (),
    ) -> Any:
        """Call whatever `called` is."""
        span = node.span
        names = tuple(named)
        if called is UNKNOWN:
            return UNKNOWN
        if isinstance(called, Closure):
            return self.invoke(called, values, named, node)
        if isinstance(called, Derived):
            return called.call(self, node, *values)
        if isinstance(called, Primitive):

            def work(*given: Any) -> Any:
                problem = misfit(called, len(values), list(names), span)
                if problem is not None:
                    raise problems.raised(problem)
                named = dict(zip(names, given[len(values) :], strict=True))
                return transfer.applied(called, given[: len(values)], named, span, spans)

            y = self.attempt(node, work, *values, *named.values())
            if called.elementwise and called.arity == 2 and len(values) == 2 and isinstance(y, Abstract):
                self.note_broadcast(node, *values)
            return y
        if isinstance(called, Special):
            if special_misfit(called, len(values), list(names), span) is not None:
                return UNKNOWN
            return self.special(called, values, named, node)
        if isinstance(called, Abstract) or is_plain(called):
            work_ = lambda given: _not_callable(given, place or span)  # noqa: E731
            return self.attempt(node, work_, called)
        return UNKNOWN

    def invoke(self, function: Closure, values: list[Any], named: dict[str, Any], node: syntax.Node) -> Any:
        """Run a function of the program."""
        parameters = function.node.parameters
        problem = arguments_misfit(function.name, parameters, len(values), list(named), node.span)
        if problem is not None:
            return self.attempt(node, _raise, problem)
        given = list(values)
        first = len(parameters) - len(function.defaults)
        for i in range(len(values), len(parameters)):
            name = parameters[i].name
            given.append(named[name] if name in named else function.defaults[i - first])
        if len(self.calls) >= DEEPEST or sum(node is function.node for node in self.calls) > 2:
            return UNKNOWN
        outside = self.frame, self.loops, self.returns, self.sure
        body = function.node.body
        names = [p.name for p in parameters]
        local = assigned(body) if isinstance(body, tuple) else {}
        self.frame, self.loops, self.returns = Frame((*names, *local), function.frame), [], []
        frame = self.frame
        frame.values = dict(zip(names, given, strict=True))
        self.calls.append(function.node)
        try:
            if not isinstance(body, tuple):
                return self.expression(body)
            start = dict(frame.values)
            self.follow(body)
            ends = self.returns if frame.values is None else [*self.returns, None]
            frame.values = frame.values or start
            made = ends[0] if ends else UNKNOWN
            for end in ends[1:]:
                made = join(made, end)
            return made
        finally:
            self.frame, self.loops, self.returns, self.sure = outside
            self.calls.pop()

    def special(self, special: Special, values: list[Any], named: dict[str, Any], node: syntax.Node) -> Any:
        """len, range and their like, and the functions of functions."""
        from ndgrad.lang.derived import DERIVED

        span = node.span
        match special.name:
            case "print":
                return None
            case "len":
                if values[0] is UNKNOWN:
                    return Weak(int)
                found = self.attempt(node, lambda x: transfer.rows(x, span)[1], values[0])
                return Weak(int) if found is None or found is UNKNOWN else found
            case "range":
                if all(map(is_number, values)):
                    return self.attempt(node, lambda *given: _range(special, span, given), *values)
                return Rows(Weak(int))
            case "zip":
                found = [self.attempt(node, lambda x: transfer.rows(x, span), value) for value in values]
                rows = [(UNKNOWN, None) if one is UNKNOWN else one for one in found]
                counts = [count for _, count in rows]
                known = [count for count in counts if count is not None]
                return Rows(tuple(row for row, _ in rows), min(known) if len(known) == len(counts) else None)
            case "enumerate":
                found = self.attempt(node, lambda x: transfer.rows(x, span), values[0])
                row, count = (UNKNOWN, None) if found is UNKNOWN else found
                return Rows((Weak(int), row), count)
        rule = DERIVED.get(special.name)
        return UNKNOWN if rule is None else rule(self, node, *values, **named)


def _forgets(sign: str, b: Any) -> bool:
    """Whether an operator may give one number for many sizes: the samples would not tell."""
    return sign in COMPARISONS or sign == "%" or (sign == "//" and abs(b) > 8)


def _operator(op: Primitive, sign: str, span: Span, spans: tuple[Span, ...]) -> Callable[[Any], Any]:
    def work(x: Any) -> Any:
        if x is UNKNOWN:
            raise Unsettled
        try:
            return transfer.applied(op, (transfer.operand(x, sign, spans[0]),), {}, span, spans)
        except Error as error:
            raise failed(error, sign, span, spans) from None

    return work


def _attribute(value: Any, name: str, node: syntax.Attribute) -> Any:
    x = transfer.operand(value, f".{name}", node.value.span)
    if name == "T":
        op = find("transpose")
        assert op is not None
        x = Unsure(()) if is_number(x) else x
        return transfer.applied(op, (x,), {}, node.span, (node.value.span,))
    shape = transfer.shape_of(x)
    if name == "dtype":
        if isinstance(x, (Unsure, Weak)) or is_number(x):
            raise Unsettled
        return str(x.dtype)
    return {"shape": shape, "ndim": len(shape), "size": _size(shape)}[name]


def _size(shape: tuple[int, ...]) -> int:
    made = 1
    for n in shape:
        made *= n
    return made


def _range(special: Special, span: Span, bounds: tuple[Any, ...]) -> Any:
    try:
        return special.call(span, None, *bounds)
    except Exception as error:
        raise failed(error, "range", span) from None


def _not_callable(value: Any, place: Span) -> Any:
    raise problems.raised(problems.not_a_function(place, described(value)))


def _raise(problem: Diagnostic) -> Any:
    raise problems.raised(problem)


_EXPRESSIONS = {
    syntax.Number: "itself",
    syntax.Truth: "itself",
    syntax.Text: "itself",
    syntax.Nothing: "nothing",
    syntax.Everything: "everything",
    syntax.Name: "name",
    syntax.ArrayLiteral: "array_literal",
    syntax.TupleLiteral: "tuple_literal",
    syntax.Unary: "unary",
    syntax.Not: "not_",
    syntax.Binary: "binary",
    syntax.Comparison: "comparison",
    syntax.Logical: "logical",
    syntax.Conditional: "conditional",
    syntax.Call: "call",
    syntax.Index: "index",
    syntax.Attribute: "attribute",
    syntax.Lambda: "lambda_",
}
