"""The notation of derivations, read into a tree: what LaTeX and MathML are written from.

An operation says once, in text, how it is written (`written=`, ndgrad.lang.notation). What other formats need is
read from that text, so that no operation has a second notation that could say something else.
"""

from __future__ import annotations

import re
from itertools import accumulate

from ndgrad.frozen import Frozen

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀ⁽⁾", "0123456789-+T()", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉ₖ₊₋₌", "0123456789k+-=", strict=True))

EQUAL, WITH, COMPARISON, SUM, PRODUCT, POWER = 20, 30, 40, 50, 60, 80
_BINDS = {"=": EQUAL, "with": WITH, "==": COMPARISON, "!=": COMPARISON, "<": COMPARISON, ">": COMPARISON,
          "<=": COMPARISON, ">=": COMPARISON, "+": SUM, "-": SUM, "·": PRODUCT, "*": PRODUCT, "@": PRODUCT,
          "/": PRODUCT, "//": PRODUCT, "mod": PRODUCT}  # fmt: skip
LONGEST = 500  # signs and names of a text that is read; nobody reads longer formulas
DEEPEST = 40  # brackets within brackets
_CLOSING = {"(": ")", "[": "]", "‖": "‖", "|": "|", "⟨": "⟩"}
_OPENS = {"(": 1, "[": 1, "⟨": 1, ")": -1, "]": -1, "⟩": -1}
_ELLIPSES = ("…", "...")

_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ", "₀₁₂₃₄₅₆₇₈₉ₖ"
_IN_NAME = rf"(?:(?![{_RAISED}])[\w₊₋])"
_RATIO = re.compile(rf"\s*∂({_IN_NAME}+)/∂({_IN_NAME}+)")
_BY = re.compile(rf"/[d∂]({_IN_NAME}+)")
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>[0-9]+(?:\.(?!\.)[0-9]*)?(?:e[+-]?[0-9]+)?)"
    r"|(?P<constant>⟨[0-9×]+ constant⟩)"
    r'|(?P<string>"[^"]*")'
    rf"|(?P<word>(?:with|mod|at)\b)"
    rf"|(?P<name>(?:(?<!‖)_+)?[^\W\d_{_RAISED}{_LOWERED}](?:(?![{_RAISED}{_LOWERED}])\w)*)"
    rf"|(?P<sub>[{_LOWERED}₊₋₌]+)|(?P<sup>⁽[0-9]+⁾|[{_RAISED}⁻⁺⁽⁾]+)"
    r"|(?P<sign>==|!=|<=|>=|//|\*\*|\.\.\.|[-+·*/@=<>^(),.\[\]‖|⟨⟩√∏…′:_]))"
)


class Tree(Frozen):
    """A piece of mathematics. kind says what `parts` are:

    number, name, text     (what is written)           sub, sup      (base, below or above)
    operation              (sign, left, right)         fraction      (above, below)
    negative               (inside)                    fence         (opening, inside, closing)
    call                   (name, arguments…)          list          (entries…)
    option                 (name, value)               index         (base, list)
    root                   (inside)                    ratio         (d, of, by)
    product                (below, above, inside)      row           (parts side by side)
    constant               (shape)                     quoted        (what is written)
    written                (base, list, value): base with [list] = value
    placed                 (value, list): zeros but for value at [list]
    """

    kind: str
    parts: tuple[object, ...]


def tree_of(text: str) -> Tree:
    """The tree of a text in the notation; one of kind "text" where it is not in it.

    Of an equation, each side is read by itself.
    """
    try:
        return _Reader(text).whole()
    except (_Unread, IndexError, KeyError):
        left, equals, right = text.partition(" = ")
        if equals and left.startswith(("d", "∂")):
            return Tree("operation", ("=", gradient_of(left), tree_of(right)))
        return Tree("text", (text,))


def gradient_of(name: str) -> Tree:
    """The tree of what a gradient is called: dy/dx. Elsewhere `d` is a letter like others."""
    try:
        return _Reader(f"{name} = 0").whole().parts[1]  # type: ignore[return-value]
    except (_Unread, IndexError, KeyError):
        return Tree("text", (name,))


def with_note(form: str) -> tuple[str, str]:
    """A form and the note behind it: `2·Xᵀ @ 1   (1 is a vector of ones)`."""
    said, _, note = form.partition("   (")
    return said, note.removesuffix(")")


class _Unread(Exception):
    """Text that is not in the notation."""


class _Reader:
    """A precedence-climbing reader of the notation."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.ratios: list[Tree] = []
        at = self.gradient(text)
        end = len(text.rstrip())
        while at < end:
            if text[at:].lstrip()[0] == "∂":
                at = self.derivative(text, at)
                continue
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise _Unread(text[at:])
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        if len(self.tokens) > LONGEST or self.depth() > DEEPEST:
            raise _Unread
        self.at = 0

    def depth(self) -> int:
        """How many brackets are open at most."""
        return max(accumulate(_OPENS.get(said, 0) for kind, said in self.tokens if kind == "sign"), default=0)

    # Signs

    def gradient(self, text: str) -> int:
        """dy/dx at the left of an equation; where the rest begins. Elsewhere `d` is a letter."""
        if text[:2] in ("d(", "d⟨"):
            close = _partner(text, 1)
            of: Tree = tree_of(text[1 : close + 1]) if text[1] == "⟨" else _said(text[2:close])
        elif found := re.match(rf"d({_IN_NAME}+)(?=/d{_IN_NAME}+ = )", text):
            close, of = found.end() - 1, tree_of(found[1])
        else:
            return 0
        behind = _BY.match(text, close + 1)
        if behind is None or text[behind.end() : behind.end() + 3] != " = ":
            return 0
        self.ratio("d", of, behind[1])
        return behind.end()

    def derivative(self, text: str, at: int) -> int:
        """∂y/∂x; where the rest begins."""
        at += len(text[at:]) - len(text[at:].lstrip())
        found = _RATIO.match(text, at)
        if found is not None:
            self.ratio("∂", tree_of(found[1]), found[2])
            return found.end()
        if text[at + 1 : at + 2] not in ("(", "⟨"):
            raise _Unread(text[at:])
        close = _partner(text, at + 1)
        weighed = text[at + 1] == "⟨"
        of = tree_of(text[at + 1 : close + 1]) if weighed else _said(text[at + 2 : close])
        if text[close + 1 : close + 4] == "/∂(":
            end = _partner(text, close + 3)
            self.ratio("∂", of, text[close + 3 : end + 1])
            return end + 1
        behind = _BY.match(text, close + 1)
        if behind is None:
            raise _Unread(text[at:])
        self.ratio("∂", of, behind[1])
        return behind.end()

    def ratio(self, d: str, of: Tree, by: str) -> None:
        self.tokens.append(("ratio", str(len(self.ratios))))
        self.ratios.append(Tree("ratio", (d, of, tree_of(by))))

    def sign(self) -> str:
        """The sign or word that comes next, "" for anything else."""
        kind, said = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        return said if kind in ("sign", "word") else ""

    def take(self, sign: str) -> None:
        if self.sign() != sign:
            raise _Unread
        self.at += 1

    # Expressions

    def whole(self) -> Tree:
        made = self.expression(0)
        if self.at < len(self.tokens):
            raise _Unread
        return made

    def expression(self, strength: int) -> Tree:
        if self.sign() == "-":
            self.at += 1
            left = Tree("negative", (self.expression(PRODUCT),))
        else:
            left = self.postfix()
        while (sign := self.sign()) in _BINDS and _BINDS[sign] > strength:
            self.at += 1
            if sign == "with":
                key = self.key()
                self.take("=")
                left = Tree("written", (left, key, self.expression(WITH)))
                continue
            right = self.expression(_BINDS[sign])
            left = (
                _divided(left, right) if sign == "/" else Tree("operation", ("·" if sign == "*" else sign, left, right))
            )
        return left

    def postfix(self) -> Tree:
        made = self.atom()
        while self.at < len(self.tokens):
            kind, said = self.tokens[self.at]
            if kind == "sub":
                made = Tree("sub", (made, "".join(SUBSCRIPTS[c] for c in said)))
            elif kind == "sup":
                made = Tree("sup", (made, "".join(SUPERSCRIPTS.get(c, c) for c in said)))
            elif said in ("^", "**") and kind == "sign":
                self.at += 1
                made = Tree("sup", (made, self.exponent()))
                continue
            elif said == "′":
                made = Tree("sup", (made, "′"))
            elif said == "_" and made.kind == "fence":
                self.at += 1
                made = Tree("sub", (made, self.tokens[self.at][1]))
            elif said == "." and self.tokens[self.at + 1] == ("name", "T"):
                self.at += 1
                made = Tree("sup", (made, "T"))
            elif said == "(" and made.kind in ("name", "sup", "sub"):
                self.at += 1
                made = Tree("call", (made, *self.entries(")")))
                continue
            elif said == "[":
                made = Tree("index", (made, self.key()))
                continue
            else:
                break
            self.at += 1
        return made

    def exponent(self) -> Tree:
        """What stands behind ^, which binds from right to left."""
        if self.sign() == "-":
            self.at += 1
            return Tree("negative", (self.exponent(),))
        return self.expression(POWER)

    def atom(self) -> Tree:
        kind, said = self.tokens[self.at]
        self.at += 1
        if kind in ("number", "name", "word"):
            return Tree("number" if kind == "number" else "name", (said,))
        if kind == "constant":
            return Tree("constant", (said[1:].partition(" ")[0],))
        if kind == "string":
            return Tree("quoted", (said,))
        if kind == "ratio":
            return self.ratios[int(said)]
        if said == "√":
            return Tree("root", (self.postfix(),))
        if said == "∏":
            return self.product()
        if kind != "sign" or said not in _CLOSING:
            raise _Unread
        if said in ("‖", "|"):
            inside = self.expression(0)
            self.take(said)
        elif said == "(":
            inside = self.bracketed()
        else:
            inside = Tree("list", tuple(self.entries(_CLOSING[said])))
        return Tree("fence", (said, inside, _CLOSING[said]))

    def bracketed(self) -> Tree:
        """What round brackets hold: an expression, one with its place, or a tuple."""
        entries = self.entries(")")
        single = len(entries) == 1 and self.tokens[self.at - 2] != ("sign", ",")
        return entries[0] if single else Tree("list", tuple(entries))

    def entries(self, closing: str) -> list[Tree]:
        made = []
        while self.sign() != closing:
            made.append(self.entry())
            if self.sign() == ",":
                self.at += 1
            elif self.sign() != closing:
                raise _Unread
        self.take(closing)
        return made

    def entry(self) -> Tree:
        """An argument: an expression, `axis=0`, or `value at [key]`."""
        made = self.expression(EQUAL)
        if self.sign() == "=":
            self.at += 1
            return Tree("option", (made, self.expression(EQUAL)))
        while self.sign() == "at":
            self.at += 1
            made = Tree("placed", (made, self.key()))
        return made

    def key(self) -> Tree:
        """[…], with slices."""
        self.take("[")
        made = []
        while self.sign() != "]":
            made.append(self.slice())
            if self.sign() == ",":
                self.at += 1
            elif self.sign() != "]":
                raise _Unread
        self.take("]")
        return Tree("list", tuple(made))

    def slice(self) -> Tree:
        """A place, `…`, or from:to:step, each of them optional."""
        if self.sign() in _ELLIPSES:
            self.at += 1
            return Tree("text", ("…",))
        parts: list[Tree] = []
        while True:
            if self.sign() == ":":
                self.at += 1
                parts.append(Tree("text", (":",)))
            elif self.sign() in (",", "]"):
                break
            else:
                parts.append(self.expression(EQUAL))
        return parts[0] if len(parts) == 1 else Tree("row", tuple(parts))

    def product(self) -> Tree:
        """∏ₖ₌₁…n (…)"""
        kind, below = self.tokens[self.at]
        if kind != "sub":
            raise _Unread
        self.at += 1
        self.take("…")
        above = self.atom()
        return Tree("product", ("".join(SUBSCRIPTS[c] for c in below), above, self.postfix()))


def _partner(text: str, at: int) -> int:
    """Where the bracket that opens at `at` is closed."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([⟨") - (text[i] in ")]⟩")
        if depth == 0:
            return i
    raise _Unread


def _said(program: str) -> Tree:
    """What an output without a name is called: its expression, in the words of the program."""
    return Tree("fence", ("(", tree_of(program), ")"))


def _divided(above: Tree, below: Tree) -> Tree:
    """A fraction; `y·1/p` is y/p, and `a/b/c` is a/(b·c)."""
    if above.kind == "fraction":
        return Tree("fraction", (above.parts[0], Tree("operation", ("·", above.parts[1], below))))
    if above.kind == "operation":
        sign, left, right = above.parts
        if sign == "·" and right == Tree("number", ("1",)):
            return Tree("fraction", (left, below))
    return Tree("fraction", (above, below))
