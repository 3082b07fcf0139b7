"""Operations whose derivative somebody else states, and the one that has none on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.ndarray import plain
from ndgrad.primitive import NoDerivative, Unknown, primitive

stop_gradient = primitive(
    "stop_gradient",
    value=lambda F, x: np.array(x)[()],
    vjps=[NoDerivative("stopped on purpose")],
    shape=lambda x: x,
    example="stop_gradient([1, 2]) -> [1, 2]",
)
detach = primitive(
    "detach",
    value=lambda F, x: np.array(x)[()],
    vjps=[NoDerivative("stopped on purpose")],
    shape=lambda x: x,
    example="detach([1, 2]) -> [1, 2]",
)


def _pulled(F: Any, g: Any, y: Any, arrays: Any, rule: Any) -> Any:
    return rule.pull(g, y, arrays)


# A call whose value is known and whose derivative is `rule`: an object with pull(g, y, arrays), and its name as str.
custom_call = primitive(
    "custom_call",
    value=lambda F, arrays, rule: plain(rule.value),
    vjp=_pulled,
    variadic=True,
    shape=Unknown("the shape is stated by the call's own rule"),
    written="{rule}({arrays})",
    internal=True,
)
