"""Shapes and dtypes of a graph from some of them, forward and back, until nothing new follows.

Forward, a function is run on placeholders. Back, an operation whose operands' shapes can be deduced has an
entry in `DEDUCED`: from the shapes known so far to those of its other operands. Elementwise
operations need none: an operand of unknown shape is taken to have the shape of the result.
In a shape that is given, 0 stands for a size that is to be found.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.ops import lookup
from ndgrad.plans import replaced
from ndgrad.plans.tracing import Trace
from ndgrad.shapes import Abstract, Undetermined
from ndgrad.shapes import infer as infer_operation
from ndgrad.symbol import problems
from ndgrad.symbol.calls import CORE, _primitive_of
from ndgrad.symbol.evaluation import lowered, run_node
from ndgrad.symbol.graph import Node, Slot, Sub, ordered
from ndgrad.symbol.symbol import Symbol

Shape = tuple[int, ...]
Known = dict[tuple[int, int], Shape]  # (id of the node, number of its output) → shape
FLOAT = np.dtype(np.float32)


def infer_shape(symbol: Symbol, shapes: Sequence[Any], named: Mapping[str, Any], partial: bool) -> tuple[Any, Any, Any]:
    """`Symbol.infer_shape` and `infer_shape_partial`."""
    arguments, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    if len(shapes) > len(arguments):
        raise problems.wrong_count(len(shapes), arguments, "shapes")
    given = {name: s for name, s in zip(arguments, shapes, strict=False) if s is not None} | dict(named)
    found, outputs = shapes_of(symbol, given)
    undecided = [name for name in (*arguments, *states) if name not in found]
    if undecided and not partial:
        raise problems.undecided(undecided)
    if not partial and any(s is None for s in outputs):
        at = [s is None for s in outputs].index(True)
        raise problems.undecided_value(symbol.list_outputs()[at])
    return [found.get(n) for n in arguments], outputs, [found.get(n) for n in states]


def shapes_of(symbol: Symbol, given: Mapping[str, Any]) -> tuple[dict[str, Shape], list[Shape | None]]:
    """The shapes of the variables that can be decided, by name, and of the outputs (None where undecided)."""
    order = ordered(symbol._outputs)
    variables = {node.name: node for node in order if node.variable}
    for name in given:
        if name not in variables:
            raise problems.unknown_variable("this symbol", name, list(variables))
    dtypes = infer_dtypes(symbol, {})
    search = _Search(order, dtypes)
    for name, node in variables.items():
        shape = given.get(name)
        if shape is None and "__shape__" in node.attrs:
            shape = ast.literal_eval(node.attrs["__shape__"])
        if shape is not None:
            shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
            search.state(node, 0, shape)
    search.run()
    found = {name: search.known[node.id, 0] for name, node in variables.items() if (node.id, 0) in search.known}
    outputs: list[Shape | None] = [search.known.get((node.id, i)) for node, i in symbol._outputs]
    if len(found) == len(variables):  # once more in one piece: dtypes are then exact too
        given_all = {name: Abstract(shape, dtypes[name]) for name, shape in found.items()}
        try:
            with autograd.pause():
                _, _, made = lowered(symbol._outputs, given_all)
            outputs = [getattr(y, "_shape", None) if hasattr(y, "_shape") else np.shape(y) for y in made]
        except Undetermined:
            pass
    return found, outputs


class _Search:
    """What is known so far, and the walks that add to it."""

    def __init__(self, order: list[Node], dtypes: Mapping[str, Any]) -> None:
        self.order = order
        self.dtypes = dtypes
        self.known: Known = {}
        self.hints: Known = {}  # shapes with sizes that are to be found
        self.named: dict[tuple[int, int], str] = {(n.id, 0): n.name for n in order if n.variable}
        self.done: set[int] = set()
        self.changed = False

    def state(self, node: Node, index: int, shape: Shape) -> None:
        """Enter a shape. E304 if another is known."""
        place = node.id, index
        if any(n in (0, -1) for n in shape) and place not in self.known:
            self.hints[place] = shape
            return
        hint = self.hints.get(place)
        if hint is not None and (
            len(hint) != len(shape) or any(h not in (0, -1, n) for h, n in zip(hint, shape, strict=True))
        ):
            raise problems.shapes_disagree(node.name, hint, shape)
        before = self.known.get(place)
        if before is None:
            self.known[place] = shape
            self.changed = True
        elif before != shape and node.variable:
            raise problems.shapes_disagree(node.name, before, shape)

    def run(self) -> None:
        self.changed = True
        while self.changed:
            self.changed = False
            for node in self.order:
                self.forward(node)
            for node in reversed(self.order):
                self.back(node)

    def forward(self, node: Node) -> None:
        """The outputs of a node all of whose inputs are known."""
        if node.variable or node.id in self.done or any((n.id, i) not in self.known for n, i in node.inputs):
            return
        self.done.add(node.id)
        trace = Trace()
        try:
            with autograd.pause(), trace.open():
                arrays = [
                    trace.register(self.known[n.id, i], self.dtypes.get(n.name, FLOAT) if n.variable else FLOAT)
                    for n, i in node.inputs
                ]
                made = run_node(node, arrays, trace)
        except Undetermined:
            return
        for i, y in enumerate(made if isinstance(made, (tuple, list)) else (made,)):
            shape = y._shape if hasattr(y, "_shape") else np.shape(y)
            if shape is not None:
                self.state(node, i, shape)

    def back(self, node: Node) -> None:
        """The inputs of a node that follow from its outputs and its other inputs."""
        if node.variable or all((n.id, i) in self.known for n, i in node.inputs):
            return
        shapes = [self.known.get((n.id, i)) for n, i in node.inputs]
        out = self.known.get((node.id, 0))
        rule = DEDUCED.get(node.op)
        if rule is not None:
            made = rule(node, shapes, out)
        elif _same_shape(node.op):
            shape = out or next((s for s in shapes if s is not None), None)
            made = {} if shape is None else {i: shape for i, s in enumerate(shapes) if s is None}
        else:
            return
        for i, shape in made.items():
            self.state(*node.inputs[i], shape)


# Operations that are not elementwise and yet give the shape of their operand.
_KEEPING_NAMES = """
    softmax log_softmax cumsum cumprod cummax cummin sort argsort flip reverse Activation LeakyReLU Dropout BlockGrad
    identity cast Cast SoftmaxActivation make_loss MakeLoss smooth_l1 stop_gradient rsqrt rcbrt degrees radians
    astype add_n ElementWiseSum elemwise_add elemwise_sub elemwise_mul elemwise_div zeros_like ones_like
"""
_KEEPING = frozenset(_KEEPING_NAMES.split())


def _same_shape(op: str) -> bool:
    name = op.removeprefix(CORE)
    if name in _KEEPING:
        return True
    found = lookup(name) if op.startswith(CORE) else _primitive_of(op)
    return found is not None and found.elementwise


def _places(node: Node) -> dict[str, int]:
    """The inputs of a node by the names of the parameters."""
    return {name: v.index for name, v in node.named.items() if v.__class__ is Slot}


def _of(node: Node, shapes: Sequence[Any], parameter: str) -> Any:
    at = _places(node).get(parameter)
    return None if at is None else shapes[at]


def _filled(node: Node, **shapes: Any) -> dict[int, Shape]:
    places = _places(node)
    return {places[name]: shape for name, shape in shapes.items() if name in places and shape is not None}


def _fully_connected(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    data, weight = _of(node, shapes, "data"), _of(node, shapes, "weight")
    bias = _of(node, shapes, "bias")
    flat = node.named.get("flatten", True)
    hidden = node.named.get("num_hidden") or (weight and weight[0]) or (bias and bias[0]) or (out and out[-1])
    made: dict[str, Any] = {}
    if hidden:
        made["bias"] = (hidden,)
        if data is not None:
            made["weight"] = (hidden, prod(data[1:]) if flat else data[-1])
    if weight is not None and out is not None:
        if not flat:
            made["data"] = (*out[:-1], weight[1])
        else:
            made["data"] = (out[0], weight[1])
    if data is not None:
        made.pop("data", None)
    return _filled(node, **made)


def _convolution(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    data, filters = _of(node, shapes, "data"), node.named.get("num_filter")
    if data is None or not filters:
        return {}
    kernel = tuple(node.named["kernel"])
    return _filled(node, weight=(filters, data[1] // node.named.get("num_group", 1), *kernel), bias=(filters,))


def _batch_norm(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    data = _of(node, shapes, "data") or out
    if data is None:
        return {}
    each = (data[node.named.get("axis", 1)],)
    return _filled(node, data=data, gamma=each, beta=each, moving_mean=each, moving_var=each)


def _layer_norm(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    data = _of(node, shapes, "data") or out
    if data is None:
        return {}
    each = (data[node.named.get("axis", -1)],)
    return _filled(node, data=data, gamma=each, beta=each)


def _embedding(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    rows, width = node.named.get("input_dim"), node.named.get("output_dim")
    made: dict[str, Any] = {"weight": (rows, width) if rows and width else None}
    if out is not None:
        made["data"] = out[:-1]
    return _filled(node, **made)


def _softmax_output(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    data = _of(node, shapes, "data") or out
    if data is None:
        return {}
    label = data[:-1] if node.named.get("preserve_shape") else data[:1]
    label = (data[0], *data[2:]) if node.named.get("multi_output") else label
    return _filled(node, data=data, label=label)


def _regression(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    data = _of(node, shapes, "data") or out or _of(node, shapes, "label")
    return {} if data is None else _filled(node, data=data, label=data)


def _in_bodies(node: Node, shapes: Sequence[Any], out: Shape | None) -> dict[int, Shape]:
    """What the bodies of a loop or a branch say of the arrays that go into them."""
    bodies = [a for a in node.args if a.__class__ is Sub]
    lists = [a for a in node.args if isinstance(a, list)]
    slots = [slot.index for listed in lists for slot in listed]
    rows = len(lists[0]) if node.op == "contrib._foreach" else 0
    found: dict[int, Shape] = {}
    for body in bodies:
        outputs = body.symbol._outputs
        search = _Search(ordered(outputs), {})
        inside = {n.name: n for n in search.order if n.variable}
        for k, (slot, name) in enumerate(zip(slots, body.names, strict=True)):
            shape = shapes[slot]
            if shape is not None and name in inside:
                search.state(inside[name], 0, shape[1:] if k < rows else shape)
        search.run()
        states = len(slots) - rows - len(lists[-1])
        for k, (slot, name) in enumerate(zip(slots, body.names, strict=True)):
            shape = search.known.get((inside[name].id, 0)) if name in inside else None
            if shape is None and rows <= k < rows + states and len(outputs) >= states:
                after, i = outputs[len(outputs) - states + k - rows]  # a state keeps its shape
                shape = search.known.get((after.id, i))
            if shape is not None and k >= rows and shapes[slot] is None:
                found[slot] = shape
    return found


Deduction = Callable[[Node, Sequence[Any], Any], dict[int, Shape]]
DEDUCED: dict[str, Deduction] = {
    "FullyConnected": _fully_connected,
    "Convolution": _convolution,
    "BatchNorm": _batch_norm,
    "LayerNorm": _layer_norm,
    "Embedding": _embedding,
    "SoftmaxOutput": _softmax_output,
    "Softmax": _softmax_output,
    "LinearRegressionOutput": _regression,
    "LogisticRegressionOutput": _regression,
    "MAERegressionOutput": _regression,
    **dict.fromkeys(("contrib._foreach", "contrib._while_loop", "contrib._cond"), _in_bodies),
}


# Dtypes


def infer_type(symbol: Symbol, dtypes: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """`Symbol.infer_type`: NumPy's types, as MXNet gives them."""
    arguments, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    if len(dtypes) > len(arguments):
        raise problems.wrong_count(len(dtypes), arguments, "dtypes")
    given = {name: d for name, d in zip(arguments, dtypes, strict=False) if d is not None} | dict(named)
    kinds = infer_dtypes(symbol, given)
    values: dict[int, tuple[np.dtype[Any], ...]] = {}
    for node in ordered(symbol._outputs):
        if node.variable:
            values[node.id] = (kinds[node.name],)
        else:
            values[node.id] = _dtypes_given(node, [values[n.id][i] for n, i in node.inputs])
    outputs = [values[node.id][i].type for node, i in symbol._outputs]
    return [kinds[n].type for n in arguments], outputs, [kinds[n].type for n in states]


def infer_dtypes(symbol: Symbol, given: Mapping[str, Any]) -> dict[str, np.dtype[Any]]:
    """The dtype of each variable: as given, as it says itself, else the one float dtype that is given, else float32."""
    names = symbol.list_inputs()
    for name in given:
        if name not in names:
            raise problems.unknown_variable("this symbol", name, names)
    made = {name: np.dtype(d) for name, d in given.items()}
    for node in ordered(symbol._outputs):
        if node.variable and node.name not in made and "__dtype__" in node.attrs:
            made[node.name] = np.dtype(node.attrs["__dtype__"])
    floats = {d for d in made.values() if d.kind == "f"}
    usual = next(iter(floats)) if len(floats) == 1 else FLOAT
    return {name: made.get(name, usual) for name in names}


def _dtypes_given(node: Node, inputs: list[np.dtype[Any]]) -> tuple[np.dtype[Any], ...]:
    """The dtypes of a node's outputs, from those of its inputs alone."""
    stated = node.named.get("dtype")
    if stated is None and node.op in (CORE + "astype", "cast", "Cast", "astype") and len(node.args) > 1:
        stated = node.args[1]
    if stated is not None:
        return (np.dtype(stated),) * node.outputs
    found = _primitive_of(node.op)
    if found is not None and not found.gathers:
        from ndgrad.apply import bind

        operands, statics = bind(found, node.args, node.named)

        def scalar(leaf: Any) -> Any:
            return Abstract((), inputs[leaf.index]) if leaf.__class__ is Slot else leaf

        if found.dtype is not None:
            kinds = tuple(
                getattr(scalar(x), "dtype", FLOAT) for x in replaced(operands, lambda x: x) if x.__class__ is Slot
            )
            try:
                made = found.dtype(*((kinds,) if found.variadic else kinds), *statics)
            except TypeError:
                made = None
            if made is not None:
                return made if isinstance(made, tuple) else (made,) * node.outputs
        if found.elementwise:
            made = infer_operation(found, replaced(operands, scalar), statics)
            return (made.dtype,)
    if node.op in _TRUTHS:
        first = inputs[0]
        return (first if first.kind == "f" else FLOAT,)
    floats = [d for d in inputs if d.kind == "f"]
    common = np.result_type(*(floats or inputs)) if inputs else FLOAT
    return (common,) * node.outputs


_TRUTH_NAMES = """
    equal not_equal greater greater_equal lesser lesser_equal broadcast_equal broadcast_not_equal broadcast_greater
    broadcast_greater_equal broadcast_lesser broadcast_lesser_equal
"""
_TRUTHS = frozenset(_TRUTH_NAMES.split())
