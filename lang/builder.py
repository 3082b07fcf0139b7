"""What each rule of the grammar builds. The parser calls these bottom up, so nothing recurses.

A rule's value is a `Piece`: its node, the extent of its text (brackets included), and its depth.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from lark import Token

from ndgrad.errors import Source, Span
from ndgrad.lang import problems, syntax

NESTING_LIMIT = 200


class Piece:
    """A built node, or several, on the way up."""

    __slots__ = ("depth", "end", "node", "start")

    def __init__(self, node: Any, start: int, end: int, depth: int) -> None:
        self.node = node
        self.start = start
        self.end = end
        self.depth = depth


Child = Token | Piece


def _start(child: Child) -> int:
    return child.start if isinstance(child, Piece) else child.start_pos or 0


def _end(child: Child) -> int:
    return child.end if isinstance(child, Piece) else child.end_pos or 0


def unquoted(text: str) -> str:
    """What a string literal says."""
    plain = text[1:-1].replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\'", "'")
    return plain.replace("\\\\", "\\")


def _integer(digits: str) -> int | float:
    """An integer, or the nearest float where int64 cannot hold it."""
    if len(digits) > 19 or int(digits) >= 2**63:
        return float(digits)
    return int(digits)


class Builder:
    """One method per rule of grammar.lark, called with the values of the rule's parts."""

    source = Source("", "")

    # How pieces are made

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def piece(self, children: list[Child], make: Callable[..., Any], *fields: Any, spine: Child | None = None) -> Piece:
        """A piece around `make(span, *fields)`. `spine`: the child whose depth is not counted again."""
        start, end = _start(children[0]), _end(children[-1])
        depth = 0
        for child in children:
            if isinstance(child, Piece):
                own = child.depth if child is spine else child.depth + 1
                depth = max(depth, own)
        if depth > NESTING_LIMIT:
            raise problems.raised(problems.nested_too_deeply(self.span(start, min(end, start + 1)), NESTING_LIMIT))
        return Piece(make(self.span(start, end), *fields), start, end, depth)

    @staticmethod
    def nodes(children: list[Child]) -> tuple[Any, ...]:
        return tuple(child.node for child in children if isinstance(child, Piece))

    def forward(self, children: list[Child], value: Any) -> Piece:
        """A piece whose value is not a node: a list of parts, for the rule above."""
        if not children:
            return Piece(value, 0, 0, 0)
        depth = max((child.depth for child in children if isinstance(child, Piece)), default=0)
        return Piece(value, _start(children[0]), _end(children[-1]), depth)

    # Statements

    def start(self, children: list[Child]) -> syntax.Body:
        statements = [s for child in children if isinstance(child, Piece) for s in child.node]
        return syntax.Body(self.span(0, len(self.source.text)), tuple(statements))

    def simple_line(self, children: list[Child]) -> Piece:
        return self.forward(children[:-1], self.nodes(children))

    def mixed_line(self, children: list[Child]) -> Piece:
        *simple, compound = self.nodes(children)
        return self.forward(children, (*simple, *compound))

    def block(self, children: list[Child]) -> Piece:
        return self.forward(children, tuple(s for part in self.nodes(children) for s in part))

    def one(self, children: list[Child], make: Callable[..., Any], *fields: Any) -> Piece:
        """A compound statement, as the list of one that every line is."""
        made = self.piece(children, make, *fields)
        body_end = max((c.end for c in children if isinstance(c, Piece)), default=made.end)
        return Piece((made.node,), made.start, body_end, made.depth)

    def break_statement(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Break)

    def continue_statement(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Continue)

    def pass_statement(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Pass)

    def kind_dtype(self, children: list[Child]) -> Piece:
        return self.forward(children, (str(children[0]), None))

    def kind_both(self, children: list[Child]) -> Piece:
        return self.forward(children, (str(children[0]), *self.nodes(children)))

    def kind_dims(self, children: list[Child]) -> Piece:
        return self.forward(children, (None, *self.nodes(children)))

    def dims(self, children: list[Child]) -> Piece:
        return self.forward(children, self.nodes(children))

    def dimension(self, children: list[Child]) -> Piece:
        text = str(children[0])
        return self.piece(children, syntax.Dimension, int(text[:18]) if text[0].isdigit() else text)

    def input_statement(self, children: list[Child]) -> Piece:
        dtype, dims, default = None, None, None
        for before, child in pairwise(children):
            if isinstance(child, Piece):
                if str(before) == ":":
                    dtype, dims = child.node
                else:
                    default = child.node
        return self.piece(children, syntax.Input, str(children[1]), dtype, dims, default)

    def shown(self, children: list[Child]) -> Piece:
        name = str(children[0]) if isinstance(children[0], Token) else None
        return self.piece(children, syntax.Shown, name, *self.nodes(children))

    def output_statement(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Output, self.nodes(children))

    def use_statement(self, children: list[Child]) -> Piece:
        (text,) = (str(child) for child in children[1:])
        return self.piece(children, syntax.Use, unquoted(text))

    def assign(self, children: list[Child]) -> Piece:
        *targets, value = self.nodes(children)
        for target in targets:
            self.check_target(target)
        return self.piece(children, syntax.Assign, tuple(targets), value)

    def augmented(self, children: list[Child]) -> Piece:
        target, value = self.nodes(children)
        if isinstance(target, syntax.TupleLiteral):
            raise problems.raised(problems.bad_target(target.span, "a tuple with an operator"))
        self.check_target(target)
        return self.piece(children, syntax.Augmented, str(children[1])[:-1], target, value)

    def evaluate(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Evaluate, *self.nodes(children))

    def assert_statement(self, children: list[Child]) -> Piece:
        condition, *message = self.nodes(children)
        return self.piece(children, syntax.Assert, condition, message[0] if message else None)

    def return_statement(self, children: list[Child]) -> Piece:
        value = self.nodes(children)
        return self.piece(children, syntax.Return, value[0] if value else None)

    def if_statement(self, children: list[Child]) -> Piece:
        condition, body, *rest = self.nodes(children)
        start, end = _start(children[0]), _end(children[3])
        first = syntax.Branch(self.span(start, end), condition, body)
        branches = (first, *(part for part in rest if isinstance(part, syntax.Branch)))
        otherwise = rest[-1] if rest and not isinstance(rest[-1], syntax.Branch) else ()
        return self.one(children, syntax.If, branches, otherwise)

    def elif_branch(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Branch, *self.nodes(children))

    def else_branch(self, children: list[Child]) -> Piece:
        return self.forward(children, *self.nodes(children))

    def while_statement(self, children: list[Child]) -> Piece:
        return self.one(children, syntax.While, *self.nodes(children))

    def for_statement(self, children: list[Child]) -> Piece:
        target, iterable, body = self.nodes(children)
        self.check_target(target)
        return self.one(children, syntax.For, target, iterable, body)

    def define(self, children: list[Child]) -> Piece:
        *parameters, body = self.nodes(children)
        return self.one(children, syntax.Define, str(children[1]), parameters[0] if parameters else (), body)

    def parameters(self, children: list[Child]) -> Piece:
        made = self.nodes(children)
        seen: dict[str, syntax.Parameter] = {}
        for parameter, before in zip(made, (None, *made), strict=False):
            if parameter.name in seen:
                first = seen[parameter.name]
                raise problems.raised(problems.given_twice(parameter.span, parameter.name, "parameter", first.span))
            if parameter.default is None and before is not None and before.default is not None:
                what = "a parameter without a default cannot follow one with a default"
                raise problems.raised(problems.bad_order(parameter.span, what))
            seen[parameter.name] = parameter
        return self.forward(children, made)

    def parameter(self, children: list[Child]) -> Piece:
        default = self.nodes(children)
        return self.piece(children, syntax.Parameter, str(children[0]), default[0] if default else None)

    def check_target(self, target: Any) -> None:
        """E108 unless something can be assigned to `target`."""
        match target:
            case syntax.Name():
                return
            case syntax.TupleLiteral(entries=entries):
                for entry in entries:
                    self.check_target(entry)
                if not entries:
                    raise problems.raised(problems.bad_target(target.span, "an empty tuple"))
            case syntax.Index(value=value):
                while isinstance(value, syntax.Index):
                    value = value.value
                if not isinstance(value, syntax.Name):
                    raise problems.raised(problems.bad_target(target.span, "an entry of a computed value"))
            case _:
                raise problems.raised(problems.bad_target(target.span, described(target)))

    # Expressions

    def bare_tuple(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.TupleLiteral, self.nodes(children))

    tuple_ = bare_tuple

    def array(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.ArrayLiteral, self.nodes(children))

    def group(self, children: list[Child]) -> Piece:
        return self.forward(children, *self.nodes(children))

    def conditional(self, children: list[Child]) -> Piece:
        then, condition, otherwise = self.nodes(children)
        return self.piece(children, syntax.Conditional, condition, then, otherwise)

    def lambda_(self, children: list[Child]) -> Piece:
        *parameters, body = self.nodes(children)
        return self.piece(children, syntax.Lambda, parameters[0] if parameters else (), body)

    def logical(self, children: list[Child]) -> Piece:
        if len(children) == 1:
            assert isinstance(children[0], Piece)
            return children[0]
        return self.piece(children, syntax.Logical, str(children[1]), self.nodes(children))

    def not_(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Not, *self.nodes(children))

    def comparison(self, children: list[Child]) -> Piece:
        operators = tuple(str(child) for child in children if isinstance(child, Token))
        return self.piece(children, syntax.Comparison, operators, self.nodes(children))

    def binary(self, children: list[Child]) -> Piece:
        left, right = self.nodes(children)
        # a + b + c + … grows to the left without end: such a chain is walked by loops, not by recursion
        spine = children[0] if isinstance(left, syntax.Binary) else None
        return self.piece(children, syntax.Binary, str(children[1]), left, right, spine=spine)

    def unary(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Unary, str(children[0]), *self.nodes(children))

    def call(self, children: list[Child]) -> Piece:
        function, *rest = self.nodes(children)
        given = rest[0] if rest else ()
        arguments = tuple(a for a in given if not isinstance(a, syntax.Keyword))
        keywords = tuple(a for a in given if isinstance(a, syntax.Keyword))
        return self.piece(children, syntax.Call, function, arguments, keywords)

    def arguments(self, children: list[Child]) -> Piece:
        given = self.nodes(children)
        named: dict[str, syntax.Keyword] = {}
        for argument in given:
            if isinstance(argument, syntax.Keyword):
                if argument.name in named:
                    first = named[argument.name].span
                    raise problems.raised(problems.given_twice(argument.span, argument.name, "argument", first))
                named[argument.name] = argument
            elif named:
                what = "an argument without a name cannot follow one with a name"
                raise problems.raised(problems.bad_order(argument.span, what))
        return self.forward(children, given)

    def keyword(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Keyword, str(children[0]), *self.nodes(children))

    def index(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Index, *self.nodes(children))

    def slice(self, children: list[Child]) -> Piece:
        parts: list[Any] = [None]
        for child in children:
            if isinstance(child, Token):
                parts.append(None)
            else:
                parts[-1] = child.node
        return self.piece(children, syntax.Slice, *parts, *[None] * (3 - len(parts)))

    def attribute(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Attribute, *self.nodes(children), str(children[2]))

    def name(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Name, str(children[0]))

    def integer(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Number, _integer(str(children[0]).replace("_", "")))

    def decimal(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Number, float(str(children[0]).replace("_", "")))

    def text(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Text, unquoted(str(children[0])))

    def true(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Truth, True)

    def false(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Truth, False)

    def nothing(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Nothing)

    def everything(self, children: list[Child]) -> Piece:
        return self.piece(children, syntax.Everything)


def described(node: syntax.Node) -> str:
    """What kind of expression this is, in words."""
    match node:
        case syntax.Number():
            return "a number"
        case syntax.Call():
            return "the result of a call"
        case syntax.Text():
            return "a string"
        case syntax.ArrayLiteral():
            return "an array literal"
        case syntax.Comparison():
            return "a comparison"
        case syntax.Truth() | syntax.Nothing():
            return f"`{node.span.text}`"
        case syntax.Attribute():
            return "an attribute"
        case _:
            return "an expression"
