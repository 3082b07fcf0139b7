"""A graph as an indented tree: the output first, under each value what it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ndgrad.cli.streams import as_ascii

if TYPE_CHECKING:
    from ndgrad.cli.graphs import Labels
    from ndgrad.lang.graph import Graph, Vertex


def text(graph: Graph, labels: Labels) -> str:
    """Values that are used again are spelled out once. What the output does not depend on comes last, in brackets."""
    vertices = {vertex.key: vertex for vertex in graph.vertices}
    used = {edge.source for edge in graph.edges}
    main = [] if graph.main is None else [vertices[graph.main]]
    roots = [*main, *(v for v in graph.vertices if v.key not in used and v.key != graph.main)]
    rows: list[tuple[str, str, str, str]] = []
    done: set[int] = set()
    # Not recursive: a graph may be as deep as it is long.
    stack: list[tuple[Vertex, str, str]] = [(root, "", "") for root in reversed(roots)]
    while stack:
        vertex, before, under = stack.pop()
        title = labels.title(vertex)
        if not vertex.reaches:
            title = f"({title})"
        if vertex.key in done:
            again = ", ".join(vertex.names) if vertex.gap is None else title
            rows.append((f"{before}{again}{' (above)' if graph.operands(vertex.key) else ''}", "", "", ""))
            continue
        done.add(vertex.key)
        line = f"line {vertex.line}" if vertex.line is not None else ""
        rows.append((f"{before}{title}", labels.value(vertex), labels.adjoint(vertex), line))
        operands = [vertices[edge.source] for edge in graph.operands(vertex.key)]
        for i in range(len(operands) - 1, -1, -1):
            last = i == len(operands) - 1
            stack.append((operands[i], f"{under}{'└─ ' if last else '├─ '}", f"{under}{'   ' if last else '│  '}"))
    if labels.ascii:
        rows = [(as_ascii(a), as_ascii(b), as_ascii(c), as_ascii(d)) for a, b, c, d in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    made = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    return "".join(line.rstrip() + "\n" for line in made)
