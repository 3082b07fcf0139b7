"""Rounds that are called alike are: their expressions, written out one by one, differ in numbers of names alone."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from ndgrad import autograd, nd
from ndgrad.lang import compile
from ndgrad.lang.alike import AT_ONCE
from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep
from ndgrad.lang.folding import Gap
from ndgrad.lang.notation import Name, name_of
from ndgrad.sweep import nodes_below

ALIKE = {
    "one value": "for i in range(9): b = b * sin(b)",
    "two values": "v = 0\nfor i in range(9):\n    v = 0.9 * v - 0.1 * b\n    b = b + v",
    "a value from two rounds ago": "a = b\nfor i in range(9):\n    c = sin(a) * b\n    a = b\n    b = c",
    "a value that all rounds use": "w = exp(b)\nfor i in range(9): b = b * w + w",
    "a value without a name that all rounds use": "t = (exp(b), 2)\nfor i in range(9): b = b * t[0] + t[1]",
    "an operation of several outputs": "for i in range(9): b = sum(slogdet([[b, 1], [0.5, 2]])[1]) + b",
    "values from an array": "for c in [1, 2, 3, 4, 5, 6, 7, 8, 9]: b = b * c + b",
    "options": "for i in range(9): b = sum([[b, b], [1, 2]], axis=1)[0]",
}
COUNTED = {  # whose shown rounds have the numbers, and the others their names
    "a counter": "k = 0\nwhile k < 9:\n    k = k + 1\n    b = b + 0.1 / k * cos(b)",
    "a number that the loop gives": "for i in range(9): b = b * i + b",
    "numbers that are made": "for i in range(9): b = b * (1 / (i + 2))",
    "a function of a counter": "for i in range(1, 9): b -= 0.1 / sqrt(i) * sin(b)",
    "two counters": "k = 3\nfor i in range(9):\n    k += 2\n    b = b * (i - k) / 10",
    "numbers from a list": "for c in (1, 2, 3, 1, 2, 4, 3, 1): b = b * (c * 2)",
    "a power": "for i in range(1, 9): b = b * (1 - 0.9 ** i)",
    "a sign": "for i in range(1, 9): b = b + -i * sin(b)",
}
UNLIKE = {
    "a counter that does not go evenly": "k = 0\nfor i in range(9):\n    if i % 3: k = k + 1\n    b = b * (k + 1)",
    "numbers from functions": "def f(i): return i * i + 1\nfor i in range(9): b = b * f(i)",
    "entries": "w = [1, 2, 3, 4, 5, 6, 7, 8, 9] * b\nfor i in range(9): b = b * w[i]",
    "one operation or the other": "for i in range(9): b = where(i % 2 == 0, b * 2, b)[()] if i % 3 == 0 else b * 2",
}


def tokens(step: ForwardStep) -> list[str | Name]:
    """A step taken apart: names with their numbers, and what is between."""
    text = f"{step.name} = {step.expression}"
    return [name_of(part) if part[:1].isalpha() else part for part in re.split(r"(\b[^\W\d]\w*)", text)]


def changes(earlier: ForwardStep, later: ForwardStep) -> tuple[int, ...] | None:
    """By how much the numbers of the names go up from one round to the next; None where something else changes."""
    found = []
    a, b = tokens(earlier), tokens(later)
    if len(a) != len(b):
        return None
    for before, now in zip(a, b, strict=True):
        if isinstance(before, Name) and isinstance(now, Name) and before.name == now.name:
            found.append(now.number - before.number)
        elif before != now:
            return None
    return tuple(found)


def derived(text: str, unroll: bool = False) -> Derivation:
    return compile(f"input b = 1.5\n{text}\ny = b * 3").run({}, ["b"], trace=True).derivation("b", unroll=unroll)


@pytest.mark.parametrize("text", [*ALIKE.values(), *UNLIKE.values()], ids=[*ALIKE, *UNLIKE])
def test_rounds_called_alike_differ_in_numbers_of_names_alone(text: str) -> None:
    whole = [step for step in derived(text, unroll=True).forward if isinstance(step, ForwardStep)]
    at = 0
    for part in derived(text).forward:
        if not isinstance(part, Gap):
            at += 1
            continue
        period = part.steps // part.rounds
        hidden = whole[at : at + part.steps]
        for place in range(period):
            found = {changes(a, b) for a, b in pairwise(hidden[place::period])}
            assert not part.alike or (len(found) <= 1 and None not in found)
        at += part.steps
    assert at == len(whole)


@pytest.mark.parametrize("text", [ALIKE["one value"], *COUNTED.values()], ids=["one value", *COUNTED])
def test_the_rule_of_rounds_is_the_derivative_of_each(text: str) -> None:
    """The formula with k, with the numbers of each hidden round in it, is the factor of that round."""
    run = compile(f"input b = 1.5\n{text}\ny = b * 3").run({}, ["b"], trace=True)
    folded, whole = run.derivation("b"), run.derivation("b", unroll=True)
    values = {f"{b.name}{b.number}": float(b.value) for b in run.trace or () if np.ndim(b.value) == 0}
    factors = {step.name: step for step in whole.backward if isinstance(step, BackwardStep)}
    gap = next(part for part in folded.backward if isinstance(part, Gap))
    (rule,) = gap.rules
    found = re.fullmatch(r"∂bₖ₊₁/∂bₖ = (.*)", rule)
    assert found is not None
    for k in range(1, gap.rounds + 1):
        said = re.sub(r"(\w+?)ₖ(₊₁)?(?!\w)", lambda m, k=k: f"{m[1]}{k + bool(m[2])}", found[1])
        powers = re.sub(r"\^\{?(\w+)\}?", r"**\1", said.replace("·", "*"))
        value = eval(powers, {}, {**values, "cos": np.cos, "sin": np.sin, "sqrt": np.sqrt})
        assert factors[str(Name("b", k + 1))].local_value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", [*ALIKE.values(), *COUNTED.values()], ids=[*ALIKE, *COUNTED])
def test_rounds_that_are_alike_are_found(text: str) -> None:
    gaps = [part for part in derived(text).forward if isinstance(part, Gap)]
    assert gaps
    assert all(gap.alike and gap.rounds >= 5 for gap in gaps)


@pytest.mark.parametrize("text", UNLIKE.values(), ids=UNLIKE)
def test_rounds_that_are_not_alike_are_told(text: str) -> None:
    assert not any(part.alike for part in derived(text).forward if isinstance(part, Gap))


@pytest.mark.parametrize("odd", [5, AT_ONCE, AT_ONCE + 1, AT_ONCE + 2, AT_ONCE + 3, 2 * AT_ONCE + 1, 995])
def test_every_round_is_looked_at(odd: int) -> None:
    """One number among a thousand that is another, and no rule is given for the rounds."""
    text = f"for i in range(1000): b = b * (0.5 + 0.5 * (i != {odd}))"
    assert [part.alike for part in derived(text).forward if isinstance(part, Gap)] == [False]
    text = f"c = 1\nd = [1, 2]\nfor i in range(1000):\n    e = d[0]\n    if i == {odd}: c = 2\n    b = b * cos(e) + c"
    assert [part.alike for part in derived(text).forward if isinstance(part, Gap)] == [False]


def test_a_number_that_changes_late_is_written_by_its_name() -> None:
    numbers = ", ".join(["1"] * 500 + ["2"] * 500)
    d = derived(f"for c in ({numbers}): b = sin(b) * c")
    assert Gap(998, 998, ("∂bₖ₊₁/∂bₖ = cₖ·cos(bₖ)",)) in d.backward


def test_a_number_that_does_not_change_is_written_out() -> None:
    assert Gap(7, 7, ("∂bₖ₊₁/∂bₖ = 0.5·cos(bₖ)",)) in derived("h = 0.5\nfor i in range(9): b = h * sin(b)").backward


def test_a_thousand_rounds_are_alike_across_the_stretches_that_are_looked_at() -> None:
    text = "for i in range(1000): b = 1 + 0.5 * sin(b)"
    assert [part.alike for part in derived(text).forward if isinstance(part, Gap)] == [True]


def test_nodes_below_are_found_across_gaps_in_the_record() -> None:
    """Thousands of operations that the value does not depend on lie between those that it does."""
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        kept = [x]
        for i in range(3000):
            y = kept[-1] * 2
            if i in (0, 500, 2999):
                kept.append(y + kept[0])
    found = [node.id for node in nodes_below([kept[-1].node])]
    assert found == sorted(found, reverse=True)
    assert len(found) == 7
    assert np.array_equal(kept[-1].asnumpy(), [15, 30])
