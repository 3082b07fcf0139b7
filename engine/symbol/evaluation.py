"""Running a graph function by function, on NDArrays or on placeholders.

On NDArrays this is the eager run: it can be recorded and differentiated like any other. On the
placeholders of a `Trace` it is the lowering: the same functions list what they would do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ndgrad.ndarray import NDArray
from ndgrad.plans import replaced
from ndgrad.plans.tracing import Placeholder, Trace
from ndgrad.shapes import Abstract, Undetermined
from ndgrad.symbol import problems
from ndgrad.symbol.calls import function_of
from ndgrad.symbol.graph import Node, Output, Sub, filled, ordered

UNROLLED = 20_000  # nodes that a loop of known length may become


def run_nodes(outputs: Sequence[Output], given: Mapping[str, Any], trace: Trace | None = None) -> list[Any]:
    """The values of the outputs, from values for the variables by name. E203 for a variable without one."""
    values: dict[int, tuple[Any, ...]] = {}
    order = ordered(outputs)
    missing = list(dict.fromkeys(node.name for node in order if node.variable and given.get(node.name) is None))
    if missing:
        raise problems.missing(missing)
    for node in order:
        if node.variable:
            values[node.id] = (given[node.name],)
        else:
            arrays = [values[below.id][i] for below, i in node.inputs]
            try:
                made = run_node(node, arrays, trace)
            except MemoryError:
                raise problems.out_of_memory(node.name) from None
            except (
                ValueError,
                TypeError,
                LookupError,
                OverflowError,
            ) as error:  # by a graph from a file
                raise problems.cannot_run(node.name, error) from error
            values[node.id] = tuple(made) if isinstance(made, (tuple, list)) else (made,)
            if len(values[node.id]) < node.outputs:
                raise problems.fewer_outputs(node.name, len(values[node.id]), node.outputs)
    return [values[node.id][i] for node, i in outputs]


def run_node(node: Node, arrays: list[Any], trace: Trace | None) -> Any:
    """The value, or the tuple of values, of one node."""
    args, named = filled(node, arrays)
    function = function_of(node.op)
    if trace is None:
        return function(*_callable(args, None), **{k: _callable(v, None) for k, v in named.items()})
    if not any(isinstance(x, Placeholder) for x in arrays) and node.op not in CONTROL:
        return _listed(trace, node, function, args, named)
    if node.op in CONTROL:
        stated = CONTROL[node.op]
        if stated is not None:
            made = stated(node, arrays)
            if made is not None:
                whole = _callable(args, None), {k: _callable(v, None) for k, v in named.items()}
                return trace.called(node.name, function, *whole, made)
    try:
        return function(*_callable(args, trace), **{k: _callable(v, trace) for k, v in named.items()})
    except Undetermined:
        return _listed(trace, node, function, args, named)


def _listed(trace: Trace, node: Node, function: Callable[..., Any], args: Any, named: Any) -> Any:
    """A call that is one step as a whole."""
    whole = _callable(args, None), {k: _callable(v, None) for k, v in named.items()}
    return trace.called(node.name, function, *whole)


def _callable(value: Any, trace: Trace | None) -> Any:
    """The symbols among the arguments as functions of arrays."""
    return replaced(value, lambda leaf: Body(leaf, trace) if leaf.__class__ is Sub else leaf)


class Body:
    """A symbol as a function: of arrays in the order of its names, to the list of its outputs."""

    __slots__ = ("sub", "trace")

    def __init__(self, sub: Sub, trace: Trace | None) -> None:
        self.sub = sub
        self.trace = trace

    def __call__(self, *arrays: NDArray) -> list[Any]:
        given = dict(zip(self.sub.names, arrays, strict=True))
        return run_nodes(self.sub.symbol._outputs, given, self.trace)

    @property
    def length(self) -> int:
        return len(ordered(self.sub.symbol._outputs))


def shapes_within(sub: Sub, arrays: Sequence[Any]) -> list[Abstract]:
    """What the outputs of a body are, from what goes in."""
    trace = Trace()
    with trace.open():
        inside = [trace.register(x.shape, x.dtype) for x in arrays]
        made = Body(sub, trace)(*inside)
    return [Abstract(y.shape, y.dtype) for y in made]


def _foreach_shapes(node: Node, arrays: list[Any]) -> Any:
    """None for a loop that is short enough to be unrolled, else the shapes of what it gives."""
    args, _ = filled(node, arrays)
    body, data, states = args[0], args[1], args[2]
    n = data[0].shape[0] if data else 0
    if n * len(ordered(body.symbol._outputs)) <= UNROLLED:
        return None
    rows = [Abstract(x.shape[1:], x.dtype) for x in data]
    made = shapes_within(body, [*rows, *states, *args[3]])
    count = len(made) - len(states)
    return (*(Abstract((n, *y.shape), y.dtype) for y in made[:count]), *made[count:])


class _Unknown:
    """An output whose shape only a run can tell."""

    def __init__(self, dtype: Any) -> None:
        self.shape = None
        self.dtype = dtype


def _while_shapes(node: Node, arrays: list[Any]) -> Any:
    """The states keep their shapes; how many rounds there are is not known."""
    args, _ = filled(node, arrays)
    states, free = args[2], args[3]
    made = shapes_within(args[1], [*states, *free])
    count = len(made) - len(states)
    return (*(_Unknown(y.dtype) for y in made[:count]), *made[count:])


def _cond_shapes(node: Node, arrays: list[Any]) -> Any:
    """Both branches give the same shapes, or the shape is not known."""
    args, _ = filled(node, arrays)
    sides = [shapes_within(args[i], args[3]) for i in (1, 2)]
    if len(sides[0]) != len(sides[1]):
        raise problems.sides_differ(len(sides[0]), len(sides[1]))
    pairs = zip(*sides, strict=True)
    return tuple(a if a.shape == b.shape else _Unknown(a.dtype) for a, b in pairs)


# Calls that a graph makes: how to know what they give without running them. None: run them on placeholders.
CONTROL: dict[str, Callable[[Node, list[Any]], Any] | None] = {
    "contrib._foreach": _foreach_shapes,
    "contrib._while_loop": _while_shapes,
    "contrib._cond": _cond_shapes,
    "gradient": None,
}


def lowered(
    outputs: Sequence[Output], given: Mapping[str, Any], whole: bool = False
) -> tuple[Trace, dict[str, Placeholder], list[Any]]:
    """The steps of the outputs, the placeholders of the variables, and what stands for each output.

    given: for each variable something with its shape and dtype. Undetermined where a shape depends on values.
    """
    trace = Trace(whole)
    with trace.open():
        inside = {name: trace.register(x.shape, x.dtype) for name, x in given.items()}
        made = run_nodes(outputs, inside, trace)
    return trace, inside, made
