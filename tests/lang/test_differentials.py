"""What a run gives besides gradients in reverse mode: each derivative against the others, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndgrad.errors import Error, LimitError
from ndgrad.lang import compile

X = np.array([0.5, 2.0, 3.0])
PROGRAMS = {
    "straight": "y = exp(x) * sum(x ** 2)",
    "control": """\
input x
s = 0.0
for i in range(3):
    if x[i] > 1:
        s = s + x[i] ** 3
    else:
        s = s + x[i] * sum(x)
while s < 100:
    s = s * x[1]
y = s * x
""",
    "functions": "def f(t):\n    return sin(t) @ t\ny = f(x) * x + grad(f)(x)\n",
    "random": "y = x ** 2 * random_normal(shape=(3,))",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_derivatives_agree_with_each_other(name: str) -> None:
    program = compile(PROGRAMS[name])
    head, v = np.array([1.0, -2.0, 0.5]), np.array([0.3, 1.0, -1.0])
    made = program.run({"x": X}, ["x"], head, jac=["x"], hess=["x"], jvp={"x": v}, hvp={"x": v}, seed=3)
    jacobian, hessian = made.jacobians["x"], made.hessians["x"]
    assert made.jvp is not None
    np.testing.assert_allclose(head @ jacobian, made.grads["x"], rtol=1e-12)
    np.testing.assert_allclose(jacobian @ v, made.jvp, rtol=1e-12)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(hessian @ v, made.hvp["x"], rtol=1e-12)
    for mode in ("forward", "reverse"):
        again = program.run({"x": X}, ["x"], head, jac=["x"], hess=["x"], mode=mode, seed=3)
        np.testing.assert_allclose(again.grads["x"], made.grads["x"], rtol=1e-12)
        np.testing.assert_allclose(again.jacobians["x"], jacobian, rtol=1e-12)
        np.testing.assert_allclose(again.hessians["x"], hessian, rtol=1e-9, atol=1e-12)
    step = 1e-6
    moved = [program.run({"x": X + s * v}, ["x"], head, seed=3) for s in (step, -step)]
    numeric = (moved[0].grads["x"] - moved[1].grads["x"]) / (2 * step)
    np.testing.assert_allclose(made.hvp["x"], numeric, rtol=1e-6, atol=1e-6)


def test_directions_move_the_inputs_together() -> None:
    made = compile("y = x * w").run({"x": 2.0, "w": 3.0}, jvp={"x": 1.0, "w": 10.0}, hvp={"x": 1.0, "w": 10.0})
    assert made.jvp == 23
    assert made.hvp == {"x": 10, "w": 1}
    assert made.grads == {}


def test_a_direction_is_broadcast() -> None:
    assert compile("sum(x ** 2)").run({"x": X}, jvp={"x": 1.0}).jvp == 11


def test_several_heads_weigh_several_outputs() -> None:
    program = compile("output a = x ** 2, b = 3 * x, c = x")
    for mode in (None, "forward"):
        made = program.run({"x": X}, ["x"], heads={"a": 1.0, "b": [1.0, 0.0, 2.0]}, mode=mode)
        np.testing.assert_allclose(made.grads["x"], 2 * X + [3, 0, 6])
        assert made.of == "a, b"
    assert (
        program.run({"x": X}, heads={"a": 1.0, "b": 1.0}, hess=["x"]).hessians["x"].tolist() == (2 * np.eye(3)).tolist()
    )


def test_all_means_every_float_input() -> None:
    made = compile("y = x * w * n").run({"x": 2.0, "w": 3.0, "n": np.array(2)}, jac=["all"], hess=["all"])
    assert made.jacobians == {"x": 6, "w": 4}
    assert made.hessians == {"x": 0, "w": 0}


def test_inputs_that_have_a_default_can_be_asked_for() -> None:
    made = compile("input x: float32[2] = [1, 2]\ny = sum(x ** 3)").run(jac=["x"], hess=["x"])
    np.testing.assert_array_equal(made.jacobians["x"], np.array([3, 12], np.float32), strict=True)
    assert made.hessians["x"].tolist() == [[6, 0], [0, 12]]


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("y = x", {"jac": ["z"]}, "E205 jac= names `z`, which is no input of the program"),
        ("y = x", {"hvp": {"z": 1.0}}, "E205 hvp= names `z`, which is no input of the program"),
        ("y = x", {"heads": {"z": 1.0}, "grad": ["x"]}, "E205 heads= names `z`, which is no output or variable"),
        (
            "y = x",
            {"heads": {"y": [1.0, 2.0]}, "grad": ["x"]},
            "E404 the head is of shape 2, the output `y` is of shape 3",
        ),
        ("y = x", {"jvp": {"x": [1.0, 2.0]}}, "E404 the direction is of shape 2, the input `x` is of shape 3"),
        ("y = x > 1", {"jac": ["x"]}, "E401 "),
        ("y = x[n]", {"jvp": {"n": 1.0}}, "E401 "),
    ],
)
def test_what_cannot_be_given_is_said(text: str, arguments: dict[str, Any], expected: str) -> None:
    inputs = {"x": X, **({"n": np.array(1)} if "n" in text else {})}
    with pytest.raises(Error) as error:
        compile(text).run(inputs, **arguments)
    assert f"{error.value.code} {error.value.diagnostics[0].message}".startswith(expected)


def test_what_is_printed_is_printed_once() -> None:
    said: list[str] = []
    compile("print(x)\ny = x * x").run({"x": X}, jac=["x"], hess=["x"], show=said.append)
    assert len(said) == 1


def test_a_seed_makes_random_numbers_the_same() -> None:
    program = compile("y = x * random_normal(shape=(3,))")
    first, second, other = (program.run({"x": X}, ["x"], seed=seed) for seed in (1, 1, 2))
    assert first.value is not None
    assert first.value.tolist() == second.value.tolist() == (X * first.grads["x"]).tolist()  # type: ignore[union-attr]
    assert first.value.tolist() != other.value.tolist()  # type: ignore[union-attr]


def test_training_is_asked_for() -> None:
    program = compile("y = dropout(x, 0.5)")
    assert program.run({"x": X}, ["x"], seed=0).grads["x"].tolist() == [1, 1, 1]
    made = program.run({"x": np.ones(100)}, ["x"], jac=["x"], train=True, seed=0)
    assert set(made.grads["x"].tolist()) == {0, 2}
    assert np.diag(made.jacobians["x"]).tolist() == made.grads["x"].tolist()


def test_limits_hold_for_every_run() -> None:
    program = compile("for i in range(1000):\n    x = x * 1.0\ny = x")
    with pytest.raises(LimitError):
        program.run({"x": np.ones(1000)}, jac=["x"], mode="forward", timeout=0.3)


def test_entries_without_a_derivative_have_no_sign() -> None:
    made = compile("y = -x").run({"x": X}, jac=["x"], hess=["x"])
    assert not np.signbit(made.jacobians["x"]).ravel()[1:3].any()
    assert not np.signbit(made.hessians["x"]).any()
