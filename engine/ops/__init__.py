"""All operations, by name.

    find("tanh")     the operation the language calls tanh, or None
    names()          every name the language may call
    lookup("tanh")   the same as find, internal ones included
    load_all()       every operation there is, registered

A new operation is an entry in one of the modules here and its name in HOMES, which lets a run load
only the modules it uses. Nothing else has to know of it.
"""

from __future__ import annotations

from ndgrad.ops import arithmetic  # noqa: F401 - the operators are always there
from ndgrad.ops.homes import HOMES, INTERNAL, PLAIN_FUNCTIONS
from ndgrad.ops.methods import install
from ndgrad.primitive import REGISTRY, Primitive

__all__ = ["HOMES", "REGISTRY", "find", "load_all", "lookup", "names"]

_MODULE_OF = {
    name: module
    for homes in (PLAIN_FUNCTIONS, INTERNAL, HOMES)
    for module, listed in homes.items()
    for name in listed.split()
}

install()


def lookup(name: str) -> Primitive | None:
    """The operation of that name, internal ones included, or None; loads the module it is in."""
    op = REGISTRY.get(name)
    if op is None and name in _MODULE_OF:
        from importlib import import_module

        import_module(f"ndgrad.ops.{_MODULE_OF[name]}")
        op = REGISTRY.get(name)
    return op


def find(name: str) -> Primitive | None:
    """The operation of that name, or None. Internal ones are not found."""
    op = lookup(name)
    return None if op is None or op.internal else op


def names() -> list[str]:
    """The names of all operations that programs may call, sorted."""
    return sorted(name for listed in HOMES.values() for name in listed.split())


def load_all() -> dict[str, Primitive]:
    """Register every operation; returns the registry."""
    from importlib import import_module

    for module in (*HOMES, *INTERNAL):
        import_module(f"ndgrad.ops.{module}")
    return REGISTRY
