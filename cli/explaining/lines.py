"""Formulas in lines of a width: broken where a person would break them."""

from __future__ import annotations

_BEFORE = (" + ", " - ", " @ ", " · ", " = ", " += ", " with ")
_AFTER = (", ", "·")
_OPENING, _CLOSING = "([⟨", ")]⟩"
EARLIEST = 0.4  # of a line: where it is broken at the earliest, if there is a choice


def wrapped(text: str, first: int, more: int) -> list[str]:
    """A formula in lines: the first of at most `first` signs, the others of `more`, as far as it can be broken.

    Lines are broken outside brackets rather than inside, behind commas and dots, before other signs.
    """
    lines: list[str] = []
    room = first
    while len(text) > room:
        at = _break(text, room)
        if at is None:
            break
        lines.append(text[:at].rstrip())
        text = text[at:].lstrip()
        room = more
    return [*lines, text]


def _break(text: str, room: int) -> int | None:
    """Where to break a text that is longer than `room`; None where it cannot be broken."""
    places = _places(text[: room + len(max(_BEFORE, key=len)) + 1])  # a formula may be a hundred lines long
    fitting = [(depth, at) for depth, at in places if len(text[:at].rstrip()) <= room]
    late = [(depth, at) for depth, at in fitting if at >= EARLIEST * room]
    if late:
        return min(late, key=lambda place: (place[0], text[place[1] - 1] == "·", -place[1]))[1]
    if fitting:
        return fitting[-1][1]
    space = text.rfind(" ", 1, room + 1)
    if space > 0:
        return space + 1
    return next((at for _, at in places or _places(text)), None)


def _places(text: str) -> list[tuple[int, int]]:
    """How deep in brackets, and where, a text can be broken."""
    made: list[tuple[int, int]] = []
    depth = 0
    for i, sign in enumerate(text):
        depth += (sign in _OPENING) - (sign in _CLOSING)
        if i and text.startswith(_BEFORE, i):
            made.append((depth, i + 1))
        if text[i - 1 : i] != " ":
            made += [(depth, i + len(sign)) for sign in _AFTER if text.startswith(sign, i)]
    return [(depth, at) for depth, at in made if 0 < at < len(text)]
