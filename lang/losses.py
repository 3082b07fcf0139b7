"""Where a run goes from a recorded value to one that is not: the places at which a derivative ends.

The program is compiled with every expression looked at. A comparison, an index, `argmax`, `stop_gradient`
take a recorded array and give one without a history; which of them depended on an input is known
when the run is over. Conditions, which only decide, are told by the path of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang import syntax
from ndgrad.lang.interpreter import Compiler
from ndgrad.lang.values import Frame, Run
from ndgrad.ndarray import NDArray
from ndgrad.tape import STATE as ENGINE
from ndgrad.tape import Node

MOST = 1000  # of one place that are kept


class Loss(Frozen):
    """One time that an expression lost a derivative.

    name    the function or sign; span, where it is written; round the how-maniest time it ran
    nodes   the recorded operands; values, all operands as (text, value)
    call    whether it is a function that the program makes, in which nothing was lost by itself
    """

    name: str
    span: Span
    round: int
    nodes: tuple[Node, ...]
    values: tuple[tuple[str, Any], ...]
    call: bool


def losing(losses: list[Loss]) -> type[Compiler]:
    """A compiler whose programs tell `losses`."""

    class Losing(Compiler):
        compiles = False

        def compile(self, node: syntax.Expression) -> Run:
            made: Run = super().compile(node)
            name = self.loses(node)
            seen = self.__dict__.setdefault("seen", {})  # the last value of every expression, by id of the node
            key = id(node)
            if not name:

                def kept(f: Frame) -> Any:
                    value = seen[key] = made(f)
                    return value

                return kept
            operands = [(id(part), part.span.text) for part in parts(node)]
            span = node.span
            own = isinstance(node, syntax.Call) and not self.known(node.function)
            count = 0

            def run(f: Frame) -> Any:
                nonlocal count
                before = len(losses)
                value = seen[key] = made(f)
                count += 1
                if own and len(losses) > before:
                    return value
                if count <= MOST and ENGINE.recording and not _tracked(value):
                    given = [(text, seen.get(part)) for part, text in operands]
                    nodes = tuple(x.node for _, x in given if isinstance(x, NDArray) and x.node is not None)
                    if nodes:
                        losses.append(Loss(name, span, count, nodes, tuple(given), own))
                return value

            return run

        def loses(self, node: syntax.Expression) -> str:
            """What an expression is called that may lose a derivative, "" for others."""
            match node:
                case syntax.Call(function=syntax.Name(name=name) | syntax.Attribute(name=name)):
                    return name
                case syntax.Attribute(name=name):
                    return name
                case syntax.Call(function=function):
                    return function.span.text
                case syntax.Comparison(operators=operators):
                    return operators[0]
                case syntax.Binary(operator=sign) | syntax.Unary(operator=sign):
                    return sign
                case syntax.Index():
                    return "index"
            return ""

        def known(self, function: syntax.Expression) -> bool:
            """Whether a function is one of the language, or a method."""
            if isinstance(function, syntax.Name):
                return self.builtin(function.name) is not None
            return isinstance(function, syntax.Attribute)

    return Losing


def parts(node: syntax.Expression) -> Iterator[syntax.Expression]:
    """The expressions that an expression takes values from."""
    match node:
        case syntax.Call(function=function, arguments=arguments, keywords=keywords):
            if isinstance(function, syntax.Attribute):
                yield function.value
            yield from arguments
            yield from (keyword.value for keyword in keywords)
        case _:
            yield from (part for part in syntax.children(node) if isinstance(part, syntax.Expression))


def _tracked(value: Any) -> bool:
    """Whether a value has a history, or is one that carries others: a tuple, a function."""
    if isinstance(value, NDArray):
        return value.node is not None
    if isinstance(value, tuple):
        return any(map(_tracked, value))
    return callable(value)
