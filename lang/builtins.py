"""The names that every program knows: constants, and the functions that are no operations on arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ndgrad.errors import Span
from ndgrad.lang.values import Lazy, Special, formatted, length, rows, whole
from ndgrad.ops import find, names
from ndgrad.primitive import Primitive

CONSTANTS: dict[str, Any] = {
    "pi": math.pi,
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "float32": "float32",
    "float64": "float64",
    "int64": "int64",
}

ATTRIBUTES = ("T", "shape", "size", "ndim", "dtype")

# What functions are often prefixed with, though here they stand alone: np.sum(x) is sum(x)
PACKAGES = frozenset({"np", "numpy", "torch", "math", "jnp", "jax", "tf", "scipy", "mx", "nd", "cmath"})

DTYPES: dict[str, str] = {
    "float32": "float32",
    "float64": "float64",
    "int64": "int64",
    "int": "int64",
    "bool": "bool",
}

# Operations that are written with signs or brackets only
_NOT_BY_NAME = frozenset({"index"})


def _range(span: Span, state: Any, *bounds: Any) -> range:
    start, stop, step = 0, 0, 1
    numbers = [whole(bound, "range", span) for bound in bounds]
    if len(numbers) == 1:
        stop = numbers[0]
    elif len(numbers) == 2:
        start, stop = numbers
    else:
        start, stop, step = numbers
    if step and abs(stop - start) // abs(step) >= 2**63 - 1:
        raise ValueError("it has more numbers than can be counted")
    return range(start, stop, step)  # a step of 0 is an error that the caller places


def _len(span: Span, state: Any, value: Any) -> int:
    return length(value, span)


def _zip(span: Span, state: Any, *parts: Any) -> Lazy:
    shortest = min((length(part, span) for part in parts), default=0)

    def start(first: int) -> Iterator[Any]:
        return zip(*[iter(rows(part, span, first)) for part in parts], strict=False)

    return Lazy(shortest, start, parts)


def _enumerate(span: Span, state: Any, value: Any, first: Any = 0) -> Lazy:
    begin = whole(first, "enumerate", span)
    count = length(value, span)
    numbers = range(begin, begin + count)
    return Lazy(count, lambda at: enumerate(rows(value, span, at), begin + at), (numbers, value))


def _print(span: Span, state: Any, *values: Any) -> None:
    state.show(" ".join([formatted(value) for value in values]))


SPECIAL: dict[str, Special] = {
    special.name: special
    for special in (
        Special("len", _len, 1, 1),
        Special("range", _range, 1, 3),
        Special("zip", _zip, 1, None),
        Special("enumerate", _enumerate, 1, 2),
        Special("print", _print, 0, None),
    )
}


# In ndgrad.lang.derivatives, which is loaded only by programs that use one of them
_DERIVATIVES = frozenset(
    {
        *("grad", "value_and_grad", "jacobian", "hessian", "jvp", "vjp", "hvp", "vmap"),
        *("map", "scan", "checkpoint", "custom_gradient", "fixed_point"),
    }
)


def builtin(name: str) -> Primitive | Special | None:
    """The function that `name` means unless the program gives it another meaning."""
    if name in _DERIVATIVES:
        from ndgrad.lang.derivatives import DERIVATIVES

        return next(special for special in DERIVATIVES if special.name == name)
    special = SPECIAL.get(name)
    if special is not None:
        return special
    return None if name in _NOT_BY_NAME else find(name)


def function_names() -> list[str]:
    """All functions that a program may call without defining them."""
    return sorted({*SPECIAL, *_DERIVATIVES, *names()} - _NOT_BY_NAME)
