"""From text to the syntax tree, with errors in the user's terms and several of them at once.

lark is imported here and in what this module imports, and nowhere else: a program whose tree is
cached never comes here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from threading import Lock
from typing import Literal

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from ndgrad.errors import Diagnostic, Error, Source
from ndgrad.lang import problems, syntax
from ndgrad.lang.builder import Builder
from ndgrad.lang.cache import grammar
from ndgrad.lang.characters import stray
from ndgrad.lang.expected import explained
from ndgrad.lang.layout import Layout

SHOWN_AT_ONCE = 10


class _Parser:
    """lark, made once, with the layout and the builder that it calls."""

    def __init__(self) -> None:
        self.layout = Layout()
        self.builder = Builder()
        self.lark = Lark(
            grammar(),
            parser="lalr",
            lexer="basic",
            keep_all_tokens=True,
            maybe_placeholders=False,
            postlex=self.layout,
            transformer=self.builder,
        )

    def tokens(self, source: Source, text: str) -> list[Token]:
        self.layout.source = source
        return list(self.lark.lex(text))

    def attempt(self, source: Source, tokens: list[Token]) -> syntax.Body | tuple[Diagnostic, int]:
        """The tree, or the first problem and the number of the token where it was found."""
        self.builder.source = source
        state = self.lark.parse_interactive("")
        end = Token("$END", "")
        end.start_pos = end.end_pos = len(source.text)
        i = 0
        try:
            while i < len(tokens):
                state.feed_token(tokens[i])
                i += 1
            made: syntax.Body = state.feed_token(end)
        except UnexpectedToken as error:
            return explained(source, [*tokens, end], i, set(error.expected)), i
        except Error as error:
            span = error.span
            while span is not None and i and (tokens[i - 1].start_pos or 0) >= span.start:
                i -= 1
            return error.diagnostics[0], i
        return made


_made: list[_Parser] = []
_lock = Lock()


def parse(source: Source) -> syntax.Body:
    """The tree of a program. Errors: E1xx and E501, several at once."""
    with _lock:
        return _parse(_the_parser(), source)


def tokens(source: Source) -> list[Token]:
    """The tokens of a program that parses, with _NEWLINE, _INDENT and _DEDENT where lines and blocks end."""
    with _lock:
        return _lexed(_the_parser(), source)[0]


def unfinished(source: Source) -> Literal["open", "block"] | None:
    """Whether what is written can be gone on with.

    "open" if it must be: it ends within brackets, in a line that is continued, or where a block should follow.
    "block" if it may be: it ends within a block. None where it is whole, or wrong in itself.
    """
    text = source.text.rstrip(" \t\f\n")
    last = text[text.rfind("\n") + 1 :]
    if last.endswith("\\") and "#" not in last:
        return "open"
    with _lock:
        parser = _the_parser()
        try:
            tokens = parser.tokens(source, source.text + "\n")
        except (UnexpectedCharacters, Error):
            return None
        if parser.layout.unclosed:
            return "open"
        made = parser.attempt(source, tokens)
    if isinstance(made, syntax.Body):
        return "block" if tokens and tokens[-1].type == "_DEDENT" else None
    _, place = made
    return "open" if all(token.type == "_DEDENT" for token in tokens[place:]) else None


def _the_parser() -> _Parser:
    if not _made:
        _made.append(_Parser())
    return _made[0]


def _parse(parser: _Parser, source: Source) -> syntax.Body:
    tokens, found = _lexed(parser, source)
    while True:
        made = parser.attempt(source, tokens)
        if isinstance(made, syntax.Body):
            if found:
                raise problems.raised(sorted(found, key=_position)[:SHOWN_AT_ONCE])
            return made
        problem, place = made
        found.append(problem)
        if len(found) >= SHOWN_AT_ONCE or problem.code == "E501" or not _mend(tokens, place):
            raise problems.raised(sorted(found, key=_position)[:SHOWN_AT_ONCE])


def _position(problem: Diagnostic) -> int:
    return problem.span.start if problem.span else 0


def _lexed(parser: _Parser, source: Source) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens, and what is wrong with characters, brackets and indentation.

    A statement in which something is wrong comes out as one that parses: nothing follows from it.
    """
    text = source.text if source.text.endswith("\n") else source.text + "\n"
    found: list[Diagnostic] = []
    places: list[int] = []
    while True:
        try:
            tokens = parser.tokens(source, text)
            break
        except UnexpectedCharacters as error:
            one = stray(source, text, error.pos_in_stream or 0, found)
        text = one.text
        places += one.places
        if one.problem is not None:
            found.append(one.problem)
            if len(found) == SHOWN_AT_ONCE:
                raise problems.raised(sorted(found, key=_position))
    statements = list(_statements(source, tokens))
    faulty = _touched(statements, places)
    for problem in parser.layout.found:
        touched = set() if problem.code == "E105" else _touched(statements, [_position(problem)])
        if not touched & faulty:
            found.append(problem)
            faulty |= touched
    for number in sorted(faulty, reverse=True):
        first, last, _ = statements[number]
        _replace(tokens, first, last)
    return tokens, found


def _statements(source: Source, tokens: list[Token]) -> Iterator[tuple[int, int, range]]:
    """For each statement its first token, the token after its last, and the characters of its lines."""
    first = 0
    for i, token in enumerate(tokens):
        if token.type == "_NEWLINE":
            if i > first:
                start = source.text.rfind("\n", 0, tokens[first].start_pos) + 1
                yield first, i, range(start, token.start_pos or 0)
            first = i + 1
        elif token.type in ("_INDENT", "_DEDENT"):
            first = i + 1


def _touched(statements: list[tuple[int, int, range]], places: list[int]) -> set[int]:
    """The numbers of the statements in whose lines the places are."""
    starts = [extent.start for _, _, extent in statements]
    numbers = ((bisect_right(starts, place) - 1, place) for place in places)
    return {number for number, place in numbers if number >= 0 and place in statements[number][2]}


_PASS = (("PASS", "pass"),)
_HEADER = (("IF", "if"), ("TRUE", "True"), ("COLON", ":"))
_EMPTY_BLOCK = (("_INDENT", ""), ("PASS", "pass"), ("_NEWLINE", "\n"), ("_DEDENT", ""))


def _mend(tokens: list[Token], place: int) -> bool:
    """Replace the line of the token at `place` by one that parses. False if that would change nothing."""
    if place >= len(tokens):
        return False
    bad = tokens[place]
    if bad.type == "_INDENT":
        depth = 0
        for i in range(place, len(tokens)):
            depth += (tokens[i].type == "_INDENT") - (tokens[i].type == "_DEDENT")
            if depth == 0:
                del tokens[i], tokens[place]
                return True
        return False
    if place > 1 and tokens[place - 1].type == "_NEWLINE" and tokens[place - 2].type == "COLON":
        tokens[place:place] = [_like(bad, kind, text) for kind, text in _EMPTY_BLOCK]
        return True
    if bad.type == "_DEDENT":
        return False
    start = place
    while start and tokens[start - 1].type not in ("_NEWLINE", "_INDENT", "_DEDENT"):
        start -= 1
    end = place
    while tokens[end].type != "_NEWLINE":
        end += 1
    return _replace(tokens, start, end)


def _replace(tokens: list[Token], start: int, end: int) -> bool:
    """Put a statement that parses in the place of one that does not. False if that would change nothing."""
    opens = end + 1 < len(tokens) and tokens[end + 1].type == "_INDENT"
    line = _HEADER if opens else _PASS
    if [token.type for token in tokens[start:end]] == [kind for kind, _ in line]:
        return False
    tokens[start:end] = [_like(tokens[start], kind, text) for kind, text in line]
    return True


def _like(token: Token, kind: str, text: str) -> Token:
    made = Token(kind, text)
    made.start_pos, made.end_pos = token.start_pos, token.end_pos
    return made
