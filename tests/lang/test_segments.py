"""`memory=…`: long loops are not kept but computed again in the sweep; the gradients are the same."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

from ndgrad.lang import compile

SMALL = 1  # every budget is at least a few hundred operations

PROGRAMS = {
    "while": """
        h, k = x, 0
        while k < 900:
            h = tanh(h * w + 0.1 * sin(h))
            k += 1
        sum(h ** 2)
        """,
    "for, with everything": """
        def cell(h, r):
            return tanh(h * w + r)
        h, best, pair, total = x, 0 * x, (x, 1.0), 0
        for i, r in enumerate(random_normal(shape=(900,)) + x[0]):
            if i % 7 == 3:
                continue
            if i == 20:
                best = h * w
            h = cell(h, r * 0.1) + 0.01 * random_normal(shape=(3,))
            pair = (pair[0] * 0.9 + h, pair[1] * 0.999)
            h[1] = h[0] * 0.5 + h[2] * w[0]
            total += sum(h)
            if i == 850: break
        w = w * 2
        total / 900 + sum(best) + sum(pair[0]) * pair[1] + sum(w)
        """,
    "loops in loops, and a gradient in them": """
        def inner(h, m):
            i = 0
            while i < m:
                h = sin(h * w) + x * 0.1
                i += 1
            return h
        h, s = x, 0
        for k in range(20):
            h = inner(h, 20 + k)
            s += grad(lambda t: sum(inner(t, 30) ** 2))(h) @ w
        s + sum(h)
        """,
    "return from a loop": """
        def f(h):
            for r in zip(range(10 ** 6), linspace(0, 1, 900) * x[1]):
                h = cos(h * w) + r[1]
                if r[0] == 700: return h
        sum(f(x))
        """,
    "a function whose names change later": """
        def through(step, h):
            for i in range(400):
                h = step(h)
            return h
        def own(h):
            scale = 0.9 * w
            made = through(lambda h: sin(scale * h), h)
            scale = 100 * scale
            return made + 0 * scale
        sum(own(x))
        """,
    "entries that no path reaches": """
        h, k = x * 0, 0
        while k < 400:
            h = where(h > 0, sqrt(h), h) + x / 100
            h = where(h > 2, log(0 * h), h)
            k += 1
        sum(h * w)
        """,
    "no gradient in the loop": """
        i, s = 0, 0
        while i < 20000:
            i += 1
        sum(x * w) * i
        """,
}  # fmt: skip


def given() -> dict[str, Any]:
    return {"x": np.array([0.3, 0.2, 0.5]), "w": np.array([0.9, 1.1, -0.7])}


def program(name: str) -> Any:
    lines = PROGRAMS[name].strip("\n").splitlines()
    return compile("input x\ninput w\n" + "\n".join(line[8:] for line in lines))


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_are_those_of_a_run_that_keeps_everything(name: str) -> None:
    made = program(name)
    whole = made.run(given(), grad=["x", "w"], seed=5)
    thin = made.run(given(), grad=["x", "w"], seed=5, memory=SMALL)
    assert thin.recomputed is not None
    assert (thin.recomputed.segments > 0) == (name != "no gradient in the loop")
    assert thin.value == whole.value
    assert thin.path == whole.path
    for wrt in "xw":
        np.testing.assert_allclose(thin.grads[wrt], whole.grads[wrt], rtol=1e-12, atol=1e-14)


def test_a_budget_that_holds_everything_changes_nothing() -> None:
    made = program("while")
    assert made.run(given(), grad=["x"]).recomputed is None
    thin = made.run(given(), grad=["x"], memory=1 << 30)
    assert (thin.recomputed.segments, thin.recomputed.rounds) == (0, 0)


def test_every_derivative_is_the_same() -> None:
    made = compile("h = x\nfor k in range(250):\n    h = tanh(h * w + 0.1 * sin(h))\nsum(h ** 2)")
    options = {"jac": ["x"], "hess": ["x"], "hvp": {"w": np.ones(3)}, "jvp": {"x": np.ones(3)}}
    whole, thin = (made.run(given(), **options, **more) for more in ({}, {"memory": SMALL}))
    np.testing.assert_allclose(thin.jacobians["x"], whole.jacobians["x"], rtol=1e-12)
    np.testing.assert_allclose(thin.hessians["x"], whole.hessians["x"], rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(thin.hvp["w"], whole.hvp["w"], rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(thin.jvp, whole.jvp, rtol=1e-12)


def test_prints_and_limits_count_once() -> None:
    made = compile("i = 0\nwhile i < 900:\n    x = sin(x)\n    i += 1\n    if i % 300 == 0: print(i)\nx")
    said: list[str] = []
    thin = made.run({"x": 1.0}, grad=["x"], memory=SMALL, show=said.append, max_steps=900)
    assert said == ["300", "600", "900"]
    assert thin.recomputed.segments > 1


@pytest.mark.parametrize(("size", "count"), [(20_000, 200), (263_000, 100)])  # operations on the larger wait
def test_memory_stays_within_the_budget(size: int, count: int) -> None:
    made = compile(f"for k in range({count}):\n    x = tanh(x) + 0.1 * x\nsum(x)")
    budget = count * size
    peaks = []
    for more in ({}, {"memory": budget}):
        gc.collect()
        tracemalloc.start()
        thin = made.run({"x": np.linspace(0, 1, size)}, grad=["x"], **more)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 2 * budget
    assert peaks[1] < 2.5 * budget
    rounds = thin.recomputed.rounds
    assert 0.75 * count < rounds < 4 * count  # each at most about as often as the loop's length has digits
