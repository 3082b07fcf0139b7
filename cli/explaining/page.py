"""A derivation as one page that needs nothing else: every step in MathML, to be stepped through or read as it stands.

The steps are written out whole, so that the page can be read and printed without its script; the script shows
one at a time beside the program, and fills the panel of adjoints up to it.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli.explaining.wording import (
    adjoint_of,
    agrees,
    equations,
    gap_text,
    local_name,
    local_text,
    local_value,
    name_of,
    rounds_text,
    summed_text,
    verdict,
)
from ndgrad.cli.writing import matrices
from ndgrad.lang.folding import Gap
from ndgrad.lang.mathematics import Tree, gradient_of, tree_of
from ndgrad.lang.notation import ratio
from ndgrad.lang.products import IN_WORDS
from ndgrad.lang.typesetting import as_mathml

if TYPE_CHECKING:
    from ndgrad.cli.explaining import Explained
    from ndgrad.errors import Span
    from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep

MOST = 8  # rows and columns of an array that are shown
MOST_SLICES = 3
WIDEST = 400  # signs of a formula that is still set


def written(explained: Explained, ascii: bool) -> str:
    """The page. Where the stream takes no other signs, they are written as character references."""
    articles = [_Article(d, explained, i) for i, d in enumerate(explained.derivations)]
    tabs = "".join(article.tab() for article in articles) if len(articles) > 1 else ""
    page = resources.files("ndgrad.cli.explaining").joinpath("page.html").read_text("utf-8")
    names = ", ".join(name_of(d) for d in explained.derivations)
    filled = {
        "title": escape(f"{names} · {explained.program}"),
        "program": escape(explained.program),
        "tabs": f'<nav class="tabs" aria-label="Gradients">{tabs}</nav>' if tabs else "",
        "articles": "".join(article.written() for article in articles),
        "data": embedded([article.steps for article in articles]),
    }
    for name, value in filled.items():
        before, mark, behind = page.partition(f"<!--{name}-->")
        assert mark
        page = before + value + behind
    return page.encode("ascii", "xmlcharrefreplace").decode() if ascii else page


def embedded(value: Any) -> str:
    """JSON that can stand within a <script>: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _Article:
    """One derivation on the page.

    steps   for the script: the line of each step, what it is announced as, its part of the sweep
    """

    def __init__(self, d: Derivation, explained: Explained, number: int) -> None:
        self.d = d
        self.explained = explained
        self.axes = explained.axes
        self.number = number
        self.steps: list[dict[str, Any]] = []
        self.sections: list[str] = []
        spans = [step.span for step in d.forward if not isinstance(step, Gap) and step.span is not None]
        self.source = spans[0].source if spans else None
        self.adjoints = _Adjoints(self)

    def tab(self) -> str:
        chosen = "true" if self.number == 0 else "false"
        name = self.math(gradient_of(name_of(self.d)))
        return f'<button type="button" class="tab" aria-pressed="{chosen}" data-article="{self.number}">{name}</button>'

    def written(self) -> str:
        d = self.d
        if self.explained.forward:
            for step in d.forward:
                self.left_out(step, "forward") if isinstance(step, Gap) else self.forward(step)
        if self.explained.backward and d.backward:
            self.seed()
            for back in d.backward:
                self.left_out(back, "backward") if isinstance(back, Gap) else self.backward(back)
        self.end()
        return (
            f'<article class="derivation" data-article="{self.number}">'
            f"<h2>{self.math(gradient_of(name_of(d)))} step by step</h2>"
            f'<div class="columns"><div class="program">{self.program()}{self.path()}</div>'
            f'<div class="steps">{"".join(self.sections)}{self.adjoints.panel()}</div></div></article>'
        )

    # What stands beside the steps

    def program(self) -> str:
        if self.source is None:
            return ""
        lines = self.source.text.expandtabs(4).rstrip("\n").split("\n")
        rows = "".join(
            f'<li data-line="{i}"><code>{_coloured(line) or " "}</code></li>' for i, line in enumerate(lines, 1)
        )
        return f'<ol class="source" tabindex="0" aria-label="The program">{rows}</ol>'

    def path(self) -> str:
        from ndgrad.cli.writing.table import decisions

        if not self.d.path:
            return ""
        items = "".join(f"<li>{escape(text)}</li>" for text in decisions(self.d.path))
        return f'<h3>Path taken</h3><ul class="path">{items}</ul>'

    # Steps

    def section(self, phase: str, title: str, said: str, span: Span | None, body: str) -> None:
        """Add a step: a section of the page, and what the script knows of it."""
        line = span.line if span is not None and span.source is self.source else None
        where = f'<span class="line">line {span.line}</span>' if span is not None else ""
        if span is not None and span.source is not self.source:
            where = f'<span class="line">{escape(span.source.name)} line {span.line}</span>'
        number = len(self.steps)
        self.steps.append({"phase": phase, "line": line, "said": f"{title}: {said}"})
        self.sections.append(
            f'<section class="step {phase}" data-step="{number}"><h3><span class="phase">{escape(title)}</span>'
            f"{where}</h3>{body}</section>"
        )

    def forward(self, step: ForwardStep) -> None:
        title, said = "Forward", f"{step.name} = {step.expression}"
        if step.expression == "input":
            title, said = "Input", step.name
            formula = self.formula(step.name)
        elif step.expression.startswith("does not depend"):
            said = f"{step.name} {step.expression}"
            formula = self.formula(step.name) + f"<p>It {escape(step.expression)}.</p>"
        else:
            formula = self.formula(said)
        self.section("forward", title, said, step.span, formula + self.tables((step.name, "value", step.value)))

    def left_out(self, gap: Gap, phase: str) -> None:
        said = gap_text(gap).removeprefix("⋮ ")
        rules = f"<p>Each of them:</p>{''.join(map(self.formula, gap.rules))}" if gap.rules else ""
        body = f'<p class="gap">⋮ {escape(said)}, left out here. <code>--unroll</code> shows all.</p>{rules}'
        self.section(phase, "Loop" if gap.rounds else "Left out", said, None, body)

    def seed(self) -> None:
        """The step before the first one back: the adjoint of the output."""
        d = self.d
        first = next((step for step in d.backward if not isinstance(step, Gap)), None)
        if first is None or first.name not in (d.of, _last_name(d)):
            return
        name = adjoint_of(d, first.name)
        said = "The sweep back begins with the adjoint of the output: "
        said += "the head that was given." if d.headed else "ones." if np.ndim(first.arriving) else "1."
        body = f"<p>{said}</p>" + self.tables((name, "adjoint", first.arriving))
        span = next((s.span for s in reversed(d.forward) if not isinstance(s, Gap) and s.name == first.name), None)
        self.section("backward", "Backward", f"begins with {name}", span, body)
        self.adjoints.arrives(first.name, first.arriving)

    def backward(self, step: BackwardStep) -> None:
        d = self.d
        share = step.shared
        sign = "=" if step.factor or not share else "+="
        name = local_name(d, step)
        formula = self.equation(tree_of(name), sign, local_text(step))
        rounds = ""
        if step.rounds > 1:
            rounds = f'<p class="rounds">{escape(rounds_text(step))}</p>'
        arriving = adjoint_of(d, step.name), "arriving", step.arriving
        leaving = adjoint_of(d, step.by), "its share, leaving" if share else "leaving", step.leaving
        if note := summed_text(d, step):
            leaving = leaving[0], f"{leaving[1]}, {note}", leaving[2]
        local: list[Any] = []
        if step.local_value is not None:
            local = [(ratio("∂", step.name, step.by), "local", local_value(step))]
        self.adjoints.arrives(step.name, step.arriving)
        body = formula + rounds + self.tables(arriving, *local, leaving, signs=self.signs(step, share))
        self.section("backward", "Backward", f"{name} {sign} {local_text(step)}", step.span, body)
        self.adjoints.leaves(step.by, step.leaving, step.shared)

    def signs(self, step: BackwardStep, share: bool) -> tuple[str, ...]:
        """What stands between the tables of a backward step."""
        if step.local_value is None:
            return ("→",)
        plain = np.shape(step.arriving) == np.shape(step.leaving)
        times = "⊙" if np.ndim(step.arriving) and np.ndim(step.local_value) else "·"
        return (times, "=" if plain else "→")

    def end(self) -> None:
        """The chain rule, the closed form and the check."""
        d = self.d
        name = gradient_of(name_of(d))
        rows = []
        for i, equation in enumerate(equations(d)):
            left = self.math(name, display=True) if i == 0 else ""
            right = escape(equation.right) if equation.right in IN_WORDS else self.set(equation.right)
            note = f'<span class="note">{escape(equation.note)}</span>' if equation.note else ""
            rows.append(f'<div class="row"><span>{left}</span><span>=</span><span>{right}{note}</span></div>')
        check = ""
        if d.numeric is not None and d.along is not None:
            along, numeric = (matrices.entry(value, 10) for value in (d.along, d.numeric))
            mark = "agrees" if agrees(d) else "differs"
            check = (
                f'<p class="check {mark}">Check along a random direction: {along}, numerically {numeric}: '
                f"{escape(verdict(d))}.</p>"
            )
        body = f'<div class="chain">{"".join(rows)}</div>' + self.tables((name_of(d), "the gradient", d.result)) + check
        self.section("end", "Chain rule", d.chain, None, body)
        self.adjoints.arrives(d.wrt, d.result)

    # Mathematics

    def math(self, tree: Tree, display: bool = False) -> str:
        return as_mathml(tree, self.axes, display)

    def set(self, text: str) -> str:
        """A formula, or the notation itself where it is too long to be set, or not read."""
        tree = tree_of(text)
        if tree.kind == "text" or len(text) > WIDEST:
            return f'<code class="long">{escape(text)}</code>'
        return self.math(tree, display=True)

    def formula(self, text: str) -> str:
        return f'<div class="formula">{self.set(text)}</div>'

    def equation(self, left: Tree, sign: str, right: str) -> str:
        tree = tree_of(right)
        if tree.kind == "text" or len(right) > WIDEST:
            return f'<div class="formula">{self.math(left)} {sign} <code class="long">{escape(right)}</code></div>'
        whole = Tree("operation", (sign, left, tree))
        return f'<div class="formula">{self.math(whole, display=True)}</div>'

    def tables(self, *arrays: tuple[str, str, Any], signs: tuple[str, ...] = ()) -> str:
        """Arrays side by side, each with its name and what it is."""
        made = []
        for i, (name, what, array) in enumerate(arrays):
            tree = gradient_of(name) if what == "the gradient" else tree_of(name)
            figure = (
                f'<figure><figcaption>{self.math(tree)}<span class="what">{escape(what)}</span></figcaption>'
                f"{table(array, self.explained.precision, self.explained.full)}</figure>"
            )
            sign = signs[i - 1] if i and signs else ""
            made.append(f'<div class="behind"><span class="sign">{sign}</span>{figure}</div>' if sign else figure)
        return f'<div class="arrays">{"".join(made)}</div>'


class _Adjoints:
    """The panel of adjoints: for each the values that it has had, with the step from which on."""

    def __init__(self, article: _Article) -> None:
        self.article = article
        self.values: dict[str, list[tuple[int, str]]] = {}
        self.sums: dict[str, Any] = {}
        self.partial: set[str] = set()  # those of which shares may be left out
        self.gaps = any(isinstance(step, Gap) for step in article.d.backward)

    def arrives(self, name: str, value: Any) -> None:
        """An adjoint is complete: everything that the value went into has been swept."""
        self.partial.discard(name)
        self.put(name, value)

    def leaves(self, name: str, share: Any, shared: bool) -> None:
        """A share is added to an adjoint."""
        held = self.sums.get(name) if shared else None
        if not shared:
            self.partial.discard(name)
        elif self.gaps:
            self.partial.add(name)
        self.put(name, share if held is None else held + share)

    def put(self, name: str, value: Any) -> None:
        at = len(self.article.steps) - 1
        self.sums[name] = value
        text = "of the steps shown so far" if name in self.partial else ""
        note = f'<span class="note">{text}</span>' if text else ""
        shown = table(value, self.article.explained.precision, self.article.explained.full) + note
        held = self.values.setdefault(name, [])
        if not held or held[-1][1] != shown:
            held.append((at, shown))

    def panel(self) -> str:
        if not self.values or not self.article.explained.backward or not self.article.d.backward:
            return ""
        rows = []
        for name, held in self.values.items():
            math = self.article.math(tree_of(adjoint_of(self.article.d, name)))
            shown = "".join(f'<div class="held" data-from="{at}">{text}</div>' for at, text in held)
            rows.append(f'<li data-from="{held[0][0]}"><span class="name">{math}</span>{shown}</li>')
        title = '<section class="adjoints" aria-label="Adjoints so far"><h3>Adjoints</h3>'
        return f"{title}<ul>{''.join(rows)}</ul></section>"


def table(value: Any, precision: int | None = None, full: bool = False) -> str:
    """An array as a table; of large ones the corners, and what they hold in all, unless all is asked for."""
    array = np.asarray(value)
    if array.ndim == 0:
        return f'<span class="number">{_number(array.item(), precision)}</span>'
    if array.size == 0:
        return f'<span class="number">no entries ({matrices.shape_of(array)})</span>'
    said = ""
    most = array.size if full else MOST
    if max(array.shape) > most or (array.ndim > 2 and not full):
        said = f'<span class="note">{escape(matrices.short(array, precision, longest=0))}</span>'
    if array.ndim <= 2:
        return _grid(array if array.ndim == 2 else array[np.newaxis], precision, most) + said
    slices = []
    for index in list(np.ndindex(array.shape[:-2]))[: array.size if full else MOST_SLICES]:
        place = ", ".join(map(str, index))
        slices.append(f'<span class="note">[{place}]</span>{_grid(array[index], precision, most)}')
    return "".join(slices) + said


def _grid(array: Any, precision: int | None, most: int) -> str:
    rows = []
    for i in matrices.ends(array.shape[0], most):
        cells = (
            "<td>…</td>" if i is None or j is None else f"<td>{_number(array[i, j].item(), precision)}</td>"
            for j in matrices.ends(array.shape[1], most)
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="grid"><table>{"".join(rows)}</table></div>'


def _number(value: Any, precision: int | None) -> str:
    return escape(matrices.entry(value, precision).replace("-", "−"))


def _coloured(line: str) -> str:
    """A line of the program with its comment set apart."""
    code, mark, comment = _without_comment(line)
    return escape(code) + (f'<span class="comment">{escape(mark + comment)}</span>' if mark else "")


def _without_comment(line: str) -> tuple[str, str, str]:
    quoted = ""
    for i, c in enumerate(line):
        if quoted:
            quoted = "" if c == quoted else quoted
        elif c in "\"'":
            quoted = c
        elif c == "#":
            return line[:i], "#", line[i + 1 :]
    return line, "", ""


def _last_name(d: Derivation) -> str:
    return next((step.name for step in reversed(d.forward) if not isinstance(step, Gap)), "")
