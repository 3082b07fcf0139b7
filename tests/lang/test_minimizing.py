"""Minima: every method finds the lowest point of known functions, says why it stopped, and keeps to its bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ndgrad.errors import Error
from ndgrad.lang import compile, load
from ndgrad.lang.minimizing import METHODS, Progress, minimize

ROOT = Path(__file__).parent.parent.parent
ROSENBROCK = load(ROOT / "samples" / "rosenbrock.nd")
CERTIFIED = np.array([238.94212918, 0.00055015643181])  # NIST, Misra1a


@pytest.mark.parametrize("method", [m for m in METHODS if m != "sgd"])
def test_every_method_reaches_the_end_of_the_valley(method: str) -> None:
    of = "residual" if method == "least-squares" else None
    found = minimize(ROSENBROCK, ["x"], method=method, of=of, rate=0.02)
    assert found.converged, found.reason
    np.testing.assert_allclose(found.optimum["x"], [1, 1], rtol=1e-6)
    assert found.gradient_norm <= 2e-8
    assert found.evaluations > found.iterations > 0


def test_sgd_goes_down_a_bowl() -> None:
    found = minimize(compile("input x = [3, -4]; sum((x - [1, 2]) ** 2)"), ["x"], method="sgd", rate=0.1)
    assert found.converged
    np.testing.assert_allclose(found.optimum["x"], [1, 2], atol=1e-8)


@pytest.mark.parametrize("start", [[500, 0.0001], [250, 0.0005]])
@pytest.mark.parametrize(("method", "of"), [("least-squares", "residual"), ("trust-exact", "rss")])
def test_misra1a_comes_to_its_certified_values(method: str, of: str, start: list[float]) -> None:
    data = np.loadtxt(ROOT / "samples/misra1a.csv", delimiter=",", skiprows=1)
    program = load(ROOT / "samples/misra1a.nd")
    found = minimize(program, ["b"], {"data": data, "b": start}, method=method, of=of)
    assert found.converged, found.reason
    np.testing.assert_allclose(found.optimum["b"], CERTIFIED, rtol=1e-10)
    np.testing.assert_allclose(found.value, 0.12455138894, rtol=1e-10)


def test_several_inputs_move_together_and_keep_their_shapes_and_dtypes() -> None:
    program = compile("input A = [[1, 2], [3, 4]]; input b: float32 = 5; sum((A - 1) ** 2) + (A[0, 0] * b - 2) ** 2")
    for method in ("L-BFGS-B", "trust-exact", "Newton-CG"):
        found = minimize(program, ["A", "b"], method=method)
        assert found.converged, found.reason
        assert (found.optimum["A"].shape, found.optimum["b"].dtype) == ((2, 2), np.float32)
        np.testing.assert_allclose(found.optimum["A"], 1, atol=1e-4)
        np.testing.assert_allclose(found.optimum["b"], 2, atol=1e-3)


@pytest.mark.parametrize("method", ["L-BFGS-B", "adam", "sgd"])
def test_a_minimum_at_a_bound_counts_without_what_the_bound_holds_back(method: str) -> None:
    program = compile("input x = [3, 4]; sum((x - [1, 2]) ** 2)")
    found = minimize(program, ["x"], method=method, bounds={"x": (-np.inf, [0.5, 9])}, rate=0.05)
    assert found.converged
    np.testing.assert_allclose(found.optimum["x"], [0.5, 2], atol=1e-7)
    np.testing.assert_allclose(found.gradients["x"], [-1, 0], atol=1e-7)
    assert found.gradient_norm < 1e-7


def test_least_squares_keeps_to_bounds() -> None:
    program = compile("input x = [3, 4]; x - [1, 2]")
    found = minimize(program, ["x"], method="least-squares", bounds={"x": (2.5, np.inf)})
    np.testing.assert_allclose(found.optimum["x"], [2.5, 2.5], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_limit_of_iterations_is_no_convergence(method: str) -> None:
    of = "residual" if method == "least-squares" else None
    found = minimize(ROSENBROCK, ["x"], method=method, of=of, max_iter=2, rate=1e-4)
    assert (found.converged, found.reason) == (False, "the limit of 2 iterations was reached")


def test_what_is_not_finite_is_no_convergence() -> None:
    found = minimize(compile("input x = 0; log(x)"), ["x"])
    assert (found.converged, found.reason) == (False, "the value or its gradient is not finite")


@pytest.mark.parametrize(
    ("text", "rate", "why"),
    [
        ("input x = [-1.2, 1]; 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2", 0.01, "not finite"),
        ("input x = 3; 50 * x ** 2", 0.03, "the limit of 15 iterations was reached"),
        ("input x = 1; log(x)", 1.5, "not finite"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_of_a_descent_that_diverges_the_best_point_is_given(text: str, rate: float, why: str) -> None:
    program = compile(text)
    found = minimize(program, ["x"], method="sgd", rate=rate, max_iter=15)
    assert not found.converged
    assert found.reason.startswith("it diverged: ")
    assert why in found.reason
    assert found.reason.endswith(f"a smaller --rate than {rate} may help")
    assert found.value == program.run().value  # it never came lower than where it started
    assert np.isfinite(found.gradient_norm)


def test_a_minimum_where_it_starts() -> None:
    found = minimize(compile("input x = 0; x ** 2"), ["x"])
    assert (found.converged, found.iterations, found.optimum["x"]) == (True, 0, 0)


def test_random_numbers_are_the_same_in_every_run_but_go_on_in_descents() -> None:
    program = compile("input x = 0; (x - random_normal(shape=[])) ** 2")
    fixed = minimize(program, ["x"], seed=3)
    assert fixed.converged
    assert fixed.value < 1e-12
    moving = [minimize(program, ["x"], method="sgd", seed=3, max_iter=20) for _ in range(2)]
    assert not moving[0].converged
    assert moving[0].optimum["x"] == moving[1].optimum["x"] != fixed.optimum["x"]


def test_progress_is_told() -> None:
    seen: list[Progress] = []
    minimize(ROSENBROCK, ["x"], watch=seen.append)
    assert [step.iteration for step in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].value < seen[0].value


@pytest.mark.parametrize(
    ("text", "over", "options", "code"),
    [
        ("input x = [1, 2]; x ** 2", "x", {}, "E413"),
        ("input x = 2; x ** 2", "x", {"method": "least-squares"}, "E413"),
        ("input x = 2; x ** 2", "y", {}, "E205"),
        ("input n: int64 = 2; n ** 2", "n", {}, "E401"),
        ("input x = 2; while x > 0: x = x + 1", "x", {"timeout": 0.2}, "E505"),
    ],
)
def test_what_cannot_be_minimised_is_said(text: str, over: str, options: dict[str, object], code: str) -> None:
    with pytest.raises(Error) as caught:
        minimize(compile(text), [over], **options)  # type: ignore[arg-type]
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "magic"}, "no method"),
        ({"method": "BFGS", "bounds": {"x": (0, 1)}}, "not for BFGS"),
        ({"bounds": {"y": (0, 1)}}, "not moved"),
        ({"bounds": {"x": ([0, 1, 2], 3)}}, "do not fit"),
        ({"bounds": {"x": (1, 0)}}, "above"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        minimize(ROSENBROCK, ["x"], **options)  # type: ignore[arg-type]
