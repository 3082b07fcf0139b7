"""Symbols as JSON, and back: the same nodes, in the same order, with the same arguments.

    {"ndgrad_symbol": 1,
     "nodes": [{"op": "null", "name": "x"},
               {"op": "core.power", "name": "power0", "inputs": [[0, 0]], "args": [{"slot": 0}, 2]}],
     "heads": [[1, 0]]}

Arguments are JSON where JSON has them; the rest is an object with one key: slot, tuple, slice, array, float
(inf, nan), ellipsis, symbol (with the names of its variables), dtype.
"""

from __future__ import annotations

import json
from types import EllipsisType
from typing import Any

import numpy as np

from ndgrad.ndarray import NDArray
from ndgrad.symbol import problems
from ndgrad.symbol.calls import is_function
from ndgrad.symbol.graph import VARIABLE, Node, Output, Slot, Sub, ordered
from ndgrad.symbol.symbol import Symbol

VERSION = 1
# What text that others wrote may lead to while it is read
_ODD = (IndexError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, RecursionError)


def tojson(symbol: Symbol) -> str:
    """The symbol as JSON. E604 for an argument that cannot be written down."""
    return json.dumps(_graph(symbol), indent=1)


def _graph(symbol: Symbol) -> dict[str, Any]:
    order = ordered(symbol._outputs)
    place = {node.id: i for i, node in enumerate(order)}
    nodes = []
    for node in order:
        entry: dict[str, Any] = {"op": node.op, "name": node.name}
        if node.inputs:
            entry["inputs"] = [[place[below.id], i] for below, i in node.inputs]
        if node.args:
            entry["args"] = [_written(node, v) for v in node.args]
        if node.named:
            entry["named"] = {key: _written(node, v) for key, v in node.named.items()}
        if node.outputs != 1:
            entry["outputs"] = node.outputs
        if node.attrs:
            entry["attrs"] = node.attrs
        nodes.append(entry)
    return {
        "ndgrad_symbol": VERSION,
        "nodes": nodes,
        "heads": [[place[node.id], i] for node, i in symbol._outputs],
    }


def _written(node: Node, value: Any) -> Any:
    """One argument."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)) and not isinstance(value, np.float32):
        return float(value) if np.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, list):
        return [_written(node, v) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [_written(node, v) for v in value]}
    if isinstance(value, slice):
        return {"slice": [_written(node, v) for v in (value.start, value.stop, value.step)]}
    if isinstance(value, EllipsisType):
        return {"ellipsis": True}
    if isinstance(value, Slot):
        return {"slot": value.index}
    if isinstance(value, Sub):
        return {"symbol": _graph(value.symbol), "names": list(value.names)}
    if isinstance(value, (NDArray, np.ndarray, np.generic)):
        data = np.asarray(value.data if isinstance(value, NDArray) else value)
        numbers = [_written(node, v) for v in data.ravel().tolist()]
        return {"array": numbers, "shape": list(data.shape), "dtype": data.dtype.name}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, (np.generic, float, int))):
        return {"dtype": np.dtype(value).name}
    raise problems.cannot_be_saved(node.name, value)


def load_json(json_str: str) -> Symbol:
    """The symbol that `tojson` wrote. E604 for any other text."""
    try:
        found = json.loads(json_str)
    except json.JSONDecodeError as error:
        raise problems.not_our_json(f"line {error.lineno} is no JSON") from None
    except RecursionError:
        raise problems.not_our_json("it is nested too deeply") from None
    if not isinstance(found, dict) or found.get("ndgrad_symbol") != VERSION:
        raise problems.not_our_json(f'it does not say "ndgrad_symbol": {VERSION}')
    try:
        return _rebuilt(found)
    except KeyError as error:
        raise problems.not_our_json(f"the entry {error} is missing") from None
    except _ODD as error:
        raise problems.not_our_json(f"{type(error).__name__}: {error}") from None


def load(fname: Any) -> Symbol:
    """The symbol in a file that `save` wrote. E604 for any other file."""
    from pathlib import Path

    return load_json(Path(fname).read_text("utf-8"))


def _rebuilt(found: dict[str, Any]) -> Symbol:
    nodes: list[Node] = []
    for entry in found["nodes"]:
        op, name = entry["op"], entry["name"]
        if not isinstance(name, str):
            raise problems.not_our_json(f"the name of a node is a string, not {name!r}")
        if op != VARIABLE and not is_function(op):
            raise problems.not_our_json(f"`{name}` calls {op!r}, which is no operation of this version")
        inputs = tuple(_output(nodes, name, pair) for pair in entry.get("inputs", ()))
        named = entry.get("named", {})
        if "out" in named:
            raise problems.not_our_json(f"`{name}` would write into an array that it is given")
        count = entry.get("outputs", 1)
        if count.__class__ is not int or count < 1:
            raise problems.not_our_json(f"`{name}` has {count!r} outputs")
        read = _Arguments(name, len(inputs)).read
        nodes.append(
            Node(
                op,
                name,
                inputs,
                tuple(read(v) for v in entry.get("args", ())),
                {key: read(v) for key, v in named.items()},
                {str(key): str(v) for key, v in entry.get("attrs", {}).items()},
                count,
            )
        )
    heads = [_output(nodes, "heads", pair) for pair in found["heads"]]
    if not heads:
        raise problems.not_our_json("it has no outputs")
    return Symbol(heads)


def _output(nodes: list[Node], where: str, pair: Any) -> Output:
    """One output of a node that came before. E604 if there is no such output."""
    at, i = pair
    if at.__class__ is i.__class__ is int and 0 <= at < len(nodes) and 0 <= i < nodes[at].outputs:
        return nodes[at], i
    raise problems.not_our_json(f"`{where}` refers to {pair!r}, which is no output of a node before it")


class _Arguments:
    """Reads the arguments of the node called `name`, which has so many inputs."""

    def __init__(self, name: str, inputs: int) -> None:
        self.name = name
        self.inputs = inputs

    def read(self, value: Any) -> Any:
        """One argument, as it was. E604 for a slot without an input."""
        read = self.read
        if isinstance(value, list):
            return [read(v) for v in value]
        if not isinstance(value, dict):
            return value
        if "slot" in value:
            at = value["slot"]
            if at.__class__ is not int or not 0 <= at < self.inputs:
                raise problems.not_our_json(f"`{self.name}` has {self.inputs} inputs and no slot {at!r}")
            return Slot(at)
        if "tuple" in value:
            return tuple(read(v) for v in value["tuple"])
        if "slice" in value:
            return slice(*(read(v) for v in value["slice"]))
        if "float" in value:
            return float(value["float"])
        if "ellipsis" in value:
            return Ellipsis
        if "array" in value:
            return np.array([read(v) for v in value["array"]], dtype=_dtype(value["dtype"])).reshape(value["shape"])
        if "symbol" in value:
            return Sub(_rebuilt(value["symbol"]), tuple(map(str, value["names"])))
        return _dtype(value["dtype"])


def _dtype(name: Any) -> np.dtype[Any]:
    """A dtype by its name. E604 unless it is one of numbers or booleans."""
    found = np.dtype(name) if isinstance(name, str) else None
    if found is None or found.kind not in "biuf":
        raise problems.not_our_json(f"{name!r} is no dtype of numbers")
    return found
