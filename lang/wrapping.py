"""A statement as lines: broken inside its brackets where it is too long for one.

What decides is the tokens alone, never where the user broke the line, so laying out the result again
changes nothing. Three things ask for one entry a line whatever the length: a comment inside the brackets, a comma
behind the last entry, and rows of an array that were written on lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ndgrad.frozen import Frozen
from ndgrad.lang.builder import NESTING_LIMIT
from ndgrad.lang.spacing import CLOSES, HEADER, OPERANDS, Bracket, Comment, Leaf, Statement

WIDTH = 88
INDENT = 4

# What a long expression is split at, the loosest first
_COMMA = 0
_LOOSENESS = {"COMMA": 0, "IF": 1, "ELSE": 1, "OR": 2, "AND": 3, "COMPARE": 4, "ADD": 5, "MULTIPLY": 6, "POWER": 7}


class Line(Frozen):
    """One line of the result."""

    depth: int
    text: str
    comment: Comment | None = None


class _Piece(Frozen):
    """The leaves from `start` to `stop`, to be laid out at some depth.

    inside: whether brackets around it allow a break anywhere; bracket: the brackets that it fills.
    """

    start: int
    stop: int
    depth: int
    suffix: str = ""
    comment: Comment | None = None
    inside: bool = False
    bracket: Bracket | None = None


def wrapped(leaves: list[Leaf], depth: int) -> list[Line]:
    """The lines of one simple statement, or of the header of a compound one."""
    statement = Statement(_without_doubled(leaves))
    idle = statement.unseen.intersection(statement.commas)
    if idle:
        statement = Statement([leaf for i, leaf in enumerate(statement.leaves) if i not in idle])
    region = _Wrapping(statement).region_to_enclose(depth)
    if region is not None:
        start, stop = region
        made = statement.leaves
        statement = Statement([*made[:start], Leaf("LPAR", "("), *made[start:stop], Leaf("RPAR", ")"), *made[stop:]])
    return _Wrapping(statement).lines(depth)


def _without_doubled(leaves: list[Leaf]) -> list[Leaf]:
    """`((a))` as `(a)`; kept where a comment stands between the two."""
    open_: list[int] = []
    partner: dict[int, int] = {}
    for i, leaf in enumerate(leaves):
        if leaf.text in CLOSES:
            open_.append(i)
        elif leaf.kind in ("RPAR", "RSQB"):
            partner[open_.pop()] = i
    dropped: set[int] = set()
    for i, j in sorted(partner.items()):
        is_group = leaves[i].text == "(" and (i == 0 or leaves[i - 1].kind not in OPERANDS)
        if is_group and leaves[i + 1].text == "(" and partner[i + 1] == j - 1:
            commented = leaves[i].after or leaves[i + 1].own or leaves[j - 1].after or leaves[j].own
            if not commented:
                leaves[i + 1].own, leaves[j - 1].after = leaves[i].own, leaves[j].after
                dropped |= {i, j}
    return [leaf for i, leaf in enumerate(leaves) if i not in dropped]


class _Wrapping:
    """Where one statement can be broken, and its lines."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.leaves = statement.leaves

    def _fits(self, start: int, stop: int, depth: int, suffix: str = "") -> bool:
        return depth * INDENT + self.statement.width(start, stop) + len(suffix) <= WIDTH

    # Where lines can be broken

    def _splits(self, start: int, stop: int) -> tuple[int, list[int]]:
        """The loosest operators in a range: how loose they are, and where."""
        found: dict[int, list[int]] = {}
        for i in self.statement.top(start, stop):
            looseness = None if i in self.statement.roles else _LOOSENESS.get(self.leaves[i].kind)
            if looseness is not None and i > start:
                found.setdefault(looseness, []).append(i)
        return min(found.items(), default=(_COMMA, []))

    def _inner(self, start: int, stop: int) -> Iterator[Bracket]:
        """The brackets of a range, not those inside others, that hold something."""
        for i in self.statement.top(start, stop):
            bracket = self.statement.brackets.get(i)
            if bracket is not None and (bracket.close > i + 1 or bracket.forced):
                yield bracket

    def _widest(self, start: int, stop: int, depth: int, suffix: str) -> Bracket | None:
        """The brackets that hold most, of those that leave lines that fit when they alone are broken."""
        best = None
        for bracket in self._inner(start, stop):
            if self._fits(start, bracket.open + 1, depth) and self._fits(bracket.close, stop, depth, suffix):
                width = self.statement.width(bracket.open, bracket.close)
                if best is None or width >= best[0]:
                    best = width, bracket
        return best[1] if best else None

    def region_to_enclose(self, depth: int) -> tuple[int, int] | None:
        """The expression of a long statement that parentheses must enclose, so that it can be broken."""
        if self._fits(0, len(self.leaves), depth):
            return None
        start, stop = self._region()
        looseness, splits = self._splits(start, stop)
        if not splits or self._nesting() >= NESTING_LIMIT:
            return None
        if len(splits) == 1 and looseness != _COMMA:
            widest = self._widest(0, len(self.leaves), depth, "")
            if widest is not None and widest.close == stop - 1 and widest.open > splits[0]:
                return None
        return start, stop

    def _region(self) -> tuple[int, int]:
        """The expression of the statement that may be enclosed: what is assigned, returned, asked, run through."""
        leaves, stop = self.leaves, len(self.leaves)
        top = list(self.statement.top(0, stop))
        if self.statement.roles.get(stop - 1) == HEADER:
            stop -= 1
        match leaves[0].kind:
            case "IF" | "ELIF" | "WHILE" | "RETURN":
                return 1, stop
            case "FOR":
                return next(i for i in top if leaves[i].kind == "IN") + 1, stop
            case "ASSERT":
                return 1, self.statement.commas[0] if self.statement.commas else stop
            case "OUTPUT" if self.statement.commas:
                return 1, 1  # enclosed, its entries would be one
        signs = [i for i in top if leaves[i].kind in ("EQUAL", "AUGMENTED") and i not in self.statement.roles]
        if signs:
            return signs[-1] + 1, stop
        if leaves[0].kind == "OUTPUT":
            return 1, stop
        is_value = leaves[0].kind in OPERANDS or leaves[0].kind in ("LPAR", "LSQB", "ADD", "NOT", "LAMBDA")
        return (0, stop) if is_value else (stop, stop)

    def _nesting(self) -> int:
        """How deep the brackets are nested at most."""
        depth = deepest = 0
        for leaf in self.leaves:
            depth += (leaf.text in CLOSES) - (leaf.kind in ("RPAR", "RSQB"))
            deepest = max(deepest, depth)
        return deepest

    # Laying out

    def lines(self, depth: int) -> list[Line]:
        made: list[Line] = []
        left: list[Line | _Piece] = [_Piece(0, len(self.leaves), depth)]
        while left:  # a stack, since brackets may be nested deeper than Python's calls
            item = left.pop()
            if isinstance(item, Line):
                made.append(item)
            else:
                left.extend(reversed(list(self._laid_out(item))))
        return made

    def _laid_out(self, piece: _Piece) -> Iterator[Line | _Piece]:
        """A piece as lines and smaller pieces."""
        start, stop, depth, statement = piece.start, piece.stop, piece.depth, self.statement
        fits = self._fits(start, stop, depth, piece.suffix)
        if fits and not statement.forced(start, stop):
            yield Line(depth, statement.flat(start, stop) + piece.suffix, piece.comment)
            return
        if piece.inside and self._splits(start, stop)[1]:
            *parts, last = self._parts(start, stop, depth, piece.bracket)
            yield from parts
            yield _Piece(last.start, last.stop, depth, last.suffix + piece.suffix, piece.comment, inside=True)
            return
        inner = list(self._inner(start, stop))
        broken = [bracket for bracket in inner if statement.forced(bracket.open, bracket.close)]
        if not fits:
            widest = self._widest(start, stop, depth, piece.suffix)
            if widest is None and (start, stop) == (0, len(self.leaves)) and self._shows_several():
                yield from self._shown_on_lines(piece)
                return
            broken = [bracket for bracket in inner if bracket in broken or widest in (bracket, None)]
        for bracket in broken:
            yield Line(depth, statement.flat(start, bracket.open + 1), self.leaves[bracket.open].after)
            yield from self._content(bracket, depth + 1)
            start = bracket.close
        yield Line(depth, statement.flat(start, stop) + piece.suffix, piece.comment)

    def _shows_several(self) -> bool:
        return self.leaves[0].kind == "OUTPUT" and bool(self.statement.commas)

    def _shown_on_lines(self, piece: _Piece) -> Iterator[_Piece]:
        """`output a, b`, which no brackets can enclose: an entry a line, with backslashes."""
        start, depth = 0, piece.depth
        for comma in self.statement.commas:
            yield _Piece(start, comma, depth, ", \\")
            start, depth = comma + 1, piece.depth + 1
        yield _Piece(start, piece.stop, depth)

    def _content(self, bracket: Bracket, depth: int) -> Iterator[Line | _Piece]:
        """What stands between brackets that are broken."""
        start, stop = bracket.open + 1, bracket.close
        if not bracket.forced:
            yield _Piece(start, stop, depth, inside=True, bracket=bracket)
            return
        parts = self._parts(start, stop, depth, bracket) if start < stop else []
        for part, until in zip(parts, [*(part.start for part in parts[1:]), stop], strict=False):
            above, behind = self._comments(part.start, until)
            for comment in above:
                yield Line(depth, comment.text)
            yield _Piece(part.start, part.stop, depth, part.suffix, behind, inside=True)
        for comment in self.leaves[stop].own:
            yield Line(depth, comment.text)

    def _parts(self, start: int, stop: int, depth: int, bracket: Bracket | None) -> list[_Piece]:
        """A range split at its loosest operators; commas end a part, other operators begin one."""
        looseness, splits = self._splits(start, stop)
        if not splits or looseness != _COMMA:
            return [_Piece(begin, end, depth, inside=True) for begin, end in pairwise([start, *splits, stop])]
        ends_with_comma = splits[-1] == stop - 1
        bounds = splits if ends_with_comma else [*splits, stop]
        starts = [start, *(comma + 1 for comma in bounds[:-1])]
        takes_comma = ends_with_comma or (bracket is not None and bracket.kind != "group")
        suffixes = [","] * (len(bounds) - 1) + ["," if takes_comma else ""]
        spans = zip(starts, bounds, suffixes, strict=True)
        return [_Piece(begin, end, depth, suffix, inside=True) for begin, end, suffix in spans]

    def _comments(self, start: int, stop: int) -> tuple[list[Comment], Comment | None]:
        """The comments of a part between brackets: those to put above it, and the one behind it."""
        above: list[Comment] = []
        behind: Comment | None = None
        for i in self.statement.top(start, stop):
            above += self.leaves[i].own
            bracket = self.statement.brackets.get(i)
            last = self.leaves[bracket.close if bracket else i]
            if last.after is not None:
                above += [behind] if behind else []
                behind = last.after
        return above, behind
