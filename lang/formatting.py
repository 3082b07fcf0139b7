"""Programs laid out in one way: four spaces a block, one statement a line, comments where they were.

The language's own lexer says where the tokens are, and what stands between two tokens is blank or a comment.
So the statements come from the tokens, the comments and empty lines from the gaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ndgrad.errors import Error, LimitError, Source
from ndgrad.lang import syntax
from ndgrad.lang.parser import parse, tokens
from ndgrad.lang.spacing import Comment, Leaf
from ndgrad.lang.wrapping import INDENT, Line, wrapped

if TYPE_CHECKING:
    from lark import Token

_TRIVIA = re.compile(r"#[^\n]*|\\[\t \f]*\n|\n")
_BLOCKS = frozenset({"IF", "ELIF", "ELSE", "WHILE", "FOR", "DEF"})


def formatted(text: str, name: str = "<text>") -> str:
    """The program `text`, laid out anew: same meaning, same comments; formatting it again changes nothing.

    Errors: E1xx and E501, as from `compile`.
    """
    source = Source(name, text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    tree = parse(source)
    made = _Layout(source).text()
    try:
        unchanged = _same(tree, parse(Source(name, made)))
    except LimitError:  # a block that began on its header's line, as deep as blocks can be
        raise
    except Error as error:
        raise RuntimeError(f"formatting {name} would break it") from error
    if not unchanged:
        raise RuntimeError(f"formatting {name} would change what it says")
    return made


def _same(one: syntax.Body, other: syntax.Body) -> bool:
    """Whether two trees say the same; spans aside, and without recursion."""
    pairs: list[tuple[Any, Any]] = [(one, other)]
    while pairs:
        a, b = pairs.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, syntax.Node):
            pairs += [(getattr(a, field), getattr(b, field)) for field in a._fields if field not in a._uncompared]
        elif isinstance(a, tuple):
            if len(a) != len(b):
                return False
            pairs += zip(a, b, strict=True)
        elif a != b:
            return False
    return True


class _Gap:
    """What stands between two tokens: a comment behind the first, comments on lines of their own, empty lines."""

    def __init__(self, text: str, start: int, stop: int) -> None:
        self.behind: Comment | None = None
        self.own: list[tuple[int, Comment]] = []  # with the number of empty lines above
        ends = 1 if start == 0 else 0  # line ends since the last token or comment
        for found in _TRIVIA.finditer(text, start, stop):
            if found[0][0] != "#":
                ends += 1
            else:
                column = len(text[text.rfind("\n", 0, found.start()) + 1 : found.start()].expandtabs(8))
                comment = Comment(found[0].rstrip(), column)
                if ends:
                    self.own.append((ends - 1, comment))
                else:
                    self.behind = comment
                ends = 0
        self.breaks = ends > 0 or bool(self.own)
        self.empty = max(ends - 1, 0)


class _Layout:
    """The lines of one program."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines: list[Line] = []
        self.widths = [0]  # of the indentation of each open block, as written
        self.depth = 0  # of the line before
        self.after_define = False  # whether the last statement at the top is a function

    def text(self) -> str:
        """The program as it should be written."""
        text = self.source.text
        end, widths, line = 0, [0], list["Token"]()
        for token in tokens(self.source):
            if token.type == "_INDENT":
                begin = text.rfind("\n", 0, token.end_pos) + 1
                widths.append(len(text[begin : token.end_pos].expandtabs(8)))
            elif token.type == "_DEDENT":
                widths.pop()
            elif token.type == "_NEWLINE":
                if line:
                    self._add(line, _Gap(text, end, line[0].start_pos or 0), widths)
                    end = line[-1].end_pos or 0
                line = []
            else:
                line.append(token)
        self._between(_Gap(text, end, len(text)), [0], is_define=False)
        while self.lines and not self.lines[-1].text:
            self.lines.pop()
        return "".join(line + "\n" for line in _aligned(self.lines))

    def _add(self, line: list[Token], gap: _Gap, widths: list[int]) -> None:
        """A line of the source: a block's header, a block's header with its block, or statements."""
        depth = len(widths) - 1
        self._between(gap, widths, line[0].type == "DEF")
        self.widths, self.depth = list(widths), depth
        if depth == 0:
            self.after_define = line[0].type == "DEF"
        for statement, inner in _statements(self._leaves(line)):
            self.lines += wrapped(statement, depth + inner)

    def _between(self, gap: _Gap, widths: list[int], is_define: bool) -> None:
        """The comments and empty lines before a line with the blocks `widths` around it."""
        depth = len(widths) - 1
        if gap.behind:
            last = self.lines[-1]
            self.lines[-1] = Line(last.depth, last.text, gap.behind)
        opens = depth > self.depth
        for empty, comment in gap.own:
            at = depth if opens else self._depth_for(comment.column, depth)
            self._skip(0 if opens else empty, at, is_define)
            self.lines.append(Line(at, comment.text))
            opens = False
        self._skip(0 if opens else gap.empty, depth, is_define)

    def _skip(self, empty: int, depth: int, is_define: bool) -> None:
        """Up to one empty line; up to two around functions at the top; none where the program begins."""
        most = 2 if depth == 0 and (is_define or self.after_define) else 1
        if self.lines:
            self.lines += [Line(0, "")] * min(empty, most)

    def _depth_for(self, column: int, least: int) -> int:
        """The block that a comment at the end of blocks belongs to, told by its column."""
        for depth in range(self.depth, least, -1):
            if self.widths[depth] <= column:
                return depth
        return least

    def _leaves(self, line: list[Token]) -> list[Leaf]:
        made: list[Leaf] = []
        end = line[0].start_pos or 0
        for token in line:
            gap = _Gap(self.source.text, end, token.start_pos or 0) if made else None
            leaf = Leaf(token.type, str(token), gap is not None and gap.breaks)
            if gap is not None:
                leaf.own = [comment for _, comment in gap.own]
                made[-1].after = gap.behind
            made.append(leaf)
            end = token.end_pos or 0
        return made


def _statements(leaves: list[Leaf]) -> Iterator[tuple[list[Leaf], int]]:
    """The statements of a line, and how much deeper than the line each belongs."""
    inner = nested = lambdas = start = 0
    for i, leaf in enumerate(leaves):
        match leaf.kind:
            case "LPAR" | "LSQB":
                nested += 1
            case "RPAR" | "RSQB":
                nested -= 1
            case "LAMBDA" if not nested:
                lambdas += 1
            case "COLON" if not nested and lambdas:
                lambdas -= 1
            case "COLON" if not nested and not inner and leaves[start].kind in _BLOCKS:
                yield leaves[start : i + 1], 0
                start, inner = i + 1, 1
            case "SEMICOLON":
                yield leaves[start:i], inner
                start = i + 1
    if start < len(leaves):
        yield leaves[start:], inner


def _aligned(lines: list[Line]) -> Iterator[str]:
    """The text of the lines. Comments stay aligned with those of the lines around, where they were."""
    texts = [" " * (INDENT * line.depth) + line.text for line in lines]
    start = 0
    while start < len(lines):
        stop = start + 1
        first = lines[start].comment
        while first and stop < len(lines):
            comment = lines[stop].comment
            if comment is None or comment.column != first.column:
                break
            stop += 1
        column = max(len(text) for text in texts[start:stop]) + 2
        for text, line in zip(texts[start:stop], lines[start:stop], strict=True):
            yield f"{text:<{column}}{line.comment.text}" if line.comment else text
        start = stop
