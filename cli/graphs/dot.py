"""A graph in the language of Graphviz: `ndgrad graph f.nd --format dot | dot -Tpdf > f.pdf`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ndgrad.cli.graphs.colours import ADJOINT, FAINT, LINES, fill

if TYPE_CHECKING:
    from ndgrad.cli.graphs import Labels
    from ndgrad.lang.graph import Graph


def text(graph: Graph, labels: Labels) -> str:
    lines = [
        "digraph run {",
        '  graph [rankdir=TB, fontname="Helvetica"]',
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11]',
        f'  edge [color="{LINES}", fontname="Helvetica", fontsize=10, fontcolor="{ADJOINT}"]',
    ]
    faint = {vertex.key for vertex in graph.vertices if not vertex.reaches}
    for vertex in graph.vertices:
        said = r"\n".join(map(_escaped, labels.lines(vertex)))
        dimmed = f', color="{FAINT}", fontcolor="{FAINT}", style="rounded,dashed"' if vertex.key in faint else ""
        shape = ", shape=plaintext, style=solid" if vertex.gap is not None else ""
        lines.append(f'  v{vertex.key} [label="{said}", fillcolor="{fill(vertex)}"{shape}{dimmed}]')
    for edge in graph.edges:
        said = _escaped(labels.share(edge))
        settings = [f'label="{said}"'] if said else []
        if edge.target in faint:
            settings += [f'color="{FAINT}"', "style=dashed"]
        lines.append(f"  v{edge.source} -> v{edge.target}{f' [{chr(44).join(settings)}]' if settings else ''}")
    return "\n".join([*lines, "}", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
