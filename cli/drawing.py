"""Diagnostics on standard error, or as JSON on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ndgrad.cli.streams import as_ascii, columns, only_ascii, painter
from ndgrad.errors import Diagnostic, Label


def show(diagnostics: Iterable[Diagnostic]) -> None:
    """Draw each diagnostic on standard error."""
    from ndgrad.lang.rendering import render

    ascii = only_ascii(sys.stderr)
    wrap = sys.stderr.isatty()
    width = columns() if wrap else max(columns(), 80)
    text = render(diagnostics, width=width, wrap=wrap, paint=painter(sys.stderr), ascii=ascii)
    sys.stdout.flush()
    sys.stderr.write((as_ascii(text) if ascii else text) + "\n")


def write_json(diagnostics: tuple[Diagnostic, ...]) -> None:
    """{"error": …} on standard output; further findings under "more"."""
    import json

    first, *more = map(as_json, diagnostics)
    if more:
        first["more"] = more
    sys.stdout.write(json.dumps({"error": first}, ensure_ascii=only_ascii(sys.stdout)) + "\n")


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "spans": [_span(label) for label in diagnostic.labels],
        "help": diagnostic.help,
    }


def _span(label: Label) -> dict[str, Any]:
    span = label.span
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "start": span.start,
        "end": span.end,
        "text": span.text,
        "label": label.text,
    }
