"""Loops in a derivation: rounds that are alike are shown once, counted, and multiplied."""

from __future__ import annotations

import numpy as np
import pytest

from ndgrad.lang import compile, derivation, running
from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep
from ndgrad.lang.folding import Gap, Rounds, ends, repeats, shown

DOUBLING = "input b = 1\nwhile b < 200: b = 2 * b\nc = 3 * b"
GROWTH = "input b = [0.1, 0.2]\nfor i in range({n}): b = b + 0.01 * sin(b) * b\nL = sum(b)"
MOMENTUM = """
input w = [0.1, -0.3]
A = [[2, 1], [1, 3]]
v = zeros(2)
for i in range({n}):
    g = A @ w - 1
    v = 0.9 * v - 0.1 * g
    w = w + v
L = sum(w ** 2)
"""


def derived(text: str, by: str, **options: object) -> Derivation:
    return compile(text).run({}, [by], trace=True).derivation(by, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("abcd", []),
        ("aaa", []),
        ("aaaa", [Rounds(0, 1, 4)]),
        ("xabababab", [Rounds(1, 2, 4)]),
        ("aaaabcbcbcbcd", [Rounds(0, 1, 4), Rounds(4, 2, 4)]),
    ],
)
def test_repetitions_are_found(keys: str, found: list[Rounds]) -> None:
    assert repeats(keys) == found


def test_the_first_and_the_last_round_are_shown_and_the_one_asked_for() -> None:
    loop = [Rounds(1, 2, 5)]
    assert shown(12, loop, None, unroll=False) == [0, 1, 2, Gap(6, 3), 9, 10, 11]
    assert shown(12, loop, 3, unroll=False) == [0, 1, 2, Gap(2, 1), 5, 6, Gap(2, 1), 9, 10, 11]
    assert shown(12, loop, 99, unroll=False) == [0, 1, 2, Gap(6, 3), 9, 10, 11]
    assert shown(12, [Rounds(1, 2, 5, before=1)], 4, unroll=False) == [0, 1, 2, Gap(2, 1), 5, 6, Gap(2, 1), 9, 10, 11]
    assert shown(12, loop, None, unroll=True) == list(range(12))


def test_what_does_not_repeat_is_cut_in_the_middle() -> None:
    made = shown(1000, [], None, unroll=False)
    assert len(made) == 61
    assert made[30] == Gap(940, 0)


def test_rounds_with_the_same_derivative_are_one_step_with_a_power() -> None:
    d = derived(DOUBLING, "b")
    assert [s.rounds for s in d.backward if isinstance(s, BackwardStep)] == [1, 8]
    assert d.chain == "dc/db = 3 · 2⁸"
    assert d.forms == ("c/b   (c = 768·b along this path)",)


def test_rounds_with_a_rule_are_a_product() -> None:
    d = derived(GROWTH.format(n=30), "b")
    rule = "0.01·sin(bₖ) + 1 + 0.01·bₖ·cos(bₖ)"
    assert Gap(28, 28, (f"∂bₖ₊₁/∂bₖ = {rule}",)) in d.backward
    assert d.chain == f"dL/db = ∏ₖ₌₀…29 ({rule})   (b₀ is b)"


@pytest.mark.parametrize(("text", "by"), [(GROWTH, "b"), (MOMENTUM, "w")])
def test_what_is_folded_has_the_values_of_what_is_not(text: str, by: str) -> None:
    folded, unrolled = derived(text.format(n=12), by), derived(text.format(n=12), by, unroll=True)
    whole = {(s.name, s.by): s for s in unrolled.backward if isinstance(s, BackwardStep)}
    steps = [s for s in folded.backward if isinstance(s, BackwardStep)]
    assert 0 < len(steps) < len(whole)
    for step in steps:
        other = whole[step.name, step.by]
        assert step.local == other.local
        np.testing.assert_allclose(step.arriving, other.arriving, rtol=1e-13)
        np.testing.assert_allclose(step.leaving, other.leaving, rtol=1e-13)
    np.testing.assert_array_equal(folded.result, unrolled.result)


def test_the_product_of_the_unrolled_rounds_is_the_gradient() -> None:
    d = derived(GROWTH.format(n=12), "b", unroll=True)
    factors = [s.local_value for s in d.backward if isinstance(s, BackwardStep) and s.factor]
    np.testing.assert_allclose(np.prod(factors, axis=0), d.result, rtol=1e-13)


@pytest.mark.parametrize("text", [GROWTH, MOMENTUM])
def test_the_size_of_a_derivation_does_not_depend_on_the_rounds(text: str) -> None:
    by = "b" if text is GROWTH else "w"
    short, long = (derived(text.format(n=n), by) for n in (20, 2000))
    assert (len(short.forward), len(short.backward)) == (len(long.forward), len(long.backward))


@pytest.mark.parametrize(("text", "by"), [(GROWTH, "b"), (MOMENTUM, "w")])
def test_adjoints_that_a_long_run_kept_are_not_swept_for_again(
    text: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = derived(text.format(n=30), by)
    monkeypatch.setattr(running, "LONG", 10)
    monkeypatch.setattr(derivation, "sweep", None)
    kept = derived(text.format(n=30), by)
    assert len(kept.backward) == len(swept.backward)
    for a, b in zip(kept.backward, swept.backward, strict=True):
        if isinstance(a, BackwardStep) and isinstance(b, BackwardStep):
            assert (a.local, a.shared) == (b.local, b.shared)
            np.testing.assert_array_equal(a.arriving, b.arriving)
            np.testing.assert_array_equal(a.leaving, b.leaving)


def test_the_ends_of_a_loop_are_its_first_and_last_rounds() -> None:
    assert ends("xabababababab") == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert ends("x" + "ab" * 10) == [0, *range(1, 7), *range(15, 21)]


def test_a_round_can_be_opened() -> None:
    d = derived(GROWTH.format(n=30), "b", round=7)
    assert [s.name for s in d.forward if isinstance(s, ForwardStep)] == ["b", "b₁", "b₇", "b₃₀", "L"]


def test_the_numerator_layout_is_the_transpose() -> None:
    text = "input w = [1, 2]\nX = [[1, 2], [3, 4], [5, 6]]\nr = X @ w - 1\nloss = r @ r"
    d, t = derived(text, "w"), derived(text, "w", layout="numerator")
    assert d.forms == ("2·Xᵀ @ r", "2·Xᵀ @ (X @ w - 1)")
    assert t.forms == ("2·rᵀ @ X", "2·(X @ w - 1)ᵀ @ X")
    assert np.shape(t.result) == (1, 2)
    np.testing.assert_array_equal(t.result[0], d.result)
    steps = [s.local for s in t.backward if isinstance(s, BackwardStep)]
    assert steps == ["2·rᵀ", "∂loss/∂r @ X"]


def test_with_a_head_the_derivative_is_that_of_the_weighed_output() -> None:
    program = compile("y = A @ x")
    given = {"A": np.array([[1.0, 2], [3, 4]]), "x": np.ones(2)}
    d = program.run(given, ["x"], head=[1.0, -1.0], trace=True).derivation("x")
    assert d.chain == "d⟨head, y⟩/dx = Aᵀ @ head"
    assert compile("y = x ** 2").run({"x": [1.0, 2]}, ["x"], head=[1.0, 5], trace=True).derivation("x").chain == (
        "d⟨head, y⟩/dx = head · 2·x"
    )


def test_inputs_that_an_operation_takes_as_plain_numbers_are_not_followed() -> None:
    d = compile("input n = 3.0\ninput x = 2\ny = x * sum(full(2, n))").run({}, ["x"], trace=True).derivation("x")
    assert d.result == 6


def test_every_step_of_a_round_has_its_rule() -> None:
    d = derived("input r = 0.3\nx = 1\nfor i in range(20):\n    r = r * 0.9\n    x = x - r * cos(x)", "r")
    gap = next(part for part in d.backward if isinstance(part, Gap))
    assert gap.rules == (
        "∂xₖ₊₁/∂rₖ₊₁ = -cos(xₖ)",
        "∂xₖ₊₁/∂xₖ = rₖ₊₁·sin(xₖ) + 1",
        "∂rₖ₊₁/∂rₖ = 0.9",
    )


def test_rounds_are_those_of_the_loop_where_it_takes_its_branches_in_turn() -> None:
    branches = "    if i % 2 == 0: x = x ** 2\n    else:\n        x = sqrt(x)\n        x = x + 0.1"
    text = f"input x = 1.1\nfor i in range(10):\n{branches}"
    d = derived(text, "x")
    assert [(part.steps, part.rounds) for part in d.forward if isinstance(part, Gap)] == [(9, 6)]
    assert d.longest == 10
    opened = derived(text, "x", round=6)
    assert [(part.steps, part.rounds) for part in opened.forward if isinstance(part, Gap)] == [(3, 2), (3, 2)]


def test_the_output_has_the_number_that_tells_it_from_the_value_before_the_loop() -> None:
    text = "input p = 1\ninput k = 2\nfor i in range(9): p = p - 0.1 * k * p"
    assert derived(text, "k").of == "p₉"
    assert derived("input k = 2\np = 0\nfor i in range(9): p = p + k * i", "k").of == "p"


def test_an_output_that_is_the_input_has_the_head_for_its_gradient() -> None:
    d = compile("input x = [1.0, 2]\nz = x").run({}, ["x"], head=[3.0, 4], trace=True).derivation("x")
    assert (d.chain, d.closed_form) == ("d⟨head, z⟩/dx = head", None)


def test_the_decisions_of_a_run_are_in_the_order_of_time() -> None:
    text = "input x = 1\ni = 0\nwhile i < 12:\n    i = i + 1\n    if sin(i) > 0: x = x * 0.9\n    else: x = x + 0.1"
    last = [step for step in compile(text).run({}).path if step.kind == "if"][-2:]
    assert [step.compared.partition(" ")[0] for step in last] == ["0.412118", "-0.536573"]


def test_a_loop_that_amplifies_is_checked_by_finer_differences() -> None:
    d = derived("input x = 1.0001\ny = x\nfor i in range(10000): y = y * x", "x")
    assert d.numeric == pytest.approx(d.along, rel=1e-6)
