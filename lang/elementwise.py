"""Which products and powers of a formula are elementwise, where the axes of names are known.

`·` between two arrays becomes `⊙`, a power of a matrix one with `⊙`: beside products of matrices that are written
without a sign, X² would be taken for X X.
"""

from __future__ import annotations

from collections.abc import Mapping

from ndgrad.lang.mathematics import Tree
from ndgrad.lang.notation import subscripted
from ndgrad.ops import lookup

Axes = Mapping[str, int]  # how many axes the value of a name has
_TO_A_NUMBER = frozenset({"det", "tr", "trace", "norm", "dot"})
_REDUCTIONS = frozenset(
    {"sum", "mean", "prod", "max", "min", "var", "std", "median", "logsumexp", "norm", "any", "all"}
)


def marked(tree: Tree, axes: Axes) -> Tree:
    """The tree with its elementwise products marked."""
    return _Marking(axes).walked(tree)[0]


def name_of(tree: Tree) -> str:
    """The name that a tree is, as the notation writes it; "" where it is none."""
    if tree.kind == "name":
        return str(tree.parts[0])
    if tree.kind == "sub":
        base, below = tree.parts
        if isinstance(base, Tree) and base.kind == "name" and str(below).isdigit():
            return subscripted(str(base.parts[0]), int(str(below)))
    return ""


class _Marking:
    """Walks a tree; every visit gives the tree, marked, and the number of its axes (None where that is not known)."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes

    def walked(self, tree: Tree) -> tuple[Tree, int | None]:
        tree = _grouped(tree)
        parts: list[object] = []
        found: list[int | None] = []
        for part in tree.parts:
            if isinstance(part, Tree):
                made, count = self.walked(part)
                parts.append(made)
                found.append(count)
            else:
                parts.append(part)
        made = Tree(tree.kind, tuple(parts))
        name = name_of(tree)
        if name:
            return made, self.axes.get(name, 2 if name == "I" else None)
        if tree.kind == "operation":
            return self.operation(made, found)
        if tree.kind == "sup" and (found[0] or 0) > 1 and _is_power(tree.parts[1]):
            return Tree("entrywise", made.parts), found[0]
        return made, self.count(made, found)

    def operation(self, tree: Tree, found: list[int | None]) -> tuple[Tree, int | None]:
        sign, left, right = tree.parts
        a, b = found
        if sign == "@":
            if isinstance(left, Tree) and left.kind == "operation" and left.parts[0] == "⊙":
                tree = Tree("operation", ("@", Tree("fence", ("(", left, ")")), right))
            if a is None or b is None:
                return tree, None
            return tree, max(a + b - 2, 0) if min(a, b) == 1 else max(a, b)
        if sign == "·" and a and b:
            return Tree("operation", ("⊙", left, right)), max(a, b)
        return tree, _largest(found)

    def count(self, tree: Tree, found: list[int | None]) -> int | None:
        if tree.kind == "number":
            return 0
        if tree.kind == "ratio":
            return found[-1]
        if tree.kind == "fence":
            opening, inside, _ = tree.parts
            if opening == "[":
                below = _largest(self.entries(inside))
                return None if below is None else below + 1
            return found[0] if opening in ("(", "|") else 0
        if tree.kind in ("fraction", "negative", "sup", "root"):
            return _largest(found)
        if tree.kind == "constant":
            return str(tree.parts[0]).count("×") + 1
        if tree.kind == "index":
            return self.indexed(found[0], tree.parts[1])
        if tree.kind == "call":
            return self.called(tree, found)
        return found[0] if tree.kind == "written" else None

    def entries(self, inside: object) -> list[int | None]:
        entries = inside.parts if isinstance(inside, Tree) and inside.kind == "list" else (inside,)
        return [self.walked(part)[1] for part in entries if isinstance(part, Tree)]

    def indexed(self, count: int | None, key: object) -> int | None:
        """The axes of x[…], of which numbers take one each."""
        assert isinstance(key, Tree)
        places = [part for part in key.parts if isinstance(part, Tree)]
        plain = [p for p in places if p.kind in ("number", "negative")]
        slices = [p for p in places if p.kind in ("row", "text")]
        return None if count is None or len(plain) + len(slices) < len(places) else count - len(plain)

    def called(self, tree: Tree, found: list[int | None]) -> int | None:
        function, *arguments = tree.parts
        assert isinstance(function, Tree)
        said = name_of(function) or (name_of(function.parts[0]) if isinstance(function.parts[0], Tree) else "")
        options = {name_of(a.parts[0]): a.parts[1] for a in arguments if isinstance(a, Tree) and a.kind == "option"}  # type: ignore[arg-type]
        if said in _REDUCTIONS:
            axis = options.get("axis")
            if axis is None or found[1] is None:
                return 0 if axis is None else None
            single = isinstance(axis, Tree) and axis.kind in ("number", "negative")
            return found[1] if "keepdims" in options else found[1] - 1 if single else None
        if said in _TO_A_NUMBER:
            return 0
        if said == "diag" and found[1] in (1, 2):
            return 3 - found[1]
        operation = lookup(said)
        keeps = said in ("where", "sech", "σ", "ψ", "Φ", "softmax", "log_softmax") or (
            operation is not None and operation.elementwise
        )
        return _largest(found[1 : 1 + len(arguments) - len(options)]) if keeps else None


def _is_power(above: object) -> bool:
    """Whether what is raised is an exponent, not a transpose, an inverse or a prime."""
    return isinstance(above, Tree) or (str(above).lstrip("-").isdigit() and above != "-1")


def _grouped(tree: Tree) -> Tree:
    """a·2·x as a·(2·x): a number belongs to what follows it."""
    if tree.kind == "operation" and tree.parts[0] == "·":
        _, left, right = tree.parts
        if isinstance(left, Tree) and left.kind == "operation" and left.parts[0] == "·":
            _, first, number = left.parts
            if isinstance(number, Tree) and number.kind == "number" and first != number:
                return Tree("operation", ("·", first, Tree("operation", ("·", number, right))))
    return tree


def _largest(found: list[int | None]) -> int | None:
    known = [count for count in found if count is not None]
    return max(known) if known and len(known) == len(found) else None
