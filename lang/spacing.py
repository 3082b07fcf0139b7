"""A statement on one line: what each of its tokens is for, and the spaces between them."""

from __future__ import annotations

from collections.abc import Iterator

from ndgrad.frozen import Frozen

CLOSES = {"(": ")", "[": "]"}
OPERANDS = frozenset({"NAME", "INTEGER", "DECIMAL", "STRING", "TRUE", "FALSE", "NONE", "ELLIPSIS", "RPAR", "RSQB"})
_HEADERS = frozenset({"IF", "ELIF", "ELSE", "WHILE", "FOR", "DEF"})

# What a token is for, where its sign alone does not say
UNARY, KEYWORD, SLICE, WIDE_SLICE, PARAMETER, HEADER = "unary", "keyword", "slice", "wide slice", "parameter", "header"


class Comment(Frozen):
    """A comment, and the column in which it was written."""

    text: str
    column: int


class Leaf:
    """A token with the comments around it. Only leaves inside brackets have any.

    own: the comments on lines of their own before it; after: the comment behind it on its line;
    anew: whether its line began with it.
    """

    __slots__ = ("after", "anew", "kind", "own", "text")

    def __init__(self, kind: str, text: str, anew: bool = False) -> None:
        self.kind = kind
        self.text = _quoted(text) if kind == "STRING" else text
        self.own: list[Comment] = []
        self.after: Comment | None = None
        self.anew = anew


def _quoted(text: str) -> str:
    """A string in double quotes, unless something in it would then have to change."""
    return text if text[0] == '"' or '"' in text or "\\" in text else f'"{text[1:-1]}"'


class Bracket:
    """A pair of brackets: where they are, and the commas between them.

    kind: call (of a call or a definition), group, tuple, array (or the sizes of an input), index;
    forced: whether what they hold is written one entry a line, however short.
    """

    __slots__ = ("close", "commas", "forced", "kind", "open")

    def __init__(self, open: int, kind: str) -> None:
        self.open = open
        self.close = open
        self.kind = kind
        self.commas: list[int] = []
        self.forced = False


class Statement:
    """The leaves of a statement, what each is for, and how wide they are on one line."""

    def __init__(self, leaves: list[Leaf]) -> None:
        self.leaves = leaves
        self.brackets: dict[int, Bracket] = {}  # by their opening leaf
        self.roles: dict[int, str] = {}
        self.unseen: set[int] = set()  # commas that change nothing
        self.commas: list[int] = []  # those of the statement itself
        _Reader(self).read()
        self._spaces = [False] + [self._spaced(i) for i in range(1, len(leaves))]
        self._ends = [0]  # where each leaf ends on one endless line
        self._forced = [0]  # how many brackets before each leaf must be broken
        for i in range(len(leaves)):
            bracket = self.brackets.get(i)
            self._ends.append(self._ends[-1] + self._spaces[i] + len(self._shown(i)))
            self._forced.append(self._forced[-1] + (bracket is not None and bracket.forced))

    def top(self, start: int, stop: int) -> Iterator[int]:
        """The leaves from `start` to `stop` that are not inside brackets there; of those, the opening ones."""
        i = start
        while i < stop:
            yield i
            i = self.brackets[i].close + 1 if i in self.brackets else i + 1

    def flat(self, start: int, stop: int) -> str:
        """The leaves from `start` to `stop` on one line."""
        return "".join([" " * self._spaces[i] + self._shown(i) for i in range(start, stop)]).lstrip(" ")

    def width(self, start: int, stop: int) -> int:
        """The length of `flat(start, stop)`."""
        return self._ends[stop] - self._ends[start] - self._spaces[start] if start < stop else 0

    def forced(self, start: int, stop: int) -> bool:
        """Whether some brackets that open from `start` to `stop` must be broken."""
        return self._forced[stop] > self._forced[start]

    def _shown(self, i: int) -> str:
        return "" if i in self.unseen else self.leaves[i].text

    def _spaced(self, i: int) -> bool:
        """Whether there is a space before leaf `i`, which is not the first."""
        before, leaf = self.leaves[i - 1], self.leaves[i]
        role, role_before = self.roles.get(i), self.roles.get(i - 1)
        if i in self.unseen or leaf.kind in ("COMMA", "RPAR", "RSQB") or before.kind in ("LPAR", "LSQB"):
            return False
        if role in (SLICE, WIDE_SLICE) and role_before not in (SLICE, WIDE_SLICE):
            return before.kind == "COMMA" or role == WIDE_SLICE
        if role_before in (SLICE, WIDE_SLICE):
            return role_before == WIDE_SLICE and role not in (SLICE, WIDE_SLICE)
        if leaf.kind == "COLON" or role == KEYWORD or role_before in (KEYWORD, UNARY):
            return False
        if leaf.kind == "DOT":
            return before.kind == "INTEGER"  # `1.T` would be read as the number `1.`
        if before.kind == "DOT":
            return False
        return not (i in self.brackets and before.kind in OPERANDS)


class _Reader:
    """Finds what the leaves of a statement are for, in one pass from left to right."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.leaves = statement.leaves
        self.roles = statement.roles
        self.open: list[Bracket] = []
        self.lambdas = [0]  # per open bracket, and for the statement: how many wait for their colon
        self.key_start = [0]  # the same: where the present key of an index begins
        self.group: list[int] = []  # the commas since the statement's last `=`

    def read(self) -> None:
        is_header = self.leaves[0].kind in _HEADERS
        if is_header:
            self.roles[0] = HEADER
        for i, leaf in enumerate(self.leaves):
            match leaf.kind:
                case "LPAR" | "LSQB":
                    self._enter(i)
                case "RPAR" | "RSQB":
                    self._leave(i)
                case "LAMBDA":
                    self.lambdas[-1] += 1
                case "COMMA":
                    self._comma(i)
                case "COLON" if self.lambdas[-1]:
                    self._end_parameters(i)
                case "COLON" if self.open:
                    self.roles[i] = SLICE
                case "COLON" if is_header:
                    self.roles[i] = HEADER
                    self._end_group(i)
                case "EQUAL" if self.open or self.lambdas[-1]:
                    self.roles[i] = KEYWORD
                case "EQUAL" | "AUGMENTED" | "IN" if not self.open:
                    self._end_group(i)
                case "ADD" if i == 0 or self.leaves[i - 1].kind not in OPERANDS:
                    self.roles[i] = UNARY
        self._end_group(len(self.leaves))

    def _enter(self, i: int) -> None:
        bracket = Bracket(i, self._kind(i))
        self.statement.brackets[i] = bracket
        self.open.append(bracket)
        self.lambdas.append(0)
        self.key_start.append(i + 1)

    def _kind(self, i: int) -> str:
        leaves = self.leaves
        is_behind = i > 0 and leaves[i - 1].kind in OPERANDS
        if leaves[i].text == "(":
            return "call" if is_behind else "group"
        is_sizes = leaves[0].kind == "INPUT" and i == 4 and leaves[2].kind == "COLON"
        return "index" if is_behind and not is_sizes else "array"

    def _leave(self, i: int) -> None:
        bracket = self.open.pop()
        self.lambdas.pop()
        self._end_key(bracket, self.key_start.pop(), i)
        bracket.close = i
        if bracket.kind == "group" and (bracket.commas or i == bracket.open + 1):
            bracket.kind = "tuple"
        if bracket.commas and bracket.commas[-1] == i - 1 and self._has_idle_comma(bracket):
            self.statement.unseen.add(i - 1)
            bracket.forced = True
        if self._has_comments(bracket) or self._has_rows(bracket):
            bracket.forced = True

    def _has_idle_comma(self, bracket: Bracket) -> bool:
        """Whether the comma behind the last entry makes nothing a tuple that is none without it."""
        return len(bracket.commas) > 1 or bracket.kind not in ("tuple", "index")

    def _has_comments(self, bracket: Bracket) -> bool:
        leaves, brackets = self.leaves, self.statement.brackets
        if leaves[bracket.open].after or leaves[bracket.close].own:
            return True
        for i in self.statement.top(bracket.open + 1, bracket.close):
            last = brackets[i].close if i in brackets else i
            if leaves[i].own or leaves[last].after:
                return True
        return False

    def _has_rows(self, bracket: Bracket) -> bool:
        """Whether this is an array of rows, with a line begun before one of them."""
        if bracket.kind != "array" or not bracket.commas:
            return False
        brackets = self.statement.brackets
        begun = False
        starts = [bracket.open + 1, *(comma + 1 for comma in bracket.commas)]
        for start, stop in zip(starts, [*bracket.commas, bracket.close], strict=True):
            if start == stop:
                continue
            if start not in brackets or brackets[start].kind != "array" or brackets[start].close != stop - 1:
                return False
            begun = begun or (start > bracket.open + 1 and self.leaves[start].anew)
        return begun

    def _comma(self, i: int) -> None:
        if self.lambdas[-1]:
            self.roles[i] = PARAMETER
        elif self.open:
            bracket = self.open[-1]
            self._end_key(bracket, self.key_start[-1], i)
            self.key_start[-1] = i + 1
            bracket.commas.append(i)
        else:
            self.statement.commas.append(i)
            self.group.append(i)

    def _end_parameters(self, i: int) -> None:
        """The colon of a lambda: a comma before it changes nothing."""
        self.lambdas[-1] -= 1
        if self.roles.get(i - 1) == PARAMETER:
            self.statement.unseen.add(i - 1)

    def _end_group(self, i: int) -> None:
        """A list without brackets ends before leaf `i`: its last comma may change nothing."""
        if self.group and self.group[-1] == i - 1 and (len(self.group) > 1 or self.leaves[0].kind == "OUTPUT"):
            self.statement.unseen.add(i - 1)
        self.group = []

    def _end_key(self, bracket: Bracket, start: int, stop: int) -> None:
        """Colons of a slice get spaces where one of its bounds is more than a name or a number."""
        if bracket.kind != "index":
            return
        colons = [i for i in self.statement.top(start, stop) if self.roles.get(i) == SLICE]
        bounds = zip([start, *(colon + 1 for colon in colons)], [*colons, stop], strict=True)
        if not all(self._is_simple(begin, end) for begin, end in bounds):
            self.roles.update(dict.fromkeys(colons, WIDE_SLICE))

    def _is_simple(self, start: int, stop: int) -> bool:
        while start < stop and self.roles.get(start) == UNARY:
            start += 1
        return stop - start <= 1
