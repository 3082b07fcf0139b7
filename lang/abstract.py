"""What is known of a value before a program runs.

Numbers, strings, None, tuples and ranges stand for themselves; an array is the engine's `Abstract`, its
shape and dtype. The classes here say less: a number whose value is not known, an array whose dtype is
not, and UNKNOWN, of which nothing is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.lang import syntax, values
from ndgrad.lang.values import NUMBERS, Special, shown_shape
from ndgrad.ndarray import NDArray
from ndgrad.primitive import Primitive
from ndgrad.shapes import Abstract


class Unsettled(Exception):
    """Too little is known to say what comes out."""


class Unknown:
    """Any value at all."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class Unsure(Abstract):
    """An array of known shape and unknown dtype, or a number of unknown kind."""

    __slots__ = ("spread",)

    def __init__(self, shape: tuple[int, ...], spread: bool = False) -> None:
        super().__init__(shape, np.float64)
        self.spread = spread


class Weak(Abstract):
    """A Python number of unknown value: an int, a float or a bool."""

    __slots__ = ("kind",)

    def __init__(self, kind: type) -> None:
        super().__init__((), {int: np.int64, float: np.float64, bool: np.bool_}[kind])
        self.kind = kind

    @property
    def sample(self) -> Any:
        """A number of this kind."""
        return self.kind(1)


class Spread(Abstract):
    """An array whose axes were arranged on purpose: x[:, None], reshape, expand_dims. It may broadcast as it likes."""

    __slots__ = ()


def is_spread(x: Any) -> bool:
    return isinstance(x, Spread) or (isinstance(x, Unsure) and x.spread)


def spread(x: Abstract) -> Abstract:
    """The array, with its axes arranged on purpose."""
    return Unsure(x.shape, True) if isinstance(x, Unsure) else Spread(x.shape, x.dtype)


class Rows:
    """A sequence to loop over: what a row is, and how many there are if that is known."""

    def __init__(self, row: Any, count: int | None = None) -> None:
        self.row = row
        self.count = count


class Frame:
    """The variables of one call, or of the program. `values` is None where no run comes."""

    def __init__(self, names: Any, around: Frame | None) -> None:
        self.names = frozenset(names)
        self.around = around
        self.values: dict[str, Any] | None = {}


class Closure:
    """A function of the program."""

    def __init__(self, node: syntax.Define | syntax.Lambda, frame: Frame, defaults: tuple[Any, ...]) -> None:
        self.node = node
        self.frame = frame
        self.defaults = defaults  # of the last parameters

    @property
    def name(self) -> str:
        return self.node.name if isinstance(self.node, syntax.Define) else "lambda"


class Derived:
    """A function made of others: grad(f) and its like. `call` takes the arguments."""

    def __init__(self, name: str, of: tuple[Any, ...], call: Callable[..., Any]) -> None:
        self.name = name
        self.of = of
        self.call = call


def is_number(value: Any) -> bool:
    return value.__class__ in NUMBERS


def is_plain(value: Any) -> bool:
    """Whether the value itself is known."""
    if value.__class__ is tuple:
        return all(map(is_plain, value))
    return value is None or is_number(value) or isinstance(value, (str, range))


def has_unknown(value: Any) -> bool:
    return value is UNKNOWN or (value.__class__ is tuple and any(map(has_unknown, value)))


def abstracted(value: Any) -> Any:
    """A value of a run, with its arrays reduced to shape and dtype."""
    if isinstance(value, NDArray):
        return Abstract(value.shape, value.dtype)
    if value.__class__ is tuple:
        return tuple(map(abstracted, value))
    return value


def described(value: Any) -> str:
    """What a value is, in the words of a diagnostic."""
    if isinstance(value, (Closure, Derived)):
        return f"the function `{value.name}`"
    if isinstance(value, Weak):
        return "a number"
    if isinstance(value, Abstract):
        return f"an array of shape {shown_shape(value.shape)}" if value.shape else "a scalar"
    return values.described(value)


def same(a: Any, b: Any) -> bool:
    """Whether the same is known of both."""
    if a is b:
        return True
    if a.__class__ is not b.__class__:
        return False
    if isinstance(a, Abstract):
        return bool(a.shape == b.shape and a.dtype == b.dtype)
    if a.__class__ is tuple:
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Closure):
        return a.node is b.node and a.frame is b.frame and same(a.defaults, b.defaults)
    if isinstance(a, Derived):
        return bool(a.name == b.name) and same(a.of, b.of)
    if isinstance(a, Rows):
        return a.count == b.count and same(a.row, b.row)
    if is_number(a) or isinstance(a, (str, range)):
        return bool(a == b) or (a != a and b != b)
    return False


def join(a: Any, b: Any) -> Any:
    """What is known of a value that is one of the two."""
    if same(a, b):
        return a
    if a.__class__ is tuple and b.__class__ is tuple and len(a) == len(b):
        return tuple(map(join, a, b))
    first, second = _kind(a), _kind(b)
    if first is not None and first is second:
        return Weak(first)
    x, y = _array(a), _array(b)
    if x is not None and y is not None and x.shape == y.shape:
        if first is None and second is None and x.dtype == y.dtype and not isinstance(x, Unsure):
            return x if is_spread(x) else y
        return Unsure(x.shape, is_spread(x) or is_spread(y))
    if isinstance(a, (range, Rows)) and isinstance(b, (range, Rows)):
        return Rows(join(row_of(a), row_of(b)))
    return UNKNOWN


def _kind(value: Any) -> type | None:
    """The kind of a Python number."""
    return value.kind if isinstance(value, Weak) else value.__class__ if is_number(value) else None


def _array(value: Any) -> Abstract | None:
    """A number or an array as an array."""
    if isinstance(value, Abstract):
        return value
    return Unsure(()) if is_number(value) else None


def row_of(value: Any) -> Any:
    """What a loop over a range or a sequence gives in a round."""
    return Weak(int) if isinstance(value, range) else value.row


def joined(states: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What is known of variables that are as in one of the states. A variable that some lack is as in the others."""
    if not states:
        return None
    made = dict(states[0])
    for state in states[1:]:
        for name, value in state.items():
            made[name] = join(made[name], value) if name in made else value
    return made


def callable_(value: Any) -> bool:
    return isinstance(value, (Closure, Derived, Primitive, Special))
