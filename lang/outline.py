"""The names of a program, told by its text alone: quickly, without NumPy, and whether or not it would run."""

from __future__ import annotations

from ndgrad.errors import Source
from ndgrad.frozen import Frozen
from ndgrad.lang import syntax
from ndgrad.lang.cache import tree_of
from ndgrad.lang.scopes import assigned


class Outline(Frozen):
    """inputs, each with its declaration ("" for names that are read and given no value); outputs; other variables."""

    inputs: dict[str, str]
    outputs: tuple[str, ...]
    variables: tuple[str, ...]


def outline(source: Source) -> Outline:
    """The outline of a program. Errors: those of the parser."""
    body = tree_of(source)
    inputs: dict[str, str] = {}
    outputs: list[str] = []
    functions: set[str] = set()
    bound: set[str] = set()
    read: dict[str, None] = {}
    for node in syntax.walk(body):
        match node:
            case syntax.Input(name=name, span=span):
                inputs[name] = span.text.strip()
            case syntax.Output(shown=shown):
                for part in shown:
                    if part.name is not None:
                        outputs.append(part.name)
                    elif isinstance(part.value, syntax.Name):
                        outputs.append(part.value.name)
            case syntax.Define(name=name):
                functions.add(name)
            case syntax.Parameter(name=name):
                bound.add(name)
            case syntax.Call(function=syntax.Name(name=name)):
                functions.add(name)
            case syntax.Name(name=name):
                read[name] = None
        if isinstance(node, syntax.Statement):
            bound.update(assigned((node,)))
    free = [name for name in read if name not in bound and name not in inputs and name not in functions]
    if free:
        from ndgrad.lang.builtins import CONSTANTS, builtin

        inputs |= {name: "" for name in free if name not in CONSTANTS and builtin(name) is None}
    made = [name for name in assigned(body.statements) if name not in inputs and name not in functions]
    return Outline(inputs, tuple(dict.fromkeys(outputs)), tuple(name for name in made if name not in outputs))
