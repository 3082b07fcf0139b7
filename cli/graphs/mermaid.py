"""A graph in the language of Mermaid, which many pages in Markdown draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ndgrad.cli.graphs.colours import EDGES, FAINT, FILLS, INK

if TYPE_CHECKING:
    from ndgrad.cli.graphs import Labels
    from ndgrad.lang.graph import Graph

# Mermaid reads labels as HTML, and some signs as its own even within quotes.
_ESCAPES = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "#": "&num;", "`": "&#96;"}


def text(graph: Graph, labels: Labels) -> str:
    lines = ["flowchart TB"]
    faint = {vertex.key for vertex in graph.vertices if not vertex.reaches}
    for vertex in graph.vertices:
        said = "<br>".join(map(_escaped, labels.lines(vertex)))
        kind = "faint" if vertex.key in faint else vertex.kind
        opening, closing = ("([", "])") if vertex.kind == "input" else ("[", "]")
        lines.append(f'  v{vertex.key}{opening}"{said}"{closing}:::{kind}')
    for edge in graph.edges:
        said = _escaped(labels.share(edge))
        arrow = "-.->" if edge.target in faint else "-->"
        lines.append(f"  v{edge.source} {arrow}{f'|{chr(34)}{said}{chr(34)}|' if said else ''} v{edge.target}")
    for kind, colour in FILLS.items():
        lines.append(f"  classDef {kind} fill:{colour},stroke:{EDGES[kind]},color:{INK}")
    lines.append(f"  classDef faint fill:none,stroke:{FAINT},color:{FAINT},stroke-dasharray:4")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(sign, sign) for sign in text)
