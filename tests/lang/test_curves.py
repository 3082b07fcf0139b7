"""Values and derivatives along inputs, at every point of the grid."""

from __future__ import annotations

import numpy as np
import pytest

from ndgrad.errors import Error
from ndgrad.lang import compile
from ndgrad.lang.curves import Axis, sample


def test_along_one_input() -> None:
    x = np.linspace(0, 3, 7)
    made = sample(compile("f = 3 * x ** 2 - 4 * x"), [Axis("x", (), x)])
    assert made.of == "f"
    np.testing.assert_allclose(made.values, 3 * x**2 - 4 * x)
    np.testing.assert_allclose(made.slopes[0], 6 * x - 4)


def test_along_two_entries_of_one_input_the_others_stay() -> None:
    a, b = Axis("x", (0,), np.array([1.0, 2.0])), Axis("x", (2,), np.array([3.0, 4.0, 5.0]))
    made = sample(compile("input x = [7, 10, 7]; x[0] * x[1] * x[2]"), [a, b])
    np.testing.assert_allclose(made.values, 10 * np.outer([1, 2], [3, 4, 5]))
    np.testing.assert_allclose(made.slopes[0], [[30, 40, 50], [30, 40, 50]])
    np.testing.assert_allclose(made.slopes[1], [[10, 10, 10], [20, 20, 20]])


def test_random_numbers_are_the_same_at_all_points() -> None:
    made = sample(compile("x + random_normal(shape=[])"), [Axis("x", (), np.array([1.0, 1.0, 2.0]))])
    assert made.values[0] == made.values[1] != made.values[2]


@pytest.mark.parametrize(
    ("text", "axis", "code"),
    [
        ("input n: int64 = 3; n * 1.5", Axis("n", (), np.zeros(2)), "E401"),
        ("input x; sum(x)", Axis("x", (0,), np.zeros(2)), "E203"),
        ("input x = 1; [x, x]", Axis("x", (), np.zeros(2)), "E413"),
        ("x ** 2", Axis("q", (), np.zeros(2)), "E205"),
    ],
)
def test_what_cannot_be_drawn(text: str, axis: Axis, code: str) -> None:
    with pytest.raises(Error) as caught:
        sample(compile(text), [axis])
    assert caught.value.code == code


def test_an_array_of_one_entry_keeps_its_shape() -> None:
    made = sample(compile("input x = [[3]]; assert x.ndim == 2; sum(x ** 2)"), [Axis("x", (), np.array([2.0]))])
    assert (made.values.tolist(), made.slopes[0].tolist()) == ([4], [4])


def test_an_input_that_is_given_is_as_large_as_it_was_given() -> None:
    with pytest.raises(ValueError, match=r"x has the shape \(2, 3\); move one entry of it, as in x\[0, 0\]"):
        sample(compile("sum(x ** 2)"), [Axis("x", (), np.zeros(2))], {"x": np.ones((2, 3))})


def test_every_point_is_told() -> None:
    told: list[int] = []
    sample(compile("x ** 2"), [Axis("x", (), np.zeros(3))], look=told.append)
    assert told == [0, 1, 2]


def test_an_entry_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"x has no entry x\[5\]"):
        sample(compile("input x = [1, 2]; sum(x)"), [Axis("x", (5,), np.zeros(2))])
