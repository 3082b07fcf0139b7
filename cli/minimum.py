"""`ndgrad minimize`: the search that its options describe, its progress, and the minimum in any format."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems, progress
from ndgrad.cli.drawing import show
from ndgrad.cli.job import pairs
from ndgrad.cli.writing import Report, chosen, digits
from ndgrad.cli.writing.places import Place, guard
from ndgrad.errors import Source, Span
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    from ndgrad.cli.formats import Format
    from ndgrad.cli.job import Job
    from ndgrad.lang.minimizing import Minimum, Progress

DONE, NOT_CONVERGED = 0, 3


class Search(Frozen):
    """What to move, and how."""

    over: tuple[str, ...]
    method: str
    bounds: dict[str, tuple[Any, Any]]
    tol: float | None
    max_iter: int | None
    rate: float
    seed: int | None
    train: bool


def ranges(given: list[str] | None) -> dict[str, tuple[Any, Any]]:
    """NAME=LOW:HIGH by name, either side a number or a list, or empty for none."""
    from ndgrad.cli.reading import literals

    made = {}
    for name, text in pairs("--bounds", given):
        low, colon, high = text.partition(":")
        if not colon:
            problems.usage(f"--bounds {name}={text}: bounds are given as LOW:HIGH")
        sides = []
        for side, missing in ((low.strip(), float("-inf")), (high.strip(), float("inf"))):
            sides.append(literals.read(Span(Source(f"--bounds {name}", side), 0, len(side))) if side else missing)
        made[name] = (sides[0], sides[1])
    return made


def perform(job: Job, search: Search, format: str | None, output: str | None, precision: int | None) -> int:
    """Search, and write the minimum; the exit code."""
    from ndgrad.lang.minimizing import WITHOUT_END, minimize

    wanted = chosen(format, output, len(search.over))
    digits(precision, wanted, format, output)
    guard(output, job.files())
    program = job.loaded(*search.over)
    guard(output, [(path, "a file that the program uses") for path in program.files])
    inputs, arguments = job.arguments()
    line = progress.Progress()

    def watch(at: Progress) -> None:
        line(said(at))

    try:
        found = minimize(
            program,
            search.over,
            inputs,
            search.method,
            job.of,
            search.bounds,
            search.tol,
            search.max_iter,
            search.rate,
            job.dtype,
            search.seed,
            search.train,
            bound_by=arguments["bound_by"],
            watch=watch,
            **job.limits.arguments(),
        )
    except ValueError as error:
        problems.usage(str(error))
    finally:
        line.close()
    if found.warnings:
        show(found.warnings)
    write(found, job.name, wanted, Place(output), precision)
    if found.reason == WITHOUT_END and wanted.name not in ("table", "json"):  # which tell it themselves
        sys.stdout.flush()
        sys.stderr.write(f"ndgrad: not converged: {WITHOUT_END}\n")
    return DONE if found.converged else NOT_CONVERGED


def said(at: Progress) -> str:
    """Where a search is, in a line."""
    return f"iteration {at.iteration:,}  value {at.value:.6g}  gradient {at.gradient_norm:.2e}"


def write(found: Minimum, program: str, format: Format, place: Place, precision: int | None) -> None:
    """Write the minimum; formats that hold only arrays get the optimum."""
    if format.name == "json":
        import json

        place.write_text(json.dumps(as_object(found, program), ensure_ascii=place.ascii) + "\n")
    elif format.name == "table":
        _write_table(found, place, precision)
    else:
        from importlib import import_module

        from ndgrad.lang.result import Result

        arrays = Result({}, found.optimum, found.of, [], found.seconds, [], None, _no_derivation)
        report = Report(arrays, program, precision)
        import_module(f"ndgrad.cli.writing.{format.write}").write(report, place)


def _no_derivation(name: str, options: dict[str, Any]) -> Any:
    raise ValueError(f"a minimum has no derivation by {name}")


def value_name(found: Minimum) -> str:
    return f"sum({found.of} ** 2)" if found.method == "least-squares" else found.of


def as_object(found: Minimum, program: str) -> dict[str, Any]:
    """The minimum as plain JSON values."""
    import numpy as np

    from ndgrad.cli.writing.json_result import nested

    return {
        "schema": 1,
        "program": program,
        "method": found.method,
        "of": found.of,
        "value": nested(np.asarray(found.value)),
        "optimum": {name: nested(x) for name, x in found.optimum.items()},
        "gradients": {name: nested(g) for name, g in found.gradients.items()},
        "gradient_norm": nested(np.asarray(found.gradient_norm)),
        "iterations": found.iterations,
        "evaluations": found.evaluations,
        "converged": found.converged,
        "reason": found.reason,
        "dtypes": {name: str(x.dtype) for name, x in found.optimum.items()},
        "seconds": found.seconds,
    }


def _write_table(found: Minimum, place: Place, precision: int | None) -> None:
    import io

    import numpy as np

    from ndgrad.cli.streams import as_ascii, colours
    from ndgrad.cli.writing.matrices import entry
    from ndgrad.cli.writing.table import console, draw_array, duration, note

    buffer = io.StringIO()
    drawn = console(buffer, colour=place.path is None and colours(sys.stdout))
    for name, x in found.optimum.items():
        draw_array(drawn, name, x, precision)
        if x.ndim:
            drawn.print()
    name = value_name(found)
    draw_array(drawn, f"output {name}" if name in found.optimum else name, np.asarray(found.value), precision)
    drawn.print()
    rounds = f"{found.iterations:,} iteration{'s' if found.iterations != 1 else ''}"
    drawn.print(note("gradient norm", entry(found.gradient_norm, 3)))
    drawn.print(note("converged" if found.converged else "not converged", found.reason))
    drawn.print(note("search", f"{found.method}, {rounds}, {found.evaluations:,} runs"))
    drawn.print(note("time", duration(found.seconds)))
    place.write_text(as_ascii(buffer.getvalue()) if place.ascii else buffer.getvalue())
