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
from ndgrad.symbol.graph import Node, Slot, Sub, ordered
from ndgrad.symbol.symbol import Symbol

VERSION = 1


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
    if not isinstance(found, dict) or found.get("ndgrad_symbol") != VERSION:
        raise problems.not_our_json(f'it does not say "ndgrad_symbol": {VERSION}')
    try:
        return _rebuilt(found)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise problems.not_our_json(f"{type(error).__name__}: {error}") from None


def load(fname: Any) -> Symbol:
    """The symbol in a file that `save` wrote. E604 for any other file."""
    from pathlib import Path

    return load_json(Path(fname).read_text("utf-8"))


def _rebuilt(found: dict[str, Any]) -> Symbol:
    from ndgrad.symbol.calls import function_of

    nodes: list[Node] = []
    for entry in found["nodes"]:
        op = entry["op"]
        if op != "null":
            function_of(op)
        nodes.append(
            Node(
                op,
                entry["name"],
                tuple((nodes[at], int(i)) for at, i in entry.get("inputs", ())),
                tuple(_read(v) for v in entry.get("args", ())),
                {key: _read(v) for key, v in entry.get("named", {}).items()},
                dict(entry.get("attrs", {})),
                entry.get("outputs", 1),
            )
        )
    return Symbol([(nodes[at], int(i)) for at, i in found["heads"]])


def _read(value: Any) -> Any:
    """One argument, as it was."""
    if isinstance(value, list):
        return [_read(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "slot" in value:
        return Slot(value["slot"])
    if "tuple" in value:
        return tuple(_read(v) for v in value["tuple"])
    if "slice" in value:
        return slice(*(_read(v) for v in value["slice"]))
    if "float" in value:
        return float(value["float"])
    if "ellipsis" in value:
        return Ellipsis
    if "array" in value:
        numbers = [_read(v) for v in value["array"]]
        return np.array(numbers, dtype=value["dtype"]).reshape(value["shape"])
    if "symbol" in value:
        return Sub(_rebuilt(value["symbol"]), tuple(value["names"]))
    return np.dtype(value["dtype"])
