"""Rewrites that cure a derivative which is nan, infinite or zero for no good reason: one entry each, tried in order.

A cure sees the operation that is to blame, with what its operands are made of, and gives the text to write
instead, or None where it does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.tape import Node

LONGEST = 30  # characters of an argument that is repeated in a cure


class Blamed(Frozen):
    """An operation that is to blame.

    node      the operation; span, where it is written
    operand   which operand the derivative is by
    values    the operands at the entry (None where they have no such entry)
    finite    False for nan and infinities, True for zeros
    """

    node: Node
    span: Span | None
    operand: int
    values: tuple[float | None, ...]
    finite: bool

    @property
    def name(self) -> str:
        assert self.node.op is not None
        return self.node.op.name

    def argument(self) -> str:
        """The text between the brackets of `f(…)`, … for a long one; else the name of the operand in signatures."""
        found = re.fullmatch(r"\w+\((.*)\)", self.text, re.DOTALL)
        assert self.node.op is not None
        inside = found[1] if found else self.node.op.operands[0]
        argument = " ".join(inside.split())
        return argument if len(argument) <= LONGEST else "…"

    @property
    def text(self) -> str:
        """The operation as it is written."""
        return "" if self.span is None else " ".join(self.span.text.split())

    def sides(self) -> tuple[str, str]:
        """The texts on both sides of a sign, or the names of the operands."""
        for sign in ("**", "/", "*"):
            parts = _split(self.text, sign)
            if parts is not None:
                return parts
        return "a", "b"

    def parent(self, i: int = 0) -> Node | None:
        """The operation that made an operand."""
        found = self.node.parents[i] if i < len(self.node.parents) else None
        return found if found is not None and found.op is not None else None

    def made_by(self, *names: str) -> Node | None:
        """The operation that made the first operand, if it is one of these."""
        found = self.parent()
        return found if found is not None and found.op is not None and found.op.name in names else None


def _split(text: str, sign: str) -> tuple[str, str] | None:
    """`a / b` at its last sign outside of brackets."""
    depth = 0
    for i in range(len(text) - len(sign), 0, -1):
        depth += (text[i] in ")]") - (text[i] in "([")
        alone = text[i : i + len(sign)] == sign and "*" not in (text[i - 1] + text[i + len(sign) : i + len(sign) + 1])
        if depth == 0 and alone:
            return text[:i].strip(), text[i + len(sign) :].strip()
    return None


def cure(blamed: Blamed) -> str | None:
    """What to write instead, or None."""
    for name, finite, rule in CURES:
        if finite is blamed.finite and re.fullmatch(name, blamed.name):
            found = rule(blamed)
            if found is not None:
                return found
    return None


def _argument_of(node: Node | None, name: str) -> str:
    """The text between the brackets of the operation that a node is, or the name of its operand."""
    text = "" if node is None or node.span is None else " ".join(node.span.text.split())
    found = re.fullmatch(rf"{name}\((.*)\)", text)
    return found[1] if found else "x"


def _root(b: Blamed) -> str | None:
    if not _is(b.values[0], 0):
        return None
    made = b.made_by("sum")
    squares = None if made is None else made.parents[0]
    if squares is not None and squares.op is not None and squares.op.name in ("power", "square", "multiply"):
        return "norm(…), whose derivative at 0 is 0, instead of the root of a sum of squares"
    x = b.argument()
    return f"sqrt({x} + 1e-12), or where({_wrapped(x)} > 0, sqrt({x}), 0)"


def _wrapped(text: str) -> str:
    return text if re.fullmatch(r"…|[\w.]+(\(.*\)|\[.*\])?", text) else f"({text})"


def _is(value: float | None, number: float) -> bool:
    return value is not None and value == number


def _log(b: Blamed) -> str | None:
    made = b.parent()
    name = "" if made is None or made.op is None else made.op.name
    if name in ("softmax", "sigmoid"):
        return f"log_{name}({_argument_of(made, name)}), computed without the {name}"
    if name == "add" and made is not None and _has_exp(made) and any(_all(x, 1) for x in made.operands):
        return f"softplus({_argument_of(_exp(made), 'exp')}), which is log(1 + exp(…)) without overflow"
    if name in ("sum", "mean") and made is not None and _has_exp(made):
        return f"logsumexp({_argument_of(_exp(made), 'exp')}), which does not overflow"
    if b.values[0] is not None and b.values[0] <= 0:
        x = b.argument()
        return f"log({x} + 1e-12), or where({_wrapped(x)} > 0, log({x}), 0); xlogy(a, {x}) for a * log({x}) with a = 0"
    return None


def _exp(node: Node) -> Node | None:
    return next((p for p in node.parents if p is not None and p.op is not None and p.op.name == "exp"), None)


def _has_exp(node: Node) -> bool:
    return _exp(node) is not None


def _all(value: Any, number: float) -> bool:
    return bool(np.all(np.equal(np.asarray(value), number)))


def _log1p(b: Blamed) -> str | None:
    made = b.made_by("exp")
    return None if made is None else f"softplus({_argument_of(made, 'exp')}), which is log1p(exp(…)) without overflow"


def _quotient(b: Blamed) -> str | None:
    a, c = b.sides()
    if not _is(b.values[1], 0):
        made = b.made_by("exp")
        return None if made is None else "softmax(…), which is exp(x) / sum(exp(x)) without overflow"
    made = b.made_by("sin")
    if made is not None and _is(b.values[0], 0):
        return f"sinc({c} / pi), which is sin({c}) / {c} with its limit 1 at 0"
    if a == c:
        return f"1: {a} / {c} is 0/0 where {a} is 0"
    return None if re.match(r"[\d.]", c) else f"where({c} != 0, {a} / {c}, 0), or {a} / ({c} + 1e-12)"


def _power(b: Blamed) -> str | None:
    if not _is(b.values[0], 0) or b.values[1] is None or b.values[1] >= 1:
        return None
    a, c = b.sides()
    return f"({a} + 1e-12) ** {c}, or where({a} > 0, {a} ** {c}, 0)"


def _bounded(b: Blamed) -> str | None:
    x = b.argument()
    bound = "1 - 1e-12"
    return f"{b.name}(clip({x}, -({bound}), {bound}))" if b.values[0] is not None and abs(b.values[0]) >= 1 else None


def _exponential(b: Blamed) -> str | None:
    most = 88 if b.node.dtype == np.float32 else 700
    if b.values[0] is None or b.values[0] < most:
        return None
    return f"exp(minimum({b.argument()}, {most})); logsumexp, softplus, softmax where it is part of one"


def _straight(b: Blamed) -> str:
    x = b.argument()
    return f"{x} + stop_gradient({b.name}({x}) - {_wrapped(x)}), for the derivative of {x} itself"


Rule = Callable[[Blamed], str | None]
CURES: tuple[tuple[str, bool, Rule], ...] = (
    ("sqrt", False, _root),
    ("log", False, _log),
    ("log1p", False, _log1p),
    ("divide|reciprocal", False, _quotient),
    ("power", False, _power),
    ("arcsin|arccos|arctanh", False, _bounded),
    ("exp", False, _exponential),
    ("relu", True, lambda b: f"leaky_relu({b.argument()}) or softplus({b.argument()}), which are nowhere flat"),
    ("floor|ceil|round|trunc", True, _straight),
    ("sign", True, lambda b: f"tanh(10 * {_wrapped(b.argument())}), which is steep instead of broken"),
    ("clip|maximum|minimum", True, lambda b: "sigmoid, tanh or softplus, if what lies outside shall still count"),
)

LOSSES: dict[str, str] = {
    "stop_gradient": "the expression without stop_gradient, if the gradient shall go through",
    "detach": "the expression without detach, if the gradient shall go through",
    "argmax": "sum(softmax(10 * x) * arange(n)), a place that moves with x",
    "argmin": "sum(softmax(-10 * x) * arange(n)), a place that moves with x",
}
COMPARED = "sigmoid(k * (a - b)), which goes from 0 to 1 with a slope"
