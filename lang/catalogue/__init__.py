"""Every code that a diagnostic can have, explained with examples: what `ndgrad help CODE` shows.

A new code is a new entry in the file of its hundred; a test compares the codes with the builders.
"""

from __future__ import annotations

from collections.abc import Iterator

from ndgrad.lang.catalogue.entry import Entry, kind, source

__all__ = ["Entry", "entries", "entry", "group", "kind", "near", "source"]

_GROUPS = {
    "E1": "the text is not a program",
    "E2": "names and calls",
    "E3": "shapes, dtypes and values",
    "E4": "derivatives",
    "E5": "limits",
    "E6": "files and input values",
    "E7": "devices and packages",
    "E8": "checks that were asked for",
    "W": "warnings: the run goes on",
}


def entries() -> Iterator[Entry]:
    """All entries, by code; warnings last."""
    from ndgrad.lang.catalogue import checks, derivatives, devices, files, limits, names, shapes, syntax

    for module in (syntax, names, shapes, derivatives, limits, files, devices, checks):
        yield from module.ENTRIES
    for module in (names, shapes, derivatives):
        yield from module.WARNINGS


def entry(code: str) -> Entry | None:
    """The entry of a code, in any case; None where there is no such code."""
    return next((one for one in entries() if one.code == code.upper()), None)


def group(code: str) -> str:
    """What the codes of this kind are about, in a few words."""
    return _GROUPS[code[:2] if code[0] == "E" else code[0]]


def near(code: str) -> list[str]:
    """Codes that `code` may have been meant to be, the most likely first; at most three."""
    from difflib import get_close_matches

    return get_close_matches(code.upper(), [one.code for one in entries()], 3, 0.7)
