"""`ndgrad minimize`: the search that its options describe, its progress, and the minimum in any format."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
    from ndgrad.lang.result import Result

DONE, NOT_CONVERGED = 0, 3
FAR = 1e9  # times its first size: a value that has fallen so far is not waited for
NOT_NEAR = 1e4  # times: one that has fallen so far, and is as steep as at the start, has not come near a minimum
WITHOUT_END = "the value falls without end: the output has no minimum, or --bounds are missing"
SCIPY = ("L-BFGS-B", "BFGS", "Newton-CG", "trust-exact")


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
    from ndgrad.lang.minimizing import minimize

    wanted = chosen(format, output, len(search.over))
    digits(precision, wanted, format, output)
    guard(output, job.files())
    program = job.loaded(*search.over)
    guard(output, [(path, "a file that the program uses") for path in program.files])
    inputs, arguments = job.arguments()
    line = progress.Progress()
    settings = {**arguments, "grad": search.over, "seed": search.seed or 0, "train": search.train}
    descent = Descent(search.method, lambda: program.run(inputs, show=lambda text: None, **settings))

    def watch(at: Progress) -> None:
        line(said(at))
        descent.look(at)

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
    found = descent.judged(found)
    write(found, job.name, wanted, Place(output), precision)
    if found.reason == WITHOUT_END and wanted.name not in ("table", "json"):  # which tell it themselves
        sys.stdout.flush()
        sys.stderr.write(f"ndgrad: not converged: {WITHOUT_END}\n")
    return DONE if found.converged else NOT_CONVERGED


class Descent:
    """Whether the values of a search run away: far below the first one, where the function is hardly flatter.

    begin: runs the program at the start of the search, with its gradients
    """

    def __init__(self, method: str, begin: Callable[[], Result]) -> None:
        self.looks = method in SCIPY  # a sum of squares has a lowest value, and steps of a fixed rate get nowhere fast
        self.begin = begin
        self.first: tuple[float, float] | None = None  # the value and the norm of the gradient at the start

    def look(self, at: Progress) -> None:
        """StopIteration, which ends a search of SciPy's, where the values run away."""
        if self.looks and at.value < -FAR and self.falls(at.value, at.gradient_norm, FAR, 0.01):
            raise StopIteration

    def judged(self, found: Minimum) -> Minimum:
        """The end of the search, told as what it is."""
        if found.converged or not self.looks or not self.falls(found.value, found.gradient_norm, NOT_NEAR, 0.5):
            return found
        fields = {name: getattr(found, name) for name in found._fields}
        return type(found)(**fields | {"reason": WITHOUT_END})

    def falls(self, value: float, slope: float, far: float, steep: float) -> bool:
        """Whether a value is so far below the first one, measured by that and its gradient, and as steep."""
        import numpy as np

        if self.first is None:
            made = self.begin()
            if made.differentiated is None:
                return False
            norms = [np.linalg.norm(np.ravel(gradient)) for gradient in made.grads.values()]
            self.first = float(made.differentiated.item()), float(np.linalg.norm(norms))
        first, norm = self.first
        return bool(first - value > far * (abs(first) + norm) and slope >= steep * norm)


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
