"""What went wrong, as data: sources, spans, labels, diagnostics, and the exceptions that carry them.

A `Diagnostic` is drawn elsewhere (one renderer per format). The engine knows no source text: it
raises an error whose `operands` say something about each operand of the operation, and the
language, which knows where the operands are written, turns them into labels with `Error.at`.
"""

from __future__ import annotations

from typing import ClassVar

from ndgrad.frozen import Frozen


class Source(Frozen):
    """A program's text and the name to show for it."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Line `number` (from 1) without its end."""
        lines = self.text.splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else ""


class Span(Frozen):
    """The half-open range [start, end) of characters of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """The line of the first character, from 1."""
        return self.source.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """The column of the first character, from 1."""
        return self.start - (self.source.text.rfind("\n", 0, self.start) + 1) + 1

    @property
    def text(self) -> str:
        """What is written there."""
        return self.source.text[self.start : self.end]


class Label(Frozen):
    """A remark on a span; an empty text only underlines."""

    span: Span
    text: str = ""


class Diagnostic(Frozen):
    """One finding: a code, a sentence in the user's terms, where, and what to do about it.

    The first label is the primary one. `message` is lower case without a full stop and stands alone.
    """

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    help: str | None = None
    severity: str = "error"

    @property
    def span(self) -> Span | None:
        """Where the primary label points, if anywhere."""
        return self.labels[0].span if self.labels else None


class Error(Exception):
    """Base of everything ndgrad raises on purpose. Carries one or more diagnostics.

    `operands` holds one remark (or "") per operand of the operation that failed, for labels.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, diagnostic: Diagnostic, *more: Diagnostic, operands: tuple[str, ...] = ()) -> None:
        super().__init__(diagnostic, *more)
        self.diagnostics: tuple[Diagnostic, ...] = (diagnostic, *more)
        self.operands = operands

    @property
    def code(self) -> str:
        return self.diagnostics[0].code

    @property
    def span(self) -> Span | None:
        return self.diagnostics[0].span

    @property
    def help(self) -> str | None:
        return self.diagnostics[0].help

    def __str__(self) -> str:
        return "\n".join(self._told(diagnostic) for diagnostic in self.diagnostics)

    def _told(self, one: Diagnostic) -> str:
        """A diagnostic in a few lines; remarks on operands until labels stand for them."""
        text = f"[{one.code}] {one.message}"
        remarks = "; ".join(remark for remark in self.operands if remark)
        if remarks and not one.labels:
            text += f" ({remarks})"
        for label in one.labels:
            span = label.span
            written = span.text.partition("\n")[0]
            written = f"`{written if len(written) <= 40 else written[:39] + '…'}`" if written else ""
            said = ": ".join(part for part in (written, label.text) if part)
            text += f"\n  {span.source.name}:{span.line}:{span.column}" + (f": {said}" if said else "")
        return text + (f"\n  help: {one.help}" if one.help else "")

    def at(self, span: Span, operands: tuple[Span, ...] = ()) -> Error:
        """This error with labels: on each operand that has a remark, else on `span`. Keeps labels it has."""
        first = self.diagnostics[0]
        if not first.labels:
            remarks = zip(operands, self.operands, strict=False)
            labels = tuple(Label(where, remark) for where, remark in remarks if remark) or (Label(span),)
            placed = Diagnostic(first.code, first.message, labels, first.help, first.severity)
            self.diagnostics = (placed, *self.diagnostics[1:])
        return self


class SyntaxError_(Error):
    """E1xx: the text is not a program."""


class NameError_(Error):
    """E2xx: names and calls."""


class ShapeError(Error):
    """E3xx: shapes, dtypes and indices."""


class GradientError(Error):
    """E4xx: a derivative that cannot be given."""


class LimitError(Error):
    """E5xx: steps, memory, recursion, time."""

    exit_code = 4


class InputError(Error):
    """E6xx: files and input values."""


class CheckError(Error):
    """E8xx: a check that was asked for failed."""

    exit_code = 3


class DeviceError(Error):
    """E7xx: a device or an optional package is missing."""

    exit_code = 5
