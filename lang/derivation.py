"""From a recorded run to the chain rule: forward steps, backward steps, one line, as data.

A step is a value that the program gives a name. Between two named values lies a small expression,
and its derivative comes from the operations' own rules, run over terms (`ndgrad.lang.notation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.lang.derivation_data import BackwardStep as BackwardStep
from ndgrad.lang.derivation_data import Binding as Binding
from ndgrad.lang.derivation_data import Derivation as Derivation
from ndgrad.lang.derivation_data import ForwardStep as ForwardStep
from ndgrad.lang.notation import (
    Term,
    applied,
    made,
    parenthesised,
    partials_of,
    ratio,
    subscripted,
    superscript,
    term_of,
)
from ndgrad.namespace import unbroadcast
from ndgrad.ndarray import NDArray, plain
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node

MULTIPLIED = "the local derivatives above, multiplied"
LONGEST_CHAIN = 400  # characters of a chain-rule line that a person still reads


def derive(
    *,
    of: str,
    output: NDArray,
    wrt: str,
    variable: NDArray,
    head: Any,
    result: Any,
    bindings: Sequence[Binding],
    path: Sequence[Any] = (),
    probe: Callable[[Any], float] | None = None,
) -> Derivation:
    """The derivation of d(of)/d(wrt) from a run recorded under keep_values().

    output, variable: the recorded arrays; head: the adjoint of the output (plain array);
    result: the gradient that the run computed, of the variable's shape.
    probe(direction) gives the numeric derivative of ⟨head, of⟩ along a direction of the variable.
    """
    assert variable.node is not None
    if output.node is None:
        return _unmoved(of, output, wrt, variable, bindings, path, result)
    story = _Story(bindings, variable.node, wrt, output.node, of)
    forward = story.forward()
    backward = story.backward(np.asarray(head, dtype=output.dtype))
    chain = story.chain()
    closed = story.closed_form()
    forms = () if closed is not None else story.matrix_forms()
    if forms and chain.endswith(MULTIPLIED):
        chain = chain.removesuffix(MULTIPLIED) + forms[0]
    along = numeric = None
    if probe is not None:
        # Every entry moves in proportion to its size: parameters may differ by many orders of magnitude.
        size = np.abs(np.asarray(plain(variable), dtype=np.float64))
        size = np.where(size > 0, size, np.max(size, initial=0.0) or 1.0)
        direction = np.random.default_rng(0).standard_normal(np.shape(result)) * size
        along, numeric = float(np.vdot(result, direction)), probe(direction)
    return Derivation(
        of=of,
        wrt=wrt,
        forward=forward,
        path=tuple(path),
        backward=_folded(backward),
        chain=chain,
        closed_form=closed,
        forms=forms,
        result=np.asarray(result),
        along=along,
        numeric=numeric,
        size=float(np.abs(np.vdot(head, plain(output)))),
    )


def _unmoved(
    of: str, output: NDArray, wrt: str, variable: NDArray, bindings: Sequence[Binding], path: Any, result: Any
) -> Derivation:
    """The derivation where the variable does not reach the output."""
    where = {binding.name: binding.span for binding in bindings}
    steps = [
        ForwardStep(wrt, "input", np.asarray(plain(variable)), where.get(wrt)),
        ForwardStep(of, f"does not depend on {wrt}", np.asarray(plain(output)), where.get(of)),
    ]
    left = ratio("d", of, wrt)
    return Derivation(of, wrt, tuple(steps), tuple(path), (), f"{left} = 0", None, np.asarray(result))


class _Story:
    """The named nodes between the variable and the output, and the expressions between them."""

    def __init__(self, bindings: Sequence[Binding], variable: Node, wrt: str, output: Node, of: str) -> None:
        self.variable = variable
        self.output = output
        self.of = of
        self.wrt = wrt
        self.named: dict[int, str] = {}
        self.constants: dict[int, str] = {}
        self.bindings: dict[int, Binding] = {}
        self.kept: list[Any] = []
        for binding in bindings:
            self.learn(binding)
        self.named.setdefault(variable.id, wrt)
        self.named.setdefault(output.id, of)
        self.order = nodes_below([output])
        useful = {variable.id}
        for node in reversed(self.order):
            if any(p is not None and p.id in useful for p in node.parents):
                useful.add(node.id)
        self.useful = useful
        self.steps = [n for n in self.order if n.id in self.named]
        self.terms: dict[int, Term] = {}

    def learn(self, binding: Binding) -> None:
        name = subscripted(binding.name, binding.number)
        value = binding.value
        if not isinstance(value, NDArray):
            return
        if value.node is not None:
            if value.node.id not in self.named:
                self.named[value.node.id] = name
                self.bindings[value.node.id] = binding
        else:
            data = plain(value)
            self.kept.append(data)
            self.constants.setdefault(id(data), name)

    # Terms

    def symbol(self, node: Node) -> Term:
        """A node as its name."""
        return Term(node.value if node.op is not None else self.leaf_value(node), name=self.named[node.id])

    def leaf_value(self, node: Node) -> Any:
        for child in self.order:
            for parent, operand in zip(child.parents, child.operands, strict=False):
                if parent is node:
                    return operand
        return np.zeros(node.shape, node.dtype)

    def term(self, node: Node, top: Node) -> Term:
        """A node's value in terms of named values; `top` itself is spelled out."""
        if node is not top and node.id in self.named:
            return self.symbol(node)
        known = self.terms.get(node.id)
        if known is not None:
            return known
        for inner in reversed(self.between(top)):
            if inner.id not in self.terms:
                self.terms[inner.id] = self.spelled(inner)
        return self.terms[node.id]

    def spelled(self, node: Node) -> Term:
        op = node.op
        if op is None:
            return Term(self.leaf_value(node), name=f"leaf{node.id}")
        if op is OUTPUT:
            assert node.parents[0] is not None
            inner = self.terms[node.parents[0].id]
            return Term(node.value, op=op, args=(inner,), statics=node.statics)
        return applied(op, tuple(self.operands(node)), node.statics, node.value)

    def operands(self, node: Node) -> list[Term]:
        made_ = []
        for parent, operand in zip(node.parents, node.operands, strict=True):
            if parent is None:
                made_.append(self.constant(operand))
            elif parent.id in self.named:
                made_.append(self.symbol(parent))
            else:
                made_.append(self.terms[parent.id])
        return made_

    def constant(self, operand: Any) -> Term:
        name = self.constants.get(id(operand))
        return Term(operand, name=name) if name else term_of(operand)

    def between(self, top: Node) -> list[Node]:
        """`top` and the unnamed nodes that its expression is made of, newest first."""
        seen = {top.id}
        found = [top]
        stack = [p for p in top.parents if p is not None]
        while stack:
            node = stack.pop()
            if node.id in seen or node.id in self.named:
                continue
            seen.add(node.id)
            found.append(node)
            stack.extend(p for p in node.parents if p is not None)
        return sorted(found, key=lambda n: n.id, reverse=True)

    # The steps

    def forward(self) -> tuple[ForwardStep, ...]:
        steps = []
        for node in reversed(self.steps):
            binding = self.bindings.get(node.id)
            if node.op is None:
                expression, value = "input", self.leaf_value(node)
            else:
                expression, value = str(self.term(node, node)), node.value
            steps.append(ForwardStep(self.named[node.id], expression, value, binding.span if binding else node.span))
        return tuple(steps)

    def backward(self, head: Any) -> list[BackwardStep]:
        steps: list[BackwardStep] = []
        adjoints: dict[int, Any] = {self.output.id: head}
        for node in self.steps:
            g = adjoints.get(node.id)
            if g is None or node.op is None or node.id not in self.useful or node is self.variable:
                continue
            binding = self.bindings.get(node.id)
            name = self.named[node.id]
            for parent, share, factor in self.shares(node, g):
                leaving = np.asarray(share.value, dtype=parent.dtype)
                held = adjoints.get(parent.id)
                adjoints[parent.id] = leaving if held is None else held + leaving
                steps.append(
                    BackwardStep(
                        name,
                        self.named[parent.id],
                        str(share if factor is None else factor),
                        factor is not None,
                        None if factor is None else factor.value,
                        g,
                        leaving,
                        binding.span if binding else node.span,
                    )
                )
        return steps

    def shares(self, top: Node, g: Any) -> list[tuple[Node, Term, Term | None]]:
        """For each named value under `top`: its share of the adjoint, and ∂top/∂it where a factor says it."""
        arriving = Term(g, name=ratio("∂", self.of, self.named[top.id]))
        if top is self.output and np.all(np.equal(g, 1)):
            arriving = Term(g, number=1)
        whole = self.pulled(top, arriving)
        factors: dict[int, Term] = {}
        if all(n.op is not None and n.op.elementwise for n in self.between(top)):
            factors = {node.id: term for node, term in self.pulled(top, Term(1, number=1), summed=False)}
        return [(node, term, factors.get(node.id)) for node, term in whole]

    def pulled(self, top: Node, g: Term, summed: bool = True) -> list[tuple[Node, Term]]:
        """The reverse sweep over one expression, in terms: named nodes with their cotangents.

        summed: cotangents take their operand's shape, as broadcasting's transpose says.
        """
        self.term(top, top)
        bars: dict[int, Any] = {top.id: g}
        reached: dict[int, Node] = {}
        for node in self.between(top):
            bar: Any = bars.get(node.id)
            if bar is None or node.op is None or node.id not in self.useful:
                continue
            if node.op is OUTPUT:
                main = node.parents[0]
                assert main is not None
                assert main.op is not None
                bars.setdefault(main.id, [None] * main.op.outputs)[node.statics[0]] = bar
                continue
            operands = tuple(self.operands(node))
            bar = tuple(bar) if isinstance(bar, list) else bar
            y = self.symbol(node) if node.id in self.named else self.terms[node.id]
            for parent, c in zip(node.parents, partials_of(node.op, bar, y, operands, node.statics), strict=True):
                if parent is None or c is None or parent.id not in self.useful:
                    continue
                if summed and c.shape != parent.shape:
                    c = unbroadcast(c, parent.shape, _sums)
                held = bars.get(parent.id)
                bars[parent.id] = c if held is None else held + c
                if parent.id in self.named:
                    reached[parent.id] = parent
        return [(node, bars[i]) for i, node in sorted(reached.items(), reverse=True)]

    # The chain rule in one line

    def chain(self) -> str:
        """d(of)/d(wrt): the local derivatives multiplied along the paths, substituted."""
        left = ratio("d", self.of, self.named[self.variable.id])
        if self.output is self.variable:
            return f"{left} = 1"
        nested = self.nested()
        right = self.product() or (" " * (LONGEST_CHAIN + 1) if nested is None else str(nested))
        from ndgrad.lang.closed_form import unreadable

        if len(right) <= LONGEST_CHAIN and not unreadable(right):
            return f"{left} = {right}"
        return f"{left} = {MULTIPLIED}"

    def product(self) -> str:
        """The factors of each path joined by ' · ', paths by ' + '; "" where a step is no factor, or paths are many."""
        paths: dict[int, list[list[Term]]] = {self.output.id: [[]]}
        for node in self.steps:
            if node.id not in paths or node is self.variable or node.op is None:
                continue
            for parent, _, factor in self.shares(node, np.ones(node.shape)):
                if factor is None or parent.shape != node.shape:
                    return ""
                longer = [[*path, factor] for path in paths[node.id]]
                paths[parent.id] = [*paths.get(parent.id, []), *longer]
                if len(paths[parent.id]) > 4:
                    return ""
        return " + ".join(map(_written_product, paths.get(self.variable.id, []))).replace("+ -", "- ") or "0"

    def nested(self) -> Term | None:
        """The reverse sweep as one expression, also for steps that are no plain factors (sums, products of matrices).

        None where it is too long to be read.
        """
        bars: dict[int, Term] = {self.output.id: Term(np.ones(self.output.shape), number=1)}
        for node in self.steps:
            if node.id not in bars or node is self.variable or node.op is None:
                continue
            for parent, share in self.pulled(node, bars[node.id]):
                held = bars.get(parent.id)
                bars[parent.id] = share if held is None else held + share
                if len(str(bars[parent.id])) > 4 * LONGEST_CHAIN:
                    return None
        return bars.get(self.variable.id, Term(np.zeros(self.variable.shape), number=0))

    def closed_form(self) -> str | None:
        """The chain rule in the input alone, simplified; None where it is no elementwise expression of it."""
        from ndgrad.lang.closed_form import closed_form

        return closed_form(self.output, self.variable, self.named[self.variable.id])

    def matrix_forms(self) -> tuple[str, ...]:
        """The derivative simplified as an expression of matrices: in the program's names, then in its inputs alone."""
        from ndgrad.lang.closed_form import matrix_forms

        nested = self.nested()
        if nested is None or self.output is self.variable:
            return ()
        steps = [(self.named[n.id], self.term(n, n)) for n in reversed(self.steps) if n.op is not None]
        moving = frozenset(self.named[n.id] for n in self.steps if n.id in self.useful)
        return matrix_forms(nested, steps, moving)


class _Sums:
    """unbroadcast's namespace over terms."""

    @staticmethod
    def sum(x: Term, axis: tuple[int, ...], keepdims: bool = False) -> Term:
        if len(axis) == x.ndim and not keepdims:
            return made("sum", x)
        return made("sum", x, axis=axis[0] if len(axis) == 1 else axis, keepdims=keepdims)

    @staticmethod
    def broadcast_to(x: Term, shape: Any) -> Term:
        return made("broadcast_to", x, shape)


_sums = _Sums()


def _written_product(factors: list[Term]) -> str:
    """Factors joined by ' · ', those that repeat as a power, ones left out."""
    texts: list[str] = []
    counts: list[int] = []
    for factor in factors:
        if factor.number == 1:
            continue
        text = parenthesised(factor, 60)
        if texts and texts[-1] == text:
            counts[-1] += 1
        else:
            texts.append(text)
            counts.append(1)
    shown = [t if n == 1 else f"{_bracketed(t)}{superscript(n)}" for t, n in zip(texts, counts, strict=True)]
    return " · ".join(shown) or "1"


def _bracketed(text: str) -> str:
    return text if text.isalnum() or text.startswith("(") else f"({text})"


def _folded(steps: list[BackwardStep]) -> tuple[BackwardStep, ...]:
    """Equal steps in a row (the rounds of a loop) as one, with their number and both ends' adjoints."""
    folded: list[BackwardStep] = []
    for step in steps:
        last = folded[-1] if folded else None
        if last is not None and step.span == last.span and step.span is not None and _alike(step, last):
            folded[-1] = BackwardStep(
                last.name, step.by, last.local, last.factor, last.local_value, last.arriving, step.leaving, last.span,
                last.rounds + 1,
            )  # fmt: skip
        else:
            folded.append(step)
    return tuple(folded)


def _alike(a: BackwardStep, b: BackwardStep) -> bool:
    same = a.local == b.local and a.factor and b.factor
    return same and bool(np.array_equal(a.local_value, b.local_value))
