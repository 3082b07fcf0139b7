"""Arithmetic on the numbers written in a program, before they meet an array.

The results are Python numbers again (weak scalars): ints within int64, floats otherwise. Where
Python raises, these give what NumPy gives for floats (inf, nan); only an integer divided by the
integer 0 has no answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

Number = int | float


class DivisionByZero(Exception):
    """An integer divided by the integer 0 where the result would be an integer."""


def _bounded(value: Any) -> Any:
    """An int that int64 holds, else the float."""
    if value.__class__ is int and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def _bounding(function: Callable[[Any, Any], Any]) -> Callable[[Number, Number], Any]:
    return lambda a, b: _bounded(function(a, b))


def _by_floats(name: str) -> Callable[[Number, Number], float]:
    function = getattr(np, name)
    return lambda a, b: float(function(np.float64(a), np.float64(b)))


_float_power = _by_floats("power")
_float_divide = _by_floats("divide")
_float_floor_divide = _by_floats("floor_divide")
_float_mod = _by_floats("mod")


def _divide(a: Number, b: Number) -> float:
    return a / b if b else _float_divide(a, b)


def _floor_divide(a: Number, b: Number) -> Any:
    if b:
        return _bounded(a // b)
    if isinstance(a, int) and isinstance(b, int):
        raise DivisionByZero
    return _float_floor_divide(a, b)


def _mod(a: Number, b: Number) -> Any:
    if b:
        return a % b
    if isinstance(a, int) and isinstance(b, int):
        raise DivisionByZero
    return _float_mod(a, b)


def _power(a: Number, b: Number) -> Any:
    if isinstance(a, int) and isinstance(b, int) and b >= 0:
        if abs(a) < 2 or b * a.bit_length() < 1000:
            try:
                return _bounded(a**b)
            except OverflowError:
                return _float_power(a, b)
        return _float_power(a, b)
    return _float_power(a, b)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": _bounding(operator.add),
    "-": _bounding(operator.sub),
    "*": _bounding(operator.mul),
    "/": _divide,
    "//": _floor_divide,
    "%": _mod,
    "**": _power,
}

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

# The operation on arrays behind each sign
OPERATIONS: dict[str, str] = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "mod",
    "**": "power",
    "@": "matmul",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "==": "equal",
    "!=": "not_equal",
}


def negative(value: Number) -> Number:
    return _bounded(-value)  # type: ignore[no-any-return]
