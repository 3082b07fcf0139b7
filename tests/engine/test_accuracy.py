"""First and second derivatives keep their digits where values saturate, cancel or vanish.

Each row is compared with mpmath's exact formula at 80 digits, to a relative error of 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import ndgrad
from ndgrad import nd
from ndgrad.ndarray import NDArray
from ndgrad.ops import find

mp.dps = 80


def call(name: str) -> Callable[..., Any]:
    found = find(name)
    assert found is not None
    return found.call


def phi(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def sinc(x: Any) -> Any:
    return mpf(1) if x == 0 else mp.sin(mp.pi * x) / (mp.pi * x)


def sinc_first(x: Any) -> Any:
    return mpf(0) if x == 0 else (mp.cos(mp.pi * x) - sinc(x)) / x


def sinc_second(x: Any) -> Any:
    return -(mp.pi**2) / 3 if x == 0 else -(mp.pi**2) * sinc(x) - 2 * sinc_first(x) / x


def logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def logistic_first(x: Any) -> Any:
    return mp.exp(-x) / (1 + mp.exp(-x)) ** 2


def logistic_second(x: Any) -> Any:
    return logistic_first(x) * -mp.tanh(x / 2)


# The function, the points, its first and second derivative.
ROWS: dict[str, tuple[Callable[[NDArray], NDArray], list[float], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (
        nd.tanh,
        [18, -18, 25, -300, 1e-9, 0.3],
        lambda x: mp.sech(x) ** 2,
        lambda x: -2 * mp.tanh(x) * mp.sech(x) ** 2,
    ),
    "sigmoid": (nd.sigmoid, [40, -40, 300, -300, 1e-9, 0.7], logistic_first, logistic_second),
    "expm1": (call("expm1"), [-40, 1e-12, 5], mp.exp, mp.exp),
    "softplus": (nd.softplus, [40, -40, 300, -300, 0], logistic, logistic_first),
    "log_sigmoid": (
        call("log_sigmoid"),
        [40, -40, 300, -300, 0],
        lambda x: logistic(-x),
        lambda x: -logistic_first(x),
    ),
    "log1p": (
        nd.log1p,
        [0, 1e-12, -1e-12, 1e-300, -0.999999999, 1e10],
        lambda x: 1 / (1 + x),
        lambda x: -1 / (1 + x) ** 2,
    ),
    "erf": (
        nd.erf,
        [5, -5, 4.7, 1e-9],
        lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
        lambda x: -4 * x / mp.sqrt(mp.pi) * mp.exp(-x * x),
    ),
    "erfc": (
        call("erfc"),
        [5, -5, 4.7, 20.3],
        lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
        lambda x: 4 * x / mp.sqrt(mp.pi) * mp.exp(-x * x),
    ),
    "erfinv": (
        call("erfinv"),
        [1e-9, 0.5, -0.99],
        lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(mp.erfinv(x) ** 2),
        lambda x: mp.pi / 2 * mp.erfinv(x) * mp.exp(2 * mp.erfinv(x) ** 2),
    ),
    "logaddexp, by the smaller": (
        lambda x: call("logaddexp")(x, 0.0),
        [-40, -700, 40, 0],
        logistic,
        logistic_first,
    ),
    "logaddexp, by the larger": (
        lambda x: call("logaddexp")(1.0, x),
        [41, -39, 1],
        lambda x: logistic(x - 1),
        lambda x: logistic_first(x - 1),
    ),
    "sinc": (call("sinc"), [1e-4, -1e-4, 1e-8, 0, 0.3, 2.5, 1], sinc_first, sinc_second),
    "gelu": (
        nd.gelu,
        [-10, 10, -30, 0, 1e-9],
        lambda x: mp.ncdf(x) + x * phi(x),
        lambda x: (2 - x * x) * phi(x),
    ),
    "silu": (
        call("silu"),
        [-40, 40, -300, 0],
        lambda x: logistic(x) + x * logistic_first(x),
        lambda x: 2 * logistic_first(x) + x * logistic_second(x),
    ),
    "arcsin": (
        nd.arcsin,
        [1 - 2**-40, -1 + 2**-40, 1e-9],
        lambda x: 1 / mp.sqrt(1 - x * x),
        lambda x: x / mp.sqrt(1 - x * x) ** 3,
    ),
    "arctanh": (
        nd.arctanh,
        [1 - 2**-40, 1e-9],
        lambda x: 1 / (1 - x * x),
        lambda x: 2 * x / (1 - x * x) ** 2,
    ),
    "arccosh": (
        nd.arccosh,
        [1 + 2**-40, 1e9],
        lambda x: 1 / mp.sqrt(x * x - 1),
        lambda x: -x / mp.sqrt(x * x - 1) ** 3,
    ),
    "arcsinh": (
        nd.arcsinh,
        [1e-9, 1e9, -3],
        lambda x: 1 / mp.sqrt(1 + x * x),
        lambda x: -x / mp.sqrt(1 + x * x) ** 3,
    ),
    "arctan": (nd.arctan, [1e9, 1e-9], lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
    "tan": (nd.tan, [1.57, 1e-9], lambda x: mp.sec(x) ** 2, lambda x: 2 * mp.tan(x) * mp.sec(x) ** 2),
    "cbrt": (nd.cbrt, [1e-200, 8], lambda x: mp.cbrt(x) / (3 * x), lambda x: -2 * mp.cbrt(x) / (9 * x * x)),
    "gammaln": (call("gammaln"), [0.1, 30], lambda x: mp.psi(0, x), lambda x: mp.psi(1, x)),
    "digamma": (call("digamma"), [0.1, 30], lambda x: mp.psi(1, x), lambda x: mp.psi(2, x)),
}
POINTS = [pytest.param(name, point, id=f"{name} at {point:g}") for name, row in ROWS.items() for point in row[1]]


@pytest.mark.parametrize(("name", "point"), POINTS)
def test_the_first_and_the_second_derivative_are_exact_to_twelve_digits(name: str, point: float) -> None:
    function, _, first, second = ROWS[name]
    x = nd.array(point, dtype="float64")
    found = ndgrad.grad(function)(x).item()
    found_forward = ndgrad.jvp(function, [x], [1.0])[1].item()
    again = ndgrad.grad(ndgrad.grad(function))(x).item()
    again_forward = ndgrad.jvp(ndgrad.grad(function), [x], [1.0])[1].item()
    exact = float(first(mpf(point))), float(second(mpf(point)))
    np.testing.assert_allclose([found, found_forward], exact[0], rtol=1e-12, err_msg="first")
    np.testing.assert_allclose([again, again_forward], exact[1], rtol=1e-12, atol=1e-307, err_msg="second")
