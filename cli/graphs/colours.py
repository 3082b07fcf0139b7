"""The colours of pictures: of Okabe and Ito's palette, which colour-blind people tell apart, and tints of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ndgrad.lang.graph import Vertex

INK = "#1a1a1a"
FAINT = "#a0a0a0"
LINES = "#5a5a5a"
ADJOINT = "#b34700"  # vermilion, darker for text
FILLS = {"input": "#d9ecf8", "operation": "#ffffff", "output": "#d5efe6", "gap": "#ffffff"}
EDGES = {"input": "#0072b2", "operation": LINES, "output": "#009e73", "gap": "none"}


def fill(vertex: Vertex) -> str:
    return FILLS[vertex.kind]
