"""What expressions mean: each becomes a closure from a frame to a value, made once.

The operations are looked up when the closure is made; while a program runs, an expression costs
its own call, the calls of its parts, and the operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.errors import Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.builtins import ATTRIBUTES, CONSTANTS, builtin
from ndgrad.lang.scalars import ARITHMETIC, COMPARISONS, OPERATIONS, DivisionByZero, negative
from ndgrad.lang.scopes import STATE, Scope
from ndgrad.lang.values import (
    NUMBERS,
    UNBOUND,
    Frame,
    Function,
    Run,
    failed,
    in_words,
    operand,
    placed,
    stacked,
    truth,
)
from ndgrad.ndarray import NDArray, array, plain
from ndgrad.ops import find

LONG_CHAIN = 30  # operators in a row that are run by a loop instead of by nested calls


class Expressions:
    """Makes closures of expressions within a scope."""

    def __init__(self, scope: Scope, hidden: frozenset[str]) -> None:
        self.scope = scope
        self.hidden = hidden  # names of built-in functions that the caller has bound to values
        self.constants: dict[int, Any] = {}  # the numbers that expressions come to, by id of the node

    def compile(self, node: syntax.Expression) -> Run:
        """The closure that computes `node`."""
        made: Run = _COMPILE[node.__class__](self, node)
        return made

    def inner(self, scope: Scope) -> Expressions:
        """A compiler for a function within this scope."""
        return Expressions(scope, self.hidden)

    def builtin(self, name: str) -> Any:
        """What `name` means if it is the language's own here, else None."""
        if self.scope.find(name) is not None or name in self.hidden:
            return None
        return builtin(name)

    # Leaves

    def number(self, node: syntax.Number) -> Run:
        return self.constant(node, node.value)

    def constant(self, node: syntax.Expression, value: Any) -> Run:
        """The closure of an expression that comes to the same number in every run."""
        self.constants[id(node)] = value
        return lambda f: value

    def truth(self, node: syntax.Truth) -> Run:
        value = node.value
        return lambda f: value

    def nothing(self, node: syntax.Nothing) -> Run:
        return lambda f: None

    def text(self, node: syntax.Text) -> Run:
        value = node.value
        return lambda f: value

    def everything(self, node: syntax.Everything) -> Run:
        return lambda f: Ellipsis

    def name(self, node: syntax.Name) -> Run:
        name, span = node.name, node.span
        found = self.scope.find(name)
        fallback = CONSTANTS.get(name)
        if fallback is None:
            fallback = builtin(name)
        if found is None:
            return lambda f: fallback

        def unbound() -> Any:
            if fallback is None:
                raise problems.raised(problems.not_yet(span, name))
            return fallback

        out, place = found
        if out == 0:

            def local(f: Frame) -> Any:
                value = f[place]
                return value if value is not UNBOUND else unbound()

            return local
        if out == 1:

            def outer(f: Frame) -> Any:
                value = f[0][place]
                return value if value is not UNBOUND else unbound()

            return outer

        def outermost(f: Frame) -> Any:
            for _ in range(out):
                f = f[0]
            value = f[place]
            return value if value is not UNBOUND else unbound()

        return outermost

    # Literals

    def array_literal(self, node: syntax.ArrayLiteral) -> Run:
        constant = _constant(node)
        span = node.span
        if constant is not None:
            check_rows(node)
            values = constant
            return lambda f: array(values)
        if not node.entries:
            return lambda f: array([])
        entries = [self.compile(entry) for entry in node.entries]
        spans = tuple(entry.span for entry in node.entries)
        return lambda f: stacked(tuple([entry(f) for entry in entries]), spans, span)

    def tuple_literal(self, node: syntax.TupleLiteral) -> Run:
        entries = [self.compile(entry) for entry in node.entries]
        return lambda f: tuple([entry(f) for entry in entries])

    def as_tuple(self, node: syntax.Expression) -> Run:
        """`node` where a sequence is wanted: an array literal is the tuple of its entries."""
        if isinstance(node, syntax.ArrayLiteral):
            entries = [self.as_tuple(entry) for entry in node.entries]
            return lambda f: tuple([entry(f) for entry in entries])
        return self.compile(node)

    # Operators

    def unary(self, node: syntax.Unary) -> Run:
        span, spans = node.span, (node.operand.span,)
        inside = self.compile(node.operand)
        if id(node.operand) in self.constants:
            value = self.constants[id(node.operand)]
            return self.constant(node, negative(value) if node.operator == "-" else value)
        minus = node.operator == "-"
        call = _operation("negative" if minus else "positive")

        def run(f: Frame) -> Any:
            a = inside(f)
            if a.__class__ in NUMBERS:
                return negative(a) if minus else +a
            if a.__class__ is not NDArray:
                a = operand(a, node.operator, spans[0])
            try:
                y = call(a)
            except Exception as error:
                raise failed(error, node.operator, span, spans) from None
            return placed(y, span)

        return run

    def binary(self, node: syntax.Binary) -> Run:
        chain = [node]
        while isinstance(chain[-1].left, syntax.Binary):
            chain.append(chain[-1].left)
        if len(chain) <= LONG_CHAIN:
            left, right = self.compile(node.left), self.compile(node.right)
            folded = self.folded(node)
            return self.apply(node.operator, left, right, node) if folded is None else self.constant(node, folded)
        chain.reverse()
        steps = []
        for link in chain:
            right = self.compile(link.right)
            steps.append((right, self.apply(link.operator, lambda pair: pair[0], lambda pair: pair[1], link)))
        first = self.compile(chain[0].left)

        def run(f: Frame) -> Any:
            value = first(f)
            for right, step in steps:
                value = step([value, right(f)])
            return value

        return run

    def folded(self, node: syntax.Binary) -> Any:
        """The number that an operator on two constant numbers gives, else None."""
        a, b = self.constants.get(id(node.left)), self.constants.get(id(node.right))
        if a is None or b is None or node.operator not in ARITHMETIC:
            return None
        try:
            with np.errstate(all="ignore"):
                return ARITHMETIC[node.operator](a, b)
        except (DivisionByZero, ArithmeticError):
            return None  # the run says so, where it comes to it

    def apply(self, sign: str, left: Run, right: Run, node: syntax.Binary) -> Run:
        """The closure that computes `left sign right`."""
        span, spans = node.span, (node.left.span, node.right.span)
        work = operation(sign, span, spans)
        call = _operation(OPERATIONS[sign])
        numbers = NUMBERS

        def run(f: Frame) -> Any:
            a = left(f)
            b = right(f)
            if a.__class__ is NDArray:
                if b.__class__ is not NDArray and b.__class__ not in numbers:
                    return work(a, b)
            elif b.__class__ is not NDArray or a.__class__ not in numbers:
                return work(a, b)
            try:
                y = call(a, b)
            except Exception as error:
                raise failed(error, sign, span, spans) from None
            node = y._node
            if node is not None:  # made by this very operation
                node.span = span
            return y

        return run

    def comparison(self, node: syntax.Comparison) -> Run:
        links = self.links(node)
        if len(links) == 1:
            left, right, compare, _ = links[0]
            return lambda f: compare(left(f), right(f))

        def run(f: Frame) -> Any:
            a = links[0][0](f)
            value: Any = True
            for _, right, compare, span in links:
                if value is not True and not truth(value, span):
                    return value
                b = right(f)
                value = compare(a, b)
                a = b
            return value

        return run

    def links(self, node: syntax.Comparison) -> list[tuple[Run, Run, Callable[[Any, Any], Any], Span]]:
        """The neighbouring pairs of a comparison: (left, right, what compares them, the span of the pair)."""
        operands = [self.compile(part) for part in node.operands]
        made = []
        for i, sign in enumerate(node.operators):
            left, right = node.operands[i].span, node.operands[i + 1].span
            span = Span(left.source, left.start, right.end)
            made.append((operands[i], operands[i + 1], operation(sign, span, (left, right)), span))
        return made

    def logical(self, node: syntax.Logical) -> Run:
        parts = [(self.compile(part), part.span) for part in node.operands]
        stop = node.operator == "or"

        def run(f: Frame) -> Any:
            value: Any = None
            for part, span in parts:
                value = part(f)
                if truth(value, span) is stop:
                    return value
            return value

        return run

    def not_(self, node: syntax.Not) -> Run:
        inside, span = self.compile(node.operand), node.operand.span
        return lambda f: not truth(inside(f), span)

    def conditional(self, node: syntax.Conditional) -> Run:
        from ndgrad.lang.conditions import compile_condition

        condition = compile_condition(self, node.condition)
        then, otherwise = self.compile(node.then), self.compile(node.otherwise)
        span = node.condition.span

        def run(f: Frame) -> Any:
            state = f[STATE]
            if state.tracing is not None:
                return then(f) if state.tracing.decides(self, node.condition, f) else otherwise(f)
            taken, compared = condition(f)
            state.path.note(span, "if", taken, compared)
            return then(f) if taken else otherwise(f)

        return run

    # Calls, entries and attributes

    def call(self, node: syntax.Call) -> Run:
        from ndgrad.lang.calls import compile_call

        return compile_call(self, node)

    def index(self, node: syntax.Index) -> Run:
        from ndgrad.lang.indexing import compile_index

        return compile_index(self, node)

    def attribute(self, node: syntax.Attribute) -> Run:
        inside, span, name, place = self.compile(node.value), node.span, node.name, node.value.span
        if name not in ATTRIBUTES:
            raise problems.raised(problems.unknown_attribute(span, name, ATTRIBUTES))
        transpose = _operation("transpose")

        def run(f: Frame) -> Any:
            x = inside(f)
            if not isinstance(x, NDArray):
                x = array(operand(x, f".{name}", place))
            if name == "T":
                return placed(transpose(x), span)
            if name == "dtype":
                return str(x.dtype)
            return getattr(x, name)

        return run

    def lambda_(self, node: syntax.Lambda) -> Run:
        return self.function("lambda", node.parameters, lambda inner: inner.compile(node.body), ())

    def function(
        self,
        name: str,
        parameters: tuple[syntax.Parameter, ...],
        body: Callable[[Any], Run],
        local: tuple[str, ...],
    ) -> Run:
        """The closure that makes a function value. `body` compiles its body in the inner scope."""
        defaults = [self.compile(p.default) for p in parameters if p.default is not None]
        own = dict.fromkeys((*(p.name for p in parameters), *local))
        scope = Scope(own, self.scope)
        run = body(self.inner(scope))
        size, free = scope.size, scope.free
        return lambda f: Function(name, parameters, tuple([d(f) for d in defaults]), size, run, f, free)


def _operation(name: str) -> Callable[..., Any]:
    op = find(name)
    assert op is not None, name
    return op.call


def operation(sign: str, span: Span, spans: tuple[Span, ...]) -> Callable[[Any, Any], Any]:
    """What `a sign b` computes for any two values, slowly and surely."""
    call = _operation(OPERATIONS[sign])
    scalar = ARITHMETIC.get(sign) or COMPARISONS.get(sign)
    compares = sign in COMPARISONS
    numbers = NUMBERS

    def work(a: Any, b: Any) -> Any:
        if a.__class__ in numbers and b.__class__ in numbers and scalar is not None:
            try:
                return scalar(a, b)
            except DivisionByZero:
                raise problems.raised(problems.integer_division_by_zero(span)) from None
        if compares and sign in ("==", "!=") and (_is_plain(a) or _is_plain(b)):
            return _same(a, b) is (sign == "==")
        if sign == "+" and a.__class__ is tuple and b.__class__ is tuple:
            return a + b
        a = operand(a, sign, spans[0])
        b = operand(b, sign, spans[1])
        try:
            y = call(a, b)
        except Exception as error:
            raise failed(error, sign, span, spans) from None
        return placed(y, span)

    return work


def _is_plain(value: Any) -> bool:
    return value is None or value.__class__ is str or value.__class__ is tuple


def _same(a: Any, b: Any, depth: int = 0) -> bool:
    """Equality of tuples, strings and None; an array is equal to nothing but an array of the same entries."""
    if a.__class__ is tuple and b.__class__ is tuple and depth < 32:
        return len(a) == len(b) and all(_same(x, y, depth + 1) for x, y in zip(a, b, strict=True))
    if isinstance(a, NDArray) or isinstance(b, NDArray):
        x, y = plain(a), plain(b)
        if x.__class__ is tuple or y.__class__ is tuple or isinstance(x, str) or isinstance(y, str):
            return False
        made = x == y
        return bool(made.all()) if hasattr(made, "all") else bool(made)
    return a.__class__ is not tuple and b.__class__ is not tuple and bool(a == b)


def _constant(node: syntax.Expression) -> Any:
    """The numbers of a literal that holds nothing else, as nested lists, or None."""
    match node:
        case syntax.Number(value=value) | syntax.Truth(value=value):
            return value
        case syntax.Unary(operator="-", operand=syntax.Number(value=value)):
            return negative(value)
        case syntax.ArrayLiteral(entries=entries):
            values = []
            for entry in entries:
                value = _constant(entry)
                if value is None:
                    return None
                values.append(value)
            return values
    return None


def check_rows(node: syntax.ArrayLiteral) -> tuple[int, ...]:
    """The shape of a literal of numbers. E310 where its rows differ."""
    shapes = [check_rows(entry) if isinstance(entry, syntax.ArrayLiteral) else () for entry in node.entries]
    for entry, shape in zip(node.entries, shapes, strict=True):
        if shape != shapes[0]:
            first, other = in_words(shapes[0]), in_words(shape)
            raise problems.raised(problems.ragged(node.entries[0].span, first, entry.span, other))
    return (len(shapes), *(shapes[0] if shapes else ()))


_COMPILE: dict[type, Callable[[Expressions, Any], Run]] = {
    syntax.Number: Expressions.number,
    syntax.Truth: Expressions.truth,
    syntax.Nothing: Expressions.nothing,
    syntax.Text: Expressions.text,
    syntax.Everything: Expressions.everything,
    syntax.Name: Expressions.name,
    syntax.ArrayLiteral: Expressions.array_literal,
    syntax.TupleLiteral: Expressions.tuple_literal,
    syntax.Unary: Expressions.unary,
    syntax.Not: Expressions.not_,
    syntax.Binary: Expressions.binary,
    syntax.Comparison: Expressions.comparison,
    syntax.Logical: Expressions.logical,
    syntax.Conditional: Expressions.conditional,
    syntax.Call: Expressions.call,
    syntax.Index: Expressions.index,
    syntax.Attribute: Expressions.attribute,
    syntax.Lambda: Expressions.lambda_,
}
