"""From characters to lines and blocks: brackets paired, indentation turned into tokens.

This is lark's indenter with the checks that make its findings readable. It raises the language's
errors itself, so the parser only sees tokens that are in order.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token
from lark.indenter import PythonIndenter

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.lang import problems
from ndgrad.lang.builder import NESTING_LIMIT

_CLOSERS = {"(": ")", "[": "]"}


def _widths(indent: str) -> tuple[int, int]:
    """The width of an indentation with tabs to every eighth column, and with tabs of one column."""
    return len(indent.expandtabs(8)), len(indent)


class Layout(PythonIndenter):
    """Yields the tokens of `source` with _NEWLINE only where a statement ends."""

    def __init__(self) -> None:
        super().__init__()
        self.source = Source("", "")
        self.found: list[Diagnostic] = []

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        open_: list[Token] = []
        levels = [(0, 0)]
        before: Token | None = None
        first_of_line: Token | None = None
        for token in stream:
            if token.type == self.NL_type:
                if open_:
                    if self._line_starts_anew(token):
                        opener = open_[-1]
                        raise problems.raised(problems.never_closed(self.span(opener)))
                    continue
                if before is None or before.type == self.NL_type:
                    if before is None and "\n" in token:
                        yield from self._indent(token, levels)
                    continue
                yield token
                first_of_line = None
                before = token
                yield from self._indent(token, levels)
                continue
            if first_of_line is None and before is None and self._leading(token):
                raise problems.raised(problems.unexpected_indent(self._leading_span(token)))
            if first_of_line is None:
                first_of_line = token
            if token in _CLOSERS:
                open_.append(token)
                if len(open_) > NESTING_LIMIT:
                    raise problems.raised(problems.nested_too_deeply(self.span(token), NESTING_LIMIT))
            elif token in _CLOSERS.values():
                if not open_:
                    raise problems.raised(problems.never_opened(self.span(token)))
                if _CLOSERS[str(open_[-1])] != token:
                    raise problems.raised(problems.wrong_bracket(self.span(token), self.span(open_[-1])))
                open_.pop()
            elif before is not None and before.end_pos == token.start_pos:
                self._check_number(before, token)
            before = token
            yield token
        if open_:
            raise problems.raised(problems.never_closed(self.span(open_[-1])))
        if before is not None and before.type != self.NL_type:
            yield self._made(self.NL_type, len(self.source.text))
        for _ in levels[1:]:
            yield self._made(self.DEDENT_type, len(self.source.text))

    def _line_starts_anew(self, newline: Token) -> bool:
        """Whether the line after a newline inside brackets can only be a new statement."""
        text = self.source.text
        end = newline.end_pos or 0
        word_end = end
        while word_end < len(text) and (text[word_end].isalnum() or text[word_end] == "_"):
            word_end += 1
        word = text[end:word_end]
        return word in ("while", "for", "def", "output", "input", "return", "elif", "break", "continue", "assert")

    def _leading(self, token: Token) -> str:
        start = token.start_pos or 0
        before = self.source.text[:start]
        return "" if before.strip(" \t\f") else before

    def _leading_span(self, token: Token) -> Span:
        return Span(self.source, 0, token.start_pos or 0)

    def _check_number(self, before: Token, token: Token) -> None:
        """`3x` and `1.2.3` are neither numbers nor names."""
        numbers = ("INTEGER", "DECIMAL")
        if before.type in numbers and (token.type in numbers or token[0].isalpha() or token[0] == "_"):
            whole = Span(self.source, before.start_pos or 0, token.end_pos or 0)
            cure = f"a product needs `*`: {before}*{token}" if token.type == "NAME" else None
            raise problems.raised(problems.not_a_number(whole, cure))

    def _made(self, kind: str, position: int) -> Token:
        token = Token(kind, "")
        token.start_pos = token.end_pos = position
        return token

    def _indent(self, newline: Token, levels: list[tuple[int, int]]) -> Iterator[Token]:
        """The tokens for the change of indentation that `newline` brings."""
        indent = newline.rsplit("\n", 1)[-1]
        end = newline.end_pos or 0
        if end >= len(self.source.text):
            indent = ""
        span = Span(self.source, end - len(indent), end)
        width, narrow = _widths(indent)
        last_width, last_narrow = levels[-1]
        if (width > last_width) != (narrow > last_narrow) or (width == last_width) != (narrow == last_narrow):
            raise problems.raised(problems.mixed_indent(span))
        if width > last_width:
            levels.append((width, narrow))
            if len(levels) > NESTING_LIMIT // 2:
                raise problems.raised(problems.nested_too_deeply(span, NESTING_LIMIT // 2 - 1))
            yield self._made(self.INDENT_type, end)
            return
        while width < levels[-1][0]:
            levels.pop()
            yield self._made(self.DEDENT_type, end)
        if width != levels[-1][0]:
            raise problems.raised(problems.unknown_dedent(span))
