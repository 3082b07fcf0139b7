"""Activation functions that are not in every calculus book. relu, sigmoid, softplus are with the elementwise ones."""

from __future__ import annotations

from typing import Any

from ndgrad.primitive import Kink, elementwise


def _silu_partial(F: Any, x: Any) -> Any:
    s = F.sigmoid(x)
    return s + x * s * F.sigmoid(-x)


silu = elementwise(
    "silu", value=lambda F, x: x * F.sigmoid(x), partials=[_silu_partial], example="silu([0, 2]) -> [0, 1.761594]"
)
leaky_relu = elementwise(
    "leaky_relu",
    value=lambda F, x, slope=0.01: F.where(F.greater(x, 0), x, slope * x),
    partials=[lambda F, x, slope: F.where(F.greater(x, 0), 1.0, slope)],
    kinks=[Kink("x == 0", value="slope", admissible="[slope, 1]")],
    example="leaky_relu([-1, 2]) -> [-0.01, 2]",
)
elu = elementwise(
    "elu",
    value=lambda F, x, alpha=1.0: F.where(F.greater(x, 0), x, alpha * F.expm1(F.minimum(x, 0))),
    partials=[lambda F, x, alpha: F.where(F.greater(x, 0), 1.0, alpha * F.exp(F.minimum(x, 0)))],
    kinks=[Kink("x == 0, alpha != 1", value="alpha", admissible="between alpha and 1")],
    example="elu([-1, 2]) -> [-0.632121, 2]",
)
huber = elementwise(
    "huber",
    value=lambda F, x, delta=1.0: F.where(F.less_equal(F.abs(x), delta), 0.5 * x * x, delta * (F.abs(x) - 0.5 * delta)),
    partials=[lambda F, x, delta: F.clip(x, -1 * delta, delta)],  # truth values have no `-`
    example="huber([0.5, 2]) -> [0.125, 1.5]",
)
