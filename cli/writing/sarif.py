"""Findings as a SARIF 2.1.0 log (OASIS), which code hosts and editors show beside the lines.

Columns count UTF-16 code units from 1, and the end of a region is the place behind its last character.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ndgrad import __version__
from ndgrad.cli.reading import STDIN
from ndgrad.errors import Diagnostic, Label, Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def log(found: list[Diagnostic], files: list[str]) -> dict[str, Any]:
    """One run with a result for each finding. files: what was examined."""
    codes = sorted({problem.code for problem in found})
    driver = {"name": "ndgrad", "version": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "artifacts": [{"location": {"uri": _uri(file)}} for file in files if file],
        "results": [_result(problem, codes) for problem in found],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    from ndgrad.lang import catalogue

    entry = catalogue.entry(code)
    assert entry is not None
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.cause},
        "defaultConfiguration": {"level": "warning" if code[0] == "W" else "error"},
    }


def _result(problem: Diagnostic, codes: list[str]) -> dict[str, Any]:
    said = problem.message if problem.help is None else f"{problem.message}: {problem.help}"
    made: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": codes.index(problem.code),
        "level": problem.severity,
        "message": {"text": said},
    }
    if problem.labels:
        first, *others = problem.labels
        made["locations"] = [_location(first)]
        if others:
            made["relatedLocations"] = [{"id": i, **_location(label)} for i, label in enumerate(others)]
    return made


def _location(label: Label) -> dict[str, Any]:
    span = label.span
    place = {"artifactLocation": {"uri": _uri(span.source.name)}, "region": _region(span)}
    made: dict[str, Any] = {"physicalLocation": place}
    if label.text:
        made["message"] = {"text": label.text}
    return made


def _region(span: Span) -> dict[str, int]:
    text = span.source.text
    end = max(span.end, span.start)
    last_line = text.rfind("\n", 0, end) + 1
    return {
        "startLine": span.line,
        "startColumn": _units(text[span.start - span.column + 1 : span.start]) + 1,
        "endLine": text.count("\n", 0, end) + 1,
        "endColumn": _units(text[last_line:end]) + 1,
    }


def _units(text: str) -> int:
    """How many UTF-16 code units a text takes."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _uri(name: str) -> str:
    """A path as a relative or absolute reference; standard input as `stdin`."""
    return "stdin" if name == STDIN else quote(name.replace("\\", "/"), errors="surrogateescape")
