"""Operations whose derivative somebody else states, and the one that has none on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.apply import general
from ndgrad.namespace import plain as plain_function
from ndgrad.ndarray import plain
from ndgrad.primitive import NoDerivative, Unknown, primitive
from ndgrad.tape import STATE, Remote

stop_gradient = primitive(
    "stop_gradient",
    value=lambda F, x: x.copy() if isinstance(x, Remote) else np.array(x)[()],
    vjps=[NoDerivative("stopped on purpose")],
    shape=lambda x: x,
    example="stop_gradient([1, 2]) -> [1, 2]",
)
detach = primitive(
    "detach",
    value=lambda F, x: x.copy() if isinstance(x, Remote) else np.array(x)[()],
    vjps=[NoDerivative("stopped on purpose")],
    shape=lambda x: x,
    example="detach([1, 2]) -> [1, 2]",
)


@plain_function
def transfer(x: Any, to: Any, back: Any) -> Any:
    """A plain array, copied to another device."""
    if to.device_type == "cpu" and STATE.remote is None:
        return x
    from ndgrad.device.running import moved

    return moved(x, to)


# A copy on another device: `to` and `back` are contexts.
_transfer = primitive(
    "transfer",
    value=lambda F, x, to, back: F.transfer(x, to, back),
    vjps=[lambda F, g, to, back: F.transfer(g, back, to)],
    linear="jointly",
    routes=True,
    shape=lambda x, to, back: x,
    written="{x}",
    internal=True,
)
_transfer.call = lambda *args, **named: general(_transfer, args, named)


def _pulled(F: Any, g: Any, y: Any, arrays: Any, rule: Any) -> Any:
    bars = rule.pull(g, y, arrays)
    for i, (bar, x) in enumerate(zip(bars, arrays, strict=True)):
        if bar is not None and np.shape(bar) != np.shape(x):
            try:
                np.broadcast_shapes(np.shape(bar), np.shape(x))
            except ValueError:
                shapes = problems.shown(np.shape(bar)), problems.shown(np.shape(x))
                reason = f"the gradient of operand {i} is {shapes[0]}, the operand {shapes[1]}"
                raise problems.bad_argument(str(rule), reason) from None
    return bars


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


def _called(arrays: Any, rule: Any) -> Any:
    """The call. Its value may be a batch by what the function closes over, also where no operand is one."""
    if STATE.traces:
        from ndgrad.batching import apply_batched, batch_level

        level = batch_level(rule.value)
        if level > max((getattr(x, "level", 0) for x in arrays), default=0):
            return apply_batched(custom_call, tuple(arrays), (rule,), level)
    return general(custom_call, (arrays, rule), {})


custom_call.call = _called
