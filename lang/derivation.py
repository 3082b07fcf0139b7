"""From a recorded run to the chain rule: forward steps, backward steps, one line, as data.

A step is a value that the program gives a name. Between two named values lies a small expression,
and its derivative comes from the operations' own rules, run over terms (`ndgrad.lang.notation`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ndgrad.errors import Error, Span
from ndgrad.lang.alike import alike, columns
from ndgrad.lang.derivation_data import BackwardStep as BackwardStep
from ndgrad.lang.derivation_data import Binding as Binding
from ndgrad.lang.derivation_data import Derivation as Derivation
from ndgrad.lang.derivation_data import ForwardStep as ForwardStep
from ndgrad.lang.folding import ENDS, FEWEST, Gap, Rounds, repeats, shown
from ndgrad.lang.notation import (
    Name,
    Term,
    gradient_name,
    in_full,
    is_name,
    output_name,
    ratio,
    superscript,
    term_of,
)
from ndgrad.lang.products import IN_WORDS, as_factor, bracketed, in_words, written_product
from ndgrad.lang.recorded import Terms, written
from ndgrad.lang.rules import Factors, indexed, multiplied, renamed
from ndgrad.lang.syntax import Body, If, walk
from ndgrad.lang.values import NUMBERS
from ndgrad.ndarray import NDArray, plain
from ndgrad.sweep import Uncollected, sweep
from ndgrad.tape import Node, Origin

Layout = Literal["denominator", "numerator"]
_ONES = re.compile(r"(?:^|[ (·])1ᵀ? @|@ \(?1(?![.\d·/ₖ₀-₉])")  # multiplied as a matrix, by which it is no number
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
    origins: Mapping[int, Origin],
    path: Sequence[Any] = (),
    probe: Callable[[Any], float] | None = None,
    adjoints: Mapping[int, Any] | None = None,
    opened: int | None = None,
    unroll: bool = False,
    layout: Layout = "denominator",
    body: Body | None = None,
) -> Derivation:
    """The derivation of d(of)/d(wrt) from a run recorded under keep_values().

    output, variable: the recorded arrays; head: the adjoint of the output (plain array);
    result: the gradient that the run computed, of the variable's shape.
    probe(direction) gives the numeric derivative of ⟨head, of⟩ along a direction of the variable.
    origins: how values came about that no derivative goes through, by the id of their data.
    adjoints: those known already, by the id of the node.
    opened: the round of every loop to show, beside the first and the last; unroll: show all rounds.
    body: what the program says, for plain numbers in it.
    layout: "denominator", where a derivative by x has the shape of x, or "numerator", where it is transposed.
    """
    assert variable.node is not None
    of = output_name(of)
    if output.node is None:
        return _unmoved(of, output, wrt, variable, bindings, path, result)
    with Uncollected():
        story = _Story(
            bindings, origins, variable.node, wrt, output.node, of, np.asarray(head), opened, unroll, layout, body
        )
    of = story.of
    if not story.steps:
        return _unmoved(of, output, wrt, variable, bindings, path, result)
    forward = story.forward()
    if story.is_ambiguous(forward):  # p₂₀ by k, where p is the value before the loop
        story.of = of = story.name(output.node)
        forward = story.forward()
    backward = story.backward(np.asarray(head, dtype=output.dtype), adjoints or {})
    chain = story.chain(backward)
    closed = story.closed_form()
    closed = None if closed is None else story.turned(closed)
    forms = story.matrix_forms() if closed is None else ()
    if closed is not None and path and not story.headed:
        forms = _ratio_of(closed, of, output, wrt, variable)
    if chain.endswith(IN_WORDS) or _ONES.search(chain):
        left = chain.partition(" = ")[0]
        note = "" if chain.endswith(IN_WORDS) else "   (1 is a vector of ones)"
        chain = f"{left} = {forms[0]}" if forms else chain + note
    along = numeric = None
    if probe is not None:
        # Every entry moves in proportion to its size: parameters may differ by many orders of magnitude.
        size = np.abs(np.asarray(plain(variable), dtype=np.float64))
        size = np.where(size > 0, size, np.max(size, initial=0.0) or 1.0)
        direction = np.random.default_rng(0).standard_normal(np.shape(result)) * size
        try:
            along = float(np.vdot(result, direction))
            numeric = _nearest(along, probe, direction)
        except (Error, ValueError):  # close by, the program stops, or its value has another shape
            along = None
    return Derivation(
        of=of,
        wrt=wrt,
        forward=forward,
        path=tuple(path),
        backward=tuple(backward),
        chain=chain,
        closed_form=f"head·{as_factor(closed)}" if closed is not None and story.headed else closed,
        forms=forms,
        layout=layout,
        headed=story.headed,
        result=story.laid_out(result),
        along=along,
        numeric=numeric,
        size=float(np.vdot(np.abs(head), np.abs(plain(output)))),
        longest=max(((loop.before + loop.count) * loop.passes for loop in story.loops), default=0),
    )


def _nearest(along: float, probe: Callable[[Any], float], direction: Any) -> float:
    """The numeric derivative along a direction: where one difference is not near, of another step or both together,
    since its error goes with the square of its step."""
    numeric = probe(direction)
    if np.isclose(along, numeric, rtol=1e-6, atol=0) or not np.isfinite(numeric):
        return numeric
    finer = probe(direction / 4) * 4
    return min(numeric, finer, (16 * finer - numeric) / 15, key=lambda found: abs(found - along))


def _ratio_of(closed: str, of: str, output: NDArray, wrt: str, variable: NDArray) -> tuple[str, ...]:
    """y/x where the derivative along this path is a plain number and y is that number times x."""
    try:
        slope = float(closed)
    except ValueError:
        return ()
    x, y = plain(variable), plain(output)
    if slope == 0 or np.shape(x) != np.shape(y) or not np.allclose(y, slope * x, rtol=1e-12, atol=0):
        return ()
    return (f"{of}/{wrt}   ({of} = {closed}·{wrt} along this path)",)


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


class _Story(Terms):
    """The steps of a derivation: forward, backward, multiplied."""

    def __init__(
        self,
        bindings: Sequence[Binding],
        origins: Mapping[int, Origin],
        variable: Node,
        wrt: str,
        output: Node,
        of: str,
        head: Any,
        opened: int | None,
        unroll: bool,
        layout: Layout,
        body: Body | None,
    ) -> None:
        super().__init__(bindings, origins, variable, wrt, output, of, body)
        if of != self.name(output) and any(self.name(node) == of for node in self.steps):
            self.of = of = self.name(output)  # b₃₀ by b, where the last value has the name of the first
        self.layout = layout
        self.headed = bool(np.any(head != 1))
        ones = Term(np.ones(output.shape), number=1)
        self.head = Term(np.array(head), name="head") if self.headed else ones
        self.known_as = next((b for b in reversed(bindings) if b.name == of and self.is_output(b.value)), None)
        self.loops = [self.looked_at(loop) for loop in repeats([self.kind_of(i) for i in range(len(self.steps))])]
        self.shown = shown(len(self.steps), self.loops, opened, unroll)
        self.whole = not any(isinstance(part, Gap) for part in self.shown)

    def kind_of(self, i: int) -> Any:
        """What tells the rounds of a loop: where a step is written, and how many operations it took."""
        node = self.steps[i]
        binding = self.bindings.get(node.id)
        span = binding.span if binding is not None else node.span
        before = self.places[i - 1] if i else 0
        return (node.id,) if span is None or node.op is None else (span.start, span.end, self.places[i] - before)

    def looked_at(self, loop: Rounds) -> Rounds:
        """A loop that begins with the round from which on all are alike, if they are, save for the last.

        What a loop begins with is often no value of the loop: the rounds that still have it to do with are shown.
        """
        passes = self.passes(loop)
        for first in range(loop.count - FEWEST + 1)[:ENDS]:
            start = loop.start + first * loop.period
            inner = range(start + loop.period, start + 2 * loop.period)
            if all(alike(self, self.steps[i : loop.stop - loop.period : loop.period]) for i in inner):
                return Rounds(start, loop.period, loop.count - first, before=first, passes=passes)
        return Rounds(loop.start, loop.period, loop.count, alike=False, passes=passes)

    def passes(self, loop: Rounds) -> int:
        """How many passes of the program's loop what repeats is: two where branches are taken in turn."""
        if loop.period == 1 or self.body is None:
            return 1
        branches = self.branches
        made = 1
        taken: dict[int, int] = {}
        for node in self.steps[loop.start : loop.start + loop.period]:
            now = branches.get(id(self.span_of(node)), {})
            if any(taken.get(place, branch) != branch for place, branch in now.items()):
                made += 1
                taken = {}
            taken |= now
        return made

    @cached_property
    def branches(self) -> dict[int, dict[int, int]]:
        """By the id of the span of what stands in branches: which one it is, of every `if` around it."""
        found: dict[int, dict[int, int]] = {}
        for part in walk(self.body) if self.body is not None else ():
            if isinstance(part, If):
                for number, branch in enumerate((*((b,) for b in part.branches), part.otherwise)):
                    for inner in (inner for top in branch for inner in walk(top)):
                        found.setdefault(id(inner.span), {})[id(part)] = number
        return found

    # The steps

    def forward(self) -> tuple[ForwardStep | Gap, ...]:
        made: list[ForwardStep | Gap] = []
        for part in self.shown:
            if isinstance(part, Gap):
                made.append(part)
                continue
            node = self.steps[part]
            if node.op is None:
                expression, value = "input", self.leaf_value(node)
            else:
                expression, value = str(self.term(node, node)), node.value
            made.append(ForwardStep(self.name(node), expression, value, self.span_of(node)))
        first = self.name(self.output)
        if self.known_as is not None and self.bindings[self.output.id].name != self.of:  # c = b where c is the output
            value = self.output.value if self.output.op is not None else self.leaf_value(self.output)
            made.append(ForwardStep(self.of, first, value, self.known_as.span))
        return tuple(made)

    def is_ambiguous(self, forward: Sequence[ForwardStep | Gap]) -> bool:
        """Whether the formulas call another value what the output is called."""
        if self.of == self.name(self.output) or not is_name(self.of):
            return False
        name = re.compile(rf"(?<!\w){re.escape(self.of)}(?![\w₀-₉])")
        steps = (step for step in forward if isinstance(step, ForwardStep) and step.name != self.of)
        return any(name.search(step.expression) for step in steps)

    def is_output(self, value: Any) -> bool:
        return isinstance(value, NDArray) and value.node is self.output

    def span_of(self, node: Node) -> Span | None:
        binding = self.bindings.get(node.id)
        return binding.span if binding is not None else node.span

    def backward(self, head: Any, known: Mapping[int, Any]) -> list[BackwardStep | Gap]:
        """The steps back, newest first; rounds that do the same are one step."""
        drawn = [self.steps[part] for part in self.shown if not isinstance(part, Gap)]
        below = {p.id: p for node in drawn for n in self.between(node) for p in n.parents if p and p.id in self.names}
        wanted = {node.id: node for node in drawn} | below
        adjoints = {self.output.id: head} | {number: known[number] for number in wanted if number in known}
        if not wanted.keys() <= adjoints.keys():
            found, _ = sweep([(self.output, np.array(head))], list(wanted.values()))
            adjoints = {number: np.asarray(plain(bar)) for number, (_, bar) in found.items()}
        made: list[BackwardStep | Gap] = []
        at = len(self.steps)
        for part in reversed(self.shown):
            if isinstance(part, Gap):
                at -= part.steps
                made.append(Gap(part.steps, part.rounds, self.rules(part, at), part.alike))
                continue
            at = part
            node = self.steps[part]
            if node.id in adjoints and node.op is not None and node.id in self.useful and node is not self.variable:
                made += self.back(node, adjoints)
        return _shares(_folded(made))

    def rules(self, gap: Gap, at: int) -> tuple[str, ...]:
        """The local derivatives of each of the rounds left out from step `at` on, last step first; none where one is
        no factor, or the names in it go up otherwise than by one.

        They are read off a round in the middle, and its names off that and the next.
        """
        loop = next((loop for loop in self.loops if loop.start <= at < loop.stop), None)
        if loop is None or not (loop.alike and gap.rounds):
            return ()
        middle = (at - loop.start + gap.steps // 2) // loop.period
        first = loop.start + min(middle, loop.count - 3) * loop.period  # the last round may do otherwise
        made: list[str] = []
        own: Name | None = None
        for place in range(first, first + loop.period):
            node = self.steps[place]
            places = columns(self, [node, self.steps[place + loop.period]])
            if places is None:
                return ()
            named = [[Name(x.name, x.number) for x in column] for column in places]
            own = own or named[0][0]
            names = indexed(named, own)
            with self.counting_numbers():
                shares = self.shares(node, np.ones(node.shape))
            if names is None or any(factor is None for _, _, factor in shares):
                return ()
            of = names[self.name(node)]
            pairs = ((ratio("∂", of, names[self.name(parent)]), str(factor)) for parent, _, factor in shares)
            made = [*(f"{left} = {renamed(factor, names)}" for left, factor in pairs), *made]
        return tuple(made)

    def only_way(self, top: Node, to: Node) -> bool:
        """Whether a value's adjoint comes through this step alone: nothing else that the output depends on uses it, or
        what the step makes of it."""
        inner = {node.id for node in self.between(top)}
        within = (inner & self.useful) - {top.id} | {to.id}
        oldest = bisect_left(self.order, -min(within), key=lambda node: -node.id)
        newer = (self.order[place] for place in range(oldest - 1, -1, -1))  # users are mostly close by
        users = (node for node in newer if node.id in self.useful and node.id not in inner)
        return not any(parent is not None and parent.id in within for node in users for parent in node.parents)

    def back(self, node: Node, adjoints: dict[int, Any]) -> list[BackwardStep]:
        """The steps from one value to those it was made of."""
        g = adjoints[node.id]
        made = []
        for parent, share, factor in self.shares(node, g):
            leaving = np.asarray(share.value, dtype=parent.dtype)
            whole = adjoints.get(parent.id, leaving)
            flat = len(node.shape) <= 2  # larger arrays are not turned
            turns = factor is None or (self.layout == "numerator" and factor.ndim == 2 and flat)
            differ = not np.allclose(leaving, whole, rtol=1e-6, atol=0, equal_nan=True)
            made.append(
                BackwardStep(
                    self.name(node),
                    self.name(parent),
                    self.written(share if factor is None else factor) if turns else str(factor),
                    factor is not None,
                    None if factor is None else self.laid_out(factor.value) if flat else np.asarray(factor.value),
                    self.laid_out(g),
                    self.laid_out(leaving),
                    self.span_of(node),
                    shared=differ and not self.only_way(node, parent),  # sums that cancel differ by rounding
                )
            )
        return made

    def laid_out(self, value: Any) -> Any:
        """A derivative as the layout has it: in numerator layout a vector is a row, a matrix transposed."""
        array = np.asarray(value)
        if self.layout == "denominator" or array.ndim == 0 or array.ndim > 2:
            return array
        return array[None, :] if array.ndim == 1 else array.T

    def turned(self, said: str) -> str:
        """What is written for a derivative by a matrix, entry by entry, as the layout has it."""
        return said if self.layout == "denominator" or len(self.variable.shape) != 2 else f"{bracketed(said)}ᵀ"

    def written(self, share: Term) -> str:
        """A share of an adjoint, with the adjoint in it, as the layout has it."""
        if self.layout == "denominator" or share.ndim > 2:
            return str(in_full(share))
        from ndgrad.lang.closed_form import turned

        return turned(share)

    def called(self, name: Name) -> str | None:
        """How the formulas call a value that the program gave a name; None where it gave it to none."""
        found = next((b.value for b in self.given if (b.name, b.number) == name and isinstance(b.value, NDArray)), None)
        if found is None:
            return None
        said = self.constants.get(id(plain(found))) if found.node is None else self.names.get(found.node.id)
        return None if said is None else written(said)

    # The chain rule in one line

    def chain(self, backward: Sequence[BackwardStep | Gap]) -> str:
        """d(of)/d(wrt): the local derivatives multiplied along the paths, substituted."""
        left = gradient_name(self.of, self.name(self.variable), headed=self.headed)
        if self.output is self.variable:
            return f"{left} = {'head' if self.headed else 1}"
        if not self.whole:
            return f"{left} = {self.long_product(backward) or in_words(backward)}"
        if self.layout == "numerator":
            product = self.product()
            return f"{left} = {self.turned(product) if product else in_words(backward)}"
        nested = self.nested()
        right = self.product() or (" " * (LONGEST_CHAIN + 1) if nested is None else str(in_full(nested)))
        from ndgrad.lang.closed_form import unreadable

        if len(right) <= LONGEST_CHAIN and not unreadable(right):
            return f"{left} = {right}"
        return f"{left} = {in_words(backward)}"

    def product(self) -> str:
        """The factors of each path joined by ' · ', paths by ' + '; "" where a step is no factor, or paths are many."""
        if not self.whole:
            return ""
        paths: dict[int, list[list[Term]]] = {self.output.id: [[]]}
        for node in reversed(self.steps):
            if node.id not in paths or node is self.variable or node.op is None:
                continue
            for parent, _, factor in self.shares(node, np.ones(node.shape)):
                if factor is None or parent.shape != node.shape:
                    return ""
                longer = [[*path, factor] for path in paths[node.id]]
                paths[parent.id] = [*paths.get(parent.id, []), *longer]
                if len(paths[parent.id]) > 4:
                    return ""
        said = " + ".join(map(written_product, paths.get(self.variable.id, []))).replace("+ -", "- ") or "0"
        return f"head · {said if len(paths.get(self.variable.id, [])) == 1 else f'({said})'}" if self.headed else said

    def long_product(self, backward: Sequence[BackwardStep | Gap]) -> str:
        """The product of a single path with loops on it, those as ∏; "" where it is none."""
        parts: list[tuple[str | Factors, BackwardStep | None]] = [("head", None)] if self.headed else []
        by = self.name(self.output)
        for i, step in enumerate(backward):
            if isinstance(step, Gap):
                hidden = multiplied(step.rules, by, step.rounds)
                if hidden is None:
                    return ""
                factors, by = hidden
                while parts and (later := parts[-1][1]) is not None and factors.takes_later(later.name, later.local):
                    parts.pop()
                if not (parts and isinstance(known := parts[-1][0], Factors) and known.goes_on_with(factors)):
                    parts.append((factors, None))
                continue
            if step.name != by:
                return ""
            if np.shape(step.arriving) != np.shape(step.leaving) if step.factor else i > 0 or self.headed:
                return ""
            by = step.by
            last = parts[-1][0] if parts else ""
            single = step.rounds == 1
            if single and isinstance(last, Factors) and last.takes_earlier(step.name, step.local, self.called):
                continue
            power = as_factor(step.local) if single else f"{bracketed(step.local)}{superscript(step.rounds)}"
            parts.append((power, step if single else None))
        if by != self.name(self.variable):
            return ""
        products = [part for part, _ in parts if isinstance(part, Factors)]
        notes = dict.fromkeys(note for part in products for note in (*part.notes(), *self.first_numbers(part)))
        said = " · ".join(text for part, _ in parts if (text := str(part)) != "1") or "1"
        return f"{said}   ({', '.join(notes)})" if notes else said

    def first_numbers(self, product: Factors) -> list[str]:
        """What the plain numbers in a product are in its first round: `i₁ is 2`."""
        slots = product.slots(product.first)
        found = {Name(b.name, b.number): b.value for b in self.given if b.value.__class__ in NUMBERS} if slots else {}
        return [f"{slot} is {term_of(found[slot])}" for slot in slots if slot in found]

    def nested(self) -> Term | None:
        """The reverse sweep as one expression, also for steps that are no plain factors (sums, products of matrices).

        None where it is too long to be read.
        """
        if not self.whole:
            return None
        bars: dict[int, Term] = {self.output.id: self.head}
        for node in reversed(self.steps):
            if node.id not in bars or node is self.variable or node.op is None:
                continue
            for parent, share in self.pulled(node, bars[node.id]):
                held = bars.get(parent.id)
                bars[parent.id] = share if held is None else held + share
                if len(str(bars[parent.id])) > 4 * LONGEST_CHAIN:
                    return None
        return bars.get(self.variable.id, Term(np.zeros(self.variable.shape), number=0))

    def closed_form(self) -> str | None:
        """The chain rule in the inputs alone, simplified; None where it is no elementwise expression of them."""
        from ndgrad.lang.closed_form import LARGEST, closed_form

        if len(self.useful) > LARGEST or self.output is self.variable:
            return None
        return closed_form(self)

    def matrix_forms(self) -> tuple[str, ...]:
        """The derivative simplified as an expression of matrices: in the program's names, then in its inputs alone."""
        from ndgrad.lang.closed_form import matrix_forms

        nested = self.nested()
        if nested is None or self.output is self.variable:
            return ()
        steps = [(self.name(n), self.term(n, n)) for n in self.steps if n.op is not None]
        moving = frozenset(self.name(n) for n in self.steps if n.id in self.useful)
        return matrix_forms(nested, steps, moving, transposing=self.layout == "numerator")


def _shares(steps: list[BackwardStep | Gap]) -> list[BackwardStep | Gap]:
    """The steps with those marked that lead to the same adjoint."""
    several = Counter(step.by for step in steps if isinstance(step, BackwardStep))
    return [step if isinstance(step, Gap) or several[step.by] == 1 else step.as_share() for step in steps]


def _folded(steps: Sequence[BackwardStep | Gap]) -> list[BackwardStep | Gap]:
    """Equal steps in a row, each the only one back from its value, as one with their number."""
    shares = Counter(step.name for step in steps if isinstance(step, BackwardStep))
    made: list[BackwardStep | Gap] = []
    for step in steps:
        gap = made[-1] if made and isinstance(made[-1], Gap) else None
        last = made[-1 if gap is None else -2] if len(made) > (gap is not None) else None
        if (
            isinstance(step, BackwardStep)
            and isinstance(last, BackwardStep)
            and shares[step.name] == shares[last.name] == 1
            and _alike(last, step, gap)
        ):
            del made[len(made) - (1 if gap is None else 2) :]
            made.append(last.followed(step, 1 if gap is None else gap.rounds + 1))
        else:
            made.append(step)
    return made


def _alike(later: BackwardStep, step: BackwardStep, gap: Gap | None) -> bool:
    """Whether two steps, and the rounds between them, have the same factor, and nothing else leads to the values
    between."""
    if not (later.factor and step.factor and later.local == step.local and step.span == later.span is not None):
        return False
    if gap is None:
        rounds, follows = 1, step.name == later.by
    else:
        rounds, follows = gap.rounds + 1, [rule.partition(" = ")[2] for rule in gap.rules] == [step.local]
    value = np.asarray(step.local_value)
    if not (follows and np.array_equal(value, later.local_value) and np.shape(step.leaving) == np.shape(later.leaving)):
        return False
    with np.errstate(all="ignore"):
        left = np.asarray(later.leaving * value.astype(np.float64) ** rounds)
    return np.allclose(left, step.leaving, rtol=1e-12 + rounds * np.finfo(left.dtype).eps, equal_nan=True)
