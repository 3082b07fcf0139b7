"""The graph of a recorded run as data: values, the operations between them, and adjoints on the way back.

A vertex is a value. Values without a name in the program are numbered. Rounds of loops that are alike are left
out, but for the first and the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.frozen import Frozen
from ndgrad.lang.folding import Gap, repeats, shown
from ndgrad.lang.notation import Name, Term, applied, name_of, output_name, subscripted
from ndgrad.lang.recorded import Terms, free_letter
from ndgrad.lang.result import Recorded, Result
from ndgrad.ndarray import NDArray, plain
from ndgrad.sweep import nodes_below, sweep
from ndgrad.tape import Node


class Vertex(Frozen):
    """A value of the run, or (with `gap`) rounds of a loop that are left out.

    key         what edges call it
    names       what the program calls it, or a number given here; outputs by their names too
    kind        "input", "operation", "output" or "gap"
    operation   the name of the operation in the catalogue; "" for inputs and gaps
    expression  how it was made of the values before it
    adjoint     the derivative of the output by it, where it was asked for
    line        of the program, None where it is not known
    reaches     whether the output depends on it
    """

    key: int
    names: tuple[str, ...]
    kind: str
    operation: str
    expression: str
    value: Any
    adjoint: Any
    line: int | None
    reaches: bool
    gap: Gap | None = None

    def numbered(self, key: int) -> Vertex:
        return Vertex(**{**{field: getattr(self, field) for field in self._fields}, "key": key})


class Edge(Frozen):
    """source is an operand of target. share: what the source's adjoint gets through it."""

    source: int
    target: int
    share: Any = None


class Graph(Frozen):
    """The values in the order in which they were computed, and what they were made of.

    of      the name of the output, and main the key of its vertex, None where it depends on no input
    headed  whether adjoints are those of ⟨head, of⟩, with a head other than ones
    """

    of: str
    main: int | None
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    headed: bool = False

    def operands(self, key: int) -> list[Edge]:
        """The edges into a vertex, in the order of the operands."""
        return [edge for edge in self.edges if edge.target == key]


def graph(result: Result, unroll: bool = False) -> Graph:
    """The graph of a run with trace=True; adjoints where gradients were asked for. ValueError without a record.

    unroll: show every round of every loop.
    """
    record = result.recorded
    if record is None or result.trace is None:
        raise ValueError("the run is not recorded, or has no value")
    roots = [value.node for _, value in record.outputs if value.node is not None]
    roots += [b.value.node for b in result.trace if isinstance(b.value, NDArray) and b.value.node is not None]
    main = record.output.node
    if main is not None:
        roots.append(main)
    nodes = [node for node in reversed(nodes_below(roots)) if not _plural(node)]
    reaching = {node.id for node in nodes_below([main])} if main is not None else set()
    named = _Named(result, record, nodes)
    adjoints, shares = _adjoints(result, record, nodes)
    places = repeats([_kind(node) for node in nodes])
    parts = shown(len(nodes), places, None, unroll)
    return _drawn(nodes, parts, named, adjoints, shares, reaching, record)


def _plural(node: Node) -> bool:
    """Whether a node stands for several outputs of one operation, each of which has a node of its own."""
    return node.op is not None and node.op is not OUTPUT and node.op.outputs > 1


def _kind(node: Node) -> Any:
    return (node.id,) if node.op is None or node.span is None else (node.op.name, node.span.start, node.span.end)


class _Named(Terms):
    """Every node by a name, with the expression that made it of its operands."""

    def __init__(self, result: Result, record: Recorded, nodes: list[Node]) -> None:
        self.constants = {}
        self.bindings = {}
        self.kept = []
        self.origins = record.origins
        self.told = {}
        self.leaves = {}
        self.all: dict[int, list[str]] = {}
        assert result.trace is not None
        self.learn(result.trace)
        for binding in result.trace:
            self.also(binding.value, subscripted(binding.name, binding.number))
        for name, value in (*record.outputs, (record.of, record.output)):
            name = output_name(name) if name == record.of else name
            if value.node is not None:
                self.names.setdefault(value.node.id, name_of(name))
                if all(name != known.rstrip("₀₁₂₃₄₅₆₇₈₉") for known in self.all.get(value.node.id, [])):
                    self.also(value, name)
        letter = free_letter(result.trace)
        number = 0
        for node in nodes:
            if node.id not in self.names:
                number += 1
                self.names[node.id] = Name(letter, number)
        self.order = nodes[::-1]

    def also(self, value: Any, name: str) -> None:
        if isinstance(value, NDArray) and value.node is not None:
            names = self.all.setdefault(value.node.id, [])
            if name not in names:
                names.append(name)

    def expression(self, node: Node) -> str:
        """One operation, written with the names of its operands."""
        if node.op is None:
            return "input"
        if node.op is OUTPUT:
            main = node.parents[0]
            assert main is not None
            assert main.op is not None
            said = ", ".join(str(term) for term in self.operands(main))
            return f"{main.op.name}({said})[{node.statics[0]}]"
        operands = tuple(self.operands(node))
        if node.op.name in ("_copy", "identity"):
            return str(operands[0])
        return str(applied(node.op, operands, self.statics(node.statics), node.value))

    def operands(self, node: Node) -> list[Term]:
        pairs = zip(node.parents, node.operands, strict=True)
        return [self.constant(x) if parent is None else self.symbol(parent) for parent, x in pairs]


Shares = dict[tuple[int, int], Any]


def _adjoints(result: Result, record: Recorded, nodes: list[Node]) -> tuple[dict[int, Any], Shares]:
    """The adjoints of all values on the way from the inputs of the gradients, and the share of each edge."""
    main = record.output.node
    if not result.grads or main is None:
        return {}, {}
    assert result.trace is not None
    leaves = {b.value.node.id for b in result.trace if b.name in result.grads and _is_leaf(b.value)}
    below = list(reversed(nodes_below([main])))
    useful: set[int] = set(leaves)
    for node in below:
        if any(p is not None and p.id in useful for p in node.parents):
            useful.add(node.id)
    shares: Shares = {}

    def observe(node: Node, g: Any, given: tuple[tuple[Node | None, Any], ...]) -> None:
        for parent, share in given:
            if parent is not None and parent.id in useful:
                key = parent.id, node.id
                value = _folded(np.asarray(plain(share)), parent.shape)
                shares[key] = shares[key] + value if key in shares else value

    wanted = [node for node in below if node.id in useful and not _plural(node)]
    found, _ = sweep([(main, np.array(record.head))], wanted, observe=observe)
    return {id: np.asarray(plain(g)) for id, (_, g) in found.items() if id in useful}, shares


def _is_leaf(value: Any) -> bool:
    return isinstance(value, NDArray) and value.node is not None and value.node.op is None


def _folded(share: Any, shape: tuple[int, ...]) -> Any:
    """A share in its operand's shape: what broadcasting spread is summed up."""
    if share.shape == shape:
        return share
    extra = share.ndim - len(shape)
    share = share.sum(axis=tuple(range(max(extra, 0))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and share.shape[i] != 1)
    return np.broadcast_to(share.sum(axis=axes, keepdims=True) if axes else share, shape)


def _drawn(
    nodes: list[Node],
    parts: Iterable[int | Gap],
    named: _Named,
    adjoints: Mapping[int, Any],
    shares: Shares,
    reaching: set[int],
    record: Recorded,
) -> Graph:
    vertices: list[Vertex] = []
    place: dict[int, int] = {}  # of each node, its own key or that of the gap that it is left out in
    at = 0
    for part in parts:
        if isinstance(part, Gap):
            hidden = nodes[at : at + part.steps]
            key = hidden[0].id
            place |= dict.fromkeys((node.id for node in hidden), key)
            reaches = any(node.id in reaching for node in hidden)
            vertices.append(Vertex(key, (), "gap", "", "", None, None, None, reaches, part))
            at += part.steps
            continue
        node = nodes[part]
        at = part + 1
        place[node.id] = node.id
        is_output = any(value.node is node for _, value in record.outputs)
        op = node.op
        vertices.append(
            Vertex(
                key=node.id,
                names=tuple(named.all.get(node.id) or [named.name(node)]),
                kind="input" if op is None else "output" if is_output or node is record.output.node else "operation",
                operation="" if op is None else _operation(node),
                expression=named.expression(node),
                value=np.asarray(named.leaf_value(node) if op is None else node.value),
                adjoint=adjoints.get(node.id),
                line=None if (span := named.bindings[node.id].span if node.id in named.bindings else node.span) is None
                else span.line,
                reaches=node.id in reaching,
            )
        )  # fmt: skip
    edges: dict[tuple[int, int], Any] = {}
    for node in nodes:
        for parent in dict.fromkeys(_operands(node)):
            ends = place[parent.id], place[node.id]
            if ends[0] != ends[1]:
                whole = parent.id == ends[0] and node.id == ends[1]
                through = node if not _is_output(node) else node.parents[0]
                assert through is not None
                told = whole and node.id in reaching
                edges.setdefault(ends, shares.get((parent.id, through.id)) if told else None)
    of = output_name(record.of)
    if record.output.node is None:  # what is differentiated comes from nothing that is recorded
        value = np.asarray(plain(record.output))
        vertices.append(Vertex(0, (of,), "output", "", of, value, None, None, reaches=True))
    elif any(of in vertex.names for vertex in vertices if vertex.key != record.output.node.id):
        of = named.name(record.output.node)  # x₁₀ by x, where the last value has the name of the first
    number = {vertex.key: i for i, vertex in enumerate(vertices, 1)}
    return Graph(
        of,
        number[place[record.output.node.id]] if record.output.node is not None else None,
        tuple(vertex.numbered(number[vertex.key]) for vertex in vertices),
        tuple(Edge(number[a], number[b], share) for (a, b), share in edges.items()),
        bool(np.any(np.not_equal(record.head, 1))),
    )


def _is_output(node: Node) -> bool:
    return node.op is OUTPUT


def _operation(node: Node) -> str:
    main = node.parents[0] if node.op is OUTPUT else node
    assert main is not None
    assert main.op is not None
    return main.op.name


def _operands(node: Node) -> list[Node]:
    """The nodes that a node is made of; those of the whole operation for one of its several outputs."""
    if node.op is OUTPUT:
        assert node.parents[0] is not None
        node = node.parents[0]
    return [parent for parent in node.parents if parent is not None]
