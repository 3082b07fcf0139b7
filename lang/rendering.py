"""Diagnostics as text: the source line, the span underlined, what clashes, what to do.

    error[E301]: these shapes do not multiply
      ┌─ loss.nd:5:9
      │
    5 │     r = X @ w - y
      │         ┬   ┬
      │         │   shape 4
      │         shape 100×3
      = help: the inner sizes 3 and 4 differ

Plain text; `paint` may add colours and `ascii` keeps to signs that every terminal has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from unicodedata import category, east_asian_width

from ndgrad.errors import Diagnostic, Label, Span

Paint = Callable[[str, str], str]

_BOX = {"corner": "┌─", "bar": "│", "dash": "─", "hook": "┬", "gap": "⋮", "more": "…"}
_ASCII = {"corner": "-->", "bar": "|", "dash": "~", "hook": "^", "gap": ":", "more": "..."}
TAB = 4
NARROW = 24  # columns that a broken remark is given, if need be further left


def render(
    diagnostics: Diagnostic | Iterable[Diagnostic],
    *,
    width: int = 100,
    wrap: bool = False,
    paint: Paint | None = None,
    ascii: bool = False,
) -> str:
    """One or several diagnostics as text, without a newline at the end.

    width   lines of source are clipped to about this many columns, around what is underlined
    wrap    break messages, remarks and help at that width, between words
    paint   paint(text, role) gives the text in colour; the roles are "error", "warning", "message",
            "frame", "mark" and "help"
    ascii   use ASCII for the frame
    """
    several = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
    drawing = _Drawing(max(width, 40), paint or (lambda text, role: text), _ASCII if ascii else _BOX, wrap)
    return "\n\n".join(["\n".join(drawing.diagnostic(one)) for one in several])


class _Drawing:
    def __init__(self, width: int, paint: Paint, signs: dict[str, str], wrap: bool) -> None:
        self.width = width
        self.wrap = wrap
        self.paint = paint
        self.signs = signs

    def diagnostic(self, one: Diagnostic) -> list[str]:
        """The lines of one diagnostic."""
        role = "warning" if one.severity == "warning" else "error"
        head = f"{one.severity}[{one.code}]"
        first, *more = self.lines(f"{head}: {_one_line(one.message)}", self.width)
        lines = [self.paint(head, role) + self.paint(first.removeprefix(head), "message")]
        lines += [self.paint(f"  {line}", "message") for line in more]
        by_line: dict[int, list[Label]] = {}
        for label in one.labels:
            by_line.setdefault(_position(label.span)[0], []).append(label)
        margin = max((len(str(number)) for number in by_line), default=1)
        bar = self.paint(self.signs["bar"], "frame")
        blank = " " * margin
        if one.labels:
            span = one.labels[0].span
            line, column = _position(span)
            place = f"{_one_line(span.source.name)}:{line}:{column}"
            lines += [f"{blank} {self.paint(self.signs['corner'], 'frame')} {place}", f"{blank} {bar}"]
        before = 0
        for number in sorted(by_line):
            if before and number > before + 1:
                lines.append(f"{blank} {self.paint(self.signs['gap'], 'frame')}")
            before = number
            source, marks = self.line(by_line[number], role, self.width - margin - 3)
            lines.append(f"{self.paint(str(number).rjust(margin), 'frame')} {bar} {source}".rstrip())
            lines += [f"{blank} {bar} {mark}" for mark in marks]
        if one.help:
            first, *more = self.lines(_one_line(one.help), self.width - margin - len("  = help: "))
            lines.append(f"{blank} {self.paint('= help:', 'help')} {first}")
            lines += [f"{blank}         {line}" for line in more]
        return lines

    def lines(self, text: str, width: int) -> list[str]:
        """A text in as many lines as it takes."""
        return _broken(text, width) if self.wrap else [text]

    def line(self, labels: list[Label], role: str, width: int) -> tuple[str, list[str]]:
        """A line of source, and the lines of marks and remarks below it."""
        text, start = _line_of(labels[0].span)
        places = []
        for label in labels:
            first = min(max(label.span.start - start, 0), len(text))
            while 0 < first < len(text) and not _width(text[first]):
                first -= 1  # a mark is underlined with the letter that carries it
            last = min(max(label.span.end - start, first), len(text))
            places.append((_columns(text[:first]), max(_columns(text[:last]), _columns(text[:first]) + 1), label))
        places.sort(key=lambda place: (place[0], place[1]))
        shown = "".join(_expanded(text))
        total = _width(shown)
        shift = 0
        more = self.signs["more"]
        if total > width:
            low, high = places[0][0], places[-1][1]
            shift = max(0, min(low - width // 3, total - width + len(more)))
            if high - shift > width and low > width // 3:
                shift = max(0, low - width // 4)
            shown = _cut(shown, shift, shift + width)
            if shift:
                shown = more + _cut(shown, len(more), width)
            if shift + width < total:
                shown = _cut(shown, 0, width - len(more)) + more
        placed = [
            (max(first - shift, 0), max(min(last - shift, width), first - shift + 1, 1), label)
            for first, last, label in places
        ]
        return shown, self.marks(placed, role, width)

    def marks(self, places: list[tuple[int, int, Label]], role: str, width: int) -> list[str]:
        """The underlines on one line, then the remarks from right to left."""
        under: list[str] = []
        for first, last, label in places:
            under += [" "] * (last - len(under))
            for column in range(first, last):
                under[column] = self.signs["dash"]
            if label.text or last - first == 1:
                under[last - 1] = self.signs["hook"]
        lines = [self.paint("".join(under), role)]
        remarks = [place for place in places if place[2].text]
        while remarks:
            first, last, label = remarks.pop()
            row = ""
            for _, end, _other in remarks:
                if end - 1 < first:
                    row = row.ljust(end - 1) + self.signs["bar"]
            text = _one_line(label.text)
            room = min(_width(text), NARROW) if self.wrap else 0
            at = max(min(first, width - room), min(first, len(row) + 1))
            parts = self.lines(text, max(width - at, NARROW // 2))
            lines += [self.paint(row.ljust(at) + part, "mark") for part in parts]
        return lines


def _one_line(text: str) -> str:
    """Text without line breaks and control characters, which could redraw the terminal."""
    return "".join([sign if sign.isprintable() else " " for sign in text])


def _position(span: Span) -> tuple[int, int]:
    """The line and column of a span, from 1; a span at the very end belongs to the last line."""
    text = span.source.text
    start = min(span.start, len(text))
    if start == len(text) and text.endswith("\n") and start:
        start -= 1
    before = text.rfind("\n", 0, start) + 1
    return text.count("\n", 0, start) + 1, start - before + 1


def _line_of(span: Span) -> tuple[str, int]:
    """The line of source that a span starts on, and where that line starts."""
    text = span.source.text
    start = min(span.start, len(text))
    if start == len(text) and text.endswith("\n") and start:
        start -= 1
    first = text.rfind("\n", 0, start) + 1
    end = text.find("\n", start)
    return text[first : end if end >= 0 else len(text)], first


def _expanded(text: str) -> list[str]:
    """Each character as it is shown: tabs as spaces, control characters as a dot."""
    made = []
    column = 0
    for sign in text:
        if sign == "\t":
            made.append(" " * (TAB - column % TAB))
        else:
            made.append(sign if sign.isprintable() else "·")
        column += _width(made[-1])
    return made


def _columns(text: str) -> int:
    """How many columns a piece of source takes."""
    return _width("".join(_expanded(text)))


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum([_sign_width(sign) for sign in text])


def _sign_width(sign: str) -> int:
    """2 for a wide sign, 0 for a mark that is drawn onto the sign before it."""
    if category(sign) in ("Mn", "Me") or "\u1160" <= sign <= "\u11ff":
        return 0
    return 2 if east_asian_width(sign) in "WF" else 1


def _broken(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, broken between words; short pieces of code stay whole."""
    lines = [""]
    for piece in _pieces(text):
        last = lines[-1]
        if last and _width(last) + 1 + _width(piece) > width:
            lines.append(piece)
        else:
            lines[-1] = f"{last} {piece}" if last else piece
    return lines


def _pieces(text: str) -> list[str]:
    """The words, where those in one pair of backquotes or brackets are one, unless they are many."""
    made: list[str] = []
    held: list[str] = []
    depth = 0
    for word in text.split(" "):
        held.append(word)
        depth += sum(word.count(sign) for sign in "([") - sum(word.count(sign) for sign in ")]")
        whole = " ".join(held)
        if (depth <= 0 and whole.count("`") % 2 == 0) or len(whole) > 40:
            made += [whole] if len(whole) <= 40 else held
            held, depth = [], 0
    return made + held


def _cut(text: str, start: int, end: int) -> str:
    """The columns [start, end) of a text."""
    if text.isascii():
        return text[start:end]
    made = []
    column = 0
    kept = False
    for sign in text:
        width = _sign_width(sign)
        if width:
            kept = start <= column and column + width <= end
            if column < start < column + width:  # half of a wide sign
                made.append(" ")
            column += width
        if kept:
            made.append(sign)
    return "".join(made)
