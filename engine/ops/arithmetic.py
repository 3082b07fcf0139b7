"""Arithmetic and comparison: the operations behind the operators.

An entry states y = f(a, b) and ∂y/∂a, ∂y/∂b over any array-like values; the plain numbers 0, 1 and
-1 stand for constant partials. What a rule does not name is not kept for it.
"""

from __future__ import annotations

from math import copysign, inf
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.namespace import plain
from ndgrad.primitive import Kink, NoDerivative, elementwise
from ndgrad.tape import STATE

# How tightly the notation binds: Python's order.
COMPARISON, SUM, PRODUCT, SIGN, POWER = 40, 50, 60, 70, 80

positive = elementwise(
    "positive",
    value=lambda F, x: F.positive(x),
    partials=[lambda: 1],
    written="{x}",
    precedence=SIGN,
    example="positive([1, -2]) -> [1, -2]",
)

negative = elementwise(
    "negative",
    partials=[lambda: -1],
    written="-{x}",
    precedence=SIGN,
    example="negative([1, -2]) -> [-1, 2]",
)

add = elementwise(
    "add",
    partials=[lambda: 1, lambda: 1],
    written="{a} + {b}",
    precedence=SUM,
    example="add([1, 2], 10) -> [11, 12]",
)

subtract = elementwise(
    "subtract",
    partials=[lambda: 1, lambda: -1],
    written="{a} - {b}",
    precedence=SUM,
    example="subtract([1, 2], 10) -> [-9, -8]",
)

multiply = elementwise(
    "multiply",
    partials=[lambda b: b, lambda a: a],
    written="{a}·{b}",
    precedence=PRODUCT,
    example="multiply([1, 2], [3, 4]) -> [3, 8]",
)


def _divide_by_numerator(b: Any) -> Any:
    """1/b; Python raises where b is its own number 0."""
    return copysign(inf, b) if isinstance(b, (int, float)) and b == 0 else 1 / b


divide = elementwise(
    "divide",
    partials=[_divide_by_numerator, lambda y, b: -y / b],
    written="{a}/{b}",
    precedence=PRODUCT,
    domain=(0.5, 3.0),
    example="divide([1, 2], 4) -> [0.25, 0.5]",
)


def _is_whole(x: Any) -> bool:
    return x.dtype.kind in "iub" if hasattr(x, "dtype") else isinstance(x, int)


def _refuse_zero(a: Any, b: Any) -> None:
    """E309 for integers divided by an integer 0, for which NumPy gives 0."""
    if b.__class__ is not float and _is_whole(b) and _is_whole(a) and not np.all(b):
        raise problems.integer_division_by_zero()


@plain
def quotients(a: Any, b: Any) -> Any:
    """a // b over plain arrays. Errors: E309."""
    _refuse_zero(a, b)
    return np.floor_divide(a, b)


@plain
def remainders(a: Any, b: Any) -> Any:
    """a mod b over plain arrays. Errors: E309."""
    _refuse_zero(a, b)
    return np.mod(a, b)


floor_divide = elementwise(
    "floor_divide",
    value=lambda F, a, b: F.quotients(a, b),
    partials=[lambda: 0, lambda: 0],
    written="{a}//{b}",
    precedence=PRODUCT,
    kinks=[Kink("a/b an integer", value="0", touches=lambda a, b: np.equal(np.mod(a, b), 0))],
    domain=(0.5, 3.0),
    example="floor_divide([5, -5], 2) -> [2, -3]",
)

mod = elementwise(
    "mod",
    value=lambda F, a, b: F.remainders(a, b),
    partials=[lambda: 1, lambda F, a, b: -F.floor_divide(a, b)],
    written="{a} mod {b}",
    precedence=PRODUCT,
    kinks=[
        Kink("a/b an integer", value="the derivative from the right", touches=lambda a, b: np.equal(np.mod(a, b), 0))
    ],
    domain=(0.5, 3.0),
    example="mod([5, -5], 3) -> [2, 1]",
)


def _power_by_base(F: Any, a: Any, b: Any) -> Any:
    """b·a^(b-1), and 0 where b is 0 whatever a is."""
    if isinstance(b, (int, float)):
        return 0 if b == 0 else 1 if b == 1 else 2 * a if b == 2 else b * a ** (b - 1)
    return F.where(F.equal(b, 0), 0.0, b * a ** (b - 1))


def _power_by_exponent(F: Any, y: Any, a: Any, b: Any) -> Any:
    """y·log a, and 0 where a is 0 and b is not negative, or y has underflown."""
    flat = F.logical_or(F.equal(y, 0), F.logical_and(F.equal(a, 0), F.greater_equal(b, 0)))
    return F.where(flat, 0.0, y * F.log(a))


power = elementwise(
    "power",
    value=lambda F, a, b: F.power(a, b),
    partials=[_power_by_base, _power_by_exponent],
    written="{a}^{b}",
    precedence=POWER,
    kinks=[
        Kink("b == 0", value="0 by a, for every a", touches=lambda a, b: np.equal(b, 0) & np.equal(a, 0)),
        Kink("a == 0, b >= 0", value="0 by b", touches=lambda a, b: np.equal(a, 0) & np.greater_equal(b, 0)),
    ],
    domain=(0.3, 2.5),
    example="power([1, 2, 3], 2) -> [1, 4, 9]",
)


@plain
def share(a: Any, b: Any, first: bool = True) -> Any:
    """How much of max(a, b) is a: 1, 0, or 1/2 where they are equal; nan counts as the larger.

    first: whether a is the operation's first operand, to which a tie goes by MXNet's convention.
    """
    dtype = np.result_type(a, b)
    larger = np.greater(a, b) | (np.isnan(a) & ~np.isnan(b))
    tie = 0.5 if STATE.kinks != "mxnet" else float(first)
    return larger.astype(dtype) + np.equal(a, b).astype(dtype) * dtype.type(tie)


elementwise(
    "share",
    value=lambda F, a, b, first=True: F.share(a, b, first),
    partials=[lambda: 0, lambda: 0],
    internal=True,
)

_TIE = Kink("a == b", value="1/2 each", admissible="[0, 1]", touches=lambda a, b: np.equal(a, b))

maximum = elementwise(
    "maximum",
    partials=[lambda F, a, b: F.share(a, b), lambda F, a, b: F.share(b, a, False)],
    selects=True,
    kinks=[_TIE],
    example="maximum([1, 5], 3) -> [3, 5]",
)

minimum = elementwise(
    "minimum",
    partials=[lambda F, a, b: F.share(-a, -b), lambda F, a, b: F.share(-b, -a, False)],
    selects=True,
    kinks=[_TIE],
    example="minimum([1, 5], 3) -> [1, 3]",
)

_TRUTH = NoDerivative("the result is true or false")

for _name, _sign, _example in (
    ("equal", "==", "equal([1, 2], 2) -> [False, True]"),
    ("not_equal", "!=", "not_equal([1, 2], 2) -> [True, False]"),
    ("less", "<", "less([1, 2], 2) -> [True, False]"),
    ("less_equal", "<=", "less_equal([1, 2], 2) -> [True, True]"),
    ("greater", ">", "greater([1, 2], 1) -> [False, True]"),
    ("greater_equal", ">=", "greater_equal([1, 2], 2) -> [False, True]"),
):
    elementwise(
        _name,
        partials=[_TRUTH, _TRUTH],
        written=f"{{a}} {_sign} {{b}}",
        precedence=COMPARISON,
        example=_example,
    )

logical_not = elementwise("logical_not", partials=[_TRUTH], example="logical_not([True, False]) -> [False, True]")
logical_and = elementwise(
    "logical_and", partials=[_TRUTH, _TRUTH], example="logical_and([True, False], True) -> [True, False]"
)
logical_or = elementwise(
    "logical_or", partials=[_TRUTH, _TRUTH], example="logical_or([True, False], False) -> [True, False]"
)
