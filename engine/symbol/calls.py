"""Calls that make symbols: every function of `nd` by its name, with variables made for parameters left out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from ndgrad import problems
from ndgrad.aliases import aliased, behind, renamed
from ndgrad.frozen import Frozen
from ndgrad.ndarray import NDArray
from ndgrad.ops import find, lookup
from ndgrad.plans import replaced
from ndgrad.primitive import Primitive
from ndgrad.symbol.graph import VARIABLE, Node, Output, Slot, Sub, name_for
from ndgrad.symbol.symbol import Symbol

CORE = "core."


class Layer(Frozen):
    """A function whose parameters become variables where they are left out.

    parameters   their names, in the order of the call
    unless       a parameter, and the keyword argument that makes it unnecessary
    """

    parameters: tuple[str, ...]
    unless: tuple[str, str] | None = None


LAYERS = {
    "FullyConnected": Layer(("data", "weight", "bias"), ("bias", "no_bias")),
    "Convolution": Layer(("data", "weight", "bias"), ("bias", "no_bias")),
    "BatchNorm": Layer(("data", "gamma", "beta", "moving_mean", "moving_var")),
    "LayerNorm": Layer(("data", "gamma", "beta")),
    "Embedding": Layer(("data", "weight")),
    **{
        name: Layer(("data", "label"))
        for name in ("SoftmaxOutput", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput")
    },
}
LAYERS["Softmax"] = LAYERS["SoftmaxOutput"]
_SHARED_WITH_NAME = frozenset({"label"})  # softmax_label, as training loops expect


CREATORS = frozenset({"zeros", "ones", "full", "eye", "arange", "linspace"})
_NOT_DRAWN = frozenset({"seed"})  # of nd.random: what it does to the thread's state is no part of a graph


def is_function(op: Any) -> bool:
    """Whether a node may call `op`: an operation, a function of arrays under a name of MXNet's, or a loop or branch.

    Graphs come from files, too: nothing else that can be reached from `nd` by a name is a function here.
    """
    if not isinstance(op, str):
        return False
    space, _, name = op.rpartition(".")
    if space == "":
        return name == "gradient" or name in CREATORS or aliased(name) is not None or find(name) is not None
    if space == "core":
        return lookup(name) is not None
    if space == "linalg":
        return aliased(f"linalg_{name}") is not None or find(name) is not None
    if space == "random":
        from ndgrad import random

        made = random.__dict__.get(name)
        here = inspect.isfunction(made) and made.__module__ == random.__name__
        return here and not name.startswith("_") and name not in _NOT_DRAWN
    if space == "contrib":
        from ndgrad import contrib
        from ndgrad.symbol.evaluation import CONTROL

        return op in CONTROL or name in contrib.FUNCTIONS
    return False


def function_of(op: str) -> Callable[..., Any]:
    """What a node's `op` calls, over NDArrays. AttributeError for a name that is no function of arrays."""
    if not is_function(op):
        raise AttributeError(f"{op!r} is no operation of this version")
    space, _, name = op.rpartition(".")
    found: Callable[..., Any]
    if space == "core":
        found = lookup(name).call  # type: ignore[union-attr]
    elif space == "contrib":
        from ndgrad import contrib

        found = getattr(contrib, name)
    elif op == "gradient":
        from ndgrad.symbol.derivative import gradient_of

        found = gradient_of
    else:
        from ndgrad import nd

        found = getattr(getattr(nd, space) if space else nd, name)
    return found


def _primitive_of(op: str) -> Primitive | None:
    """The operation that a call goes to directly, without a reading of its own."""
    if op.startswith("linalg."):
        name = op.partition(".")[2]
        return behind(f"linalg_{name}") or (find(name) if aliased(f"linalg_{name}") is None else None)
    if "." in op:
        return lookup(op[len(CORE) :]) if op.startswith(CORE) else None
    return None if op == "gradient" else behind(op)


@cache
def _signature(op: str) -> inspect.Signature | None:
    """The parameters of a function that is no bare operation."""
    target = (None if "." in op else aliased(op)) or function_of(op)
    try:
        return inspect.signature(target)
    except (TypeError, ValueError):
        return None


def check(op: str, args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """E204 for arguments that the function does not take."""
    primitive = _primitive_of(op)
    if primitive is not None:
        if not primitive.gathers:
            from ndgrad.apply import bind

            bind(primitive, args, named)
        return
    signature = _signature(op)
    if signature is not None:
        try:
            signature.bind(*args, **named)
        except TypeError as error:
            raise problems.wrong_call(op, str(error)) from None


def outputs_of(op: str, args: tuple[Any, ...], named: dict[str, Any]) -> int:
    """How many outputs the call has."""
    if op in ("split", "SliceChannel"):
        return int(named["num_outputs"] if "num_outputs" in named else args[1])
    if op == "topk":
        return 2 if (named.get("ret_typ") or (args[3] if len(args) > 3 else "indices")) == "both" else 1
    if op in (CORE + "split", CORE + "meshgrid"):
        sections = args[1] if len(args) > 1 else named.get("indices_or_sections")
        return sections if isinstance(sections, int) else len(sections or ()) + 1
    if op == "moments":
        return 2
    if op == "split_v2":
        sections = args[1] if len(args) > 1 else named["indices_or_sections"]
        return sections if isinstance(sections, int) else len(sections) + 1
    primitive = _primitive_of(op)
    return 1 if primitive is None else primitive.outputs


def call(
    op: str,
    args: tuple[Any, ...],
    named: dict[str, Any],
    name: str | None = None,
    attr: dict[str, str] | None = None,
    outputs: int | None = None,
) -> Symbol:
    """The symbol of one call. Every Symbol in the arguments becomes an input. E204, E307."""
    title = name if name is not None else name_for(op)
    primitive = _primitive_of(op)
    if primitive is not None:
        named = renamed(primitive, named)
    if op in LAYERS:
        args, named = _with_parameters(LAYERS[op], args, named, title)
    inputs: list[Output] = []

    def change(leaf: Any) -> Any:
        if isinstance(leaf, Symbol):
            if len(leaf._outputs) != 1:
                from ndgrad.symbol.problems import one_output_needed

                raise one_output_needed(title)
            if leaf._outputs[0] in inputs:
                return Slot(inputs.index(leaf._outputs[0]))
            inputs.append(leaf._outputs[0])
            return Slot(len(inputs) - 1)
        return leaf

    args = tuple(replaced(a, change) for a in map(_spread, args))
    named = {key: replaced(_spread(v), change) for key, v in named.items()}
    check(op, args, named)
    count = outputs if outputs is not None else outputs_of(op, args, named)
    node = Node(op, title, tuple(inputs), args, named, dict(attr or {}), count)
    return Symbol([(node, i) for i in range(count)])


def _spread(value: Any) -> Any:
    """A group of outputs as the list of them, where it stands for a list of arrays."""
    return list(value) if isinstance(value, Symbol) and len(value._outputs) > 1 else value


def _with_parameters(layer: Layer, args: tuple[Any, ...], named: dict[str, Any], title: str) -> Any:
    """The call with every array by its name, and a variable for each that was left out."""
    given = dict(zip(layer.parameters, args, strict=False))
    others = args[len(layer.parameters) :]
    if others:
        raise problems.wrong_call(title, f"takes {len(layer.parameters)} arrays; give the rest by name")
    named = {**given, **named}
    for parameter in layer.parameters:
        needless = layer.unless is not None and layer.unless[0] == parameter and named.get(layer.unless[1])
        if named.get(parameter) is None and not needless:
            named[parameter] = Symbol([(Node(VARIABLE, f"{title}_{parameter}"), 0)])
    arrays = {key: named.pop(key) for key in layer.parameters if named.get(key) is not None}
    return (), {**arrays, **named}


def maker(op: str) -> Callable[..., Symbol]:
    """The function of `sym` called `op`."""

    def make(*args: Any, name: str | None = None, attr: dict[str, str] | None = None, **named: Any) -> Symbol:
        return call(op, args, named, name, attr)

    make.__name__ = op
    make.__doc__ = f"The symbol of nd.{op}, with the same arguments; also name=, and attr= (texts by text)."
    make.makes_symbols = True  # type: ignore[attr-defined]
    return make


def constant(value: Any) -> bool:
    """Whether a leaf of a node's arguments is an array that stays the same."""
    return isinstance(value, NDArray) or hasattr(value, "__array_interface__")


__all__ = ["LAYERS", "Layer", "Sub", "call", "function_of", "maker"]
