"""From lines to pieces that can be run: the grammar says where one ends."""

from __future__ import annotations

import re

from ndgrad.errors import Source
from ndgrad.lang.parser import unfinished

Piece = tuple[int, str]  # its first line, and its text
SIGN = ":"  # what a command begins with
_COMMAND = re.compile(r"\s*:(grad|explain|load|names|set|help|quit)\b")
_STATEMENT = re.compile(r"(input|output|def|while|return|use|assert)\b")
_ASSIGNMENT = re.compile(r"[^\W\d]\w*\s*[-+*/@]?=(?!=)")
_VALUE = re.compile(r"\w")
_WORD = re.compile(r"(if|else|for|and|or|not|in|is)\b")  # what goes on with an expression
_ENDS = re.compile(r"\b(if|else|for|and|or|not|in|is|lambda)$")


class Pieces:
    """Takes lines, gives pieces.

    A block ends with the first line that cannot belong to it; with blank_ends also with an empty one, as at a prompt.
    """

    def __init__(self, blank_ends: bool) -> None:
        self.blank_ends = blank_ends
        self.number = 0  # lines taken
        self.lines: list[str] = []
        self.begun = 0  # the line that the piece began on
        self.state: str | None = None
        self.looked = 0  # lines that the grammar has seen

    @property
    def held(self) -> bool:
        """Whether a piece has begun."""
        return bool(self.lines)

    def take(self, line: str) -> list[Piece]:
        """The pieces that are whole with this line."""
        self.number += 1
        blank = not line.strip()
        if not self.lines:
            return [] if blank else self._begin(line)
        if self.state == "block" and not self.blank_ends and (blank or line[0].isspace()):
            self.lines.append(line)  # to be looked at with the line after the block: long blocks are read once
            return []
        if self.state == "block" and self._look() != "open":
            if blank:
                return self.rest()
            if not line[0].isspace() and line.split(maxsplit=1)[0].rstrip(SIGN) not in ("else", "elif"):
                return [*self.rest(), *self._begin(line)]
        return self._add(line)

    def rest(self) -> list[Piece]:
        """What has begun, whether it is whole or not."""
        lines, self.lines, self.state = self.lines, [], None
        return [(self.begun, "\n".join(lines))] if lines else []

    def _begin(self, line: str) -> list[Piece]:
        self.begun = self.number
        if line.lstrip().startswith(SIGN):
            return [(self.number, line.strip())]
        return self._add(line)

    def _add(self, line: str) -> list[Piece]:
        if self.state == "open" and not self.blank_ends and self._is_within_brackets() and self._is_no_more(line):
            return [*self.rest(), *self._begin(line)]
        self.lines.append(line)
        if self.state == "open" and self._is_within_brackets() and len(self.lines) < 1.1 * self.looked:
            return []
        return self.rest() if self._look() is None else []

    def _look(self) -> str | None:
        """What the grammar says of what has begun."""
        self.looked = len(self.lines)
        self.state = unfinished(Source("", "\n".join(self.lines)))
        return self.state

    def _is_no_more(self, line: str) -> bool:
        """Whether a line cannot stand within the brackets that are open: then one of them was never closed."""
        if _COMMAND.match(line) or _STATEMENT.match(line):
            return True
        before = next((kept for kept in map(_code, reversed(self.lines)) if kept), "")
        if _ASSIGNMENT.match(line) and not before.endswith((",", "(")):
            return True
        if _ASSIGNMENT.match(line):
            text = "\n".join(map(_code, self.lines))
            return text.count("[") > text.count("]") and text.rfind("[") > text.rfind("(")
        return bool(_VALUE.match(line) and before[-1:].isalnum() and not _WORD.match(line) and not _ENDS.search(before))

    def _is_within_brackets(self) -> bool:
        """Whether more brackets seem to be opened than closed; the grammar knows, but reads all lines each time."""
        text = "\n".join(line.partition("#")[0] for line in self.lines)
        return sum(map(text.count, "([")) > sum(map(text.count, ")]"))


def _code(line: str) -> str:
    """A line without its remark and the space around it."""
    return line.partition("#")[0].strip()
