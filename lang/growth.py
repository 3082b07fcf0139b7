"""How the derivatives of a program's variables by an entry grow in the course of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang.derivation_data import Binding
from ndgrad.lang.question import Question
from ndgrad.ndarray import NDArray

SHOWN = 5  # rounds of one variable


class Growth(Frozen):
    """How large the derivative of a variable by the entry is, where its size is that of its largest entry.

    span     where the variable gets its value; rounds, how often
    sizes    pairs of a round and the size there, evenly over the run, the last one among them
    """

    name: str
    span: Span | None
    rounds: int
    sizes: tuple[tuple[int, float], ...]


def growth(question: Question) -> tuple[Growth, ...]:
    """The variables on the way from the entry to the output, in the order in which they last get a value."""
    way = question.way
    found: dict[Any, tuple[Binding, list[int]]] = {}
    for binding in question.kept.bindings:
        node = binding.value.node if isinstance(binding.value, NDArray) else None
        if node is not None and node.id in way.change and node.id != way.variable.id:
            key = binding.name, id(binding.span)
            _, ids = found.pop(key, (binding, []))
            ids.append(node.id)
            found[key] = binding, ids
    made = []
    for binding, ids in found.values():
        chosen = sorted({round((len(ids) - 1) * i / (SHOWN - 1)) for i in range(SHOWN)})
        sizes = tuple((i + 1, _size(way.change[ids[i]])) for i in chosen)
        made.append(Growth(binding.name, binding.span, len(ids), sizes))
    return tuple(made)


def _size(change: Any) -> float:
    return float(np.max(np.abs(change), initial=0.0))
