"""The derivative as one simplified expression of the input, by SymPy; elementwise programs only."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.lang.notation import superscript
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node

LARGEST = 60  # operations; beyond that a closed form explains nothing

_FUNCTIONS = {
    "exp": "exp",
    "log": "log",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "tanh": "tanh",
    "sinh": "sinh",
    "cosh": "cosh",
    "sqrt": "sqrt",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
}


def closed_form(output: Node, variable: Node, name: str) -> str | None:
    """d(output)/d(variable) in `name`, simplified; None where there is no such form.

    There is one when every operation between is elementwise with a counterpart in SymPy, every
    operand has the variable's shape or is a plain number, and the program is short.
    """
    order = nodes_below([output], variable.id)
    if len(order) > LARGEST or output.shape != variable.shape:
        return None
    import sympy

    x = sympy.Symbol(name)
    terms: dict[int, Any] = {variable.id: x}
    for node in reversed(order):
        if node.id in terms:
            continue
        term = _counterpart(sympy, node, terms)
        if term is None:
            return None
        terms[node.id] = term
    derivative = sympy.diff(terms[output.id], x)
    shortest = min(
        (form(derivative) for form in (sympy.expand, sympy.factor, sympy.simplify)),
        key=lambda e: (e.count_ops(), str(e)),
    )
    return written(sympy, sympy.expand(shortest) if shortest.is_polynomial(x) else shortest)


def _counterpart(sympy: Any, node: Node, terms: dict[int, Any]) -> Any:
    op = node.op
    if op is None or not op.elementwise:
        return None
    args = []
    for parent, operand in zip(node.parents, node.operands, strict=True):
        if parent is not None and parent.id in terms:
            args.append(terms[parent.id])
        elif np.ndim(operand) == 0:
            args.append(sympy.nsimplify(float(operand), rational=True))
        else:
            return None
    if op.name in _FUNCTIONS:
        return getattr(sympy, _FUNCTIONS[op.name])(*args)
    arithmetic: Any = {
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "multiply": lambda a, b: a * b,
        "divide": lambda a, b: a / b,
        "power": lambda a, b: a**b,
        "negative": lambda a: -a,
        "positive": lambda a: a,
        "square": lambda a: a**2,
        "reciprocal": lambda a: 1 / a,
    }.get(op.name)
    return arithmetic(*args) if arithmetic is not None else None


def written(sympy: Any, expression: Any) -> str:
    """A SymPy expression in this project's notation: 4·x³ + 2·x."""
    import re

    text = sympy.sstr(expression)
    text = re.sub(r"\*\*(\d+)\b", lambda m: superscript(int(m[1])), text)
    text = re.sub(r"\*\*\((-\d+)\)", lambda m: superscript(int(m[1])), text)
    return str(text.replace("**", "^").replace("*", "·"))
