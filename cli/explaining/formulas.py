"""Formulas of a derivation in LaTeX, for the formats that carry it: lines that align, and long ones broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ndgrad.cli.explaining.wording import equations, local_name, local_text, name_of
from ndgrad.lang.derivation import IN_WORDS
from ndgrad.lang.elementwise import marked
from ndgrad.lang.mathematics import Tree, gradient_of, tree_of
from ndgrad.lang.notation import is_name
from ndgrad.lang.typesetting import as_latex, latex, latex_text

if TYPE_CHECKING:
    from ndgrad.lang.derivation_data import BackwardStep, Derivation
    from ndgrad.lang.elementwise import Axes

WIDEST = 72  # signs of a formula in a line
_NO_WIDTH = re.compile(r"\\(?:left|right|mathrm|operatorname|text|frac|,|[a-zA-Z]+ ?)|[{}_^\\\s]")


def inline(text: str, axes: Axes) -> str:
    """A formula within a line of Markdown; in the notation itself where that is not read."""
    tree = tree_of(text)
    if tree.kind == "text":
        return f"`{text}`".replace("|", "\\|")
    return f"$`{as_latex(tree, axes)}`$"


def width(said: str) -> int:
    """About how many signs wide a formula is when it is set."""
    return len(_NO_WIDTH.sub("", said)) + said.count(r"\frac") // 2


def lines_of(text: str, axes: Axes) -> list[str]:
    """A formula in one or more lines, broken before the plus and minus signs of its sum."""
    tree = tree_of(text)
    whole = as_latex(tree, axes)
    if tree.kind == "text":
        return [_typed(text)]
    if width(whole) <= WIDEST:
        return [whole]
    lines: list[str] = []
    for sign, term in _terms(marked(tree, axes)):
        said = as_latex(term)
        said = f"{sign} {said}" if sign and lines else f"-{said}" if sign == "-" else said
        if lines and width(lines[-1]) + width(said) <= WIDEST:
            lines[-1] += f" {said}"
        else:
            lines.append(said)
    return lines if max(map(width, lines)) <= 1.5 * WIDEST else [_typed(text)]


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
    said = "".join(r"\allowbreak{}" if c == "\0" else latex_text(c) for c in said)
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
        first, *more = lines_of(equation.right, axes)
        lines.append((name, f"= {first}"))
        lines += [("", rf"\quad {line}") for line in more]
        notes += [equation.note] if equation.note and equation.note not in notes else []
    return lines, notes


def noted(note: str, formula: Callable[[str], str], ones: str, words: Callable[[str], str]) -> str:
    """A note with the formulas in it set as such: those on both sides of `b₀ is b`, one in `1 is a vector of ones`.

    ones: how that 1 is set.
    """
    said = []
    for part in note.split(", "):
        left, is_, right = part.partition(" is ")
        told = formula(right) if is_name(right) or right.lstrip("-").replace(".", "", 1).isdigit() else words(right)
        said.append(f"{ones if left == '1' else formula(left)} is {told}" if is_ else words(part))
    return ", ".join(said)


def aligned(lines: list[tuple[str, str]]) -> str:
    """Lines that align at their marks, to stand in mathematics."""
    if len(lines) == 1:
        return " ".join(lines[0])
    rows = " \\\\\n".join(f"{left} & {right}".lstrip() for left, right in lines)
    return f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}"


def local_lines(d: Derivation, step: BackwardStep, sign: str, axes: Axes) -> list[tuple[str, str]]:
    """The formula of a backward step in lines that align."""
    first, *more = lines_of(local_text(step), axes)
    equals = "=" if step.factor or sign == "=" else r"\mathrel{+}="
    return [(latex(local_name(d, step)), f"{equals} {first}"), *(("", rf"\quad {line}") for line in more)]


def local_tree(d: Derivation, step: BackwardStep, sign: str, axes: Axes) -> str:
    """The formula of a backward step, to stand in mathematics."""
    return aligned(local_lines(d, step, sign, axes))
