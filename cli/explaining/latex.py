"""A derivation as a LaTeX article that needs amsmath alone: aligned equations, small arrays as matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli.explaining.formulas import WIDEST, chain_lines, lines_of, local_lines, noted, width
from ndgrad.cli.explaining.wording import (
    adjoint_of,
    gap_text,
    line_of,
    local_value,
    name_of,
    rounds_text,
    summed_text,
    verdict,
)
from ndgrad.cli.writing import matrices
from ndgrad.lang.folding import Gap
from ndgrad.lang.mathematics import gradient_of
from ndgrad.lang.typesetting import as_latex, latex, latex_text

if TYPE_CHECKING:
    from ndgrad.cli.explaining import Explained
    from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep

MOST_ROWS, MOST_COLUMNS = 8, 6
USUAL_COLUMNS = 10  # of the matrices that amsmath sets unless it is told of more

_DOCUMENT = r"\begin{document}"

_BEGIN = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{amsmath}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\textwidth}{16cm}
\setlength{\oddsidemargin}{0pt}
\setlength{\emergencystretch}{4em}
\begin{document}
"""


def written(explained: Explained, ascii: bool) -> str:
    """The article. All of it is ASCII but for letters of names outside it."""
    text = "\n".join("\n".join(_Article(d, explained).lines()) for d in explained.derivations)
    columns = max((row.count(" & ") + 1 for row in text.split(r"\\")), default=0)
    counter = f"\\setcounter{{MaxMatrixCols}}{{{columns}}}\n" if columns > USUAL_COLUMNS else ""
    return f"{_BEGIN.replace(_DOCUMENT, counter + _DOCUMENT)}\n{text}\n\n\\end{{document}}\n"


class _Article:
    """One derivation in LaTeX."""

    def __init__(self, d: Derivation, explained: Explained) -> None:
        self.d = d
        self.explained = explained
        self.axes = explained.axes
        self.gradient = as_latex(gradient_of(name_of(d)))

    def lines(self) -> list[str]:
        from ndgrad.cli.writing.table import decisions

        d = self.d
        made = [rf"\section*{{${self.gradient}$ of \texttt{{{latex_text(self.explained.program)}}}}}", ""]
        if self.explained.forward:
            made += [r"\subsection*{Forward}", *self.forward(), ""]
            if d.path:
                items = [rf"  \item {latex_text(text)}" for text in decisions(d.path)]
                made += [r"\subsection*{Path}", r"\begin{itemize}", *items, r"\end{itemize}", ""]
        if self.explained.backward and d.backward:
            made += [r"\subsection*{Backward}"]
            for step in d.backward:
                made += self.gap(step) if isinstance(step, Gap) else self.backward(step)
            made.append("")
        return [*made, *self.chain(), "", *self.result()]

    def forward(self) -> list[str]:
        rows: list[str] = []
        made: list[str] = []
        for step in self.d.forward:
            if isinstance(step, Gap):
                rows.append(rf"& \vdots \quad \text{{{latex_text(gap_text(step).removeprefix('⋮ '))}}}")
            else:
                rows += self.forward_step(step)
        return [*made, *_align(rows)]

    def forward_step(self, step: ForwardStep) -> list[str]:
        where = rf" \tag*{{{line_of(step.span)}}}" if step.span else ""
        name, value = latex(step.name), self.value(step.value)
        if step.expression == "input":
            return [f"{name} &= {value}{where}"]
        if step.expression.startswith("does not depend"):
            return [rf"{name} &= {value} \tag*{{{latex_text(step.expression)}}}"]
        first, *more = lines_of(step.expression, self.axes, name)
        rows = [f"{name} &= {first}{where}", *(rf"&\quad {line}" for line in more)]
        if value == first:
            return rows
        if not more and width(first) + width(value) < WIDEST // 2:
            return [f"{name} &= {first} = {value}{where}"]
        return [*rows, f"&= {value}"]

    def gap(self, gap: Gap) -> list[str]:
        rules = ", ".join(f"${latex(rule, self.axes)}$" for rule in gap.rules)
        return [rf"\paragraph{{}} {latex_text(gap_text(gap))}{f': {rules}' if rules else ''}.", ""]

    def backward(self, step: BackwardStep) -> list[str]:
        d = self.d
        share = step.shared
        sign = "+=" if share else "="
        rounds = f", {latex_text(rounds_text(step))}" if step.rounds > 1 else ""
        where = line_of(step.span).capitalize()
        local = local_lines(d, step, sign, self.axes)
        rows = [f"{left} &{right}" for left, right in local]
        value = None if step.local_value is None else self.value(local_value(step))
        if value is not None and value != local[0][1].removeprefix("= "):
            rows.append(f"&= {value}")
        rows.append(rf"{latex(adjoint_of(d, step.name))} &= {self.value(step.arriving)} \tag*{{arriving}}")
        equals = r"\mathrel{+}=" if share else "="
        leaving = "its share, leaving" if share else "leaving"
        leaving += f", {note}" if (note := summed_text(d, step)) else ""
        rows.append(rf"{latex(adjoint_of(d, step.by))} &{equals} {self.value(step.leaving)} \tag*{{{leaving}}}")
        return [rf"\paragraph{{{where or 'Step'}{rounds}}}", *_align(rows)]

    def chain(self) -> list[str]:
        lines, notes = chain_lines(self.d, self.axes)
        made = [r"\subsection*{Chain rule}", *_align([f"{left} &{right}" for left, right in lines])]
        said = (noted(note, lambda formula: f"${latex(formula)}$", r"$\mathbf{1}$", latex_text) for note in notes)
        return [*made, *(f"Here {note}." for note in said)]

    def result(self) -> list[str]:
        d = self.d
        made = [r"\subsection*{Result}", *_align([f"{self.gradient} &= {self.value(d.result)}"])]
        if d.numeric is not None and d.along is not None:
            along, numeric = (latex(matrices.entry(number, 10)) for number in (d.along, d.numeric))
            made.append(f"Check along a random direction: ${along}$, numerically ${numeric}$: {verdict(d)}.")
        return made

    def value(self, value: Any) -> str:
        """An array: numbers and vectors in a line, small matrices as such, the rest summed up."""
        array, precision, full = np.asarray(value), self.explained.precision, self.explained.full
        if array.ndim == 0:
            return latex(matrices.entry(array.item(), precision))
        made = ""
        if array.ndim == 1 and array.size > 0 and (full or array.size <= MOST_COLUMNS):
            made = rf"\left( {', '.join(self.value(entry) for entry in array)} \right)"
        fits = array.ndim == 2 and array.shape[0] <= MOST_ROWS and array.shape[1] <= MOST_COLUMNS
        if array.ndim == 2 and array.size and (full or fits):
            rows = r" \\ ".join(" & ".join(self.value(entry) for entry in row) for row in array)
            made = rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"
        if made and (full or width(made) <= WIDEST):
            return made
        if full and array.size:
            return rf"\text{{{latex_text(matrices.nested(array, precision))}}}"
        return rf"\text{{{latex_text(matrices.short(array, precision, longest=0))}}}"


def _align(rows: list[str]) -> list[str]:
    return [r"\begin{align*}", *(f"  {row} \\\\" for row in rows[:-1]), f"  {rows[-1]}", r"\end{align*}"]
