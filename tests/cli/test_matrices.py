"""Arrays as people see them: aligned, within the width, nothing hidden that is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndgrad.cli.writing import matrices


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (1.5, ["1.5"]),
        ([1.0, 2.5], ["[ 1  2.5 ]"]),
        ([[1.0, 20.0], [0.25, -3.0]], ["⎡ 1     20 ⎤", "⎣ 0.25  -3 ⎦"]),
        ([[1.0], [np.nan], [-np.inf]], ["⎡    1 ⎤", "⎢  nan ⎥", "⎣ -inf ⎦"]),
        ([[1e-9, 1e9], [1.0, 2.0]], ["⎡ 1e-09  1e+09 ⎤", "⎣     1      2 ⎦"]),
        ([[True], [False]], ["⎡  True ⎤", "⎣ False ⎦"]),
        (np.zeros((2, 0)), ["(no entries)"]),
        (np.arange(4).reshape(2, 1, 2), ["[0]", "[ 0  1 ]", "[1]", "[ 2  3 ]"]),
    ],
)
def test_an_array_is_drawn(array: Any, expected: list[str]) -> None:
    assert matrices.lines_of(np.asarray(array), 80) == expected


@pytest.mark.parametrize("shape", [(1000,), (1000, 2), (2, 1000), (300, 300), (30, 2, 100), (5, 4, 3, 2)])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_large_array_shows_its_corners(shape: tuple[int, ...], width: int) -> None:
    array = np.random.default_rng(0).standard_normal(shape) * 1e3
    lines = matrices.lines_of(array, width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 100
    assert any(matrices.GAP in line for line in lines)
    shown = " ".join(lines)
    for corner in (array.flat[0], array.flat[-1]):
        assert matrices.entry(corner.item()) in shown


def test_statistics_leave_out_what_is_not_finite_and_count_it() -> None:
    array = np.array([1.0, 3.0, np.nan, np.inf, np.nan])
    assert matrices.statistics(array) == "min 1  mean 2  max 3  2 nan  1 inf"
    assert matrices.statistics(np.array([True, False])) == "1 true of 2"


def test_statistics_are_folded_where_the_room_is_small() -> None:
    array = np.array([3.0, -4.0, np.nan])
    assert matrices.statistics_lines(array, 80) == ["min -4  mean -0.5  max 3  norm 5  1 nan"]
    assert matrices.statistics_lines(array, 20) == ["min -4  mean -0.5", "max 3  norm 5  1 nan"]


@pytest.mark.parametrize("shape", [(0,), (300,), (2, 300), (300, 2), (2, 3, 100), (2, 0)])
def test_a_whole_array_shows_every_entry(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int), dtype=np.int64).reshape(shape)
    lines = matrices.whole(array)
    shown = [int(word) for line in lines if not line.endswith(")") for word in line.split() if word.isdigit()]
    assert shown == list(range(array.size))


def test_short_arrays_fit_a_line() -> None:
    assert matrices.short(np.array([[1.0, 2], [3, 4]])) == "[[1, 2], [3, 4]]"
    assert matrices.short(np.arange(100.0)) == "100 entries: min 0, mean 49.5, max 99"


def test_a_zero_has_no_sign() -> None:
    assert matrices.short(np.array([-0.0, -1e-9])) == "[0, -1e-09]"
