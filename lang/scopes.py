"""Which names belong to which function, and where in its frame their values are.

A frame is a list: the frame around it, the state of the run, the result of the function, then one
place per name. Names are resolved once, when a program is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ndgrad.lang import syntax

AROUND, STATE, RESULT, FIRST = 0, 1, 2, 3


def target_names(target: syntax.Expression) -> Iterator[syntax.Name]:
    """The names that an assignment to `target` gives values to."""
    while isinstance(target, syntax.Index):
        target = target.value
    if isinstance(target, syntax.Name):
        yield target
    elif isinstance(target, syntax.TupleLiteral):
        for entry in target.entries:
            yield from target_names(entry)


def assigned(statements: Iterable[syntax.Statement]) -> dict[str, syntax.Node]:
    """The names that statements give values to, each with the first node that does; inner functions aside."""
    found: dict[str, syntax.Node] = {}
    for statement in statements:
        match statement:
            case syntax.Assign(targets=targets):
                for target in targets:
                    for name in target_names(target):
                        found.setdefault(name.name, name)
            case syntax.Augmented(target=target):
                for name in target_names(target):
                    found.setdefault(name.name, name)
            case syntax.For(target=target, body=body):
                for name in target_names(target):
                    found.setdefault(name.name, name)
                _merge(found, assigned(body))
            case syntax.While(body=body):
                _merge(found, assigned(body))
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    _merge(found, assigned(branch.body))
                _merge(found, assigned(otherwise))
            case syntax.Define(name=name_):
                found.setdefault(name_, statement)
            case syntax.Input(name=name_, dims=dims):
                found.setdefault(name_, statement)
                for dimension in dims or ():
                    if isinstance(dimension.size, str) and dimension.size not in ("_", "..."):
                        found.setdefault(dimension.size, dimension)
            case syntax.Output(shown=shown):
                for part in shown:
                    if part.name is not None:
                        found.setdefault(part.name, part)
            case syntax.Linked(library=library):
                for function in library.functions:
                    found.setdefault(function, statement)
    return found


def _merge(into: dict[str, syntax.Node], more: dict[str, syntax.Node]) -> None:
    for name, node in more.items():
        into.setdefault(name, node)


class Scope:
    """The names of one function (or of the program), each with its place in the frame.

    free: what has been found further out, for this function or one in it: how many frames out, and the place there
    """

    def __init__(self, names: Iterable[str], around: Scope | None = None) -> None:
        self.places = {name: FIRST + i for i, name in enumerate(names)}
        self.around = around
        self.free: set[tuple[int, int]] = set()

    @property
    def size(self) -> int:
        return FIRST + len(self.places)

    def add(self, names: Iterable[str]) -> None:
        """Give each of the names that has none a place, behind those that are there."""
        for name in names:
            self.places.setdefault(name, self.size)

    def find(self, name: str) -> tuple[int, int] | None:
        """(how many frames out, the place there), or None."""
        scope: Scope | None = self
        out = 0
        while scope is not None:
            place = scope.places.get(name)
            if place is not None:
                passed: Scope | None = self
                for left in range(out, 0, -1):
                    assert passed is not None
                    passed.free.add((left, place))
                    passed = passed.around
                return out, place
            scope = scope.around
            out += 1
        return None
