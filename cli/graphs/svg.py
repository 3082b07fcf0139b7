"""A graph as a picture in SVG, laid out here: inputs at the top, outputs at the bottom, nothing from outside."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from ndgrad.cli.graphs.colours import ADJOINT, EDGES, FAINT, INK, LINES, fill
from ndgrad.cli.graphs.layout import Point, layout

if TYPE_CHECKING:
    from ndgrad.cli.graphs import Labels
    from ndgrad.lang.graph import Graph

FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
SIZE, LINE, CHARACTER = 12, 17, 7.4  # of the letters, of a line, of a letter's breadth, in pixels
PADDING, MARGIN = 10, 20


def text(graph: Graph, labels: Labels) -> str:
    lines = {vertex.key: labels.lines(vertex) for vertex in graph.vertices}
    sizes = {
        key: (max(map(_breadth, said)) * CHARACTER + 2 * PADDING, float(len(said) * LINE + PADDING))
        for key, said in lines.items()
    }
    made = layout(sizes, {(edge.source, edge.target): len(labels.share(edge)) * CHARACTER for edge in graph.edges})
    faint = {vertex.key for vertex in graph.vertices if not vertex.reaches}
    parts = []
    for edge in graph.edges:
        path = made.paths[edge.source, edge.target]
        dim = edge.target in faint
        stroke = f'stroke="{FAINT}" stroke-dasharray="4 3"' if dim else f'stroke="{LINES}"'
        head = "faint" if dim else "head"
        parts.append(f'<path d="{_curve(path)}" fill="none" {stroke} marker-end="url(#{head})"/>')
    for edge in graph.edges:
        if said := labels.share(edge):
            x, y = _label_place(made.paths[edge.source, edge.target])
            parts.append(
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="{ADJOINT}" font-size="11" '
                f'stroke="#fff" stroke-width="4" paint-order="stroke">{escape(said)}</text>'
            )
    for vertex in graph.vertices:
        (x, y), (width, height) = made.places[vertex.key], sizes[vertex.key]
        dim = vertex.key in faint
        border = f'stroke="{FAINT}" stroke-dasharray="4 3"' if dim else f'stroke="{EDGES[vertex.kind]}"'
        rest = "#ffffff" if dim else fill(vertex)
        parts.append(
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6" '
            f'fill="{rest}" {border}/>'
        )
        for i, said in enumerate(lines[vertex.key]):
            colour = FAINT if dim else ADJOINT if said == labels.adjoint(vertex) else INK
            weight = ' font-weight="bold"' if i == 0 and vertex.gap is None else ""
            top = y - height / 2 + PADDING / 2 + LINE * (i + 0.75)
            parts.append(
                f'<text x="{x:.1f}" y="{top:.1f}" text-anchor="middle" fill="{colour}"{weight}>{escape(said)}</text>'
            )
    across, down = made.width + 2 * MARGIN, made.height + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{across:.0f}" height="{down:.0f}" '
            f'viewBox="{-MARGIN} {-MARGIN} {across:.0f} {down:.0f}" font-family="{FONT}" '
            f'font-size="{SIZE}" xml:space="preserve">',
            f"<title>{escape(f'The graph of {graph.of}')}</title>",
            f"<defs>{_marker('head', LINES)}{_marker('faint', FAINT)}</defs>",
            f'<rect x="{-MARGIN}" y="{-MARGIN}" width="{across:.0f}" height="{down:.0f}" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0.8 L8 4 L0 7.2 z" fill="{colour}"/></marker>'
    )


def _breadth(text: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def _curve(points: tuple[Point, ...]) -> str:
    """A smooth way through the points, upright at each."""
    made = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        made.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
    return " ".join(made)


def _label_place(points: tuple[Point, ...]) -> Point:
    """Where edges from one box have parted: at the first point on the way, else near the end of it."""
    if len(points) > 2:
        return points[1][0], (points[1][1] + points[2][1]) / 2 + 4
    (x0, y0), (x1, y1) = points
    return (x0 + 3 * x1) / 4, (y0 + 2 * y1) / 3 + 4
