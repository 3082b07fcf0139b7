"""Elementwise functions: one entry each, partial derivatives only.

Partials are chosen so that they keep their digits where the value saturates: the derivative of
tanh at 25 is 7.7e-22, which 1 - tanh² would round to 0.

In every rule:  y value   x, a, b inputs   F the namespace to compute in
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np

from ndgrad.namespace import plain
from ndgrad.primitive import Kink, NoDerivative, composite, elementwise
from ndgrad.tape import STATE

_STEP = Kink("constant between its steps", value="0", touches=lambda x: np.equal(x, np.round(x)))

# Exponentials and logarithms

exp = elementwise("exp", partials=[lambda y: y], example="exp([0, 1]) -> [1, 2.718282]")
exp2 = elementwise("exp2", partials=[lambda y: y * log(2)], written="2^({x})", example="exp2([0, 3]) -> [1, 8]")
expm1 = elementwise("expm1", partials=[lambda F, x: F.exp(x)], example="expm1([0, 1]) -> [0, 1.718282]")
log_ = elementwise("log", partials=[lambda x: 1 / x], domain=(0.2, 4.0), example="log([1, 2]) -> [0, 0.693147]")
log1p = elementwise(
    "log1p", partials=[lambda x: 1 / (1 + x)], domain=(-0.8, 3.0), example="log1p([0, 1]) -> [0, 0.693147]"
)
log2 = elementwise("log2", partials=[lambda x: 1 / (x * log(2))], domain=(0.2, 4.0), example="log2([1, 8]) -> [0, 3]")
log10 = elementwise(
    "log10", partials=[lambda x: 1 / (x * log(10))], domain=(0.2, 4.0), example="log10([1, 100]) -> [0, 2]"
)

# Powers

sqrt_ = elementwise(
    "sqrt",
    partials=[lambda y: 0.5 / y],
    domain=(0.2, 4.0),
    kinks=[Kink("x == 0", value="inf, but 0 where nothing arrives", touches=lambda x: np.equal(x, 0))],
    example="sqrt([4, 9]) -> [2, 3]",
)
cbrt = elementwise("cbrt", partials=[lambda y: 1 / (3 * y * y)], domain=(0.2, 4.0), example="cbrt([8, 27]) -> [2, 3]")
square = elementwise(
    "square", partials=[lambda x: 2 * x], written="{x}^2", precedence=80, example="square([2, 3]) -> [4, 9]"
)
reciprocal = elementwise(
    "reciprocal",
    value=lambda F, x: F.divide(1, x),
    partials=[lambda y: -y * y],
    written="1/{x}",
    precedence=60,
    domain=(0.3, 3.0),
    example="reciprocal([2, 4]) -> [0.5, 0.25]",
)
abs_ = elementwise(
    "abs",
    partials=[lambda F, x: F.sign(x) if STATE.kinks != "jax" else 2 * F.indicator(F.greater_equal(x, 0)) - 1],
    written="|{x}|",
    kinks=[Kink("x == 0", value="0", admissible="[-1, 1]", touches=lambda x: np.equal(x, 0))],
    example="abs([-1, 2]) -> [1, 2]",
)
hypot = elementwise(
    "hypot",
    partials=[lambda F, y, a: F.where(F.equal(y, 0), 0.0, a / y), lambda F, y, b: F.where(F.equal(y, 0), 0.0, b / y)],
    kinks=[Kink("a == b == 0", value="0", admissible="[-1, 1]", touches=lambda y: np.equal(y, 0))],
    example="hypot([3, 6], [4, 8]) -> [5, 10]",
)

# Trigonometry

sin = elementwise("sin", partials=[lambda F, x: F.cos(x)], example="sin([0, 1]) -> [0, 0.841471]")
cos = elementwise("cos", partials=[lambda F, x: -F.sin(x)], example="cos([0, 1]) -> [1, 0.540302]")


def _tan_partial(F: Any, x: Any) -> Any:
    c = F.cos(x)
    return 1 / (c * c)


tan = elementwise("tan", partials=[_tan_partial], domain=(-1.2, 1.2), example="tan([0, 1]) -> [0, 1.557408]")


@plain
def cosquare(x: Any) -> Any:
    """1 − x², to full relative accuracy also near ±1."""
    return (1 - x) * (1 + x)


elementwise("cosquare", partials=[lambda x: -2 * x], written="(1 - {x}²)", internal=True)

arcsin = elementwise(
    "arcsin",
    partials=[lambda F, x: 1 / F.sqrt(F.cosquare(x))],
    domain=(-0.9, 0.9),
    example="arcsin([0, 1]) -> [0, 1.570796]",
)
arccos = elementwise(
    "arccos",
    partials=[lambda F, x: -1 / F.sqrt(F.cosquare(x))],
    domain=(-0.9, 0.9),
    example="arccos([1, 0]) -> [0, 1.570796]",
)
arctan = elementwise("arctan", partials=[lambda x: 1 / (1 + x * x)], example="arctan([0, 1]) -> [0, 0.785398]")
arctan2 = elementwise(
    "arctan2",
    partials=[lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b)],
    domain=(0.3, 3.0),
    example="arctan2([0, 1], 1) -> [0, 0.785398]",
)

# Hyperbolics


@plain
def sech2(x: Any) -> Any:
    """sech(x)², to full relative accuracy also where tanh has reached 1."""
    e = np.exp(-2.0 * np.abs(x))
    return 4 * e / ((1 + e) * (1 + e))


elementwise("sech2", partials=[lambda F, y, x: -2 * F.tanh(x) * y], written="sech²({x})", internal=True)

# Slopes of functions that saturate, with the value at hand: over plain arrays that costs one product. Where
# its digits have cancelled (a difference of numbers near 1, above 1e-3, has lost three of them) x gives them.


_COMPUTED: frozenset[Any] = frozenset({np.ndarray, np.float64, np.float32, np.float16})  # all others are deferred


def _exact_where(small: Any, slope: Any, x: Any, exact: Callable[[Any], Any]) -> Any:
    """`slope`, a new array, and exact(x) where it is `small`."""
    if slope.__class__ not in _COMPUTED:
        return slope.patched(small, x, exact)
    if not np.count_nonzero(small):
        return slope
    if not slope.ndim:
        return exact(x)
    slope[small] = exact(x[small])
    return slope


@plain
def tanh_slope(x: Any, y: Any) -> Any:
    """sech(x)² where y = tanh(x)."""
    slope = y * y
    slope = np.subtract(1.0, slope, out=slope) if slope.__class__ is np.ndarray else 1.0 - slope
    return _exact_where(slope < 1e-3, slope, x, sech2)


@plain
def sigmoid_slope(x: Any, y: Any) -> Any:
    """σ'(x) where y = σ(x)."""
    rest = 1.0 - y
    return y * _exact_where(rest < 1e-3, rest, x, lambda x: sigmoid(-x))


composite("tanh_slope", value=lambda F, x, y: F.sech2(x), operands=2, written="sech²({x})", internal=True)
composite("sigmoid_slope", value=lambda F, x, y: 0.25 * F.sech2(0.5 * x), operands=2, written="σ′({x})", internal=True)

sinh = elementwise("sinh", partials=[lambda F, x: F.cosh(x)], example="sinh([0, 1]) -> [0, 1.175201]")
cosh = elementwise("cosh", partials=[lambda F, x: F.sinh(x)], example="cosh([0, 1]) -> [1, 1.543081]")
tanh = elementwise("tanh", partials=[lambda F, y, x: F.tanh_slope(x, y)], example="tanh([0, 1]) -> [0, 0.761594]")
arcsinh = elementwise(
    "arcsinh", partials=[lambda F, x: 1 / F.hypot(x, 1.0)], example="arcsinh([0, 1]) -> [0, 0.881374]"
)
arccosh = elementwise(
    "arccosh",
    partials=[lambda F, x: 1 / F.sqrt((x - 1) * (x + 1))],
    domain=(1.3, 4.0),
    example="arccosh([1, 2]) -> [0, 1.316958]",
)
arctanh = elementwise(
    "arctanh",
    partials=[lambda F, x: 1 / F.cosquare(x)],
    domain=(-0.9, 0.9),
    example="arctanh([0, 0.5]) -> [0, 0.549306]",
)

# Selection

where = elementwise(
    "where",
    value=lambda F, c, a, b: F.where(c, a, b),
    partials=[
        NoDerivative("a condition"),
        lambda F, c: F.indicator(c),
        lambda F, c: F.indicator(F.logical_not(c)),
    ],
    selects=True,
    example="where([1, 0], [10, 20], 5) -> [10, 5]",
)


@plain
def indicator(c: Any) -> Any:
    """1.0 where c is true, else 0.0."""
    return np.not_equal(c, 0).astype(np.float64)


elementwise("indicator", partials=[NoDerivative("a condition")], written="[{x}]", internal=True)

clip = elementwise(
    "clip",
    value=lambda F, x, a_min=None, a_max=None: F.clip(x, a_min, a_max),
    partials=[lambda F, x, a_min, a_max: F.passes(x, a_min, a_max)],
    selects=True,
    kinks=[
        Kink(
            "x == a_min or x == a_max",
            value="1",
            admissible="[0, 1]",
            touches=lambda x, a_min, a_max: np.equal(x, _bound(a_min)) | np.equal(x, _bound(a_max)),
        )
    ],
    example="clip([-1, 0.5, 2], 0, 1) -> [0, 0.5, 1]",
)


@plain
def inside(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """Whether x lies in [a_min, a_max]; None is no bound."""
    low = np.True_ if a_min is None else np.greater_equal(x, a_min)
    return np.logical_and(low, np.True_ if a_max is None else np.less_equal(x, a_max)) | np.zeros(np.shape(x), bool)


def _bound(given: Any) -> Any:
    """A bound of clip, one that nothing comes near for None."""
    return np.inf if given is None else given


def _strictly_inside(x: Any, a_min: Any, a_max: Any) -> Any:
    low = np.True_ if a_min is None else np.greater(x, a_min)
    return np.logical_and(low, np.True_ if a_max is None else np.less(x, a_max)) | np.zeros(np.shape(x), bool)


@plain
def passes(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """The derivative of clip: 1 between the bounds and at them (1/2 at them by JAX's convention), else 0."""
    between = inside(x, a_min, a_max).astype(np.result_type(x, np.float16))
    if STATE.kinks == "jax":
        between = (between + _strictly_inside(x, a_min, a_max)) / 2
    return between


elementwise(
    "passes",
    value=lambda F, x, a_min=None, a_max=None: F.passes(x, a_min, a_max),
    partials=[lambda: 0],
    internal=True,
)

# Steps

for _name, _example in (
    ("sign", "sign([-2, 0, 3]) -> [-1, 0, 1]"),
    ("floor", "floor([1.5, -1.5]) -> [1, -2]"),
    ("ceil", "ceil([1.5, -1.5]) -> [2, -1]"),
    ("trunc", "trunc([1.5, -1.5]) -> [1, -1]"),
):
    elementwise(_name, partials=[lambda: 0], kinks=[_STEP], example=_example)

round_ = elementwise(
    "round",
    value=lambda F, x, decimals=0: F.round(x, decimals),
    partials=[lambda: 0],
    kinks=[_STEP],
    example="round([1.4, 2.6]) -> [1, 3]",
)

for _name, _example in (
    ("isnan", "isnan([1, nan]) -> [False, True]"),
    ("isinf", "isinf([1, inf]) -> [False, True]"),
    ("isfinite", "isfinite([1, inf]) -> [True, False]"),
):
    elementwise(_name, partials=[NoDerivative("the result is true or false")], example=_example)


def _close(F: Any, a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    a, b = 1.0 * a, 1.0 * b  # truth values too
    with np.errstate(invalid="ignore"):  # inf - inf
        near = F.logical_and(F.less_equal(F.abs(a - b), atol + rtol * F.abs(b)), F.isfinite(b))
    made = F.logical_or(near, F.equal(a, b))
    return F.logical_or(made, F.logical_and(F.isnan(a), F.isnan(b))) if equal_nan else made


isclose = elementwise(
    "isclose",
    value=lambda F, a, b, rtol=1e-05, atol=1e-08, equal_nan=False: _close(F, a, b, rtol, atol, equal_nan),
    partials=[NoDerivative("the result is true or false")] * 2,
    example="isclose([1, 2], [1.0000001, 2.1]) -> [True, False]",
)

# Activations

relu = elementwise(
    "relu",
    value=lambda F, x: F.maximum(x, 0),
    partials=[lambda F, x: F.indicator(F.greater(x, 0))],
    selects=True,
    kinks=[Kink("x == 0", value="0", admissible="[0, 1]", touches=lambda x: np.equal(x, 0))],
    example="relu([-1, 2]) -> [0, 2]",
)


@plain
def sigmoid(x: Any) -> Any:
    """1/(1 + e^-x): full relative accuracy on both sides, 0 where e^-x overflows."""
    return 1 / (1 + np.exp(-x))


sigmoid_ = elementwise(
    "sigmoid", partials=[lambda F, y, x: F.sigmoid_slope(x, y)], example="sigmoid([0, 2]) -> [0.5, 0.880797]"
)


@plain
def softplus(x: Any) -> Any:
    """log(1 + e^x), without overflow and to full relative accuracy."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


softplus_ = elementwise(
    "softplus", partials=[lambda F, x: F.sigmoid(x)], example="softplus([0, 2]) -> [0.693147, 2.126928]"
)
log_sigmoid = elementwise(
    "log_sigmoid",
    value=lambda F, x: -F.softplus(-x),
    partials=[lambda F, x: F.sigmoid(-x)],
    example="log_sigmoid([0, 2]) -> [-0.693147, -0.126928]",
)
logaddexp = elementwise(
    "logaddexp",
    partials=[lambda F, a, b: F.sigmoid(a - b), lambda F, a, b: F.sigmoid(b - a)],
    example="logaddexp([0, 1], 0) -> [0.693147, 1.313262]",
)
