"""A derivation as Markdown: headings, tables, and mathematics as GitHub and GitLab read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli.explaining.formulas import aligned, chain_lines, inline, local_tree, noted
from ndgrad.cli.explaining.wording import (
    adjoint_of,
    gap_text,
    line_of,
    local_name,
    local_value,
    name_of,
    rounds_text,
    summed_text,
    verdict,
)
from ndgrad.cli.streams import as_ascii
from ndgrad.cli.writing import matrices
from ndgrad.lang.folding import Gap
from ndgrad.lang.notation import ratio

if TYPE_CHECKING:
    from ndgrad.cli.explaining import Explained
    from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep


def written(explained: Explained, ascii: bool) -> str:
    """The derivations one after the other, each under a heading of the first level."""
    text = "\n".join("\n".join(_Page(d, explained).lines()) + "\n" for d in explained.derivations)
    return as_ascii(text) if ascii else text


class _Page:
    """One derivation in Markdown."""

    def __init__(self, d: Derivation, explained: Explained) -> None:
        self.d = d
        self.explained = explained

    def lines(self) -> list[str]:
        from ndgrad.cli.writing.table import decisions

        d = self.d
        made = [f"# {_escaped(name_of(d))} of {_escaped(self.explained.program)}", ""]
        if self.explained.forward:
            made += ["## Forward", "", "| line | step | shape | value |", "| ---: | --- | --- | --- |"]
            made += [self.forward(step) for step in d.forward]
            made.append("")
            if d.path:
                made += ["## Path", "", *(f"- {_escaped(text)}" for text in decisions(d.path)), ""]
        if self.explained.backward and d.backward:
            made += ["## Backward", ""]
            for step in d.backward:
                made += self.gap(step) if isinstance(step, Gap) else self.backward(step)
        return [*made, *self.chain(), *self.result()]

    def value(self, array: Any) -> str:
        array, precision = np.asarray(array), self.explained.precision
        text = matrices.nested(array, precision) if self.explained.full else matrices.entries(array, precision)
        return f"`{text}`" if text else matrices.short(array, precision)

    def formula(self, text: str) -> str:
        return inline(text, self.explained.axes)

    def forward(self, step: ForwardStep | Gap) -> str:
        if isinstance(step, Gap):
            return f"| | {gap_text(step)} | | |"
        said = self.formula(step.name)
        if step.expression.startswith("does not depend"):
            said += f" {step.expression}"
        elif step.expression != "input":
            said = self.formula(f"{step.name} = {step.expression}")
        line = step.span.line if step.span else ""
        shape = matrices.shape_of(np.asarray(step.value))
        return f"| {line} | {said} | {shape} | {self.value(step.value)} |"

    def gap(self, gap: Gap) -> list[str]:
        rules = ", ".join(map(self.formula, gap.rules))
        return [f"{gap_text(gap)}{f': {rules}' if rules else ''}", ""]

    def backward(self, step: BackwardStep) -> list[str]:
        d = self.d
        sign = "+=" if step.shared else "="
        where = f", {line_of(step.span)}" if step.span else ""
        rounds = f", {_escaped(rounds_text(step))}" if step.rounds > 1 else ""
        made = [f"### {_escaped(local_name(d, step))}{where}{rounds}", "", "```math"]
        made += [local_tree(d, step, sign, self.explained.axes), "```", "", "| | | value |", "| --- | --- | --- |"]
        made.append(f"| arriving | {self.formula(adjoint_of(d, step.name))} | {self.value(step.arriving)} |")
        if step.local_value is not None:
            made.append(f"| local | {self.formula(ratio('∂', step.name, step.by))} | {self.value(local_value(step))} |")
        share = "a share of " if sign == "+=" else ""
        summed = f", {note}" if (note := summed_text(d, step)) else ""
        made.append(f"| leaving{summed} | {share}{self.formula(adjoint_of(d, step.by))} | {self.value(step.leaving)} |")
        return [*made, ""]

    def chain(self) -> list[str]:
        lines, notes = chain_lines(self.d, self.explained.axes)
        made = ["## Chain rule", "", "```math", aligned(lines), "```", ""]
        said = (noted(note, self.formula, r"$`\mathbf{1}`$", str) for note in notes)
        return [*made, *(f"Here {note}.\n" for note in said)]

    def result(self) -> list[str]:
        d = self.d
        made = ["## Result", "", f"{self.formula_of_gradient()} is {self.value(d.result)}."]
        if d.numeric is not None and d.along is not None:
            along, numeric = (matrices.entry(number, 10) for number in (d.along, d.numeric))
            made += ["", f"Check along a random direction: {along}, numerically {numeric}: {verdict(d)}."]
        return made

    def formula_of_gradient(self) -> str:
        from ndgrad.lang.mathematics import gradient_of
        from ndgrad.lang.typesetting import as_latex

        return f"$`{as_latex(gradient_of(name_of(self.d)))}`$"


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#$" else c for c in text)
