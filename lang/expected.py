"""What a syntax error means, from the token that did not fit and the tokens that would have."""

from __future__ import annotations

from lark import Token

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.lang import problems
from ndgrad.lang.pairing import HEADERS
from ndgrad.lang.slips import Place, slip

_ENDS = frozenset({"_NEWLINE", "_DEDENT", "$END"})
_SIGNS = {
    "COLON": "`:`",
    "EQUAL": "`=`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "IN": "`in`",
    "ELSE": "`else`",
    "COMMA": "`,`",
}


def explained(source: Source, tokens: list[Token], place: int, expected: set[str]) -> Diagnostic:
    """The diagnostic for the token at `place`, where one of `expected` would have gone on."""
    token = tokens[place]
    before = tokens[place - 1] if place else None
    at = Place(source, tokens, place, expected)
    first = at.text(0) if at.i else ""
    span = _span(source, token)

    if expected == {"_INDENT"}:
        header = _header(tokens, place - 1)
        return problems.missing_block(span, str(header), _span(source, header))
    if token.type == "_INDENT":
        return problems.unexpected_indent(_indentation(source, token))
    if token.type == "EQUAL" and first in ("if", "elif", "while", "assert") and at.i > 1:
        return problems.assignment_in_condition(span, first)
    known = slip(at) if token.type not in ("_DEDENT", "$END") else None
    if known is not None:
        return known
    if first in HEADERS and "COLON" in expected and not _has_colon(at):
        assert before is not None
        return problems.missing_colon(_after(source, before), first)
    wanted = _wanted(expected)
    if token.type in _ENDS:
        place_after = _after(source, before) if before is not None else span
        return problems.line_ends_early(place_after, wanted or "more")
    if "NAME" in expected and "INTEGER" not in expected and token.isalpha() and token.type != "NAME":
        return problems.word_is_taken(span)
    return problems.unexpected_token(span, wanted)


def _wanted(expected: set[str]) -> str | None:
    if "INTEGER" in expected and "STRING" in expected:
        return "a value"
    if "NAME" in expected:
        return "a name"
    if len(expected) == 1:
        return _SIGNS.get(next(iter(expected)))
    if expected <= {"ELSE", "IF", "AND", "OR"} | {"COMPARE", "ADD", "MULTIPLY", "POWER", "LPAR", "LSQB", "DOT"}:
        return "`else`" if "ELSE" in expected else None
    if expected <= {"COLON", "COMMA", "EQUAL"} and "COLON" in expected:
        return "`:`"
    return None


def _has_colon(at: Place) -> bool:
    """Whether the line that opens a block has its colon, outside of brackets and not a lambda's."""
    depth = lambdas = 0
    for i in range(len(at.line)):
        text = at.text(i)
        depth += (text in ("(", "[")) - (text in (")", "]"))
        if depth == 0 and text == "lambda":
            lambdas += 1
        elif depth == 0 and text == ":":
            lambdas -= 1
            if lambdas < 0:
                return True
    return False


def _header(tokens: list[Token], newline: int) -> Token:
    """The word that opened the block whose line ends at `newline`."""
    start = newline
    while start and tokens[start - 1].type not in ("_NEWLINE", "_INDENT", "_DEDENT"):
        start -= 1
    return tokens[start]


def _span(source: Source, token: Token) -> Span:
    start = min(token.start_pos or 0, len(source.text))
    end = min(max(token.end_pos or 0, start), len(source.text))
    if token.type in _ENDS:
        end = start
    return Span(source, start, end)


def _after(source: Source, token: Token) -> Span:
    end = token.end_pos or 0
    return Span(source, end, end)


def _indentation(source: Source, token: Token) -> Span:
    end = token.end_pos or 0
    return Span(source, source.text.rfind("\n", 0, end) + 1, end)
