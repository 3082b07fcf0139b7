"""What the rounds of a loop do, as formulas with k for the number of the round: ∂bₖ₊₁/∂bₖ = cos(bₖ).

Where the rounds of a loop are alike (`ndgrad.lang.alike`), the formula of one is that of all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ndgrad.lang.mathematics import SUPERSCRIPTS
from ndgrad.lang.notation import DIGITS_BELOW, Name, name_of, superscript

_PLAIN, _BELOW = "0123456789+-", DIGITS_BELOW + "₊₋"
_DOWN = str.maketrans(_PLAIN, _BELOW)
_UP = str.maketrans(_BELOW, _PLAIN)
_END = rf"(?![^\W{''.join(SUPERSCRIPTS)}])"  # of a name: a power may follow
_INDEXED = re.compile(rf"(?<!\w)(\w+?)ₖ(?:([₊₋][{DIGITS_BELOW}]+))?{_END}")


def indexed(columns: Sequence[Sequence[Name]], own: Name) -> Mapping[str, str] | None:
    """How the names of a step are written with k for the number of its round: the first value of the round, own, has
    the index k + 1.

    columns: the names in this round and in the next, place by place, the first those of the values that they make;
    a single name is one that both have. None where a name does not stay or go up by one.
    """
    value, after = columns[0]
    made: dict[str, str] = {}
    for column in columns:
        name, by = column[0], column[-1].number - column[0].number
        said = str(name) if by == 0 else name.name + _index(name.number - own.number + 1)
        if by not in (0, 1) or made.setdefault(str(name), said) != said:
            return None
    return made if after.number == value.number + 1 else None


def _offset(found: re.Match[str]) -> int:
    return int((found[2] or "0").translate(_UP))


def _index(offset: int) -> str:
    return "ₖ" + (f"{offset:+d}".translate(_DOWN) if offset else "")


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A formula with other names in it."""
    if not names:
        return text
    found = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<!\w)(?:{found}){_END}(?!\()", lambda m: names[m[0]], text)


class Factors:
    """Rounds that follow each other, each with the same formula for a factor, as one product.

    rule     the formula with k for the number of a round, which makes value k + 1
    base     the name of that value
    first, last   the numbers of the values that the rounds make
    """

    def __init__(self, rule: str, base: str, first: int, last: int) -> None:
        self.rule = rule
        self.base = base
        self.first = first
        self.last = last
        self.called: dict[Name, str] = {}  # names that the first round has for what the rule has an index for
        self.offsets = {_offset(m) for m in _INDEXED.finditer(rule)}

    def takes_later(self, name: str, factor: str) -> bool:
        """Take the round that makes a value into the product, at its end; False where it has another factor."""
        fits = name_of(name) == Name(self.base, self.last + 1) and self.said(self.last + 1) == factor
        self.last += fits
        return fits

    def takes_earlier(self, name: str, factor: str, known: Callable[[Name], str | None]) -> bool:
        """The same at its beginning, where the value before may have another name: y₀ is x.

        known: gives the name that the formulas have for a value, None for a value that there is not.
        """
        number = self.first - 1
        if name_of(name) != Name(self.base, number) or any(number - 1 + o < 0 for o in self.offsets):
            return False
        called: dict[Name, str] = {}
        for slot in self.slots(number):
            actual = known(slot)
            if actual is None:
                return False
            called[slot] = actual
        if renamed(self.said(number), {str(slot): actual for slot, actual in called.items()}) != factor:
            return False
        self.first = number
        self.called = called
        return True

    def notes(self) -> list[str]:
        """What the product calls otherwise than the steps do: `b₀ is b`."""
        numbers = range(self.first, min(self.last, self.first + 2) + 1)
        slots = dict.fromkeys(slot for number in numbers for slot in self.slots(number))
        pairs = ((s.name + str(s.number).translate(_DOWN), self.called.get(s, str(s))) for s in slots)
        return [f"{said} is {actual}" for said, actual in pairs if said != actual]

    def goes_on_with(self, earlier: Factors) -> bool:
        """Take rounds right before these into the product; False where they are others."""
        fits = (earlier.rule, earlier.base, earlier.last + 1) == (self.rule, self.base, self.first)
        if fits:
            self.first = earlier.first
        return fits

    def slots(self, number: int) -> list[Name]:
        """The names with an index that stand in the factor of a round."""
        found = (Name(m[1], number - 1 + _offset(m)) for m in _INDEXED.finditer(self.rule))
        return list(dict.fromkeys(found))

    def said(self, number: int) -> str:
        """The factor of the round that makes that value."""
        return _INDEXED.sub(lambda m: str(Name(m[1], number - 1 + _offset(m))), self.rule)

    def __str__(self) -> str:
        if not self.offsets:
            return f"({self.rule}){superscript(self.last - self.first + 1)}"
        least = min(self.offsets)
        rule = _INDEXED.sub(lambda m: m[1] + _index(_offset(m) - least), self.rule)
        below, above = self.first - 1 + least, self.last - 1 + least
        return f"∏ₖ₌{str(below).translate(_DOWN)}…{above} ({rule})"


def multiplied(rules: Sequence[str], by: str, rounds: int) -> tuple[Factors, str] | None:
    """The product of rounds that are left out, the last of which makes the value `by`, and the name of the value that
    the first begins with; None where a round has not one rule.
    """
    found = (
        re.fullmatch(rf"∂(\w+)ₖ₊₁/∂(\w+?(?:ₖ(?:[₊₋][{DIGITS_BELOW}]+)?)?) = (.*)", rules[0])
        if len(rules) == 1
        else None
    )
    last = name_of(by)
    if found is None or found[1] != last.name or last.number < rounds:
        return None
    first = last.number - rounds + 1
    before = Factors(found[2], last.name, first, last.number).said(first)
    return Factors(found[3], last.name, first, last.number), before
