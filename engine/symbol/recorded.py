"""Symbols from recorded arrays: the nodes of a tape as the nodes of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.apply import OUTPUT
from ndgrad.ndarray import NDArray, plain
from ndgrad.sweep import nodes_below
from ndgrad.symbol.calls import CORE
from ndgrad.symbol.graph import VARIABLE, Output, Slot, name_for
from ndgrad.symbol.graph import Node as Vertex
from ndgrad.symbol.symbol import Symbol
from ndgrad.tape import Freed, Node


def symbol_of(x: NDArray) -> Symbol:
    """`autograd.get_symbol`."""
    if not isinstance(x, NDArray):
        raise problems.not_an_array("get_symbol", x)
    if x.node is None:
        raise problems.never_recorded()
    return _Reader().read(x.node)


class _Reader:
    """One walk up a tape."""

    def __init__(self) -> None:
        self.made: dict[int, Output] = {}
        self.variables = 0

    def read(self, root: Node) -> Symbol:
        if root.saved.__class__ is Freed:
            raise problems.already_freed(root.saved.where)
        for node in reversed(nodes_below([root])):
            if node.saved.__class__ is Freed:
                raise problems.already_freed(node.saved.where)
            self.made[node.id] = self.vertex(node)
        return Symbol([self.made[root.id]])

    def variable(self, shape: Any, dtype: Any) -> Output:
        attrs = {"__shape__": str(tuple(shape)), "__dtype__": np.dtype(dtype).name} if shape is not None else {}
        made = Vertex(VARIABLE, f"var{self.variables}", attrs=attrs)
        self.variables += 1
        return made, 0

    def vertex(self, node: Node) -> Output:
        op = node.op
        if op is None:
            return self.variable(node.shape, node.dtype)
        if op is OUTPUT:
            main = node.parents[0]
            assert main is not None
            return self.made[main.id][0], node.statics[0]
        if op.name == "custom_call":
            return self.variable(node.shape, node.dtype)  # whose function is Python's, and not in the graph
        inputs: list[Output] = []
        saved = node.operands or node.saved[1:]

        def operand(i: int, parent: Node | None) -> Any:
            if parent is None and i < len(saved) and saved[i] is not None:
                value = plain(saved[i])
                return np.asarray(value) if hasattr(value, "dtype") else value
            shape = node.shapes[i] if i < len(node.shapes) else None
            inputs.append(self.variable(shape, node.dtype) if parent is None else self.made[parent.id])
            return Slot(len(inputs) - 1)

        operands = [operand(i, parent) for i, parent in enumerate(node.parents)]
        args = (operands, *node.statics) if op.variadic else (*operands, *node.statics)
        name = CORE + op.name
        outputs = node.shape[0] if op.outputs > 1 else 1
        return Vertex(name, name_for(name), tuple(inputs), args, outputs=outputs), 0
