"""`ndgrad lint`: the programs that it is given, what was found in them, and how that is written."""

from __future__ import annotations

import sys
from typing import Any

from ndgrad.cli.drawing import as_json
from ndgrad.cli.job import pairs
from ndgrad.cli.problems import usage
from ndgrad.cli.programs import named
from ndgrad.cli.reading import STDIN, value
from ndgrad.cli.streams import columns, only_ascii, painter, put
from ndgrad.errors import Diagnostic, Error
from ndgrad.frozen import Frozen


class Report(Frozen):
    """What was found in one program, in the order of the text."""

    file: str
    found: tuple[Diagnostic, ...]

    @property
    def exit_code(self) -> int:
        """1 for errors, 3 for warnings alone, else 0."""
        if any(problem.severity == "error" for problem in self.found):
            return 1
        return 3 if self.found else 0


def examined(paths: list[str], inputs: list[str] | None) -> list[Report]:
    """What is found in the programs in files, in folders, and in standard input (`-`).

    inputs: NAME=VALUE, whose shapes and dtypes the programs are held against.
    """
    bound = pairs("-i", inputs)
    if "-" in paths and any(text == "-" or text.startswith("-:") for _, text in bound):
        usage("standard input is the program, and cannot be an input too")
    given = {name: value(text, f"-i {name}") for name, text in bound}
    reports: list[Report] = []
    for path in named(paths, lambda error: reports.append(Report("", error.diagnostics))):
        try:
            found = _found(path, given)
        except Error as error:
            found = error.diagnostics
        reports.append(Report(STDIN if path == "-" else path, found))
    return reports


def _found(path: str, given: dict[str, Any]) -> tuple[Diagnostic, ...]:
    from ndgrad.lang import compile, load

    if path != "-":
        return load(path).check(given)
    from ndgrad.cli.reading import bytes_from_stdin, decoded

    return compile(decoded(bytes_from_stdin(), STDIN).text, STDIN, ".").check(given)


def write(reports: list[Report], format: str) -> None:
    """Write what was found to standard output; as text, a last line on standard error counts it."""
    if format == "text":
        _write_text(reports)
        return
    import json

    if format == "sarif":
        from ndgrad.cli.writing.sarif import log

        content = log([problem for report in reports for problem in report.found], [r.file for r in reports])
    else:
        content = {"schema": 1, "files": [_as_object(report) for report in reports]}
    put(json.dumps(content, ensure_ascii=only_ascii(sys.stdout)) + "\n")


def _as_object(report: Report) -> dict[str, Any]:
    found = [{"severity": problem.severity, **as_json(problem)} for problem in report.found]
    return {"file": report.file, "found": found}


def _write_text(reports: list[Report]) -> None:
    from ndgrad.lang.rendering import render

    found = [problem for report in reports for problem in report.found]
    if not found:
        return
    ascii = only_ascii(sys.stdout)
    wrap = sys.stdout.isatty()
    width = columns() if wrap else max(columns(), 80)
    put(render(found, width=width, wrap=wrap, paint=painter(sys.stdout), ascii=ascii) + "\n")
    sys.stdout.flush()
    errors = sum(problem.severity == "error" for problem in found)
    parts = [_counted(errors, "error"), _counted(len(found) - errors, "warning")]
    files = sum(bool(report.found) for report in reports)
    where = f" in {files} of {len(reports)} programs" if len(reports) > 1 else ""
    print(f"{' and '.join(filter(None, parts))}{where}", file=sys.stderr)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""
