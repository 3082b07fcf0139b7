"""The namespaces `F` that a rule may compute in: NumPy's arrays, or recorded NDArrays.

A rule names its functions through F and never says what the values are. Both namespaces offer
every registered operation by name; NumPy's also holds the few functions that NumPy itself lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.tape import Remote

# Functions over plain arrays that rules and values need and NumPy does not have, by name.
_PLAIN: dict[str, Callable[..., Any]] = {}


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Offer `function` to rules as `F.<its name>` over plain arrays."""
    _PLAIN[function.__name__] = function
    return function


# Names that NumPy has too, but with another meaning or without the batches that ours takes.
_OURS = frozenset({"float", "int", "bool", "unique", "norm", "pad"})


def concrete(x: Any) -> Any:
    """The plain value of an array-like thing in a rule, for choices that depend on it."""
    while hasattr(x, "_data"):
        x = x._data
    return getattr(x, "value", x)


def as_array(x: Any) -> Any:
    """`x` as a plain array, where it is: what is on a device stays there."""
    return x if isinstance(x, Remote) else np.asarray(x)


def to_integers(op: str, x: Any, dtype: Any) -> Any:
    """The plain array `x` with its digits cut off, of an integer dtype. E312 for nan, infinities and beyond int64."""
    if x.dtype.kind == "f" and not np.all((x >= -(2.0**63)) & (x < 2.0**63)):  # nan is neither
        from ndgrad import problems

        odd = x[~((x >= -(2.0**63)) & (x < 2.0**63))]
        raise problems.no_integer(op, float(odd.flat[0]))
    return x.astype(dtype)


class PlainNamespace:
    """F over plain arrays: functions marked `plain`, then NumPy's own."""

    def __getattr__(self, name: str) -> Any:
        found = _PLAIN.get(name)
        if found is None and name not in _OURS:
            found = getattr(np, name, None)
        if found is None:
            from ndgrad.ops import lookup

            primitive = lookup(name)
            found = _PLAIN.get(name)  # which looking it up may have brought
            if found is None:
                if primitive is None:
                    raise AttributeError(f"a rule uses F.{name}, which is no operation")
                found = primitive.on_plain
        setattr(self, name, found)
        return found


class RecordedNamespace:
    """F over NDArrays: every registered operation, so that what a rule does can be recorded."""

    def __getattr__(self, name: str) -> Any:
        from ndgrad.ops import lookup

        primitive = lookup(name)
        if primitive is None:
            raise AttributeError(f"a rule uses F.{name}, which is no operation")
        call = primitive.call
        setattr(self, name, call)
        return call


PLAIN: Any = PlainNamespace()
RECORDED: Any = RecordedNamespace()


def unbroadcast(g: Any, shape: tuple[int, ...], F: Any = PLAIN) -> Any:
    """The transpose of broadcasting: sum `g` over the axes that broadcasting from `shape` made or stretched."""
    extra = len(g.shape) - len(shape)
    if extra > 0:
        g = F.sum(g, axis=tuple(range(extra)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if stretched:
        g = F.sum(g, axis=stretched, keepdims=True)
    if g.shape != shape:  # an axis of size 1 that met an axis of size 0, or a partial that did not spread
        g = F.broadcast_to(g, shape)
    return g


def spread(value: Any, like: Any) -> Any:
    """`value` (a number or a smaller array) with the shape and dtype of `like`, over plain arrays."""
    return np.broadcast_to(np.asarray(value, dtype=like.dtype), like.shape)
