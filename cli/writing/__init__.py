"""Results as text or bytes: one module per format, each with `write(report, place)`.

A new format is a module and an entry in FORMATS (and in SUFFIXES, where files have it by name).
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.writing.places import Place
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    import numpy as np

    from ndgrad.lang.program import Result

FORMATS = {"table": "table", "plain": "plain", "json": "json_result", "npy": "npy"}
SUFFIXES = {".npy": "npy", ".json": "json", ".txt": "plain"}
BINARY = ("npy",)


class Report(Frozen):
    """A result, the name of its program, and how many digits people want to see."""

    result: Result
    program: str
    precision: int | None = None


def chosen(format: str | None, output: str | None, gradients: int = 0) -> str:
    """The format to write: the one asked for, else by the file's name, else table or JSON. Stops on wrong usage."""
    to_stdout = output in (None, "-")
    if format is None and not to_stdout:
        suffix = os.path.splitext(output or "")[1].lower()
        format = SUFFIXES.get(suffix)
        if format is None:
            problems.usage(f"-o {output}: the name says no format; name it .npy, .json or .txt, or add --format")
    if format is None:
        format = "table" if sys.stdout.isatty() else "json"
    if format in BINARY and to_stdout and sys.stdout.isatty():
        problems.usage(f"--format {format} is binary and does not go to a terminal; add -o FILE, or redirect")
    if format == "npy" and not to_stdout and gradients > 1:
        problems.usage("a .npy file holds one array; ask for one gradient, or write .json")
    return format


def write(report: Report, format: str, place: Place) -> None:
    """Write the report in that format to that place."""
    import_module(f"ndgrad.cli.writing.{FORMATS[format]}").write(report, place)


def asked_for(result: Result) -> list[np.ndarray[Any, Any]]:
    """The arrays of a result for formats that hold only numbers: the gradients in order, else the value."""
    if result.grads:
        return list(result.grads.values())
    of = result.outputs.get(result.of) if result.of is not None else None
    value = of if of is not None else result.value
    return [] if value is None else [value]
