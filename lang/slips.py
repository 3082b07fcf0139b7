"""Statements as other languages write them: what each is here.

A slip is recognised from the words and signs of one statement and the place where it stopped making
sense. What is recognised must be certain; the rest is left to the general messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lark import Token

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.lang import habits, problems
from ndgrad.lang.pairing import HEADERS

_OPERANDS = frozenset({"NAME", "INTEGER", "DECIMAL", "STRING"})
_STRUCTURE = frozenset({"_NEWLINE", "_INDENT", "_DEDENT"})


class Place:
    """A statement and where it stopped making sense: `line` are its tokens, `i` the number of the first that is wrong.

    `i` is the length of `line` where the end of the line is what is wrong.
    """

    def __init__(self, source: Source, tokens: Sequence[Token], place: int, expected: set[str]) -> None:
        start = end = place
        while start and tokens[start - 1].type not in _STRUCTURE:
            start -= 1
        while end < len(tokens) and tokens[end].type not in _STRUCTURE:
            end += 1
        self.source = source
        self.line = tokens[start:end]
        self.i = place - start
        self.expected = expected

    def text(self, i: int) -> str:
        """What is written as token i of the statement; "" outside of it."""
        return str(self.line[i]) if 0 <= i < len(self.line) else ""

    def kind(self, i: int) -> str:
        return self.line[i].type if 0 <= i < len(self.line) else ""

    def touches(self, i: int) -> bool:
        """Whether tokens i - 1 and i stand together without a space."""
        return 0 < i < len(self.line) and self.line[i - 1].end_pos == self.line[i].start_pos

    def span(self, i: int, last: int | None = None) -> Span:
        """The text of token i, or of tokens i to `last`."""
        last = i if last is None else last
        return Span(self.source, self.line[i].start_pos or 0, self.line[last].end_pos or 0)

    def rest(self, i: int) -> str:
        """The statement from token i on, where it is short enough to be quoted."""
        text = self.span(i, len(self.line) - 1).text if i < len(self.line) else ""
        return text if len(text) <= 40 and "\n" not in text else ""

    def bracket(self) -> int:
        """The number of the innermost bracket that is open before i, or -1."""
        still = [-1]
        for j in range(self.i):
            if self.line[j] in ("(", "["):
                still.append(j)
            elif self.line[j] in (")", "]") and len(still) > 1:
                still.pop()
        return still[-1]

    def wrong(self, cure: str, first: int | None = None, last: int | None = None) -> Diagnostic:
        """E107 on the token that is wrong, or on tokens `first` to `last`."""
        return problems.unexpected_token(self.span(self.i if first is None else first, last), None, cure)


def slip(place: Place) -> Diagnostic | None:
    """The diagnostic of a slip that is known, or None."""
    for known in _KNOWN:
        found = known(place)
        if found is not None:
            return found
    return None


def _comment(p: Place) -> Diagnostic | None:
    """`// words`, `% words`, `-- words`, `/* words`."""
    if p.i == 0 and p.text(0) in ("//", "%", "/"):
        return p.wrong("a comment begins with `#`")
    j = p.i - 1
    while j > 0 and p.kind(j) == "NAME":
        j -= 1
    words = p.i - 1 - j
    if words and p.kind(p.i) == "NAME" and (p.text(j) in ("//", "%") or (p.text(j) == p.text(j - 1) == "-")):
        return p.wrong("a comment begins with `#`", j - (p.text(j) == "-"), j)
    return None


def _first_word(p: Place) -> Diagnostic | None:
    """A word that begins a statement elsewhere, or is misspelt."""
    word = p.text(0)
    if p.i != 1 or p.kind(0) != "NAME":
        return None
    operand = p.kind(1) in _OPERANDS
    if word in habits.STATEMENTS:
        return problems.not_in_the_language(p.span(0), habits.STATEMENTS[word])
    if word in habits.FUNCTIONS and p.kind(1) == "NAME":
        return problems.not_in_the_language(p.span(0), "a function is defined with `def`: def f(x):")
    if word in habits.ELSE_IF:
        return problems.not_in_the_language(p.span(0), "write `elif`")
    if word in habits.ENDS and (p.kind(1) == "NAME" or p.text(1) in HEADERS):
        return problems.not_in_the_language(p.span(0), "a block ends where its indentation ends")
    if word == "print" and operand:
        return p.wrong(f"a call needs brackets: print({p.rest(1)})")
    if word in habits.DECLARATIONS and p.kind(1) == "NAME":
        rest = p.rest(1)
        cure = f"an assignment is enough: {rest}" if "=" in rest else "a name comes to be when it is given a value"
        return problems.not_in_the_language(p.span(0), cure)
    if operand or p.text(1) == ":" or p.text(1) in habits.KEYWORDS:
        meant = _keyword(word)
        if meant:
            return problems.not_in_the_language(p.span(0), f"did you mean `{meant}`?")
    return None


def _keyword(word: str) -> str | None:
    """The word of the language that `word` is with another case, or with letters swapped, lost or added."""
    lower = word.lower()
    for keyword in (*habits.KEYWORDS, "print"):
        if word != keyword and (lower == keyword.lower() or sorted(word) == sorted(keyword)):
            return keyword
    return problems.closest(word, habits.KEYWORDS) if len(word) > 3 else None


def _else_if(p: Place) -> Diagnostic | None:
    if p.i == 1 and p.text(0) == "else" and p.text(1) == "if":
        return p.wrong("write `elif`", 0, 1)
    return None


def _loop(p: Place) -> Diagnostic | None:
    """`for i = 1:10`, `for (i = 0; …)`, `for (i in x)`, `for i in 1:10:`."""
    if p.text(0) != "for":
        return None
    counted = "a loop is written: for i in range(10):"
    if p.text(1) == "(" and (p.text(p.i) in ("=", "in", ";")):
        return p.wrong(counted)
    if p.text(2) == "=" and p.i == 2:
        if p.kind(3) == "INTEGER" and p.text(4) == ":" and p.kind(5) == "INTEGER":
            counted = f"write `for {p.text(1)} in range({p.text(3)}, {int(p.text(5)) + 1}):`"
        return p.wrong(counted)
    if p.text(p.i) == ":" and p.text(2) == "in" and p.i == 6 and p.kind(3) == "INTEGER" and p.kind(5) == "INTEGER":
        return p.wrong(f"a range is written range({p.text(3)}, {p.text(5)})", 3, 5)
    if p.i == 5 and p.text(2) == "in" and p.text(4) == ":" and p.kind(5) == "INTEGER":
        return p.wrong(f"a range is written range({p.text(3)}, {p.text(5)})", 3, 5)
    if p.i == 2 and (p.text(2) == ":" or p.kind(2) == "NAME"):
        return problems.unexpected_token(p.span(2), "`in`", counted)
    return None


# Two signs written together, and what they are meant as
_PAIRS = {
    ("==", "="): "write `==`",
    ("!=", "="): "write `!=`",
    ("=", "<"): "write `<=`",
    ("<", ">"): "write `!=`",
    (".", "*"): "operators work entry by entry: write `*`",
    (".", "/"): "operators work entry by entry: write `/`",
    (".", "**"): "operators work entry by entry: write `**`",
}


def _signs(p: Place) -> Diagnostic | None:
    """`:=`, `===`, `=>`, `->`, `.*` and other signs of two parts."""
    before, text = p.text(p.i - 1), p.text(p.i)
    if text == ":" and p.text(p.i + 1) == "=" and p.touches(p.i + 1):
        cure = "write `=`" if p.i == 1 else "give the name its value on a line of its own"
        return p.wrong(cure, p.i, p.i + 1)
    if not p.touches(p.i):
        return None
    if (before, text) in (("=", ">"), ("-", ">"), ("=", ">=")):
        if p.text(0) == "def":
            return p.wrong("what a function returns is not declared", p.i - 1, p.i)
        inside = p.text(0) in ("if", "elif", "while", "assert", "return")
        inside = inside or p.kind(p.i - 2) in ("INTEGER", "DECIMAL")
        cure = "write `>=`" if before == "=" and inside else "a function without a name is written: lambda x: x + 1"
        return p.wrong(cure, p.i - 1, p.i)
    if (before, text) in _PAIRS:
        return p.wrong(_PAIRS[before, text], p.i - 1, p.i)
    return None


def _increment(p: Place) -> Diagnostic | None:
    """`i++` and `i--`."""
    sign = p.text(p.i - 1)
    if sign in ("+", "-") and p.text(p.i - 2) == sign and p.touches(p.i - 1) and p.text(p.i) in ("", ";", ")"):
        return p.wrong(f"write `{p.text(p.i - 3)} {sign}= 1`", p.i - 2, p.i - 1)
    return None


def _string(p: Place) -> Diagnostic | None:
    """`f"…"`, and strings in three quotes."""
    if p.kind(p.i) != "STRING" or not p.touches(p.i):
        return None
    if p.kind(p.i - 1) == "NAME" and len(p.text(p.i - 1)) <= 2:
        return p.wrong('strings have no prefix; values are shown with commas: print("x is", x)', p.i - 1, p.i)
    if p.kind(p.i - 1) == "STRING":
        return p.wrong("strings end on their line; a comment begins with `#`", p.i - 1, p.i)
    return None


def _definition(p: Place) -> Diagnostic | None:
    """Parameters as they are not written here, in a `def` and in a call."""
    text = p.text(p.i)
    if text in ("*", "**") and p.text(p.i - 1) in ("(", ","):
        if p.text(0) == "def":
            return p.wrong("a function has a fixed number of parameters")
        return p.wrong("entries are written one by one")
    if p.text(0) != "def":
        return None
    if text == ":" and p.i == 2:
        return problems.unexpected_token(p.span(2), "`(`", f"write `def {p.text(1)}():`")
    if text == ":" and p.bracket() >= 0:
        return p.wrong("the kinds of parameters are not declared", p.i, min(p.i + 1, len(p.line) - 1))
    return None


def _colon(p: Place) -> Diagnostic | None:
    """`if x then`, `while x do`, `1:3` outside of an index, `lambda x -> x`."""
    text = p.text(p.i)
    if text in ("then", "do") and p.text(0) in HEADERS:
        return problems.missing_colon(p.span(p.i), p.text(0), f"write `:` in the place of `{text}`")
    last = p.i - 1
    while last > 0 and (p.kind(last) == "NAME" or p.text(last) == ","):
        last -= 1
    if p.text(last) == "lambda" and "COLON" in p.expected and p.i - last > 1:
        return problems.unexpected_token(p.span(p.i), "`:`", "write `lambda x: x + 1`") if text else None
    if text == ":" and p.text(0) not in (*HEADERS, "input") and p.kind(p.i - 1) in ("INTEGER", "NAME"):
        bracket = p.bracket()
        if bracket < 0 or p.text(bracket) == "(":
            return p.wrong("a range is written range(start, stop); `:` stands in an index: x[1:3]")
    return None


def _condition(p: Place) -> Diagnostic | None:
    """`x is None`, `x in a`, `x == 1 or == 2`, `if` where a value is expected, a second `else` on a line."""
    text, before = p.text(p.i), p.text(p.i - 1)
    if text == "is":
        return p.wrong("compare with `==`")
    if text == "in" and p.text(0) != "for":
        return p.wrong("write any(values == x)")
    if text == "not" and p.text(p.i + 1) == "in":
        return p.wrong("write all(values != x)", p.i, p.i + 1)
    if p.kind(p.i) == "COMPARE" and before in ("and", "or", "not"):
        return p.wrong(
            f"both sides of each comparison are written: x < 1 {before} x > 2"
            if before != "not"
            else "write `not x == y`"
        )
    if text == "if" and "INTEGER" in p.expected:
        return p.wrong("write `a if condition else b`")
    if text == "for" and p.bracket() >= 0:
        return p.wrong("there are no comprehensions: fill an array in a loop, or write map(f, x)")
    if text in ("else", "elif") and p.i > 1 and p.text(0) in ("if", "elif"):
        return p.wrong("the blocks of an `if` stand on lines of their own")
    if text in ("else", "elif") and p.i == 0:
        return p.wrong("it belongs directly after the block of an `if`, with the same indentation")
    if text == "@" and p.i == 0:
        return p.wrong("there are no decorators")
    return None


def _declaration(p: Place) -> Diagnostic | None:
    """`input x [3]`, `input x: 3`, `input x, y`, and words of the language as names."""
    if p.text(0) == "input" and p.i > 1:
        if p.text(p.i) == "," and p.bracket() < 0:
            return p.wrong("one `input` statement declares one name")
        if p.text(p.i) == "[" and p.i == 2:
            return p.wrong(f"write `input {p.text(1)}: {p.rest(2)}`")
        if p.text(p.i - 1) == ":" and p.kind(p.i) == "INTEGER":
            return p.wrong(f"sizes stand in brackets: input {p.text(1)}: [{p.text(p.i)}]")
    if p.i < 2 and p.text(1) == "=" and p.text(0) in habits.KEYWORDS:
        return problems.word_is_taken(p.span(0))
    text = p.text(p.i)
    if text in ("input", "output") and "INTEGER" in p.expected:
        return problems.word_is_taken(p.span(p.i))
    return None


def _missing(p: Place) -> Diagnostic | None:
    """A comma, an operator, or the brackets of a call between two operands; `;` between the rows of a matrix."""
    before, bracket = p.text(p.i - 1), p.bracket()
    if p.text(p.i) == ";" and bracket >= 0:
        return p.wrong("the rows of a matrix are lists: [[1, 2], [3, 4]]")
    if p.kind(p.i) not in _OPERANDS or "MULTIPLY" not in p.expected:
        return None
    if p.text(p.i) in habits.BETWEEN and p.i + 1 < len(p.line):
        return p.wrong(f"write `{habits.BETWEEN[p.text(p.i)]}`")
    if p.kind(p.i - 1) == "NAME" and _is_function(before):
        rest = p.rest(p.i) if bracket < 0 and p.kind(len(p.line) - 1) in _OPERANDS and p.i == len(p.line) - 1 else ""
        return p.wrong(f"a call needs brackets: {before}({rest or '...'})")
    if bracket >= 0:
        what = "entries" if p.text(bracket) == "[" else "arguments"
        return p.wrong(f"{what} are separated by commas; a product needs `*`")
    if p.text(0) == "output":
        return p.wrong("outputs are separated by commas; a product needs `*`")
    product = f"{before} * {p.text(p.i)}" if p.kind(p.i) != "STRING" and p.kind(p.i - 1) in _OPERANDS else ""
    return p.wrong(f"a product needs `*`: {product}" if product else "is an operator missing before it?")


def _is_function(name: str) -> bool:
    from ndgrad.lang.builtins import builtin

    return builtin(name) is not None


_KNOWN: tuple[Callable[[Place], Diagnostic | None], ...] = (
    _comment,
    _first_word,
    _else_if,
    _loop,
    _increment,
    _signs,
    _string,
    _definition,
    _colon,
    _declaration,
    _condition,
    _missing,
)
