"""What functions of functions give where only shapes are known: grad, jacobian, vmap, scan and their like.

The function itself is followed with the arguments that it would get. A rule takes the world, the call, and its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ndgrad.lang import syntax, transfer
from ndgrad.lang.abstract import UNKNOWN, Closure, Derived, Unsure, Weak, is_number, join, same
from ndgrad.primitive import Primitive
from ndgrad.shapes import Abstract

if TYPE_CHECKING:
    from ndgrad.lang.shape_expressions import Expressions

Rule = Callable[..., Any]


def array_of(world: Expressions, node: syntax.Node, value: Any) -> Any:
    """A value as an array, or UNKNOWN."""
    if value is UNKNOWN:
        return UNKNOWN
    made = world.attempt(node, lambda given: transfer.operand(given, "a derivative", node.span), value)
    return Unsure(()) if is_number(made) or isinstance(made, Weak) else made


def positions(function: Any, wrt: Any) -> tuple[int, ...] | None:
    """The places of the arguments that `wrt` names; None where that is not plain."""
    names: list[str] = []
    if isinstance(function, Closure):
        names = [parameter.name for parameter in function.node.parameters]
    elif isinstance(function, Primitive):
        names = [parameter.name for parameter in function.signature]
    found = []
    for one in wrt if isinstance(wrt, tuple) else (wrt,):
        place = names.index(one) if isinstance(one, str) and one in names else one
        if place.__class__ is not int or place < 0:
            return None
        found.append(place)
    return tuple(found)


def applied(world: Expressions, node: syntax.Node, function: Any, wrt: Any, values: tuple[Any, ...]) -> Any:
    """The value of a function, and the arrays that it is differentiated by; None where that is not known."""
    at = positions(function, wrt)
    if at is None or max(at, default=0) >= len(values):
        return None
    given = [array_of(world, node, value) if i in at else value for i, value in enumerate(values)]
    y = world.call_value(function, given, {}, node)
    return y, [given[i] for i in at]


def like(x: Any, shape: tuple[int, ...] = ()) -> Any:
    """An array of shape + x.shape with derivatives by x."""
    if not isinstance(x, Abstract):
        return UNKNOWN
    whole = (*shape, *x.shape)
    return Unsure(whole) if isinstance(x, Unsure) or x.dtype.kind != "f" else Abstract(whole, x.dtype)


def several(wrt: Any, parts: list[Any]) -> Any:
    return tuple(parts) if isinstance(wrt, tuple) else parts[0]


def value_and_grad(world: Expressions, node: syntax.Node, function: Any, wrt: Any = 0, mode: Any = None) -> Any:
    def call(world: Expressions, here: syntax.Node, *values: Any) -> Any:
        made = applied(world, here, function, wrt, values)
        if made is None:
            return UNKNOWN
        y, chosen = made
        value = Unsure(()) if is_number(y) or isinstance(y, Weak) else y
        return value, several(wrt, [like(x) for x in chosen])

    return Derived("value_and_grad", (function, wrt), call)


def grad(world: Expressions, node: syntax.Node, function: Any, wrt: Any = 0, mode: Any = None) -> Any:
    both = value_and_grad(world, node, function, wrt)

    def call(world: Expressions, here: syntax.Node, *values: Any) -> Any:
        made = both.call(world, here, *values)
        return made[1] if made.__class__ is tuple else UNKNOWN

    return Derived("grad", (function, wrt), call)


def jacobian(world: Expressions, node: syntax.Node, function: Any, wrt: Any = 0, mode: Any = None) -> Any:
    def call(world: Expressions, here: syntax.Node, *values: Any) -> Any:
        made = applied(world, here, function, wrt, values)
        y = None if made is None else array_of(world, here, made[0]) if made[0] is not None else UNKNOWN
        if made is None or not isinstance(y, Abstract):
            return UNKNOWN
        return several(wrt, [like(x, y.shape) for x in made[1]])

    return Derived("jacobian", (function, wrt), call)


def hessian(world: Expressions, node: syntax.Node, function: Any, wrt: Any = 0) -> Any:
    def call(world: Expressions, here: syntax.Node, *values: Any) -> Any:
        made = applied(world, here, function, wrt, values)
        if made is None:
            return UNKNOWN
        return several(wrt, [like(x, x.shape) if isinstance(x, Abstract) else UNKNOWN for x in made[1]])

    return Derived("hessian", (function, wrt), call)


def jvp(world: Expressions, node: syntax.Node, function: Any, primal: Any, tangent: Any) -> Any:
    made = applied(world, node, function, 0, (primal,))
    y = UNKNOWN if made is None else made[0]
    return Unsure(y.shape) if isinstance(y, Abstract) else UNKNOWN


def by_argument(world: Expressions, node: syntax.Node, function: Any, primal: Any, other: Any) -> Any:
    """vjp and hvp: of the shape of the argument."""
    made = applied(world, node, function, 0, (primal,))
    return UNKNOWN if made is None else like(made[1][0])


def vmap(world: Expressions, node: syntax.Node, function: Any) -> Any:
    def call(world: Expressions, here: syntax.Node, *values: Any) -> Any:
        given = []
        count = None
        for value in values:
            x = array_of(world, here, value)
            if not isinstance(x, Abstract) or not x.shape:
                return UNKNOWN
            count = x.shape[0]
            given.append(transfer.rows(x, here.span)[0])
        y = world.unsure(world.call_value, function, given, {}, here)
        return UNKNOWN if count is None else _batch(y, count)

    return Derived("vmap", (function,), call)


def _batch(y: Any, count: int) -> Any:
    if y.__class__ is tuple:
        return tuple(_batch(part, count) for part in y)
    return Unsure((count, *y.shape)) if isinstance(y, Abstract) else UNKNOWN


def map_(world: Expressions, node: syntax.Node, function: Any, values: Any) -> Any:
    found = world.attempt(node, lambda given: transfer.rows(given, node.span), values)
    row, count = (UNKNOWN, None) if found is UNKNOWN else found
    y = world.unsure(world.call_value, function, [row], {}, node)
    return UNKNOWN if count is None else _stack(y, count)


def _stack(y: Any, count: int) -> Any:
    if is_number(y):
        return Unsure((count,))
    return Unsure((count, *y.shape)) if isinstance(y, Abstract) and count else UNKNOWN


def scan(world: Expressions, node: syntax.Node, function: Any, carry: Any, values: Any) -> Any:
    found = world.attempt(node, lambda given: transfer.rows(given, node.span), values)
    row, count = (UNKNOWN, None) if found is UNKNOWN else found
    y: Any = UNKNOWN
    for round in range(4):
        if round == 3:
            carry = UNKNOWN
        made = world.unsure(world.call_value, function, [carry, row], {}, node)
        if made.__class__ is not tuple or len(made) != 2:
            return UNKNOWN
        merged = join(carry, made[0])
        y = made[1]
        if same(merged, carry):
            break
        carry = merged
    return carry, UNKNOWN if count is None else _stack(y, count)


def checkpoint(world: Expressions, node: syntax.Node, function: Any, *rule: Any) -> Any:
    """checkpoint and custom_gradient: the function itself, of arrays."""

    def call(world: Expressions, here: syntax.Node, *values: Any) -> Any:
        return world.call_value(function, [array_of(world, here, value) for value in values], {}, here)

    return Derived("checkpoint", (function,), call)


def fixed_point(world: Expressions, node: syntax.Node, function: Any, start: Any) -> Any:
    x = array_of(world, node, start)
    return join(x, world.call_value(function, [x], {}, node))


DERIVED: dict[str, Rule] = {
    "grad": grad,
    "value_and_grad": value_and_grad,
    "jacobian": jacobian,
    "hessian": hessian,
    "jvp": jvp,
    "vjp": by_argument,
    "hvp": by_argument,
    "vmap": vmap,
    "map": map_,
    "scan": scan,
    "checkpoint": checkpoint,
    "custom_gradient": checkpoint,
    "fixed_point": fixed_point,
}
