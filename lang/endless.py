"""Loops that would never end: a round that leaves every variable as it was is followed by the same round.

Looked for at a few rounds of a loop only, so that it costs nothing: at 1024 and each doubling.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ndgrad.ndarray import NDArray, plain

FIRST = 1024  # rounds of a loop before it is looked at
LARGEST = 1 << 16  # entries of an array that is compared
FIXED = 3  # slots of a frame that hold no variable

_Same = Any  # what two values have in common if and only if they are the same


class Changes(Exception):
    """Something that is taken as changed in every round."""


def picture(frame: list[Any]) -> list[_Same] | None:
    """The variables of a frame and the place in the random numbers, to compare; None where they cannot be."""
    try:
        made = [_picture(value) for value in frame[FIXED:]]
    except Changes:
        return None
    random = sys.modules.get("ndgrad.ops.random")
    if random is not None:
        made.append(repr(random.generator().bit_generator.state))
    return made


def _picture(value: Any) -> _Same:
    kind = value.__class__
    if kind is NDArray:
        # Of a copy of its entries: an array that is held here could not be written in place by the loop.
        if value.size > LARGEST:
            raise Changes
        data = plain(value)
        if not isinstance(data, (np.ndarray, np.generic, float, int)):
            raise Changes
        return np.asarray(data).tobytes(), np.shape(data)
    if kind is tuple:
        return tuple(map(_picture, value))
    if kind is float:
        return value.hex()  # nan is nan, and 0 is not -0
    if isinstance(value, NDArray):
        raise Changes
    return value  # numbers and texts; a function is the same only if it was not made anew
