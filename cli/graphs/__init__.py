"""Graphs as text and pictures: one module per format, each with `text(graph, labels)`."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.writing import matrices
from ndgrad.lang.notation import adjoint_name

if TYPE_CHECKING:
    from ndgrad.lang.graph import Edge, Graph, Vertex

SUFFIXES = {".txt": "tree", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid", ".svg": "svg"}
LONGEST = 44  # characters of a line in a box


def chosen(format: str | None, output: str | None) -> str:
    """The format asked for, else the one that the file's name tells, else a tree. Stops on wrong usage."""
    if output in (None, "-"):
        return format or "tree"
    found = SUFFIXES.get(os.path.splitext(output or "")[1].lower())
    if format is not None:
        if found not in (None, "tree", format):  # a .txt takes any text
            problems.disagree(format, output, found or "")
        return format
    if found is None:
        known = ", ".join(SUFFIXES)
        problems.usage(f"-o {output}: the name says no format to write; name it {known}, or add --format")
    return found


def text(graph: Graph, format: str, precision: int | None = None, ascii: bool = False) -> str:
    """The graph in that format. ascii: a tree is to be written without other signs, in columns that fit."""
    made: str = import_module(f"ndgrad.cli.graphs.{format}").text(graph, Labels(graph, precision, ascii))
    return made


class Labels:
    """What the pictures of a graph say: in lines, each short enough for a box."""

    def __init__(self, graph: Graph, precision: int | None, ascii: bool = False) -> None:
        self.graph = graph
        self.precision = precision
        self.ascii = ascii
        self.uses: dict[int, int] = {}
        for edge in graph.edges:
            if edge.share is not None:
                self.uses[edge.source] = self.uses.get(edge.source, 0) + 1

    def title(self, vertex: Vertex) -> str:
        """`y = x²`, `x` for an input, `⋮ 9 rounds alike`."""
        if vertex.gap is not None:
            gap = vertex.gap
            return f"⋮ {gap.rounds:,} rounds alike" if gap.rounds else f"⋮ {gap.steps:,} more"
        names = ", ".join(vertex.names)
        return names if vertex.kind == "input" or vertex.expression == names else _cut(f"{names} = {vertex.expression}")

    def value(self, vertex: Vertex) -> str:
        """`2×2  [[1, 2], [3, 4]]`; only the value for one number, only the shape where it would be long."""
        if vertex.gap is not None:
            return ""
        shape = matrices.shape_of(vertex.value)
        said = self.short(vertex.value)
        return said if np.ndim(vertex.value) == 0 else shape if said == shape else f"{shape}  {said}"

    def adjoint(self, vertex: Vertex) -> str:
        """`∂z/∂y = …` where it was asked for."""
        if vertex.adjoint is None or vertex.gap is not None:
            return ""
        return f"{adjoint_name(self.graph.of, vertex.names[0], self.graph.headed)} = {self.short(vertex.adjoint)}"

    def share(self, edge: Edge) -> str:
        """What goes back along an edge, where that is not all of the source's adjoint and is short."""
        if edge.share is None or self.uses[edge.source] == 1:
            return ""
        said = self.short(edge.share, 22)
        return said if np.ndim(edge.share) == 0 or said != matrices.shape_of(edge.share) else ""

    def short(self, array: Any, longest: int = 30) -> str:
        array = np.asarray(array)
        text = matrices.short(array, self.precision or 4, longest)
        return text if len(text) <= longest else matrices.shape_of(array)

    def lines(self, vertex: Vertex) -> list[str]:
        """Title, value and adjoint, those that there are."""
        return [line for line in (self.title(vertex), self.value(vertex), self.adjoint(vertex)) if line]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
