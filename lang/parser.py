"""From text to the syntax tree, with errors in the user's terms and several of them at once.

lark is imported here and in what this module imports, and nowhere else: a program whose tree is
cached never comes here.
"""

from __future__ import annotations

from threading import Lock

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from ndgrad.errors import Diagnostic, Error, Source, Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.builder import Builder
from ndgrad.lang.cache import grammar
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
        i = 0
        try:
            while i < len(tokens):
                state.feed_token(tokens[i])
                i += 1
            made: syntax.Body = state.feed_token(Token("$END", ""))
        except UnexpectedToken as error:
            return explained(source, tokens, i, set(error.expected)), i
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


def _the_parser() -> _Parser:
    if not _made:
        _made.append(_Parser())
    return _made[0]


def _parse(parser: _Parser, source: Source) -> syntax.Body:
    tokens, found = _lexed(parser, source)
    lines = {problem.span.line for problem in found if problem.span}
    while True:
        made = parser.attempt(source, tokens)
        if isinstance(made, syntax.Body):
            if found:
                raise problems.raised(sorted(found, key=_position))
            return made
        problem, place = made
        if problem.span is None or problem.span.line not in lines:
            found.append(problem)
        if len(found) == SHOWN_AT_ONCE or problem.code == "E501" or not _mend(tokens, place):
            raise problems.raised(sorted(found, key=_position))


def _position(problem: Diagnostic) -> int:
    return problem.span.start if problem.span else 0


def _lexed(parser: _Parser, source: Source) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens, and what no token begins with (passed over, to find more)."""
    text = source.text if source.text.endswith("\n") else source.text + "\n"
    found: list[Diagnostic] = []
    while True:
        try:
            return parser.tokens(source, text), found
        except UnexpectedCharacters as error:
            place = error.pos_in_stream or 0
        except Error as error:
            raise problems.raised(sorted([*found, *error.diagnostics], key=_position)) from None
        end = place + 1
        if text[place] in "\"'":
            end = text.index("\n", place)
            found.append(problems.string_without_end(Span(source, place, end)))
        else:
            found.append(problems.unexpected_character(Span(source, place, end)))
        if len(found) == SHOWN_AT_ONCE:
            raise problems.raised(found)
        text = text[:place] + " " * (end - place) + text[end:]


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
