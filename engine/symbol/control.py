"""Loops and branches in graphs: `sym.contrib`.

The body is called once, on variables; what it makes becomes a symbol of its own inside the loop's node.
Symbols from outside that it uses, and variables that it makes, go into the loop as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ndgrad.symbol import problems
from ndgrad.symbol.calls import call
from ndgrad.symbol.graph import VARIABLE, Node, Output, Sub, name_for, ordered
from ndgrad.symbol.symbol import Symbol
from ndgrad.tape import tick

__all__ = ["cond", "foreach", "while_loop"]


def foreach(body: Callable[[Any, Any], tuple[Any, Any]], data: Any, init_states: Any, name: str | None = None) -> Any:
    """Run body(slice, states) → (output, states) over the first axis of `data`; see nd.contrib.foreach."""
    title = name or name_for("foreach")
    rows, states = _listed(data), _listed(init_states)
    start = tick()
    slices = _variables(title, "data", len(rows))
    inside = _variables(title, "state", len(states))
    output, last = body(_alike(data, slices), _alike(init_states, inside))
    made = [*_listed(output), *_listed(last)]
    if len(_listed(last)) != len(states):
        raise problems.states_differ("foreach", len(states), len(_listed(last)))
    free, bodies = _closed([made], [*slices, *inside], start, title)
    count = len(_listed(output))
    loop = call("contrib._foreach", (bodies[0], rows, states, free), {}, name=title, outputs=len(made))
    outputs = list(loop)
    return _alike(output, outputs[:count]), _alike(init_states, outputs[count:])


def while_loop(
    cond: Callable[..., Any],
    func: Callable[..., tuple[Any, Any]],
    loop_vars: Any,
    max_iterations: int | None = None,
    name: str | None = None,
) -> Any:
    """While cond(*loop_vars), run func(*loop_vars) → (output, loop_vars); see nd.contrib.while_loop.

    How long the outputs are is known when it runs, so an executor with such a loop whose outputs are used
    makes no plan.
    """
    title = name or name_for("while_loop")
    states = _listed(loop_vars)
    start = tick()
    inside = _variables(title, "state", len(states))
    going = cond(*inside)
    output, last = func(*inside)
    made = [*_listed(output), *_listed(last)]
    if len(_listed(last)) != len(states):
        raise problems.states_differ("while_loop", len(states), len(_listed(last)))
    free, bodies = _closed([[going], made], inside, start, title)
    named = {} if max_iterations is None else {"max_iterations": int(max_iterations)}
    loop = call("contrib._while_loop", (*bodies, states, free), named, name=title, outputs=len(made))
    count = len(_listed(output))
    outputs = list(loop)
    return _alike(output, outputs[:count]), _alike(loop_vars, outputs[count:])


def cond(pred: Symbol, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str | None = None) -> Any:
    """then_func() where pred is true, else else_func(); both must give as many symbols. E307."""
    title = name or name_for("cond")
    start = tick()
    then, otherwise = then_func(), else_func()
    sides = [_listed(then), _listed(otherwise)]
    if len(sides[0]) != len(sides[1]):
        raise problems.sides_differ(len(sides[0]), len(sides[1]))
    free, bodies = _closed(sides, [], start, title)
    made = call("contrib._cond", (pred, *bodies, free), {}, name=title, outputs=len(sides[0]))
    return _alike(then, list(made))


def __getattr__(name: str) -> Any:
    from ndgrad import contrib

    if name.startswith("_") or not hasattr(contrib, name):
        raise AttributeError(f"sym.contrib has no function {name!r}")
    from ndgrad.symbol.calls import maker

    return maker(f"contrib.{name}")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _alike(like: Any, values: Sequence[Any]) -> Any:
    return list(values) if isinstance(like, (list, tuple)) or like is None else values[0]


def _variables(title: str, kind: str, count: int) -> list[Symbol]:
    return [Symbol([(Node(VARIABLE, f"{title}_{kind}{i}"), 0)]) for i in range(count)]


def _closed(
    bodies: Sequence[Sequence[Any]], parameters: Sequence[Symbol], start: int, title: str
) -> tuple[list[Symbol], list[Sub]]:
    """The bodies as symbols of their parameters and of what they take from outside, and a list of that."""
    own = {symbol._outputs[0][0].id for symbol in parameters}
    outside: dict[Output, Node] = {}

    def from_outside(output: Output) -> Output:
        if output not in outside:
            node, index = output
            label = node.name if node.variable else f"{title}_from_{node.name}{index or ''}"
            outside[output] = Node(VARIABLE, label)
        return outside[output], 0

    closed = []
    for body in bodies:
        heads = []
        for symbol in body:
            if not isinstance(symbol, Symbol) or len(symbol._outputs) != 1:
                raise problems.one_output_needed(title)
            heads.append(symbol._outputs[0])
        closed.append(Symbol(_cut(heads, own, start, from_outside)))
    names = [symbol._outputs[0][0].name for symbol in parameters] + [node.name for node in outside.values()]
    if len(set(names)) != len(names):
        raise problems.given_twice(next(n for n in names if names.count(n) > 1))
    return [Symbol([output]) for output in outside], [Sub(symbol, tuple(names)) for symbol in closed]


def _cut(heads: Sequence[Output], own: set[int], start: int, from_outside: Callable[[Output], Output]) -> list[Output]:
    """The outputs with everything older than `start`, and every variable but the parameters, as variables."""
    made: dict[int, Node] = {}

    def moved(output: Output) -> Output:
        node, index = output
        if node.id in own:
            return output
        if node.variable or node.id < start:
            return from_outside(output)
        return made[node.id], index

    for node in ordered(heads):
        if not node.variable and node.id >= start:
            inputs = tuple(moved(below) for below in node.inputs)
            made[node.id] = Node(node.op, node.name, inputs, node.args, node.named, node.attrs, node.outputs)
    return [moved(output) for output in heads]
