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


X2 = {"x": 2.0}
F = "f = lambda s: fixed_point(lambda t: 0.5 * t + s ** 2, 0)\noutput "
# What a function reads is what it was when it was called, also where the derivative runs it again; what it reads
# may depend on something else that it reads. f(s) = 2s² has the second derivative 4.
KEPT: dict[str, Any] = {
    "z = 0\nfor i in range(3):\n  z = z + checkpoint(lambda t: t * i)(x)\noutput z": 3,
    "p = x * 1\nz = checkpoint(lambda t: t * p)(x)\np = 0\noutput z": 4,
    "p = x * [1, 1]\nz = sum(checkpoint(lambda t: t * p)(x))\np[0] = 50\noutput z": 8,
    "p = x * 1\nz = fixed_point(lambda t: 0.5 * t + p, 0 * x)\np = 7\noutput z": 2,
    "z = 0\nfor i in range(3):\n  w = x * i\n  z = z + fixed_point(lambda t: 0.5 * t + w, 0)\noutput z": 6,
    "p = x * 1\nz = custom_gradient(lambda t: t * p, lambda h, t: h * p)(x)\np = 100\noutput z": 2,
    "p = x\nfor i in range(1):\n  p = checkpoint(lambda t: t * p)(x)\noutput p": 4,
    "def g(t):\n  return p * t\ndef h(t):\n  return g(t) * p\np = x\nz = checkpoint(h)(x)\np = 0\noutput z": 12,
    "p = x\nk = grad(lambda t: p * t ** 2)\nz = checkpoint(lambda t: k(t))(x)\np = 0\noutput z": 8,
    "fs = (lambda t: t * p, sin)\np = x\nz = checkpoint(lambda t: fs[0](t))(x)\np = fs = 0\noutput z": 4,
    "def f(a):\n  q = a * 2\n  z = checkpoint(lambda t: t * q * a)(a)\n  q = 0\n  return z\noutput f(x)": 24,
    "s = 2 * x\noutput fixed_point(lambda t: 0.5 * t + s * x, 0)": 16,
    "s = 2 * x\noutput checkpoint(lambda t: t * s * x)(x)": 24,
    F + "grad(f)(x)": 4,
    F + "jvp(f, x, 1)": 4,
    F + "x * hessian(f)(x)": 4,
    F + "x * hvp(f, x, 1)": 4,
    F + "x * jvp(grad(f), x, 1)": 4,
    F + "x * grad(lambda z: jvp(f, z, 1))(x)": 4,
    F + "x * sum(vmap(hessian(f))([1.0, 2.0]))": 8,
}


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize(("text", "slope"), KEPT.items(), ids=[text.splitlines()[-2] for text in KEPT])
def test_a_function_is_run_again_with_the_variables_that_it_had(text: str, slope: float, mode: str) -> None:
    result = ndgrad.compile(text).run(X2, grad=["x"], mode=mode)
    np.testing.assert_allclose(result.grads["x"], slope, rtol=1e-9)


def test_second_derivatives_of_what_is_run_again_agree_with_differences() -> None:
    program = ndgrad.compile(
        "p = x ** 2\nz = checkpoint(lambda t: sin(t) * p)(x) + fixed_point(lambda t: 0.3 * cos(t * p), x) "
        "+ custom_gradient(lambda t: t ** 3 * p, lambda g, t: 3 * t ** 2 * p * g)(x)\np = 0\noutput z"
    )
    made = program.run({"x": 0.7}, grad=["x"], hess=["x"], hvp={"x": 1})
    up, down = (program.run({"x": 0.7 + h}, grad=["x"]).grads["x"] for h in (1e-5, -1e-5))
    np.testing.assert_allclose(made.hessians["x"], (up - down) / 2e-5, rtol=1e-8)
    np.testing.assert_allclose(made.hvp["x"], made.hessians["x"])


def test_what_is_run_again_neither_prints_nor_counts_again() -> None:
    shown: list[str] = []
    text = "def f(t):\n  print('once')\n  return t * t\noutput checkpoint(f)(x)"
    assert ndgrad.compile(text).run(X2, grad=["x"], max_steps=2, show=shown.append).grads["x"] == 4
    assert len(shown) == 1


def test_random_numbers_are_those_of_the_first_run_and_go_on_from_there() -> None:
    text = (
        "z = sum(checkpoint(lambda t: checkpoint(lambda u: dropout(u * ones(8), 0.5))(t) + random_normal(0, t, 8))(x))"
        "\noutput z + random_normal(0, 1, 1)[0] * x"
    )
    made = ndgrad.compile(text).run({"x": 1.0}, grad=["x"], train=True, seed=3)
    np.testing.assert_allclose(made.grads["x"], made.value)  # it is linear in x


def test_a_budget_of_memory_changes_no_gradient_of_what_is_run_again() -> None:
    text = (
        "b = x\nfor i in range(200):\n  w = b * 1\n  b = checkpoint(lambda t: t + 0.01 * sin(t) * i + 0.1 * w)(b)\n"
        "  w = 0\noutput sum(b)"
    )
    inputs = {"x": np.linspace(0, 1, 300)}
    made = [ndgrad.compile(text).run(inputs, grad=["x"], memory=limit).grads["x"] for limit in (None, 1)]
    np.testing.assert_array_equal(*made)


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
        (
            "y = custom_gradient(lambda t: t * x, lambda g, t: g * x)(2)",
            "`y` depends on `x` only through custom_gradient: its gradient is zero",
        ),
        ("y = x ** 2", None),
    ],
)
def test_a_gradient_that_is_zero_by_its_form_says_why(text: str, warning: str | None) -> None:
    result = ndgrad.compile(text).run({"x": 0.0, **({"w": 1.0} if "w" in text else {})}, grad=["x"])
    assert result.grads["x"] == 0
    assert [w.message for w in result.warnings] == ([warning] if warning else [])
