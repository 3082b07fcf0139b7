"""What a syntax error means, from the token that did not fit and the tokens that would have."""

from __future__ import annotations

from lark import Token

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.lang import problems

_FOREIGN = frozenset(
    [
        "import",
        "from",
        "class",
        "with",
        "try",
        "except",
        "finally",
        "raise",
        "yield",
        "global",
        "nonlocal",
        "del",
        "async",
        "await",
        "match",
        "use",
    ]
)
_HEADERS = frozenset({"if", "elif", "else", "while", "for", "def"})
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
    start = place
    while start and tokens[start - 1].type not in ("_NEWLINE", "_INDENT", "_DEDENT"):
        start -= 1
    line = tokens[start:place]
    first = str(line[0]) if line else ""
    span = _span(source, token)
    wanted = None if token in ("else", "elif") else _wanted(expected)

    if expected == {"_INDENT"}:
        header = _header(tokens, place - 1)
        return problems.missing_block(span, str(header), _span(source, header))
    if token.type == "_INDENT":
        return problems.unexpected_indent(_indentation(source, token))
    if line and first in _FOREIGN and line[0].type == "NAME" and before is line[0]:
        return problems.not_in_the_language(_span(source, line[0]))
    if token.type == "EQUAL" and first in ("if", "elif", "while", "assert"):
        return problems.assignment_in_condition(span, first)
    if first in _HEADERS and "COLON" in expected and not _has_colon(tokens, place):
        assert before is not None
        return problems.missing_colon(_after(source, before), first)
    if token.type in _ENDS:
        place_after = _after(source, before) if before is not None else span
        return problems.line_ends_early(place_after, wanted or "more")
    return (
        problems.unexpected_token(span, wanted, _cure(token, before, first, expected))
        if not _taken(token, expected)
        else problems.word_is_taken(span)
    )


def _taken(token: Token, expected: set[str]) -> bool:
    return "NAME" in expected and "INTEGER" not in expected and token.isalpha() and token.type != "NAME"


def _wanted(expected: set[str]) -> str | None:
    if "INTEGER" in expected and "STRING" in expected:
        return "a value"
    if "NAME" in expected:
        return "a name"
    if len(expected) == 1:
        return _SIGNS.get(next(iter(expected)))
    if expected <= {"ELSE", "IF", "AND", "OR"} | {"COMPARE", "ADD", "MULTIPLY", "POWER", "LPAR", "LSQB", "DOT"}:
        return "`else`" if "ELSE" in expected else None
    return None


def _cure(token: Token, before: Token | None, first: str, expected: set[str]) -> str | None:
    """What to do about a token that does not fit, where that can be guessed safely."""
    if token in ("else", "elif"):
        if before is not None and before.type != "_NEWLINE" and before.type != "_DEDENT":
            return None
        return "it belongs directly after the block of an `if`, with the same indentation"
    if before is not None and before == "else" and token == "if":
        return "write `elif`"
    if first == "input" and token.type == "COMMA":
        return "one `input` statement declares one name"
    if token == "is":
        return "compare with `==`"
    operand = token.type in ("NAME", "INTEGER", "DECIMAL", "STRING")
    if operand and before is not None and before == "print":
        return "a call needs parentheses: print(x)"
    if operand and "MULTIPLY" in expected:
        return "is an operator or a comma missing before it?"
    return None


def _has_colon(tokens: list[Token], place: int) -> bool:
    for token in tokens[place:]:
        if token.type == "_NEWLINE":
            return False
        if token.type == "COLON":
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
