"""A lexer for Pygments: programs in colours, in terminals, in documentation, wherever Pygments is at home.

Its words and signs are read from the grammar and from the tables of functions: it knows what the language knows.
Pygments finds it by its entry point; nothing that runs programs imports this module, or Pygments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from ndgrad.lang.builtins import ATTRIBUTES, CONSTANTS, DTYPES, function_names
from ndgrad.lang.cache import grammar

_GRAMMAR = grammar()

KEYWORDS = frozenset(re.findall(r'"([A-Za-z]+)"', _GRAMMAR))
_LITERALS = frozenset({"True", "False", "None"})
_WORD_OPERATORS = frozenset({"and", "or", "not", "in"})
_DECLARATIONS = frozenset({"input", "output", "def", "lambda"})
_FUNCTIONS = frozenset(function_names())
_TYPES = frozenset(DTYPES) - _FUNCTIONS


def _terminal(name: str) -> str:
    """A terminal of the grammar as a regular expression."""
    found = re.search(rf"^{name}(?:\.\d+)?: (.+)$", _GRAMMAR, re.MULTILINE)
    if found is None:
        raise LookupError(f"the grammar has no terminal {name}")
    if found[1].startswith("/"):
        return found[1][1:-1]
    return "|".join(re.escape(sign) for sign in re.findall(r'"([^"]+)"', found[1]))


def _words(names: Iterable[str]) -> str:
    return rf"\b(?:{'|'.join(sorted(names))})\b"


_SIGNS = "|".join(map(_terminal, ("AUGMENTED", "COMPARE", "POWER", "MULTIPLY", "ADD")))

# What a place in a program may hold, the first that matches: a pattern, and what it is or what its groups are
RULES = (
    (_terminal("COMMENT"), (Comment.Single,)),
    (r"\s+|\\[\t \f]*\n", (Whitespace,)),
    (_terminal("STRING"), (String,)),
    (_terminal("DECIMAL"), (Number.Float,)),
    (_terminal("INTEGER"), (Number.Integer,)),
    (_terminal("ELLIPSIS"), (Keyword.Constant,)),
    (rf"\b(def)([\t \f]+)({_terminal('NAME')})", (Keyword.Declaration, Whitespace, Name.Function)),
    (rf"(\.)([\t \f]*)({'|'.join(ATTRIBUTES)})\b", (Operator, Whitespace, Name.Attribute)),
    (_words(_LITERALS), (Keyword.Constant,)),
    (_words(_WORD_OPERATORS), (Operator.Word,)),
    (_words(_DECLARATIONS), (Keyword.Declaration,)),
    (_words(KEYWORDS - _LITERALS - _WORD_OPERATORS - _DECLARATIONS), (Keyword,)),
    (_words(_TYPES), (Keyword.Type,)),
    (_words(_FUNCTIONS), (Name.Builtin,)),
    (_words(CONSTANTS.keys() - _TYPES), (Name.Constant,)),
    (_terminal("NAME"), (Name,)),
    (rf"{_SIGNS}|=|\.", (Operator,)),
    (r"[()\[\],:;]", (Punctuation,)),
)


class NdLexer(RegexLexer):  # type: ignore[misc]  # Pygments has no types
    """The nd language."""

    name = "nd"
    aliases: ClassVar = ["nd", "ndgrad"]
    filenames: ClassVar = ["*.nd"]
    tokens: ClassVar = {
        "root": [(pattern, kinds[0] if len(kinds) == 1 else bygroups(*kinds)) for pattern, kinds in RULES]
    }
