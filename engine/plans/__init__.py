"""Operations listed and written out: traces of functions, plans that run them, and rounds of loops.

The executors of symbols run plans, and the loops of programs rounds. See `tracing`, `plan` and `rounds`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value` with `change` made to every leaf of its lists, tuples and slices."""
    if isinstance(value, tuple):
        return tuple(replaced(v, change) for v in value)
    if isinstance(value, list):
        return [replaced(v, change) for v in value]
    if isinstance(value, slice):
        return slice(*(replaced(v, change) for v in (value.start, value.stop, value.step)))
    return change(value)
