"""A derivation as text, Markdown, LaTeX, a page or JSON: one module per format, each with `written(explained)`.

A new format is a module and an entry in FORMATS.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING

from ndgrad.cli import problems
from ndgrad.cli.streams import painter
from ndgrad.cli.writing.places import Place
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    from ndgrad.cli.streams import Paint
    from ndgrad.lang.derivation_data import Derivation
    from ndgrad.lang.program import Result

# name, module, how names of such files end
FORMATS = (
    ("text", "text", (".txt",)),
    ("markdown", "markdown", (".md", ".markdown")),
    ("latex", "latex", (".tex",)),
    ("html", "page", (".html", ".htm")),
    ("json", "data", (".json",)),
)


class Explained(Frozen):
    """The derivations of a run, and what is needed to show them.

    program     what the program is called
    counted     gives the number of axes of each name's value
    steps       "forward", "backward" or "all"
    precision   significant digits, as usual unless given
    full        whole arrays and formulas, however long
    paint       gives a text the colour of its role
    """

    derivations: tuple[Derivation, ...]
    program: str
    counted: Callable[[], Mapping[str, int]]
    steps: str = "all"
    precision: int | None = None
    paint: Paint | None = None
    full: bool = False

    @cached_property
    def axes(self) -> Mapping[str, int]:
        """How many axes the value of each name has."""
        return self.counted()

    @property
    def forward(self) -> bool:
        """Whether forward steps are shown."""
        return self.steps != "backward"

    @property
    def backward(self) -> bool:
        """Whether backward steps are shown."""
        return self.steps != "forward"


def chosen(name: str | None, output: str | None) -> str:
    """The format to write: the one asked for, else by the file's name, else text. Stops on wrong usage."""
    if output in (None, "-"):
        return name or "text"
    suffix = os.path.splitext(output or "")[1].lower()
    for format, _, suffixes in FORMATS:
        if suffix in suffixes:
            if name not in (None, format) and suffix != ".txt":  # which takes any text
                problems.disagree(name or "", output, format)
            return name or format
    if name is not None:
        return name
    known = ", ".join(suffixes[0] for _, _, suffixes in FORMATS)
    return problems.usage(f"-o {output}: the name says no format to write; name it {known}, or add --format")


def write(
    result: Result,
    derivations: tuple[Derivation, ...],
    program: str,
    format: str,
    place: Place,
    precision: int | None = None,
    steps: str = "all",
    full: bool = False,
) -> None:
    """Write the derivations of a run in that format to that place."""
    paint = painter(sys.stdout) if place.path is None else None
    explained = Explained(derivations, program, partial(_axes, result, derivations), steps, precision, paint, full)
    module = next(module for name, module, _ in FORMATS if name == format)
    place.write_text(import_module(f"ndgrad.cli.explaining.{module}").written(explained, place.ascii))


def _axes(result: Result, derivations: tuple[Derivation, ...]) -> dict[str, int]:
    """How many axes the value of each name had."""
    import numpy as np

    from ndgrad.lang.derivation_data import ForwardStep
    from ndgrad.lang.notation import subscripted

    made = {subscripted(b.name, b.number): np.ndim(b.value) for b in result.trace or ()}
    for d in derivations:
        made |= {step.name: np.ndim(step.value) for step in d.forward if isinstance(step, ForwardStep)}
    if result.differentiated is not None:
        made.setdefault("head", result.differentiated.ndim)
    return made
