"""Which brackets belong together, and so where statements end.

A bracket without its partner does not swallow the rest of the program: the statement ends where a
line can only be meant as a new one, and what follows is read as usual.
"""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.lang import problems
from ndgrad.lang.builder import NESTING_LIMIT

NEWLINE = "_NEWLINE"
HEADERS = frozenset({"if", "elif", "else", "while", "for", "def"})
_CLOSERS = {"(": ")", "[": "]"}
_MOST = 10  # brackets without a partner after which the rest is left alone
# Words that no expression has at the start of a line
_STARTS = frozenset({"while", "def", "output", "input", "return", "elif", "break", "continue", "assert", "pass"})
_GOES_ON = frozenset(
    {"COMMA", "ADD", "MULTIPLY", "POWER", "COMPARE", "EQUAL", "AND", "OR", "NOT", "LPAR", "LSQB", "DOT", "IF", "ELSE"}
)


class Pairing:
    """`ends` are the newlines that end a statement, `dropped` the closing brackets that close nothing.

    unclosed: whether the text ends within brackets, so that more of it could make it whole.
    """

    def __init__(self, source: Source, tokens: Sequence[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.found: list[Diagnostic] = []
        self.ends: set[int] = set()
        self.dropped: set[int] = set()
        self._open: list[int] = []
        self._start = 0  # of the statement
        self._reported = -1  # where in this statement something was reported
        i = 0
        while i < len(tokens):
            i = self._next(i)
        self.unclosed = bool(self._open) and not self.found
        while self._open:
            i = self._cut(len(tokens)) or len(tokens)
            while i < len(tokens):
                i = self._next(i)

    def span(self, i: int) -> Span:
        token = self.tokens[i]
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)

    def _next(self, i: int) -> int:
        """Take the token at i; where to go on."""
        token = self.tokens[i]
        if token.type == NEWLINE:
            if not self._open:
                self._end(i)
            elif self._must_begin_anew(i + 1):
                return self._cut(i + 1) or i + 1
        elif token in _CLOSERS:
            self._open.append(i)
            if len(self._open) > NESTING_LIMIT:
                raise problems.raised(problems.nested_too_deeply(self.span(i), NESTING_LIMIT))
        elif token == ")" or token == "]":
            return self._close(i)
        return i + 1

    def _end(self, newline: int) -> None:
        self.ends.add(newline)
        self._start = newline + 1
        self._reported = -1

    def _close(self, i: int) -> int:
        token = self.tokens[i]
        if self._open and _CLOSERS[str(self.tokens[self._open[-1]])] == token:
            self._open.pop()
            return i + 1
        if self._open:
            again = self._cut(i)
            if again is not None:
                return again
            self._report(i, problems.wrong_bracket(self.span(i), self.span(self._open[-1])))
            while self._open and _CLOSERS[str(self.tokens[self._open.pop()])] != token:
                pass
        else:
            self._report(i, problems.never_opened(self.span(i)))
            self.dropped.add(i)
        return i + 1

    def _report(self, i: int, problem: Diagnostic) -> None:
        """Only the first finding of a statement: the others follow from it."""
        if self._reported < 0:
            self.found.append(problem)
        self._reported = i

    def _cut(self, i: int) -> int | None:
        """End the statement at the first line before i that is meant as a new one; where to go on.

        Without such a line None; at the end of the program what is open is reported all the same.
        """
        at_end = i == len(self.tokens)
        place = next((j for j in range(max(self._open[0], self._reported), i) if self._ends_here(j)), None)
        if place is None or len(self.found) >= _MOST:
            if at_end:
                self._report(self._open[-1], problems.never_closed(self.span(self._open[-1])))
                self._open.clear()
            return None
        opener = self._innermost(place)
        self._report(opener, problems.never_closed(self.span(opener)))
        self._open.clear()
        self._end(place)
        return place + 1

    def _innermost(self, stop: int) -> int:
        """The last bracket of the statement that is open before `stop`."""
        still = [self._open[0]]
        for j in range(self._open[0] + 1, stop):
            if self.tokens[j] in _CLOSERS:
                still.append(j)
            elif self.tokens[j] in (")", "]") and len(still) > 1:
                still.pop()
        return still[-1]

    def _ends_here(self, newline: int) -> bool:
        """Whether the line after `newline` is meant as a new statement, given that a bracket has no partner."""
        tokens = self.tokens
        if tokens[newline].type != NEWLINE or newline + 1 >= len(tokens):
            return False
        first, before = tokens[newline + 1], tokens[newline - 1]
        if self._must_begin_anew(newline + 1):
            return True
        if tokens[self._start] in HEADERS and before.type == "COLON":
            return True
        if _width(tokens[newline]) > self._own_width():
            return False
        if first.type == "NAME" and newline + 2 < len(tokens) and tokens[newline + 2].type in ("EQUAL", "AUGMENTED"):
            return True
        return before.type not in _GOES_ON and (first.type == "NAME" or first in HEADERS)

    def _must_begin_anew(self, i: int) -> bool:
        """Whether the token at i, the first of its line, cannot stand inside brackets."""
        if i >= len(self.tokens):
            return False
        return self.tokens[i] in _STARTS or (self.tokens[i] == "for" and self._ends_with_colon(i))

    def _ends_with_colon(self, i: int) -> bool:
        while i < len(self.tokens) and self.tokens[i].type != NEWLINE:
            i += 1
        return self.tokens[i - 1].type == "COLON"

    def _own_width(self) -> int:
        """The indentation of the statement."""
        if self._start:
            return _width(self.tokens[self._start - 1])
        text = self.source.text[: self.tokens[0].start_pos or 0]
        return len(text[text.rfind("\n") + 1 :].expandtabs(8))


def _width(newline: Token) -> int:
    return len(newline[newline.rfind("\n") + 1 :].rstrip("\f").expandtabs(8))
