"""Derivatives inside programs: functions of functions, nested in any order, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ndgrad

CUBE = "def f(x):\n    return sum(x ** 3)\n"
V: Any = [1.0, 2.0]

# program, inputs, value of the output, gradients
PROGRAMS: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
    (CUBE + "output grad(f)(x)", {"x": V}, [3, 12], {"x": [6, 12]}),
    (CUBE + "output grad(f, mode='forward')(x)", {"x": V}, [3, 12], {"x": [6, 12]}),
    (CUBE + "output hessian(f)(x)", {"x": V}, [[6, 0], [0, 12]], {"x": [6, 6]}),
    (CUBE + "output hvp(f, x, [1, 0])", {"x": V}, [6, 0], {"x": [6, 0]}),
    (CUBE + "output jvp(f, x, [1, 1])", {"x": V}, 15, {"x": [6, 12]}),
    (CUBE + "output vjp(f, x, 2)", {"x": V}, [6, 24], {"x": [12, 24]}),
    ("jacobian(lambda x: x ** 2)(x)", {"x": V}, [[2, 0], [0, 4]], {"x": [2, 2]}),
    ("jacobian(lambda x: x ** 2, mode='forward')(x)", {"x": V}, [[2, 0], [0, 4]], {"x": [2, 2]}),
    ("grad(sin)(x)", {"x": 0.5}, np.cos(0.5), {"x": -np.sin(0.5)}),
    ("grad(grad(grad(lambda x: x ** 4)))(x)", {"x": 2.0}, 48, {"x": 24}),
    (
        "y, (gw, gb) = value_and_grad(lambda w, b: w * b ** 2, wrt=('w', 1))(2, x)\noutput y, gb",
        {"x": 3.0},
        18,
        {"x": 12},
    ),
    ("def f(w, b=2.0):\n    return sum((w * b) ** 2)\noutput grad(f)(x)", {"x": V}, [8, 16], {"x": [8, 8]}),
    # a loop whose length depends on the values, inside a derivative inside a derivative
    (
        "def f(x):\n  b = x\n  while sum(b) < 100:\n    b = 2 * b\n  return sum(b ** 2)\noutput jacobian(grad(f))(x)",
        {"x": V},
        [[8192, 0], [0, 8192]],
        {"x": [0, 0]},
    ),
    # no confusion between an inner and an outer differentiation, in any pair of modes
    ("grad(lambda x: x * grad(lambda y: x * y)(1.0))(x)", {"x": 3.0}, 6, {"x": 2}),
    ("grad(lambda x: x * jvp(lambda y: x * y, 1.0, 1.0))(x)", {"x": 3.0}, 6, {"x": 2}),
    ("jvp(lambda x: x * grad(lambda y: x * y)(1.0), x, 1.0)", {"x": 3.0}, 6, {"x": 2}),
    ("jvp(lambda x: x * jvp(lambda y: x + y, 1.0, 1.0), x, 1.0)", {"x": 3.0}, 1, {"x": 0}),
    # batches, rows, scans
    ("vmap(lambda t: sum(t ** 2))(x)", {"x": [[1.0, 2], [3, 4]]}, [5, 25], {"x": [[2, 4], [6, 8]]}),
    ("vmap(grad(lambda t: sum(t ** 3)))(x)", {"x": [[1.0, 2]]}, [[3, 12]], {"x": [[6, 12]]}),
    ("map(lambda t: 2 * t, x)", {"x": V}, [2, 4], {"x": [2, 2]}),
    ("last, all = scan(lambda c, t: (c + t, c * t), 0.0, x)\nsum(all)", {"x": [1.0, 2, 3]}, 11, {"x": [5, 4, 3]}),
    # stated and implicit derivatives
    ("stop_gradient(x) * x", {"x": 3.0}, 9, {"x": 3}),
    ("checkpoint(lambda t: sin(t) * a)(x)", {"a": 2.0, "x": 1.0}, 2 * np.sin(1), {"a": np.sin(1), "x": 2 * np.cos(1)}),
    ("custom_gradient(lambda t: t ** 2, lambda g, t: 7 * g)(x)", {"x": 3.0}, 9, {"x": 7}),
    ("fixed_point(lambda x: 0.5 * (x + a / x), 1.0)", {"a": 2.0}, 2**0.5, {"a": 0.5 / 2**0.5}),
    (
        "grad(lambda a: fixed_point(lambda x: 0.5 * (x + a / x), 1.0))(a)",
        {"a": 2.0},
        0.5 / 2**0.5,
        {"a": -0.25 / 2**1.5},
    ),
]


@pytest.mark.parametrize(("text", "inputs", "value", "grads"), PROGRAMS, ids=[p[0].splitlines()[-1] for p in PROGRAMS])
def test_a_derivative_inside_a_program(text: str, inputs: dict[str, Any], value: Any, grads: dict[str, Any]) -> None:
    program = ndgrad.compile(text)
    result = program.run(inputs, grad=list(grads))
    np.testing.assert_allclose(result.value, value, rtol=1e-9, atol=1e-12)
    for name, wanted in grads.items():
        np.testing.assert_allclose(result.grads[name], wanted, rtol=1e-9, atol=1e-12)


def test_the_learning_rate_can_be_differentiated_through_the_training() -> None:
    text = """
def loss(w):
    return sum((X @ w - y) ** 2)

w = zeros(2)
for step in range(5):
    w = w - rate * grad(loss)(w)
output loss(w)
"""
    inputs = {"X": [[1.0, 2], [3, 4], [5, 6]], "y": [1.0, 2, 3], "rate": 0.005}
    program = ndgrad.compile(text)
    exact = program.run(inputs, grad=["rate"]).grads["rate"]
    h = 1e-7
    up, down = (program.run({**inputs, "rate": 0.005 + s * h}).value for s in (1, -1))
    np.testing.assert_allclose(exact, (up - down) / (2 * h), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("grad(3)(1.0)", "E202", "cannot be called"),
        ("grad(lambda w: w, wrt='v')(1.0)", "E204", "names no parameter"),
        ("grad(lambda w: w, wtr=1)(1.0)", "E204", "has no parameter `wtr`"),
        ("grad(lambda w: w, mode='sideways')(1.0)", "E204", "'reverse' or 'forward'"),
        ("grad(lambda w: w)(2, 3)", "E204", "takes 1 argument, not 2"),
        ("grad(lambda w: w, wrt=1)(2.0)", "E204", "differentiates by argument 2"),
        ("grad(lambda w: w)(arange(3))", "E401", "int64"),
        ("fixed_point(lambda x: 2 * x, 1.0)", "E411", "does not settle"),
        ("scan(lambda c, t: c, 0.0, arange(3))", "E204", "(carry, output)"),
    ],
)
def test_what_cannot_be_differentiated_is_said(text: str, code: str, words: str) -> None:
    with pytest.raises(ndgrad.Error) as caught:
        ndgrad.compile(text).run({})
    assert caught.value.code == code
    assert words in str(caught.value)
    assert caught.value.span is not None


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("y = floor(x) * 2 + sign(x)", "`y` depends on `x` only through sign and floor: its gradient is zero"),
        ("y = w * 2\nz = x\noutput y", "`y` does not depend on `x`: its gradient is zero"),
        ("y = floor(x) * x", None),
        ("y = x ** 2", None),
    ],
)
def test_a_gradient_that_is_zero_by_its_form_says_why(text: str, warning: str | None) -> None:
    result = ndgrad.compile(text).run({"x": 0.0, **({"w": 1.0} if "w" in text else {})}, grad=["x"])
    assert result.grads["x"] == 0
    assert [w.message for w in result.warnings] == ([warning] if warning else [])
