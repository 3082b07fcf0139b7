"""Results as text or bytes: one module per format of `ndgrad.cli.formats`, each with `write(report, place)`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.formats import FORMATS, Format, named, of_path
from ndgrad.cli.writing.places import Place
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    import numpy as np

    from ndgrad.lang.program import Result

ROUNDED = ("table", "plain", "csv")  # the formats that a precision is for


class Report(Frozen):
    """A result, the name of its program, and what people want to see of it.

    precision: significant digits; full: whole arrays; stats: also what the run took.
    """

    result: Result
    program: str
    precision: int | None = None
    full: bool = False
    stats: bool = False


def chosen(name: str | None, output: str | None, arrays: int = 0) -> Format:
    """The format to write: the one asked for, else by the file's name, else table or JSON. Stops on wrong usage.

    arrays: how many are asked for, for formats that hold one.
    """
    to_stdout = output in (None, "-")
    format = None if name is None else named(name)
    told = None if format is None or to_stdout else of_path(output or "")
    if format is not None and told is not None and not _takes(told, format):
        problems.disagree(format.name, output, told.name)
    if format is None and not to_stdout:
        format = of_path(output or "")
        if format is None or not format.write:
            known = ", ".join(f.suffixes[0] for f in FORMATS if f.write and f.suffixes)
            problems.usage(f"-o {output}: the name says no format to write; name it {known}, or add --format")
    if format is None:
        format = named("table" if sys.stdout.isatty() else "json")
    if format.binary and to_stdout and sys.stdout.isatty():
        problems.usage(f"--format {format.name} is binary and does not go to a terminal; add -o FILE, or redirect")
    if format.holds == "one" and format.binary and not to_stdout and arrays > 1:
        problems.usage(f"a {format.suffixes[0]} file holds one array; ask for one gradient, or write .npz or .json")
    return format


def digits(precision: int | None, format: Format, name: str | None, output: str | None) -> None:
    """Stop where digits are asked for of a format that keeps them all, and that is asked for too.

    name, output: as for `chosen`
    """
    asked = name is not None or output not in (None, "-")
    if precision is not None and asked and format.name not in ROUNDED:
        problems.usage(
            f"--precision is for {', '.join(ROUNDED[:-1])} and {ROUNDED[-1]}; {format.name} keeps all digits"
        )


def _takes(told: Format, format: Format) -> bool:
    """Whether a file whose name tells one format may hold another: a .txt any text, .jsonl JSON in one line."""
    if told.name == "plain":
        return not format.binary
    return told is format or (told.name == "jsonl" and format.name == "json")


def write(report: Report, format: Format, place: Place) -> None:
    """Write the report in that format to that place; what the run took to standard error, but for JSON."""
    import_module(f"ndgrad.cli.writing.{format.write}").write(report, place)
    if report.stats and format.name != "json":
        from ndgrad.cli.streams import as_ascii, only_ascii
        from ndgrad.cli.writing import stats

        said = f"stats  {stats.text(report.result)}\n"
        sys.stdout.flush()
        sys.stderr.write(as_ascii(said) if only_ascii(sys.stderr) else said)


def derivatives(result: Result) -> dict[str, np.ndarray[Any, Any]]:
    """The derivatives of a result in the order of their kinds: gradients under the names of the inputs alone."""
    return {
        **result.grads,
        **{f"jac.{name}": array for name, array in result.jacobians.items()},
        **{f"hess.{name}": array for name, array in result.hessians.items()},
        **({} if result.jvp is None else {"jvp": result.jvp}),
        **{f"hvp.{name}": array for name, array in result.hvp.items()},
    }


def named_arrays(result: Result) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a result by name, for formats that hold several: the derivatives, else the outputs."""
    return derivatives(result) or dict(result.outputs)


def value_and_derivatives(result: Result) -> dict[str, np.ndarray[Any, Any]]:
    """`value`, what was differentiated, before the derivatives by name; the outputs where none is asked for."""
    found = derivatives(result)
    value = result.differentiated if result.differentiated is not None else result.value
    if not found or value is None:
        return found or dict(result.outputs)
    return {"value" if "value" not in found else f"value of {result.of}": value, **found}


def asked_for(result: Result) -> list[np.ndarray[Any, Any]]:
    """The arrays of a result for formats that hold only numbers: the derivatives in order, else the value."""
    found = derivatives(result)
    if found:
        return list(found.values())
    of = result.outputs.get(result.of) if result.of is not None else None
    value = of if of is not None else result.value
    return [] if value is None else [value]
