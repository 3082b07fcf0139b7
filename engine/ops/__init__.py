"""All operations, by name.

    find("tanh")     the operation the language calls tanh, or None
    names()          every name the language may call
    REGISTRY         every primitive, internal ones included

A new operation is an entry in one of the modules here; nothing else has to know of it.
"""

from __future__ import annotations

from ndgrad.ops import arithmetic, creation, elementwise, indexing, linalg, reductions, shape
from ndgrad.ops.methods import install
from ndgrad.primitive import REGISTRY, Primitive

__all__ = [
    "REGISTRY",
    "arithmetic",
    "creation",
    "elementwise",
    "find",
    "indexing",
    "linalg",
    "names",
    "reductions",
    "shape",
]

install()


def find(name: str) -> Primitive | None:
    """The operation of that name, or None. Internal ones are not found."""
    op = REGISTRY.get(name)
    return None if op is None or op.internal else op


def names() -> list[str]:
    """The names of all operations that programs may call, sorted."""
    return sorted(name for name, op in REGISTRY.items() if not op.internal)
