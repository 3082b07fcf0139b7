"""Special functions: SciPy's values, partial derivatives here. SciPy is loaded when one is first used.

Formulas: NIST Digital Library of Mathematical Functions, 5.9, 5.15, 7.2, 7.17, 10.51.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np

from ndgrad.namespace import plain
from ndgrad.primitive import Kink, elementwise
from ndgrad.tape import STATE


def _scipy(name: str) -> Callable[..., Any]:
    """A function of scipy.special, imported when it is called."""

    def call(*args: Any) -> Any:
        import scipy.special

        if STATE.remote is not None:
            made = STATE.remote.special(name, args)
            if made is not NotImplemented:
                return made
        return getattr(scipy.special, name)(*args)

    call.__name__ = name
    return call


for _name in ("erf", "erfc", "erfinv", "gammaln", "digamma", "polygamma", "xlogy", "ndtr"):
    plain(_scipy(_name))

_GAUSS = 2 / sqrt(pi)

erf = elementwise("erf", partials=[lambda F, x: _GAUSS * F.exp(-x * x)], example="erf([0, 1]) -> [0, 0.842701]")
erfc = elementwise("erfc", partials=[lambda F, x: -_GAUSS * F.exp(-x * x)], example="erfc([0, 1]) -> [1, 0.157299]")
erfinv = elementwise(
    "erfinv",
    partials=[lambda F, y: F.exp(y * y) / _GAUSS],
    domain=(-0.9, 0.9),
    example="erfinv([0, 0.5]) -> [0, 0.476936]",
)
gammaln = elementwise(
    "gammaln", partials=[lambda F, x: F.digamma(x)], domain=(0.5, 4.0), example="gammaln([1, 4]) -> [0, 1.791759]"
)
digamma = elementwise(
    "digamma",
    partials=[lambda F, x: F.trigamma(x, 1)],
    domain=(0.5, 4.0),
    example="digamma([1, 2]) -> [-0.577216, 0.422784]",
)
elementwise(
    "trigamma",
    value=lambda F, x, n=1: F.astype(F.polygamma(n, x), x.dtype),
    partials=[lambda F, x, n: F.trigamma(x, n + 1)],
    domain=(0.5, 4.0),
    written="ψ⁽{n}⁾({x})",
    internal=True,
)


@plain
def spherical_j(x: Any, n: int) -> Any:
    """The spherical Bessel function j_n, odd or even in x as n is."""
    import scipy.special

    value = scipy.special.spherical_jn(n, np.abs(x)).astype(np.asarray(x).dtype)
    return np.sign(x) * value if n % 2 else value


def _spherical_partial(F: Any, x: Any, n: int) -> Any:
    """j_n' = (n j_{n-1} − (n+1) j_{n+1}) / (2n+1): no cancellation near 0 (DLMF 10.51.2)."""
    if n == 0:
        return -F.spherical_j(x, 1)
    return (n * F.spherical_j(x, n - 1) - (n + 1) * F.spherical_j(x, n + 1)) / (2 * n + 1)


elementwise(
    "spherical_j",
    value=lambda F, x, n=0: F.spherical_j(x, n),
    partials=[_spherical_partial],
    internal=True,
)
sinc = elementwise(
    "sinc", partials=[lambda F, x: -pi * F.spherical_j(pi * x, 1)], example="sinc([0, 0.5]) -> [1, 0.636620]"
)
xlogy = elementwise(
    "xlogy",
    partials=[lambda F, a, b: F.where(F.logical_and(F.equal(a, 0), F.equal(b, 0)), 0.0, F.log(b)), lambda a, b: a / b],
    domain=(0.3, 3.0),
    example="xlogy([0, 2], [0, 3]) -> [0, 2.197225]",
)
copysign = elementwise(
    "copysign",
    partials=[lambda F, a, b: F.sign(a) * F.copysign(1.0, b), lambda: 0],
    kinks=[Kink("a == 0", value="0", admissible="[-1, 1]")],
    example="copysign([1, -2], [-3, 4]) -> [-1, 2]",
)
gelu = elementwise(
    "gelu",
    value=lambda F, x: x * F.ndtr(x),
    partials=[lambda F, x: F.ndtr(x) + x * F.exp(-0.5 * x * x) / sqrt(2 * pi)],
    example="gelu([0, 1]) -> [0, 0.841345]",
)
elementwise(
    "ndtr",
    partials=[lambda F, x: F.exp(-0.5 * x * x) / sqrt(2 * pi)],
    written="Φ({x})",
    internal=True,
)
