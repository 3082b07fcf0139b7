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


def test_a_name_that_is_not_there_is_refused_before_the_first_call() -> None:
    program = compile("input w\ndef f(x, n): return x * n\nloss = w ** e", "f.nd")
    for name in ("f", "loss"):
        with pytest.raises(Error, match="wrt names `q`"):
            program.function(name, wrt="q")
    assert program.function("loss", wrt=("w", "e"))(2.0, 3.0)[1] == (12.0, pytest.approx(8 * np.log(2)))


def test_what_is_shown_of_programs_and_their_parts_is_short() -> None:
    program = compile("input w\ndef f(x): return x * n\nloss = sum(w ** 2)\noutput loss, w", "f.nd")
    made = program.run({"w": [1.0, 2.0], "n": 1}, grad=["w"])
    assert repr(program) == "<Program f.nd, of w, n>"
    assert repr(made) == "<Result loss = 5, w = float64[2], dloss/dw = float64[2]>"
    assert repr(program.function("loss", wrt="w")) == "<function loss of f.nd, with its gradient by w>"
    assert repr(program.function("f")) == "<function f of f.nd>"


def test_messages_name_the_arguments_of_python() -> None:
    said = {}
    for text, inputs, more in (
        ("input w\ny = w", {}, {}),
        ("y = w", {"w": 1.0}, {"grad": ["q"]}),
        ("w = 1\nwhile w > 0: w += 1", {}, {"max_steps": 10}),
        ("y = w + [1, 2, 3]", {"w": [1.0, 2.0]}, {}),
        ("y = a + b", {}, {}),
    ):
        with pytest.raises(Error) as caught:
            compile(text, "f.nd").run(inputs, **more)
        said[text] = str(caught.value)
    assert list(said.values()) == [
        "[E203] the input `w` has no value\n  f.nd:1:1: `input w`: declared here, without a default\n"
        '  help: bind it: inputs={"w": VALUE}',
        "[E205] grad= names `q`, which is no input of the program\n  help: there are: w",
        "[E504] the run was stopped after 10 rounds and calls\n"
        "  f.nd:2:7: `w > 0`: after 10 rounds of this loop: 11 > 0\n"
        "  help: does the loop end? max_steps= raises the limit",
        "[E301] the shapes of `+` do not go together\n  f.nd:1:5: `w`: shape 2\n  f.nd:1:9: `[1, 2, 3]`: shape 3\n"
        "  help: read from the last axis, 2 meets 3; x[:, None] inserts an axis",
        "[E201] nothing is called `a`\n  f.nd:1:5: `a`: not known here\n"
        '  help: give it a value in the program, or bind it: inputs={"a": VALUE}\n'
        "[E201] nothing is called `b`\n  f.nd:1:9: `b`: not known here\n"
        '  help: give it a value in the program, or bind it: inputs={"b": VALUE}',
    ]


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


@pytest.mark.parametrize("wrt", [None, "x"])
@pytest.mark.parametrize("value", ["a", None, [[1, 2], [3]]])
def test_what_is_no_number_is_an_error_that_says_so(wrt: str | None, value: object) -> None:
    f = compile("def f(x): return x * 2").function("f", wrt=wrt)
    with pytest.raises(Error, match=r"a string|None|an argument is no array"):
        f(value)


def test_what_is_no_text_and_no_mapping_is_an_error_that_says_so() -> None:
    with pytest.raises(Error, match="the int given to compile is not a text"):
        compile(3)  # type: ignore[arg-type]
    with pytest.raises(Error, match="of type list, where values are given by name"):
        compile("x").run([1, 2])  # type: ignore[arg-type]
