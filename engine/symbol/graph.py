"""What a symbol is made of: nodes, each a call of a function by name whose arrays are other nodes' outputs.

    op       the name of the function: of `nd` ("FullyConnected"), or "core.NAME" for the bare operation
             without MXNet's reading of its arguments; "null" for a variable
    args     the call as it was written; each array in it is a `Slot`, a place in `inputs`
    named    the keyword arguments, likewise
    inputs   the outputs of other nodes that fill the slots
    attrs    what the user attached: text by text

A `Sub` among the arguments is a symbol of its own: the body of a loop, the value that is differentiated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ndgrad.frozen import Frozen
from ndgrad.plans import replaced
from ndgrad.tape import tick

if TYPE_CHECKING:
    from ndgrad.symbol.symbol import Symbol

VARIABLE = "null"


class Slot(Frozen):
    """A place for an array in the arguments of a node."""

    index: int


class Sub(Frozen):
    """A symbol among the arguments of a node, and the names of its variables in the order of the node's arrays."""

    symbol: Symbol
    names: tuple[str, ...]


class Node:
    """One call, or a variable. `id` grows with time."""

    __slots__ = ("args", "attrs", "id", "inputs", "name", "named", "op", "outputs")

    def __init__(
        self,
        op: str,
        name: str,
        inputs: tuple[Output, ...] = (),
        args: tuple[Any, ...] = (),
        named: dict[str, Any] | None = None,
        attrs: dict[str, str] | None = None,
        outputs: int = 1,
    ) -> None:
        self.id = tick()
        self.op = op
        self.name = name
        self.inputs = inputs
        self.args = args
        self.named = named or {}
        self.attrs = attrs or {}
        self.outputs = outputs

    @property
    def variable(self) -> bool:
        return self.op == VARIABLE

    def __repr__(self) -> str:
        return f"<Node {self.name} {self.op}>"


Output = tuple[Node, int]  # one of the outputs of a node


def filled(node: Node, arrays: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the call, with arrays in the slots."""

    def change(leaf: Any) -> Any:
        return arrays[leaf.index] if leaf.__class__ is Slot else leaf

    return replaced(node.args, change), {key: replaced(v, change) for key, v in node.named.items()}


def ordered(outputs: Iterable[Output]) -> list[Node]:
    """The nodes that the outputs are made of, inputs first, in the order in which they are met."""
    order: list[Node] = []
    seen: set[int] = set()
    stack = [(node, False) for node, _ in reversed(list(outputs))]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node.id not in seen:
            seen.add(node.id)
            stack.append((node, True))
            stack += [(below, False) for below, _ in reversed(node.inputs) if below.id not in seen]
    return order


# Operations whose running statistics are no arguments: the places of these among their arrays.
AUXILIARY = {"BatchNorm": ("moving_mean", "moving_var")}

_counts: Counter[str] = Counter()
_HINTS = {"core.add": "_plus", "core.subtract": "_minus", "core.multiply": "_mul", "core.divide": "_div"}


def name_for(op: str) -> str:
    """A name of its own for a node of this operation: fullyconnected0, fullyconnected1, …"""
    hint = _HINTS.get(op) or op.rpartition(".")[2].lower()
    number = _counts[hint]
    _counts[hint] += 1
    return f"{hint}{number}"
