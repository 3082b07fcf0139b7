"""Formulas of a derivation in LaTeX, for the formats that carry it: lines that align, and long ones broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ndgrad.cli.explaining.wording import equations, local_name, local_text, name_of
from ndgrad.lang.elementwise import marked
from ndgrad.lang.mathematics import Tree, gradient_of, tree_of
from ndgrad.lang.notation import is_name
from ndgrad.lang.products import IN_WORDS
from ndgrad.lang.typesetting import as_latex, latex, latex_text

if TYPE_CHECKING:
    from ndgrad.lang.derivation_data import BackwardStep, Derivation
    from ndgrad.lang.elementwise import Axes

WIDEST = 72  # digits that a formula in a line is wide at most
WHOLE = 80  # together with what stands left of it
_PIECE = re.compile(r"\\(?P<word>[a-zA-Z]+)\*?|\\(?P<sign>.)|(?P<open>\{)|(?P<close>\})|(?P<script>[_^])|(?P<other>\S)")
_NAMED = frozenset("sin cos tan sinh cosh tanh exp log det max min arcsin arccos arctan".split())  # noqa: SIM905
_NOTHING = frozenset("left right mathrm operatorname text mathbf mathrel".split())  # noqa: SIM905
_NARROW = frozenset("lVert rVert lvert rvert langle rangle prime quad".split())  # noqa: SIM905
_SPACED = frozenset("+-=<>")


def inline(text: str, axes: Axes) -> str:
    """A formula within a line of Markdown; in the notation itself where that is not read."""
    tree = tree_of(text)
    if tree.kind == "text":
        return f"`{text}`".replace("|", "\\|")
    return f"$`{as_latex(tree, axes)}`$"


def width(said: str) -> float:
    """About how wide a formula in LaTeX is when it is set, in digits."""
    return _Width(said).whole()


class _Width:
    """Adds up what the pieces of a formula take."""

    def __init__(self, said: str) -> None:
        self.pieces = [(m.lastgroup or "", m[m.lastgroup or 0]) for m in _PIECE.finditer(said)]
        self.at = 0

    def whole(self) -> float:
        """Up to the end, or the brace that closes the group."""
        wide = 0.0
        while self.at < len(self.pieces) and self.pieces[self.at][0] != "close":
            wide += self.piece()
        return wide

    def rows(self) -> float:
        """An environment with rows, of whose columns each is as wide as its widest entry."""
        self.piece()  # its name
        widths, column, wide = [0.0], 0, 0.0
        while self.at < len(self.pieces) and self.pieces[self.at] != ("word", "end"):
            if self.pieces[self.at] in (("sign", "\\"), ("other", "&")):
                column = column + 1 if self.pieces[self.at][1] == "&" else 0
                widths += [0.0] * (column == len(widths))
                self.at += 1
                wide = 0.0
            else:
                wide += self.piece()
                widths[column] = max(widths[column], wide)
        self.at += 1
        self.piece()
        return sum(widths) + 2 * len(widths)

    def piece(self) -> float:
        """One sign, or a group in braces."""
        if self.at >= len(self.pieces):
            return 0.0
        kind, said = self.pieces[self.at]
        self.at += 1
        if kind == "open":
            inside = self.whole()
            self.at += 1
            return inside
        if kind == "script":
            return 0.7 * self.piece()
        if kind == "sign":
            return 0.4 if said == "," else 1.0
        if kind == "other":
            return 2.6 if said in _SPACED else 0.6 if said in "(),.|" else 1.05
        return self.word(said)

    def word(self, said: str) -> float:
        if said == "frac":
            return max(self.piece(), self.piece()) + 0.5
        if said == "begin":
            return self.rows()
        if said == "sqrt":
            return self.piece() + 1.7
        if said in _NAMED:
            return len(said) + 0.6
        return 0.0 if said in _NOTHING else 0.8 if said in _NARROW else 1.8 if said in _SIGNS else 1.15


_SIGNS = frozenset("cdot odot le ge ne bmod land lor to times".split())  # noqa: SIM905


def lines_of(text: str, axes: Axes, left: str = "") -> list[str]:
    """A formula in one or more lines, broken before the signs of its sum, and those of its products where need be.

    left: what stands left of it, in LaTeX
    """
    room = min(WIDEST, WHOLE - width(left))
    tree = tree_of(text)
    whole = as_latex(tree, axes)
    if tree.kind == "text":
        return [_typed(text)]
    if width(whole) <= room:
        return [whole]
    lines: list[str] = []
    for sign, term in _terms(marked(tree, axes)):
        first, *more = _factors(term, room)
        said = f"{sign} {first}" if sign and lines else f"-{first}" if sign == "-" else first
        if lines and not more and width(lines[-1]) + width(said) <= room:
            lines[-1] += f" {said}"
        else:
            lines += [said, *more]
    return lines if max(map(width, lines)) <= room else [_typed(text)]


def _factors(term: Tree, room: float) -> list[str]:
    """A term of a sum in lines: one, or several that begin with the sign of a product."""
    whole = as_latex(term)
    factors: list[tuple[str, Tree]] = []
    while width(whole) > room and term.kind == "operation" and term.parts[0] in ("·", "⊙"):
        sign, term, last = term.parts  # type: ignore[assignment]
        assert isinstance(last, Tree)
        factors.append((r"\odot" if sign == "⊙" else r"\cdot", last))
    lines = [as_latex(term) if factors else whole]
    for sign, factor in reversed(factors):
        said = f"{sign} {as_latex(factor)}"
        if width(lines[-1]) + width(said) <= room:
            lines[-1] += f" {said}"
        else:
            lines.append(said)
    return lines


def _terms(tree: Tree) -> list[tuple[str, Tree]]:
    """The terms of a sum with their signs."""
    terms: list[tuple[str, Tree]] = []
    while tree.kind == "operation" and tree.parts[0] in ("+", "-"):
        sign, tree, last = tree.parts  # type: ignore[assignment]
        assert isinstance(last, Tree)
        terms.append((str(sign), last))
    return [("", tree), *reversed(terms)]


def _typed(text: str) -> str:
    """What is too long to be set, as it is typed, in a box that breaks its lines."""
    if len(text) <= 60:
        return rf"\text{{{latex_text(text)}}}"
    said = re.sub(r"([-+·@,/] ?)", r"\1\0", text)
    said = r"\allowbreak{}".join(map(latex_text, said.split("\0")))
    return rf"\parbox[t]{{0.7\linewidth}}{{\raggedright\footnotesize\ttfamily {said}}}"


def chain_lines(d: Derivation, axes: Axes) -> tuple[list[tuple[str, str]], list[str]]:
    """The equations of the chain rule as pairs of what stands left and right of the mark, and the notes on them."""
    lines: list[tuple[str, str]] = []
    notes: list[str] = []
    for i, equation in enumerate(equations(d)):
        name = as_latex(gradient_of(name_of(d))) if i == 0 else ""
        if equation.right in IN_WORDS:
            lines.append((name, rf"= \text{{{equation.right}}}"))
            continue
        first, *more = lines_of(equation.right, axes, as_latex(gradient_of(name_of(d))))
        lines.append((name, f"= {first}"))
        lines += [("", rf"\quad {line}") for line in more]
        notes += [equation.note] if equation.note and equation.note not in notes else []
    return lines, notes


def noted(note: str, formula: Callable[[str], str], ones: str, words: Callable[[str], str]) -> str:
    """A note with the formulas in it set as such: those on both sides of `b₀ is b`, one in `1 is a vector of ones`.

    ones: how that 1 is set.
    """

    def told(part: str) -> str:
        left, is_, right = part.partition(" is ")
        if not is_:
            return words(part)
        value = formula(right) if is_name(right) or right.lstrip("-").replace(".", "", 1).isdigit() else words(right)
        return f"{ones if left == '1' else formula(left)} is {value}"

    return "; ".join(", ".join(map(told, several.split(", "))) for several in note.split("; "))


def aligned(lines: list[tuple[str, str]]) -> str:
    """Lines that align at their marks, to stand in mathematics."""
    if len(lines) == 1:
        return " ".join(lines[0])
    rows = " \\\\\n".join(f"{left} & {right}".lstrip() for left, right in lines)
    return f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}"


def local_lines(d: Derivation, step: BackwardStep, sign: str, axes: Axes) -> list[tuple[str, str]]:
    """The formula of a backward step in lines that align."""
    left = latex(local_name(d, step))
    first, *more = lines_of(local_text(step), axes, left)
    equals = "=" if step.factor or sign == "=" else r"\mathrel{+}="
    return [(left, f"{equals} {first}"), *(("", rf"\quad {line}") for line in more)]


def local_tree(d: Derivation, step: BackwardStep, sign: str, axes: Axes) -> str:
    """The formula of a backward step, to stand in mathematics."""
    return aligned(local_lines(d, step, sign, axes))
