"""Characters that no token begins with: what they were meant to be, and what stands for them while the rest is read."""

from __future__ import annotations

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.lang import problems
from ndgrad.lang.habits import QUOTES, WRITTEN

_OFTEN = 3  # times that one character is reported


class Stray:
    """`problem` is None where it was said before; `text` is the program with `places` passed over."""

    def __init__(self, text: str, places: list[int], problem: Diagnostic | None) -> None:
        self.text = text
        self.places = places
        self.problem = problem


def stray(source: Source, text: str, place: int, found: list[Diagnostic]) -> Stray:
    """What to say about the character at `place`, and how to read on. `found`: what was said before."""
    sign = text[place]
    line_end = text.index("\n", place)
    end = place + 1
    if sign in "\"'":
        rest = text[place:line_end].rstrip()
        tail = rest[len(rest.rstrip(")]:")) :]  # most likely not meant to be in the string
        stand_in = tail.rjust(len(rest))
        return _over(text, place, stand_in, problems.string_without_end(Span(source, place, line_end)))
    if sign in QUOTES:
        closing = min((i for i in (text.find(q, end, line_end) for q in QUOTES[sign]) if i >= 0), default=None)
        if closing is not None:
            span = Span(source, place, closing + 1)
            return _over(text, place, '"' + " " * (closing - end) + '"', problems.typographic_quotes(span))
    if sign in "{}":
        return _brace(source, text, place, line_end, found)
    if sign in "&|" and text[end] == sign:
        end += 1
    span = Span(source, place, end)
    if sum(one.code == "E101" and one.span is not None and one.span.text == span.text for one in found) == _OFTEN:
        places = [i for i, other in enumerate(text) if other == sign]
        return Stray(text.replace(sign, " "), places, None)
    wide = 0xFF01 <= ord(sign) <= 0xFF5E
    stand_in = chr(ord(sign) - 0xFEE0) if wide else WRITTEN.get(sign, " ")[:1]
    if not stand_in.isascii() or stand_in.isalpha() or stand_in in "\"'{}!":
        stand_in = " "
    if stand_in == " " and not text[:place].rpartition("\n")[2].strip():
        stand_in = _out_of_the_way(text, end, line_end)
    return _over(text, place, stand_in.ljust(end - place), problems.unexpected_character(span))


def _out_of_the_way(text: str, end: int, line_end: int) -> str:
    """What stands for the first sign of a line, and the blanks after it, so that the indentation stays the same."""
    return "\f" * (1 + len(text[end:line_end]) - len(text[end:line_end].lstrip()))


def _over(text: str, place: int, stand_in: str, problem: Diagnostic | None) -> Stray:
    return Stray(text[:place] + stand_in + text[place + len(stand_in) :], [place], problem)


def _brace(source: Source, text: str, place: int, line_end: int, found: list[Diagnostic]) -> Stray:
    """A dictionary, a block, or the end of a block; blocks in braces are said once."""
    said = any(problem.message == problems.BRACES for problem in found)
    before = text[text.rfind("\n", 0, place) + 1 : place]
    rest = text[place + 1 : line_end].strip()
    is_value = before.rstrip().endswith(("=", "(", ",", "[", "+", "-", "*", "/", "return", "output"))
    closing = text.find("}", place, len(text) if is_value else line_end)
    if text[place] == "{" and closing >= 0:
        return _over(text, place, " " * (closing + 1 - place), problems.dictionary(Span(source, place, closing + 1)))
    if said:
        return _all_braces(source, text, place)
    problem = problems.braces(Span(source, place, place + 1))
    if text[place] == "}" and not before.strip():
        made = _over(text, place, _out_of_the_way(text, place + 1, line_end), problem)
        return made if rest else Stray(made.text, [], problem)
    opens_block = text[place] == "{" and (not rest or rest.startswith("#"))
    header = before.rstrip()
    colon = opens_block and bool(header.strip()) and not header.endswith(":")
    return _over(text, place, ":" if colon else " ", problem)


def _all_braces(source: Source, text: str, place: int) -> Stray:
    """The braces from `place` on, without a word about them."""
    places = []
    while place >= 0:
        made = _brace(source, text, place, text.index("\n", place), [])
        text = made.text
        places += made.places
        place = min((i for i in (text.find("{", place), text.find("}", place)) if i >= 0), default=-1)
    return Stray(text, places, None)
