"""From characters to lines and blocks: statements ended, indentation turned into tokens.

This is lark's indenter with the checks that make its findings readable. What is wrong is kept in
`found`, with all of it in one pass: the tokens that come out are in order nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token
from lark.indenter import PythonIndenter

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.lang import problems
from ndgrad.lang.builder import NESTING_LIMIT
from ndgrad.lang.habits import POWERS
from ndgrad.lang.pairing import Pairing


class _Level:
    """An indentation: its columns with tabs to every eighth and with tabs as one, and where it was first seen."""

    def __init__(self, indent: str, span: Span) -> None:
        self.width = len(indent.expandtabs(8))
        self.narrow = len(indent)
        self.span = span

    def mixes_with(self, other: _Level) -> bool:
        """Whether it depends on the width of a tab which of the two is deeper."""
        wider, longer = self.width - other.width, self.narrow - other.narrow
        return (wider > 0) != (longer > 0) or (wider == 0) != (longer == 0)


class Layout(PythonIndenter):
    """Yields the tokens of `source` with _NEWLINE only where a statement ends."""

    def __init__(self) -> None:
        super().__init__()
        self.source = Source("", "")
        self.found: list[Diagnostic] = []
        self.levels: list[_Level] = []
        self.mixed = False
        self.unclosed = False

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        tokens = list(stream)
        pairing = Pairing(self.source, tokens)
        self.found = list(pairing.found)
        self.unclosed = pairing.unclosed
        self.mixed = False
        self.levels = []
        before: Token | None = None
        for i, token in enumerate(tokens):
            if token.type == self.NL_type:
                if before is None:
                    self._begin("")
                    yield from self._indent(token)
                elif i in pairing.ends and before.type != self.NL_type:
                    yield token
                    before = token
                    yield from self._indent(token)
                continue
            if i in pairing.dropped:
                continue
            if not self.levels:
                self._begin(self.source.text[: token.start_pos or 0])
            if before is not None and before.end_pos == token.start_pos:
                self._check_number(before, token)
            if token.type == "NAME" and not token.isidentifier():
                self._check_name(token)
            before = token
            yield token
        end = len(self.source.text)
        if before is not None and before.type != self.NL_type:
            yield self._made(self.NL_type, end)
        for _ in self.levels[1:]:
            yield self._made(self.DEDENT_type, end)

    def _begin(self, indent: str) -> None:
        """The outermost level; the first line should not be indented."""
        indent = "" if indent.strip() else indent  # after what was passed over
        span = Span(self.source, 0, len(indent))
        self.levels = [_Level(indent, span)]
        if indent:
            self.found.append(problems.unexpected_indent(span))

    def _check_number(self, before: Token, token: Token) -> None:
        """`3x` and `1.2.3` are neither numbers nor names."""
        numbers = ("INTEGER", "DECIMAL")
        if before.type in numbers and (token.type in numbers or token[0].isalpha() or token[0] == "_"):
            self.found.append(problems.not_a_number(Span(self.source, before.start_pos or 0, token.end_pos or 0)))

    def _check_name(self, token: Token) -> None:
        """`x²` is no name, though ² counts as a digit."""
        end = token.end_pos or 0
        start = end - len(token) + len(token.rstrip("".join(POWERS)))
        if start == end:
            start = next(end - len(token) + i for i in range(len(token)) if not token[: i + 1].isidentifier())
            self.found.append(problems.unexpected_character(Span(self.source, start, start + 1)))
        else:
            self.found.append(problems.raised_digits(Span(self.source, start, end)))

    def _made(self, kind: str, position: int) -> Token:
        token = Token(kind, "")
        token.start_pos = token.end_pos = position
        return token

    def _indent(self, newline: Token) -> Iterator[Token]:
        """The tokens for the change of indentation that `newline` brings."""
        indent = newline[newline.rfind("\n") + 1 :]
        end = newline.end_pos or 0
        if end >= len(self.source.text):
            indent = ""
        indent = indent.rstrip("\f")  # these stand for what was passed over
        levels = self.levels
        level = _Level(indent, Span(self.source, end - len(indent), end))
        if level.mixes_with(levels[-1]) and not self.mixed:
            self.mixed = True  # once is enough
            self.found.append(problems.mixed_indent(level.span, levels[-1].span))
        if level.width > levels[-1].width:
            levels.append(level)
            if len(levels) > NESTING_LIMIT // 2:
                raise problems.raised(problems.nested_too_deeply(level.span, NESTING_LIMIT // 2 - 1))
            yield self._made(self.INDENT_type, end)
            return
        known = [one.width for one in levels]
        width = min(known, key=lambda one: abs(one - level.width))
        if width != level.width and level.width > known[0]:
            self.found.append(problems.unknown_dedent(level.span, level.width, known))
        while levels[-1].width > width:
            levels.pop()
            yield self._made(self.DEDENT_type, end)
