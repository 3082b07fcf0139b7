"""A function of a program, as a plain callable for Python."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from ndgrad.errors import Error
from ndgrad.lang import compile

RIDGE = """
input X: [n, d]
input y: [n]
rate = 0.5
def loss(w, ridge=0):
    r = X @ w - y
    return mean(r ** 2) + ridge * rate * sum(w ** 2)
output loss(zeros(d))
"""
X = np.array([[1.0, 2], [3, 4], [5, 7]])
Y = np.array([1.0, 2, 4])


def test_an_optimiser_takes_value_and_gradient() -> None:
    f = compile(RIDGE).function("loss", wrt="w", inputs={"X": X, "y": Y})
    made = minimize(f, np.zeros(2), jac=True, tol=1e-12)
    np.testing.assert_allclose(made.x, np.linalg.lstsq(X, Y)[0], rtol=1e-6)


def test_value_and_gradient_are_numpy_s() -> None:
    f = compile(RIDGE).function("loss", wrt="w", inputs={"X": X, "y": Y})
    w = np.array([0.5, -1.0])
    value, g = f(w)
    r = X @ w - Y
    assert isinstance(value, np.float64)
    assert value == pytest.approx(np.mean(r**2), rel=1e-15)
    np.testing.assert_allclose(g, 2 * X.T @ r / 3, rtol=1e-14)
    assert w.tolist() == [0.5, -1.0]


def test_without_wrt_the_value_alone() -> None:
    assert compile("def f(a, b=2): return a * b").function("f")(3) == 6
    assert compile("def f(a, b=2): return a * b").function("f")(3, b=[1, 2]).tolist() == [3, 6]


def test_several_names_give_several_gradients() -> None:
    f = compile("f = lambda a, b: a ** 2 * b").function("f", wrt=("b", "a"))
    value, (by_b, by_a) = f(3.0, 2.0)
    assert (value, by_b, by_a) == (18, 9, 12)


def test_defaults_can_be_differentiated_by() -> None:
    f = compile(RIDGE).function("loss", wrt="ridge", inputs={"X": X, "y": Y})
    assert f(np.array([1.0, 2.0]))[1] == 2.5


def test_a_function_with_its_own_loop_and_derivatives() -> None:
    text = "def f(x):\n    y = x\n    while y < 100: y = y ** 2\n    return grad(lambda t: t ** 2)(y)"
    assert compile(text).function("f", wrt="x")(3.0) == (2 * 6561, 2 * 8 * 3.0**7)


def test_an_output_is_a_function_of_the_inputs() -> None:
    f = compile("input x\ninput k = 2\nz = x ** k\noutput z * 10").function("z", wrt="x")
    assert f(3.0) == (9, 6)
    assert f(3.0, k=3.0) == (27, 27)
    assert compile("input x\ny = x + 1").function("y")(2) == 3


def test_a_function_that_does_not_depend_on_the_argument_has_gradient_zero() -> None:
    assert compile("def f(x): return 3").function("f", wrt="x")(1.0) == (3, 0)


def test_each_call_has_the_whole_number_of_steps() -> None:
    f = compile("def f(n):\n    k = 0\n    while k < n: k = k + 1\n    return k").function("f", max_steps=50)
    assert [f(40) for _ in range(3)] == [40, 40, 40]
    with pytest.raises(Error, match="E504"):
        f(60)
    assert f(40) == 40


@pytest.mark.parametrize(
    ("name", "wrt", "code"), [("g", None, "E205"), ("f", "z", "E205"), ("sin", None, "E205"), ("f", "n", "E401")]
)
def test_what_the_program_does_not_have(name: str, wrt: str | None, code: str) -> None:
    with pytest.raises(Error) as caught:
        compile("def f(x, n): return x * n").function(name, wrt)(1.0, np.array(2))
    assert caught.value.code == code


def test_errors_in_the_function_are_placed() -> None:
    f = compile("def f(x): return x @ ones(3)").function("f", wrt="x")
    with pytest.raises(Error) as caught:
        f(np.ones(2))
    assert caught.value.diagnostics[0].labels[0].span.text in ("x @ ones(3)", "x")


def test_missing_inputs_are_named() -> None:
    with pytest.raises(Error, match="E203"):
        compile(RIDGE).function("loss")(np.ones(2))


def test_used_functions_count(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "lib.nd").write_text("def cube(x): return x ** 3")
    assert compile('use "lib.nd"', folder=folder).function("cube", wrt="x")(2.0) == (8, 12)
